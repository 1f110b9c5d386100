"""One way in to recorded trajectories, whatever they are stored as."""

from pathlib import Path

from jepakit.data.trajectory import Episodes
from jepakit.data.trajectory_files import MANIFEST
from jepakit.data.trajectory_folder import FolderEpisodes

_HDF5 = (".h5", ".hdf5")


def open_trajectories(root: Path, camera: str | None = None) -> Episodes:
    """The episodes at `root`, which tells its format by what is there:

        manifest.json, episodes/*.npz, *.npz    the house format, or npz files of others
        FILE.hdf5, FILE.h5                      groups with frames and actions, or Minari's with observations
        data/main_data.hdf5                     Minari
        meta/info.json                          LeRobot, versions 2 and 3
        **/trajectory.h5                        DROID as it was recorded

    `camera` chooses among several. Raises ValueError, in one sentence, for what is not a set of trajectories, and
    ImportError with what to install.
    """
    if not root.exists():
        raise ValueError(f"there is nothing at {root}; name a folder of episodes, or a file of them")
    if root.is_file():
        if root.suffix.lower() in _HDF5:
            return _open_hdf5(root, camera)
        raise ValueError(f"{root} is not a file of trajectories, which would be called *.hdf5 or *.h5")
    if (root / MANIFEST).exists() or any((root / "episodes").glob("*.npz")) or any(root.glob("*.npz")):
        _refuse(camera, root)
        return FolderEpisodes(root)
    if (root / "meta" / "info.json").exists():
        from jepakit.data.trajectory_lerobot import LeRobotEpisodes

        return LeRobotEpisodes(root, camera)
    if (root / "data" / "main_data.hdf5").exists():
        return _open_hdf5(root / "data" / "main_data.hdf5", camera)
    if next(root.rglob("trajectory.h5"), None) is not None:
        from jepakit.data.trajectory_droid import DroidEpisodes

        return DroidEpisodes(root, camera)
    raise ValueError(
        f"{root} holds no trajectories: there is no {MANIFEST}, no episodes/*.npz, no meta/info.json of LeRobot, no "
        "data/main_data.hdf5 of Minari and no trajectory.h5 of DROID"
    )


def _open_hdf5(path: Path, camera: str | None) -> Episodes:
    from jepakit.data.trajectory_hdf5 import Handle, Hdf5Episodes, groups_of
    from jepakit.data.trajectory_minari import MinariEpisodes

    if any("observations" in group for _, group in groups_of(Handle(path))):
        return MinariEpisodes(path, camera)
    _refuse(camera, path)
    return Hdf5Episodes(path)


def _refuse(camera: str | None, root: Path) -> None:
    if camera is not None:
        raise ValueError(f"the episodes at {root} have one camera without a name; leave out camera={camera!r}")

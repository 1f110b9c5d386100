"""One way in to recorded trajectories, whatever they are stored as."""

from pathlib import Path

from jepakit.data.trajectory import Episodes
from jepakit.data.trajectory_files import MANIFEST
from jepakit.data.trajectory_folder import FolderEpisodes


def open_trajectories(root: Path) -> Episodes:
    """The episodes under `root`, which tells its format by what is there.

    Raises ValueError, in one sentence, for what is not a set of trajectories.
    """
    if not root.exists():
        raise ValueError(f"there is nothing at {root}; name a folder of episodes, or a file of them")
    if (root / MANIFEST).exists() or any((root / "episodes").glob("*.npz")) or any(root.glob("*.npz")):
        return FolderEpisodes(root)
    raise ValueError(f"{root} holds no trajectories: it has neither episodes/*.npz nor a {MANIFEST}")

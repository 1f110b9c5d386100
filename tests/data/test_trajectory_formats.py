"""Episodes as others store them: each is written small, as found in the wild, and read as what it means."""

import json
import pickle

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import tracks
from PIL import Image

from jepakit import poses
from jepakit.contracts import BrokenSample
from jepakit.data.trajectories import Trajectories
from jepakit.data.trajectory import Episodes, read_episode
from jepakit.data.trajectory_files import write_episodes
from jepakit.data.trajectory_hdf5 import write_hdf5
from jepakit.data.trajectory_open import open_trajectories
from jepakit.data.video_write import write_video

RATE, SIDE = 10, 16
LENGTHS = (6, 7, 5)
NEAR = 3
"""Levels of 255 that a film may be off."""


def shade(number: int, moment: int) -> int:
    """How bright a frame is, which tells it from all others."""
    return 10 + 80 * number + 11 * moment


def frames(number: int) -> np.ndarray:
    shades = np.array([shade(number, moment) for moment in range(LENGTHS[number])], dtype=np.uint8)
    return np.broadcast_to(shades[:, None, None, None], (len(shades), SIDE, SIDE, 3)).copy()


def rows(number: int, width: int, offset: float = 0.0) -> np.ndarray:
    """A row for each moment: 10 * number + moment + offset, and more to the right."""
    return (10 * number + np.arange(LENGTHS[number])[:, None] + offset + 0.1 * np.arange(width)).astype(np.float32)


def check_frames(found: Episodes, near: int = 0) -> None:
    for row in range(3):
        seen = found.frames(row, range(1, LENGTHS[row], 2))
        wanted = [shade(row, moment) for moment in range(1, LENGTHS[row], 2)]
        assert seen.shape == (len(wanted), SIDE, SIDE, 3)
        assert np.abs(seen.mean(axis=(1, 2, 3)) - wanted).max() <= near, row


def test_hdf5_is_written_and_read(tmp_path):
    path = tmp_path / "set.hdf5"
    assert write_hdf5(path, tracks.make(range(3)), {"world": "counting"}) == 3
    found = open_trajectories(path)
    assert isinstance(found, Episodes)
    assert list(found.lengths) == [tracks.moments_of(number) for number in range(3)]
    again = pickle.loads(pickle.dumps(found))
    for row in range(3):
        wanted, got = tracks.episode(row), read_episode(again, row)
        assert wanted.keys() == got.keys()
        assert all((wanted[key] == got[key]).all() for key in wanted)
    assert found.frames(2, range(1, 6, 2))[:, 0, 0, 0].tolist() == [21, 23, 25]


def test_broken_groups_of_hdf5_are_named(tmp_path):
    path = tmp_path / "set.h5"
    write_hdf5(path, tracks.make(range(2)), {})
    with h5py.File(path, "a") as file:
        del file["000000/actions"]
    found = open_trajectories(path)
    assert (found.names, dict(found.broken)) == (["000001"], {"000000": "it has no actions"})


@pytest.mark.parametrize("nested", [True, False])
def test_minari(tmp_path, nested):
    (tmp_path / "data").mkdir()
    with h5py.File(tmp_path / "data" / "main_data.hdf5", "w") as file:
        for number in range(3):
            group = file.create_group(f"episode_{number}")
            if nested:
                group["observations/pixels"] = frames(number)
                group["observations/agent/qpos"] = rows(number, 2).astype(np.float64)
                group["observations/agent/qvel"] = rows(number, 1, 50)
            else:
                group["observations"] = frames(number)
            group["actions"] = rows(number, 2)[:-1]
            group["rewards"] = np.zeros(LENGTHS[number] - 1)
        del file["episode_2/actions"]
        file["episode_2/actions"] = np.zeros((9, 2))
        file.copy("episode_1", "episode_10")
    found = open_trajectories(tmp_path)
    assert found.names == ["episode_0", "episode_1", "episode_10"], "in the order of their numbers"
    assert list(found.broken) == ["episode_2"]
    numbers = found.numbers(1)
    assert np.array_equal(numbers.actions, rows(1, 2)[:-1])
    if nested:
        assert np.array_equal(numbers.proprio, np.concatenate([rows(1, 2), rows(1, 1, 50)], axis=1))
    else:
        assert numbers.proprio is None
    assert found.frames(1, range(0, 7, 3))[:, 0, 0, 0].tolist() == [shade(1, 0), shade(1, 3), shade(1, 6)]


def test_a_camera_is_named_where_there_are_several(tmp_path):
    path = tmp_path / "two.hdf5"
    with h5py.File(path, "w") as file:
        for camera in ("front", "wrist"):
            file[f"episode_0/observations/{camera}"] = frames(0)
        file["episode_0/actions"] = rows(0, 2)[:-1]
    with pytest.raises(ValueError, match="name one as camera"):
        open_trajectories(path)
    assert open_trajectories(path, "wrist").lengths == [6]
    tracks.write(tmp_path / "own", 1)
    with pytest.raises(ValueError, match="one camera without a name"):
        open_trajectories(tmp_path / "own", "wrist")


def write_info(root, version: int, kind: str) -> None:
    where = {
        2: "chunk-{episode_chunk:03d}/episode_{episode_index:06d}",
        3: "chunk-{chunk_index:03d}/file-{file_index:03d}",
    }
    film = {2: "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"}
    features = {
        "observation.images.front": {"dtype": kind, "shape": [SIDE, SIDE, 3]},
        "observation.state": {"dtype": "float32", "shape": [3]},
        "action": {"dtype": "float32", "shape": [2]},
    }
    info = {
        "codebase_version": f"v{version}.0",
        "fps": RATE,
        "chunks_size": 1000,
        "features": features,
        "data_path": f"data/{where[version]}.parquet",
        "video_path": film[2] if version == 2 else f"videos/{{video_key}}/{where[3]}.mp4",
    }
    (root / "meta").mkdir(parents=True)
    (root / "meta" / "info.json").write_text(json.dumps(info))


def lerobot_rows(number: int) -> dict[str, list]:
    count = LENGTHS[number]
    return {
        "observation.state": rows(number, 3).tolist(),
        "action": rows(number, 2, 0.5).tolist(),
        "frame_index": list(range(count)),
        "episode_index": [number] * count,
    }


@pytest.fixture
def lerobot2(tmp_path):
    write_info(tmp_path, 2, "video")
    lines = [json.dumps({"episode_index": number, "tasks": ["lift"], "length": LENGTHS[number]}) for number in range(3)]
    (tmp_path / "meta" / "episodes.jsonl").write_text("\n".join(lines))
    films = tmp_path / "videos" / "chunk-000" / "observation.images.front"
    for folder in (tmp_path / "data" / "chunk-000", films):
        folder.mkdir(parents=True)
    for number in range(3):
        pq.write_table(
            pa.table(lerobot_rows(number)), tmp_path / "data" / "chunk-000" / f"episode_{number:06d}.parquet"
        )
        write_video(films / f"episode_{number:06d}.mp4", frames(number), RATE)
    return tmp_path


@pytest.fixture
def lerobot3(tmp_path):
    write_info(tmp_path, 3, "video")
    films = tmp_path / "videos" / "observation.images.front" / "chunk-000"
    for folder in (tmp_path / "data" / "chunk-000", tmp_path / "meta" / "episodes" / "chunk-000", films):
        folder.mkdir(parents=True)
    pq.write_table(
        pa.concat_tables([pa.table(lerobot_rows(number)) for number in range(3)]),
        tmp_path / "data" / "chunk-000" / "file-000.parquet",
    )
    write_video(films / "file-000.mp4", np.concatenate([frames(number) for number in range(3)]), RATE)
    key, starts = "observation.images.front", np.cumsum([0, *LENGTHS])
    listing = {
        "episode_index": [0, 1, 2],
        "length": list(LENGTHS),
        "data/chunk_index": [0, 0, 0],
        "data/file_index": [0, 0, 0],
        f"videos/{key}/chunk_index": [0, 0, 0],
        f"videos/{key}/file_index": [0, 0, 0],
        f"videos/{key}/from_timestamp": (starts[:-1] / RATE).tolist(),
    }
    pq.write_table(pa.table(listing), tmp_path / "meta" / "episodes" / "chunk-000" / "file-000.parquet")
    return tmp_path


@pytest.mark.parametrize("version", ["lerobot2", "lerobot3"])
def test_lerobot(request, version):
    root = request.getfixturevalue(version)
    found = open_trajectories(root)
    assert isinstance(found, Episodes)
    assert list(found.lengths) == list(LENGTHS)
    check_frames(found, NEAR)
    for row in range(3):
        numbers = found.numbers(row)
        assert np.array_equal(numbers.actions, rows(row, 2, 0.5)[:-1]), "the last one leads nowhere"
        assert np.array_equal(numbers.proprio, rows(row, 3))


def test_lerobot_with_pictures_in_its_tables(lerobot2, tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    write_info(root, 2, "image")
    (root / "data" / "chunk-000").mkdir(parents=True)
    (root / "meta" / "episodes.jsonl").write_text((lerobot2 / "meta" / "episodes.jsonl").read_text())
    for number in range(3):
        cells = []
        for picture in frames(number):
            path = root / "picture.png"
            Image.fromarray(picture).save(path)
            cells.append({"bytes": path.read_bytes(), "path": "picture.png"})
        table = pa.table({**lerobot_rows(number), "observation.images.front": cells})
        pq.write_table(table, root / "data" / "chunk-000" / f"episode_{number:06d}.parquet")
    check_frames(open_trajectories(root, "front"))


def test_what_is_missing_of_lerobot_is_named(lerobot2):
    (lerobot2 / "data" / "chunk-000" / "episode_000001.parquet").unlink()
    found = open_trajectories(lerobot2)
    assert found.names == ["episode 0", "episode 2"]
    assert "episode_000001.parquet is missing" in found.broken["episode 1"]
    (lerobot2 / "data" / "chunk-000" / "episode_000002.parquet").write_bytes(b"PAR1")
    with pytest.raises(BrokenSample, match="episode 2"):
        found.numbers(1)
    with pytest.raises(ValueError, match=r"observation\.images\.front; none or several are 'wrist'"):
        open_trajectories(lerobot2, "wrist")


def hand(number: int) -> np.ndarray:
    """Poses of a hand that moves and turns."""
    chance = np.random.default_rng(number)
    found = np.cumsum(chance.uniform(-0.1, 0.1, (LENGTHS[number], 7)), axis=0)
    found[:, 3] += 3.0  # roll of a hand that points down, which jumps from pi to -pi
    found[:, 6] = chance.uniform(0, 1, LENGTHS[number])
    return found


@pytest.fixture
def droid(tmp_path):
    for number in range(3):
        folder = tmp_path / "lab" / "success" / f"take {number}"
        (folder / "recordings" / "MP4").mkdir(parents=True)
        with h5py.File(folder / "trajectory.h5", "w") as file:
            file["observation/robot_state/cartesian_position"] = hand(number)[:, :6]
            file["observation/robot_state/gripper_position"] = hand(number)[:, 6]
            file["action/cartesian_velocity"] = np.ones((LENGTHS[number], 6))
        write_video(folder / "recordings" / "MP4" / "101.mp4", frames(number), RATE)
        names = {"wrist_mp4_path": "lab/x/recordings/MP4/100.mp4", "ext1_mp4_path": "lab/x/recordings/MP4/101.mp4"}
        (folder / f"metadata_{number}.json").write_text(json.dumps({"uuid": str(number), **names}))
    return tmp_path


def test_droid(droid):
    found = open_trajectories(droid)
    assert found.names == [f"lab/success/take {number}" for number in range(3)]
    assert list(found.lengths) == list(LENGTHS)
    check_frames(found, NEAR)
    for row in range(3):
        numbers = found.numbers(row)
        assert numbers.proprio is not None
        assert np.allclose(numbers.proprio, hand(row), atol=1e-6)
        assert np.abs(numbers.actions[:, 3:6]).max() < 0.5, "a turn from pi to -pi is a small one"
        moved = poses.move(torch.from_numpy(numbers.proprio[:-1]), torch.from_numpy(numbers.actions))
        after = torch.from_numpy(numbers.proprio[1:])
        assert torch.allclose(moved[:, :3], after[:, :3], atol=1e-5)
        assert poses.angle_between(moved[:, 3:6], after[:, 3:6]).max() < 1e-3


def test_windows_of_droid_take_differences_between_the_frames_that_are_kept(droid):
    sample = Trajectories(root=str(droid), frames=2, skip=2, blocks="poses", held_out=1e-9).build().get(0, 0, 0)
    moved = poses.move(sample["proprio"][:1], sample["actions"])
    assert sample["x"].shape == (3, 2, 64, 64)
    assert torch.allclose(moved[:, :3], sample["proprio"][1:, :3], atol=1e-5)
    assert poses.angle_between(moved[:, 3:6], sample["proprio"][1:, 3:6]).max() < 1e-3


def test_what_is_wrong_with_droid_is_named(droid):
    take = droid / "lab" / "success"
    (take / "take 0" / "metadata_0.json").unlink()
    (take / "take 1" / "trajectory.h5").write_bytes(b"nothing")
    write_video(take / "take 2" / "recordings" / "MP4" / "101.mp4", frames(2)[:3], RATE)
    found = open_trajectories(droid)
    assert found.names == ["lab/success/take 2"]
    assert "no metadata" in found.broken["lab/success/take 0"]
    assert "cannot be opened" in found.broken["lab/success/take 1"]
    with pytest.raises(BrokenSample, match="the video has 3"):
        found.frames(0, range(2, 5))


def test_a_camera_that_droid_does_not_have_is_refused(droid):
    with pytest.raises(ValueError, match=r"no camera right; it has \['ext1', 'wrist'\]"):
        open_trajectories(droid, "right")


def test_any_format_is_rewritten_in_the_house_format(droid, tmp_path_factory):
    root, source = tmp_path_factory.mktemp("house"), open_trajectories(droid)
    write_episodes(root, 3, lambda rows: (read_episode(source, row) for row in rows), {"source": "droid"})
    found = open_trajectories(root)
    assert np.array_equal(found.numbers(2).actions, source.numbers(2).actions)
    check_frames(found, NEAR)


def test_what_is_no_set_of_trajectories_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "notes.txt").write_text("dear all")
    for root in (tmp_path, tmp_path / "notes.txt", tmp_path / "absent"):
        with pytest.raises(ValueError, match=r"no trajectories|not a file of trajectories|nothing at"):
            open_trajectories(root)
    (tmp_path / "set.hdf5").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="cannot be opened as HDF5"):
        open_trajectories(tmp_path / "set.hdf5")

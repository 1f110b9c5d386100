"""Episodes in the house format: written once, resumed where they stopped, and named where they are damaged."""

import json
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import tracks

from jepakit.contracts import BrokenSample
from jepakit.data.trajectory import read_episode
from jepakit.data.trajectory_files import find_damaged, read_manifest, write_episodes
from jepakit.data.trajectory_folder import FolderEpisodes


class Recorder:
    """Makes episodes, and remembers which ones; stops after `limit` of them."""

    def __init__(self, limit: int = 1000) -> None:
        self.made: list[int] = []
        self.limit = limit

    def __call__(self, numbers: Sequence[int]) -> Iterator[dict[str, np.ndarray]]:
        for number in numbers:
            if len(self.made) == self.limit:
                raise KeyboardInterrupt
            self.made.append(number)
            yield tracks.episode(number)


def test_what_is_written_is_read_again(tmp_path):
    told = []
    manifest = write_episodes(tmp_path, 4, tracks.make, tracks.ABOUT, lambda done, count: told.append((done, count)))
    found = FolderEpisodes(tmp_path)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert manifest == read_manifest(tmp_path)
    assert manifest.is_complete
    assert manifest.sizes == {"frames": [8, 8, 3], "actions": [2], "proprio": [2], "states": [3]}
    assert found.names == ["000000", "000001", "000002", "000003"]
    assert found.lengths == [tracks.moments_of(number) for number in range(4)]
    for row in range(4):
        wanted, got = tracks.episode(row), read_episode(found, row)
        assert wanted.keys() == got.keys()
        assert all(np.array_equal(wanted[key], got[key]) and wanted[key].dtype == got[key].dtype for key in wanted)


def test_a_part_of_an_episode_is_read_alone(tmp_path):
    tracks.write(tmp_path, 3)
    frames = FolderEpisodes(tmp_path).frames(2, range(1, 6, 2))
    assert frames[:, 0, 0, 0].tolist() == [21, 23, 25]


def test_a_collection_that_was_cut_off_goes_on_and_ends_up_the_same(tmp_path):
    first = Recorder(limit=3)
    with pytest.raises(KeyboardInterrupt):
        write_episodes(tmp_path / "cut", 5, first, tracks.ABOUT)
    assert not read_manifest(tmp_path / "cut").is_complete
    assert "collect again" in FolderEpisodes(tmp_path / "cut").notes[0]
    rest = Recorder()
    resumed = write_episodes(tmp_path / "cut", 5, rest, tracks.ABOUT)
    assert (first.made, rest.made) == ([0, 1, 2], [3, 4])
    assert resumed == tracks.write(tmp_path / "whole", 5)


def test_what_was_damaged_is_named_and_made_again(tmp_path):
    whole = tracks.write(tmp_path, 4)
    (tmp_path / "episodes" / "000000.npz").unlink()
    flipped = tmp_path / "episodes" / "000002.npz"
    content = bytearray(flipped.read_bytes())
    content[300] ^= 255
    flipped.write_bytes(content)
    assert find_damaged(tmp_path) == {
        "000000": "its file is missing",
        "000002": "its content is not what was written",
    }
    again = Recorder()
    assert write_episodes(tmp_path, 4, again, tracks.ABOUT) == whole
    assert again.made == [0, 2]
    assert find_damaged(tmp_path) == {}


def test_torn_files_are_put_aside_by_name(tmp_path):
    tracks.write(tmp_path, 3)
    torn = tmp_path / "episodes" / "000001.npz"
    torn.write_bytes(torn.read_bytes()[:400])
    with_manifest = FolderEpisodes(tmp_path)
    assert with_manifest.names == ["000000", "000002"]
    assert list(with_manifest.broken) == ["000001"]
    (tmp_path / "manifest.json").unlink()
    without = FolderEpisodes(tmp_path)
    assert (without.names, list(without.broken)) == (with_manifest.names, ["000001"])


def test_a_file_that_goes_away_is_a_broken_sample(tmp_path):
    tracks.write(tmp_path, 2)
    found = FolderEpisodes(tmp_path)
    found.frames(0, range(2))
    (tmp_path / "episodes" / "000000.npz").unlink()
    with pytest.raises(BrokenSample, match=r"000000\.npz"):
        found.frames(0, range(2))


def test_compressed_files_of_others_are_read_too(tmp_path):
    np.savez_compressed(tmp_path / "one.npz", **tracks.episode(1))
    found = FolderEpisodes(tmp_path)
    assert found.frames(0, range(1, 4, 2))[:, 0, 0, 0].tolist() == [11, 13]
    assert "compressed" in found.notes[0]


def test_other_episodes_are_not_written_over(tmp_path):
    tracks.write(tmp_path, 3)
    with pytest.raises(ValueError, match="made otherwise"):
        write_episodes(tmp_path, 3, tracks.make, {**tracks.ABOUT, "seed": 1})
    with pytest.raises(ValueError, match="1 episodes more than the 2"):
        tracks.write(tmp_path, 2)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear all")
    with pytest.raises(ValueError, match="something else"):
        tracks.write(tmp_path / "other", 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"actions": np.zeros((6, 2))}, "go with actions"),
        ({"frames": np.zeros((6, 8, 8, 3))}, "uint8"),
        ({"proprio": np.full((6, 2), np.nan)}, "not finite"),
        ({"rewards": np.zeros((6, 1))}, "rewards"),
    ],
)
def test_what_is_no_episode_is_refused_in_a_sentence(tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        write_episodes(tmp_path, 1, lambda numbers: iter([{**tracks.episode(0), **change}]), tracks.ABOUT)


def test_a_collection_that_never_began_leaves_the_folder_free(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_episodes(tmp_path, 3, Recorder(limit=0), {"world": "another"})
    assert tracks.write(tmp_path, 3).is_complete


def test_a_manifest_of_something_else_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"name": "app"}))
    with pytest.raises(ValueError, match="not a manifest of episodes"):
        FolderEpisodes(tmp_path)

"""Windows of episodes: what is in them, which part they belong to, and that they never leave their episode."""

import pickle

import numpy as np
import pytest
import torch
import tracks

from jepakit.config import Config
from jepakit.contracts import BrokenSample, Dataset
from jepakit.data.order import generator_for
from jepakit.data.trajectories import Trajectories
from jepakit.data.trajectory_files import write_episodes
from jepakit.data.transforms import ImageTransform
from jepakit.poses import move

PLAIN = ImageTransform(size=8, mean=(0.0, 0.0, 0.0), std=(1 / 255, 1 / 255, 1 / 255))
"""Samples hold the very numbers of the pictures."""


@pytest.fixture
def root(tmp_path):
    tracks.write(tmp_path, 20)
    return str(tmp_path)


def windows(config: Trajectories, part="train"):
    dataset = config.split(part)
    return [dataset.get(index, 0, 0) for index in range(len(dataset))]


def test_a_window_holds_what_was_seen_and_done_in_it(root):
    for sample in windows(Trajectories(root=root, frames=3, transform=PLAIN, states=True)):
        x, actions = sample["x"], sample["actions"]
        assert x.shape == (3, 3, 8, 8)
        number, first = actions[0].tolist()
        assert x[0, :, 0, 0].tolist() == pytest.approx([(10 * number + first + step) % 256 for step in range(3)])
        assert actions.tolist() == [[number, first], [number, first + 1]]
        assert sample["proprio"][:, 0].tolist() == sample["states"][:, 0].tolist()
        assert sample["proprio"][:, 0].tolist() == [100 * number + first + step for step in range(3)]


def test_every_window_of_every_episode_is_there_once(root):
    found = [
        tuple(sample["actions"][0].tolist())
        for part in ("train", "validation", "test")
        for sample in windows(Trajectories(root=root, frames=3, transform=PLAIN, held_out=0.2), part)
    ]
    assert sorted(found) == [(number, first) for number in range(20) for first in range(tracks.moments_of(number) - 2)]


@pytest.mark.parametrize(("blocks", "wanted"), [("concatenate", [4.0, 1.0, 4.0, 2.0]), ("sum", [8.0, 3.0])])
def test_actions_between_frames_that_are_kept_become_one(root, blocks, wanted):
    config = Trajectories(root=root, frames=3, skip=2, blocks=blocks, transform=PLAIN)
    sample = next(each for each in windows(config) if each["actions"][0, :2].tolist() in ([4, 1], [8, 3]))
    assert sample["actions"][0].tolist() == wanted
    assert sample["x"][0, :, 0, 0].tolist() == pytest.approx([41, 43, 45])


def test_differences_of_poses_lead_from_frame_to_frame(tmp_path):
    chance = np.random.default_rng(0)
    poses = chance.uniform(-0.4, 0.4, (12, 7, 7)).astype(np.float32)
    poses[..., 6] += 0.5
    made = ({**tracks.episode(0, proprio=0, states=0), "proprio": pose[:6]} for pose in poses)
    write_episodes(tmp_path, 12, lambda numbers: made, {"world": "hand"})
    for sample in windows(Trajectories(root=str(tmp_path), frames=3, skip=2, blocks="poses", transform=PLAIN)):
        assert torch.allclose(move(sample["proprio"][:-1], sample["actions"]), sample["proprio"][1:], atol=1e-5)


def test_parts_share_no_episode_and_hold_still_when_episodes_are_added(tmp_path):
    tracks.write(tmp_path, 20)

    def parts(**fields):
        config = Trajectories(root=str(tmp_path), frames=2, transform=PLAIN, held_out=0.25, **fields)
        found = {part: {s["actions"][0, 0].item() for s in windows(config, part)} for part in ("train", "test")}
        assert not found["train"] & found["test"]
        return found

    before, other = parts(), parts(seed=1)
    assert before != other
    tracks.write(tmp_path, 26)
    after = parts()
    assert {number for number in after["train"] if number < 20} == before["train"]


def test_fewer_episodes_are_among_more(root):
    def numbers(episodes):
        config = Trajectories(root=root, frames=2, transform=PLAIN, episodes=episodes)
        return {sample["actions"][0, 0].item() for sample in windows(config)}

    assert len(numbers(3)) == 3
    assert numbers(3) < numbers(6) < numbers(None)


def test_more_episodes_than_there_are_is_told_of(root):
    counted, told = Trajectories(root=root, frames=2, episodes=999).notes()[:2]
    there = counted.split()[0]
    assert told == f"episodes asks for 999 to train on, and there are no more than {there}"
    assert (
        Trajectories(root=root, frames=2, episodes=int(there)).notes()[1:]
        == Trajectories(root=root, frames=2).notes()[1:]
    )


def test_statistics_are_those_of_the_actions_that_samples_hold(root):
    config = Trajectories(root=root, frames=2, skip=2, transform=PLAIN)
    actions = torch.cat([sample["actions"] for sample in windows(config)]).double()
    found = config.statistics()
    assert found.action_mean == pytest.approx(actions.mean(dim=0).tolist())
    assert found.action_std == pytest.approx(actions.std(dim=0, correction=0).tolist())
    assert found.proprio_mean is not None
    assert len(found.proprio_mean) == 2


def test_what_never_changes_is_not_scaled(tmp_path):
    made = ({**tracks.episode(0), "actions": np.ones((5, 2))} for _ in range(9))
    write_episodes(tmp_path, 9, lambda numbers: made, {})
    assert Trajectories(root=str(tmp_path), frames=2).statistics().action_std == (1.0, 1.0)


def test_frames_of_another_size_are_made_fit(root):
    sample = Trajectories(root=root, frames=2).build().get(0, 0, 0)
    assert sample["x"].shape == (3, 2, 64, 64)


def test_a_broken_episode_is_named_and_never_replaced(root, tmp_path):
    config = Trajectories(root=root, frames=2, transform=PLAIN)
    for path in (tmp_path / "episodes").iterdir():
        path.write_bytes(path.read_bytes()[:-400] + bytes(400))
    dataset = config.build
    with pytest.raises(ValueError, match="can be read"):
        dataset()
    tracks.write(tmp_path, 20)
    first = config.build()
    name = first.name(0).split()[0]
    torn = tmp_path / "episodes" / f"{name}.npz"
    torn.write_bytes(bytes(len(torn.read_bytes())))
    again = config.build()
    with pytest.raises(BrokenSample, match=name):
        again.get(0, 0, 0)
    assert len(again) == len(first)


def test_a_dataset_is_one_by_the_contract(root):
    config = Trajectories(root=root, frames=2, transform=PLAIN)
    dataset = config.build()
    assert isinstance(dataset, Dataset)
    assert Config.from_json(config.to_json()) == config
    assert torch.equal(dataset.order(1, 2), torch.randperm(len(dataset), generator=generator_for(2, 1)))
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy.get(3, 0, 0)["x"], dataset.get(3, 0, 0)["x"])


def test_what_cannot_be_is_said_in_a_sentence(root, tmp_path):
    with pytest.raises(ValueError, match="shorter window"):
        Trajectories(root=root, frames=9).build()
    with pytest.raises(ValueError, match="proprio of 7"):
        Trajectories(root=root, blocks="poses").build()
    with pytest.raises(ValueError, match="nothing at"):
        Trajectories(root=root + "/none").build()
    notes = Trajectories(root=root, frames=7).notes()
    assert any("7 episodes are shorter than a window of 7 moments" in note for note in notes)

"""Latents that were written once: the same losses as from pictures, and no others are mistaken for them."""

from dataclasses import replace

import pytest
import torch
import tracks

from jepakit.config import Config
from jepakit.contracts import BrokenSample, Dataset, Rows, step_at
from jepakit.data.latents import Latents, write_latents
from jepakit.data.trajectories import Trajectories
from jepakit.data.trajectory_files import episode_path
from jepakit.data.transforms import ImageTransform
from jepakit.family import pldm, vjepa2_ac
from jepakit.train.watch import draw_views

MODEL = replace(vjepa2_ac.TINY, action=2, proprio=2, body="learnt")
TRANSFORM = ImageTransform(size=16, mean=(0.5,) * 3, std=(0.5,) * 3)


@pytest.fixture
def data(tmp_path):
    tracks.write(tmp_path / "episodes", 12)
    trajectories = Trajectories(root=str(tmp_path / "episodes"), frames=4, transform=TRANSFORM)
    return Latents(trajectories=trajectories, folder=str(tmp_path / "latents"))


def batch_of(dataset):
    samples = [dataset.get(index, 0, 0) for index in range(3)]
    return {key: torch.stack([sample[key] for sample in samples]) for key in samples[0]}


def test_losses_are_those_of_the_pictures(data):
    torch.manual_seed(0)
    model = MODEL.build()
    assert write_latents(data, model.see, {"network": "a"})
    seen, remembered = data.trajectories.build(), data.build()
    assert isinstance(remembered, Dataset)
    assert len(seen) == len(remembered)
    step = step_at(0, 10, Rows(0, 3, 3))
    losses = [model(batch_of(dataset), step) for dataset in (seen, remembered)]
    for name, term in losses[0].terms.items():
        torch.testing.assert_close(losses[1].terms[name], term, rtol=1e-6, atol=0.0)
    gradients = []
    for loss in losses:
        model.zero_grad()
        loss.total.backward()
        gradients.append([part.grad.clone() for part in model.dynamics.parameters() if part.grad is not None])
    for first, second in zip(*gradients, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-6)
    assert losses[1].metrics["gflops"] < losses[0].metrics["gflops"]


def test_windows_skip_and_belong_to_parts_as_pictures_do(data):
    data = replace(data, trajectories=replace(data.trajectories, frames=2, skip=3, held_out=0.2))
    write_latents(data, lambda clips: clips.mean(dim=(1, 3, 4))[:, :, None, None], {})
    for part in ("train", "validation", "test"):
        pictures, latents = data.trajectories.split(part), data.split(part)
        for index in range(len(pictures)):
            seen, remembered = pictures.get(index, 0, 0), latents.get(index, 0, 0)
            torch.testing.assert_close(remembered["latents"][:, 0, 0], seen["x"].mean(dim=(0, 2, 3)))
            assert torch.equal(remembered["actions"], seen["actions"])
            assert latents.name(index) == pictures.name(index)


def test_latents_are_written_once_for_each_network_and_transform(data):
    calls = []

    def see(clips):
        calls.append(clips.shape[2])
        return clips.mean(dim=(1, 3, 4))[:, :, None, None]

    assert write_latents(data, see, {"network": "a"}, batch=5)
    assert max(calls) == 5
    assert not write_latents(data, see, {"network": "a"})
    assert write_latents(data, see, {"network": "b"})
    brighter = replace(data.trajectories, transform=replace(TRANSFORM, mean=(0.4,) * 3))
    assert write_latents(replace(data, trajectories=brighter), see, {"network": "b"})
    assert Config.from_json(data.to_json()) == data


def test_latents_of_other_episodes_are_refused(data, tmp_path):
    with pytest.raises(ValueError, match="holds no latents"):
        data.build()
    write_latents(data, lambda clips: clips.mean(dim=(1, 3, 4))[:, :, None, None], {})
    tracks.write(tmp_path / "more", 13)
    other = replace(data, trajectories=replace(data.trajectories, root=str(tmp_path / "more")))
    with pytest.raises(ValueError, match="not those of"):
        other.build()


def test_episodes_that_cannot_be_read_are_broken_samples(data, tmp_path):
    name = data.trajectories.build().name(0).split()[0]
    path = episode_path(tmp_path / "episodes", name)
    path.write_bytes(path.read_bytes().replace(b"frames.npy", b"frumes.npy"))
    write_latents(data, lambda clips: clips.mean(dim=(1, 3, 4))[:, :, None, None], {})
    with pytest.raises(BrokenSample, match=name):
        data.build().get(0, 0, 0)


def test_who_learns_to_see_needs_pictures_and_so_does_the_watch(data):
    write_latents(data, lambda clips: clips.mean(dim=(1, 3, 4))[:, :, None, None], {})
    learns = replace(pldm.TINY, action=2, proprio=2).build()
    with pytest.raises(ValueError, match="needs pictures"):
        learns(batch_of(data.build()), step_at(0, 10, Rows(0, 3, 3)))
    with pytest.raises(ValueError, match="it learns no more"):
        draw_views(data.build(), 8, 2)

"""Two stages: video without actions, then a predictor on what the frozen network saw, which plans as it was trained."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from jepakit.contracts import Observation
from jepakit.data.images import Images
from jepakit.data.latents import Latents
from jepakit.data.trajectories import Trajectories
from jepakit.data.trajectory_files import write_episodes
from jepakit.data.transforms import ImageTransform
from jepakit.family import ijepa, pldm
from jepakit.family.condensed import TINY
from jepakit.parts.nn.frames import by_frame
from jepakit.pretrained import load_method
from jepakit.pretrained.frozen import adopt_frozen
from jepakit.pretrained.latents import prepare
from jepakit.train.fit import fit
from jepakit.train.run import Run
from jepakit.train.watch import Watch


def episodes(numbers):
    """A bright square that actions push."""
    for number in numbers:
        chance = np.random.default_rng(number)
        actions = chance.uniform(-3, 3, (9, 3)).astype(np.float32)
        places = np.concatenate([np.zeros((1, 2)), actions[:, :2].cumsum(axis=0)]) + 12
        frames = np.zeros((10, 32, 32, 3), dtype=np.uint8)
        for frame, (row, column) in zip(frames, places.clip(0, 24).astype(int), strict=True):
            frame[row : row + 8, column : column + 8] = 255
        yield {"frames": frames, "actions": actions, "proprio": places.astype(np.float32)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages")
    write_episodes(folder / "episodes", 12, episodes, {})
    transform = ImageTransform(size=32, mean=(0.5,) * 3, std=(0.5,) * 3)
    trajectories = Trajectories(root=str(folder / "episodes"), frames=4, transform=transform, held_out=0.05)
    return Latents(trajectories=trajectories, folder=str(folder / "latents"))


@pytest.fixture(scope="module")
def source(data, tmp_path_factory):
    """A V-JEPA 2 that saw the videos, for a step."""
    out = tmp_path_factory.mktemp("first") / "run"
    fit(quick(TINY.encoder, data.trajectories), out)
    return str(out)


def quick(model, data):
    return Run(model=model, data=data, steps=2, batch=4, workers=0, watch=Watch(action="off"), sinks=())


def test_both_stages_give_a_model_that_sees_as_its_latents_say(data, source, tmp_path):
    told = []
    model = adopt_frozen(replace(TINY, proprio=2, source=source))
    initialize = prepare(model, data, seed=0, tell=told.append)
    assert any("components of a frame" in line for line in told)
    fit(quick(model, data), tmp_path / "second", initialize=initialize)
    method = load_method(str(tmp_path / "second"))
    encoder = load_method(source).kept
    summary = method.kept.network
    for name, value in summary.backbone.state_dict().items():
        assert torch.equal(value, encoder.state_dict()[name])
    pictures, latents = data.trajectories.build().get(5, 0, 0), data.build().get(5, 0, 0)
    torch.testing.assert_close(method.see(pictures["x"][None])[0], latents["latents"])
    state = method.encode(Observation(pictures["x"][None, :, :1], pictures["proprio"][None, :1]))
    assert method.imagine(state, torch.zeros(1, 5, 2, 3)).latent.shape == (1, 5, 2, 1, 16)


def test_latents_are_kept_for_equal_weights_and_made_anew_for_others(data):
    def written(seed):
        told = []
        prepare(replace(TINY, proprio=2), data, seed=seed, tell=told.append)
        return any("latents of all frames" in line for line in told)

    assert written(seed=3)
    assert not written(seed=3)
    assert written(seed=4)


def test_another_kind_of_network_is_refused(data, tmp_path):
    grey = ImageTransform(size=32, channels=1, mean=(0.5,), std=(0.5,))
    digits = Images(root="packaged:digits", transform=grey)
    fit(quick(replace(ijepa.TINY, image=(32, 32), channels=1), digits), tmp_path / "pictures")
    with pytest.raises(ValueError, match="sees with a V-JEPA 2"):
        adopt_frozen(replace(TINY, source=str(tmp_path / "pictures")))


SEES = replace(pldm.TINY, network=replace(pldm.TINY.network, image=(32, 32)), action=3, hidden=(16,))


def test_a_planner_sees_with_the_network_of_another_of_its_kind(data, tmp_path):
    out = tmp_path / "sees"
    fit(quick(replace(SEES, dim=20), data.trajectories), out)
    model = adopt_frozen(replace(SEES, source=str(out), hidden=(32, 32)))
    assert model.dim == 20
    initialize = prepare(model, replace(data, folder=str(tmp_path / "latents")), seed=0)
    method = fit(
        quick(model, replace(data, folder=str(tmp_path / "latents"))), tmp_path / "plans", initialize=initialize
    )
    again, first = load_method(str(tmp_path / "plans")), load_method(str(out))
    clips = data.trajectories.build().get(0, 0, 0)["x"][None]
    torch.testing.assert_close(again.see(clips), by_frame(first.kept(clips)))
    assert not any(weight.requires_grad for weight in method.kept.parameters())
    assert [layer.out_features for layer in again.dynamics.change if hasattr(layer, "out_features")] == [32, 32, 20]


def test_who_learns_to_see_needs_pictures(data, source, tmp_path):
    with pytest.raises(ValueError, match="give it the `source` of a network"):
        prepare(SEES, data, seed=0)
    with pytest.raises(ValueError, match="sees with another of its kind"):
        adopt_frozen(replace(SEES, source=source))

"""Views of a clip: the same clip, drawn in other ways, and what LeJEPA makes of them."""

from dataclasses import replace

import pytest
import torch
from films import write_film

from jepakit.config import Config
from jepakit.contracts import Rows, step_at
from jepakit.data.branching import Branching
from jepakit.data.clip_transform import VIDEO_CROP, ClipTransform
from jepakit.data.clip_views import ClipViews
from jepakit.data.frames import Sampling
from jepakit.data.images import Images
from jepakit.data.scenes import Scenes
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.family.lejepa import TINY
from jepakit.parts.nn.networks import ClipViT
from jepakit.recipes.videos import lejepa_tiny

CROP = RandomResizedCrop(ratio=(0.9, 1.1))
CLIP = ClipTransform(sampling=Sampling(frames=4, step=1, policy="uniform"), picture=ImageTransform(size=32))
SCENES = Scenes(train=40, validation=8, test=8, sprites="digits", transform=CLIP, augment=CROP)
DATA = ClipViews(clips=SCENES, locals=2, local_size=16, local_crop=RandomResizedCrop(scale=(0.1, 0.4)))


def test_views_are_one_clip_in_other_crops_and_the_first_is_that_of_the_clips():
    dataset, clips = DATA.build(), SCENES.build()
    sample = dataset.get(5, 2, 7)
    assert torch.equal(sample["x"], clips.get(5, 2, 7)["x"])
    assert sample["globals"].shape == (1, 3, 4, 32, 32)
    assert sample["locals"].shape == (2, 3, 4, 16, 16)
    assert not torch.equal(sample["globals"][0], sample["x"])
    assert not torch.equal(sample["locals"][0], sample["locals"][1])
    again = DATA.build().get(5, 2, 7)
    assert all(torch.equal(sample[key], again[key]) for key in sample)
    assert not torch.equal(dataset.get(5, 3, 7)["globals"], sample["globals"])
    assert (len(dataset), dataset.name(5)) == (40, clips.name(5))
    assert torch.equal(dataset.order(1, 0), clips.order(1, 0))


def test_whole_clips_are_measured():
    whole = DATA.split("test").get(3, 0, 0)
    assert torch.equal(whole["x"], SCENES.split("test").get(3, 0, 0)["x"])
    assert "globals" not in whole
    assert DATA.notes() == SCENES.notes()
    assert DATA.transform == CLIP


def test_lejepa_learns_from_clips_and_its_backbone_takes_them():
    model = replace(TINY, network=ClipViT(frames=4, image=(32, 32), patch=8, dim=48, depth=2, heads=4))
    assert Config.from_json(model.to_json()) == model
    method, dataset = model.build(), DATA.build()
    samples = [dataset.get(index, 0, 0) for index in range(4)]
    batch = {key: torch.stack([sample[key] for sample in samples]) for key in ("x", "globals", "locals")}
    losses = method(batch, step_at(0, 10, Rows(0, 4, 4)))
    losses.total.backward()
    assert all(parameter.grad is not None for parameter in method.parameters())
    assert method.kept(batch["x"]).values.shape == (4, 2 * 4 * 4, 48)
    assert method.energy(batch["x"], batch["globals"][:, 0]).shape == (4,)


def test_the_recipe_sees_videos_from_several_moments(tmp_path):
    write_film(tmp_path / "a.mp4")
    run = lejepa_tiny()
    clips = replace(run.data.clips, root=str(tmp_path))
    sample = replace(run.data, clips=clips).build().get(0, 0, 0)
    assert sample["x"].shape == (3, 16, 64, 64)
    assert sample["locals"].shape == (4, 3, 16, 32, 32)
    assert clips.augment == VIDEO_CROP


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="two or more"):
        ClipViews(clips=SCENES, count=1)
    with pytest.raises(ValueError, match="Images gives none"):
        ClipViews(clips=Images())
    with pytest.raises(ValueError, match=r"give data\.clips\.augment"):
        ClipViews(clips=Branching())

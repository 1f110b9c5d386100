"""Runs that compare views, around networks of every kind: what they keep is loaded, measured and exported."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from checkpoints import picture

from jepakit.app.embed import Wanted, embed
from jepakit.data.distort import BYOL_FIRST, BYOL_SECOND
from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform
from jepakit.data.views import Views
from jepakit.family import lejepa
from jepakit.parts.nn.convnet import ConvNeXt, ResNet
from jepakit.pretrained import load, load_method
from jepakit.pretrained.export import export
from jepakit.rivals import byol
from jepakit.train.fit import fit
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch

RESNET = ResNet(image=(32, 32), widths=(8, 16), blocks=1, shrink=2)
CONVNEXT = ConvNeXt(image=(32, 32), patch=4, widths=(8, 16), depths=(1, 1))
MODELS = {
    "lejepa": lejepa.TINY,
    "lejepa on a resnet": replace(lejepa.TINY, network=RESNET),
    "lejepa on a convnext": replace(lejepa.TINY, network=CONVNEXT),
    "byol on a resnet": replace(byol.TINY, network=RESNET),
}


@pytest.fixture(scope="module", params=MODELS.values(), ids=MODELS.keys())
def trained(request, tmp_path_factory):
    """A run of two steps on two global and two local views: its folder and its method."""
    folder = tmp_path_factory.mktemp("views")
    np.save(folder / "pictures.npy", np.random.default_rng(0).integers(0, 256, (12, 40, 36, 3), dtype=np.uint8))
    views = Views(distortions=(BYOL_FIRST, BYOL_SECOND), locals=2, local_size=16)
    data = Images(root=str(folder / "pictures.npy"), transform=ImageTransform(size=32), views=views)
    run = Run(
        model=request.param, data=data, steps=2, batch=4, workers=0, sinks=(), log_every=1, device="cpu",
        keep=Keep(every=1), watch=Watch(action="warn", every=1, samples=4, views=2),
    )  # fmt: skip
    return folder, fit(run, folder / "run").eval()


def test_a_run_gives_what_it_kept(trained):
    folder, method = trained
    assert torch.equal(load(folder / "run")(picture()).values, method.kept(picture()).values)
    assert torch.equal(load(folder / "run", entry="encoder")(picture()).values, method.backbone(picture()).values)


def test_the_whole_method_is_loaded(trained):
    folder, method = trained
    again = load_method(folder / "run").state_dict()
    assert again.keys() == method.state_dict().keys()
    assert all(torch.equal(again[name], value) for name, value in method.state_dict().items())


def test_pictures_are_embedded_and_weights_exported(trained, tmp_path):
    folder, method = trained
    wanted = Wanted(root=str(folder / "pictures.npy"))
    features, _ = embed(str(folder / "run"), wanted, tmp_path / "features.parquet")
    assert features.x.shape == (12, method.kept.dim)
    export(folder / "run", tmp_path / "exported")
    assert torch.equal(load(tmp_path / "exported")(picture()).values, method.kept(picture()).values)
    with pytest.raises(ValueError, match="transformers has no model"):
        export(folder / "run", tmp_path / "theirs", format="hf")

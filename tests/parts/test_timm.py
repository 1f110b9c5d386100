"""Networks with the interface of timm become backbones. The package itself needs torchvision, so here is a fake."""

import sys
import types

import pytest
import torch
from torch import nn

from jepakit.config import Config
from jepakit.parts.nn.timm import Timm


class Convolutional(nn.Module):
    """A network of timm that gives maps."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.num_features = 10
        self.layer = nn.Conv2d(channels, 10, 4, 4)

    def forward_features(self, x):
        return self.layer(x)


class Channels(Convolutional):
    """One that gives maps with the channels last, as Swin does."""

    def forward_features(self, x):
        return self.layer(x).movedim(1, -1)


class Transformer(Convolutional):
    """One that gives a class token, then patches of a picture of one size."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.num_prefix_tokens = 1
        self.first = nn.Parameter(torch.full((1, 1, 10), 1e6))
        self.size = (224, 224)

    def set_input_size(self, img_size):
        self.size = img_size

    def forward_features(self, x):
        assert x.shape[2:] == self.size, "Input height doesn't match model."
        patches = self.layer(x).flatten(2).transpose(1, 2)
        return torch.cat([self.first.expand(len(x), -1, -1), patches], dim=1)


class Pooled(Convolutional):
    """One whose features are no grid."""

    def forward_features(self, x):
        return self.layer(x).mean(dim=(2, 3))


NETWORKS = {"convolutional": Convolutional, "channels": Channels, "transformer": Transformer, "pooled": Pooled}


@pytest.fixture
def timm(monkeypatch):
    fake = types.ModuleType("timm")
    fake.is_model = lambda name: name in NETWORKS

    def create_model(name, pretrained, num_classes, in_chans):
        assert not pretrained
        assert num_classes == 0
        return NETWORKS[name](in_chans)

    fake.create_model = create_model
    monkeypatch.setitem(sys.modules, "timm", fake)


@pytest.mark.parametrize("name", ["convolutional", "channels", "transformer"])
def test_features_become_tokens_on_a_grid(timm, name):
    network = Timm(name=name, image=(16, 24), channels=2).build().eval()
    x = torch.randn(3, 2, 16, 24)
    tokens = network(x)
    maps = network.network.layer(x)
    assert network.dim == 10
    assert tokens.extent == (4, 6)
    for index, (row, column) in enumerate(tokens.coords[0].long().tolist()):
        torch.testing.assert_close(tokens.values[:, index], maps[:, :, row, column])
    assert network(x[0]).values.shape == (1, 24, 10)
    assert network.flops(24) == 2 * 24 * 2 * 16 * 10
    assert network.flops(6) == network.flops(24) // 4


def test_what_it_cannot_do_gives_a_sentence(timm):
    network = Timm(name="pooled", channels=2).build()
    with pytest.raises(ValueError, match="lie on no grid"):
        network(torch.zeros(1, 2, 16, 16))
    with pytest.raises(ValueError, match="cannot drop tokens"):
        network(torch.zeros(1, 2, 16, 16), keep=torch.zeros(1, 1, dtype=torch.int64))
    one_size = Timm(name="transformer", image=(16, 16), channels=2).build()
    with pytest.raises(ValueError, match=r"made for \(2, 16, 16\), and got .* doesn't match model"):
        one_size(torch.zeros(1, 2, 8, 8))
    with pytest.raises(ValueError, match="timm knows no network 'nothing'"):
        Timm(name="nothing").build()


def test_its_absence_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match=r"resnet50 needs timm .*pip install 'jepakit\[timm\]'"):
        Timm(name="resnet50").build()


def test_config_travels_as_json():
    config = Timm(name="resnet50", image=(64, 64))
    assert Config.from_json(config.to_json()) == config
    assert config.samples == ((3, 64, 64),)

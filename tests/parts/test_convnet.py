"""ResNet and ConvNeXt equal those of Hugging Face, know what they cost, and do what a backbone has to do."""

import json
import re
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from jepakit.config import Config
from jepakit.parts.nn import convolutions
from jepakit.parts.nn.convnet import CONVNEXT_T, RESNET_18, SMALL_CONVNEXT, SMALL_RESNET, ConvNeXt, ResNet, lay_down
from jepakit.parts.nn.convolutions import MapNorm
from jepakit.probes.features import extract

RESNET = ResNet(image=(32, 32), widths=(8, 16, 24), blocks=2, shrink=1)
CONVNEXT = ConvNeXt(image=(32, 32), patch=2, widths=(8, 16, 24), depths=(1, 2, 1), share=0.5)
NETWORKS = pytest.mark.parametrize("config", [RESNET, CONVNEXT], ids=["resnet", "convnext"])


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def resnet_names(theirs: str) -> str:
    """What Hugging Face calls a tensor, in our words."""
    block = r"encoder\.stages\.(\d+)\.layers\.(\d+)"
    names = {
        r"embedder\.embedder\.convolution": "stem.0",
        r"embedder\.embedder\.normalization": "stem.1",
        block + r"\.shortcut\.convolution": r"stages.\1.\2.shortcut.0",
        block + r"\.shortcut\.normalization": r"stages.\1.\2.shortcut.1",
        block + r"\.layer\.0\.convolution": r"stages.\1.\2.first",
        block + r"\.layer\.0\.normalization": r"stages.\1.\2.first_norm",
        block + r"\.layer\.1\.convolution": r"stages.\1.\2.last",
        block + r"\.layer\.1\.normalization": r"stages.\1.\2.last_norm",
        r"running_var$": "running_variance",
    }
    for pattern, ours in names.items():
        theirs = re.sub(pattern, ours, theirs)
    return theirs


def convnext_names(theirs: str) -> str:
    block = r"encoder\.stages\.(\d+)\.layers\.(\d+)"
    names = {
        r"embeddings\.patch_embeddings": "stem.0",
        r"embeddings\.layernorm": "stem.1",
        r"encoder\.stages\.(\d+)\.downsampling_layer": r"stages.\1.halve",
        block + r"\.layer_scale_parameter": r"stages.\1.blocks.\2.share",
        block + r"\.dwconv": r"stages.\1.blocks.\2.spread",
        block + r"\.layernorm": r"stages.\1.blocks.\2.norm",
        block + r"\.pwconv1": r"stages.\1.blocks.\2.expand",
        block + r"\.pwconv2": r"stages.\1.blocks.\2.contract",
        r"^layernorm": "norm",
    }
    for pattern, ours in names.items():
        theirs = re.sub(pattern, ours, theirs)
    return theirs


def shaken(network: nn.Module) -> nn.Module:
    """All parameters and averages at random, so that none of them can be forgotten."""
    generator = torch.Generator().manual_seed(1)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            noise = 0.2 * torch.randn(value.shape, generator=generator)
            value.copy_(1 + noise.abs() if "running_var" in name else noise + (1 if value.ndim == 1 else 0))
    return network.eval()


def test_resnet_is_the_one_of_hugging_face(x):
    from transformers import ResNetConfig, ResNetModel

    shape = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 24], depths=[2, 2, 2], layer_type="basic")
    theirs = shaken(ResNetModel(shape))
    ours = replace(RESNET, shrink=4).build().eval()
    state = {resnet_names(key): value for key, value in theirs.state_dict().items() if "num_batches" not in key}
    ours.load_state_dict(state)
    torch.testing.assert_close(ours(x).values, lay_down(theirs(x).last_hidden_state).values, rtol=1e-4, atol=1e-4)


def test_convnext_is_the_one_of_hugging_face(x):
    from transformers import ConvNextConfig, ConvNextModel

    shape = ConvNextConfig(patch_size=2, hidden_sizes=[8, 16, 24], depths=[1, 2, 1], num_stages=3)
    theirs = shaken(ConvNextModel(shape))
    ours = CONVNEXT.build().eval()
    ours.load_state_dict({convnext_names(key): value for key, value in theirs.state_dict().items()})
    ours.norm = nn.Identity()  # theirs norms the mean over places, ours every place
    torch.testing.assert_close(ours(x).values, lay_down(theirs(x).last_hidden_state).values, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("config", "parameters", "gflops"), [(RESNET_18, 11_176_512, 3.6), (CONVNEXT_T, 27_820_128, 8.9)]
)
def test_published_sizes(config, parameters, gflops):
    """Of the papers, without the classifier; a multiplication with its addition counts as two operations."""
    with torch.device("meta"):
        network = config.build()
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert network.flops(49) / 1e9 == pytest.approx(gflops, abs=0.05)


@pytest.mark.parametrize("config", [RESNET, CONVNEXT, replace(RESNET, shrink=2), replace(RESNET, shrink=4)])
def test_flops_are_what_pytorch_counts(config, x):
    network = config.build().double().eval()
    with FlopCounterMode(display=False) as counter:
        tokens = network(x[:1].double())
    assert network.flops(tokens.values.shape[1]) == counter.get_total_flops()


@NETWORKS
def test_tokens_stand_where_they_look(config):
    network = config.build().eval()
    tokens = network(torch.zeros(2, 3, 32, 48))
    rows, columns = tokens.extent
    assert (rows, columns) == (32 // network.strides[-1], 48 // network.strides[-1])
    assert tokens.values.shape == (2, rows * columns, network.dim)
    assert tokens.coords[0].tolist() == [[row, column] for row in range(rows) for column in range(columns)]
    maps = torch.arange(2 * 5 * rows * columns, dtype=torch.float32).view(2, 5, rows, columns)
    laid = lay_down(maps)
    for index, (row, column) in enumerate(laid.coords[1].long().tolist()):
        assert torch.equal(laid.values[1, index], maps[1, :, row, column])


@NETWORKS
def test_other_sizes_and_single_pictures(config, x):
    network = config.build().eval()
    assert network(x[0]).values.shape[0] == 1
    torch.testing.assert_close(network(x[0]).values[0], network(x).values[0])
    assert network(x[:, :, :16, :16]).extent == (16 // network.strides[-1],) * 2


@NETWORKS
def test_what_it_cannot_do_gives_a_sentence(config, x):
    network = config.build()
    with pytest.raises(ValueError, match="cannot drop tokens; take a ViT for masks"):
        network(x, keep=torch.zeros(3, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="have one level"):
        network(x, layers=(-2, -1))
    with pytest.raises(ValueError, match="pixels a side or more"):
        network(x[:, :, :3, :3])
    with pytest.raises(ValueError, match=r"takes \[b, 3, h, w\]"):
        network(x[:, :1])
    with pytest.raises(TypeError, match="normalised floats"):
        network(x.to(torch.uint8))


@NETWORKS
def test_probes_read_it_like_any_backbone(config, x):
    class Few:
        labels, classes = torch.arange(3), None

        def __len__(self):
            return 3

        def get(self, index, epoch, seed):
            return {"x": x[index], "label": self.labels[index]}

        def order(self, epoch, seed):
            return torch.arange(3)

        def name(self, index):
            return str(index)

    network = config.build()
    features = extract(network, Few(), layers=(-1,))
    assert torch.equal(features.x, network.eval()(x).pooled())
    assert features.x.shape == (3, network.dim)


@pytest.mark.parametrize("config", [RESNET, CONVNEXT, RESNET_18, SMALL_RESNET, CONVNEXT_T, SMALL_CONVNEXT])
def test_configs_travel_as_json(config):
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert config.samples == ((3, *config.image),)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (replace(RESNET, widths=()), "widths should be from 1"),
        (replace(RESNET, widths=(8, 10**9)), "the widest of widths should be from 1"),
        (replace(RESNET, blocks=0), "blocks should be from 1"),
        (replace(CONVNEXT, patch=0), "patch should be from 1"),
        (replace(CONVNEXT, depths=(1, 1)), "a number for each stage"),
    ],
)
def test_sizes_that_cannot_be_give_a_sentence(config, sentence):
    with pytest.raises(ValueError, match=sentence):
        config.build()


@pytest.mark.parametrize("several", [False, True], ids=["one rank", "the way of several ranks"])
def test_map_norm_is_batch_norm_of_maps(several, x, monkeypatch):
    monkeypatch.setattr(convolutions, "ranks", lambda: 2 if several else 1)
    ours, theirs = MapNorm(3).double(), nn.BatchNorm2d(3).double()
    for _ in range(2):
        mine, other = x.double().requires_grad_(), x.double().requires_grad_()
        for norm, maps in ((ours, mine), (theirs, other)):
            norm(maps).square().mul(torch.arange(32.0)).sum().backward()
        torch.testing.assert_close(mine.grad, other.grad)
        torch.testing.assert_close(ours(mine), theirs(other))
    torch.testing.assert_close(ours.running_variance, theirs.running_var)
    torch.testing.assert_close(ours.eval()(mine), theirs.eval()(other))


@NETWORKS
def test_every_parameter_learns(config, x):
    network = config.build()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(2):  # the last norm of a block of a ResNet begins with zeros, behind which nothing is seen
        optimizer.zero_grad()
        network(x).values.square().mul(torch.arange(float(network.dim))).mean().backward()
        optimizer.step()
    assert all(bool((parameter.grad != 0).any()) for parameter in network.parameters())

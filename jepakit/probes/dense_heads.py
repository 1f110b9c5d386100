"""Linear heads on pictures of frozen tokens: a small grid of rates at once, upsampled to the size of the truth."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor, nn

from jepakit.config import Config
from jepakit.probes.dense_grids import Grids
from jepakit.probes.splits import minibatches
from jepakit.probes.training import decay_groups, descend


@dataclass(frozen=True, kw_only=True)
class Fitting(Config):
    """How heads are trained: AdamW, a short warmup, then a cosine to zero.

    Decay and warmup are those of DINOv3's linear segmentation (rate 1e-3, decay 1e-3, 1,500 of 40,000 steps); each of
    `rates` trains a head of its own. A step sees `batch` pictures of tokens.
    """

    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2, 3e-2)
    decay: float = 1e-3
    warmup: float = 0.04
    steps: int = 600
    batch: int = 16

    def __post_init__(self) -> None:
        if not self.rates or min(self.rates) <= 0:
            raise ValueError(f"a head needs at least one rate above 0, got {self.rates}")
        if min(self.steps, self.batch) < 1:
            raise ValueError(f"steps and batch are at least 1, got {self.steps} and {self.batch}")


class Heads(nn.Module):
    """A linear layer for each rate on standardized tokens, its outputs upsampled bilinearly.

    Standardizing by what the training tokens are like is what the BN of "BN + 1x1 convolution" ends as: tokens are
    frozen, so its statistics can be had exactly. Weights start at zero: there is no luck.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, train: Grids, outputs: int, rates: int) -> None:
        super().__init__()
        tokens = train.x.flatten(0, 2).float()
        deviation, mean = torch.std_mean(tokens, dim=0, correction=0)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", torch.where(deviation > 1e-6, 1 / deviation.clamp(min=1e-6), 0))
        self.layers = nn.ModuleList(nn.Linear(tokens.shape[1], outputs) for _ in range(rates))
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "b r c d"], size: tuple[int, int]) -> Float[Tensor, "k b o h w"]:
        """What each of the k heads says of every pixel of pictures of that size."""
        standardized = (x.to(self.mean) - self.mean) * self.scale
        maps = torch.stack([layer(standardized).permute(0, 3, 1, 2) for layer in self.layers])
        upsampled = F.interpolate(maps.flatten(0, 1), size, mode="bilinear", align_corners=False)
        return upsampled.unflatten(0, maps.shape[:2])


Loss = Callable[[Float[Tensor, "b o h w"], Tensor], Float[Tensor, ""]]
Count = Callable[[Float[Tensor, "b o h w"], Tensor], Float[Tensor, "b s"]]


def fit_heads(
    train: Grids, truth: Tensor, outputs: int, loss: Loss, fitting: Fitting, seed: int, device: torch.device
) -> Heads:
    """Heads that were trained on the pictures and the truth [n h w] of the training split."""
    heads = Heads(train, outputs, len(fitting.rates)).to(device)
    layers = zip(heads.layers, fitting.rates, strict=True)
    optimizer = torch.optim.AdamW([part for layer, rate in layers for part in decay_groups(layer, rate, fitting.decay)])
    drawn = minibatches(len(train.x), fitting.batch, fitting.steps, Generator().manual_seed(seed))
    for rows, _ in zip(drawn, descend(optimizer, fitting.steps, fitting.warmup), strict=True):
        wanted = truth[rows].to(device)
        maps = heads(train.x[rows].to(device), size_of(truth))
        # The heads share no parameter, so that the gradient of the sum is the gradient of each.
        total = torch.stack([loss(each, wanted) for each in maps]).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    return heads.eval()


def count_pixels(heads: Heads, grids: Grids, truth: Tensor, count: Count) -> Float[Tensor, "k m s"]:
    """The sums that `count` takes of every picture, added up over the pictures of a sample, for each head."""
    device, sums = heads.mean.device, []
    with torch.inference_mode():
        for x, wanted in zip(grids.x.split(64), truth.split(64), strict=True):
            maps = heads(x.to(device), size_of(truth)).cpu()
            sums.append(torch.stack([count(each, wanted) for each in maps]))
    return torch.cat(sums, dim=1).unflatten(1, (-1, grids.steps)).sum(dim=2)


def size_of(truth: Tensor) -> tuple[int, int]:
    """Rows and columns of pixels."""
    return truth.shape[-2], truth.shape[-1]

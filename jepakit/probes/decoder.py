"""Pictures of latents, to look at: a decoder that is trained after the model, and that the model never sees.

What it cannot draw the latents do not tell, or not simply; what it draws well they need not use.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor, nn

from jepakit.contracts import State, WorldModel
from jepakit.probes.world_model import Clips, latents_of

SPREAD = 8
"""Cells along a side, at most, over which a single vector is spread."""
RARE = 0.2
"""A share of the usual difference from the mean picture, below which that of a single pixel counts as no smaller."""


class Decoder(nn.Module):
    """Latents -> pictures: tokens on a square grid, doubled until it is as large as the picture.

    It draws what differs from the mean picture. Raises ValueError unless the tokens are a square and halvings of the
    picture lead to it.
    """

    center: Tensor
    scale: Tensor
    mean: Tensor

    def __init__(self, tokens: int, dim: int, channels: int, side: int, width: int = 64) -> None:
        super().__init__()
        cells = math.isqrt(tokens)
        self.cells = side >> _halvings(side) if tokens == 1 else cells
        doublings = round(math.log2(side / self.cells))
        if cells * cells != tokens or self.cells * 2**doublings != side or doublings < 1:
            raise ValueError(f"{tokens} tokens cannot be doubled into a picture of {side} pixels")
        spread = width * self.cells**2 if tokens == 1 else width
        self.spread = nn.Sequential(nn.Linear(dim, 4 * width), nn.GELU(), nn.Linear(4 * width, spread), nn.GELU())
        widths = [max(width >> number, 16) for number in range(doublings)]
        self.layers = nn.ModuleList(nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(widths))
        self.last = nn.Sequential(nn.Conv2d(widths[-1], 4 * channels, 3, padding=1), nn.PixelShuffle(2))
        self.register_buffer("center", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))
        self.register_buffer("mean", torch.zeros(channels, side, side))

    def forward(self, latent: Float[Tensor, "b n d"]) -> Float[Tensor, "b c h w"]:
        """Pictures as the model takes them."""
        spread = self.spread((latent - self.center) / self.scale)
        if latent.shape[1] == 1:
            maps = spread.view(len(latent), -1, self.cells, self.cells)
        else:
            maps = spread.unflatten(1, (self.cells, self.cells)).movedim(-1, 1)
        for layer in self.layers:
            maps = F.gelu(layer(F.interpolate(maps, scale_factor=2)))
        return self.mean + self.last(maps)

    def learn_scales(self, latents: Float[Tensor, "k n d"], pictures: Float[Tensor, "k c h w"]) -> None:
        """Notes how large latents are, and the mean picture."""
        flat = latents.flatten(0, 1)
        self.center.copy_(flat.mean(dim=0))
        self.scale.copy_(flat.std(dim=0).clamp(min=1e-6))
        self.mean.copy_(pictures.mean(dim=0))

    @torch.no_grad()
    def film(self, futures: State) -> Float[Tensor, "b s h c y x"]:
        """Pictures of all that was imagined."""
        leading = futures.latent.shape[:3]
        return self(futures.latent.flatten(0, 2)).unflatten(0, leading)


def _halvings(side: int) -> int:
    """How often a picture is halved, at least once, until a single vector is spread over it."""
    return next(count for count in range(1, side) if side >> count <= SPREAD)


def train_decoder(
    model: WorldModel, clips: Clips, steps: int, generator: Generator, batch: int = 64, rate: float = 3e-3
) -> Decoder:
    """A decoder of the latents of these clips, by squared errors of pixels. The model stays as it is.

    A pixel counts more the farther it is from what it usually is: else small things that move would be left out for
    long, for a picture without them is nearly as good.
    """
    latents = latents_of(model, clips).flatten(0, 1)
    pictures = clips.x.transpose(1, 2).flatten(0, 1)
    _, tokens, dim = latents.shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator.initial_seed())
        decoder = Decoder(tokens, dim, pictures.shape[1], pictures.shape[-1]).to(pictures.device)
    decoder.learn_scales(latents, pictures)
    unlike = (pictures - decoder.mean).abs()
    usual = unlike.mean(dim=0) + RARE * unlike.mean() + torch.finfo(unlike.dtype).tiny
    optimizer = torch.optim.AdamW(decoder.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(len(latents), (batch,), generator=generator).to(latents.device)
        optimizer.zero_grad()
        weight = 1 + unlike[rows] / usual
        (weight * (decoder(latents[rows]) - pictures[rows]).square()).mean().backward()
        optimizer.step()
        schedule.step()
    return decoder.eval()

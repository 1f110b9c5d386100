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


class Decoder(nn.Module):
    """Latents -> pictures: tokens on a square grid, doubled until it is as large as the picture.

    Raises ValueError unless the tokens are a square and halvings of the picture lead to it.
    """

    def __init__(self, tokens: int, dim: int, channels: int, side: int, width: int = 64) -> None:
        super().__init__()
        cells = math.isqrt(tokens)
        self.cells = max(cells, 4) if tokens == 1 else cells
        doublings = round(math.log2(side / self.cells))
        if cells * cells != tokens or self.cells * 2**doublings != side:
            raise ValueError(f"{tokens} tokens cannot be doubled into a picture of {side} pixels")
        self.spread = nn.Linear(dim, width * self.cells**2 if tokens == 1 else width)
        widths = [max(width >> number, 16) for number in range(doublings + 1)]
        self.layers = nn.ModuleList(nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(widths))
        self.last = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, latent: Float[Tensor, "b n d"]) -> Float[Tensor, "b c h w"]:
        """Pictures as the model takes them."""
        spread = self.spread(latent)
        if latent.shape[1] == 1:
            maps = spread.view(len(latent), -1, self.cells, self.cells)
        else:
            maps = spread.unflatten(1, (self.cells, self.cells)).movedim(-1, 1)
        maps = F.gelu(maps)
        for layer in self.layers:
            maps = F.gelu(layer(F.interpolate(maps, scale_factor=2)))
        return self.last(maps)

    @torch.no_grad()
    def film(self, futures: State) -> Float[Tensor, "b s h c y x"]:
        """Pictures of all that was imagined."""
        leading = futures.latent.shape[:3]
        return self(futures.latent.flatten(0, 2)).unflatten(0, leading)


def train_decoder(
    model: WorldModel, clips: Clips, steps: int, generator: Generator, batch: int = 64, rate: float = 1e-3
) -> Decoder:
    """A decoder of the latents of these clips, by squared errors of pixels. The model stays as it is."""
    latents = latents_of(model, clips).flatten(0, 1)
    pictures = clips.x.transpose(1, 2).flatten(0, 1)
    _, tokens, dim = latents.shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator.initial_seed())
        decoder = Decoder(tokens, dim, pictures.shape[1], pictures.shape[-1]).to(pictures.device)
    optimizer = torch.optim.AdamW(decoder.parameters(), rate)
    for _ in range(steps):
        rows = torch.randint(len(latents), (batch,), generator=generator).to(latents.device)
        optimizer.zero_grad()
        F.mse_loss(decoder(latents[rows]), pictures[rows]).backward()
        optimizer.step()
    return decoder.eval()

"""Clips as film strips: the steps of a clip side by side, so that all that draws a picture draws a clip."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

MOST_STEPS = 8


@dataclass(frozen=True)
class Strip:
    """Where the tokens of a picture or clip lie when it is drawn: a picture as it is, a clip step beside step.

    Of a long clip a few steps are drawn, evenly spread.
    """

    grid: tuple[int, ...]
    """Rows and columns of the tokens, and of a clip the time steps before them."""

    def __post_init__(self) -> None:
        if len(self.grid) not in (2, 3):
            raise ValueError(
                f"the tokens of this backbone lie on a grid of {self.grid}, so they cannot be drawn as pictures"
            )

    @property
    def is_clip(self) -> bool:
        """Whether there is time."""
        return len(self.grid) == 3

    @property
    def has_places(self) -> bool:
        """Whether a picture has more than one token, so that there is a where to be seen."""
        return self.grid[-2:] != (1, 1)

    @property
    def steps(self) -> tuple[int, ...]:
        """The time steps that are drawn."""
        count = self.grid[0] if self.is_clip else 1
        shown = min(count, MOST_STEPS)
        return tuple(place * count // shown for place in range(shown))

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns of what is drawn."""
        rows, columns = self.grid[-2:]
        return rows, len(self.steps) * columns

    def lay(self, patches: Float[Tensor, "k n d"]) -> Float[Tensor, "k m d"]:
        """Tokens in the raster order of the strip."""
        rows, columns = self.grid[-2:]
        steps = patches.unflatten(1, (-1, rows, columns))[:, list(self.steps)]
        return steps.transpose(1, 2).flatten(1, 3)

    def place(self, index: Int[Tensor, "*k"]) -> Int[Tensor, "*k"]:
        """Numbers of tokens as numbers in the strip; -1, which is padding, for those that are not drawn."""
        rows, columns = self.grid[-2:]
        order = torch.full((self.grid[0] if self.is_clip else 1, rows, columns), -1)
        drawn = torch.arange(rows * len(self.steps) * columns).view(rows, len(self.steps), columns)
        order[list(self.steps)] = drawn.transpose(0, 1)
        return torch.where(index < 0, -1, order.flatten()[index.clamp(min=0)])

    def draw(self, pixels: UInt8[Tensor, "c *t h w"]) -> UInt8[Tensor, "h wide c"]:
        """A picture, or the first frame of every drawn step side by side."""
        if not self.is_clip:
            return pixels.permute(1, 2, 0)
        each = pixels.shape[1] // self.grid[0]
        frames = pixels[:, [step * each for step in self.steps]]
        return frames.permute(2, 1, 3, 0).flatten(1, 2)

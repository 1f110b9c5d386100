"""What may be done: boxes of numbers, or one of so many choices. Planners draw from them and stay inside."""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from jepakit.config import Config
from jepakit.contracts import World

HALVINGS = 30
"""Of an interval of length 1: what is left is below the rounding error of float32."""


@runtime_checkable
class ActionSpace(Protocol):
    """What a planner has to know of actions: how many numbers they are, and which are allowed."""

    @property
    def width(self) -> int: ...

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Float[Tensor, "*s a"]:
        """Allowed actions at random, spread evenly."""
        ...

    def project(self, actions: Float[Tensor, "*s a"]) -> Float[Tensor, "*s a"]:
        """The nearest allowed action of each; those that are allowed stay as they are."""
        ...


@dataclass(frozen=True, kw_only=True)
class Box(Config):
    """Numbers between `low` and `high`, and, where `longest` is given, no longer than that in their Euclidean norm.

    A number whose bounds are equal is not searched. Raises ValueError for bounds that no action fits.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    longest: float | None = None

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or not self.low:
            raise ValueError(f"a box has one low and one high bound per number, got {self.low} and {self.high}")
        if not all(map(math.isfinite, (*self.low, *self.high))):
            raise ValueError(f"the bounds of actions are finite numbers, got {self.low} and {self.high}")
        for place, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            if low > high:
                raise ValueError(f"no action fits: number {place} is at least {low} and at most {high}; swap them")
        shortest = math.hypot(*(max(low, -high, 0.0) for low, high in zip(self.low, self.high, strict=True)))
        if self.longest is not None and not self.longest >= shortest:
            raise ValueError(
                f"no action fits: the shortest one in the box is {shortest:.4g} long, longest is {self.longest:.4g}; "
                "make longest larger"
            )

    @classmethod
    def of(cls, world: World) -> "Box":
        """What a world takes."""
        return cls(low=tuple(world.low.tolist()), high=tuple(world.high.tolist()), longest=world.longest)

    @property
    def width(self) -> int:
        """How many numbers an action has."""
        return len(self.low)

    @property
    def center(self) -> Float[Tensor, "a"]:
        """The allowed action that is nearest to the middle of the box: where a search begins."""
        low, high = self._bounds()
        return self.project((low + high) / 2)

    @property
    def radius(self) -> Float[Tensor, "a"]:
        """How far each number may lie from the middle."""
        low, high = self._bounds()
        half = (high - low) / 2
        return half if self.longest is None else half.clamp(max=self.longest)

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Float[Tensor, "*s a"]:
        """Evenly spread over the box; what is too long is shortened to the nearest that is allowed."""
        low, high = self._bounds()
        return self.project(low + (high - low) * torch.rand(*shape, self.width, generator=generator))

    def project(self, actions: Float[Tensor, "*s a"]) -> Float[Tensor, "*s a"]:
        """The nearest action inside of both, the box and the ball."""
        low, high = self._bounds()
        inside = torch.minimum(torch.maximum(actions, low), high)
        if self.longest is None:
            return inside
        over = inside.norm(dim=-1) > self.longest
        if bool(over.any()):
            inside[over] = self._shorten(actions[over], self.longest)
        return inside

    def _shorten(self, actions: Float[Tensor, "n a"], longest: float) -> Float[Tensor, "n a"]:
        """The nearest point of box and ball is clip(t x) for the largest t in [0, 1] at which it is short enough.

        That follows from the conditions of Karush, Kuhn and Tucker: the multiplier of the ball divides x before it is
        clipped. The norm grows with t, so the interval of t is halved until nothing is left of it.
        """
        low, high = self._bounds()
        short, long = actions.new_zeros(len(actions), 1), actions.new_ones(len(actions), 1)
        for _ in range(HALVINGS):
            middle = (short + long) / 2
            clipped = torch.minimum(torch.maximum(actions * middle, low), high)
            fits = clipped.norm(dim=-1, keepdim=True) <= longest
            short, long = torch.where(fits, middle, short), torch.where(fits, long, middle)
        return torch.minimum(torch.maximum(actions * short, low), high)

    def _bounds(self) -> tuple[Float[Tensor, "a"], Float[Tensor, "a"]]:
        return torch.tensor(self.low), torch.tensor(self.high)


@dataclass(frozen=True, kw_only=True)
class Choices(Config):
    """One of `count` choices, told as a 1 among zeros."""

    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"no action fits: there has to be 1 choice or more, got {self.count}")

    @property
    def width(self) -> int:
        """How many numbers tell a choice."""
        return self.count

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Float[Tensor, "*s a"]:
        """Each choice equally often."""
        return self.told(torch.randint(self.count, shape, generator=generator))

    def project(self, actions: Float[Tensor, "*s a"]) -> Float[Tensor, "*s a"]:
        """The choice with the largest number, the first of several."""
        return self.told(actions.argmax(dim=-1))

    def told(self, choices: Tensor) -> Float[Tensor, "*s a"]:
        """Numbers of choices as a 1 among zeros."""
        return torch.nn.functional.one_hot(choices, self.count).float()


def require_box(space: ActionSpace, planner: object) -> Box:
    """The space, where it is a Box. Raises ValueError for choices, which this planner cannot search."""
    if isinstance(space, Box):
        return space
    raise ValueError(f"{type(planner).__name__} searches numbers in a Box, not {space}; use CategoricalCEM or Beam")


def require_choices(space: ActionSpace, planner: object) -> Choices:
    """The space, where it is Choices. Raises ValueError for a box, which this planner cannot search."""
    if isinstance(space, Choices):
        return space
    raise ValueError(f"{type(planner).__name__} searches Choices, not {space}; use CEM, MPPI or Gradient")

"""What comes next under an action: the sisters of the predictor, which move on in time (V-JEPA 2-AC, LeWM, PLDM)."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from jepakit.parts.nn.frames import by_frame
from jepakit.tokens import Tokens

Tree = TypeVar("Tree")


@dataclass(frozen=True)
class Conditions:
    """What a predictor is told of each of t moments: the action that is taken then, what the body feels, the camera."""

    action: Float[Tensor, "b t a"]
    state: Float[Tensor, "b t p"] | None = None
    extrinsics: Float[Tensor, "b t e"] | None = None

    def together(self) -> Float[Tensor, "b t c"]:
        """All of it side by side."""
        told = [part for part in (self.action, self.state, self.extrinsics) if part is not None]
        return torch.cat(told, dim=-1) if len(told) > 1 else self.action

    def cut(self, first: int, last: int) -> "Conditions":
        """The moments from `first` to before `last`."""
        return each(self, lambda part: part[:, first:last])

    def then(self, other: "Conditions") -> "Conditions":
        """These moments and those of `other` behind them."""
        state, extrinsics = (
            None if mine is None or theirs is None else torch.cat([mine, theirs], dim=1)
            for mine, theirs in ((self.state, other.state), (self.extrinsics, other.extrinsics))
        )
        return Conditions(torch.cat([self.action, other.action], dim=1), state, extrinsics)


@dataclass(frozen=True)
class Past:
    """The values of earlier frames and what was told of them; no frames at all where there is no past."""

    frames: Float[Tensor, "b t n d"]
    told: Conditions


class Dynamics(nn.Module, ABC):
    """The tokens of frames and conditions -> the tokens of their successors.

    What is said of a step depends on it and on the `window - 1` steps before, never on a later one. Where they are told
    where the `camera` is, it is by so many numbers.
    """

    window: int = 1
    camera: int = 0

    @abstractmethod
    def forward(self, frames: Tokens, told: Conditions) -> Tokens:
        """For each of t frames the tokens of the next one, at the places of the frame: teacher forcing."""

    def begin(self, past: Tokens, told: Conditions) -> Any:
        """What has to be remembered of frames before the newest one; a pytree whose tensors lead with b."""
        return self._remember(Past(by_frame(past), told))

    def advance(self, memory: Any, frame: Tokens, told: Conditions) -> tuple[Tokens, Any]:
        """The successor of one frame, and the memory with that frame in it."""
        assert isinstance(memory, Past), "a memory comes from begin"
        if self.window == 1:
            return self(frame, told), memory
        known = Past(torch.cat([memory.frames, frame.values.unsqueeze(1)], dim=1), memory.told.then(told))
        successors = self(laid_like(frame, known.frames), known.told)
        return frame.with_values(by_frame(successors)[:, -1]), self._remember(known)

    def _remember(self, past: Past) -> Past:
        count = past.frames.shape[1]
        first = max(count - (self.window - 1), 0)
        return Past(past.frames[:, first:], past.told.cut(first, count))

    @abstractmethod
    def flops(self, frames: int, tokens: int) -> int:
        """Operations of one sample of so many frames of so many tokens, forward."""


def each(tree: Tree, change: Callable[[Tensor], Tensor]) -> Tree:
    """A pytree with every tensor in it changed, and None where there is none."""
    return pytree.tree_map(lambda part: None if part is None else change(part), tree)


def frames_in(tokens: Tokens) -> int:
    """How many frames these tokens are of."""
    assert tokens.extent is not None, "tokens of clips know how many frames they are of"
    return tokens.extent[0]


def append(frames: Tokens, other: Tokens) -> Tokens:
    """Frames and others behind them, counted from 0."""
    return laid_like(frames, torch.cat([by_frame(frames), by_frame(other)], dim=1))


def laid_like(tokens: Tokens, frames: Float[Tensor, "b t n d"]) -> Tokens:
    """Values of frames as tokens, on the rows and columns of the first frame of `tokens`, counted from 0 in time."""
    assert tokens.extent is not None, "tokens of clips know their grid"
    count, size = frames.shape[1:3]
    within = tokens.coords[:, None, :size, 1:].expand(-1, count, -1, -1)
    time = torch.arange(count, dtype=within.dtype, device=within.device).view(1, -1, 1, 1)
    coords = torch.cat([time.expand(*within.shape[:3], 1), within], dim=-1).flatten(1, 2)
    return Tokens(frames.flatten(1, 2), coords, None, (count, *tokens.extent[1:]))


pytree.register_dataclass(Conditions)
pytree.register_dataclass(Past)

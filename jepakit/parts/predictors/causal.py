"""Frame-causal transformers that are told of actions: as tokens, beside the features, or by scaling every layer."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from jepakit.parts.nn.causal import CausalTransformer, KeysValues
from jepakit.parts.nn.frames import by_frame
from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.position import Rotary, Rotation
from jepakit.parts.predictors.dynamics import Conditions, Dynamics, Past, laid_like
from jepakit.tokens import Tokens

Grid = tuple[int, int]
"""Rows and columns of a frame."""


class Telling(nn.Module, ABC):
    """How a transformer hears of actions. `extra` tokens of a step stand before those of its frame.

    Where it hears where the `camera` is, it is by so many numbers.
    """

    extra: int = 0
    camera: int = 0

    @abstractmethod
    def forward(
        self, frames: Float[Tensor, "b t n d"], told: Conditions
    ) -> tuple[Float[Tensor, "b t m w"], Float[Tensor, "b t c"] | None]:
        """The tokens of each step in the width of the transformer, and what scales its layers, if anything does."""


class AsTokens(Telling):
    """A token for the action, one for what the body feels, one for the camera (V-JEPA 2-AC 2506.09985, section 3.1)."""

    def __init__(self, dim: int, width: int, action: int, state: int = 0, extrinsics: int = 0) -> None:
        super().__init__()
        self.embedding, self.action = Linear(dim, width), Linear(action, width)
        self.state = Linear(state, width) if state else None
        self.extrinsics = Linear(extrinsics, width) if extrinsics else None
        self.extra, self.camera = 1 + bool(state) + bool(extrinsics), extrinsics

    def forward(
        self, frames: Float[Tensor, "b t n d"], told: Conditions
    ) -> tuple[Float[Tensor, "b t m w"], Float[Tensor, "b t c"] | None]:
        """Raises ValueError where something is told that the model has no token for, or the other way round."""
        tokens = [self.action(told.action).unsqueeze(2)]
        for name, layer, given in (
            ("the body", self.state, told.state), ("the camera", self.extrinsics, told.extrinsics)
        ):  # fmt: skip
            if (layer is None) != (given is None):
                raise ValueError(f"the model {'has no' if layer is None else 'needs a'} token for {name}, and the data "
                                 f"{'tell of it' if layer is None else 'do not tell of it'}")  # fmt: skip
            if layer is not None and given is not None:
                tokens.append(layer(given).unsqueeze(2))
        return torch.cat([*tokens, self.embedding(frames)], dim=2), None


class Beside(Telling):
    """Everything told is embedded and stands beside the features of every token of its frame (DINO-WM 2411.04983)."""

    def __init__(self, dim: int, width: int, action: int, state: int = 0, told: int = 10) -> None:
        super().__init__()
        self.action = Linear(action, told)
        self.state = Linear(state, told) if state else None
        self.embedding = Linear(dim + told * (1 + bool(state)), width)

    def forward(
        self, frames: Float[Tensor, "b t n d"], told: Conditions
    ) -> tuple[Float[Tensor, "b t m w"], Float[Tensor, "b t c"] | None]:
        parts = [self.action(told.action)]
        if self.state is not None and told.state is not None:
            parts.append(self.state(told.state))
        spread = torch.cat(parts, dim=-1).unsqueeze(2).expand(-1, -1, frames.shape[2], -1)
        return self.embedding(torch.cat([frames, spread], dim=-1)), None


class ByScaling(Telling):
    """What is told scales, shifts and gates every layer, by AdaLN-zero (LeWM 2603.19312, section 3)."""

    def __init__(self, dim: int, width: int, told: int) -> None:
        super().__init__()
        self.embedding = Linear(dim, width)
        self.told = nn.Sequential(Linear(told, 4 * width), nn.SiLU(), Linear(4 * width, width))

    def forward(
        self, frames: Float[Tensor, "b t n d"], told: Conditions
    ) -> tuple[Float[Tensor, "b t m w"], Float[Tensor, "b t c"] | None]:
        return self.embedding(frames), self.told(told.together())


class LearnedPlaces(nn.Module):
    """A learned vector for every token of every step (DINO-WM, LeWM)."""

    def __init__(self, window: int, size: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(window, size, width))
        nn.init.trunc_normal_(self.vectors, std=0.02)

    def add(self, x: Float[Tensor, "b t m w"], first: int) -> Float[Tensor, "b t m w"]:
        """Tokens of steps from the `first` on that know where they are. Raises ValueError for frames of other sizes."""
        if x.shape[2] != self.vectors.shape[1]:
            raise ValueError(
                f"places were made for {self.vectors.shape[1]} tokens a frame, and these have {x.shape[2]}; tell the "
                "model how many `places` a frame has"
            )
        return x + self.vectors[first : first + x.shape[1]]

    def rotation(self, first: int, steps: int, sides: Grid, device: torch.device) -> Rotation | None:
        """None: these are added."""
        return None


class RotaryPlaces(nn.Module):
    """Tokens of frames turn by time, row and column, the `extra` ones before them by time alone (V-JEPA 2-AC).

    That of time alone is what a place in row 0 and column 0 turns by. Angles are made once, for `window` steps.
    """

    def __init__(self, rotary: Rotary, window: int, extra: int) -> None:
        super().__init__()
        self.rotary, self.window, self.extra = rotary, window, extra
        self._tables: dict[tuple[Grid, torch.device], Rotation] = {}

    def add(self, x: Float[Tensor, "b t m w"], first: int) -> Float[Tensor, "b t m w"]:
        """The tokens themselves."""
        return x

    def rotation(self, first: int, steps: int, sides: Grid, device: torch.device) -> Rotation | None:
        """The angles of so many steps from the `first` on."""
        key, size = (sides, device), self.extra + sides[0] * sides[1]
        if key not in self._tables:
            self._tables[key] = self._table(sides, device)
        part, whole = slice(first * size, (first + steps) * size), self._tables[key]
        return Rotation(whole.cos[:, part], whole.sin[:, part])

    def _table(self, sides: Grid, device: torch.device) -> Rotation:
        axes = [torch.arange(count, dtype=torch.float32, device=device) for count in (self.window, *sides)]
        coords = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(1, 2)
        before = coords[:, :1].repeat(1, self.extra, 1)
        places = torch.cat([before, coords], dim=1).flatten(0, 1).unsqueeze(0)
        return self.rotary.rotation(places, (self.window, *sides))

    def __deepcopy__(self, memo: dict[int, object]) -> "RotaryPlaces":
        rotary = Rotary(self.rotary.head_dim, self.rotary.variant, self.rotary.trained, self.rotary.snap)
        return RotaryPlaces(rotary, self.window, self.extra)


@dataclass(frozen=True)
class Remembered:
    """Earlier steps as they were given, and what every layer of the transformer keeps of them."""

    past: Past
    levels: list[KeysValues]


class CausalDynamics(Dynamics):
    """A transformer in which each step sees itself and the `window - 1` steps before, and says what comes next.

    `head` is what outputs go through, a projection to the width of frames or more; `normalize` gives every token mean
    0 and variance 1, for targets that are so.
    """

    def __init__(
        self, telling: Telling, position: LearnedPlaces | RotaryPlaces, encoder: CausalTransformer, head: nn.Module,
        window: int, normalize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.telling, self.position, self.encoder, self.head = telling, position, encoder, head
        self.window, self.camera, self.normalize = window, telling.camera, normalize

    def forward(self, frames: Tokens, told: Conditions) -> Tokens:
        """Raises ValueError for more steps than the window has."""
        values = by_frame(frames)
        if values.shape[1] > self.window:
            raise ValueError(
                f"this model looks back over {self.window} frames, so it learns from clips of {self.window + 1} frames "
                f"at most, got {values.shape[1] + 1}"
            )
        said, _ = self._run(values, told, sides_of(frames), first=0, levels=None)
        return frames.with_values(said.flatten(1, 2))

    def begin(self, past: Tokens, told: Conditions) -> Remembered:
        """Keys and values of every layer for all frames before the newest one: their actions are known to all plans."""
        kept = self._remember(Past(by_frame(past), told))
        if kept.frames.shape[1] == 0:
            return Remembered(kept, [])
        return Remembered(kept, self._run(kept.frames, kept.told, sides_of(past), first=0, levels=None)[1])

    def advance(self, memory: Any, frame: Tokens, told: Conditions) -> tuple[Tokens, Remembered]:
        """The successor of a frame from what is remembered of earlier ones: equal to computing all of them again.

        Once the window is full, its first frame is left out and all that came from it computed anew.
        """
        assert isinstance(memory, Remembered), "a memory comes from begin"
        past, levels = memory.past, memory.levels
        if past.frames.shape[1] == self.window:
            fresh = self.begin(laid_like(frame, past.frames), past.told)
            past, levels = fresh.past, fresh.levels
        first, values = past.frames.shape[1], frame.values.unsqueeze(1)
        said, kept = self._run(values, told, sides_of(frame), first, levels or None)
        together = Past(torch.cat([past.frames, values], dim=1), past.told.then(told))
        return frame.with_values(said[:, 0]), Remembered(together, kept)

    def flops(self, frames: int, tokens: int) -> int:
        """Operations of one sample of so many frames of so many tokens, forward."""
        outside = [layer for part in (self.telling, self.head) for layer in part.modules()]
        weights = sum(layer.weight.numel() for layer in outside if isinstance(layer, nn.Linear))
        return 2 * frames * tokens * weights + self.encoder.flops(frames, tokens + self.telling.extra)

    def _run(
        self, frames: Float[Tensor, "b t n d"], told: Conditions, sides: Grid, first: int,
        levels: list[KeysValues] | None,
    ) -> tuple[Float[Tensor, "b t n d"], list[KeysValues]]:  # fmt: skip
        tokens, condition = self.telling(frames, told)
        rotation = self.position.rotation(first, tokens.shape[1], sides, tokens.device)
        answer, kept = self.encoder(self.position.add(tokens, first), condition, rotation, levels)
        said = self.head(answer[:, :, self.telling.extra :])
        return nn.functional.layer_norm(said, said.shape[-1:]) if self.normalize else said, kept


def sides_of(frames: Tokens) -> Grid:
    """Rows and columns."""
    assert frames.extent is not None, "tokens of clips know their grid"
    return frames.extent[1], frames.extent[2]


pytree.register_dataclass(Remembered)

"""Sizes that a network can have, checked before it is built."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from jepakit.config import Config

MOST_WIDE, MOST_DEEP = 65_536, 1_000
Sized = TypeVar("Sized", bound=Config)


def require_sizes(widths: Mapping[str, int], depths: Mapping[str, int]) -> None:
    """So that a wrong number, or a file of a stranger, gives a sentence instead of a network without end.

    Raises ValueError for the first size that is not from 1 to the most there can be.
    """
    for most, sizes in ((MOST_WIDE, widths), (MOST_DEEP, depths)):
        for name, size in sizes.items():
            if not 1 <= size <= most:
                raise ValueError(f"{name} should be from 1 to {most}, got {size}")


@dataclass(frozen=True, kw_only=True)
class Larger(Config):
    """The encoder that a smaller model is distilled from. As is: the one that the released models learnt from."""

    source: str | None = None
    """Its weights: a run, a folder or a file, as `jepakit.load` takes them. They are read when a run begins."""
    dim: int = 1664
    depth: int = 48
    heads: int = 26
    mlp_ratio: float = 64 / 13


@dataclass(frozen=True, kw_only=True)
class Frozen(Config):
    """The encoder that answers where the target is frozen, trained before. A size of None is that of the model."""

    source: str | None = None
    """Its weights: a run, a folder or a file, as `jepakit.load` takes them. They are read when a run begins, and its
    sizes with them."""
    dim: int | None = None
    depth: int | None = None
    heads: int | None = None
    mlp_ratio: float | None = None

    def around(self, model: Sized) -> Sized:
        """`model` with an encoder of these sizes. Raises ValueError for sizes that no network can have."""
        names = ("dim", "depth", "heads", "mlp_ratio")
        found = replace(model, **{name: size for name in names if (size := getattr(self, name)) is not None})
        dim, depth, heads, ratio = (getattr(found, name) for name in names)
        require_sizes(
            {"frozen.dim": dim, "frozen.heads": heads, "frozen.mlp_ratio * dim": round(ratio * dim)},
            {"frozen.depth": depth},
        )
        return found

    def require(self, target: str) -> None:
        """Raises ValueError where something is said of an encoder that would not answer."""
        if target != "frozen" and self != Frozen():
            raise ValueError(f"frozen names an encoder that answers, but the target is {target}: set target to frozen")


@dataclass(frozen=True, kw_only=True)
class ClipSizes(Config):
    """What every model of clips begins with: the clip, how it is cut into tokens, and the encoder. As is: ViT-L/16."""

    frames: int = 16
    image: tuple[int, int] = (224, 224)
    """Height and width in pixels that it is trained with."""
    tubelet: int = 2
    """Frames of a clip that go into one token."""
    patch: int = 16
    channels: int = 3
    dim: int = 1024
    depth: int = 24
    heads: int = 16
    mlp_ratio: float = 4.0
    eps: float = 1e-6

    @property
    def cell(self) -> tuple[int, int, int]:
        """Frames, rows and columns of pixels that go into one token."""
        return self.tubelet, self.patch, self.patch

    @property
    def extent(self) -> tuple[int, int, int]:
        """Tubelets, rows and columns of a clip."""
        return self.frames // self.tubelet, self.image[0] // self.patch, self.image[1] // self.patch

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """What it learns from: channels, frames, height and width of a clip."""
        return ((self.channels, self.frames, *self.image),)

    def require(self, widths: Mapping[str, int], depths: Mapping[str, int]) -> None:
        """Raises ValueError for a size of the encoder, or one of these others, that a network cannot have."""
        own = {"frames": self.frames, "tubelet": self.tubelet, "patch": self.patch, "channels": self.channels,
               "dim": self.dim, "heads": self.heads, "mlp_ratio * dim": round(self.mlp_ratio * self.dim)}  # fmt: skip
        require_sizes({**own, **widths}, {"depth": self.depth, **depths})

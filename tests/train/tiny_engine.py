"""The smallest method and data that the engine can train: a joint embedding of noisy views of fixed points."""

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from jepakit.config import Config
from jepakit.contracts import BrokenSample, Losses, Step
from jepakit.tokens import Tokens


@dataclass(frozen=True, kw_only=True)
class NoTransform(Config):
    """Raw points are taken as they are."""


class PointSet:
    """Points of a few classes; the view of a point is a function of (index, epoch, seed)."""

    classes = ("even", "odd")

    def __init__(self, count: int, dim: int, broken: tuple[int, ...], wide: bool) -> None:
        points = torch.randn(count, dim, generator=torch.Generator().manual_seed(5))
        self.points = points.double() if wide else points
        self.broken = broken
        self.labels = torch.arange(count) % 2

    def __len__(self) -> int:
        return len(self.points)

    def get(self, index: int, epoch: int, seed: int) -> dict[str, Tensor]:
        if index in self.broken:
            raise BrokenSample(f"{self.name(index)} is torn")
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch * 10_007 + index)
        return {"x": self.points[index] + 0.1 * torch.randn(self.points.shape[1], generator=generator)}

    def order(self, epoch: int, seed: int) -> Tensor:
        return torch.randperm(len(self.points), generator=torch.Generator().manual_seed(seed * 7919 + epoch))

    def name(self, index: int) -> str:
        return f"point {index}"


@dataclass(frozen=True, kw_only=True)
class Points(Config):
    """The data of the engine's tests."""

    count: int = 50
    dim: int = 6
    broken: tuple[int, ...] = ()
    wide: bool = False
    transform: NoTransform = field(default_factory=NoTransform)

    def build(self) -> PointSet:
        return PointSet(self.count, self.dim, self.broken, self.wide)

    def split(self, part: str) -> PointSet:
        return PointSet(self.count, self.dim, self.broken, self.wide)


class Block(nn.Module):
    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.expand, self.contract = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(self.contract(self.expand(x).relu()))


class TinyBackbone(nn.Module):
    def __init__(self, inputs: int, dim: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.dim = dim
        self.embed = nn.Linear(inputs, dim)
        self.blocks = nn.ModuleList(Block(dim, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tokens:
        values = self.embed(x)
        for block in self.blocks:
            values = block(values)
        values = self.norm(values).unsqueeze(1)
        return Tokens(values, torch.zeros(len(x), 1, 1))


class TinyMethod(nn.Module):
    """Predicts the average network's view of a point from a shifted one; the shift is drawn for the whole batch."""

    def __init__(self, backbone: TinyBackbone, shift: float, momentum: float, fault: str | None) -> None:
        super().__init__()
        self.backbone = backbone
        self.predictor = nn.Linear(backbone.dim, backbone.dim)
        self.average = copy.deepcopy(backbone).requires_grad_(False)
        self.shift, self.momentum, self.fault = shift, momentum, fault

    @property
    def kept(self) -> nn.Module:
        return self.average

    def forward(self, batch: dict[str, Tensor], step: Step) -> Losses:
        x = batch["x"]
        rows = step.rows
        shifts = torch.randn(rows.total, x.shape[1], generator=step.shared, dtype=x.dtype)
        seen = x + self.shift * shifts[rows.first : rows.first + rows.count].to(x.device)
        with torch.no_grad():
            answer = self.average(x).pooled()
        loss = (self.predictor(self.backbone(seen).pooled()) - answer).square().mean(dim=1).mean()
        if self.fault == "nan" and step.index == 7:
            loss = loss * float("nan")
        if self.fault == "spike" and step.index == 70:
            loss = loss * 1e6
        return Losses({"prediction": loss}, {"size": x.abs().mean()})

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        for average, current in zip(self.average.parameters(), self.backbone.parameters(), strict=True):
            average.lerp_(current.detach(), 1 - self.momentum)


@dataclass(frozen=True, kw_only=True)
class Tiny(Config):
    """The model of the engine's tests. `fault` puts a NaN into step 7, or a spike into step 70."""

    inputs: int = 6
    dim: int = 8
    depth: int = 2
    dropout: float = 0.1
    shift: float = 0.5
    momentum: float = 0.9
    fault: str | None = None
    wide: bool = False

    def build(self) -> TinyMethod:
        method = TinyMethod(
            TinyBackbone(self.inputs, self.dim, self.depth, self.dropout), self.shift, self.momentum, self.fault
        )
        return method.double() if self.wide else method

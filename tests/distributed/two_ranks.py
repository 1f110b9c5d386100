"""One of several processes that train the same runs together: python two_ranks.py SCENARIOS.json.

Started by test_parallel.py, with the environment that torchrun gives. Also holds what both sides build.
"""

import errno
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from jepakit.config import Config
from jepakit.contracts import BrokenSample
from jepakit.family import ijepa, lejepa, vjepa21
from jepakit.parts.targets import DistilledTarget
from jepakit.train.fit import fit
from jepakit.train.run import Run
from jepakit.train.stops import Stopped


@dataclass(frozen=True, kw_only=True)
class AsIs(Config):
    """No transform."""


class Noise:
    """Pictures or clips of noise, and each mirrored; some cannot be read."""

    labels = None
    classes = None

    def __init__(self, broken: tuple[int, ...], wide: bool, frames: int | None) -> None:
        shape = (3, 32, 32) if frames is None else (3, frames, 32, 32)
        pictures = torch.randn(40, *shape, generator=torch.Generator().manual_seed(1))
        self.pictures, self.broken = pictures.double() if wide else pictures, broken

    def __len__(self) -> int:
        return len(self.pictures)

    def get(self, index: int, epoch: int, seed: int) -> dict[str, Tensor]:
        if index in self.broken:
            raise BrokenSample(f"{self.name(index)} is torn")
        x = self.pictures[index] * (1 + 0.01 * epoch)
        return {"x": x, "globals": x.flip(-1).unsqueeze(0)}

    def order(self, epoch: int, seed: int) -> Tensor:
        return torch.randperm(len(self), generator=torch.Generator().manual_seed(seed * 7919 + epoch))

    def name(self, index: int) -> str:
        return f"picture {index}"


@dataclass(frozen=True, kw_only=True)
class NoiseData(Config):
    """The data of the tests of parallel runs."""

    broken: tuple[int, ...] = ()
    wide: bool = False
    frames: int | None = None
    """Clips of so many in the place of pictures."""
    transform: AsIs = field(default_factory=AsIs)

    def build(self) -> Noise:
        return Noise(self.broken, self.wide, self.frames)


@dataclass(frozen=True, kw_only=True)
class Wide(Config):
    """A model in float64, in which the order of a sum hardly matters; a larger network is taken as it begins."""

    inner: ijepa.IJEPA | vjepa21.VJEPA21 | lejepa.LeJEPA = ijepa.TINY

    def build(self) -> nn.Module:
        method = self.inner.build()
        if isinstance(method.target, DistilledTarget):
            method.target.trust()
        return method.double()


@dataclass(frozen=True, kw_only=True)
class Width(Config):
    """An online probe that calls the backbone."""

    every: int = 3

    def online(self, backbone: nn.Module, data: NoiseData, device: torch.device) -> dict[str, float]:
        with torch.no_grad():
            return {"sum": float(backbone(data.build().pictures[:4]).pooled().square().sum())}


@dataclass(frozen=True, kw_only=True)
class Trouble(Config):
    """A probe that measures nothing: it sends a signal to the second rank, or fills the disk of the first."""

    kind: Literal["signal", "disk"] = "signal"
    every: int = 3

    def online(self, backbone: nn.Module, data: NoiseData, device: torch.device) -> dict[str, float]:
        rank = torch.distributed.get_rank()
        if self.kind == "signal" and rank == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        if self.kind == "disk" and rank == 0:
            os.fsync = fail
        return {}


def fail(handle: int) -> None:
    """What a full disk answers."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def main(path: Path) -> None:
    """Trains every scenario {"run", "out", "resume"}; a run that stops leaves its sentence in OUT.RANK.CODE.txt."""
    torch.distributed.init_process_group("gloo")
    fsync = os.fsync
    for scenario in json.loads(path.read_text()):
        os.fsync = fsync
        run = Run.from_json(scenario["run"], trusted=True)
        out = Path(scenario["out"])
        try:
            fit(run, out, scenario["resume"])
        except Stopped as stopped:
            out.with_suffix(f".{torch.distributed.get_rank()}.{stopped.code}.txt").write_text(str(stopped))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

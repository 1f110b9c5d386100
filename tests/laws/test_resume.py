"""10 steps are 5, saved, loaded, and 5 more, bit for bit, for every member of the family."""

import shutil
from dataclasses import dataclass, field

import torch
from safetensors.torch import load_file

from jepakit.config import Config
from jepakit.data.transforms import ImageTransform
from jepakit.methods.cloning import Cloning
from jepakit.methods.world_model import WorldModelJEPA
from jepakit.train.fit import fit
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch


class NoisySet:
    """Fixed samples seen through noise that is a function of (index, epoch, seed)."""

    labels = classes = None

    def __init__(self, shape: tuple[int, ...], action: int, proprio: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.samples = torch.randn(24, *shape, generator=generator)
        self.actions = torch.randn(24, max(shape[1] - 1, 0), action, generator=generator)
        self.proprio = torch.randn(24, shape[1], proprio, generator=generator)

    def __len__(self) -> int:
        return len(self.samples)

    def get(self, index: int, epoch: int, seed: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch * 10_007 + index)
        x, other = (self.samples[index] + 0.1 * torch.randn(self.samples.shape[1:], generator=generator) for _ in "xy")
        told = {"actions": self.actions[index], "proprio": self.proprio[index]} if self.actions.numel() else {}
        return {"x": x, "globals": other.unsqueeze(0), **told}

    def order(self, epoch: int, seed: int) -> torch.Tensor:
        return torch.randperm(len(self), generator=torch.Generator().manual_seed(seed * 7919 + epoch))

    def name(self, index: int) -> str:
        return f"sample {index}"


@dataclass(frozen=True, kw_only=True)
class Noisy(Config):
    """Data of any shape, for members of any modality."""

    shape: tuple[int, ...]
    action: int = 0
    proprio: int = 0
    transform: ImageTransform = field(default_factory=ImageTransform)

    def build(self) -> NoisySet:
        return NoisySet(self.shape, self.action, self.proprio)


def test_ten_steps_are_five_and_five(tiny, tmp_path):
    method = tiny.build()
    action = method.action.dim if isinstance(method, WorldModelJEPA | Cloning) else 0
    proprio = method.body.proprio.dim if isinstance(method, WorldModelJEPA) and method.body is not None else 0
    run = Run(
        model=tiny,
        data=Noisy(shape=tiny.samples[0], action=action, proprio=proprio),
        steps=10,
        batch=8,
        optimizer=AdamW(warmup=0.1),
        keep=Keep(every=5, last=2),
        watch=Watch(action="warn", every=3, samples=4, views=2),
        workers=0,
        threads=1,
        sinks=(),
    )
    fit(run, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "halves")
    shutil.rmtree(tmp_path / "halves" / "step-00000010")
    fit(run, tmp_path / "halves", resume=True)
    whole, halves = (load_file(tmp_path / name / "step-00000010" / "model.safetensors") for name in ("whole", "halves"))
    assert whole.keys() == halves.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, halves[name]), name

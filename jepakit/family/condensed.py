"""V-JEPA 2-AC for a CPU: a frozen V-JEPA 2 sees, a frame is condensed to one vector, an MLP predicts the next one.

The two stages of 2506.09985, section 3, are kept: video without actions first, then few trajectories with them. That a
frame becomes the principal components of all its tokens, and that these move by an MLP, is ours: so thousands of
windows a second train it (`data.latents`), and a plan takes milliseconds.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from jepakit.config import Config
from jepakit.family import vjepa2
from jepakit.family.vjepa2 import VJEPA2
from jepakit.methods.rollout import Rollout
from jepakit.methods.world_model import WorldModelJEPA
from jepakit.parts.energies import l2
from jepakit.parts.nn.frames import Frames
from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.sizes import require_sizes
from jepakit.parts.nn.standardize import Standardize
from jepakit.parts.nn.summary import Summary
from jepakit.parts.predictors.body import LearntBody
from jepakit.parts.predictors.residual import ResidualDynamics
from jepakit.parts.targets import FrozenTarget

SMALL_VIDEO = replace(
    vjepa2.VIT_L16, frames=8, image=(64, 64), patch=8, dim=128, depth=4, heads=4, predictor_dim=96, predictor_depth=3,
    predictor_heads=3, mask_tokens=2, mask_token=(0, 1), initialization="fan_in", momentum=0.998,
)  # fmt: skip
"""A V-JEPA 2 that a CPU trains: 0.8 million parameters, 256 tokens of a clip."""


@dataclass(frozen=True, kw_only=True)
class Condensed(Config):
    """The second stage: which encoder sees, what a frame is condensed to, and what predicts. Sizes are ours."""

    title: ClassVar[str] = "V-JEPA 2-AC (condensed)"

    encoder: VJEPA2 = field(default_factory=lambda: SMALL_VIDEO)
    source: str | None = None
    """Weights of the encoder: a run, a folder or a file, as `jepakit.load` takes them. Without, it is a random one."""
    frames: int = 8
    dim: int = 128
    """Principal components of a frame. They are random directions until `condense` has found them."""
    action: int = 7
    proprio: int = 7
    hidden: tuple[int, ...] = (512, 512)
    rollout: int = 4

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """What it learns from: channels, frames, height and width of a clip."""
        return ((self.encoder.channels, self.frames, *self.encoder.image),)

    def build(self) -> WorldModelJEPA:
        """The method. Raises ValueError for sizes that do not fit."""
        require_sizes(
            {"frames": self.frames, "dim": self.dim, "action": self.action, "proprio": self.proprio,
             "hidden": min(self.hidden, default=0)},
            {"rollout": self.rollout},
        )  # fmt: skip
        backbone = self.encoder.build().backbone
        places = self.encoder.extent[1] * self.encoder.extent[2]
        seen = Summary(backbone, places, Linear(places * backbone.dim, self.dim))
        target = FrozenTarget(Frames(seen, self.dim, copies=self.encoder.tubelet))
        dynamics = ResidualDynamics(self.dim, self.action + self.proprio, self.hidden)
        action, body = Standardize(self.action), LearntBody(self.proprio, self.action, self.dim)
        return WorldModelJEPA(None, dynamics, target, l2, action, body, Rollout(self.rollout))


@torch.no_grad()
def condense(method: WorldModelJEPA, clips: Float[Tensor, "b c t h w"]) -> float:
    """Makes the head of a `Condensed` give the principal components of these frames; gives their share of the variance.

    All are divided by one number, so that distances stay those between frames, and the mean component has variance 1.
    Raises ValueError for fewer frames than components.
    """
    summary = method.kept.network
    assert isinstance(summary, Summary), "a frame of a Condensed is a summary"
    head = summary.head
    assert isinstance(head, Linear)
    pictures = clips.transpose(1, 2).flatten(0, 1)
    if len(pictures) <= head.out_features:
        raise ValueError(f"{head.out_features} components need more frames than that, got {len(pictures)}")
    copies = method.kept.copies or 1
    shown = [part.unsqueeze(2).expand(-1, -1, copies, -1, -1) for part in pictures.split(64)]
    values = torch.cat([summary.backbone(part).values.flatten(1) for part in shown])
    mean = values.mean(dim=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # it begins with random directions
        _, lengths, directions = torch.pca_lowrank(values - mean, q=head.out_features, center=False, niter=4)
    variance = lengths.square() / len(values)
    scale = variance.mean().sqrt()
    head.weight.copy_(directions.T / scale)
    head.bias.copy_(-(directions.T @ mean) / scale)
    return float(variance.sum() / (values - mean).square().sum(dim=1).mean())


SMALL = Condensed()
TINY = Condensed(encoder=vjepa2.TINY, frames=4, dim=16, action=3, proprio=2, hidden=(32,), rollout=3)

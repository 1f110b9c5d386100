"""PLDM (Sobal, Zhang et al. 2025, arXiv 2502.14819): planning in a latent space that VICReg keeps from collapsing."""

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar

from jepakit.config import Config, added
from jepakit.methods.rollout import Penalty, Rollout
from jepakit.methods.world_model import WorldModelJEPA
from jepakit.parts.energies import l2
from jepakit.parts.nn.convnet import ResNet
from jepakit.parts.nn.frames import Frames
from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.sizes import require_sizes
from jepakit.parts.nn.small_convnet import SmallConvNet
from jepakit.parts.nn.standardize import Standardize
from jepakit.parts.nn.summary import PlaceByPlace, Summary
from jepakit.parts.predictors.body import LearntBody
from jepakit.parts.predictors.convolutional import ConvDynamics
from jepakit.parts.predictors.dynamics import Dynamics
from jepakit.parts.predictors.recurrent import RecurrentDynamics
from jepakit.parts.predictors.residual import ResidualDynamics
from jepakit.parts.regularizers.inverse import InverseDynamics
from jepakit.parts.regularizers.moments import VarianceCovariance
from jepakit.parts.regularizers.temporal import TemporalSimilarity
from jepakit.parts.targets import FrozenTarget, SharedTarget


@dataclass(frozen=True, kw_only=True)
class PLDM(Config):
    """PLDM in two rooms: a small residual network sees, a frame is one vector, a gated unit predicts.

    Weights are those of EB-JEPA's example (2602.03604), which is PLDM in the same world; the paper searches for them
    in each one.
    """

    title: ClassVar[str] = "PLDM"

    frames: int = 16
    network: ResNet | SmallConvNet = field(
        default_factory=lambda: ResNet(image=(64, 64), widths=(16, 32, 32), blocks=2, shrink=2)
    )
    action: int = 2
    """Numbers of an action, or of a block of them."""
    proprio: int = 0
    """Numbers that the body feels; 0 for a model that only sees."""
    dim: int = 512
    rollout: int = 8
    """Predictions in a row, each made from the last one."""
    variance: float = 16.0
    covariance: float = 8.0
    similarity: float = 12.0
    inverse: float = 1.0
    hidden: tuple[int, ...] = ()
    """Widths of an MLP that predicts what changes; without any, a gated unit predicts, as published."""
    settled: float = 1.0
    """The share of a run in which the network learns; in the rest, the predictor alone does (ours)."""
    source: str | None = added(None)
    """A run, a folder or a file, as `jepakit.load` takes them, of a network of these sizes: it sees and learns no more,
    and a predictor begins anew (ours). What sees can then be computed once (`data.latents`)."""

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """What it learns from: channels, frames, height and width of a clip."""
        channels, *image = self.network.samples[0]
        return ((channels, self.frames, *image),)

    def build(self) -> WorldModelJEPA:
        """The method. Raises ValueError for sizes that do not fit."""
        require_sizes({"frames": self.frames, "action": self.action, "dim": self.dim}, {"rollout": self.rollout})
        backbone, places = self.network.build(), self.network.extent[0] * self.network.extent[1]
        network = Frames(Summary(backbone, places, Linear(places * backbone.dim, self.dim)), self.dim)
        told = self.action + self.proprio
        dynamics = ResidualDynamics(self.dim, told, self.hidden) if self.hidden else RecurrentDynamics(self.dim, told)
        return self.around(network, dynamics, self.dim)

    def around(self, network: Frames, dynamics: Dynamics, whole: int) -> WorldModelJEPA:
        """The method of a network whose frames have `whole` numbers."""
        action, rollout = Standardize(self.action), Rollout(self.rollout)
        body = LearntBody(self.proprio, self.action, network.dim) if self.proprio else None
        if self.source is not None:
            return WorldModelJEPA(None, dynamics, FrozenTarget(network), l2, action, body, rollout)
        penalties = {
            "moments": Penalty(1.0, VarianceCovariance(self.variance, self.covariance)),
            "similarity": Penalty(self.similarity, TemporalSimilarity(), whole=True),
            "inverse": Penalty(self.inverse, InverseDynamics(whole, self.action), whole=True),
        }
        return WorldModelJEPA(
            network,
            dynamics,
            SharedTarget(stop_gradient=False, normalize=False),
            l2,
            action,
            body,
            rollout,
            {name: penalty for name, penalty in penalties.items() if penalty.weight},
            self.settled if self.settled < 1 else math.inf,
        )


@dataclass(frozen=True, kw_only=True)
class MazePLDM(PLDM):
    """PLDM in mazes: a frame stays a map, and convolutions predict, so that new mazes are made of known places.

    The paper's maps are of about 35 x 35 places; these of 8 x 8 are what a CPU can plan on.
    """

    title: ClassVar[str] = "PLDM (mazes)"

    network: ResNet | SmallConvNet = field(default_factory=lambda: SmallConvNet(widths=(16, 32, 32)))
    dim: int = 16
    """Numbers of a place."""
    width: int = 32
    """Numbers of a place inside of the predictor."""

    def build(self) -> WorldModelJEPA:
        """The method. Raises ValueError for sizes that do not fit."""
        require_sizes({"frames": self.frames, "action": self.action, "dim": self.dim, "width": self.width},
                      {"rollout": self.rollout})  # fmt: skip
        backbone, places = self.network.build(), self.network.extent[0] * self.network.extent[1]
        network = Frames(PlaceByPlace(backbone, Linear(backbone.dim, self.dim)), self.dim)
        dynamics = ConvDynamics(self.dim, self.action + self.proprio, self.width)
        return self.around(network, dynamics, places * self.dim)


TWO_ROOMS = PLDM()
NANO = replace(
    TWO_ROOMS, network=SmallConvNet(), frames=8, dim=256, rollout=7, similarity=1.0, inverse=25.0, hidden=(512, 512),
    settled=1 / 3,
)  # fmt: skip
"""For a CPU. In a thousand steps, only so much weight of inverse dynamics makes it see the dot."""
PLANNER = replace(NANO, settled=1.0, hidden=(480, 480))
"""With a predictor of just under half a million parameters, to learn on what a network that has learnt sees."""
MAZE = MazePLDM()
TINY = replace(TWO_ROOMS, frames=4, network=SmallConvNet(image=(16, 16), widths=(8, 16)), dim=24, rollout=3, proprio=2)

"""LeWorldModel (Maes et al. 2026, arXiv 2603.19312): a world model from pixels with two losses and one weight."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from jepakit.config import Config
from jepakit.methods.world_model import Penalty, Rollout, WorldModelJEPA
from jepakit.parts.energies import l2
from jepakit.parts.nn.frames import Frames
from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.sizes import require_sizes
from jepakit.parts.nn.small_convnet import SmallConvNet
from jepakit.parts.nn.standardize import Standardize
from jepakit.parts.nn.summary import Summary
from jepakit.parts.predictors.body import LearntBody
from jepakit.parts.predictors.residual import ResidualDynamics
from jepakit.parts.regularizers.inverse import InverseDynamics
from jepakit.parts.regularizers.sigreg import SIGReg
from jepakit.parts.targets import SharedTarget


@dataclass(frozen=True, kw_only=True)
class NanoLeWorld(Config):
    """LeWM for a CPU: a frame is one vector, by convolutions; 0.2 million parameters see, 0.4 predict. Sizes are ours.

    `inverse` weighs inverse dynamics, which LeWM has not: by SIGReg alone its recipe is at its weakest where little
    moves (section 5 of the paper, on two rooms).
    """

    title: ClassVar[str] = "LeWorldModel (nano)"

    frames: int = 8
    network: SmallConvNet = field(default_factory=SmallConvNet)
    action: int = 2
    """Numbers of an action, or of a block of actions."""
    proprio: int = 0
    """Numbers that the body feels; 0 where the model is to see only."""
    dim: int = 128
    hidden: tuple[int, ...] = (512, 512)
    rollout: int = 4
    sigreg: float = 0.1
    directions: int = 256
    inverse: float = 1.0

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """What it learns from: channels, frames, height and width of a clip."""
        channels, *image = self.network.samples[0]
        return ((channels, self.frames, *image),)

    def build(self) -> WorldModelJEPA:
        """The method. Raises ValueError for sizes that do not fit."""
        require_sizes(
            {"frames": self.frames, "action": self.action, "dim": self.dim, "hidden": min(self.hidden, default=0),
             "directions": self.directions, "rollout": self.rollout},
            {},
        )  # fmt: skip
        backbone, places = self.network.build(), self.network.extent[0] * self.network.extent[1]
        network = Frames(Summary(backbone, places, Linear(places * backbone.dim, self.dim)), self.dim)
        penalties = {
            "sigreg": Penalty(self.sigreg, SIGReg(self.directions)),
            "inverse": Penalty(self.inverse, InverseDynamics(self.dim, self.action)),
        }
        return WorldModelJEPA(
            network,
            ResidualDynamics(self.dim, self.action + self.proprio, self.hidden),
            SharedTarget(stop_gradient=False, normalize=False),
            l2,
            Standardize(self.action),
            LearntBody(self.proprio, self.action, self.dim) if self.proprio else None,
            Rollout(self.rollout),
            {name: penalty for name, penalty in penalties.items() if penalty.weight},
        )


NANO = NanoLeWorld()
TINY = replace(
    NANO, frames=4, network=SmallConvNet(image=(16, 16), widths=(16, 32)), proprio=2, dim=24, hidden=(48,), rollout=2,
    directions=64,
)  # fmt: skip

"""LeWorldModel (Maes et al. 2026, arXiv 2603.19312): a world model from pixels with two losses and one weight."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from jepakit.config import Config
from jepakit.methods.rollout import Penalty, Rollout
from jepakit.methods.world_model import WorldModelJEPA
from jepakit.parts.energies import l2
from jepakit.parts.nn.causal import CausalTransformer
from jepakit.parts.nn.frames import Frames
from jepakit.parts.nn.heads import Embedder, Projector
from jepakit.parts.nn.initialize import initialize
from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.networks import ViT
from jepakit.parts.nn.sizes import require_sizes
from jepakit.parts.nn.small_convnet import SmallConvNet
from jepakit.parts.nn.standardize import Standardize
from jepakit.parts.nn.summary import Summary
from jepakit.parts.predictors.body import LearntBody
from jepakit.parts.predictors.causal import ByScaling, CausalDynamics, LearnedPlaces
from jepakit.parts.predictors.residual import ResidualDynamics
from jepakit.parts.regularizers.inverse import InverseDynamics
from jepakit.parts.regularizers.sigreg import SIGReg
from jepakit.parts.targets import SharedTarget


@dataclass(frozen=True, kw_only=True)
class FromPixels(Config):
    """What both sizes have: clips of `frames`, actions and proprio of so many numbers, SIGReg of every time step."""

    frames: int = 4
    action: int = 10
    """Numbers of an action, or of a block of them: here 5 actions of 2 numbers."""
    proprio: int = 0
    """Numbers that the body feels; 0 for a model that only sees."""
    sigreg: float = 0.1
    directions: int = 1024
    network: ViT | SmallConvNet

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """What it learns from: channels, frames, height and width of a clip."""
        channels, *image = self.network.samples[0]
        return ((channels, self.frames, *image),)

    def body(self, dim: int) -> LearntBody | None:
        """What says how the body moves on, where it feels anything. Raises ValueError for sizes that cannot be."""
        require_sizes({"frames": self.frames, "action": self.action, "directions": self.directions}, {})
        return LearntBody(self.proprio, self.action, dim) if self.proprio else None


@dataclass(frozen=True, kw_only=True)
class LeWorld(FromPixels):
    """LeWM as published, for Push-T: ViT-Tiny/14 sees, a frame is one vector, the next one follows over 3 frames.

    That vector is the mean of the patches, where the paper takes a class token; actions are told by an MLP of all their
    numbers, where the released code first makes 10 of them by a convolution of width 1.
    """

    title: ClassVar[str] = "LeWorldModel"

    network: ViT = field(default_factory=lambda: ViT(patch=14, dim=192, heads=3))
    projector: int = 2048
    """The width inside of the projectors behind encoder and predictor."""
    depth: int = 6
    heads: int = 16
    head_dim: int = 64
    hidden: int = 2048
    dropout: float = 0.1

    def build(self) -> WorldModelJEPA:
        """The method. Raises ValueError for sizes that do not fit."""
        require_sizes({"projector": self.projector, "heads": self.heads, "head_dim": self.head_dim,
                       "hidden": self.hidden}, {"depth": self.depth})  # fmt: skip
        dim, window = self.network.dim, self.frames - 1
        body = self.body(dim)
        network = Frames(Embedder(self.network.build(), Projector(dim, self.projector, dim)), dim)
        encoder = CausalTransformer(
            dim, self.depth, self.heads, self.head_dim, self.hidden, dropout=self.dropout, condition=dim
        )
        telling = ByScaling(dim, dim, self.action + self.proprio)
        head = Projector(dim, self.projector, dim)
        dynamics = CausalDynamics(telling, LearnedPlaces(window, 1, dim), encoder, head, window)
        initialize(dynamics, self.network.initialization)
        target = SharedTarget(stop_gradient=False, normalize=False)
        penalties = {"sigreg": Penalty(self.sigreg, SIGReg(self.directions))} if self.sigreg else {}
        return WorldModelJEPA(network, dynamics, target, l2, Standardize(self.action), body, Rollout(), penalties)


@dataclass(frozen=True, kw_only=True)
class NanoLeWorld(FromPixels):
    """LeWM for a CPU: convolutions see, an MLP predicts; 0.2 and 0.4 million parameters. Sizes are ours.

    `inverse` weighs inverse dynamics, which LeWM has not: with SIGReg alone it is weakest where little moves (paper,
    on two rooms).
    """

    title: ClassVar[str] = "LeWorldModel (nano)"

    frames: int = 8
    network: SmallConvNet = field(default_factory=SmallConvNet)
    action: int = 2
    dim: int = 128
    hidden: tuple[int, ...] = (512, 512)
    rollout: int = 4
    directions: int = 256
    inverse: float = 1.0

    def build(self) -> WorldModelJEPA:
        """The method. Raises ValueError for sizes that do not fit."""
        require_sizes({"dim": self.dim, "hidden": min(self.hidden, default=0)}, {"rollout": self.rollout})
        body, backbone = self.body(self.dim), self.network.build()
        places = self.network.extent[0] * self.network.extent[1]
        network = Frames(Summary(backbone, places, Linear(places * backbone.dim, self.dim)), self.dim)
        dynamics = ResidualDynamics(self.dim, self.action + self.proprio, self.hidden)
        target = SharedTarget(stop_gradient=False, normalize=False)
        penalties = {
            "sigreg": Penalty(self.sigreg, SIGReg(self.directions)),
            "inverse": Penalty(self.inverse, InverseDynamics(self.dim, self.action)),
        }
        paid = {name: penalty for name, penalty in penalties.items() if penalty.weight}
        scale = Standardize(self.action)
        return WorldModelJEPA(network, dynamics, target, l2, scale, body, Rollout(self.rollout), paid)


VIT_TINY = LeWorld()
NANO = NanoLeWorld()
TINY = replace(
    VIT_TINY, network=ViT(image=(16, 16), patch=8, dim=24, depth=1, heads=2, initialization="fan_in"), proprio=2,
    action=3, projector=32, depth=2, heads=2, head_dim=8, hidden=32, dropout=0.0, directions=64,
)  # fmt: skip

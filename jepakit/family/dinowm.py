"""DINO-WM (Zhou et al. 2024, arXiv 2411.04983): the next patches of a network that learns no more."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from jepakit.config import Config
from jepakit.methods.rollout import Rollout
from jepakit.methods.world_model import WorldModelJEPA
from jepakit.parts.energies import l2
from jepakit.parts.nn.causal import CausalTransformer
from jepakit.parts.nn.frames import Frames
from jepakit.parts.nn.initialize import Initialization, initialize
from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.networks import ViT
from jepakit.parts.nn.sizes import require_sizes
from jepakit.parts.nn.small_convnet import SmallConvNet
from jepakit.parts.nn.standardize import Standardize
from jepakit.parts.nn.timm import Timm
from jepakit.parts.predictors.body import LearntBody
from jepakit.parts.predictors.causal import Beside, CausalDynamics, LearnedPlaces
from jepakit.parts.targets import FrozenTarget


@dataclass(frozen=True, kw_only=True)
class DINOWM(Config):
    """DINO-WM as published, with the patches of any network that is trained already: sizes are those for DINOv2-S/14.

    What the body feels is predicted as it is, not as an embedding that learns, too: so it cannot fade. Features enter
    and leave the predictor by a linear layer; in the paper they are its width.
    """

    title: ClassVar[str] = "DINO-WM"

    frames: int = 4
    """One more than the predictor looks back over."""
    network: ViT | Timm | SmallConvNet = field(
        default_factory=lambda: Timm(name="vit_small_patch14_dinov2", image=(196, 196))
    )
    source: str | None = None
    """Its weights: a run, a folder or a file, as `jepakit.load` takes them. Without them it is a random network."""
    places: int = 196
    """Patches of a frame."""
    action: int = 10
    """Numbers of an action, or of a block of them."""
    proprio: int = 4
    """Numbers that the body feels; 0 for a model that only sees."""
    told: int = 10
    """Numbers that an action, and what the body feels, become."""
    width: int = 404
    depth: int = 6
    heads: int = 16
    head_dim: int = 64
    hidden: int = 2048
    dropout: float = 0.1
    initialization: Initialization = "flat"

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """What it learns from: channels, frames, height and width of a clip."""
        channels, *image = self.network.samples[0]
        return ((channels, self.frames, *image),)

    def build(self) -> WorldModelJEPA:
        """The method. Raises ValueError for sizes that do not fit."""
        require_sizes(
            {"frames": self.frames, "places": self.places, "action": self.action, "told": self.told,
             "width": self.width, "heads": self.heads, "head_dim": self.head_dim, "hidden": self.hidden},
            {"depth": self.depth},
        )  # fmt: skip
        backbone, window = self.network.build(), self.frames - 1
        dynamics = CausalDynamics(
            Beside(backbone.dim, self.width, self.action, self.proprio, self.told),
            LearnedPlaces(window, self.places, self.width),
            CausalTransformer(
                self.width, self.depth, self.heads, self.head_dim, self.hidden, dropout=self.dropout
            ),
            Linear(self.width, backbone.dim), window,
        )  # fmt: skip
        initialize(dynamics, self.initialization)
        body = LearntBody(self.proprio, self.action, backbone.dim) if self.proprio else None
        target = FrozenTarget(Frames(backbone, backbone.dim))
        return WorldModelJEPA(None, dynamics, target, l2, Standardize(self.action), body, Rollout())


DINOV2_S14 = DINOWM()
TINY = replace(
    DINOV2_S14, network=ViT(image=(16, 16), patch=8, dim=24, depth=1, heads=2, initialization="fan_in"), places=4,
    action=3, proprio=2, told=4, width=32, depth=2, heads=2, head_dim=8, hidden=64, dropout=0.0,
    initialization="fan_in",
)  # fmt: skip


def around(model: DINOWM, network: ViT | Timm | SmallConvNet, places: int) -> DINOWM:
    """The model with the patches of another network."""
    return replace(model, network=network, places=places)

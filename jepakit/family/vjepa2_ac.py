"""V-JEPA 2-AC (Assran et al. 2025, arXiv 2506.09985, section 3): a robot's hand moves, a frozen V-JEPA 2 sees."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from jepakit.family.vjepa2 import VJEPA2
from jepakit.methods.rollout import Rollout
from jepakit.methods.world_model import WorldModelJEPA
from jepakit.parts.energies import l1
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.causal import CausalTransformer
from jepakit.parts.nn.frames import Frames
from jepakit.parts.nn.initialize import Initialization, initialize
from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.position import Rotary, Variant
from jepakit.parts.nn.sizes import ClipSizes
from jepakit.parts.nn.standardize import Standardize
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.predictors.body import ExactBody, LearntBody
from jepakit.parts.predictors.causal import AsTokens, CausalDynamics, RotaryPlaces
from jepakit.parts.targets import FrozenTarget
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.poses import move
from jepakit.weights.vjepa import EncoderSizes, heads_of
from jepakit.weights.vjepa2_ac import PredictorSizes


@dataclass(frozen=True, kw_only=True)
class VJEPA2AC(ClipSizes):
    """V-JEPA 2-AC as released: ViT-g/16 sees each of 8 frames alone, 24 blocks of width 1024 predict the next ones.

    Actions are changes of a pose [x y z roll pitch yaw grip] and are told in meters and radians, as the poses are.
    """

    title: ClassVar[str] = "V-JEPA 2-AC"

    frames: int = 8
    image: tuple[int, int] = (256, 256)
    dim: int = 1408
    depth: int = 40
    heads: int = 22
    mlp_ratio: float = 48 / 11
    source: str | None = None
    """Weights of the encoder: a run, a folder or a file, as `jepakit.load` takes them. Without, it is a random one."""
    predictor_dim: int = 1024
    predictor_depth: int = 24
    predictor_heads: int = 16
    encoder_positions: Variant = "exact"
    positions: Variant = "exact"
    """Released weights were trained with positions that are no rotations, and need them."""
    initialization: Initialization = "depth_scaled"
    action: int = 7
    proprio: int = 7
    """Numbers of the pose, which is a token of each step."""
    body: Literal["pose", "learnt"] = "pose"
    """How the pose moves on: by arithmetic, or, for other robots than a hand, as learnt."""
    standardize: bool = False
    """Whether actions and poses are told with mean 0 and deviation 1, which released weights do not expect."""
    extrinsics: int = 0
    """Numbers that tell where the camera is (6 where it is told), as a further token."""
    rollout: int = 2

    def build(self) -> WorldModelJEPA:
        """The method. Raises ValueError for sizes that do not fit."""
        self.require(
            {"predictor_dim": self.predictor_dim, "predictor_heads": self.predictor_heads, "action": self.action,
             "proprio": self.proprio},
            {"predictor_depth": self.predictor_depth, "rollout": self.rollout},
        )  # fmt: skip
        if self.body == "pose" and (self.action, self.proprio) != (7, 7):
            raise ValueError(
                f'a pose and its change have 7 numbers, got proprio={self.proprio} and action={self.action}; '
                'body="learnt" takes any'
            )  # fmt: skip
        action, encoder = Standardize(self.action, self.standardize), self._encoder()
        target = FrozenTarget(Frames(encoder, self.dim, copies=self.tubelet, normalize=True))
        rollout = Rollout(self.rollout, from_first=True)
        return WorldModelJEPA(None, self._dynamics(), target, l1, action, self._body(action), rollout)

    def _encoder(self) -> Backbone:
        tokenizer = PatchTokenizer(self.cell, self.channels, self.dim)
        layers = Transformer(self.dim, self.depth, self.heads, self.mlp_ratio, self.eps)
        backbone = Backbone(tokenizer, Rotary(self.dim // self.heads, self.encoder_positions), layers)
        initialize(backbone, self.initialization)
        return backbone

    def _dynamics(self) -> CausalDynamics:
        width, window = self.predictor_dim, self.frames - 1
        telling = AsTokens(self.dim, width, self.action, self.proprio, self.extrinsics)
        rotary = Rotary(width // self.predictor_heads, self.positions, self.image[0] // self.patch, "cells")
        layers = CausalTransformer(width, self.predictor_depth, self.predictor_heads, eps=self.eps)
        places = RotaryPlaces(rotary, window, telling.extra)
        dynamics = CausalDynamics(telling, places, layers, Linear(width, self.dim), window, normalize=True)
        initialize(dynamics, self.initialization)
        return dynamics

    def _body(self, action: Standardize) -> ExactBody | LearntBody:
        if self.body == "pose":
            return ExactBody(Standardize(self.proprio, self.standardize), action, move)
        return LearntBody(self.proprio, self.action, self.dim)


VIT_G16 = VJEPA2AC()
SMALL = replace(
    VIT_G16, image=(64, 64), patch=8, dim=192, depth=6, heads=6, mlp_ratio=4.0, predictor_dim=192, predictor_depth=4,
    predictor_heads=6, initialization="fan_in", standardize=True,
)  # fmt: skip
TINY = replace(
    VIT_G16, frames=4, image=(16, 16), patch=8, dim=24, depth=1, heads=2, mlp_ratio=2.0, predictor_dim=32,
    predictor_depth=2, predictor_heads=2, initialization="fan_in",
)  # fmt: skip


def from_official(encoder: EncoderSizes, predictor: PredictorSizes, heads: int | None = None) -> VJEPA2AC:
    """The model whose networks take the released checkpoint; no shape tells frames and picture size.

    Raises ValueError if `heads` of the encoder are needed: shapes do not tell them, except for the published widths.
    """
    return VJEPA2AC(
        tubelet=encoder.tubelet, patch=encoder.patch, channels=encoder.channels, dim=encoder.dim, depth=encoder.depth,
        heads=heads or heads_of("V-JEPA 2", encoder.dim), mlp_ratio=encoder.hidden / encoder.dim,
        predictor_dim=predictor.width, predictor_depth=predictor.depth, action=predictor.action,
        proprio=predictor.state, encoder_positions="released", positions="released",
    )  # fmt: skip


def around(model: VJEPA2AC, encoder: VJEPA2) -> VJEPA2AC:
    """The model with the encoder of a V-JEPA 2."""
    return replace(
        model, tubelet=encoder.tubelet, patch=encoder.patch, channels=encoder.channels, dim=encoder.dim,
        depth=encoder.depth, heads=encoder.heads, mlp_ratio=encoder.mlp_ratio, eps=encoder.eps,
        encoder_positions=encoder.positions,
    )  # fmt: skip

"""V-JEPA 2.1 (2026, arXiv 2603.14482): clips and pictures, four levels as target, a loss on what is seen as well."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from torch import Tensor

from jepakit.config import added
from jepakit.contracts import Masker
from jepakit.family.vjepa import Range, Tubes, tube_maskers
from jepakit.methods.masked import ContextLoss, MaskedJEPA
from jepakit.parts.energies import l1
from jepakit.parts.masks.modal import ModalMasker
from jepakit.parts.masks.rectangle import Rectangular
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.initialize import Initialization, initialize
from jepakit.parts.nn.position import Rotary
from jepakit.parts.nn.sizes import ClipSizes, Larger
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.predictors.mask_token import MaskTokenPredictor
from jepakit.parts.targets import DistilledTarget, EMATarget
from jepakit.parts.tokenizers.modalities import Modalities
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.schedules import constant, ramp
from jepakit.tokens import Tokens
from jepakit.weights.vjepa import DensePredictorSizes, EncoderSizes, heads_of

TRAINED_GRID = {16: 16, 14: 18}
"""Rows and columns that rotary positions are scaled to, by patch size (released code)."""
RELEASED_SIZE = (384, 384)
"""Height and width in pixels that all released weights end their training with (released code)."""


@dataclass(frozen=True, kw_only=True)
class VJEPA21(ClipSizes):
    """V-JEPA 2.1 as released; the defaults are ViT-L/16 on 16 frames of 256 pixels, and pictures of as many."""

    title: ClassVar[str] = "V-JEPA 2.1"

    image: tuple[int, int] = (256, 256)
    levels: int = 4
    """Evenly spaced levels of the encoder that are read and predicted, each through a norm of its own."""
    distilled_from: int | None = None
    """The width of a larger network, where the predictor reads the last level and speaks of that network's last one."""
    larger: Larger | None = added(None)  # noqa: RUF009  (the default is None)
    """That network itself, which training needs: it answers in the place of the average."""
    predictor_dim: int = 384
    predictor_depth: int = 24
    predictor_heads: int = 12
    initialization: Initialization = "depth_scaled"
    mask_tokens: int = 8
    blocks: tuple[Tubes, ...] = ((8, 0.15), (2, 0.7))
    """What is asked of clips: short-range and long-range, each kind of question with a mask token of its own."""
    picture_blocks: Tubes = added((10, 0.15))  # noqa: RUF009  (the default is a tuple)
    """What is asked of pictures, once and with the first token (released code)."""
    block_aspect: Range = (0.75, 1.5)
    rectangular: Rectangular = "random"
    context_share: float = 0.5
    """The weight of the loss on what is seen."""
    context_ramp: Range = (0.111, 0.222)
    """Where in the run that weight begins to rise, and where it is reached: steps 15,000 and 30,000 of 135,000."""
    by_distance: bool = True
    """Weigh what is seen by its nearness to what is hidden."""
    distance_until: float = added(1.0)
    """The share of the run after which that ends: where the last phase of the released training begins."""
    scale_distance: bool = added(False)
    """Count that nearness in sixteenths of the rows (the released code's offset_context_loss)."""
    momentum: float = 0.99925
    target_scale: Literal["token", "sample"] = added("token")
    """Over what the answers of an average are normalized, level by level; "sample" is for few clips, as in V-JEPA."""

    def build(self) -> MaskedJEPA:
        """The method: backbone, predictor, masks and target. Raises ValueError for sizes that do not fit."""
        self.require(
            {"predictor_dim": self.predictor_dim, "predictor_heads": self.predictor_heads},
            {"predictor_depth": self.predictor_depth, "levels": self.levels},
        )
        for depth in (self.depth, self.larger.depth if self.larger else self.levels):
            if depth % self.levels:
                raise ValueError(f"{self.levels} levels do not divide {depth} blocks evenly; choose a divisor")
        if self.larger is not None and self.larger.dim != self.distilled_from:
            raise ValueError(f"the larger network is {self.larger.dim} wide, so set distilled_from to it")
        if self.larger is not None and self.target_scale != "token":
            raise ValueError(
                "the answers of a larger network are normalized token by token; leave target_scale at token"
            )
        backbone = self._backbone()
        read = spaced(self.depth, self.levels if self.distilled_from is None else 1)
        distance = self.by_distance, self.scale_distance, self.distance_until
        context = ContextLoss(ramp(self.context_share, *self.context_ramp), *distance)
        energy = l1 if self.distilled_from is None or self.larger is not None else _unanswered
        target = self._target(backbone, read)
        return MaskedJEPA(backbone, self._maskers(), self._predictor(), target, energy, None, read, context)

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """What it learns from: channels, frames, height and width of a clip and of a picture."""
        return (self.channels, self.frames, *self.image), (self.channels, 1, *self.image)

    def _maskers(self) -> tuple[Masker, ...]:
        (pictures,) = tube_maskers((self.picture_blocks,), self.block_aspect, self.rectangular)
        first, *others = tube_maskers(self.blocks, self.block_aspect, self.rectangular)
        return ModalMasker(first, pictures), *(ModalMasker(each, None) for each in others)

    def _target(self, backbone: Backbone, read: tuple[int, ...]) -> EMATarget:
        momentum, larger = constant(self.momentum), self.larger
        if larger is None:
            return EMATarget(backbone, momentum, read, scale=self.target_scale)
        sizes = {"dim": larger.dim, "depth": larger.depth, "heads": larger.heads, "mlp_ratio": larger.mlp_ratio}
        return DistilledTarget(backbone, momentum, replace(self, **sizes)._backbone())

    def _backbone(self) -> Backbone:
        video, image = (
            PatchTokenizer((frames, self.patch, self.patch), self.channels, self.dim) for frames in (self.tubelet, 1)
        )
        own_norms = spaced(self.depth, self.levels)[:-1]
        backbone = Backbone(
            Modalities(video, image),
            self._positions(self.dim // self.heads),
            Transformer(self.dim, self.depth, self.heads, self.mlp_ratio, self.eps, own_norms),
        )
        initialize(backbone, self.initialization)
        return backbone

    def _predictor(self) -> MaskTokenPredictor:
        width, heads = self.predictor_dim, self.predictor_heads
        levels = self.levels if self.distilled_from is None else 1
        predictor = MaskTokenPredictor(
            self.dim, self._positions(width // heads), Transformer(width, self.predictor_depth, heads, 4.0, self.eps),
            width, self.distilled_from or levels * self.dim, self.mask_tokens, mask_std=0.0, levels=levels, dense=True,
            marked=True,
        )  # fmt: skip
        initialize(predictor, self.initialization)
        return predictor

    def _positions(self, head_dim: int) -> Rotary:
        return Rotary(head_dim, "exact", TRAINED_GRID.get(self.patch, self.image[0] // self.patch))


def _unanswered(prediction: Tokens, target: Tokens, weight: Tensor | None = None) -> Tensor:
    raise ValueError(
        f"a distilled predictor speaks of a network {prediction.values.shape[-1]} wide that is not part of this model, "
        "so it has no loss; name that network as larger, or start a VJEPA21 without distilled_from from the backbone"
    )


def spaced(depth: int, levels: int) -> tuple[int, ...]:
    """The last blocks of as many equal parts of the encoder: 2, 5, 8 and 11 of 12."""
    return tuple(depth // levels * (part + 1) - 1 for part in range(levels))


VIT_L16 = VJEPA21()
VIT_B16 = replace(VIT_L16, dim=768, depth=12, heads=12)
VIT_G16 = replace(VIT_L16, dim=1408, depth=40, heads=22, mlp_ratio=48 / 11)
DISTILLED_B16 = replace(VIT_B16, predictor_depth=12, distilled_from=1664)
DISTILLED_L16 = replace(VIT_L16, predictor_depth=12, distilled_from=1664)
VIT_GIGANTIC16 = replace(VIT_L16, dim=1664, depth=48, heads=26, mlp_ratio=64 / 13)
TINY = replace(
    VIT_L16, frames=4, image=(32, 32), patch=8, dim=48, depth=4, heads=4, predictor_dim=24, predictor_depth=2,
    predictor_heads=2, initialization="fan_in", context_ramp=(0.0, 0.0),
)  # fmt: skip


def from_official(encoder: EncoderSizes, predictor: DensePredictorSizes | None, heads: int | None = None) -> VJEPA21:
    """The model whose networks take a released checkpoint; a predictor that reads one level is a distilled one.

    Raises ValueError if `heads` is needed: shapes do not tell it, except for the published widths.
    """
    model = VJEPA21(
        tubelet=encoder.tubelet, patch=encoder.patch, channels=encoder.channels, dim=encoder.dim, depth=encoder.depth,
        heads=heads or heads_of("V-JEPA 2.1", encoder.dim), mlp_ratio=encoder.hidden / encoder.dim,
        image=RELEASED_SIZE,
    )  # fmt: skip
    if predictor is None:
        return model
    return replace(
        model, predictor_dim=predictor.width, predictor_depth=predictor.depth, mask_tokens=predictor.mask_tokens,
        distilled_from=predictor.answer_dim if predictor.levels == 1 else None,
    )  # fmt: skip

"""V-JEPA (Bardes et al. 2024, arXiv 2404.08471): tubes of a clip from the rest of it, one short- and one long-range."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from jepakit.config import added
from jepakit.contracts import Masker
from jepakit.methods.masked import MaskedJEPA
from jepakit.parts.energies import l1
from jepakit.parts.masks.rectangle import Rectangular
from jepakit.parts.masks.tubes import CausalMasker, RandomTubeMasker, TubeMasker
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.initialize import Initialization, initialize
from jepakit.parts.nn.networks import build_clip_backbone
from jepakit.parts.nn.position import IN_TIME, Shares, SinCos
from jepakit.parts.nn.sizes import ClipSizes, Frozen
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.predictors.mask_token import MaskTokenPredictor
from jepakit.parts.regularizers.sigreg import Over, sigreg_of
from jepakit.parts.targets import TargetName, make_target
from jepakit.schedules import Schedule, linear
from jepakit.weights.vjepa import EncoderSizes, PredictorSizes, heads_of

Range = tuple[float, float]
Tubes = tuple[int, float]
"""How many blocks, and what share of a frame each of them covers."""


@dataclass(frozen=True, kw_only=True)
class MaskedClips(ClipSizes, ABC):
    """What V-JEPA and V-JEPA 2 share: tubes of a clip are asked for, and any target and SIGReg can prevent collapse."""

    blocks: tuple[Tubes, ...] = ((8, 0.15), (2, 0.7))
    """Short-range and long-range; each kind of question can have a mask token of its own."""
    block_aspect: Range = (0.75, 1.5)
    rectangular: Rectangular = "random"
    target: TargetName = added("ema")  # noqa: RUF009  (the default is a word)
    frozen: Frozen = added(Frozen())  # noqa: RUF009  (it is frozen)
    """Who answers where the target is "frozen"."""
    target_scale: Literal["token", "sample"] = added("token")
    """Over a "sample", what all tokens of a clip share is not asked for: where little is to be seen, it is all that is
    learnt otherwise."""
    sigreg: float = added(0.0)
    """What SIGReg weighs, which keeps contexts from collapsing where the target is no average."""
    sigreg_on: Literal["means", "steps", "tokens"] = added("means")
    """What SIGReg looks at: the mean of each context, that of each of its time steps, or all of its tokens."""
    sigreg_over: Over = added("samples")  # noqa: RUF009  (the default is a word)
    """Whose distribution is tested: that of all samples, step by step; that of the steps of a sample ("views"), within
    which a representation can collapse along time; or of all of them."""

    def tube_maskers(self) -> tuple[TubeMasker, ...]:
        """One masker for each kind of question."""
        return tube_maskers(self.blocks, self.block_aspect, self.rectangular)

    def compose(
        self,
        backbone: Backbone,
        maskers: tuple[Masker, ...],
        predictor: MaskTokenPredictor,
        momentum: Schedule,
        mask_token: tuple[int, ...] | None = None,
    ) -> MaskedJEPA:
        """The method of these parts. Raises ValueError for a target and a frozen encoder that do not go together."""
        target = make_target(self.target, backbone, momentum, self.target_scale, self._answering())
        return MaskedJEPA(
            backbone, maskers, predictor, target, l1, mask_token, weight=self.sigreg, given=self.sigreg_on,
            regularizer=sigreg_of(self.sigreg, self.sigreg_over, self.sigreg_on),
        )  # fmt: skip

    @abstractmethod
    def backbone(self) -> Backbone:
        """A new encoder of these sizes."""

    @property
    def answer_dim(self) -> int:
        """How many numbers a token is answered with."""
        pixels = self.channels * self.tubelet * self.patch**2
        return pixels if self.target == "pixels" else self.frozen.dim or self.dim

    def _answering(self) -> Backbone | None:
        self.frozen.require(self.target)
        return self.frozen.around(self).backbone() if self.target == "frozen" else None


@dataclass(frozen=True, kw_only=True)
class VJEPA(MaskedClips):
    """V-JEPA with the paper's masks and target; the defaults are ViT-L/16 on 16 frames of 224 pixels."""

    title: ClassVar[str] = "V-JEPA"

    predictor_dim: int = 384
    predictor_depth: int = 12
    predictor_heads: int | None = None
    """None: as many as the encoder has, as in the released code."""
    positions: Shares = "uniform"
    initialization: Initialization = "flat"
    masks: Literal["blocks", "random_tube", "causal"] = "blocks"
    shown: float = 0.1
    """With other masks: the share of places (random_tube) or of time steps (causal) that is shown."""
    momentum: Range = (0.998, 0.9996)
    """The released schedule goes to 1 over 112,500 steps and is cut at 90,000."""

    def build(self) -> MaskedJEPA:
        """The method: backbone, predictor, masks and target. Raises ValueError for sizes that do not fit."""
        heads = self.predictor_heads or self.heads
        self.require(
            {"predictor_dim": self.predictor_dim, "predictor_heads": heads}, {"predictor_depth": self.predictor_depth}
        )
        backbone, maskers = self.backbone(), self._maskers()
        return self.compose(backbone, maskers, self._predictor(heads, len(maskers)), linear(*self.momentum))

    def backbone(self) -> Backbone:
        """The encoder, which `ClipViT` builds, too."""
        return build_clip_backbone(self, self.positions, self.initialization)

    def _predictor(self, heads: int, families: int) -> MaskTokenPredictor:
        width = self.predictor_dim
        predictor = MaskTokenPredictor(
            self.dim, SinCos(width, self.extent, IN_TIME, self.positions),
            Transformer(width, self.predictor_depth, heads, 4.0, self.eps), width, self.answer_dim, families,
            mask_std=0.0,
        )  # fmt: skip
        initialize(predictor, self.initialization)
        return predictor

    def _maskers(self) -> tuple[Masker, ...]:
        match self.masks:
            case "random_tube":
                return (RandomTubeMasker(self.shown),)
            case "causal":
                return (CausalMasker(self.shown),)
        return self.tube_maskers()


def tube_maskers(families: tuple[Tubes, ...], aspect: Range, rectangular: Rectangular) -> tuple[TubeMasker, ...]:
    """One masker for each kind of question."""
    return tuple(TubeMasker(blocks, (scale, scale), aspect, rectangular=rectangular) for blocks, scale in families)


VIT_L16 = VJEPA()
VIT_H16 = replace(VIT_L16, dim=1280, depth=32)
VIT_H16_384 = replace(VIT_H16, image=(384, 384))
SMALL_COLOR = VJEPA(
    image=(64, 64), dim=192, depth=4, heads=6, predictor_dim=96, predictor_depth=2, initialization="fan_in",
    momentum=(0.99, 1.0), target_scale="sample",
)  # fmt: skip
"""For thousands of clips and minutes, not millions and days: so few say too little but which clip they are."""
TINY = replace(
    VIT_L16, frames=4, image=(32, 32), patch=8, dim=48, depth=2, heads=4, predictor_dim=24, predictor_depth=2
)


def from_official(
    encoder: EncoderSizes,
    predictor: PredictorSizes | None,
    extent: tuple[int, int, int],
    heads: int | None = None,
    positions: Shares = "uniform",
) -> VJEPA:
    """The model whose networks take a released checkpoint; without a predictor there, the paper's for its size.

    Raises ValueError if `heads` is needed: shapes do not tell it, except for the published widths.
    """
    heads = heads or heads_of("V-JEPA", encoder.dim)
    model = VJEPA(
        frames=extent[0] * encoder.tubelet, image=(extent[1] * encoder.patch, extent[2] * encoder.patch),
        tubelet=encoder.tubelet, patch=encoder.patch, channels=encoder.channels, dim=encoder.dim, depth=encoder.depth,
        heads=heads, mlp_ratio=encoder.hidden / encoder.dim, positions=positions,
    )  # fmt: skip
    if predictor is not None:
        return replace(model, predictor_dim=predictor.width, predictor_depth=predictor.depth)
    return model if model.predictor_dim % heads == 0 else replace(model, predictor_heads=12)

"""I-JEPA (Assran et al. 2023, arXiv 2301.08243): a few blocks of an image from the rest of it."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from jepakit.config import Config, added
from jepakit.methods.masked import MaskedJEPA
from jepakit.parts.energies import smooth_l1
from jepakit.parts.masks.blocks import BlockMasker
from jepakit.parts.masks.random import RandomMasker
from jepakit.parts.masks.rectangle import Rectangular
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.initialize import Initialization, initialize
from jepakit.parts.nn.position import SinCos, Table
from jepakit.parts.nn.sizes import Frozen, require_sizes
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.predictors.mask_token import MaskTokenPredictor
from jepakit.parts.regularizers.sigreg import Over, sigreg_of
from jepakit.parts.targets import TargetName, make_target
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.schedules import linear
from jepakit.weights.ijepa import EncoderSizes, PredictorSizes

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class IJEPA(Config):
    """I-JEPA with the paper's masks and target; the defaults are ViT-H/14 at 224 pixels."""

    title: ClassVar[str] = "I-JEPA"

    image: tuple[int, int] = (224, 224)
    """Height and width in pixels that positions are made for; other sizes are interpolated."""
    patch: int = 14
    channels: int = 3
    dim: int = 1280
    depth: int = 32
    heads: int = 16
    mlp_ratio: float = 4.0
    predictor_dim: int = 384
    predictor_depth: int = 12
    predictor_heads: int | None = None
    """None: as many as the encoder has, as in the released code."""
    positions: Literal["sin_cos", "table"] = "sin_cos"
    """"table" keeps the vectors of a checkpoint whose positions are not sines and cosines."""
    initialization: Initialization = "flat"
    masks: Literal["blocks", "random"] = "blocks"
    blocks: int = 4
    block_scale: Range = (0.15, 0.2)
    block_aspect: Range = (0.75, 1.5)
    context_scale: Range = (0.85, 1.0)
    min_keep: int = 10
    remove_targets: bool = True
    """Take the target patches out of the context (the paper's "no overlap")."""
    rectangular: Rectangular = "random"
    released_masks: bool = False
    """Reproduce the released sampler, which never uses the last row and column."""
    random_keep: float = 0.25
    """With random masks: the share of tokens that is shown."""
    target: TargetName = "ema"
    frozen: Frozen = added(Frozen())  # noqa: RUF009  (it is frozen)
    """Who answers where the target is "frozen"."""
    momentum: Range = (0.996, 1.0)
    eps: float = 1e-6
    sigreg: float = added(0.0)
    """What SIGReg weighs, which keeps contexts from collapsing where the target is no average."""
    sigreg_on: Literal["means", "tokens"] = added("means")
    """What SIGReg looks at: the mean of each context, or all of its tokens."""
    sigreg_over: Over = added("samples")  # noqa: RUF009  (the default is a word)
    """Whose distribution is tested: that of all samples; of the tokens of a sample ("views"); or of all of them."""

    def build(self) -> MaskedJEPA:
        """The method: backbone, predictor, masks and target. Raises ValueError for sizes that do not fit."""
        rows, columns = (side // max(self.patch, 1) for side in self.image)
        require_sizes(
            {"patch": self.patch, "channels": self.channels, "dim": self.dim, "heads": self.heads,
             "mlp_ratio * dim": round(self.mlp_ratio * self.dim), "predictor_dim": self.predictor_dim,
             "predictor_heads": self.predictor_heads or self.heads, "rows of patches": rows,
             "columns of patches": columns},
            {"depth": self.depth, "predictor_depth": self.predictor_depth},
        )  # fmt: skip
        backbone, predictor = self._backbone(), self._predictor()
        target = make_target(self.target, backbone, linear(*self.momentum), frozen=self._answering())
        return MaskedJEPA(
            backbone, [self._masker()], predictor, target, smooth_l1, weight=self.sigreg, given=self.sigreg_on,
            regularizer=sigreg_of(self.sigreg, self.sigreg_over, self.sigreg_on),
        )  # fmt: skip

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """What it learns from: channels, height and width of a picture."""
        return ((self.channels, *self.image),)

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.image[0] // self.patch, self.image[1] // self.patch

    def _backbone(self) -> Backbone:
        position = SinCos(self.dim, self.extent) if self.positions == "sin_cos" else Table(self.dim, self.extent)
        tokenizer = PatchTokenizer((self.patch, self.patch), self.channels, self.dim)
        backbone = Backbone(
            tokenizer, position, Transformer(self.dim, self.depth, self.heads, self.mlp_ratio, self.eps)
        )
        initialize(backbone, self.initialization)
        return backbone

    def _answering(self) -> Backbone | None:
        self.frozen.require(self.target)
        return self.frozen.around(self)._backbone() if self.target == "frozen" else None

    def _predictor(self) -> MaskTokenPredictor:
        width, heads = self.predictor_dim, self.predictor_heads or self.heads
        encoder = Transformer(width, self.predictor_depth, heads, 4.0, self.eps)
        answer_dim = self.channels * self.patch**2 if self.target == "pixels" else self.frozen.dim or self.dim
        predictor = MaskTokenPredictor(self.dim, SinCos(width, self.extent), encoder, width, answer_dim)
        initialize(predictor, self.initialization)
        return predictor

    def _masker(self) -> BlockMasker | RandomMasker:
        if self.masks == "random":
            return RandomMasker(self.random_keep)
        return BlockMasker(
            self.blocks, self.block_scale, self.block_aspect, self.context_scale,
            self.min_keep, self.remove_targets, self.rectangular, self.released_masks,
        )  # fmt: skip


VIT_H14 = IJEPA()
VIT_H16_448 = replace(VIT_H14, image=(448, 448), patch=16)
VIT_G16 = replace(VIT_H14, patch=16, dim=1408, depth=40, mlp_ratio=48 / 11, predictor_depth=16)
VIT_L16 = replace(VIT_H14, patch=16, dim=1024, depth=24)
VIT_B16 = replace(VIT_H14, patch=16, dim=768, depth=12, heads=12, predictor_depth=6)
VIT_S16 = replace(VIT_B16, dim=384, heads=6)
VIT_T16 = replace(VIT_B16, dim=192, heads=3)
SMALL_COLOR = IJEPA(
    image=(64, 64), patch=16, dim=192, depth=4, heads=6, predictor_dim=96, predictor_depth=2,
    initialization="fan_in", momentum=(0.99, 1.0),
)  # fmt: skip
SMALL_GRAY = replace(SMALL_COLOR, image=(28, 28), patch=7, channels=1, dim=128, heads=4, predictor_dim=64)
TINY = replace(VIT_H14, image=(32, 32), patch=8, dim=48, depth=2, heads=4, predictor_dim=24, predictor_depth=2)


def from_official(
    encoder: EncoderSizes,
    predictor: PredictorSizes | None,
    extent: tuple[int, int],
    heads: int | None = None,
    positions: Literal["sin_cos", "table"] = "sin_cos",
    eps: float = 1e-6,
) -> IJEPA:
    """The model whose networks take a foreign checkpoint; without a predictor there, the paper's for its size.

    Raises ValueError if `heads` is needed: shapes do not tell it, except for the published widths.
    """
    heads = heads or encoder.heads
    model = IJEPA(
        image=(extent[0] * encoder.patch, extent[1] * encoder.patch), patch=encoder.patch, channels=encoder.channels,
        dim=encoder.dim, depth=encoder.depth, heads=heads, mlp_ratio=encoder.hidden / encoder.dim,
        positions=positions, eps=eps,
    )  # fmt: skip
    if predictor is not None:
        return replace(model, predictor_dim=predictor.width, predictor_depth=predictor.depth)
    return model if model.predictor_dim % heads == 0 else replace(model, predictor_heads=12)


def with_networks_of(model: IJEPA, other: IJEPA) -> IJEPA:
    """`model` with the sizes of another one's networks: masks, target and schedules stay as they are."""
    names = ("image", "patch", "channels", "dim", "depth", "heads", "mlp_ratio", "predictor_dim", "predictor_depth",
             "predictor_heads", "positions", "eps")  # fmt: skip
    return replace(model, **{name: getattr(other, name) for name in names})

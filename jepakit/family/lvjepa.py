"""Latent-variable JEPA (LeCun 2022, version 0.9.2, sections 4.2 to 4.5 and figures 12 and 13): what may come next."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from jepakit.config import added
from jepakit.contracts import Latent, Regularizer
from jepakit.methods.dynamics import DynamicsJEPA
from jepakit.parts.energies import l2
from jepakit.parts.latents.continuous import GaussianLatent, SparseLatent
from jepakit.parts.latents.discrete import CategoricalCodes, Codebook, QuantizedCodes, SearchedCodes
from jepakit.parts.latents.reader import Reader
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.heads import make_head
from jepakit.parts.nn.initialize import Initialization, initialize
from jepakit.parts.nn.position import Rotary
from jepakit.parts.nn.sizes import ClipSizes
from jepakit.parts.nn.summary import Summary
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.predictors.conditions import ConditionedPredictor
from jepakit.parts.predictors.mask_token import MaskTokenPredictor
from jepakit.parts.regularizers.moments import VarianceCovariance
from jepakit.parts.regularizers.sigreg import Over, sigreg_of
from jepakit.parts.targets import EMATarget, SharedTarget
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.schedules import linear

LatentName = Literal["searched", "categorical", "quantized", "gaussian", "sparse", "none"]


@dataclass(frozen=True, kw_only=True)
class LVJEPA(ClipSizes):
    """The first half of a clip tells the second one, up to a latent variable: sizes for clips of 8 frames of 32 pixels.

    Each half is summed up in one vector. The paper gives the idea and no numbers; these are ours. `latent` is
    "searched" (a code, by trying all of them), "categorical" or "quantized" (a code, by a network that reads the
    answer), "gaussian", "sparse" or "none".
    """

    title: ClassVar[str] = "latent-variable JEPA"

    frames: int = 8
    image: tuple[int, int] = (32, 32)
    tubelet: int = 4
    patch: int = 8
    dim: int = 64
    depth: int = 2
    heads: int = 4
    summary: int = 64
    """Numbers that a half of a clip is summed up in: what is predicted."""
    predictor_dim: int = 128
    predictor_depth: int = 2
    predictor_heads: int = 4
    initialization: Initialization = "fan_in"
    latent: LatentName = "searched"
    codes: int = 8
    """How many values a discrete latent variable has: it tells at most log2 of that, in bits."""
    z_dim: int = 16
    """Numbers of z, or of the vector of a code."""
    explore: float = 0.05
    """The share of samples for which a searched code is drawn by lot."""
    temperature: float = 1.0
    """Of a categorical latent: how soft the mixture is that gradients see."""
    price: float = 0.01
    """What a nat of a categorical, gaussian or sparse latent costs. At 0 nothing keeps z from telling everything."""
    noise: float = 0.1
    """What is added to a sparse latent."""
    target: Literal["shared", "stop_gradient", "ema"] = "shared"
    momentum: tuple[float, float] = (0.99, 1.0)
    variance: float = 1.0
    covariance: float = 0.04
    """Weights of what keeps summaries from collapsing: VICReg's 25 and 1, per 25."""
    sigreg: float = added(0.0)
    """What SIGReg weighs, which does so in the place of these two, where both are 0."""
    sigreg_over: Over = added("samples")  # noqa: RUF009  (the default is a word)
    """Whose distribution SIGReg tests: that of all samples; of the past and the future of a sample; or of all."""

    def build(self) -> DynamicsJEPA:
        """The method: backbone, latent variable, predictor and target. Raises ValueError for sizes that do not fit."""
        self.require(
            {"summary": self.summary, "predictor_dim": self.predictor_dim, "predictor_heads": self.predictor_heads,
             "codes": self.codes, "z_dim": self.z_dim},
            {"predictor_depth": self.predictor_depth},
        )  # fmt: skip
        if self.frames % (2 * self.tubelet):
            whole = 2 * self.tubelet
            raise ValueError(f"past and future are whole tubelets: frames is a multiple of {whole}, got {self.frames}")
        network, predictor, latent = self._network(), self._predictor(), self._latent()
        target, (regularizer, weight) = self._target(network), self._regularizer()
        return DynamicsJEPA(network, predictor, target, l2, self.frames // 2, latent, regularizer, weight)

    def _network(self) -> Summary:
        tokenizer = PatchTokenizer(self.cell, self.channels, self.dim)
        encoder = Transformer(self.dim, self.depth, self.heads, self.mlp_ratio, self.eps)
        backbone = Backbone(tokenizer, Rotary(self.dim // self.heads), encoder)
        tokens = math.prod(self.extent) // 2
        network = Summary(backbone, tokens, make_head((tokens * self.dim, self.summary), last_norm=True))
        initialize(network, self.initialization)
        return network

    def _target(self, network: Summary) -> EMATarget | SharedTarget:
        if self.target == "ema":
            return EMATarget(network, linear(*self.momentum), normalize=False)
        return SharedTarget(stop_gradient=self.target == "stop_gradient", normalize=False)

    def _regularizer(self) -> tuple[Regularizer, float]:
        sigreg = sigreg_of(self.sigreg, self.sigreg_over)
        if sigreg is None:
            return VarianceCovariance(self.variance, self.covariance), 1.0
        if self.variance or self.covariance:
            raise ValueError("SIGReg keeps summaries from collapsing alone: set variance and covariance to 0")
        return sigreg, self.sigreg

    def _predictor(self) -> MaskTokenPredictor | ConditionedPredictor:
        width, heads = self.predictor_dim, self.predictor_heads
        blocks = Transformer(width, self.predictor_depth, heads, 4.0, self.eps)
        inner = MaskTokenPredictor(self.summary, Rotary(width // heads), blocks, width, self.summary)
        predictor = inner if self.latent == "none" else ConditionedPredictor(inner, self.summary, self.z_dim)
        initialize(predictor, self.initialization)
        return predictor

    def _latent(self) -> Latent | None:
        match self.latent:
            case "none":
                return None
            case "searched":
                return SearchedCodes(self._book(), self.explore)
            case "categorical":
                return CategoricalCodes(self._book(), self._reader(self.codes), self.temperature, self.price)
            case "quantized":
                return QuantizedCodes(self._book(), self._reader(self.z_dim))
            case "gaussian":
                return GaussianLatent(self._reader(2 * self.z_dim), self.z_dim, self.price)
            case "sparse":
                return SparseLatent(self._reader(self.z_dim), self.z_dim, self.price, self.noise)

    def _book(self) -> Codebook:
        return Codebook(self.codes, self.z_dim, self.summary)

    def _reader(self, outputs: int) -> Reader:
        width, heads = self.predictor_dim, self.predictor_heads
        blocks = Transformer(width, 1, heads, 4.0, self.eps)
        reader = Reader(self.summary, Rotary(width // heads), blocks, width, outputs)
        initialize(reader, self.initialization)
        return reader


SMALL = LVJEPA()
TINY = replace(
    SMALL, frames=4, tubelet=2, dim=48, summary=24, predictor_dim=32, codes=4, z_dim=4
)  # fmt: skip

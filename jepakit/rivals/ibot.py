"""iBOT (Zhou et al. 2021, arXiv 2111.07832): DINO, and hidden patches choose the prototypes of those that are seen."""

from dataclasses import dataclass, replace

from jepakit.methods.masked_views import HiddenViews
from jepakit.parts.energies import CrossEntropy
from jepakit.parts.masks.blockwise import BlockwiseMasker
from jepakit.parts.nn.heads import DenseEmbedder
from jepakit.parts.nn.networks import AroundViT, ViT
from jepakit.parts.prototypes import CenteredTarget, make_choice
from jepakit.schedules import cosine, warmup_constant_decay


@dataclass(frozen=True, kw_only=True)
class IBOT(AroundViT):
    """iBOT with the published head, which views and patches share, masks and temperatures (section 4.1).

    An embedding of a view is the mean of its patches, where the paper has a class token.
    """

    head: tuple[int, ...] = (2048, 2048, 256)
    prototypes: int = 8192
    temperature: float = 0.1
    target_temperature: tuple[float, float] = (0.04, 0.07)
    """How sharp an answer is, at the start and after the warmup."""
    temperature_warmup: float = 0.1
    center_momentum: float = 0.9
    momentum: tuple[float, float] = (0.996, 1.0)
    hidden: tuple[float, float] = (0.1, 0.5)
    """Which share of the patches a global view hides, in blocks."""
    chance: float = 0.5
    """How many of the views hide any."""

    def build(self) -> HiddenViews:
        """The method. Raises ValueError for sizes or temperatures that cannot be."""
        backbone = self.network.build(hides=True)
        network = DenseEmbedder(backbone, make_choice((backbone.dim, *self.head), self.prototypes))
        start, end = self.target_temperature
        heat = warmup_constant_decay(start, end, end, self.temperature_warmup, 0.0)
        target = CenteredTarget(network, cosine(*self.momentum), heat, self.prototypes, self.center_momentum, centers=2)
        return HiddenViews(network, BlockwiseMasker(self.hidden, self.chance), target, CrossEntropy(self.temperature))


VIT_S16 = IBOT()
TINY = replace(
    VIT_S16, network=ViT(image=(32, 32), patch=8, dim=48, depth=2, heads=4, initialization="fan_in"),
    head=(64, 16), prototypes=32, momentum=(0.9, 1.0), center_momentum=0.5,
)  # fmt: skip

"""data2vec (Baevski et al. 2022, arXiv 2202.03555): hidden patches in the words of the average's upper levels."""

from dataclasses import dataclass, field, replace

from jepakit.methods.masked import MaskedJEPA
from jepakit.parts.energies import SmoothL1
from jepakit.parts.masks.blockwise import BlockwiseMasker
from jepakit.parts.nn.initialize import initialize
from jepakit.parts.nn.networks import AroundViT, ViT
from jepakit.parts.nn.sizes import require_sizes
from jepakit.parts.predictors.in_place import InPlacePredictor
from jepakit.parts.targets import AveragedLevelsTarget
from jepakit.schedules import linear


@dataclass(frozen=True, kw_only=True)
class Data2Vec(AroundViT):
    """data2vec for pictures (section 4.1): the encoder sees a learned token in each hidden place and fills it in."""

    network: ViT = field(default_factory=lambda: ViT(dim=768, heads=12))
    levels: int = 6
    """K: how many of the last blocks are averaged in an answer."""
    beta: float = 2.0
    """Up to which error it counts by its square."""
    hidden: float = 0.6
    """The share of patches that is hidden, in blocks."""
    momentum: tuple[float, float] = (0.9998, 0.9998)

    def build(self) -> MaskedJEPA:
        """The method: backbone, masks and target. Raises ValueError for sizes that do not fit."""
        require_sizes({}, {"levels": self.levels, "depth - levels + 1": self.network.depth - self.levels + 1})
        backbone = self.network.build(hides=True)
        predictor = InPlacePredictor(backbone.dim, backbone.dim)
        initialize(predictor, self.network.initialization)
        target = AveragedLevelsTarget(backbone, linear(*self.momentum), tuple(range(-self.levels, 0)))
        masker = BlockwiseMasker((self.hidden, self.hidden))
        return MaskedJEPA(backbone, (masker,), predictor, target, SmoothL1(self.beta), hides=True)


VIT_B16 = Data2Vec()
VIT_S16 = replace(VIT_B16, network=ViT())
TINY = replace(
    VIT_B16, network=ViT(image=(32, 32), patch=8, dim=48, depth=2, heads=4, initialization="fan_in"), levels=2
)

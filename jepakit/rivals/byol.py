"""BYOL (Grill et al. 2020, arXiv 2006.07733): the average of the network answers, a predictor guesses, no negatives."""

from dataclasses import dataclass, replace

from jepakit.methods.multiview import MultiView
from jepakit.parts.energies import cosine
from jepakit.parts.nn.heads import Embedder, make_head
from jepakit.parts.nn.networks import Around, ViT
from jepakit.parts.targets import EMATarget
from jepakit.schedules import cosine as cosine_schedule


@dataclass(frozen=True, kw_only=True)
class BYOL(Around):
    """BYOL with the published heads and momentum (section 3.3).

    The loss is the mean of 1 - cos over both ways; the paper's sums 2 - 2 cos over them (equation 2), 4 times that.
    """

    head: tuple[int, ...] = (4096, 256)
    predictor: tuple[int, ...] = (4096, 256)
    momentum: tuple[float, float] = (0.996, 1.0)

    def build(self) -> MultiView:
        """The method. Raises ValueError for sizes that a network cannot have."""
        backbone = self.network.build()
        network = Embedder(backbone, make_head((backbone.dim, *self.head)))
        predictor = make_head((self.head[-1], *self.predictor))
        target = EMATarget(network, cosine_schedule(*self.momentum), normalize=False)
        return MultiView(network, target, cosine, predictor)


VIT_S16 = BYOL()
TINY = replace(
    VIT_S16, network=ViT(image=(32, 32), patch=8, dim=48, depth=2, heads=4, initialization="fan_in"),
    head=(64, 16), predictor=(64, 16),
)  # fmt: skip

"""Barlow Twins (Zbontar et al. 2021, arXiv 2103.03230): across two views, a feature correlates with itself alone."""

from dataclasses import dataclass, replace

from jepakit.methods.multiview import MultiView
from jepakit.parts.energies import cosine
from jepakit.parts.nn.heads import Embedder, make_head
from jepakit.parts.nn.networks import Around, ViT
from jepakit.parts.regularizers.moments import CrossCorrelation
from jepakit.parts.targets import SharedTarget


@dataclass(frozen=True, kw_only=True)
class BarlowTwins(Around):
    """Barlow Twins with the published projector (section 2.2) and the lambda of the released code.

    That code also multiplies the loss by a constant, which AdamW would divide out again.
    """

    head: tuple[int, ...] = (8192, 8192, 8192)
    redundancy: float = 0.0051
    """lambda: what a squared correlation of two different features weighs."""

    def build(self) -> MultiView:
        """The method. Raises ValueError for sizes that a network cannot have."""
        backbone = self.network.build()
        network = Embedder(backbone, make_head((backbone.dim, *self.head)))
        target = SharedTarget(stop_gradient=False, normalize=False)
        return MultiView(network, target, cosine, None, CrossCorrelation(self.redundancy), weights=(0.0, 1.0))


VIT_S16 = BarlowTwins()
TINY = replace(
    VIT_S16, network=ViT(image=(32, 32), patch=8, dim=48, depth=2, heads=4, initialization="fan_in"), head=(64, 64, 32)
)

"""VICReg (Bardes et al. 2021, arXiv 2105.04906): views agree, features vary, and do not vary together."""

from dataclasses import dataclass, replace

from jepakit.methods.multiview import MultiView
from jepakit.parts.energies import l2
from jepakit.parts.nn.heads import Embedder, make_head
from jepakit.parts.nn.networks import Around, ViT
from jepakit.parts.regularizers.moments import VarianceCovariance
from jepakit.parts.targets import SharedTarget


@dataclass(frozen=True, kw_only=True)
class VICReg(Around):
    """VICReg with the published expander and weights (section 4.2), and the loss of its algorithm 1.

    There the squared difference is a mean over features, and the terms of variance and covariance are sums over the two
    views, of which our regularizer takes the mean: hence a factor of two.
    """

    head: tuple[int, ...] = (8192, 8192, 8192)
    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0

    def build(self) -> MultiView:
        """The method. Raises ValueError for sizes that a network cannot have."""
        backbone = self.network.build()
        network = Embedder(backbone, make_head((backbone.dim, *self.head)))
        target = SharedTarget(stop_gradient=False, normalize=False)
        regularizer = VarianceCovariance(2 * self.variance, 2 * self.covariance)
        return MultiView(network, target, l2, None, regularizer, weights=(self.invariance, 1.0))


VIT_S16 = VICReg()
TINY = replace(
    VIT_S16, network=ViT(image=(32, 32), patch=8, dim=48, depth=2, heads=4, initialization="fan_in"), head=(64, 64, 32)
)

"""MSN (Assran et al. 2022, arXiv 2204.07141): a view with patches missing chooses the prototypes of a whole one."""

from dataclasses import dataclass, replace

from jepakit.methods.masked_views import MaskedViews
from jepakit.parts.energies import CrossEntropy
from jepakit.parts.masks.random import RandomMasker
from jepakit.parts.nn.heads import Embedder
from jepakit.parts.nn.networks import AroundViT, ViT
from jepakit.parts.prototypes import SoftTarget, make_choice
from jepakit.parts.regularizers.entropy import MeanEntropy
from jepakit.schedules import constant, cosine


@dataclass(frozen=True, kw_only=True)
class MSN(AroundViT):
    """MSN with the published head, temperatures and mean entropy maximization (section 4; ViT-S of its appendix).

    Each global view is masked and answers for the other, where the released code masks one and asks the other; the
    average has prototypes of its own, where the paper's share them.
    """

    head: tuple[int, ...] = (2048, 2048, 256)
    prototypes: int = 1024
    shown: float = 0.85
    """The share of patches that is seen of a global view; ViT-L sees 0.3."""
    temperature: float = 0.1
    target_temperature: float = 0.025
    """A quarter of the other one."""
    entropy: float = 1.0
    """lambda: what the entropy of the mean choice weighs."""
    momentum: tuple[float, float] = (0.996, 1.0)

    def build(self) -> MaskedViews:
        """The method. Raises ValueError for sizes or temperatures that cannot be."""
        backbone = self.network.build()
        network = Embedder(backbone, make_choice((backbone.dim, *self.head), self.prototypes, batch_norm=True))
        target = SoftTarget(network, cosine(*self.momentum), constant(self.target_temperature))
        return MaskedViews(
            network, RandomMasker(self.shown), target, CrossEntropy(self.temperature), MeanEntropy(self.temperature),
            weights=(1.0, self.entropy),
        )  # fmt: skip


VIT_S16 = MSN()
VIT_L16 = replace(VIT_S16, network=ViT(dim=1024, depth=24, heads=16), shown=0.3)
TINY = replace(
    VIT_S16, network=ViT(image=(32, 32), patch=8, dim=48, depth=2, heads=4, initialization="fan_in"),
    head=(64, 16), prototypes=32, momentum=(0.9, 1.0),
)  # fmt: skip

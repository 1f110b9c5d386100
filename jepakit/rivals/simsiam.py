"""SimSiam (Chen and He 2021, arXiv 2011.10566): a predictor and a stop-gradient, and nothing else against collapse."""

from dataclasses import dataclass, replace

from jepakit.methods.multiview import MultiView
from jepakit.parts.energies import cosine
from jepakit.parts.nn.heads import Embedder, make_head
from jepakit.parts.nn.networks import Around, ViT
from jepakit.parts.targets import SharedTarget


@dataclass(frozen=True, kw_only=True)
class SimSiam(Around):
    """SimSiam with the published heads (section 3): a normalized output, and a predictor with a narrow waist."""

    head: tuple[int, ...] = (2048, 2048, 2048)
    waist: int = 512
    stop_gradient: bool = True
    """Without it, it collapses (section 4.1)."""

    def build(self) -> MultiView:
        """The method. Raises ValueError for sizes that a network cannot have."""
        backbone = self.network.build()
        network = Embedder(backbone, make_head((backbone.dim, *self.head), last_norm=True))
        predictor = make_head((self.head[-1], self.waist, self.head[-1]))
        return MultiView(network, SharedTarget(self.stop_gradient, normalize=False), cosine, predictor)


VIT_S16 = SimSiam()
TINY = replace(
    VIT_S16, network=ViT(image=(32, 32), patch=8, dim=48, depth=2, heads=4, initialization="fan_in"),
    head=(64, 32), waist=16,
)  # fmt: skip

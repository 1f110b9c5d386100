"""SimCLR (Chen et al. 2020, arXiv 2002.05709): views of a sample attract each other, all other samples repel."""

from dataclasses import dataclass, replace

from jepakit.methods.multiview import MultiView
from jepakit.parts.energies import cosine
from jepakit.parts.nn.heads import Embedder, make_head
from jepakit.parts.nn.networks import Around, ViT
from jepakit.parts.regularizers.contrastive import InfoNCE
from jepakit.parts.targets import SharedTarget


@dataclass(frozen=True, kw_only=True)
class SimCLR(Around):
    """SimCLR with the published head (section 2.1) and NT-Xent over the global batch (equation 1)."""

    head: tuple[int, ...] = (2048, 128)
    temperature: float = 0.1

    def build(self) -> MultiView:
        """The method. Raises ValueError for sizes that a network cannot have."""
        backbone = self.network.build()
        network = Embedder(backbone, make_head((backbone.dim, *self.head)))
        target = SharedTarget(stop_gradient=False, normalize=False)
        return MultiView(network, target, cosine, None, InfoNCE(self.temperature), weights=(0.0, 1.0))


VIT_S16 = SimCLR()
TINY = replace(
    VIT_S16, network=ViT(image=(32, 32), patch=8, dim=48, depth=2, heads=4, initialization="fan_in"), head=(64, 16)
)

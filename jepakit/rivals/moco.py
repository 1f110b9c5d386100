"""MoCo v3 (Chen et al. 2021, arXiv 2104.02057): a guess finds the average's answer among those to all other samples."""

from dataclasses import dataclass, replace

from jepakit.methods.multiview import MultiView
from jepakit.parts.energies import cosine
from jepakit.parts.nn.heads import Embedder, make_head
from jepakit.parts.nn.networks import Around, ViT
from jepakit.parts.regularizers.contrastive import PairedInfoNCE
from jepakit.parts.targets import EMATarget
from jepakit.schedules import cosine as cosine_schedule


@dataclass(frozen=True, kw_only=True)
class MoCo(Around):
    """MoCo v3 with the published heads, all of which end in a normalization over the batch (section 5).

    Half the published loss, which counts both ways. The patches' projection learns, where the paper leaves it as it
    was drawn for the sake of stability at large batches.
    """

    head: tuple[int, ...] = (4096, 4096, 256)
    predictor: tuple[int, ...] = (4096, 256)
    temperature: float = 0.2
    momentum: tuple[float, float] = (0.99, 1.0)

    def build(self) -> MultiView:
        """The method. Raises ValueError for sizes that a network cannot have."""
        backbone = self.network.build()
        network = Embedder(backbone, make_head((backbone.dim, *self.head), last_norm=True))
        predictor = make_head((self.head[-1], *self.predictor), last_norm=True)
        target = EMATarget(network, cosine_schedule(*self.momentum), normalize=False)
        contrast = PairedInfoNCE(self.temperature)
        return MultiView(network, target, cosine, predictor, contrast, weights=(0.0, 1.0), regularized="pairs")


VIT_S16 = MoCo()
TINY = replace(
    VIT_S16, network=ViT(image=(32, 32), patch=8, dim=48, depth=2, heads=4, initialization="fan_in"),
    head=(64, 64, 16), predictor=(64, 16),
)  # fmt: skip

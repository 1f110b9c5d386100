"""LeJEPA (Balestriero and LeCun 2025, arXiv 2511.08544): views agree, and embeddings are an isotropic Gaussian."""

from dataclasses import dataclass, replace
from typing import ClassVar

from jepakit.methods.multiview import MultiView
from jepakit.parts.energies import l2
from jepakit.parts.nn.heads import Embedder, make_head
from jepakit.parts.nn.networks import Around, ClipViT, ViT
from jepakit.parts.nn.sizes import require_sizes
from jepakit.parts.regularizers.sigreg import SIGReg
from jepakit.parts.targets import SharedTarget


@dataclass(frozen=True, kw_only=True)
class LeJEPA(Around):
    """LeJEPA as published: no average, no stop-gradient, no schedule, one trade-off weight.

    Every view, the global ones included, predicts the mean of the global views; SIGReg asks each view's embeddings
    over the batch. Defaults are ViT-S/16 with the head of the authors' example.
    """

    title: ClassVar[str] = "LeJEPA"

    head: tuple[int, ...] = (2048, 2048, 16)
    """Widths of the head's layers; batch normalization and ReLU lie between them."""
    trade_off: float = 0.05
    """lambda: the share of SIGReg in the loss, the agreement of views has the rest (useful from 0.01 to 0.1)."""
    directions: int = 1024
    """Random directions along which embeddings are tested, new ones every step."""
    knots: int = 17

    def build(self) -> MultiView:
        """The method. Raises ValueError for sizes or a share that cannot be."""
        require_sizes({"directions": self.directions, "knots": self.knots, "head": min(self.head, default=0)}, {})
        if not 0 <= self.trade_off <= 1:
            raise ValueError(f"trade_off is a share in [0, 1], got {self.trade_off}")
        backbone = self.network.build()
        network = Embedder(backbone, make_head((backbone.dim, *self.head)))
        target = SharedTarget(stop_gradient=False, normalize=False)
        regularizer = SIGReg(directions=self.directions, knots=self.knots)
        weights = (1 - self.trade_off, self.trade_off)
        return MultiView(network, target, l2, None, regularizer, weights, asked="center")


VIT_S16 = LeJEPA()
VIT_B16 = replace(VIT_S16, network=ViT(dim=768, heads=12))
VIT_L14 = replace(VIT_S16, network=ViT(patch=14, dim=1024, depth=24, heads=16))
SMALL_COLOR = replace(
    VIT_S16, network=ViT(image=(64, 64), dim=192, depth=4, initialization="fan_in"), head=(512, 512, 64), directions=256
)
SMALL_GRAY = replace(
    SMALL_COLOR,
    network=ViT(image=(28, 28), patch=7, channels=1, dim=128, depth=4, heads=4, initialization="fan_in"),
)
SMALL_CLIPS = replace(SMALL_COLOR, network=ClipViT(image=(64, 64), dim=192, depth=4, heads=6, initialization="fan_in"))
"""Clips of 16 frames: nothing of LeJEPA is about pictures."""
TINY = replace(
    VIT_S16,
    network=ViT(image=(32, 32), patch=8, dim=48, depth=2, heads=4, initialization="fan_in"), head=(64, 16),
    directions=64,
)  # fmt: skip

"""DINO (Caron et al. 2021, arXiv 2104.14294): views choose among prototypes as the average of the network does."""

from dataclasses import dataclass, replace

from jepakit.methods.multiview import MultiView
from jepakit.parts.energies import CrossEntropy
from jepakit.parts.nn.heads import Embedder
from jepakit.parts.nn.networks import Around, ViT
from jepakit.parts.prototypes import CenteredTarget, make_choice
from jepakit.parts.targets import EMATarget
from jepakit.schedules import cosine, warmup_constant_decay


@dataclass(frozen=True, kw_only=True)
class DINO(Around):
    """DINO with the published head, temperatures and centering (section 3.2 and appendix C), on global and local views.

    The released code also holds the prototypes still for the first epoch; here they learn from the first step.
    """

    head: tuple[int, ...] = (2048, 2048, 256)
    prototypes: int = 65_536
    temperature: float = 0.1
    target_temperature: tuple[float, float] = (0.04, 0.07)
    """How sharp an answer is, at the start and after the warmup."""
    temperature_warmup: float = 0.1
    """In which share of the run it gets there: 30 epochs of 300."""
    center_momentum: float = 0.9
    momentum: tuple[float, float] = (0.996, 1.0)

    def build(self) -> MultiView:
        """The method. Raises ValueError for sizes or temperatures that cannot be."""
        backbone = self.network.build()
        network = Embedder(backbone, make_choice((backbone.dim, *self.head), self.prototypes))
        return MultiView(network, self._target(network), CrossEntropy(self.temperature))

    def _target(self, network: Embedder) -> EMATarget:
        start, end = self.target_temperature
        heat = warmup_constant_decay(start, end, end, self.temperature_warmup, 0.0)
        return CenteredTarget(network, cosine(*self.momentum), heat, self.prototypes, self.center_momentum)


VIT_S16 = DINO()
TINY = replace(
    VIT_S16, network=ViT(image=(32, 32), patch=8, dim=48, depth=2, heads=4, initialization="fan_in"),
    head=(64, 16), prototypes=32, momentum=(0.9, 1.0), center_momentum=0.5,
)  # fmt: skip

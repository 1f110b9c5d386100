"""Goal-conditioned behavior cloning (Ding et al. 2019, 1906.05838, with relabeled goals): do what led there before."""

from dataclasses import dataclass, field, replace
from itertools import pairwise

from torch import nn

from jepakit.config import Config, added
from jepakit.methods.cloning import Cloning
from jepakit.parts.nn.convnet import ResNet
from jepakit.parts.nn.frames import Frames
from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.sizes import require_sizes
from jepakit.parts.nn.small_convnet import SmallConvNet
from jepakit.parts.nn.standardize import Standardize
from jepakit.parts.nn.summary import Summary


@dataclass(frozen=True, kw_only=True)
class GCBC(Config):
    """Cloning with the encoder of a world model and an MLP; goals are up to a window ahead. Sizes are ours.

    `proprio` numbers of the body are felt beside what is seen now, as a world model feels them.
    """

    network: ResNet | SmallConvNet = field(default_factory=SmallConvNet)
    frames: int = 8
    action: int = 2
    dim: int = 256
    hidden: tuple[int, ...] = (512, 512)
    proprio: int = added(0)

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """What it learns from: channels, frames, height and width of a clip."""
        channels, *image = self.network.samples[0]
        return ((channels, self.frames, *image),)

    def build(self) -> Cloning:
        """The method. Raises ValueError for sizes that do not fit."""
        sizes = {"frames": self.frames, "action": self.action, "dim": self.dim}
        require_sizes(sizes | ({"proprio": self.proprio} if self.proprio else {}), {})
        backbone, places = self.network.build(), self.network.extent[0] * self.network.extent[1]
        network = Frames(Summary(backbone, places, Linear(places * backbone.dim, self.dim)), self.dim)
        widths = pairwise((2 * self.dim + self.proprio, *self.hidden))
        hidden = [layer for width, wider in widths for layer in (Linear(width, wider), nn.ReLU())]
        policy = nn.Sequential(*hidden, Linear((2 * self.dim + self.proprio, *self.hidden)[-1], self.action))
        return Cloning(network, policy, Standardize(self.action), Standardize(self.proprio) if self.proprio else None)


NANO = GCBC()
TINY = replace(NANO, frames=4, network=SmallConvNet(image=(16, 16), widths=(8, 16)), dim=24, hidden=(32,))

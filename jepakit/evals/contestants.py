"""Who enters the arena: members of the family and rivals around one backbone, as published but for their size."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from jepakit.config import Config
from jepakit.data import views
from jepakit.data.transforms import RandomResizedCrop
from jepakit.data.views import Views
from jepakit.family.ijepa import IJEPA
from jepakit.family.lejepa import LeJEPA
from jepakit.parts.nn.networks import ViT
from jepakit.rivals.barlow import BarlowTwins
from jepakit.rivals.byol import BYOL
from jepakit.rivals.data2vec import Data2Vec
from jepakit.rivals.dino import DINO
from jepakit.rivals.ibot import IBOT
from jepakit.rivals.mae import MAE
from jepakit.rivals.moco import MoCo
from jepakit.rivals.msn import MSN
from jepakit.rivals.simclr import SimCLR
from jepakit.rivals.simsiam import SimSiam
from jepakit.rivals.vicreg import VICReg


@dataclass(frozen=True)
class Contestant:
    """A model around a network, and what it looks at: a random crop, or several distorted views."""

    model: Callable[[ViT], Config]
    views: Views | None = None


CROP = RandomResizedCrop()
"""What methods that compare no views are shown: the only augmentation of I-JEPA."""
HEAD, WIDE, PROTOTYPES = (512, 64), (512, 512, 512), 512
"""Widths of heads and the number of prototypes: those that were published are for larger backbones and data."""
FAST = (0.99, 1.0)
"""Momentum of averages: the published ones are for a hundred times as many steps."""


def _ijepa(network: ViT) -> IJEPA:
    return IJEPA(
        image=network.image, patch=network.patch, channels=network.channels, dim=network.dim, depth=network.depth,
        heads=network.heads, mlp_ratio=network.mlp_ratio, initialization=network.initialization, eps=network.eps,
        predictor_dim=network.dim // 2, predictor_depth=2, momentum=(0.99, 1.0),
    )  # fmt: skip


def _mae(network: ViT) -> MAE:
    return MAE(network=network, decoder_dim=network.dim // 2, decoder_depth=2, decoder_heads=network.heads)


def _dino(network: ViT) -> DINO:
    return DINO(network=network, head=HEAD, prototypes=PROTOTYPES, momentum=FAST)


def _simclr(network: ViT) -> SimCLR:
    return SimCLR(network=network, head=HEAD)


CONTESTANTS: dict[str, Contestant] = {
    "ijepa": Contestant(_ijepa),
    "lejepa": Contestant(lambda network: LeJEPA(network=network, head=HEAD, directions=256), views.LEJEPA),
    "mae": Contestant(_mae),
    "data2vec": Contestant(
        lambda network: Data2Vec(network=network, levels=(network.depth + 1) // 2, momentum=(0.999, 0.999))
    ),
    "simclr": Contestant(_simclr, views.SIMCLR),
    "moco": Contestant(lambda network: MoCo(network=network, head=HEAD, predictor=HEAD, momentum=FAST), views.BYOL),
    "byol": Contestant(lambda network: BYOL(network=network, head=HEAD, predictor=HEAD, momentum=FAST), views.BYOL),
    "simsiam": Contestant(lambda network: SimSiam(network=network, head=WIDE, waist=128), views.BYOL),
    "vicreg": Contestant(lambda network: VICReg(network=network, head=WIDE), views.BYOL),
    "barlow": Contestant(lambda network: BarlowTwins(network=network, head=WIDE), views.BYOL),
    "dino": Contestant(_dino, views.DINO),
    "ibot": Contestant(
        lambda network: IBOT(network=network, head=HEAD, prototypes=PROTOTYPES, momentum=FAST), views.DINO
    ),
    "msn": Contestant(
        lambda network: MSN(network=network, head=HEAD, prototypes=PROTOTYPES, momentum=FAST), views.DINO
    ),
}


EVERYONE = {
    **CONTESTANTS,
    "dino_crops": Contestant(_dino, replace(views.DINO, distortions=(), local_distortion=None)),
    "dino_plain": Contestant(_dino, views.PLAIN),
    "simclr_crops": Contestant(_simclr, replace(views.SIMCLR, distortions=())),
    "simclr_plain": Contestant(_simclr, views.PLAIN),
}
"""Those, and two of them with crops as their only augmentation, or with none."""

"""Who enters the arena: members of the family and rivals around one backbone, as published but for their size."""

from collections.abc import Callable
from dataclasses import dataclass

from jepakit.config import Config
from jepakit.data import views
from jepakit.data.transforms import RandomResizedCrop
from jepakit.data.views import Views
from jepakit.family.ijepa import IJEPA
from jepakit.family.lejepa import LeJEPA
from jepakit.parts.nn.networks import ViT
from jepakit.rivals.byol import BYOL
from jepakit.rivals.mae import MAE
from jepakit.rivals.simclr import SimCLR
from jepakit.rivals.simsiam import SimSiam


@dataclass(frozen=True)
class Contestant:
    """A model around a network, and what it looks at: a random crop, or several distorted views."""

    model: Callable[[ViT], Config]
    views: Views | None = None


CROP = RandomResizedCrop()
"""What methods that compare no views are shown: the only augmentation of I-JEPA."""
HEAD, WIDE = (512, 64), (512, 512)
"""Widths of heads: those that were published are for backbones ten times as wide."""


def _ijepa(network: ViT) -> IJEPA:
    return IJEPA(
        image=network.image, patch=network.patch, channels=network.channels, dim=network.dim, depth=network.depth,
        heads=network.heads, mlp_ratio=network.mlp_ratio, initialization=network.initialization, eps=network.eps,
        predictor_dim=network.dim // 2, predictor_depth=2, momentum=(0.99, 1.0),
    )  # fmt: skip


def _mae(network: ViT) -> MAE:
    return MAE(network=network, decoder_dim=network.dim // 2, decoder_depth=2, decoder_heads=network.heads)


CONTESTANTS: dict[str, Contestant] = {
    "ijepa": Contestant(_ijepa),
    "lejepa": Contestant(lambda network: LeJEPA(network=network, head=HEAD, directions=256), views.SIMCLR),
    "mae": Contestant(_mae),
    "simclr": Contestant(lambda network: SimCLR(network=network, head=HEAD), views.SIMCLR),
    "byol": Contestant(
        lambda network: BYOL(network=network, head=HEAD, predictor=HEAD, momentum=(0.99, 1.0)), views.BYOL
    ),
    "simsiam": Contestant(lambda network: SimSiam(network=network, head=WIDE, waist=128), views.BYOL),
}

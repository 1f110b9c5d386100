"""What is seen at every pixel of a scene and how far away it is, cut as its frames are: for dense probes."""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from jepakit.data.painting import FIRST_THING, Scene
from jepakit.data.transforms import Box

MOVING = 2
"""Things 0 and 1 of a scene move, all others stand still."""
KINDS = ("ground", "bar", "moving thing", "still thing")
"""What a pixel can be. Things are told apart by what they do and not by what they show: those of the test part were
never seen, so that their names cannot be known, but whether something moves can be read off the frames."""


def truth_of(scene: Scene, box: Box | None, size: int) -> dict[str, Tensor]:
    """ "mask" [t h w] int64, which numbers KINDS, and "depth" [t h w] float32, of the part of the frames in `box`."""
    instances, depth = scene.instances, scene.depth
    return {"mask": kinds_of(_cut(instances, box, size)), "depth": _cut(depth, box, size)}


def kinds_of(instances: UInt8[Tensor, "*p"]) -> Int[Tensor, "*p"]:
    """Which of KINDS each pixel is, by what `Scene.instances` says."""
    things = torch.where(instances < FIRST_THING + MOVING, FIRST_THING, FIRST_THING + 1)
    return torch.where(instances < FIRST_THING, instances, things).long()


def _cut(
    truth: UInt8[Tensor, "t h w"] | Float[Tensor, "t h w"], box: Box | None, size: int
) -> UInt8[Tensor, "t s s"] | Float[Tensor, "t s s"]:
    """Every pixel of the part takes the truth of the nearest pixel: numbers of kinds, and distances, do not mix."""
    if box is None:
        return truth
    part = truth[:, box.top : box.top + box.height, box.left : box.left + box.width]
    return functional.interpolate(part[None], (size, size), mode="nearest-exact")[0]

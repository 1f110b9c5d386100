"""A plan of a scene -> its frames, with exactly known answers: what stands at every pixel, and how far away."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

BAR_DISTANCE, GROUND_DISTANCE = 1.5, 5.0
BAR_WIDTH = 0.2
"""In sides of a frame: as wide as a thing at the middle distance."""
FOCAL = 0.6
"""The side of a thing at distance 1, in sides of a frame."""
GROUND, BAR, FIRST_THING = 0, 1, 2
"""What the numbers of `Scene.instances` mean; thing i has the number FIRST_THING + i."""
_OPAQUE = 128


@dataclass(frozen=True)
class Plan:
    """What a scene holds, before anything is drawn. Lengths are in pixels, a place is a row and a column.

    `places` are the centers of the things at each frame and at the one after the last, not wrapped. The bar lies
    across the axis `along`, around `bar`.
    """

    motion: int
    places: Float[np.ndarray, "m k 2"]
    distances: Float[np.ndarray, "k"]
    sprites: Int[np.ndarray, "k"]
    along: int
    bar: float
    bar_color: UInt8[np.ndarray, "3"]
    ground: UInt8[np.ndarray, "s s 3"]

    @property
    def sides(self) -> list[int]:
        """How large each thing is drawn: the nearer, the larger."""
        return [max(round(side), 1) for side in FOCAL * len(self.ground) / self.distances]


@dataclass(frozen=True)
class Scene:
    """Frames and the truth about them. Positions and velocities are rows and columns, in pixels and pixels a frame.

    `instances` says what is seen at each pixel: 0 the ground, 1 the bar, 2 + i the thing number i. The world is round:
    positions lie inside the frame, and what leaves on one side comes in on the other. `velocities` lead to the next
    frame. Things 0 and 1 move, all others stand still.
    """

    clip: UInt8[Tensor, "t h w 3"]
    instances: UInt8[Tensor, "t h w"]
    motion: int
    distances: Float[Tensor, "k"]
    sprites: Int[Tensor, "k"]
    positions: Float[Tensor, "t k 2"]
    velocities: Float[Tensor, "t k 2"]

    @property
    def depth(self) -> Float[Tensor, "t h w"]:
        """The distance of what is seen at each pixel."""
        return torch.cat([torch.tensor([GROUND_DISTANCE, BAR_DISTANCE]), self.distances])[self.instances.long()]

    @property
    def count(self) -> int:
        """How many things there are, the bar apart."""
        return len(self.distances)

    @property
    def nearest(self) -> float:
        """The distance of the nearest thing, the bar apart."""
        return float(self.distances.min())


def paint(plan: Plan, pictures: UInt8[np.ndarray, "n s s 4"]) -> UInt8[np.ndarray, "t h w 4"]:
    """The frames in red, green and blue, and in the fourth channel what is seen there (`Scene.instances`)."""
    frames, size = len(plan.places) - 1, len(plan.ground)
    canvas = np.empty((frames, size, size, 4), dtype=np.uint8)
    canvas[..., :3], canvas[..., 3] = plan.ground, GROUND
    for thing in np.argsort(-plan.distances, kind="stable"):
        patch = shrink(pictures[plan.sprites[thing]], plan.sides[thing])
        lay(canvas, patch, plan.places[:frames, thing], FIRST_THING + int(thing))
    width = round(BAR_WIDTH * size)
    covered = (round(plan.bar - width / 2) + np.arange(width)) % size
    canvas[(slice(None),) * (1 + plan.along) + (covered,)] = np.append(plan.bar_color, np.uint8(BAR))
    return canvas


def reveal(plan: Plan, canvas: UInt8[np.ndarray, "t h w 4"]) -> Scene:
    """The frames of a plan, as they were painted, with all that is known of them."""
    places = torch.from_numpy(plan.places)
    clip = torch.from_numpy(canvas)
    return Scene(
        clip[..., :3],
        clip[..., 3],
        plan.motion,
        torch.from_numpy(plan.distances).float(),
        torch.from_numpy(plan.sprites),
        (places[:-1] % len(plan.ground)).float(),
        places.diff(dim=0).float(),
    )


def shrink(picture: UInt8[np.ndarray, "s s 4"], side: int) -> UInt8[np.ndarray, "k k 4"]:
    """A picture at another size, antialiased."""
    weights = resampling(len(picture), side)
    return np.rint(np.einsum("ir,rcd,jc->ijd", weights, picture, weights, optimize="greedy")).astype(np.uint8)


@lru_cache(maxsize=256)
def resampling(source: int, side: int) -> Float[np.ndarray, "side source"]:
    """Bilinear, antialiased resizing of one axis as a matrix; its rows sum to 1."""
    columns = torch.eye(source)[None, None]
    return functional.interpolate(columns, (side, source), mode="bilinear", antialias=True)[0, 0].numpy()


def lay(
    canvas: UInt8[np.ndarray, "t h w 4"],
    patch: UInt8[np.ndarray, "s s 4"],
    places: Float[np.ndarray, "t 2"],
    number: int,
) -> None:
    """Lays a picture, whose colors are multiplied by alpha, over every frame; on the right of the edge is the left."""
    frames, size, side = len(canvas), canvas.shape[1], len(patch)
    corners = np.rint(places - side / 2).astype(np.int64)
    rows, columns = ((corners[:, axis, None] + np.arange(side)) % size for axis in (0, 1))
    cells = (np.arange(frames)[:, None, None] * size + rows[:, :, None]) * size + columns[:, None, :]
    flat = canvas.reshape(-1, 4).view(np.uint32)[:, 0]  # four bytes at once: one cell, read and written
    below = flat[cells].view(np.uint8).reshape(frames, side, side, 4)
    mixed = below.astype(np.uint16)
    mixed *= 255 - patch[:, :, 3:].astype(np.uint16)
    mixed //= 255
    mixed[..., :3] += patch[:, :, :3]
    mixed[..., 3] = np.where(patch[:, :, 3] >= _OPAQUE, number, below[..., 3])
    flat[cells] = mixed.astype(np.uint8).view(np.uint32)[..., 0]

"""Push: a disc pushes a block in the shape of a T to where it is on the picture of a goal.

Push-T with goals, as DINO-WM (2411.04983) and LeWM (2603.19312) have it, with physics by pymunk that remembers nothing:
all that matters is in five numbers, so the simulator can be asked "what if".
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from jepakit.config import Config
from jepakit.worlds.bounds import cut
from jepakit.worlds.chance import uniforms
from jepakit.worlds.collect import roll
from jepakit.worlds.drawing import AT_ONCE, SOLID, SPOT, blend
from jepakit.worlds.policies import Expert
from jepakit.worlds.push_physics import BAR, DISC, SIDE, STEM, Physics

_START, _ELSEWHERE = range(2)
"""Streams of chance."""
_APART = 105.0
"""How far from the middle of the block the disc touches it nowhere, whichever way it is turned."""
_BESIDE = 30.0
"""How far the disc may be beside the line along which it pushes."""
_ONWARD = 0.25
"""Radians by which the disc goes around the block at a time: a step, and a little more."""


@dataclass(frozen=True, kw_only=True)
class Push(Config):
    """The board, 512 by 512, drawn with `size` pixels a side. `build()` makes the simulator, which needs pymunk.

    A state is [x y of the disc, x y of the middle of the block, its angle]. An action is a displacement of the disc, at
    most `longest`, in ten moments; afterwards all is at rest. A goal is what an expert with `noise` makes of the start
    in `offset` steps; it is reached where disc and block together are within `reach` of their places and the block's
    angle within `turn`: 20 of 512 and a ninth of pi, as in DINO-WM.
    """

    size: int = 64
    longest: float = 20.0
    offset: int = 25
    noise: float = 0.3
    reach: float = 20.0
    turn: float = math.pi / 9

    def __post_init__(self) -> None:
        if self.size < 16 or self.offset < 1 or self.noise < 0:
            raise ValueError(f"a picture has 16 pixels a side or more, an offset is a step or more, got {self}")
        if not (0 < self.longest <= 2 * DISC and self.reach > 0 and self.turn > 0):
            raise ValueError(f"an action is at most {2 * DISC} long, and reach and turn are positive, got {self}")

    def build(self) -> "PushWorld":
        """The simulator. Raises ImportError, with what to install, without pymunk."""
        return PushWorld(self)


class PushWorld:
    """The simulator of a `Push`: a `contracts.World`."""

    def __init__(self, config: Push):
        self.config = config
        self.physics = Physics()
        self.longest: float | None = config.longest
        self.low, self.high = torch.full((2,), -config.longest), torch.full((2,), config.longest)

    def start(self, seeds: Int[Tensor, "b"]) -> Float[Tensor, "b k"]:
        """A block anywhere, and a disc beside it."""
        return self._place(uniforms(seeds, 5, _START))

    def goal(self, seeds: Int[Tensor, "b"]) -> Float[Tensor, "b k"]:
        """Where an expert gets from the start."""
        policy = Expert(noise=self.config.noise)
        return roll(self, policy, seeds, self.config.offset)[0][:, -1]

    def elsewhere(self, states: Float[Tensor, "b k"], seeds: Int[Tensor, "b"]) -> Float[Tensor, "b k"]:
        """Other places of block and disc."""
        return self._place(uniforms(seeds, 5, _ELSEWHERE))

    def step(self, states: Float[Tensor, "*s k"], actions: Float[Tensor, "*s a"]) -> Float[Tensor, "*s k"]:
        """What a push makes of each state, one after the other: the physics knows a single board."""
        moves = cut(actions, self.config.longest, self.longest)
        flat = (numbers.reshape(-1, numbers.shape[-1]).detach().cpu().double().numpy() for numbers in (states, moves))
        return torch.from_numpy(self.physics.step(*flat)).view(states.shape).to(states)

    def render(self, states: Float[Tensor, "b k"]) -> UInt8[Tensor, "b h w c"]:
        """RGB: the block, and the disc over it, with smooth edges."""
        return torch.cat([self._draw(some) for some in states.split(AT_ONCE)])

    def proprio(self, states: Float[Tensor, "*s k"]) -> Float[Tensor, "*s p"]:
        """Where the disc is."""
        return states[..., :2]

    def solved(self, states: Float[Tensor, "*s k"], goals: Float[Tensor, "*s k"]) -> Bool[Tensor, "*s"]:
        """Whether disc and block are where they should be, and the block is turned as it should be."""
        away = states - goals
        angle = (away[..., 4] + math.pi) % (2 * math.pi) - math.pi
        return (away[..., :4].norm(dim=-1) < self.config.reach) & (angle.abs() < self.config.turn)

    def guide(self, states: Float[Tensor, "*s k"], goals: Float[Tensor, "*s k"]) -> Float[Tensor, "*s a"]:
        """Around the block to the side that is away from the goal, then through its middle, and it turns as it may.

        Where the block is there, the disc goes to its own place.
        """
        disc, block = states[..., :2], states[..., 2:4]
        way = goals[..., 2:4] - block
        heading, beside = torch.nn.functional.normalize(way, dim=-1), disc - block
        ahead = (beside * heading).sum(dim=-1)
        aside = beside[..., 0] * heading[..., 1] - beside[..., 1] * heading[..., 0]
        angle = torch.atan2(beside[..., 1], beside[..., 0])
        onward = angle + torch.atan2(-aside, -ahead).clamp(-_ONWARD, _ONWARD)
        around = block + _APART * torch.stack([onward.cos(), onward.sin()], dim=-1)
        is_behind = ((ahead < 0) & (aside.abs() < _BESIDE)).unsqueeze(-1)
        target = torch.where(is_behind, block + DISC * heading, around)
        is_there = way.norm(dim=-1, keepdim=True) < self.config.reach / 2
        return cut(torch.where(is_there, goals[..., :2], target) - disc, self.config.longest, self.longest)

    def _place(self, draws: Float[Tensor, "b 5"]) -> Float[Tensor, "b k"]:
        """A block in the middle part of the board, turned at will, and a disc that is too far away to touch it."""
        margin = 1.5 * _APART
        block = margin + draws[:, :2] * (SIDE - 2 * margin)
        around, angle = (2 * math.pi * (draws[:, 2:4] - 0.5)).unbind(dim=1)
        distance = _APART * (1 + draws[:, 4:] / 4)
        disc = block + distance * torch.stack([around.cos(), around.sin()], dim=1)
        return torch.cat([disc, block, angle[:, None]], dim=1)

    def _draw(self, states: Float[Tensor, "b k"]) -> UInt8[Tensor, "b h w c"]:
        """Each pixel is covered by a shape as far as its middle is inside of it, in pixels, from -1/2 to 1/2."""
        scale = SIDE / self.config.size
        places = (torch.arange(self.config.size, device=states.device) + 0.5) * scale
        disc_x, disc_y, x, y, angle = states[:, :, None, None].unbind(dim=1)
        across, down = places[None, None, :] - x, places[None, :, None] - y
        right = across * angle.cos() + down * angle.sin()
        below = down * angle.cos() - across * angle.sin()
        block = torch.minimum(_outside(right, below, BAR), _outside(right, below, STEM))
        disc = ((places[None, None, :] - disc_x).square() + (places[None, :, None] - disc_y).square()).sqrt() - DISC
        return blend([((0.5 - block / scale).clamp(0, 1), SOLID), ((0.5 - disc / scale).clamp(0, 1), SPOT)])


def _outside(x: Tensor, y: Tensor, box: tuple[float, float, float, float]) -> Tensor:
    """How far points are from a rectangle (left, top, right, bottom) along the axis on which they are furthest."""
    left, top, right, bottom = box
    away_x = (x - (left + right) / 2).abs() - (right - left) / 2
    away_y = (y - (top + bottom) / 2).abs() - (bottom - top) / 2
    return torch.maximum(away_x, away_y)

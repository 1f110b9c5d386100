"""DiverseMaze: a ball with inertia in many mazes, some of which are kept for the test.

The task of PLDM (2502.14819, section 5) and HWM (2604.03208), after our own measures. Far goals need a plan that is
longer than a model sees.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from jepakit.config import Config
from jepakit.worlds import mazes
from jepakit.worlds.bounds import cut
from jepakit.worlds.chance import uniforms
from jepakit.worlds.drawing import AT_ONCE, draw_spot

_UNSEEN = 2**20
"""Layouts of the test are numbered from here."""
_PAIR, _START, _GOAL, _ELSEWHERE = range(4)
"""Streams of chance."""
_SLACK = 1e-3
"""Pixels by which a body may stand in a wall at its side, so that touching one does not stop it along the wall."""


@dataclass(frozen=True, kw_only=True)
class DiverseMaze(Config):
    """The world; its lengths are pixels. A state is [x y vx vy] of the ball and the packed layout (`mazes.pack`), which
    no action changes. An action is a push along x and y, from -1 to 1, which lasts for `repeat` moments: in each, the
    ball gains `strength` times the push and loses the share `drag` of its velocity. Walls stop it, for it is soft.

    There are `layouts` mazes in each part; `distance` are the least and the most steps, in cells, from start to goal
    (HWM's are 5 to 8, 9 to 12 and 13 to 16). A goal is reached within `reach` pixels, at any velocity.
    """

    size: int = 64
    border: int = 4
    cells: int = 8
    part: Literal["train", "unseen"] = "train"
    layouts: int = 25
    distance: tuple[int, int] = (5, 8)
    radius: float = 1.5
    strength: float = 0.1
    drag: float = 0.1
    repeat: int = 4
    reach: float = 3.5

    def __post_init__(self) -> None:
        if self.cells < 3 or (self.size - 2 * self.border) % self.cells or self.border < 1:
            raise ValueError(f"the picture within its border has to divide into 3 cells or more, got {self}")
        if not (0 < self.radius < self.cell / 2 and 0 < self.strength <= self.drag * self.cell / 2 and self.drag <= 1):
            raise ValueError(
                f"a ball fits into a cell of {self.cell} pixels, and strength / drag, its highest velocity, is at most "
                f"half of that, got {self}"
            )
        if self.layouts < 1 or self.repeat < 1 or self.reach <= 0 or not 0 <= self.distance[0] <= self.distance[1]:
            raise ValueError(f"layouts, repeat and reach are positive, and distance is (least, most), got {self}")

    @property
    def cell(self) -> float:
        """The side of a cell."""
        return (self.size - 2 * self.border) / self.cells

    @property
    def low(self) -> Float[Tensor, "a"]:
        return -torch.ones(2)

    @property
    def high(self) -> Float[Tensor, "a"]:
        return torch.ones(2)

    @property
    def longest(self) -> float | None:
        return None

    def walls(self) -> Bool[Tensor, "m n n"]:
        """The layouts of this part."""
        return mazes.draw_layouts(self.cells, _UNSEEN if self.part == "unseen" else 0, self.layouts)

    def start(self, seeds: Int[Tensor, "b"]) -> Float[Tensor, "b k"]:
        """A ball at rest in one of the layouts. Raises ValueError where no layout has two cells so far apart."""
        return self._place(self._draw_pair(seeds)[:, 1], seeds, _START)

    def goal(self, seeds: Int[Tensor, "b"]) -> Float[Tensor, "b k"]:
        """A ball at rest in the same layout, so many steps away."""
        return self._place(self._draw_pair(seeds)[:, 2], seeds, _GOAL)

    def elsewhere(self, states: Float[Tensor, "b k"], seeds: Int[Tensor, "b"]) -> Float[Tensor, "b k"]:
        """A ball at rest in any free cell of the same layout."""
        free = (~mazes.unpack(states[:, 4:], self.cells)).flatten(1).cumsum(dim=1)
        draws = uniforms(seeds, 1, _ELSEWHERE)
        cells = torch.searchsorted(free, (draws * free[:, -1:]).floor().long() + 1)[:, 0]
        return self._at(cells, states[:, 4:], uniforms(seeds, 3, _ELSEWHERE)[:, 1:])

    def step(self, states: Float[Tensor, "*s k"], actions: Float[Tensor, "*s a"]) -> Float[Tensor, "*s k"]:
        """The ball gains speed, and rolls along x and then along y until it meets a wall, `repeat` times."""
        push_x, push_y = (self.strength * cut(actions, 1.0)).unbind(dim=-1)
        x, y, speed_x, speed_y = states[..., :4].unbind(dim=-1)
        packed = states[..., 4:]
        for _ in range(self.repeat):
            x, speed_x = self._roll(x, (1 - self.drag) * speed_x + push_x, y, packed, is_row=False)
            y, speed_y = self._roll(y, (1 - self.drag) * speed_y + push_y, x, packed, is_row=True)
        return torch.cat([torch.stack([x, y, speed_x, speed_y], dim=-1), packed], dim=-1)

    def render(self, states: Float[Tensor, "b k"]) -> UInt8[Tensor, "b h w c"]:
        """RGB: walls, and the ball as a soft spot."""
        return torch.cat([self._draw(some) for some in states.split(AT_ONCE)])

    def proprio(self, states: Float[Tensor, "*s k"]) -> Float[Tensor, "*s p"]:
        """Where the ball is, and how fast."""
        return states[..., :4]

    def solved(self, states: Float[Tensor, "*s k"], goals: Float[Tensor, "*s k"]) -> Bool[Tensor, "*s"]:
        """Whether the ball is within `reach` of the place, through a wall or not."""
        return (states[..., :2] - goals[..., :2]).square().sum(dim=-1) < self.reach**2

    def steps(self, states: Float[Tensor, "*s k"], goals: Float[Tensor, "*s k"]) -> Int[Tensor, "*s"]:
        """How many cells the shortest way to the goal takes."""
        return self._steps_around(states, goals).flatten(-2).gather(-1, self._cell_of(states).unsqueeze(-1)).squeeze(-1)

    def guide(self, states: Float[Tensor, "*s k"], goals: Float[Tensor, "*s k"]) -> Float[Tensor, "*s a"]:
        """The push towards the next cell of a shortest way, so that the ball would be there in two actions."""
        steps = torch.nn.functional.pad(self._steps_around(states, goals), (1, 1, 1, 1), value=-1)
        steps = torch.where(steps < 0, steps.numel(), steps).flatten(-2)
        cell, wide = self._cell_of(states), self.cells + 2
        here = (cell // self.cells + 1) * wide + cell % self.cells + 1
        beside = here.unsqueeze(-1) + torch.tensor([1, -1, wide, -wide], device=here.device)
        chosen = steps.gather(-1, beside).argmin(dim=-1, keepdim=True)
        there = beside.gather(-1, chosen).squeeze(-1)
        center = self._center(torch.stack([there % wide - 1, there // wide - 1], dim=-1))
        is_there = (cell == self._cell_of(goals)).unsqueeze(-1)
        target = torch.where(is_there, goals[..., :2], center)
        kept = (1 - self.drag) ** self.repeat
        gained = self.strength * (1 - kept) / self.drag
        wanted = (target - states[..., :2]) / (2 * self.repeat)
        return cut((wanted - kept * states[..., 2:4]) / gained, 1.0)

    @property
    def _origin(self) -> float:
        return self.border - 0.5

    def _index(self, places: Float[Tensor, "*s"]) -> Int[Tensor, "*s"]:
        return ((places - self._origin) / self.cell).floor().long()

    def _center(self, cells: Int[Tensor, "*s"]) -> Float[Tensor, "*s"]:
        return self._origin + self.cell * (cells + 0.5)

    def _cell_of(self, states: Float[Tensor, "*s k"]) -> Int[Tensor, "*s"]:
        columns, rows = self._index(states[..., :2]).clamp(0, self.cells - 1).unbind(dim=-1)
        return rows * self.cells + columns

    def _roll(
        self, place: Tensor, speed: Tensor, other: Tensor, packed: Tensor, is_row: bool
    ) -> tuple[Float[Tensor, "*s"], Float[Tensor, "*s"]]:
        """Place and velocity along one axis after a moment; `other` is the place along the other axis."""
        side = speed.sign() * self.radius
        front = self._index(place + speed + side)
        margin = self.radius - _SLACK
        blocked = torch.zeros_like(front, dtype=torch.bool)
        for beside in (self._index(other - margin), self._index(other + margin)):
            rows, columns = (front, beside) if is_row else (beside, front)
            blocked |= mazes.is_wall(packed, rows, columns, self.cells)
        touching = self._origin + self.cell * (front + (speed < 0)) - side
        return torch.where(blocked, touching, place + speed), torch.where(blocked, 0.0, speed)

    def _steps_around(self, states: Float[Tensor, "*s k"], goals: Float[Tensor, "*s k"]) -> Int[Tensor, "*s n n"]:
        walls = mazes.unpack(states[..., 4:], self.cells)
        found = mazes.steps_from(walls.reshape(-1, self.cells, self.cells), self._cell_of(goals).reshape(-1))
        return found.view(walls.shape)

    def _draw_pair(self, seeds: Int[Tensor, "b"]) -> Int[Tensor, "b 3"]:
        """Layout, cell of the start and cell of the goal: each layout is as likely, and in it each pair."""
        pairs, ends = _pairs_of(self)
        layout, share = uniforms(seeds, 2, _PAIR).unbind(dim=1)
        chosen = (layout * len(ends)).long()
        first = torch.where(chosen > 0, ends[chosen - 1], 0)
        count = ends[chosen] - first
        return pairs[first + torch.minimum((share * count).long(), count - 1)]  # a share near 1 may round up to all

    def _place(self, cells: Int[Tensor, "b"], seeds: Int[Tensor, "b"], stream: int) -> Float[Tensor, "b k"]:
        layout = self.walls()[self._draw_pair(seeds)[:, 0]]
        return self._at(cells, mazes.pack(layout), uniforms(seeds, 2, stream))

    def _at(
        self, cells: Int[Tensor, "b"], packed: Float[Tensor, "b words"], draws: Float[Tensor, "b 2"]
    ) -> Float[Tensor, "b k"]:
        """At rest anywhere in the cells, but not in a wall beside them."""
        center = self._center(torch.stack([cells % self.cells, cells // self.cells], dim=1))
        place = center + (2 * draws - 1) * (self.cell / 2 - self.radius)
        return torch.cat([place, torch.zeros_like(place), packed], dim=1)

    def _draw(self, states: Float[Tensor, "b k"]) -> UInt8[Tensor, "b h w c"]:
        walls = torch.nn.functional.pad(mazes.unpack(states[:, 4:], self.cells), (1, 1, 1, 1), value=True)
        pixels = self._index(torch.arange(float(self.size), device=states.device)).clamp(-1, self.cells) + 1
        return draw_spot(walls[:, pixels][:, :, pixels], states[:, 0], states[:, 1], self.radius)


@lru_cache(maxsize=64)
def _pairs_of(world: DiverseMaze) -> tuple[Int[Tensor, "q 3"], Int[Tensor, "m"]]:
    """All (layout, start, goal) that are so far apart, and where those of each layout that has any end."""
    steps = mazes.steps_between(world.walls())
    pairs = ((steps >= world.distance[0]) & (steps <= world.distance[1])).nonzero()
    counts = pairs[:, 0].bincount()
    if not len(pairs):
        raise ValueError(f"no layout has two cells {world.distance[0]} to {world.distance[1]} steps apart")
    return pairs, counts[counts > 0].cumsum(dim=0)

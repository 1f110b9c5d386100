"""TwoRooms: a dot in two rooms, and a door between them that is elsewhere each time.

The task of PLDM (2502.14819, section 4) and of EB-JEPA, after our own measures. To get into the other room, the dot has
to go away from its goal at first, so greed does not solve it.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from jepakit.config import Config
from jepakit.worlds.bounds import cut
from jepakit.worlds.chance import uniforms
from jepakit.worlds.drawing import AT_ONCE, draw_spot

_LAYOUT, _START, _GOAL, _ELSEWHERE = range(4)
"""Streams of chance."""


@dataclass(frozen=True, kw_only=True)
class TwoRooms(Config):
    """The world; its lengths are pixels. A state is [x y wall door]: the dot's column and row, the column of the wall
    and the row of the door, which no action changes. An action is a displacement: first along x, then along y, each as
    far as there is no wall.

    `crossing` is the share of goals in the other room. A goal is reached within `reach` pixels of it (4.5, as in
    DINO-WM's wall task, 2411.04983). `spread` is the standard deviation of the dot's brightness.
    """

    size: int = 64
    border: int = 4
    thickness: int = 3
    opening: int = 9
    longest: float = 2.45
    spread: float = 1.5
    crossing: float = 0.5
    reach: float = 4.5

    def __post_init__(self) -> None:
        if not (self.border >= 1 and self.thickness >= 1 and self.opening >= 1 and self._room >= self.opening):
            raise ValueError(
                f"border, thickness and opening are pixels, and a room is at least as wide as the opening; {self} "
                f"has rooms of {self._room} pixels where the wall stands furthest to a side"
            )
        if not (self.longest > 0 and self.spread > 0 and self.reach > 0 and 0 <= self.crossing <= 1):
            raise ValueError(f"longest, spread and reach are positive lengths, and crossing is a share, got {self}")

    @property
    def low(self) -> Float[Tensor, "a"]:
        return torch.full((2,), -self.longest)

    @property
    def high(self) -> Float[Tensor, "a"]:
        return torch.full((2,), self.longest)

    def start(self, seeds: Int[Tensor, "b"]) -> Float[Tensor, "b k"]:
        """A place, a wall and a door for each seed. The wall is never in the outer thirds."""
        wall, door = uniforms(seeds, 2, _LAYOUT).unbind(dim=1)
        third = self.size // 3
        wall = third + (wall * (self.size - 2 * third)).floor()
        clearance = self.border + self.opening // 2 + 1
        door = clearance + (door * (self.size - 2 * clearance)).floor()
        draws = uniforms(seeds, 3, _START)
        return self._place(wall, door, draws[:, 0] < 0.5, draws[:, 1:])

    def goal(self, seeds: Int[Tensor, "b"]) -> Float[Tensor, "b k"]:
        """A place between the same walls, in the other room for a share `crossing` of the seeds."""
        start = self.start(seeds)
        draws = uniforms(seeds, 3, _GOAL)
        crosses = draws[:, 0] < self.crossing
        return self._place(start[:, 2], start[:, 3], (self.room(start) == 1) ^ crosses, draws[:, 1:])

    def elsewhere(self, states: Float[Tensor, "b k"], seeds: Int[Tensor, "b"]) -> Float[Tensor, "b k"]:
        """Another place between the same walls, in either room."""
        draws = uniforms(seeds, 3, _ELSEWHERE)
        return self._place(states[:, 2], states[:, 3], draws[:, 0] < 0.5, draws[:, 1:])

    def step(self, states: Float[Tensor, "*s k"], actions: Float[Tensor, "*s a"]) -> Float[Tensor, "*s k"]:
        """The dot moves by the action, along x and then along y, until it meets a wall."""
        x, y, wall, door = states.unbind(dim=-1)
        across, along = cut(actions, self.longest, self.longest).unbind(dim=-1)
        left, right = wall - self.thickness / 2, wall + self.thickness / 2
        first, last = self._edges
        is_open = (y - door).abs() <= self.opening / 2
        least = torch.where(is_open | (x < right), first, right)
        most = torch.where(is_open | (x > left), last, left)
        x = torch.minimum(torch.maximum(x + across, least), most)
        is_between = (x > left) & (x < right)
        least = torch.where(is_between, door - self.opening / 2, first)
        most = torch.where(is_between, door + self.opening / 2, last)
        y = torch.minimum(torch.maximum(y + along, least), most)
        return torch.stack([x, y, wall, door], dim=-1)

    def render(self, states: Float[Tensor, "b k"]) -> UInt8[Tensor, "b h w c"]:
        """RGB: walls, and the dot as a soft spot over all else."""
        return torch.cat([self._draw(some) for some in states.split(AT_ONCE)])

    def proprio(self, states: Float[Tensor, "*s k"]) -> Float[Tensor, "*s p"]:
        """Where the dot is."""
        return states[..., :2]

    def solved(self, states: Float[Tensor, "*s k"], goals: Float[Tensor, "*s k"]) -> Bool[Tensor, "*s"]:
        """Whether the dot is within `reach` of the place, through a wall or not."""
        return (states[..., :2] - goals[..., :2]).square().sum(dim=-1) < self.reach**2

    def room(self, states: Float[Tensor, "*s k"]) -> Int[Tensor, "*s"]:
        """0 left of the middle of the wall, else 1."""
        return (states[..., 0] >= states[..., 2]).long()

    def guide(self, states: Float[Tensor, "*s k"], goals: Float[Tensor, "*s k"]) -> Float[Tensor, "*s a"]:
        """The first action on a short way to the goal: through the middle of the door, if it has to be."""
        x, y, wall, door = states.unbind(dim=-1)
        side = torch.where(x < wall, -1.0, 1.0)
        aside = self.thickness / 2 + 1
        is_before = ((y - door).abs() < self.opening / 2 - 1) & ((x - wall).abs() <= aside + 1)
        entry = torch.stack([wall + torch.where(is_before, -side, side) * aside, door], dim=-1)
        must_cross = (self.room(states) != self.room(goals)).unsqueeze(-1)
        target = torch.where(must_cross, entry, goals[..., :2])
        return cut(target - states[..., :2], self.longest, self.longest)

    def distance(self, states: Float[Tensor, "*s k"], goals: Float[Tensor, "*s k"]) -> Float[Tensor, "*s"]:
        """The length of that way: straight within a room, over the middle of the door to the other one."""
        place, target = states[..., :2], goals[..., :2]
        door = states[..., 2:]
        around = (place - door).norm(dim=-1) + (door - target).norm(dim=-1)
        return torch.where(self.room(states) == self.room(goals), (place - target).norm(dim=-1), around)

    @property
    def _room(self) -> int:
        return self.size // 3 - self.thickness // 2 - self.border

    @property
    def _edges(self) -> tuple[Tensor, Tensor]:
        """First and last column and row where the dot may be: pixels lie around whole numbers."""
        return torch.tensor(self.border - 0.5), torch.tensor(self.size - self.border - 0.5)

    def _place(
        self,
        wall: Float[Tensor, "b"],
        door: Float[Tensor, "b"],
        is_right: Bool[Tensor, "b"],
        draws: Float[Tensor, "b 2"],
    ) -> Float[Tensor, "b k"]:
        """The state with the dot anywhere in one of the rooms, each place being as likely."""
        first, last = self._edges
        least = torch.where(is_right, wall + self.thickness / 2, first)
        most = torch.where(is_right, last, wall - self.thickness / 2)
        x = least + draws[:, 0] * (most - least)
        return torch.stack([x, first + draws[:, 1] * (last - first), wall, door], dim=1)

    def _draw(self, states: Float[Tensor, "b k"]) -> UInt8[Tensor, "b h w c"]:
        x, y, wall, door = states.unbind(dim=1)
        pixels = torch.arange(self.size, device=states.device)
        is_border = (pixels < self.border) | (pixels >= self.size - self.border)
        is_wall = (pixels - wall[:, None]).abs() <= self.thickness / 2
        is_shut = (pixels - door[:, None]).abs() > self.opening / 2
        solid = (is_wall[:, None, :] & is_shut[:, :, None]) | is_border[:, None] | is_border
        return draw_spot(solid, x, y, self.spread)

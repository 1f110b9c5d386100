"""A point in a box that moves by its actions: the smallest world that can be planned in, with a wall if asked for."""

from dataclasses import dataclass, field

import torch

from jepakit.planning.actions import Box


@dataclass
class PointWorld:
    """States are (x, y). Pictures have the place of the point in their first two numbers; `rendered` counts them."""

    low: torch.Tensor = field(default_factory=lambda: torch.tensor([-1.0, -1.0]))
    high: torch.Tensor = field(default_factory=lambda: torch.tensor([1.0, 1.0]))
    longest: float | None = 1.0
    reach: float = 0.5
    feels: bool = True
    rendered: int = 0

    def start(self, seeds):
        return self._draw(seeds, 0)

    def goal(self, seeds):
        return self._draw(seeds, 1)

    def step(self, states, actions):
        return states + actions

    def render(self, states):
        self.rendered += len(states)
        pictures = torch.zeros(len(states), 2, 2, 3, dtype=torch.uint8)
        pictures[:, 0, :, 0] = (10 * states + 128).round().clamp(0, 255).to(torch.uint8)
        return pictures

    def proprio(self, states):
        return states if self.feels else states[..., :0]

    def solved(self, states, goals):
        return (states - goals).norm(dim=-1) < self.reach

    @property
    def space(self):
        return Box.of(self)

    def _draw(self, seeds, stream):
        rows = [torch.rand(2, generator=torch.Generator().manual_seed(int(seed) % 2**31 + stream)) for seed in seeds]
        return 8 * torch.stack(rows) - 4


class Seeing:
    """A transform that makes a float picture [3 h w]."""

    def __call__(self, raw):
        return raw.float() / 10

    def to_json(self):
        return {}

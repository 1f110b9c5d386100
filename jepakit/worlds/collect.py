"""Episodes for training: a policy acts in a world, and what was seen, felt and done is kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from jepakit.contracts import World
from jepakit.worlds.bounds import cut_for
from jepakit.worlds.chance import seeds_of
from jepakit.worlds.policies import Policy


@dataclass(frozen=True)
class Collector:
    """Makes episodes by number: each is a function of (seed, number), whatever is made beside it.

    Called with numbers, it yields an episode for each, in order: frames uint8 [t h w c], actions float32 [t-1 a] (as
    they were done: within their bounds), states float32 [t k], and proprio float32 [t p] where a body feels something.
    t is `steps` + 1; `batch` episodes are played at a time.
    """

    world: World
    policy: Policy
    steps: int
    seed: int = 0
    batch: int = 64

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise ValueError(f"an episode has a step or more, got {self.steps} steps and a batch of {self.batch}")

    def __call__(self, numbers: Sequence[int]) -> Iterator[dict[str, np.ndarray]]:
        for first in range(0, len(numbers), self.batch):
            seeds = seeds_of(self.seed, torch.tensor(numbers[first : first + self.batch]))
            states, actions = roll(self.world, self.policy, seeds, self.steps)
            for row in range(len(seeds)):
                yield self._episode(states[row], actions[row])

    def _episode(self, states: Float[Tensor, "t k"], actions: Float[Tensor, "u a"]) -> dict[str, np.ndarray]:
        frames, proprio = self.world.render(states), self.world.proprio(states)
        episode = {"frames": frames.numpy(), "actions": actions.numpy(), "states": states.numpy()}
        return {**episode, "proprio": proprio.numpy()} if proprio.shape[-1] else episode


def roll(
    world: World, policy: Policy, seeds: Int[Tensor, "b"], steps: int, states: Float[Tensor, "b k"] | None = None
) -> tuple[Float[Tensor, "b t k"], Float[Tensor, "b u a"]]:
    """The states and actions of an episode for each seed, from its start or from `states`, in a world's dark."""
    states = world.start(seeds) if states is None else states
    actor = policy.begin(world, seeds)
    moments, actions = [states], []
    for _ in range(steps):
        actions.append(cut_for(world, actor(moments[-1])))
        moments.append(world.step(moments[-1], actions[-1]))
    return torch.stack(moments, dim=1), torch.stack(actions, dim=1)

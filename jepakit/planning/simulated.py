"""The true simulator as a model: what planning reaches when nothing has to be learnt."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from jepakit.contracts import Observation, State, World


@dataclass(frozen=True)
class Simulated:
    """A WorldModel that asks a world "what if": states are the world's own, as `known` and as a latent of one token.

    Observations hold the world's state as what is known exactly; pictures are not looked at. An imagined step is `skip`
    steps of the world, whose actions stand side by side.
    """

    world: World
    skip: int = 1

    def __post_init__(self) -> None:
        if self.skip < 1:
            raise ValueError(f"an imagined step is 1 step of the world or more, got {self.skip}")

    def encode(self, observation: Observation) -> State:
        """The newest state. Raises ValueError for an observation without it."""
        if observation.known is None:
            raise ValueError("the simulator needs the state of the world as `known`, and the observation has none")
        return as_state(observation.known[:, -1])

    def imagine(self, state: State, actions: Float[Tensor, "b s h a"]) -> State:
        """What really comes of s sequences of actions in each of b episodes."""
        assert state.known is not None, "states of a simulator are known"
        states = state.known.unsqueeze(1).expand(-1, actions.shape[1], -1)
        moments = []
        for action in actions.unbind(dim=2):
            for single in action.chunk(self.skip, dim=-1):
                states = self.world.step(states, single)
            moments.append(states)
        return as_state(torch.stack(moments, dim=2))


def as_state(states: Float[Tensor, "... k"]) -> State:
    """States of a world as those of a model."""
    return State(states.unsqueeze(-2), states)

"""What the body feels, moved on by an action: learnt, or by arithmetic that is exact."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.standardize import Standardize

Numbers = Float[Tensor, "*n p"]
Move = Callable[[Tensor, Tensor], Tensor]
"""What the body feels and an action, both in real units -> what it feels then."""


class LearntBody(nn.Module):
    """The next proprio from this one, the action, and what the predictor says comes next.

    Only what an action changes is learnt, so it begins by saying that nothing moves.
    """

    def __init__(self, proprio: int, action: int, dim: int, hidden: int = 64) -> None:
        super().__init__()
        self.proprio = Standardize(proprio)
        self.expand = Linear(proprio + action + dim, hidden)
        self.contract = Linear(hidden, proprio)
        nn.init.zeros_(self.contract.weight)
        nn.init.zeros_(self.contract.bias)

    def forward(self, felt: Numbers, action: Float[Tensor, "*n a"], successor: Float[Tensor, "*n d"]) -> Numbers:
        """All standardized; `successor` is the mean token of the predicted frame."""
        told = torch.cat([felt, action, successor], dim=-1)
        return felt + self.contract(nn.functional.gelu(self.expand(told)))


class ExactBody(nn.Module):
    """The next proprio by arithmetic: the pose of a gripper after a change of pose (V-JEPA 2-AC, released code).

    Nothing is learnt. `action` gives actions back their real units.
    """

    def __init__(self, proprio: Standardize, action: Standardize, move: Move) -> None:
        super().__init__()
        self.proprio, self.move = proprio, move
        self._restore_action = action.restore  # a bound method, so that its buffers are not registered twice

    def forward(self, felt: Numbers, action: Float[Tensor, "*n a"], successor: Float[Tensor, "*n d"]) -> Numbers:
        """Standardized, as `LearntBody`'s; the predicted frame is not looked at."""
        return self.proprio(self.move(self.proprio.restore(felt), self._restore_action(action)))


Body = LearntBody | ExactBody

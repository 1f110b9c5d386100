"""What a body can do at most: actions beyond it are cut, as a robot would cut them."""

from jaxtyping import Float
from torch import Tensor

from jepakit.contracts import World


def cut(actions: Float[Tensor, "*s a"], limit: float, longest: float | None = None) -> Float[Tensor, "*s a"]:
    """The actions within the box [-limit, limit], then shortened to `longest` where they are longer."""
    return _shorten(actions.clamp(-limit, limit), longest)


def cut_for(world: World, actions: Float[Tensor, "*s a"]) -> Float[Tensor, "*s a"]:
    """What the world makes of the actions: those that are recorded, for they were done."""
    return _shorten(actions.clamp(world.low.to(actions.device), world.high.to(actions.device)), world.longest)


def _shorten(actions: Float[Tensor, "*s a"], longest: float | None) -> Float[Tensor, "*s a"]:
    if longest is None:
        return actions
    length = actions.square().sum(dim=-1, keepdim=True).sqrt()
    return actions * (longest / length.clamp(min=longest))

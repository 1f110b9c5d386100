"""What a body can do at most: actions beyond it are cut, as a robot would cut them."""

from jaxtyping import Float
from torch import Tensor


def cut(actions: Float[Tensor, "*s a"], limit: float, longest: float | None = None) -> Float[Tensor, "*s a"]:
    """The actions within the box [-limit, limit], then shortened to `longest` where they are longer."""
    actions = actions.clamp(-limit, limit)
    if longest is None:
        return actions
    length = actions.square().sum(dim=-1, keepdim=True).sqrt()
    return actions * (longest / length.clamp(min=longest))

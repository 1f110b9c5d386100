"""F(x, y) = min over z of E(x, y, z): how the least energy is looked for (LeCun 2022, version 0.9.2, section 4.2)."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from jepakit.contracts import EnergyOf

Penalty = Callable[[Float[Tensor, "b z"]], Float[Tensor, "b"]]
"""What a z costs besides its energy."""


@torch.no_grad()
def search_codes(energy: EnergyOf, codes: Float[Tensor, "k z"], questions: int) -> Int[Tensor, "b"]:
    """The number of the code with the least energy for each of so many questions: all of them are tried."""
    return energy(codes.expand(questions, -1, -1)).argmin(dim=1)


def descend(
    energy: EnergyOf, start: Float[Tensor, "b z"], steps: int, rate: float, penalty: Penalty | None = None
) -> Float[Tensor, "b z"]:
    """The best z met on so many steps down the gradient of the energy (and of a penalty), by Adam, from `start`.

    Parameters get no gradient. The energy at what is returned is never above that at `start`.
    """
    best = start.detach().clone()
    z = best.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([z], lr=rate)
    least = torch.full((len(z),), torch.inf, device=z.device)
    for step in range(steps + 1):
        with torch.enable_grad():
            found = energy(z.unsqueeze(1))[:, 0]
            found = found if penalty is None else found + penalty(z)
            total = found.sum()
        with torch.no_grad():
            better = found < least
            least, best = torch.where(better, found, least), torch.where(better.unsqueeze(1), z, best)
        if step < steps:
            (z.grad,) = torch.autograd.grad(total, [z])
            optimizer.step()
    return best.detach()

"""Pictures of flat worlds: what is solid, and a soft spot over it."""

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

_GROUND, SOLID, SPOT = (16.0, 18.0, 28.0), (96.0, 140.0, 190.0), (255.0, 96.0, 48.0)
AT_ONCE = 128
"""Pictures drawn at a time: what they take stays in a processor's cache."""


def draw_spot(
    solid: Bool[Tensor, "b h w"], x: Float[Tensor, "b"], y: Float[Tensor, "b"], spread: float
) -> UInt8[Tensor, "b h w c"]:
    """RGB pictures with a spot at column x and row y, whose brightness falls off with the deviation `spread`."""
    rows, columns = (torch.arange(side, device=solid.device) for side in solid.shape[1:])
    width = -0.5 / spread**2
    down, across = ((rows - y[:, None]).square() * width).exp(), ((columns - x[:, None]).square() * width).exp()
    spot = down[:, :, None] * across[:, None]
    return blend([(solid, SOLID), (spot, SPOT)])


def blend(layers: list[tuple[Tensor, tuple[float, float, float]]]) -> UInt8[Tensor, "b h w c"]:
    """RGB pictures of layers, the upmost last: each is how far it covers [b h w], from 0 to 1, and its color."""
    first = layers[0][0]
    picture = torch.empty(*first.shape, 3, dtype=torch.uint8, device=first.device)
    for channel, ground in enumerate(_GROUND):
        value = torch.full(first.shape, ground, device=first.device)
        for cover, color in layers:
            value = torch.lerp(value, torch.full_like(value, color[channel]), cover.to(value.dtype))
        picture[..., channel] = value.round()
    return picture

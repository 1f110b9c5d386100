"""Chance that depends on a seed and nothing else: the draw of one episode is the same whatever is drawn beside it.

A generator of torch draws for a whole batch at once, so an episode would change with the batch it is drawn in. Here,
each number is a hash of (seed, stream, place), computed for all seeds together. The hash is SplitMix64 (Steele, Lea
and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, figure 15).
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64
_BITS = 24
"""As many as a float32 holds."""


def seeds_of(seed: int, numbers: Int[Tensor, "b"]) -> Int[Tensor, "b"]:
    """A seed for each number (of an episode, say), which has nothing to do with those of another `seed`."""
    return _scramble(_scramble(torch.full_like(numbers, seed)) + numbers * _GOLDEN)


def uniforms(seeds: Int[Tensor, "b"], count: int, stream: int) -> Float[Tensor, "b count"]:
    """`count` numbers in [0, 1) for each seed; other streams of a seed are independent."""
    keys = _scramble(_scramble(seeds) + torch.full_like(seeds, stream) * _GOLDEN)
    places = torch.arange(1, count + 1, device=seeds.device) * _GOLDEN
    hashed = _scramble(keys[:, None] + places)
    return _shift(hashed, 64 - _BITS).to(torch.float32) / 2**_BITS


def normals(seeds: Int[Tensor, "b"], count: int, stream: int) -> Float[Tensor, "b count"]:
    """Draws from the standard normal distribution (Box and Muller), as `uniforms` draws."""
    radius, angle = uniforms(seeds, 2 * count, stream).chunk(2, dim=1)
    return (-2 * (1 - radius).log()).sqrt() * (2 * math.pi * angle).cos()


def _scramble(keys: Int[Tensor, "*s"]) -> Int[Tensor, "*s"]:
    keys = keys + _GOLDEN
    keys = (keys ^ _shift(keys, 30)) * _FIRST
    keys = (keys ^ _shift(keys, 27)) * _SECOND
    return keys ^ _shift(keys, 31)


def _shift(keys: Int[Tensor, "*s"], places: int) -> Int[Tensor, "*s"]:
    """To the right with zeros, as if the numbers had no sign."""
    return (keys >> places) & ((1 << (64 - places)) - 1)

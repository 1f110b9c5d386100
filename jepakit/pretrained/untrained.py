"""What a training begins with: the baseline of everything that is learnt."""

from typing import Any

import torch

from jepakit.config import Config


def untrained(model: Config, seed: int) -> Any:
    """What the config builds (a Method, a network) as `seed` makes it; the CPU's generator stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return model.build()  # pyright: ignore[reportAttributeAccessIssue]

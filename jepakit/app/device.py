"""Where a network runs, as the command line names it."""

import torch


def open_device(name: str) -> torch.device:
    """The device called `name` ("cpu", "cuda", "cuda:1", "mps"). Raises ValueError if it cannot be used here."""
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"device {name!r} cannot be used here ({reason}); give --device cpu") from None
    return device

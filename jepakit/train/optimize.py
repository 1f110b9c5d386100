"""AdamW with the reference's rules: rate and weight decay follow the run's progress, vectors do not decay."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from jepakit.config import Config, added
from jepakit.schedules import Schedule, cosine, stretched, warmup_constant_decay, warmup_cosine


@dataclass(frozen=True, kw_only=True)
class AdamW(Config):
    """AdamW whose rate warms up and then falls along a cosine, and whose weight decay rises along one.

    The rate goes from `start` to `peak` during the share `warmup` of the run, then to `end`. `decay` is the weight
    decay at the first and at the last step. With a `horizon` above 1 both schedules are those of a run that is so many
    times longer, of which this run is the beginning (`ipe_scale` of the reference); 1 really ends at `end`. With a
    `cooldown` the rate stays at its peak until that last share of the run, and falls along a straight line (V-JEPA 2).
    Defaults are those of I-JEPA (2301.08243, appendix A.1) but for `peak`, which is set for a batch of 256.
    """

    peak: float = 1e-3
    start: float = 1e-4
    end: float = 1e-6
    warmup: float = 0.1
    decay: tuple[float, float] = (0.04, 0.4)
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    horizon: float = 1.0
    cooldown: float | None = added(None)

    def rates(self) -> Schedule:
        """The learning rate as a function of progress."""
        if self.cooldown is not None:
            return warmup_constant_decay(self.start, self.peak, self.end, self.warmup, self.cooldown)
        whole = warmup_cosine(self.start, self.peak, self.end, self.warmup / self.horizon)
        return stretched(whole, self.horizon)

    def decays(self) -> Schedule:
        """The weight decay as a function of progress."""
        return stretched(cosine(*self.decay), self.horizon)

    def validate(self) -> None:
        """Raises ValueError with one sentence where the numbers make no schedule."""
        if not 0 <= self.warmup < 1:
            raise ValueError(f"optimizer.warmup is a share of the run in [0, 1), got {self.warmup}; try 0.1")
        if self.cooldown is not None and not 0 < self.cooldown <= 1 - self.warmup:
            raise ValueError(
                f"optimizer.cooldown is a share of the run above 0 that begins after warmup, got {self.cooldown}; "
                f"with warmup={self.warmup} at most {1 - self.warmup:g}"
            )
        if self.cooldown is not None and self.horizon != 1:
            raise ValueError(f"optimizer.cooldown ends with the run, so it goes with horizon=1, not {self.horizon}")
        if self.horizon < 1:
            raise ValueError(f"optimizer.horizon is how many times longer the schedule is, at least 1: {self.horizon}")
        if not self.peak > 0:
            raise ValueError(f"optimizer.peak is the highest learning rate and above 0, got {self.peak}")
        if self.peak < max(self.start, self.end):
            raise ValueError(
                f"optimizer.peak ({self.peak}) is the highest learning rate; "
                f"start ({self.start}) and end ({self.end}) must not be above it"
            )


def build(config: AdamW, method: nn.Module) -> torch.optim.AdamW:
    """The optimizer of all parameters that learn, in two groups: with and without weight decay."""
    named = [(name, parameter) for name, parameter in method.named_parameters() if parameter.requires_grad]
    if not named:
        raise ValueError(f"{type(method).__name__} has no parameter that learns: everything is frozen")
    with_decay = [parameter for name, parameter in named if decays(name, parameter)]
    without = [parameter for name, parameter in named if not decays(name, parameter)]
    groups = [{"params": with_decay, "decays": True}, {"params": without, "decays": False}]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.start,
        betas=config.betas,
        eps=config.eps,
        weight_decay=0.0,
        fused=True,
    )


def decays(name: str, parameter: Tensor) -> bool:
    """Whether weight decay applies: not to biases and vectors, but to mask tokens, as in the reference."""
    last = name.rsplit(".", 1)[-1]
    return "mask_token" in name or (parameter.ndim > 1 and last != "bias")


def set_progress(optimizer: torch.optim.AdamW, config: AdamW, progress: float) -> tuple[float, float]:
    """Sets the rate and the decay of this moment and returns them."""
    rate, decay = config.rates()(progress), config.decays()(progress)
    for group in optimizer.param_groups:
        group["lr"] = rate
        group["weight_decay"] = decay if group["decays"] else 0.0
    return rate, decay


def clip(optimizer: torch.optim.AdamW, largest: float) -> Tensor:
    """Shortens the whole gradient to the norm `largest` and returns the norm it had."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    norm = nn.utils.clip_grad_norm_(parameters, largest)
    return norm.full_tensor() if isinstance(norm, DTensor) else norm

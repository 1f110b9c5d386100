"""Training steps as the benchmarks run them: jepakit's with its engine's optimizer, and the plain one."""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.plain import PlainIJEPA, encoder_weights, predictor_weights
from benchmarks.plain_video import PlainVJEPA2
from jepakit.contracts import Rows, step_at
from jepakit.family.ijepa import IJEPA
from jepakit.family.vjepa2 import VJEPA2
from jepakit.methods.masked import MaskedJEPA
from jepakit.train import optimize

RATE, DECAY, MOMENTUM = 1e-4, 0.05, 0.996
LONG = 1_000_000
"""Steps of the imagined run, so that schedules stand still while it is measured."""

StepOnce = Callable[[Tensor], None]


def noise(sizes: IJEPA | VJEPA2, batch: int) -> Tensor:
    """A batch of noise: time does not depend on what is seen."""
    return torch.rand(batch, *sizes.samples[0], generator=torch.Generator().manual_seed(1))


def jepakit_step(method: MaskedJEPA) -> StepOnce:
    """Forward, backward, optimizer and EMA as `jepakit.train` makes them; each call draws the next masks."""
    config = optimize.AdamW(peak=RATE, start=RATE, end=RATE, decay=(DECAY, DECAY))
    optimizer, indices = optimize.build(config, method), itertools.count()

    def step(x: Tensor) -> None:
        moment = step_at(next(indices), LONG, Rows(0, len(x), len(x)))
        optimize.set_progress(optimizer, config, moment.progress)
        method({"x": x}, moment).total.backward()
        optimizer.step()
        method.after_step(moment)
        optimizer.zero_grad(set_to_none=True)

    return step


def plain_step(plain: PlainIJEPA | PlainVJEPA2) -> StepOnce:
    """The same with PyTorch's defaults."""
    learning = [parameter for parameter in plain.parameters() if parameter.requires_grad]
    optimizer, indices = torch.optim.AdamW(learning, lr=RATE, weight_decay=DECAY), itertools.count()

    def step(x: Tensor) -> None:
        plain.loss(x, step_at(next(indices), LONG, Rows(0, len(x), len(x)))).backward()
        optimizer.step()
        plain.update_average(MOMENTUM)
        optimizer.zero_grad()

    return step


def largest_difference(method: MaskedJEPA, plain: PlainIJEPA | PlainVJEPA2, x: Tensor) -> float:
    """Between loss and gradients of the two in one step, relative to the largest entry of each gradient."""
    rows = Rows(0, len(x), len(x))
    moment = lambda: step_at(0, LONG, rows)  # noqa: E731  (its generator is used up by a step)
    ours = method({"x": x}, moment()).total
    if isinstance(plain, PlainVJEPA2):  # it draws masks of its own, so it is told those of the other
        splits = method._ask(method.target(x, method.backbone), moment().shared, rows)
        theirs = plain.loss_of(x, [(split.context, split.targets[:, 0]) for split in splits])
    else:
        theirs = plain.loss(x, moment())
    ours.backward()
    theirs.backward()
    cell = tuple(plain.encoder.patches.weight.shape[1:])
    found = {
        **{f"encoder.{name}": grad for name, grad in encoder_weights(gradients(method.backbone), cell).items()},
        **{f"predictor.{name}": grad for name, grad in predictor_weights(gradients(method.predictor)).items()},
    }
    apart = [abs(ours.item() - theirs.item()) / abs(theirs.item())]
    for name, expected in gradients(plain).items():
        apart.append(((found[name] - expected).abs().max() / expected.abs().max()).item())
    for module in (method, plain):
        module.zero_grad()
    return max(apart)


def gradients(module: nn.Module) -> dict[str, Tensor]:
    """The gradients of all parameters that have one."""
    return {name: parameter.grad for name, parameter in module.named_parameters() if parameter.grad is not None}

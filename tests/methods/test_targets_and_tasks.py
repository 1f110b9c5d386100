"""Any target goes with any task: who answers is one question, what is asked another."""

import copy
from dataclasses import replace

import pytest
import torch

from jepakit.contracts import Rows, step_at
from jepakit.family import ijepa, lejepa, lvjepa, pldm, vjepa
from jepakit.parts.targets import EMATarget, FrozenTarget, SharedTarget
from jepakit.schedules import constant

STEP = step_at(0, 10, Rows(0, 8, 8))
TASKS = {
    "masks of pictures": ijepa.TINY,
    "masks of clips": vjepa.TINY,
    "views": lejepa.TINY,
    "next step": replace(lvjepa.TINY, latent="none"),
    "next step, a latent": lvjepa.TINY,
    "action": pldm.TINY,
}
TARGETS = {
    "average": lambda network, normalize: EMATarget(network, constant(0.5), normalize=normalize),
    "shared": lambda network, normalize: SharedTarget(stop_gradient=False, normalize=normalize),
    "stop-gradient": lambda network, normalize: SharedTarget(normalize=normalize),
    "frozen": lambda network, normalize: FrozenTarget(copy.deepcopy(network), normalize),
}


def noise(*shape):
    return torch.randn(8, *shape, generator=torch.Generator().manual_seed(2))


def composed(task, target):
    """The method of a task, answered by this target, and a batch for it."""
    torch.manual_seed(0)
    model = TASKS[task]
    method = model.build()
    network = getattr(method, "network", None) or method.backbone
    method.target = TARGETS[target](network, normalize=task.startswith("masks"))
    batch = {"x": noise(*model.samples[0])}
    if task == "views":
        batch |= {"globals": noise(1, 3, 32, 32), "locals": noise(2, 3, 16, 16)}
    if task == "action":
        batch |= {"actions": noise(model.frames - 1, model.action), "proprio": noise(model.frames, model.proprio)}
    return method, batch


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("task", TASKS)
def test_any_target_goes_with_any_task(task, target):
    method, batch = composed(task, target)
    before = {name: value.clone() for name, value in method.target.named_parameters()}
    losses = method(batch, STEP)
    assert losses.total.isfinite()
    losses.total.backward()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in method.backbone.parameters())
    assert all(parameter.grad is None for parameter in method.target.parameters()), "nothing is learnt from answering"
    with torch.no_grad():
        for parameter in method.backbone.parameters():
            parameter += 0.1
    method.after_step(STEP)
    moved = [name for name, value in method.target.named_parameters() if not torch.equal(value, before[name])]
    assert bool(moved) == (target == "average")
    assert (method.kept is method.backbone) == (target != "average")
    x = batch["x"]
    assert method.energy(x, x).shape == (8,)
    assert method.energy(x[:1], x[:1]).shape == (1,)

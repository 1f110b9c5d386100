"""Laws that every member of the family and every rival obeys, on its TINY."""

import itertools
import json
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from jepakit.config import Config
from jepakit.contracts import Rows, step_at
from jepakit.methods.masked import MaskedJEPA
from jepakit.methods.multiview import MultiView
from jepakit.methods.world_model import WorldModelJEPA
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.frames import by_frame, cut_frames
from jepakit.parts.targets import EMATarget, FrozenTarget
from jepakit.pretrained.networks import build_empty, fill
from jepakit.probes.rank import rank_me

EIGHT = Rows(0, 8, 8)


def train(method, batch, steps, rate=1e-3):
    """A plain loop: the losses of `steps` steps on one batch."""
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=rate)
    losses = []
    for index in range(steps):
        step = step_at(0, steps, EIGHT)
        total = method(batch, step).total
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        method.after_step(step_at(index, steps, EIGHT))
        losses.append(total.item())
    return losses


def masked(tiny):
    """The method, where it is one that hides tokens."""
    method = tiny.build()
    if not isinstance(method, MaskedJEPA):
        pytest.skip("this member hides nothing")
    return method


def test_config_survives_json(tiny):
    assert Config.from_json(json.loads(json.dumps(tiny.to_json()))) == tiny


def test_a_network_of_saved_tensors_lacks_nothing(tiny):
    """A model is opened without its first weights: what no file holds would have no numbers."""
    method, opened = tiny.build(), build_empty(tiny)
    fill(opened, method.state_dict(), "here")
    hollow = [name for name, tensor in (*opened.named_parameters(), *opened.named_buffers()) if tensor.is_meta]
    assert not hollow, hollow


def test_loss_falls_on_one_batch(tiny, batch):
    """Asked by one and the same target, for that may have become harder to please: DINO's, once it has a center."""
    method = tiny.build()
    untrained = {name: value.clone() for name, value in method.named_parameters() if value.requires_grad}
    train(method, batch, 20)
    with torch.no_grad():
        after = method(batch, step_at(0, 20, EIGHT)).total.item()
        method.load_state_dict(untrained, strict=False)
        before = method(batch, step_at(0, 20, EIGHT)).total.item()
    assert after < 0.8 * before


def target_of(method):
    """Who answers; nobody, where actions are cloned."""
    return getattr(method, "target", nn.Identity())


def test_exactly_the_learning_parameters_move(tiny, batch_of):
    method = tiny.build()
    before = {name: parameter.clone() for name, parameter in method.named_parameters()}
    for shape in tiny.samples:
        train(method, batch_of(shape), 3)
    target = target_of(method)
    targets = {f"target.{name}" for name, _ in target.named_parameters()}
    for name, parameter in method.named_parameters():
        assert parameter.requires_grad == (name not in targets), name
        still = isinstance(target, FrozenTarget) and name in targets
        assert torch.equal(parameter, before[name]) == still, f"{name} {'moved' if still else 'did not move'}"


def test_no_gradient_enters_the_target(tiny, batch):
    method = tiny.build()
    method(batch, step_at(0, 10, EIGHT)).total.backward()
    assert all(parameter.grad is None for parameter in target_of(method).parameters())


def test_average_follows_its_closed_form(tiny, batch):
    method = tiny.build()
    if not isinstance(target_of(method), EMATarget):
        pytest.skip("this member's target is no average")
    network = method.network if isinstance(method, MultiView) else method.backbone
    expected = [parameter.clone() for parameter in method.target.network.parameters()]
    for index in range(4):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        step = step_at(index, 5, EIGHT)
        method.after_step(step)
        momentum = method.target.momentum(step.progress)
        pairs = zip(expected, network.parameters(), strict=True)
        expected = [momentum * old + (1 - momentum) * new for old, new in pairs]
    for found, wanted in zip(method.target.network.parameters(), expected, strict=True):
        torch.testing.assert_close(found, wanted)


def test_hidden_input_changes_no_prediction(tiny, batch):
    """The places that are asked for may hold anything: what is predicted there stays equal, bit for bit."""
    method = masked(tiny).eval()
    asked, predicted = [], []
    method.predictor.register_forward_hook(lambda module, inputs, output: predicted.append(output.places.values))
    draw = method.maskers[0].__call__

    def noted(*arguments):
        asked.append(draw(*arguments))
        return asked[-1]

    method.maskers, method.families = (noted,), method.families[:1]
    method(batch, step_at(0, 10, EIGHT))
    hidden = torch.ones(8, math.prod(tiny.extent)).scatter_(1, asked[0].context, 0.0)
    pixels = hidden.view(8, 1, *tiny.extent)
    for axis, (size, cells) in enumerate(zip(tiny.samples[0][1:], tiny.extent, strict=True), start=2):
        pixels = pixels.repeat_interleave(size // cells, axis)
    assert pixels.any(), "the law says nothing if nothing is hidden"
    method({"x": batch["x"] + 100 * pixels}, step_at(0, 10, EIGHT))
    assert torch.equal(predicted[0], predicted[1])


def predicted(method, batch, frames, told):
    """What the dynamics of a world model say of all frames but the first."""
    with torch.no_grad():
        return by_frame(method.dynamics(cut_frames(frames, 0, batch["x"].shape[2] - 1), told))


def test_the_future_changes_no_prediction_of_a_world_model(tiny, batch):
    """Neither later frames nor later actions, bit for bit; the action of the moment does."""
    method = tiny.build().eval()
    if not isinstance(method, WorldModelJEPA):
        pytest.skip("this member does not act")
    train(method.train(), batch, 2)
    method.eval()
    changed = {name: value.clone() for name, value in batch.items()}
    last = batch["actions"].shape[1] - 1
    changed["x"][:, :, last:] += 3
    for name in ("actions", "proprio"):
        if name in changed:
            changed[name][:, last:] += 3
    found = []
    for given in (batch, changed):
        frames, _ = method.look(given["x"])
        found.append(predicted(method, given, frames, method.tell(given, given["x"].shape[2])[0]))
    assert torch.equal(found[0][:, :last], found[1][:, :last])
    frames, _ = method.look(batch["x"])
    acted = method.tell({**batch, "actions": changed["actions"]}, batch["x"].shape[2])[0]
    moved = predicted(method, batch, frames, acted)
    assert torch.equal(found[0][:, :last], moved[:, :last])
    assert not torch.allclose(found[0][:, last], moved[:, last], atol=1e-4)


def test_order_of_tokens_does_not_matter(tiny, batch):
    backbone = tiny.build().backbone.eval()
    if not isinstance(backbone, Backbone):
        pytest.skip("this member's tokens cannot be dropped, so they come in one order")
    tokens = backbone(batch["x"]).values.shape[1]
    order = torch.randperm(tokens).expand(8, -1)
    plain, shuffled = backbone(batch["x"]), backbone(batch["x"], keep=order)
    torch.testing.assert_close(shuffled.values, plain.take(order).values, atol=1e-5, rtol=1e-5)


def test_splits_are_disjoint_in_range_and_repeatable(tiny, batch):
    method = masked(tiny)
    tokens = method.backbone(batch["x"])
    for masker, seed in itertools.product(method.maskers, range(20)):
        first, second = (
            masker(tokens.coords, tokens.extent, torch.Generator().manual_seed(seed), EIGHT) for _ in range(2)
        )
        assert torch.equal(first.context, second.context)
        assert torch.equal(first.targets, second.targets)
        for context, targets in zip(first.context.tolist(), first.targets.flatten(1).tolist(), strict=True):
            seen, asked = set(context) - {-1}, set(targets) - {-1}
            assert seen, "an empty context asks nothing"
            assert not seen & asked
            assert max(seen | asked) < tokens.values.shape[1]


def test_energy_is_one_number_per_sample(tiny, batch):
    method = tiny.build().eval()
    with torch.no_grad():
        assert method.energy(batch["x"], batch["x"]).shape == (8,)
        assert method.energy(batch["x"][:1], batch["x"][:1]).shape == (1,)


def test_meters_tell_an_untrained_from_a_collapsed_model(tiny, batch):
    backbone = tiny.build().kept.eval()
    if not isinstance(backbone, Backbone):
        pytest.skip("it is collapsed by hand behind its last norm, which this member's network has not")
    with torch.no_grad():
        alive = rank_me(backbone(batch["x"]).pooled())
        for parameter in backbone.encoder.parameters():
            parameter.mul_(1e-3)
        backbone.encoder.norm.bias.fill_(1.0)
        dead = rank_me(backbone(batch["x"]).pooled())
    assert dead < 0.7 * alive


def test_padding_is_never_read(tiny, batch):
    """With masks padded to one size, each sample's energy is that of the sample alone."""
    if not hasattr(tiny, "rectangular"):
        pytest.skip("this member has no masks to make rectangular")
    method = replace(tiny, rectangular="pad").build().eval()
    coords = torch.zeros(8, math.prod(tiny.extent), len(tiny.extent))
    split = method.maskers[0](coords, tiny.extent, torch.Generator().manual_seed(0), EIGHT)
    assert (split.context == -1).any(), "the law says nothing if nothing is padded"
    with torch.no_grad():
        tokens = method.backbone(batch["x"], keep=split.context)
        for row in range(8):
            real = split.context[row][split.context[row] >= 0].unsqueeze(0)
            alone = method.backbone(batch["x"][row : row + 1], keep=real).values[0]
            torch.testing.assert_close(tokens.values[row][split.context[row] >= 0], alone, atol=1e-5, rtol=1e-4)

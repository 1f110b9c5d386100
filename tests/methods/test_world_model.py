"""The rule of worlds that are acted in: what is fed back, what is told, and that a dot in a box is learnt."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from jepakit.contracts import Method, Observation, Rows, State, WorldModel, step_at
from jepakit.family import dinowm, leworld, pldm, vjepa2_ac
from jepakit.methods.rollout import Penalty, Rollout
from jepakit.methods.world_model import WorldModelJEPA
from jepakit.parts.energies import l2
from jepakit.parts.nn.frames import Frames, by_frame, cut_frames
from jepakit.parts.nn.small_convnet import SmallConvNet
from jepakit.parts.nn.standardize import Standardize
from jepakit.parts.predictors.dynamics import Conditions, Dynamics
from jepakit.parts.regularizers.temporal import TemporalSimilarity
from jepakit.parts.targets import EMATarget, FrozenTarget, SharedTarget
from jepakit.schedules import constant
from jepakit.tokens import Tokens

MEMBERS = {"leworld": leworld.TINY, "pldm": pldm.TINY, "dinowm": dinowm.TINY, "vjepa2_ac": vjepa2_ac.TINY}
DOTS = replace(
    leworld.NANO, frames=5, network=SmallConvNet(image=(16, 16), widths=(16, 32), channels=1), dim=32, hidden=(64,),
    rollout=3, directions=64,
)  # fmt: skip


class Adds(Dynamics):
    """The latent moves by the action: a world that is known, to count with."""

    def forward(self, frames: Tokens, told: Conditions) -> Tokens:
        return frames.with_values(frames.values + told.action)

    def flops(self, frames: int, tokens: int) -> int:
        return 0


class Mean(nn.Module):
    """A picture is its mean, as one token."""

    def forward(self, x, layers=None):
        return Tokens(x.mean(dim=(1, 2, 3)).view(-1, 1, 1), torch.zeros(len(x), 1, 1))

    def flops(self, tokens):
        return 0


def known(rollout: Rollout) -> WorldModelJEPA:
    target = FrozenTarget(Frames(Mean(), 1))
    return WorldModelJEPA(None, Adds(), target, l2, Standardize(1, learns=False), rollout=rollout)


def brightening(values) -> torch.Tensor:
    """One clip whose frames have these means."""
    return torch.tensor(values).view(1, 1, -1, 1, 1).expand(1, 1, -1, 4, 4)


def draw_batch(tiny, count=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    channels, frames, *image = tiny.samples[0]
    return {
        "x": torch.randn(count, channels, frames, *image, generator=generator),
        "actions": 0.1 * torch.randn(count, frames - 1, tiny.action, generator=generator),
        "proprio": torch.rand(count, frames, tiny.proprio, generator=generator),
    }


def draw_dots(count=64, frames=5, seed=0):
    """A soft dot in a box of 16 pixels, pushed by each action; where it is; and the actions."""
    generator = torch.Generator().manual_seed(seed)
    actions = 2.5 * torch.randn(count, frames - 1, 2, generator=generator)
    places = [3 + 10 * torch.rand(count, 2, generator=generator)]
    for action in actions.unbind(dim=1):
        places.append((places[-1] + action).clamp(2, 13))
    place = torch.stack(places, dim=1)
    axis = torch.arange(16.0)
    rows, columns = (torch.exp(-(axis - place[..., side, None]).square() / 3) for side in (0, 1))
    return (rows.unsqueeze(-1) * columns.unsqueeze(-2)).unsqueeze(1), actions, place


@pytest.mark.parametrize("name", MEMBERS)
def test_members_are_methods_and_world_models(name):
    method = MEMBERS[name].build()
    assert isinstance(method, Method)
    assert isinstance(method, WorldModel)


def test_errors_are_those_of_paper_and_pencil():
    """Frames 0, 1, 3, 6 under actions of 1: from true frames 1 of (1, 3, 6) is missed by 0, 1, 2; then by 1, 3."""
    batch = {"x": brightening([0.0, 1.0, 3.0, 6.0]), "actions": torch.ones(1, 3, 1)}
    step = step_at(0, 1, Rows(0, 1, 1))
    every = known(Rollout(2))(batch, step).terms
    torch.testing.assert_close(every["prediction"], torch.tensor((0 + 1 + 4) / 3))
    torch.testing.assert_close(every["rollout"], torch.tensor((1 + 9) / 2))
    first = known(Rollout(2, from_first=True))(batch, step).terms
    torch.testing.assert_close(first["prediction"], torch.tensor((0 + 1 + 4) / 3))
    torch.testing.assert_close(first["rollout"], torch.tensor((0 + 1) / 2))
    weighed = known(Rollout(3, teacher=0.5, fed=2.0))(batch, step).terms
    torch.testing.assert_close(weighed["prediction"], torch.tensor(0.5 * 5 / 3))
    torch.testing.assert_close(weighed["rollout"], torch.tensor(2.0 * (5 + 9) / 2))
    assert "rollout" not in known(Rollout())(batch, step).terms


def test_energy_is_low_for_what_follows():
    method = known(Rollout())
    x, y = brightening([5.0, 0.0]), brightening([2.0, 4.0])
    right, wrong = torch.full((1, 2, 1), 2.0), torch.full((1, 2, 1), -1.0)
    assert method.energy(x, y, right).item() == 0
    assert method.energy(x, y, wrong).item() == pytest.approx((9 + 36) / 2)
    assert method.energy(x, y).item() < method.energy(x, y, wrong).item()


@torch.no_grad()
@pytest.mark.parametrize("name", MEMBERS)
def test_imagining_is_predicting(name):
    """From a true state, the first step of a plan is what training calls the prediction of the next frame."""
    tiny = MEMBERS[name]
    method, batch = tiny.build(), draw_batch(tiny)
    method(batch, step_at(0, 1, Rows(0, 2, 2)))  # so that the scales have seen something
    method.eval()
    frames, _ = method.look(batch["x"])
    guess = method.predict(frames, method.tell(batch, tiny.frames)[0])[0]
    known_frames = tiny.frames - 1
    observation = Observation(
        batch["x"][:, :, :known_frames], batch["proprio"][:, :known_frames], batch["actions"][:, : known_frames - 1]
    )
    found = method.imagine(method.encode(observation), batch["actions"][:, -1:].unsqueeze(1).repeat(1, 3, 1, 1))
    assert found.latent.shape[:3] == (2, 3, 1)
    for candidate in range(3):
        torch.testing.assert_close(found.latent[:, candidate, 0], by_frame(guess.frames)[:, -1], atol=1e-5, rtol=1e-5)
    felt = method.body.proprio.restore(guess.felt)[:, -1]
    torch.testing.assert_close(found.known[:, 0, 0], felt, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", MEMBERS)
def test_episodes_and_candidates_do_not_know_each_other(name):
    tiny = MEMBERS[name]
    method, batch = tiny.build().eval(), draw_batch(tiny)
    actions = 0.1 * torch.randn(2, 3, 4, tiny.action)
    state = method.encode(Observation(batch["x"], batch["proprio"], batch["actions"]))
    together = method.imagine(state, actions)
    one = {key: value[1:] for key, value in batch.items()}
    alone = method.imagine(method.encode(Observation(one["x"], one["proprio"], one["actions"])), actions[1:, 2:])
    torch.testing.assert_close(alone.latent[0, 0], together.latent[1, 2], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(alone.known[0, 0], together.known[1, 2], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_pose_of_a_hand_is_known_exactly():
    tiny = vjepa2_ac.TINY
    method, batch = tiny.build().eval(), draw_batch(tiny)
    state = method.encode(Observation(batch["x"][:, :, :1], batch["proprio"][:, :1]))
    actions = torch.zeros(2, 1, 3, 7)
    actions[..., 0], actions[..., 6] = 0.05, 1.0
    found = method.imagine(state, actions).known[:, 0]
    moved = batch["proprio"][:, :1, 0] + 0.05 * torch.arange(1, 4)
    torch.testing.assert_close(found[..., 0], moved)
    assert (found[..., 6] == 1).all(), "a gripper is closed at most"


@torch.no_grad()
def test_a_camera_is_told_of_and_stays_where_it_is():
    tiny = replace(vjepa2_ac.TINY, extrinsics=6)
    method, batch = tiny.build().eval(), draw_batch(tiny)
    with pytest.raises(ValueError, match="the data have no `extrinsics`"):
        method(batch, step_at(0, 1, Rows(0, 2, 2)))
    camera = torch.randn(2, tiny.frames, 6)
    assert method({**batch, "extrinsics": camera}, step_at(0, 1, Rows(0, 2, 2))).total > 0
    found = []
    for place in (camera, camera + 1):
        known = torch.cat([batch["proprio"], place], dim=-1)
        state = method.encode(Observation(batch["x"], known, batch["actions"]))
        found.append(method.imagine(state, 0.1 * torch.ones(2, 1, 2, 7)))
        torch.testing.assert_close(found[-1].known[:, 0, 1, 7:], place[:, -1])
    assert not torch.allclose(found[0].latent, found[1].latent, atol=1e-4)
    with pytest.raises(ValueError, match="7 numbers of the body and 6 of the camera, got 7"):
        method.encode(Observation(batch["x"], batch["proprio"]))


def test_plans_have_gradients():
    tiny = leworld.TINY
    method, batch = tiny.build(), draw_batch(tiny)
    for _ in range(2):  # AdaLN-zero hears nothing at first
        method(batch, step_at(0, 1, Rows(0, 2, 2))).total.backward()
        with torch.no_grad():
            for parameter in method.parameters():
                parameter -= 0.1 * parameter.grad if parameter.grad is not None else 0
    actions = torch.zeros(2, 3, 2, tiny.action, requires_grad=True)
    state = method.encode(Observation(batch["x"], batch["proprio"], batch["actions"]))
    method.imagine(state, actions).latent.square().sum().backward()
    assert actions.grad is not None
    assert actions.grad.abs().amin() > 0
    assert method.training, "imagining leaves the model as it was"


def test_units_of_actions_do_not_matter():
    """A model trained on millimeters imagines what one trained on meters does."""
    tiny, found = replace(pldm.TINY, proprio=0), []
    for unit in (1.0, 1000.0):
        torch.manual_seed(0)
        method, batch = tiny.build(), draw_batch(tiny)
        batch["actions"] *= unit
        method(batch, step_at(0, 1, Rows(0, 2, 2)))
        state = method.encode(Observation(batch["x"]))
        found.append(method.imagine(state, unit * torch.linspace(-1, 1, 8).view(2, 1, 2, 2)).latent)
    torch.testing.assert_close(found[0], found[1], atol=1e-4, rtol=1e-4)


def test_a_dot_in_a_box_is_learnt():
    """After 150 steps: predictions beat copying and wrong actions, and places can be read off the latents."""
    torch.manual_seed(0)
    method, rows = DOTS.build(), Rows(0, 64, 64)
    optimizer = torch.optim.AdamW(method.parameters(), 2e-3)
    for index in range(150):
        x, actions, _ = draw_dots(seed=index)
        method({"x": x, "actions": actions}, step_at(index, 150, rows)).total.backward()
        optimizer.step()
        optimizer.zero_grad()
    method.eval()
    with torch.no_grad():
        x, actions, place = draw_dots(count=256, seed=10_000)
        losses = method({"x": x, "actions": actions}, step_at(0, 1, Rows(0, 256, 256)))
        state = method.encode(Observation(x[:, :, :1]))
        true = by_frame(method.kept(x))[:, 1:]
        errors = [
            (method.imagine(state, taken.unsqueeze(1)).latent[:, 0] - true).square().mean()
            for taken in (actions, actions.roll(1, dims=0))
        ]
        latents = by_frame(method.kept(x)).flatten(0, 1).flatten(1)
        readable = torch.cat([latents, torch.ones(len(latents), 1)], dim=1)
        answer = torch.linalg.lstsq(readable[:640], place.flatten(0, 1)[:640]).solution
        missed = (readable[640:] @ answer - place.flatten(0, 1)[640:]).abs().mean()
    assert losses.metrics["against_copy"] < 0.5
    assert errors[0] < 0.5 * errors[1]
    assert missed < 1.0


def test_who_answers_is_not_asked_twice():
    tiny, calls = pldm.TINY, []
    method = tiny.build()
    method.network.register_forward_hook(lambda *_: calls.append(1))
    method(draw_batch(tiny), step_at(0, 1, Rows(0, 2, 2)))
    assert len(calls) == 1


def test_an_average_may_answer():
    tiny = replace(pldm.TINY, proprio=0)
    method = tiny.build()
    method.target = EMATarget(method.network, constant(0.9), normalize=False)
    losses = method(draw_batch(tiny), step_at(0, 1, Rows(0, 2, 2)))
    losses.total.backward()
    assert all(parameter.grad is None for parameter in method.target.parameters())
    assert method.kept is method.target.network


def test_what_is_missing_has_a_name():
    tiny = leworld.TINY
    method, batch, step = tiny.build(), draw_batch(tiny), step_at(0, 1, Rows(0, 2, 2))
    with pytest.raises(ValueError, match="the data have no `proprio`"):
        method({"x": batch["x"], "actions": batch["actions"]}, step)
    with pytest.raises(ValueError, match="these data have no `actions`"):
        method({"x": batch["x"]}, step)
    with pytest.raises(ValueError, match="4 frames have 3 actions between them, got 2"):
        method({**batch, "actions": batch["actions"][:, :2]}, step)
    with pytest.raises(ValueError, match="two frames or more"):
        method({**batch, "x": batch["x"][:, :, :1]}, step)
    with pytest.raises(ValueError, match="give observations and states with `known`"):
        method.encode(Observation(batch["x"]))
    with pytest.raises(ValueError, match="give observations and states with `known`"):
        method.imagine(State(torch.randn(2, 1, 24)), torch.zeros(2, 1, 1, 3))
    with pytest.raises(ValueError, match="cannot pay penalties"):
        WorldModelJEPA(
            None, Adds(), SharedTarget(), l2, Standardize(1), penalties={"near": Penalty(1.0, TemporalSimilarity())}
        )
    with pytest.raises(ValueError, match="1 step or more"):
        Rollout(0)


def test_later_frames_change_no_latent():
    """Every frame is encoded alone, bit for bit."""
    for tiny in MEMBERS.values():
        method, x = tiny.build().eval(), draw_batch(tiny)["x"]
        changed = x.clone()
        changed[:, :, -1] += 5
        before, after = (method.kept(clip) for clip in (x, changed))
        last = tiny.frames - 1
        assert torch.equal(cut_frames(before, 0, last).values, cut_frames(after, 0, last).values)
        assert not torch.equal(before.values, after.values)


def test_what_has_settled_stays_and_the_dynamics_go_on():
    method = replace(pldm.TINY, proprio=0, hidden=(16,), settled=0.5).build()
    generator = torch.Generator().manual_seed(0)
    batch = {
        "x": torch.randn(4, 3, 4, 16, 16, generator=generator),
        "actions": torch.randn(4, 3, 2, generator=generator),
    }
    early = method(batch, step_at(4, 11, Rows(0, 4, 4)))
    assert {"moments", "similarity", "inverse"} < early.terms.keys()
    late = method(batch, step_at(5, 11, Rows(0, 4, 4)))
    assert late.terms.keys() == {"prediction", "rollout"}
    late.total.backward()
    assert all(parameter.grad is None for parameter in method.network.parameters())
    assert all(parameter.grad is not None for parameter in method.dynamics.parameters())
    assert method.takes_turns
    assert not pldm.TINY.build().takes_turns

"""What comes next under an action: step by step is all at once, and every way of telling is heard."""

import pytest
import torch
from torch import nn

from jepakit.parts.nn.causal import CausalTransformer
from jepakit.parts.nn.frames import by_frame, cut_frames
from jepakit.parts.nn.initialize import initialize
from jepakit.parts.nn.position import Rotary
from jepakit.parts.predictors.body import LearntBody
from jepakit.parts.predictors.causal import AsTokens, Beside, ByScaling, CausalDynamics, LearnedPlaces, RotaryPlaces
from jepakit.parts.predictors.convolutional import ConvDynamics
from jepakit.parts.predictors.dynamics import Conditions, Dynamics, laid_like
from jepakit.parts.predictors.recurrent import RecurrentDynamics
from jepakit.parts.predictors.residual import ResidualDynamics
from jepakit.tokens import Tokens

DIM, ACTION, STATE, WINDOW, SIDE, WIDTH = 6, 3, 2, 3, 2, 12


def transformer(way: str) -> CausalDynamics:
    rotary = way.endswith("rotary")
    match way.split()[0]:
        case "tokens":
            telling = AsTokens(DIM, WIDTH, ACTION, STATE)
        case "beside":
            telling = Beside(DIM, WIDTH, ACTION, STATE, told=4)
        case _:
            telling = ByScaling(DIM, WIDTH, ACTION + STATE)
    size = SIDE * SIDE + telling.extra
    position = RotaryPlaces(Rotary(6), WINDOW, telling.extra) if rotary else LearnedPlaces(WINDOW, size, WIDTH)
    encoder = CausalTransformer(WIDTH, 2, 2, 6, condition=WIDTH if way.startswith("scaling") else None)
    return CausalDynamics(telling, position, encoder, nn.Linear(WIDTH, DIM), WINDOW)


TRANSFORMERS = [f"{way} {places}" for way in ("tokens", "beside", "scaling") for places in ("rotary", "learned")]
WAYS = {
    **dict.fromkeys(TRANSFORMERS, transformer),
    "residual": lambda _: ResidualDynamics(DIM, ACTION + STATE, (16,)),
    "recurrent": lambda _: RecurrentDynamics(DIM, ACTION + STATE),
    "maps": lambda _: ConvDynamics(DIM, ACTION + STATE, width=8),
}


@pytest.fixture(params=WAYS)
def dynamics(request: pytest.FixtureRequest) -> Dynamics:
    """One of all kinds, with noise on every parameter, for some begin at zero."""
    torch.manual_seed(0)
    made = WAYS[request.param](request.param).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made


def draw(frames: int, batch: int = 2) -> tuple[Tokens, Conditions]:
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(batch, frames, SIDE * SIDE, DIM, generator=generator)
    coords = torch.tensor([[0.0, row, column] for row in range(SIDE) for column in range(SIDE)]).expand(batch, -1, -1)
    first = Tokens(values[:, 0], coords, None, (1, SIDE, SIDE))
    told = (torch.randn(batch, frames, width, generator=generator) for width in (ACTION, STATE))
    return laid_like(first, values), Conditions(*told)


@torch.no_grad()
def test_step_by_step_is_all_at_once(dynamics):
    """From no past, and from one that is given whole."""
    frames, told = draw(WINDOW)
    whole = by_frame(dynamics(frames, told))
    for known in range(WINDOW):
        memory = dynamics.begin(cut_frames(frames, 0, known), told.cut(0, known))
        for moment in range(known, WINDOW):
            frame = cut_frames(frames, moment, moment + 1)
            said, memory = dynamics.advance(memory, frame, told.cut(moment, moment + 1))
            torch.testing.assert_close(said.values, whole[:, moment], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_full_window_slides(dynamics):
    """After more steps than it looks back over, what is said is said of the last ones."""
    frames, told = draw(WINDOW + 2)
    memory, said = dynamics.begin(cut_frames(frames, 0, 0), told.cut(0, 0)), None
    for moment in range(WINDOW + 2):
        said, memory = dynamics.advance(memory, cut_frames(frames, moment, moment + 1), told.cut(moment, moment + 1))
    last = laid_like(frames, by_frame(frames)[:, -dynamics.window :])
    expected = by_frame(dynamics(last, told.cut(WINDOW + 2 - dynamics.window, WINDOW + 2)))[:, -1]
    torch.testing.assert_close(said.values, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_all_that_is_told_is_heard_and_only_from_then_on(dynamics):
    frames, told = draw(WINDOW)
    plain = by_frame(dynamics(frames, told))
    for name in ("action", "state"):
        parts = {"action": told.action.clone(), "state": told.state.clone()}
        parts[name][:, 1] += 1
        changed = by_frame(dynamics(frames, Conditions(**parts)))
        assert torch.equal(changed[:, 0], plain[:, 0])
        assert not torch.allclose(changed[:, 1], plain[:, 1], atol=1e-3)


@torch.no_grad()
def test_the_past_is_looked_at_where_there_is_a_window(dynamics):
    frames, told = draw(WINDOW)
    values = by_frame(frames).clone()
    values[:, 0] += 1
    moved = by_frame(dynamics(laid_like(frames, values), told)) - by_frame(dynamics(frames, told))
    assert moved[:, 0].abs().max() > 1e-3
    assert (moved[:, 1].abs().max() > 1e-4) == (dynamics.window > 1)


def test_gradients_reach_actions_through_many_steps(dynamics):
    frames, told = draw(1)
    action = told.action.clone().requires_grad_()
    memory, frame = dynamics.begin(cut_frames(frames, 0, 0), told.cut(0, 0)), frames
    for _ in range(WINDOW + 1):
        frame, memory = dynamics.advance(memory, frame, Conditions(action, told.state))
    frame.values.sum().backward()
    assert action.grad is not None
    assert action.grad.abs().min() > 0


def test_too_long_clips_are_refused():
    frames, told = draw(WINDOW + 1)
    with pytest.raises(ValueError, match="clips of 4 frames at most, got 5"):
        transformer("tokens rotary")(frames, told)


def test_tokens_that_are_missing_or_too_many_are_named():
    frames, told = draw(2)
    with pytest.raises(ValueError, match="needs a token for the body"):
        transformer("tokens rotary")(frames, Conditions(told.action))
    with pytest.raises(ValueError, match="has no token for the camera"):
        transformer("tokens rotary")(frames, Conditions(told.action, told.state, told.state))


def test_frames_of_another_size_are_refused():
    frames, told = draw(2)
    fewer = Tokens(frames.values[:, :2], frames.coords[:, :2], None, (2, 1, 1))
    with pytest.raises(ValueError, match="made for 4 tokens a frame, and these have 1"):
        transformer("beside learned")(fewer, told)


def test_scaling_begins_as_the_identity():
    """AdaLN-zero: before training, no action changes anything."""
    dynamics = transformer("scaling learned")
    initialize(dynamics)
    frames, told = draw(2)
    other = Conditions(told.action + 5, told.state)
    torch.testing.assert_close(dynamics(frames, told).values, dynamics(frames, other).values, atol=0, rtol=0)


def test_a_body_that_nobody_taught_stays_where_it_is():
    body = LearntBody(STATE, ACTION, DIM)
    felt = torch.randn(5, STATE)
    assert torch.equal(body(felt, torch.randn(5, ACTION), torch.randn(5, DIM)), felt)

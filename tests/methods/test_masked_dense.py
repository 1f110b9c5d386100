"""The dense loss of V-JEPA 2.1 against loops in NumPy: nothing of its predictor was ever recorded."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from jepakit.contracts import Rows, step_at
from jepakit.family.vjepa21 import TINY, VJEPA21, spaced
from jepakit.methods.masked import ContextLoss, MaskedJEPA
from jepakit.recipes.videos import vjepa21_vitl16
from jepakit.schedules import constant
from jepakit.tokens import Places, Split, Tokens

BATCH, GRID = 3, (2, 4, 4)
LEVELS = spaced(TINY.depth, TINY.levels)


@dataclass(frozen=True)
class Given:
    """A masker that asks one question."""

    split: Split

    def __call__(self, coords: Tensor, extent: tuple[int, ...] | None, generator: Generator, rows: Rows) -> Split:
        return self.split


def ask(seed: int, context: int, targets: int, padding: int = 0) -> Split:
    """Disjoint places, others for every sample; the last sample has `padding` fewer of both."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.stack([torch.randperm(32, generator=generator) for _ in range(BATCH)])
    seen, hidden = order[:, :context].clone(), order[:, context : context + targets].clone()
    if padding:
        seen[-1, -padding:] = hidden[-1, -padding:] = -1
    return Split(seen, hidden.unsqueeze(1))


@torch.no_grad()
def build(model: VJEPA21, splits: list[Split]) -> MaskedJEPA:
    torch.manual_seed(0)
    method = model.build().eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in method.parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    method.maskers = tuple(Given(split) for split in splits)
    return method


def place(token: int) -> np.ndarray:
    """Time, row and column of a token, counted in patches."""
    return np.array(np.unravel_index(token, GRID), dtype=np.float64)


def normalize(levels: np.ndarray) -> np.ndarray:
    """Each level of an answer with mean 0 and variance 1, by itself (eps as in `layer_norm`)."""
    parts = levels.reshape(TINY.levels, -1).astype(np.float64)
    centered = parts - parts.mean(axis=1, keepdims=True)
    return (centered / np.sqrt(parts.var(axis=1, keepdims=True) + 1e-5)).reshape(-1)


def count_errors(
    answers: np.ndarray, said: np.ndarray, asked: np.ndarray, near: np.ndarray | None = None
) -> np.ndarray:
    """Mean absolute error of each sample over the places asked; with `near`, over root of distance to the nearest."""
    means = []
    for sample, places in enumerate(asked):
        errors = []
        for index, token in enumerate(places):
            if token < 0:
                continue
            error = np.abs(said[sample, index].astype(np.float64) - normalize(answers[sample, token])).mean()
            if near is not None:
                others = [other for other in near[sample] if other >= 0]
                error /= np.sqrt(min(np.linalg.norm(place(token) - place(other)) for other in others))
            errors.append(error)
        means.append(np.mean(errors))
    return np.array(means)


@torch.no_grad()
def expect(method: MaskedJEPA, x: Tensor, splits: list[Split], by_distance: bool) -> tuple[float, float]:
    """Both terms, before the second one gets its share."""
    answers = method.kept(x, layers=LEVELS).values.numpy()
    hidden, seen = [], []
    for family, split in enumerate(splits):
        context = method.backbone(x, keep=split.context, layers=LEVELS)
        asked = method.backbone(x).take(split.targets.flatten(1))
        valid = None if asked.valid is None else asked.valid.unsqueeze(1)
        said = method.predictor(context, Places(asked.coords.unsqueeze(1), valid), family)
        assert said.context is not None
        places, kept = split.targets.flatten(1).numpy(), split.context.numpy()
        hidden.append(count_errors(answers, said.places.values.numpy(), places))
        seen.append(count_errors(answers, said.context.values.numpy(), kept, places if by_distance else None))
    return float(np.mean(hidden)), float(np.mean(seen))


QUESTIONS = {
    "one length": [ask(1, 10, 20), ask(2, 6, 8)],
    "padded": [ask(3, 10, 20, padding=4), ask(4, 9, 9, padding=2)],
}


@pytest.mark.parametrize("by_distance", [True, False])
@pytest.mark.parametrize("splits", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_both_terms_are_those_of_the_loops(splits: list[Split], by_distance: bool) -> None:
    method = build(replace(TINY, by_distance=by_distance), splits)
    x = torch.randn(BATCH, 3, 4, 32, 32, generator=torch.Generator().manual_seed(5))
    hidden, seen = expect(method, x, splits, by_distance)
    losses = method({"x": x}, step_at(9, 10, Rows(0, BATCH, BATCH)))
    assert losses.terms["prediction"].item() == pytest.approx(hidden, rel=1e-5)
    assert losses.terms["context"].item() == pytest.approx(0.5 * seen, rel=1e-5)


def test_nearness_counts() -> None:
    """The tests above say nothing about distance unless it changes the loss."""
    splits = QUESTIONS["one length"]
    x = torch.randn(BATCH, 3, 4, 32, 32, generator=torch.Generator().manual_seed(5))
    method = build(TINY, splits)
    weighted, plain = expect(method, x, splits, True)[1], expect(method, x, splits, False)[1]
    assert weighted < 0.99 * plain


@pytest.mark.parametrize(("step", "share"), [(0, 0.0), (15_000, 0.0), (22_500, 0.25), (30_000, 0.5), (134_999, 0.5)])
def test_the_share_of_what_is_seen_rises_as_released(step: int, share: float) -> None:
    """From step 15,000 to 30,000 of 135,000, linearly to one half."""
    splits = QUESTIONS["one length"]
    method = build(replace(TINY, context_ramp=VJEPA21().context_ramp), splits)
    x = torch.randn(BATCH, 3, 4, 32, 32, generator=torch.Generator().manual_seed(5))
    _, seen = expect(method, x, splits, True)
    losses = method({"x": x}, step_at(step, 135_000, Rows(0, BATCH, BATCH)))
    assert losses.terms["context"].item() == pytest.approx(share * seen, rel=2e-3, abs=1e-3)


@pytest.mark.parametrize(("step", "weighted"), [(0, True), (7, True), (8, False), (9, False)])
def test_distances_count_until_the_last_phase_begins(step: int, weighted: bool) -> None:
    """Steps 0 to 7 of 10 are the phase before, as `Stage(begins=0.8)` counts them."""
    splits = QUESTIONS["one length"]
    method = build(replace(TINY, context_ramp=(0.0, 0.0), distance_until=0.8), splits)
    x = torch.randn(BATCH, 3, 4, 32, 32, generator=torch.Generator().manual_seed(5))
    losses = method({"x": x}, step_at(step, 10, Rows(0, BATCH, BATCH)))
    seen = expect(method, x, splits, weighted)[1]
    assert seen != pytest.approx(expect(method, x, splits, not weighted)[1], rel=1e-2)
    assert losses.terms["context"].item() == pytest.approx(0.5 * seen, rel=2e-3)


def test_the_recipe_ends_them_where_its_last_stage_begins() -> None:
    run = vjepa21_vitl16()
    (stage,) = run.stages
    assert isinstance(run.model, VJEPA21)
    assert run.model.distance_until == stage.begins == 135_000 / 147_000


@pytest.mark.parametrize(("rows", "unit"), [(4, 1), (16, 1), (24, 1), (32, 2), (48, 3)])
def test_nearness_on_finer_grids_is_counted_in_sixteenths_if_asked_to(rows: int, unit: int) -> None:
    """The released code divides distances by the whole part of a sixteenth of the rows."""
    extent = (2, rows, rows)
    seen = Tokens(torch.zeros(1, 1, 1), torch.zeros(1, 1, 3), None, extent)
    hidden = Tokens(torch.zeros(1, 1, 1), torch.tensor([[[0.0, 3.0, 0.0]]]), None, extent)
    found = ContextLoss(constant(0.5), scale_distance=True).weight(seen, hidden)
    assert found is not None
    assert found.item() == pytest.approx((3 / unit) ** -0.5)
    plain = ContextLoss(constant(0.5)).weight(seen, hidden)
    assert plain is not None
    assert plain.item() == pytest.approx(3**-0.5)

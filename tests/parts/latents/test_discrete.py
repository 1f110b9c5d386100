"""Codes: the search is exact, the prior measures, gradients go where they should."""

import math

import pytest
import torch

from jepakit.contracts import Latent, Rows, step_at
from jepakit.parts.latents.discrete import CategoricalCodes, Codebook, QuantizedCodes, SearchedCodes
from jepakit.parts.latents.reader import Reader
from jepakit.parts.nn.position import Rotary, grid
from jepakit.parts.nn.transformer import Transformer
from jepakit.tokens import Tokens

CODES, WIDTH, DIM, BATCH = 5, 4, 16, 12
EVERYONE = Rows(0, BATCH, BATCH)


def tokens(seed, start=0, rows=BATCH):
    values = torch.randn(rows, 8, DIM, generator=torch.Generator().manual_seed(seed))
    coords = grid((2, 2, 2)).expand(rows, -1, -1).clone()
    coords[..., 0] += start
    return Tokens(values, coords, None, (2, 2, 2))


def make(kind):
    torch.manual_seed(0)
    book, encoder = Codebook(CODES, WIDTH, DIM), Transformer(DIM, 1, 2)
    match kind:
        case "searched":
            return SearchedCodes(book, explore=0.0)
        case "categorical":
            return CategoricalCodes(book, Reader(DIM, Rotary(8), encoder, DIM, CODES), temperature=1.0, price=0.1)
        case "quantized":
            return QuantizedCodes(book, Reader(DIM, Rotary(8), encoder, DIM, WIDTH))


KINDS = ("searched", "categorical", "quantized")


def bowl(z):
    """An energy with its own bottom for every question."""
    bottoms = torch.randn(len(z), 1, WIDTH, generator=torch.Generator().manual_seed(7))
    return ((z - bottoms) ** 2).sum(dim=2)


@pytest.mark.parametrize("kind", KINDS)
def test_search_equals_brute_force(kind):
    latent = make(kind)
    found = latent.search(tokens(0), tokens(1, start=2), bowl)
    for question in range(BATCH):
        energies = [float(bowl(code.expand(BATCH, 1, -1))[question, 0]) for code in latent.book.vectors.detach()]
        best = min(range(CODES), key=energies.__getitem__)
        assert torch.equal(found[question], latent.book.vectors[best])


@pytest.mark.parametrize("kind", KINDS)
def test_inferred_is_a_code_and_what_it_tells_is_no_less_than_nothing(kind):
    latent = make(kind)
    assert isinstance(latent, Latent)
    found, again = (latent.infer(tokens(0), tokens(1, start=2), bowl, step_at(3, 10, EVERYONE)) for _ in range(2))
    nearest = torch.cdist(found.z, latent.book.vectors).amin(dim=1)
    assert (nearest < 1e-3).all()
    assert (found.nats >= 0).all()
    assert torch.equal(found.z, again.z)


def test_a_share_of_codes_is_drawn_by_lot():
    latent = make("searched")
    latent.explore = 0.5
    best = make("searched").infer(tokens(0, rows=400), tokens(1, rows=400), bowl, step_at(0, 9, Rows(0, 400, 400)))
    found = latent.infer(tokens(0, rows=400), tokens(1, rows=400), bowl, step_at(0, 9, Rows(0, 400, 400)))
    changed = (found.z != best.z).any(dim=1).float().mean()
    assert changed == pytest.approx(0.5 * (CODES - 1) / CODES, abs=0.08)
    assert torch.equal(found.nats, best.nats), "what was drawn by lot is not what is measured"


@pytest.mark.parametrize("kind", ["searched", "categorical"])
def test_draws_are_for_the_global_batch(kind):
    """Two halves of a batch infer what the whole does."""
    latent = make(kind)
    if kind == "searched":
        latent.explore = 0.5
    whole = latent.infer(tokens(0), tokens(1), bowl, step_at(3, 10, EVERYONE))
    half = BATCH // 2
    for first in (0, half):
        context, answer = (
            Tokens(part.values[first : first + half], part.coords[first : first + half], None, part.extent)
            for part in (tokens(0), tokens(1))
        )
        found = latent.infer(
            context, answer, lambda z, first=first: bowl_of(z, first), step_at(3, 10, Rows(first, half, BATCH))
        )
        torch.testing.assert_close(found.z, whole.z[first : first + half])


def bowl_of(z, first):
    bottoms = torch.randn(BATCH, 1, WIDTH, generator=torch.Generator().manual_seed(7))[first : first + len(z)]
    return ((z - bottoms) ** 2).sum(dim=2)


def test_the_prior_learns_how_often_codes_come_and_leaves_the_context_alone():
    """Codes that come with known shares, whatever the context: the length of messages falls to their entropy."""
    latent, context = make("searched"), tokens(0, rows=200)
    context.values.requires_grad_(True)
    shares = torch.tensor([0.5, 0.25, 0.25, 0.0, 0.0])
    index = torch.repeat_interleave(torch.arange(CODES), (200 * shares).long())

    def energy(z):
        code = torch.cdist(z, latent.book.vectors.detach().expand(len(z), -1, -1)).argmin(dim=2)
        return (code != index.unsqueeze(1)).float()

    optimizer = torch.optim.Adam(latent.parameters(), lr=0.03)
    for step in range(60):
        found = latent.infer(Tokens(context.values[torch.randperm(200)], context.coords, None, context.extent),
                             tokens(1, rows=200), energy, step_at(step, 60, Rows(0, 200, 200)))  # fmt: skip
        optimizer.zero_grad()
        found.cost.mean().backward()
        optimizer.step()
    assert context.values.grad is None
    assert found.nats.detach().mean().item() / math.log(2) == pytest.approx(1.5, abs=0.25)
    drawn = latent.sample(tokens(2, rows=50), 40, torch.Generator().manual_seed(0))
    codes = torch.cdist(drawn.flatten(0, 1), latent.book.vectors).argmin(dim=1)
    assert torch.bincount(codes, minlength=CODES)[:3].sum() > 0.9 * len(codes)


def test_categorical_gradient_is_that_of_the_mixture():
    latent = make("categorical")
    found = latent.infer(tokens(0), tokens(1), bowl, step_at(3, 10, EVERYONE))
    weights = torch.randn(BATCH, WIDTH, generator=torch.Generator().manual_seed(2))
    (found.z * weights).sum().backward()
    assert latent.reader.projection.weight.grad.abs().sum() > 0
    assert latent.book.vectors.grad.abs().sum() > 0


def test_quantized_gradient_goes_to_the_vector_as_if_there_were_no_code():
    latent = make("quantized")
    found = latent.infer(tokens(0), tokens(1), bowl, step_at(3, 10, EVERYONE))
    (gradient,) = torch.autograd.grad(found.z.sum(), [latent.reader.projection.bias], retain_graph=True)
    torch.testing.assert_close(gradient, torch.full((WIDTH,), float(BATCH)))
    assert torch.autograd.grad(found.z.sum(), [latent.book.vectors], allow_unused=True, retain_graph=True)[0] is None
    assert torch.autograd.grad(found.cost.sum(), [latent.book.vectors])[0].abs().sum() > 0


def test_quantized_codes_begin_so_close_that_small_differences_choose_among_them():
    told = 0.1 * torch.randn(256, WIDTH, generator=torch.Generator().manual_seed(1))
    chosen = make("quantized").book.nearest(told).bincount(minlength=CODES)
    assert (chosen > 10).all(), "far apart, the shortest code is chosen for nearly all"


def test_bad_numbers_get_one_sentence():
    with pytest.raises(ValueError, match="explore is a share"):
        SearchedCodes(Codebook(2, 2, 2), explore=1.0)
    with pytest.raises(ValueError, match="temperature is above 0"):
        CategoricalCodes(Codebook(2, 2, 2), make("categorical").reader, temperature=0.0, price=0.0)

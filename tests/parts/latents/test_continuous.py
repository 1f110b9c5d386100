"""Vectors with noise: what they tell is a divergence, and the search goes down."""

import pytest
import torch
from scipy import integrate, stats

from jepakit.contracts import Latent, Rows, step_at
from jepakit.parts.latents.continuous import GaussianLatent, SparseLatent
from jepakit.parts.latents.inference import descend
from jepakit.parts.latents.information import laplace_divergence
from jepakit.parts.latents.reader import Reader
from jepakit.parts.nn.position import Rotary, grid
from jepakit.parts.nn.transformer import Transformer
from jepakit.tokens import Tokens

WIDTH, DIM, BATCH = 3, 16, 10


def tokens(seed, start=0):
    values = torch.randn(BATCH, 8, DIM, generator=torch.Generator().manual_seed(seed))
    coords = grid((2, 2, 2)).expand(BATCH, -1, -1).clone()
    coords[..., 0] += start
    return Tokens(values, coords, None, (2, 2, 2))


def make(kind, price=0.1):
    torch.manual_seed(0)

    def reader(outputs):
        return Reader(DIM, Rotary(8), Transformer(DIM, 1, 2), DIM, outputs)

    if kind == "gaussian":
        return GaussianLatent(reader(2 * WIDTH), WIDTH, price)
    return SparseLatent(reader(WIDTH), WIDTH, price)


def bowl(z):
    return ((z - torch.tensor([2.0, -1.0, 0.0])) ** 2).sum(dim=2)


KINDS = ("gaussian", "sparse")


@pytest.mark.parametrize("kind", KINDS)
def test_fits_the_protocol(kind):
    latent = make(kind)
    assert isinstance(latent, Latent)
    found = latent.infer(tokens(0), tokens(1, start=2), bowl, step_at(0, 9, Rows(0, BATCH, BATCH)))
    assert found.z.shape == (BATCH, WIDTH)
    assert (found.nats > 0).all()
    assert latent.sample(tokens(0), 6, torch.Generator().manual_seed(0)).shape == (BATCH, 6, WIDTH)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_price_search_finds_the_bottom(kind):
    latent = make(kind, price=0.0)
    latent.steps = 300
    found = latent.search(tokens(0), tokens(1, start=2), bowl)
    torch.testing.assert_close(found, torch.tensor([2.0, -1.0, 0.0]).expand(BATCH, -1), atol=1e-2, rtol=0)
    assert all(parameter.grad is None for parameter in latent.parameters())


def test_a_price_pulls_towards_what_is_expected():
    """The bottom of (z - c)^2 + p z^2 / 2 is at 2 c / (2 + p)."""
    latent = make("gaussian", price=2.0)
    latent.steps = 300
    found = latent.search(tokens(0), tokens(1, start=2), bowl)
    torch.testing.assert_close(found, torch.tensor([1.0, -0.5, 0.0]).expand(BATCH, -1), atol=1e-2, rtol=0)


def test_descent_never_ends_higher_than_it_began():
    start = torch.randn(BATCH, WIDTH, generator=torch.Generator().manual_seed(0))
    for rate in (1e-3, 100.0):
        end = descend(bowl, start, steps=5, rate=rate)
        assert (bowl(end.unsqueeze(1)) <= bowl(start.unsqueeze(1))).all()


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_drawn_for_the_global_batch(kind):
    latent = make(kind)
    whole = latent.infer(tokens(0), tokens(1), bowl, step_at(0, 9, Rows(0, BATCH, BATCH)))
    late = [Tokens(part.values[4:], part.coords[4:], None, part.extent) for part in (tokens(0), tokens(1))]
    found = latent.infer(*late, bowl, step_at(0, 9, Rows(4, BATCH - 4, BATCH)))
    torch.testing.assert_close(found.z, whole.z[4:])


def test_draws_of_a_sparse_latent_have_the_scales_of_its_prior():
    latent = make("sparse")
    latent.log_scale.data = torch.tensor([0.5, 1.0, 3.0]).log()
    drawn = latent.sample(tokens(0), 3_000, torch.Generator().manual_seed(0)).detach()
    for number, scale in enumerate((0.5, 1.0, 3.0)):
        values = drawn[..., number].flatten().numpy()
        assert stats.kstest(values, stats.laplace(scale=scale).cdf).statistic < 0.015


def test_the_reader_reads_the_answer_and_no_gradient_enters_it():
    latent, context, answer = make("gaussian"), tokens(0), tokens(1, start=2)
    for part in (context, answer):
        part.values.requires_grad_(True)
    latent.infer(context, answer, bowl, step_at(0, 9, Rows(0, BATCH, BATCH))).z.sum().backward()
    assert context.values.grad is None
    assert answer.values.grad is None
    other = latent.search(context, tokens(5, start=2), lambda z: z.sum(dim=2) * 0)
    assert not torch.allclose(other, latent.search(context, answer, lambda z: z.sum(dim=2) * 0))


@pytest.mark.parametrize("kind", KINDS)
def test_bad_numbers_get_one_sentence(kind):
    with pytest.raises(ValueError, match="0 or above"):
        make(kind, price=-1.0)


@pytest.mark.parametrize(("mean", "std", "scale"), [(0.0, 0.1, 0.08), (1.3, 0.1, 0.5), (-0.4, 0.7, 2.0)])
def test_laplace_divergence_is_the_integral(mean, std, scale):
    normal, laplace = stats.norm(mean, std), stats.laplace(scale=scale)
    span = (mean - 10 * std, mean + 10 * std)
    expected, _ = integrate.quad(lambda x: normal.pdf(x) * (normal.logpdf(x) - laplace.logpdf(x)), *span, points=[0.0])
    log = [torch.tensor([value], dtype=torch.float64).log() for value in (std, scale)]
    found = laplace_divergence(torch.tensor([[mean]], dtype=torch.float64), *log)
    assert found.item() == pytest.approx(expected, rel=1e-5)

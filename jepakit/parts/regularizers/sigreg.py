"""SIGReg: embeddings are an isotropic Gaussian if every projection of them is a Gaussian (LeJEPA, 2511.08544).

The statistic is that of Epps and Pulley: the distance between two characteristic functions, of the numbers and of
N(0, 1). Its knots are equispaced, so that cosines and sines of all knots follow from those of the first by a recurrence
(Chebyshev's, in Reinsch's form), and so does the gradient (Clenshaw's): one sine and one cosine per number, and nothing
of the size [n, directions, knots].
"""

import math
from collections.abc import Iterator
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from jepakit.contracts import Step
from jepakit.parts.nn.collective import sum_over_ranks
from jepakit.parts.nn.linear import linear
from jepakit.parts.regularizers.samples import Samples, require_several, wide

Over = Literal["samples", "views", "all"]
"""What makes up one distribution: the samples of one view (of one frame), the views (the frames) of one sample, or all
of them together."""
CPU_CHUNK, CHUNK = 1 << 15, 1 << 22
"""Numbers that are worked on at once: few enough to stay in the cache of a core, or enough to keep a GPU busy."""


@runtime_checkable
class NormalityTest(Protocol):
    """How far samples of numbers are from N(0, 1): one statistic per sample, 0 or small where they fit."""

    def __call__(self, samples: Samples) -> Float[Tensor, "r"]: ...


class EppsPulley:
    """N times the integral of |ecf(t) - exp(-t^2/2)|^2 exp(-t^2/2) dt, by the trapezoidal rule (2511.08544).

    `knots` equispaced points in [0, `range`]; the negative half is alike and doubles the inner ones.
    """

    def __init__(self, knots: int = 17, range: float = 3.0) -> None:
        if knots < 2 or range <= 0:
            raise ValueError(f"the test needs 2 knots or more and a range above 0, got {knots} knots, range {range}")
        self.knots, self.spacing = knots, range / (knots - 1)

    def __call__(self, samples: Samples) -> Float[Tensor, "r"]:
        sums = samples.everywhere(_Waves.apply(samples.values, self.knots - 1, self.spacing))
        # Few numbers, of which close ones are subtracted: they are worth float64. At the first knot, 0, both
        # functions are 1.
        count = samples.count.double()
        knots = self.spacing * torch.arange(1, self.knots, dtype=torch.float64, device=sums.device)
        normal = torch.exp(-knots.square() / 2)
        weight = 2 * self.spacing * normal
        weight[-1] /= 2
        real, imaginary = (sums.double() / count).unbind(dim=0)
        statistics = count * (((real - normal).square() + imaginary.square()) @ weight)
        return statistics.to(samples.values.dtype)


class _Waves(torch.autograd.Function):
    """[r n] -> [2 r k]: sums over n of cos(j h x) and sin(j h x), for j from 1 to k."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, count: int, spacing: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.spacing = spacing
        sums = x.new_empty(2, len(x), count)
        for rows in _chunks(x):
            wave, rise, fall = _first_waves(x[rows], spacing)
            for j in range(count):
                sums[:, rows, j] = wave.sum(dim=-1)
                wave.add_(rise.addcmul_(wave, fall, value=-1))
        return sums

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor, None, None]:
        """h times the sum over j of j (sine's gradient cos(j h x) - cosine's gradient sin(j h x))."""
        (x,), (gradient,) = ctx.saved_tensors, gradients
        order = ctx.spacing * torch.arange(1, gradient.shape[-1] + 1, dtype=x.dtype, device=x.device)
        factors = torch.stack([gradient[1] * order, -gradient[0] * order]).unsqueeze(2)
        found = torch.empty_like(x)
        for rows in _chunks(x):
            wave, rise, fall = _first_waves(x[rows], ctx.spacing)
            value, rise = torch.zeros_like(wave), torch.zeros_like(wave)
            for factor in factors[:, rows].unbind(dim=-1)[::-1]:
                value.add_(rise.addcmul_(value, fall, value=-1).add_(factor))
            cosines, sines = value.unbind(dim=0)
            torch.addcmul(rise[0], cosines, fall, value=-0.5, out=found[rows]).addcmul_(sines, wave[1])
        return found, None, None


def _chunks(x: Float[Tensor, "r n"]) -> Iterator[slice]:
    size = max((CPU_CHUNK if x.device.type == "cpu" else CHUNK) // max(x.shape[1], 1), 1)
    return (slice(start, start + size) for start in range(0, len(x), size))


def _first_waves(
    x: Float[Tensor, "r n"], spacing: float
) -> tuple[Float[Tensor, "2 r n"], Float[Tensor, "2 r n"], Float[Tensor, "r n"]]:
    """Cosine and sine of the first knot, how much they rose from knot 0, and 4 sin^2(h x / 2).

    The last is how fast the rise falls from knot to knot. Reinsch's form of the recurrence, which adds up rises, keeps
    the digits that Chebyshev's loses where angles are small.
    """
    angle = x * (spacing / 2)
    sine = angle.sin()
    wave, rise = x.new_empty(2, *x.shape), x.new_empty(2, *x.shape)
    torch.mul(sine, angle.cos_(), out=rise[1]).mul_(2)
    torch.mul(sine, sine, out=rise[0]).mul_(-2)
    torch.add(rise[0], 1, out=wave[0])
    wave[1] = rise[1]
    return wave, rise, rise[0] * -2


class Sliced(nn.Module):
    """A test of N(0, 1) along random directions, averaged over them; the directions are new in every step.

    One that finds nothing along any direction says that embeddings are an isotropic Gaussian (Cramer and Wold), and so
    they neither collapse nor correlate. On sequences, `over` says whose distribution is meant. Raises ValueError for
    groups of one.
    """

    def __init__(self, test: NormalityTest, directions: int = 1024, over: Over = "samples") -> None:
        super().__init__()
        if directions < 1:
            raise ValueError(f"embeddings are tested along 1 direction or more, got {directions}")
        self.test, self.directions, self.over = test, directions, over

    def forward(self, embeddings: Float[Tensor, "v b d"], step: Step) -> Float[Tensor, ""]:
        with torch.autocast(embeddings.device.type, enabled=False):
            grouped = self._group(wide(embeddings))
            along = draw_directions(embeddings.shape[2], self.directions, step).to(grouped)
            return self.measure(grouped, along)

    def measure(self, embeddings: Float[Tensor, "g n d"], along: Float[Tensor, "s d"]) -> Float[Tensor, ""]:
        """The mean over groups and directions; the n of a group are spread over the ranks, or else the groups are."""
        spread = self.over != "views"
        projected = linear(along, embeddings.flatten(0, 1))
        statistics = self.test(Samples(projected.reshape(-1, embeddings.shape[1]), spread))
        if spread:
            return statistics.mean()
        held = statistics.new_full((), len(statistics))
        return sum_over_ranks(statistics.sum()) / sum_over_ranks(held)

    def _group(self, embeddings: Float[Tensor, "v b d"]) -> Float[Tensor, "g n d"]:
        if self.over == "views" and len(embeddings) < 2:
            raise ValueError("one view, frame or token of each sample has no distribution over views: give the "
                             "regularizer more of them, or test over samples")  # fmt: skip
        if self.over == "samples":
            require_several(embeddings)
            return embeddings
        return embeddings.transpose(0, 1) if self.over == "views" else embeddings.flatten(0, 1).unsqueeze(0)


class SIGReg(Sliced):
    """SIGReg as published (2511.08544): the statistic of Epps and Pulley, mean over directions and views.

    It grows with the number of samples, as released: N times the integral.
    """

    def __init__(self, directions: int = 1024, knots: int = 17, range: float = 3.0, over: Over = "samples") -> None:
        super().__init__(EppsPulley(knots, range), directions, over)


def sigreg_of(weight: float, over: Over = "samples", on: str = "means") -> SIGReg | None:
    """What a config asks for that names a weight of SIGReg: none at 0.

    Raises ValueError below, and where something is said of a regularizer that weighs nothing.
    """
    if weight < 0:
        raise ValueError(f"sigreg is a weight of 0 or more, got {weight}")
    if not weight and (over != "samples" or on != "means"):
        raise ValueError(
            "sigreg_over and sigreg_on say what SIGReg looks at, and it weighs nothing: set sigreg above 0"
        )
    return SIGReg(over=over) if weight else None


def draw_directions(width: int, count: int, step: Step) -> Float[Tensor, "s d"]:
    """Directions that are uniform on the sphere, on the CPU; the same on every rank in one step."""
    drawn = torch.randn(count, width, generator=step.shared)
    return drawn / drawn.norm(dim=1, keepdim=True).clamp(min=math.sqrt(torch.finfo(drawn.dtype).tiny))

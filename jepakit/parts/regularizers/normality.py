"""Tests of N(0, 1) that LeJEPA (2511.08544) compares with that of Epps and Pulley; `sigreg.Sliced` takes any of them.

Those that sort want the values of all ranks on every rank: they cost more there, and their gradients are less smooth.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.special import log_ndtr, ndtr, ndtri

from jepakit.parts.regularizers.samples import Samples

Statistics = Float[Tensor, "r"]


class Moments:
    """The first `count` moments against those of N(0, 1), each as a squared standard score; the sum of them.

    The mean of x^k has the variance (E x^2k - (E x^k)^2) / N under N(0, 1).
    """

    def __init__(self, count: int = 4) -> None:
        if count < 1:
            raise ValueError(f"moments begin with the first, got count={count}")
        self.count = count

    def __call__(self, samples: Samples) -> Statistics:
        total, power = torch.zeros_like(samples.values[:, 0]), torch.ones_like(samples.values)
        for order in range(1, self.count + 1):
            power = power * samples.values
            apart = samples.mean(power).squeeze(1) - normal_moment(order)
            total = total + apart.square() / (normal_moment(2 * order) - normal_moment(order) ** 2)
        return samples.count * total


class ExtendedJarqueBera:
    """Mean, variance, skewness and kurtosis, each as a squared standard score; the sum of them.

    The last two are the test of Jarque and Bera (1987), which does not see where the numbers lie and how wide.
    """

    def __call__(self, samples: Samples) -> Statistics:
        count, mean = samples.count, samples.mean(samples.values)
        apart = samples.values - mean
        second, third, fourth = (samples.mean(apart**order).squeeze(1) for order in (2, 3, 4))
        # A sample that does not vary has neither skewness nor kurtosis; both are 0 here, with finite gradients.
        width = second.clamp(min=torch.finfo(second.dtype).eps)
        unbiased = second * count / (count - 1)
        place = count * mean.squeeze(1).square() / width
        spread = (count - 1) * (unbiased - 1).square() / 2
        return place + spread + count * (third.square() / width**3 + (fourth / width**2 - 3).square() / 4) / 6


class AndersonDarling:
    """The squared distance of two distribution functions, weighted towards the tails (Anderson and Darling 1954)."""

    def __call__(self, samples: Samples) -> Statistics:
        x = samples.sorted()
        count = x.shape[1]
        weight = (2 * ranks_of(x) - 1) / count
        return -count - ((log_ndtr(x) + log_ndtr(-x.flip(1))) * weight).sum(dim=1)


class CramerVonMises:
    """The squared distance of two distribution functions (Cramer 1928, von Mises 1931)."""

    def __call__(self, samples: Samples) -> Statistics:
        x = samples.sorted()
        count = x.shape[1]
        return 1 / (12 * count) + ((2 * ranks_of(x) - 1) / (2 * count) - ndtr(x)).square().sum(dim=1)


class Watson:
    """That of Cramer and von Mises without what a shift of the distribution function adds (Watson 1961)."""

    def __call__(self, samples: Samples) -> Statistics:
        shift = samples.mean(ndtr(samples.values)).squeeze(1) - 0.5
        return CramerVonMises()(samples) - samples.count * shift.square()


class ShapiroWilk:
    """1 - W: how little the sorted numbers correlate with what N(0, 1) would give (Shapiro and Wilk 1965).

    Weights by Royston's approximation (1995, algorithm AS R94). Blind to mean and width: alone it lets embeddings
    shrink to a point.
    """

    TAIL = (
        (0.0, 0.221157, -0.147981, -2.07119, 4.434685, -2.706056),
        (0.0, 0.042981, -0.293762, -1.752461, 5.682633, -3.582633),
    )
    """Polynomials in 1 / sqrt(n) that correct the outermost weight and the one next to it."""

    def __call__(self, samples: Samples) -> Statistics:
        """Raises ValueError for fewer than 6 numbers, for which the approximation was not made."""
        x = samples.sorted()
        if x.shape[1] < 6:
            raise ValueError(f"the test of Shapiro and Wilk needs samples of 6 numbers or more, got {x.shape[1]}")
        apart = x - x.mean(dim=1, keepdim=True)
        width = apart.square().sum(dim=1).clamp(min=torch.finfo(x.dtype).tiny)
        return 1 - (x * self.weights(x)).sum(dim=1).square() / width

    def weights(self, x: Float[Tensor, "r n"]) -> Float[Tensor, "n"]:
        """What each sorted number is multiplied by; squares sum up to 1."""
        count = x.shape[1]
        expected = ndtri((ranks_of(x.double()) - 0.375) / (count + 0.25))
        unit = expected / expected.norm()
        last, next_to_last = (
            unit[place] + sum(factor * count ** (-power / 2) for power, factor in enumerate(tail))
            for place, tail in zip((-1, -2), self.TAIL, strict=True)
        )
        inside = expected[2:-2].square().sum() / (1 - 2 * last**2 - 2 * next_to_last**2)
        outside = torch.stack([next_to_last, last])
        return torch.cat([-outside.flip(0), expected[2:-2] / inside.sqrt(), outside]).to(x.dtype)


class VasicekEntropy:
    """The Kullback-Leibler divergence from N(0, 1), with the entropy from gaps between sorted numbers (Vasicek 1976).

    A gap reaches `window` numbers to each side, by default the square root of how many there are.
    """

    def __init__(self, window: int | None = None) -> None:
        if window is not None and window < 1:
            raise ValueError(f"a gap reaches 1 number or more to each side, got window={window}")
        self.window = window

    def __call__(self, samples: Samples) -> Statistics:
        """Raises ValueError for samples that a gap does not fit into."""
        x = samples.sorted()
        count = x.shape[1]
        reach = math.floor(math.sqrt(count) + 0.5) if self.window is None else self.window
        if 2 * reach >= count:
            raise ValueError(f"a gap of 2 times {reach} does not fit into samples of {count} numbers")
        place = torch.arange(count, device=x.device)
        gaps = x[:, (place + reach).clamp(max=count - 1)] - x[:, (place - reach).clamp(min=0)]
        # Equal numbers have no entropy; the logarithm stays finite, and pulls nothing apart that is one.
        entropy = (gaps.clamp(min=torch.finfo(x.dtype).tiny) * (count / (2 * reach))).log().mean(dim=1)
        return (math.log(2 * math.pi) + x.square().mean(dim=1)) / 2 - entropy


def normal_moment(order: int) -> int:
    """E x^order of N(0, 1): the product of the odd numbers below, or 0."""
    return 0 if order % 2 else math.prod(range(1, order, 2))


def ranks_of(x: Float[Tensor, "r n"]) -> Float[Tensor, "n"]:
    """1 to n."""
    return torch.arange(1, x.shape[1] + 1, dtype=x.dtype, device=x.device)

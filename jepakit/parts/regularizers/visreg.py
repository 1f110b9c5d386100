"""VISReg: place, width and shape of the embeddings, each asked for by itself (Wu et al. 2026, 2606.02572)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.special import ndtri

from jepakit.contracts import Step
from jepakit.parts.nn.collective import sum_over_ranks
from jepakit.parts.regularizers.moments import center
from jepakit.parts.regularizers.normality import ranks_of
from jepakit.parts.regularizers.samples import Samples, wide
from jepakit.parts.regularizers.sigreg import Sliced


class SlicedWasserstein:
    """The squared 2-Wasserstein distance to N(0, 1): sorted numbers against its quantiles at i / (N + 1)."""

    def __call__(self, samples: Samples) -> Float[Tensor, "r"]:
        x = samples.sorted()
        quantiles = ndtri(ranks_of(x.double()) / (x.shape[1] + 1)).to(x.dtype)
        return (x - quantiles).square().mean(dim=1)


class VISReg(nn.Module):
    """Means are 0 (equation 6), standard deviations 1 (equation 1), and the shape is that of a Gaussian (equation 5).

    The shape is that of embeddings divided by their standard deviation, through which no gradient flows (equation 2).
    Where SIGReg's gradient vanishes, on embeddings that have become one, that of the width is largest.
    """

    def __init__(
        self, directions: int = 4096, place: float = 1.0, width: float = 1.0, shape: float = 1.0, epsilon: float = 1e-4
    ) -> None:
        super().__init__()
        self.sliced = Sliced(SlicedWasserstein(), directions)
        self.place, self.width, self.shape, self.epsilon = place, width, shape, epsilon

    def forward(self, embeddings: Float[Tensor, "v b d"], step: Step) -> Float[Tensor, ""]:
        with torch.autocast(embeddings.device.type, enabled=False):
            own = wide(embeddings)
            centered, mean, count = center(own)
            variance = sum_over_ranks(centered.square().sum(dim=1, keepdim=True)) / count
            deviation = (variance + torch.finfo(own.dtype).tiny).sqrt()
            shape = self.sliced(centered / (deviation.detach() + self.epsilon), step)
            width = (1 - deviation).square().mean()
            return self.place * mean.square().mean() + self.width * width + self.shape * shape

"""Soft choices of prototypes: embeddings as classes that nobody has named, and who answers with them."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.contracts import Step
from jepakit.parts.nn.batch_norm import BatchNorm
from jepakit.parts.nn.collective import sum_over_ranks
from jepakit.parts.nn.linear import Linear, linear
from jepakit.parts.targets import EMATarget
from jepakit.schedules import Schedule
from jepakit.tokens import Tokens


class Prototypes(Linear):
    """How near an embedding lies to each of k directions: cosines (DINO, 2104.14294, appendix C, with norms of 1)."""

    def __init__(self, dim: int, count: int) -> None:
        super().__init__(dim, count, bias=False)

    def forward(self, input: Float[Tensor, "*n d"]) -> Float[Tensor, "*n k"]:
        return linear(F.normalize(input, dim=-1), F.normalize(self.weight, dim=-1))


def make_choice(widths: tuple[int, ...], prototypes: int, batch_norm: bool = False) -> nn.Sequential:
    """Linear layers from width to width with a GELU between them, and prototypes at the end.

    With `batch_norm` hidden layers are normalized over the batch, as MSN's are and DINO's are not.
    """
    layers: list[nn.Module] = []
    for number, (width, wider) in enumerate(pairwise(widths), start=2):
        layers.append(Linear(width, wider))
        if number < len(widths):
            layers += [BatchNorm(wider), nn.GELU()] if batch_norm else [nn.GELU()]
    return nn.Sequential(*layers, Prototypes(widths[-1], prototypes))


class SoftTarget(EMATarget):
    """The average answers with a distribution over prototypes, sharp where its `temperature` is low (MSN, 2204.07141).

    The temperature is that of the progress at the end of the last step; it travels in every checkpoint.
    """

    heat: Tensor

    def __init__(self, network: nn.Module, momentum: Schedule, temperature: Schedule) -> None:
        super().__init__(network, momentum, normalize=False)
        if not min(temperature(0.0), temperature(1.0)) > 0:
            raise ValueError(f"target_temperature is above 0, got {temperature(0.0)} to {temperature(1.0)}")
        self.temperature = temperature
        self.register_buffer("heat", torch.tensor(temperature(0.0)))

    @torch.no_grad()
    def forward(self, x: Tensor, network: nn.Module) -> Tokens:
        answer = super().forward(x, network)
        return answer.with_values((self.center(answer.values) / self.heat).softmax(dim=-1))

    def center(self, scores: Float[Tensor, "b n k"]) -> Float[Tensor, "b n k"]:
        """Scores as they are; others take away what keeps one prototype from being chosen always."""
        return scores

    @torch.no_grad()
    def after_step(self, network: nn.Module, step: Step) -> None:
        """Follows the network, and sets the temperature of the next step."""
        super().after_step(network, step)
        self.heat.fill_(self.temperature(step.progress))


class CenteredTarget(SoftTarget):
    """Before it chooses, the average of its scores over many batches is taken away (DINO, 2104.14294, equation 4).

    The mean over the global batch enters that average after each step: of all ranks, views and micro-batches at once.
    With `centers=2` the first token of a sample, which is its embedding, has a center of its own, and the others, its
    patches, share one (iBOT, 2111.07832).
    """

    centers: Tensor

    def __init__(
        self,
        network: nn.Module,
        momentum: Schedule,
        temperature: Schedule,
        prototypes: int,
        center_momentum: float = 0.9,
        centers: int = 1,
    ) -> None:
        super().__init__(network, momentum, temperature)
        self.center_momentum = center_momentum
        self.register_buffer("centers", torch.zeros(centers, prototypes))
        self._sums: Tensor | None = None  # no buffer: DDP would give all ranks that of the first one

    def center(self, scores: Float[Tensor, "b n k"]) -> Float[Tensor, "b n k"]:
        """Scores without their center. In training they are counted for the next one."""
        groups = scores.tensor_split([1], dim=1) if len(self.centers) == 2 else (scores,)
        if self.training:
            sums = torch.stack([F.pad(group.sum(dim=(0, 1)), (0, 1), value=group[..., 0].numel()) for group in groups])
            self._sums = sums if self._sums is None else self._sums + sums
        return torch.cat([group - center for group, center in zip(groups, self.centers, strict=True)], dim=1)

    @torch.no_grad()
    def after_step(self, network: nn.Module, step: Step) -> None:
        """Follows the network, and moves the centers towards the mean of what was answered since the last step.

        A batch whose scores are not finite moves no center: nothing could bring it back.
        """
        super().after_step(network, step)
        if self._sums is None:
            return
        totals, self._sums = sum_over_ranks(self._sums), None
        means = totals[:, :-1] / totals[:, -1:]
        moved = self.centers.lerp(means.to(self.centers), 1 - self.center_momentum)
        self.centers.copy_(torch.where(means.isfinite().all(), moved, self.centers))

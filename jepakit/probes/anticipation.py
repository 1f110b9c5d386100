"""What will be done next: an attentive probe with three queries on what a frozen JEPA sees and foresees.

As in V-JEPA 2 (2506.09985, section 5), but heads are chosen on training videos, one of them answers all questions, and
no frame of the action is seen.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from types import MappingProxyType

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from jepakit.config import Config
from jepakit.probes.classifier import AttentivePooler
from jepakit.probes.foresight import Clips, Seen
from jepakit.probes.recall import ranks
from jepakit.probes.result import BEST_ON_TEST, Result
from jepakit.probes.told import ACTION, Told, conclude, gather_told
from jepakit.probes.training import decay_groups, descend, seeded

Logits = tuple[Tensor, Tensor, Tensor]
"""Of verbs, nouns and actions [b c]."""
ALPHA, GAMMA = 0.25, 2.0


class AnticipationClassifier(nn.Module):
    """Tokens -> logits of verbs, nouns and actions. Four blocks and eps 1e-5 are V-JEPA 2's.

    Biases begin where each class has its even share (Lin et al., 1708.02002, section 4.1), so that the many classes
    that are absent do not drown the one that is there. Raises ValueError if `heads` do not divide `dim`, or for a depth
    below 1.
    """

    def __init__(self, dim: int, heads: int, depth: int, sizes: Sequence[int], eps: float = 1e-5) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"{heads} heads do not divide a width of {dim}; choose a divisor")
        if depth < 1:
            raise ValueError(f"an attentive probe has at least its one block of cross-attention, got depth={depth}")
        self.pooler = AttentivePooler(dim, heads, depth, eps, len(sizes))
        self.classifiers = nn.ModuleList(nn.Linear(dim, size) for size in sizes)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=0.02)
                nn.init.zeros_(part.bias)
        for size, layer in zip(sizes, self.classifiers, strict=True):
            assert isinstance(layer, nn.Linear)
            nn.init.constant_(layer.bias, -math.log(max(size - 1, 1)))
        nn.init.trunc_normal_(self.pooler.query_tokens, std=0.02)

    def forward(self, x: Float[Tensor, "b n d"]) -> Logits:
        verb, noun, action = (
            classify(pooled) for classify, pooled in zip(self.classifiers, self.pooler(x).unbind(1), strict=True)
        )
        return verb, noun, action


def focal_loss(logits: Float[Tensor, "b c"], targets: Int[Tensor, "b"]) -> Float[Tensor, ""]:
    """Sigmoid focal loss (Lin et al., 1708.02002, equation 5) summed over classes, averaged over the samples.

    What is easy counts little. A target of -1 is none of the classes.
    """
    truth = (torch.arange(logits.shape[1], device=logits.device) == targets[:, None]).to(logits.dtype)
    signed = logits * (2 * truth - 1)  # the log-odds of what is true of each class
    weight = torch.where(truth > 0, ALPHA, 1 - ALPHA) * torch.sigmoid(-signed) ** GAMMA
    return -(weight * F.logsigmoid(signed)).sum(dim=1).mean()


@dataclass(frozen=True, kw_only=True)
class Anticipation(Config):
    """A grid of heads trained at once on the same tokens; the one that is best on held-out training videos is reported.

    AdamW, rates along a cosine to zero, focal loss on all three questions. As is: V-JEPA 2's 20 heads of 4 blocks.
    """

    blocks: int = 4
    rates: tuple[float, ...] = (5e-3, 3e-3, 1e-3, 3e-4, 1e-4)
    decays: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1)
    steps: int = 10_000
    batch: int = 128
    heads: int = 16
    """Attention heads of the probe."""

    @property
    def name(self) -> str:
        return f"anticipation{self.blocks}"

    def measure(
        self,
        subject: str,
        train: Clips,
        validation: Clips,
        test: Clips,
        seed: int,
        also: Mapping[str, Clips] = MappingProxyType({}),
    ) -> Result:
        """Class-mean recall of actions on `test` by the head that is best at it on `validation`.

        Verbs and nouns, told by the same head, are in `others`, and its recall of actions on whatever is `also` to be
        measured, such as the test part at other moments. What the released evaluation reports, the head that is best on
        the very test, stands beside as `best_of_grid_on_test`.
        """
        started, grid = perf_counter(), list(itertools.product(self.rates, self.decays))
        with seeded(seed):
            heads, lost = self._fit(train, grid, seed)
        held, told = self._told(heads, validation), self._told(heads, test)
        best, chosen = _choose(grid, held, told)
        others = {name: self._told(heads[best : best + 1], clips).recall(ACTION).value for name, clips in also.items()}
        parts = {"train": train, "validation": validation, "test": test}
        sizes = {name: len(clips.dataset) for name, clips in parts.items()}
        unreadable = {"train": lost, "validation": held.unreadable, "test": told.unreadable}
        seconds, settings = perf_counter() - started, self.to_json()
        one = told.head(best)
        result = conclude(self.name, subject, one, sizes, unreadable, seed, seconds, chosen, settings)
        return replace(result, others={**result.others, **others})

    def _fit(
        self, train: Clips, grid: Sequence[tuple[float, float]], seed: int
    ) -> tuple[nn.ModuleList, tuple[str, ...]]:
        """The heads, and the names of the training clips that could not be read."""
        lost: set[str] = set()
        read = self._stream(train, seed, lost)
        first = next(read)
        shape = (first.values.shape[2], self.heads, self.blocks, train.dataset.sizes)
        heads = nn.ModuleList(AnticipationClassifier(*shape) for _ in grid).to(first.values.device)
        optimizer = torch.optim.AdamW(
            [group for head, choice in zip(heads, grid, strict=True) for group in decay_groups(head, *choice)]
        )
        for _, seen in zip(descend(optimizer, self.steps, warmup=0.0), itertools.chain([first], read), strict=False):
            targets = train.dataset.targets[list(seen.index)].to(seen.values.device)
            # The heads share no parameter, so that the gradient of the sum is the gradient of each.
            losses = [
                focal_loss(logits, target)
                for head in heads
                for logits, target in zip(head(seen.values), targets.unbind(1), strict=True)
            ]
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()
        return heads.eval(), tuple(sorted(lost))

    def _stream(self, clips: Clips, seed: int, lost: set[str]) -> Iterator[Seen]:
        """Batches without end; the names of clips that cannot be read go to `lost`. Raises ValueError if all are."""
        for epoch in itertools.count():
            for seen in clips.read(clips.dataset.order(epoch, seed).tolist(), self.batch, epoch, seed):
                lost.update(seen.unreadable)
                if seen.index:
                    yield seen
            if len(lost) == len(clips.dataset):
                raise ValueError(f"none of the {len(clips.dataset)} training clips can be read")

    @torch.no_grad()
    def _told(self, heads: nn.ModuleList, clips: Clips) -> Told:
        found = []
        for seen in clips.read(range(len(clips.dataset)), self.batch):
            if seen.index:
                of_questions = zip(*[head(seen.values) for head in heads], strict=True)
                targets = clips.dataset.targets[list(seen.index)].unbind(1)
                told = [
                    ranks(torch.stack(logits, dim=1).cpu(), target)
                    for logits, target in zip(of_questions, targets, strict=True)
                ]
                found.append((seen.index, torch.stack(told, dim=-1)))
        return gather_told(clips.dataset, found)


def _choose(grid: Sequence[tuple[float, float]], held: Told, told: Told) -> tuple[int, dict[str, float]]:
    """The number of the head that is best on what was held out, and what is to be known of it."""
    scores = held.by_head(ACTION)
    best = int(scores.argmax())
    rate, decay = grid[best]
    known = {"rate": rate, "decay": decay, "validation": scores[best].item()}
    return best, {**known, BEST_ON_TEST: told.by_head(ACTION).max().item()}

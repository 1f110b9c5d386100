"""What was told about what comes next, the figures that follow from it, and two baselines that see no clip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from jepakit.data.annotations import QUESTIONS
from jepakit.probes.foresight import Anticipated
from jepakit.probes.recall import Recall, class_mean_recall, guesses, prior_scores, ranks, recall, repeat_scores
from jepakit.probes.result import Result

ACTION = QUESTIONS.index("action")
BASELINES = ("prior", "last action")


@dataclass(frozen=True)
class Told:
    """How many classes each head guesses before the true verb, noun and action, of the readable clips `index`."""

    dataset: Anticipated
    index: Int[Tensor, "m"]
    ranks: Int[Tensor, "m h 3"]

    def by_head(self, question: int) -> Float[Tensor, "h"]:
        """Class-mean recall of each head."""
        return class_mean_recall(self.ranks[..., question], self._targets(question), self._guesses(question))

    def head(self, number: int) -> "Told":
        """What one head told."""
        return Told(self.dataset, self.index, self.ranks[:, number : number + 1])

    def recall(self, question: int, count: int | None = None) -> Recall:
        """Class-mean recall of the first head within `count` guesses, or as many as are allowed."""
        count = self._guesses(question) if count is None else count
        return recall(self.ranks[:, 0, question], self._targets(question), count, self.dataset.videos[self.index])

    def figures(self) -> dict[str, float]:
        """Everything but the headline: recall of verbs and nouns, and at the first guess, and what was not counted."""
        found = {}
        for question, name in enumerate(QUESTIONS):
            for count in sorted({1, self._guesses(question)}):
                found[f"{name} recall@{count}"] = self.recall(question, count).value
        return found | {"actions never shown in training": float((self._targets(ACTION) < 0).sum())}

    @property
    def metric(self) -> str:
        """What the headline is."""
        return f"class-mean recall@{self._guesses(ACTION)} of actions"

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The names of the clips that could not be read."""
        missing = torch.ones(len(self.dataset), dtype=torch.bool).index_fill(0, self.index, False)
        return tuple(map(self.dataset.name, torch.nonzero(missing)[:, 0].tolist()))

    def _targets(self, question: int) -> Int[Tensor, "m"]:
        return self.dataset.targets[self.index, question]

    def _guesses(self, question: int) -> int:
        return guesses(self.dataset.sizes[question])


def conclude(
    probe: str,
    subject: str,
    told: Told,
    sizes: Mapping[str, int],
    unreadable: Mapping[str, tuple[str, ...]],
    seed: int,
    seconds: float = 0.0,
    chosen: Mapping[str, Any] = MappingProxyType({}),
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Result:
    """The Result of one head, or of a baseline, on the test split; `sizes` count what could not be read, too."""
    headline = told.recall(ACTION)
    sizes = {name: size - len(unreadable[name]) for name, size in sizes.items()}
    return Result(
        probe=probe,
        subject=subject,
        value=headline.value,
        low=headline.low,
        high=headline.high,
        interval="bootstrap over the test videos",
        values=(headline.value,),
        seeds=(seed,),
        splits=sizes,
        labels=sizes["train"],
        labels_to_choose=sizes["validation"] if chosen else 0,
        chosen=dict(chosen),
        chosen_on="training videos that were held out" if chosen else "",
        unreadable=dict(unreadable),
        settings=dict(settings),
        seconds=seconds,
        metric=told.metric,
        others=told.figures(),
    )


def measure_baselines(train: Anticipated, validation: Anticipated, test: Anticipated) -> list[Result]:
    """What is frequent in training, and what was done last (by the table: more than a clip tells), repeated."""
    sizes, found = {"train": len(train), "validation": len(validation), "test": len(test)}, []
    for name in BASELINES:
        scores = [_guess(name, train, test, question) for question in range(len(QUESTIONS))]
        told = [ranks(score, test.targets[:, question]) for question, score in enumerate(scores)]
        all_told = Told(test, torch.arange(len(test)), torch.stack(told, dim=1).unsqueeze(1))
        found.append(conclude("anticipation", name, all_told, sizes, dict.fromkeys(sizes, ()), 0))
    return found


def _guess(name: str, train: Anticipated, test: Anticipated, question: int) -> Float[Tensor, "m c"]:
    known, classes = train.targets[:, question], train.sizes[question]
    if name == "prior":
        return prior_scores(known, classes, len(test))
    return repeat_scores(known, classes, test.previous[:, question])


def gather_told(dataset: Anticipated, found: Sequence[tuple[tuple[int, ...], Tensor]]) -> Told:
    """What was told batch by batch. Raises ValueError if no clip could be read."""
    if not found:
        raise ValueError(f"none of the {len(dataset)} clips can be read; the first is {dataset.name(0)}")
    index = torch.tensor([number for numbers, _ in found for number in numbers])
    return Told(dataset, index, torch.cat([told for _, told in found]))

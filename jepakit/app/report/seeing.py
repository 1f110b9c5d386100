"""What the network sees: patches in the colors of their features, neighbors, and the masks it was asked with."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from jepakit.app.report.layout import picture, section
from jepakit.app.report.pictures import color_by_features, covered, nearest, show_only
from jepakit.app.report.questions import Question
from jepakit.app.report.sight import Sight
from jepakit.app.report.wording import escape, percent

QUERIES, NEIGHBORS, MASKED, HERO = 6, 6, 4, 4


def show_hero(sight: Sight) -> str:
    """A few pictures beside what the trained and the untrained network make of them: the first thing to look at."""
    return _mosaic(sight, HERO, "hero")


def show_features(sight: Sight) -> str:
    """Patches in the colors of their features, for all shown pictures."""
    lede = (
        "Each patch in the color of its features: red, green and blue are their three main directions over these "
        f"{sight.word}s. Patches of one color are alike to the network. A network that has learnt gives parts of "
        "things their own colors; before training they follow brightness and place. Colors are stretched to be seen: "
        "how much features differ at all is told by the spectrum."
    )
    return section("features", "What it sees", lede, _mosaic(sight, len(sight.shown), "wide"))


def show_neighbors(sight: Sight) -> str:
    """Held-out queries with their nearest neighbors, trained above untrained, and how often the classes agree."""
    queries = torch.tensor(sight.shown[:QUERIES])
    known = sight.labels is not None
    lede = (
        f"Each {sight.word} with its {NEIGHBORS} nearest by cosine among {len(sight.gallery):,} of "
        f"{escape(sight.part)}{', each shown by the frame in its middle' * sight.strip.is_clip}. "
        "Above: trained. Below: the same network before training."
    )
    if known:
        trained, fresh = (percent(_agreement(sight, seen.pooled)) for seen in (sight.trained, sight.fresh))
        lede += f" Framed ones are of the query's class; over the whole gallery {trained} are, {fresh} before training."
    found = [nearest(seen.pooled, queries, NEIGHBORS) for seen in (sight.trained, sight.fresh)]
    rows = "".join(_query(sight, place, [answer[place] for answer in found]) for place in range(len(queries)))
    return section("neighbors", "What is alike to it", lede, f'<div class="neighbors">{rows}</div>')


def show_masks(sight: Sight) -> str:
    """What the method hides: context and target blocks of real pictures or clips, drawn by its own maskers."""
    if not sight.questions:
        body = '<p class="missing">This method draws no masks.</p>'
        return section("masks", "What it was asked", "", body)
    asked = [_Marks.of(question, sight.extent) for question in sight.questions]
    names = [sight.word, *(name for marks in asked for name in marks.names)]
    heads = [f'<span class="head">{name}</span>' for name in names]
    few = sight.shown[: max(MASKED // len(asked), 1)]
    rows = [_asked(sight, row, place, asked) for place, row in enumerate(few)]
    if sight.strip.is_clip:
        cells = "".join(head + cell for row in rows for head, cell in zip(heads, row, strict=True))
    else:
        cells = "".join([*heads, *(cell for row in rows for cell in row)])
    style = f'class="masks{_kind(sight)}" style="--columns:{len(heads)};{_aspect(sight)}"'
    return section("masks", "What it was asked", _task(sight, asked), f"<div {style}>{cells}</div>")


@dataclass(frozen=True)
class _Marks:
    """Which patches of what is drawn one question shows as context, and which it asks for, block by block."""

    question: Question
    context: Bool[Tensor, "k n"]
    targets: Bool[Tensor, "k m n"]

    @classmethod
    def of(cls, question: Question, extent: tuple[int, int]) -> "_Marks":
        split, count = question.split, extent[0] * extent[1]
        return cls(question, covered(split.context, count), covered(split.targets, count))

    @property
    def names(self) -> list[str]:
        """What stands over the context and over each target block."""
        blocks = self.targets.shape[1]
        targets = [f"target block {block + 1}" for block in range(blocks)] if blocks > 1 else ["target"]
        return [f"{self.question.name} {name}".strip() for name in ("context", *targets)]

    @property
    def shares(self) -> str:
        """How much of what is drawn is shown, and how much asked for."""
        context, target = (percent(marks.double().mean().item()) for marks in (self.context, self.targets))
        block = "a target block" if self.targets.shape[1] > 1 else "the target"
        return f"the context shows {context} of the patches, {block} {target}"


def _task(sight: Sight, asked: list[_Marks]) -> str:
    task = "The task of one step: from the patches of the context, predict the features of each target block. "
    if len(asked) == 1:
        about = f" ({asked[0].question.about})" if asked[0].question.about else ""
        return f"{task}These masks were drawn by the run's own masker{about}; here {asked[0].shares}."
    kinds = [
        f"{marks.question.name}{f', {marks.question.about}' if marks.question.about else ''}: {marks.shares}"
        for marks in asked
    ]
    return f"{task}Each {sight.word} is asked about in {len(asked)} ways, drawn by the run's own maskers. " + "".join(
        f"{kind[0].upper()}{kind[1:]}. " for kind in kinds
    )


def _mosaic(sight: Sight, count: int, name: str) -> str:
    trained = color_by_features(sight.trained.patches, sight.extent)
    fresh = color_by_features(sight.fresh.patches, sight.extent)
    columns = "".join(
        f"<li>{picture(sight.picture(row), sight.describe(row))}"
        f"{picture(trained[place], f'{sight.describe(row)}: features of the trained network')}"
        f"{picture(fresh[place], f'{sight.describe(row)}: features before training')}</li>"
        for place, row in enumerate(sight.shown[:count])
    )
    heads = f'<span>{sight.word}</span><span class="trained">trained</span><span class="fresh">before training</span>'
    style = f'class="mosaic {name}{_kind(sight)}" style="--columns:{count};{_aspect(sight)}"'
    return f'<ul {style}><li class="heads">{heads}</li>{columns}</ul>'


def _asked(sight: Sight, row: int, place: int, asked: Sequence[_Marks]) -> list[str]:
    """A picture, and of each question what is shown of it, and what is asked for."""
    pixels, name = sight.picture(row), sight.describe(row)
    parts = [
        picture(show_only(pixels, patches, sight.extent), f"{name}: {what}")
        for marks in asked
        for what, patches in zip(marks.names, (marks.context[place], *marks.targets[place]), strict=True)
    ]
    return [picture(pixels, name), *parts]


def _kind(sight: Sight) -> str:
    return " strips" if sight.strip.is_clip else ""


def _aspect(sight: Sight) -> str:
    """How wide what is drawn is for its height, and in how many moments a gap parts it."""
    height, width = sight.picture(sight.shown[0]).shape[:2]
    return f"--aspect:{width / height:.3g};--moments:{len(sight.strip.steps)}"


def _query(sight: Sight, place: int, found: list[Int[Tensor, "k"]]) -> str:
    row = sight.shown[place]
    name = sight.describe(row)
    asked = f"<figure>{picture(sight.still(row), name)}<figcaption>{escape(name)}</figcaption></figure>"
    lines = "".join(
        f'<div class="line {tone}">{"".join(_neighbor(sight, row, other) for other in answer.tolist())}</div>'
        for answer, tone in zip(found, ("trained", "fresh"), strict=True)
    )
    return f'<div class="query">{asked}<div class="answers">{lines}</div></div>'


def _neighbor(sight: Sight, row: int, other: int) -> str:
    labels = sight.labels
    same = labels is not None and labels[row] == labels[other]
    return f"<span{' class=same' if same else ''}>{picture(sight.still(other), sight.describe(other))}</span>"


def _agreement(sight: Sight, pooled: Tensor) -> float:
    assert sight.labels is not None, "asked only where classes are known"
    found = nearest(pooled, torch.arange(len(pooled)), NEIGHBORS)
    return (sight.labels[found] == sight.labels.unsqueeze(1)).double().mean().item()

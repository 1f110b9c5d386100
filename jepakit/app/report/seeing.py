"""What the network sees: patches in the colors of their features, neighbors, and the masks it was asked with."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from jepakit.app.report.layout import picture, section
from jepakit.app.report.pictures import color_by_features, covered, nearest, show_only
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
        "pictures. Patches of one color are alike to the network. A network that has learnt gives parts of things "
        "their own colors; before training they follow brightness and place. Colors are stretched to be seen: how much "
        "features differ at all is told by the spectrum."
    )
    return section("features", "What it sees", lede, _mosaic(sight, len(sight.shown), "wide"))


def show_neighbors(sight: Sight) -> str:
    """Held-out queries with their nearest neighbors, trained above untrained, and how often the classes agree."""
    queries = torch.tensor(sight.shown[:QUERIES])
    known = sight.labels is not None
    lede = (
        f"Each picture with its {NEIGHBORS} nearest by cosine among {len(sight.gallery):,} of {escape(sight.part)}. "
        "Above: trained. Below: the same network before training."
    )
    if known:
        trained, fresh = (percent(_agreement(sight, seen.pooled)) for seen in (sight.trained, sight.fresh))
        lede += f" Framed ones are of the query's class; over the whole gallery {trained} are, {fresh} before training."
    found = [nearest(seen.pooled, queries, NEIGHBORS) for seen in (sight.trained, sight.fresh)]
    rows = "".join(_query(sight, place, [answer[place] for answer in found]) for place in range(len(queries)))
    return section("neighbors", "What is alike to it", lede, f'<div class="neighbors">{rows}</div>')


def show_masks(sight: Sight) -> str:
    """What the method hides: context and target blocks of real pictures, drawn by its own masker."""
    if sight.split is None:
        body = '<p class="missing">This method draws no masks.</p>'
        return section("masks", "What it was asked", "", body)
    context = covered(sight.split.context, sight.extent[0] * sight.extent[1])
    targets = covered(sight.split.targets, sight.extent[0] * sight.extent[1])
    blocks = targets.shape[1]
    shares = [percent(marks.double().mean().item()) for marks in (context, targets)]
    lede = (
        "The task of one step: from the patches of the context, predict the features of each target block. "
        f"These masks were drawn by the run's own masker; here the context shows {shares[0]} of the patches, a target "
        f"block {shares[1]}."
    )
    names = [sight.word, "context", *(f"target {block + 1}" for block in range(blocks))]
    heads = [f'<span class="head">{name}</span>' for name in names]
    rows = [_asked(sight, row, context[place], targets[place]) for place, row in enumerate(sight.shown[:MASKED])]
    if sight.strip.is_clip:
        cells = "".join(head + cell for row in rows for head, cell in zip(heads, row, strict=True))
    else:
        cells = "".join([*heads, *(cell for row in rows for cell in row)])
    style = f'class="masks{_kind(sight)}" style="--columns:{len(heads)};{_aspect(sight)}"'
    return section("masks", "What it was asked", lede, f"<div {style}>{cells}</div>")


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


def _asked(sight: Sight, row: int, context: Bool[Tensor, "n"], targets: Bool[Tensor, "m n"]) -> list[str]:
    """A picture, what of it is shown, and what is asked for."""
    pixels, name = sight.picture(row), sight.describe(row)
    named = [("the context", context), *((f"target block {block + 1}", each) for block, each in enumerate(targets))]
    parts = [picture(show_only(pixels, marks, sight.extent), f"{name}: {what}") for what, marks in named]
    return [picture(pixels, name), *parts]


def _kind(sight: Sight) -> str:
    return " strips" if sight.strip.is_clip else ""


def _aspect(sight: Sight) -> str:
    """How wide what is drawn is for its height."""
    height, width = sight.picture(sight.shown[0]).shape[:2]
    return f"--aspect:{width / height:.3g}"


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

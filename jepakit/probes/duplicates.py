"""Were the pictures that a probe is measured on seen in pretraining? Near-duplicates: re-encoded, resized, relit.

A picture is described by its 63 lowest cosine coefficients, what a perceptual hash takes the signs of. They are kept as
numbers and divided by their deviation over the pretraining pictures, for signs alone cannot tell small gray pictures
apart: on Fashion-MNIST a 64-bit hash within 4 bits gave 46,868 pairs for 10,000 pictures. A cosine of the descriptions
above 0.985 finds 98 to 100 % of copies saved as JPEG of quality 50, at 3/4 and at 3/2 of their size, and names 0.7 % of
10,000 other pictures there, near-duplicates of the set itself among them. Crops and mirrored copies are not found.
"""

import sys
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from jepakit.config import Config
from jepakit.contracts import Dataset
from jepakit.probes.features import batches
from jepakit.probes.splits import Labeled, Subset

SIDE, WAVES, ALIKE = 32, 8, 0.985
AT_MOST = 100_000


@dataclass(frozen=True)
class Duplicate:
    """An evaluation picture, the pretraining picture that it is most like, and the cosine of their descriptions."""

    evaluated: str
    pretrained: str
    similarity: float


def warn_of_duplicates(pretraining: Config, evaluation: Labeled) -> list[Duplicate]:
    """The test pictures of `evaluation` that `pretraining` has too; says on stderr how many there are, if any.

    Of more than 100,000 pictures on either side as many are looked at, evenly spread, and it says so.
    """
    test = evaluation.split("test")
    if test is None:
        return []
    plain = {field.name: None for field in fields(pretraining) if field.name in ("augment", "views")}
    seen = replace(pretraining, **plain).build()
    found = find_duplicates(_spread(seen), _spread(test))
    if found:
        looked = f" (looked at {AT_MOST:,} of {len(seen):,})" if len(seen) > AT_MOST else ""
        first = max(found, key=lambda each: each.similarity)
        print(
            f"warning: {len(found):,} of {min(len(test), AT_MOST):,} test pictures have a near-duplicate among the "
            f"pretraining pictures{looked}, such as {first.evaluated} and {first.pretrained}; "
            "their accuracy may be too good",
            file=sys.stderr,
        )
    return found


def find_duplicates(pretraining: Dataset, evaluation: Dataset, alike: float = ALIKE) -> list[Duplicate]:
    """The pictures of `evaluation` that are nearly equal to one of `pretraining`, each with the one most like it.

    Both give plain views of pictures [c h w], of any size. Unreadable pictures are passed over.
    """
    seen, seen_names = describe(pretraining)
    asked, asked_names = describe(evaluation)
    deviation = seen.std(dim=0, correction=0)
    # A coefficient that never varies says nothing.
    scale = torch.where(deviation > 1e-4 * deviation.max(), 1 / deviation.clamp(min=1e-12), 0)
    seen, asked = F.normalize(seen * scale, dim=1), F.normalize(asked * scale, dim=1)
    found = []
    for start in range(0, len(asked), 1024):
        similarity, nearest = (asked[start : start + 1024] @ seen.T).max(dim=1)
        for row in (similarity >= alike).nonzero().flatten().tolist():
            pair = asked_names[start + row], seen_names[int(nearest[row])]
            found.append(Duplicate(*pair, similarity[row].item()))
    return found


def describe(dataset: Dataset) -> tuple[Float[Tensor, "n f"], list[str]]:
    """The lowest cosine coefficients of each readable picture, in gray on 32 x 32 points, without the mean; and names.

    Each picture's have length 1, so that neither brightness nor contrast counts; a picture of one color has length 0.
    """
    basis = _cosines(SIDE)[:WAVES]
    rows, index = [], []
    for batch in batches(dataset, range(len(dataset)), 512, apart=True):
        if not batch.index:
            continue
        gray = batch.x.mean(dim=1, keepdim=True)
        small = F.interpolate(gray, size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
        waves = (basis @ small.squeeze(1) @ basis.T).flatten(1)[:, 1:]
        # What is left of a picture of one color is rounding error, which must not be blown up to length 1.
        waves = torch.where(
            waves.norm(dim=1, keepdim=True) > 1e-4 * small.flatten(1).norm(dim=1, keepdim=True), waves, 0
        )
        rows.append(F.normalize(waves, dim=1))
        index.extend(batch.index)
    if not rows:
        raise ValueError(f"none of the {len(dataset)} pictures can be read, so none can be compared")
    return torch.cat(rows), [dataset.name(number) for number in index]


def _cosines(size: int) -> Float[Tensor, "k n"]:
    """The orthonormal DCT-II: row k is a cosine of k half waves."""
    wave, point = torch.arange(size)[:, None], torch.arange(size)[None, :]
    rows = torch.cos(torch.pi * (2 * point + 1) * wave / (2 * size)) * (2 / size) ** 0.5
    rows[0] /= 2**0.5
    return rows


def _spread(dataset: Dataset) -> Dataset:
    if len(dataset) <= AT_MOST:
        return dataset
    return Subset(dataset, torch.linspace(0, len(dataset) - 1, AT_MOST).long())

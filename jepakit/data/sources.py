"""What every format reader offers: a listing of its pictures, made without decoding one, and `read(row)`."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)

_PART_WORDS = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "test": TEST,
    "testing": TEST,
}
HELD_OUT = 0.1


@dataclass(frozen=True)
class Listing:
    """What is known of a collection before a picture is decoded, row by row.

    `labels` index `classes`; -1 is a picture without a label. `parts` index `PARTS`; None means that the source has
    no parts of its own. `shards` says which file a row lies in, where reading row after row is much faster than
    jumping; a shuffle then stays within `window` rows. `notes` are sentences for the user.
    """

    names: Sequence[str]
    labels: Int[Tensor, "n"] | None = None
    classes: tuple[str, ...] | None = None
    parts: Int[Tensor, "n"] | None = None
    shards: Int[Tensor, "n"] | None = None
    window: int = 0
    notes: tuple[str, ...] = field(default=())


@runtime_checkable
class Source(Protocol):
    """Pictures by row, from one kind of storage. It can be pickled, and read by several threads."""

    listing: Listing

    def read(self, row: int) -> UInt8[Tensor, "c h w"]:
        """The picture with one or three channels. Raises BrokenSample."""
        ...


def part_of(word: str) -> int | None:
    """The part that a folder or a file's first word names ("val", "test", ...), or None."""
    return _PART_WORDS.get(word.lower())


def parts_of_files(paths: Sequence[Path]) -> Int[Tensor, "n"] | None:
    """The part that each file's name or folder mentions, as in "train-00000-of-00004"; None unless all mention one.

    None too if no file is for training: then the words mean something else.
    """
    codes = []
    for path in paths:
        words = re.findall(r"[a-z]+", f"{path.parent.name} {path.stem}".lower())
        codes.append(next((code for word in reversed(words) if (code := part_of(word)) is not None), None))
    if None in codes or TRAIN not in codes:
        return None
    return torch.tensor(codes)


def settle_parts(listing: Listing) -> Listing:
    """The listing with a part for every row, and a note that says where the parts come from.

    A labeled collection without a test part loses 10 % of its rows to it, and 10 % to validation, chosen by a hash
    of their names: adding pictures later moves none of the others. A lone validation part is taken as the test part,
    as everybody does with ImageNet, and another one is drawn from the training rows.

    Notes name the classes that a part lacks.
    """
    count = len(listing.names)
    parts = torch.zeros(count, dtype=torch.int64) if listing.parts is None else listing.parts.clone()
    if listing.labels is None:
        return replace(listing, parts=parts)
    notes = list(listing.notes)
    if not (parts == TEST).any() and (parts == VALIDATION).any():
        parts[parts == VALIDATION] = TEST
        notes.append("there is no test part: the validation part is reported as test")
    free, lacking = parts == TRAIN, [part for part in (TEST, VALIDATION) if not (parts == part).any()]
    shares = hashed_shares(listing.names) if lacking else torch.ones(count)
    if TEST in lacking:
        parts[free & (shares < HELD_OUT)] = TEST
        notes.append(f"{HELD_OUT:.0%} of the samples, chosen by a hash of their names, are held out as the test part")
    if VALIDATION in lacking:
        parts[free & (shares >= HELD_OUT) & (shares < 2 * HELD_OUT)] = VALIDATION
        notes.append(f"about {HELD_OUT:.0%} of the training samples, chosen by a hash of their names, are validation")
    return replace(listing, parts=parts, notes=(*notes, *_say_what_lacks(listing, parts)))


def _say_what_lacks(listing: Listing, parts: Int[Tensor, "n"]) -> list[str]:
    """A sentence for a test part without samples, and for each part without a class that others have."""
    assert listing.labels is not None
    found, known = [], listing.labels >= 0
    classes = listing.labels[known].unique().tolist()
    for code, part in enumerate(PARTS):
        counts = Counter(listing.labels[known & (parts == code)].tolist())
        absent = [label for label in classes if label not in counts]
        if not absent or not (counts or code == TEST):
            continue
        lacking = ", ".join(str(label) if listing.classes is None else listing.classes[label] for label in absent[:3])
        found.append(
            f"the {part} part has {counts.total()} of {int(known.sum())} labeled samples and none of {len(absent)} of "
            f"{len(classes)} classes ({lacking}{', ...' if len(absent) > 3 else ''}), so figures of it say little: "
            "bring more samples, or parts of your own, such as folders called train and test with all classes in each"
        )
    return found


def rows_to_pretrain(listing: Listing) -> Int[Tensor, "n"]:
    """Every row outside of the test part."""
    assert listing.parts is not None
    return torch.nonzero(listing.parts != TEST)[:, 0]


def labeled_rows(listing: Listing, part: Part) -> Int[Tensor, "n"]:
    """The labeled rows of one part; none where there are no labels."""
    if listing.labels is None or listing.parts is None:
        return torch.empty(0, dtype=torch.int64)
    return torch.nonzero((listing.parts == PARTS.index(part)) & (listing.labels >= 0))[:, 0]


def hashed_shares(keys: Sequence[str]) -> Float[Tensor, "n"]:
    """A number in [0, 1) per key that depends on the key alone: equal keys stay together."""
    digests = (hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=6).digest() for key in keys)
    return torch.tensor([int.from_bytes(digest, "big") / 2**48 for digest in digests], dtype=torch.float64)

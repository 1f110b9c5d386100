"""Sizes that a network can have, checked before it is built."""

from collections.abc import Mapping

MOST_WIDE, MOST_DEEP = 65_536, 1_000


def require_sizes(widths: Mapping[str, int], depths: Mapping[str, int]) -> None:
    """So that a wrong number, or a file of a stranger, gives a sentence instead of a network without end.

    Raises ValueError for the first size that is not from 1 to the most there can be.
    """
    for most, sizes in ((MOST_WIDE, widths), (MOST_DEEP, depths)):
        for name, size in sizes.items():
            if not 1 <= size <= most:
                raise ValueError(f"{name} should be from 1 to {most}, got {size}")

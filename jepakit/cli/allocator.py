"""Memory that a step of a CPU gives back is the memory that the next one asks for: the process had better keep it."""

import ctypes
import os
import platform

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""What mallopt(3) calls them."""
KEPT = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tells glibc not to return freed memory to the system; says whether it was told so.

    Otherwise every large tensor is new pages, which the kernel has to fill with zeros: up to a third of the time of
    training a small network. Nothing is told where the environment says something of malloc already (`MALLOC_..._`, or
    another allocator by LD_PRELOAD), and nowhere but on glibc.
    """
    chosen = any(name.startswith(("MALLOC_", "LD_PRELOAD")) for name in os.environ)
    if chosen or platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    return bool(library.mallopt(MMAP_MAX, 0)) and bool(library.mallopt(TRIM_THRESHOLD, KEPT))

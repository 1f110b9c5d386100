"""Freed memory is kept, unless somebody chose otherwise."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
COUNT = """
import resource, sys
import torch
from jepakit.cli.allocator import keep_freed_memory

told = keep_freed_memory()
keep = torch.ones(1)
for _ in range(20):
    torch.zeros(40, 2**20).add_(keep)
print(told, resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def faults(**chosen: str) -> tuple[str, int]:
    """Whether a fresh process was told, and how often its pages were new, for tensors of 160 MB in a row."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "LD_PRELOAD"))}
    told = subprocess.run(
        [sys.executable, "-c", COUNT], env={**environment, **chosen}, capture_output=True, text=True, check=True
    ).stdout.split()
    return told[0], int(told[1])


def test_pages_of_freed_memory_are_used_again():
    told, few = faults()
    left_alone, many = faults(MALLOC_MMAP_MAX_="65536")
    assert (told, left_alone) == ("True", "False")
    assert few < many / 3

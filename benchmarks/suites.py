"""Every suite of cells: what `make learning` runs."""

from benchmarks import (
    anticipation,
    arena,
    arm7,
    dense,
    energies,
    foretelling,
    latent,
    learning,
    lejepa,
    metaworld,
    nuisance,
    push,
    two_rooms,
    video,
)

SUITES = (
    *(learning, video, dense, anticipation, metaworld),
    *(arena, lejepa, nuisance, latent, foretelling, two_rooms, push, arm7, energies),
)

"""Runs on trajectories. `jepakit train worlds:NAME`; every number can be overridden on the command line."""

from dataclasses import replace

from jepakit.data.trajectories import Trajectories
from jepakit.family import pldm
from jepakit.recipes.images import ONE_THREAD
from jepakit.rivals.gcbc import GCBC
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch


def two_rooms() -> Run:
    """PLDM of a million parameters in two rooms, on episodes that `jepakit collect` made.

    Collect first: `jepakit collect two_rooms --policy mixture --episodes 4000 --out data/two_rooms`.
    """
    return Run(
        model=pldm.NANO,
        data=Trajectories(root="data/two_rooms", frames=pldm.NANO.frames, skip=4, blocks="sum"),
        steps=5_400,
        batch=64,
        threads=ONE_THREAD,
        optimizer=AdamW(peak=1e-3, start=0.0, end=1e-5, warmup=0.03, decay=(1e-5, 1e-5)),
        clip=5.0,
        keep=Keep(every=900),
        watch=Watch(action="warn"),
    )


def two_rooms_bc() -> Run:
    """Goal-conditioned behavior cloning on the same trajectories: the same encoder, which learns for as many steps."""
    return _cloning(two_rooms())


def push() -> Run:
    """The same for a disc that pushes a block: five steps side by side are one action.

    Collect first: `jepakit collect push --policy mixture --episodes 4000 --out data/push`.
    """
    model = replace(pldm.NANO, action=10)
    return replace(two_rooms(), model=model, data=Trajectories(root="data/push", frames=model.frames, skip=5))


def push_bc() -> Run:
    """Cloning of what was done on the board."""
    return _cloning(push())


def _cloning(run: Run) -> Run:
    """Goal-conditioned behavior cloning on what a world model learns from, with the same encoder, for as many steps."""
    world = run.model
    assert isinstance(world, pldm.PLDM), "what is cloned beside PLDM has its encoder"
    model = GCBC(network=world.network, frames=world.frames, dim=world.dim, action=world.action)
    return replace(run, model=model, steps=round(world.settled * run.steps))

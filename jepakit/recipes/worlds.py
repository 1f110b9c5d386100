"""Runs on trajectories. `jepakit train worlds:NAME`; every number can be overridden on the command line."""

from dataclasses import replace

from jepakit.data.latents import Latents
from jepakit.data.trajectories import Trajectories
from jepakit.family import pldm
from jepakit.recipes.images import ONE_THREAD
from jepakit.rivals.gcbc import GCBC
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch

LEARNING = AdamW(peak=1e-3, start=0.0, end=1e-5, warmup=0.03, decay=(1e-5, 1e-5))


def two_rooms() -> Run:
    """PLDM in two rooms, on episodes that `jepakit collect` made: what sees, and a first predictor beside it.

    Collect first: `jepakit collect two_rooms --policy mixture --episodes 4000 --out data/two_rooms`. Go on with
    `worlds:two_rooms_planner`: a predictor that learns beside what sees ignores walls.
    """
    model = replace(pldm.NANO, settled=1.0)
    return Run(
        model=model,
        data=Trajectories(root="data/two_rooms", frames=model.frames, skip=4, blocks="sum"),
        steps=1_800,
        batch=64,
        threads=ONE_THREAD,
        optimizer=LEARNING,
        clip=5.0,
        keep=Keep(every=600),
        watch=Watch(action="warn"),
    )


def two_rooms_planner() -> Run:
    """A new predictor of half a million parameters, on what the network of `worlds:two_rooms` makes of every frame.

    Name its run: `--model.source runs/two_rooms`. Latents are written first, to `--data.folder`.
    """
    sees = two_rooms()
    assert isinstance(sees.data, Trajectories)
    model = replace(pldm.PLANNER, source="runs/two_rooms")
    data = Latents(trajectories=sees.data, folder="runs/two_rooms_latents")
    return replace(
        sees, model=model, data=data, steps=9_000, batch=128, optimizer=replace(LEARNING, decay=(1e-4, 1e-4)), clip=1.0,
        keep=Keep(every=3_000), watch=Watch(action="off"),
    )  # fmt: skip


def two_rooms_bc() -> Run:
    """Goal-conditioned behavior cloning on the same trajectories: the same encoder, which sees as many frames.

    Goals are up to 60 steps ahead, in episodes of 64: those are what windows span.
    """
    return cloning_of(two_rooms(), frames=16)


def push() -> Run:
    """The same for a disc that pushes a block: five steps side by side are one action.

    Collect first: `jepakit collect push --policy mixture --episodes 4000 --out data/push`.
    """
    model = replace(pldm.NANO, settled=1.0, action=10)
    return replace(two_rooms(), model=model, data=Trajectories(root="data/push", frames=model.frames, skip=5))


def push_bc() -> Run:
    """Cloning of what was done on the board, with goals up to 60 of 64 steps ahead."""
    return cloning_of(push(), frames=13)


def cloning_of(run: Run, frames: int) -> Run:
    """Goal-conditioned behavior cloning on what PLDM learns from, with the same encoder, for as many steps.

    Hindsight goals are any later moment of an episode (1906.05838), so `frames` make a window nearly as long as one;
    the batch is as much smaller as windows are longer. What PLDM feels of its body, it feels.
    """
    world, data = run.model, run.data
    assert isinstance(world, pldm.PLDM), "what is cloned beside PLDM has its encoder"
    assert isinstance(data, Trajectories), "cloning sees pictures"
    model = GCBC(network=world.network, frames=frames, dim=world.dim, action=world.action, proprio=world.proprio)
    return replace(run, model=model, data=replace(data, frames=frames), batch=round(run.batch * world.frames / frames))

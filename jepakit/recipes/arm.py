"""Runs on episodes of the arm. `jepakit train arm:NAME`; every number can be overridden on the command line.

Collect first: `jepakit collect arm7 --policy arm --episodes 6700 --steps 32 --out data/arm7`. A script makes them:
45 % put the thing down somewhere, 20 % carry it about, 15 % move the hand from place to place, all with noise and slips
of the gripper, and 20 % wander at random (`worlds.arm.policy`). None knows the goals that are tested.
"""

from dataclasses import replace

from jepakit.data.latents import Latents
from jepakit.data.trajectories import Trajectories
from jepakit.family import condensed, pldm
from jepakit.recipes.images import ONE_THREAD, SMALL
from jepakit.recipes.worlds import cloning_of
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch

FRAMES, EPISODE = 8, 33
WORLD = replace(pldm.NANO, frames=FRAMES, rollout=FRAMES - 1, action=7, proprio=7, dim=32, similarity=8.0)
"""PLDM of few numbers that move smoothly: else, all places that are not near are equally far, and plans get stuck."""
EPISODES = Trajectories(root="data/arm7", frames=FRAMES, held_out=0.05)


def world_model() -> Run:
    """PLDM of 0.4 million parameters that sees the arm and feels the pose of its hand: a quarter of an hour."""
    return Run(
        model=WORLD,
        data=EPISODES,
        steps=6_000,
        batch=32,
        threads=ONE_THREAD,
        optimizer=AdamW(peak=1e-3, start=0.0, end=1e-5, warmup=0.03, decay=(1e-5, 1e-5)),
        clip=5.0,
        keep=Keep(every=1_000),
        watch=Watch(action="warn"),
    )


def cloning() -> Run:
    """Goal-conditioned behavior cloning on the same episodes: the same encoder, which learns for as many steps.

    It feels the pose of the hand, too, but not that at the goal. Windows are whole episodes, so goals are up to 32
    steps ahead; a step shows twice as many frames.
    """
    run = cloning_of(world_model(), frames=EPISODE)
    return replace(run, model=replace(run.model, dim=256), steps=round(WORLD.settled * run.steps), batch=16)


def video() -> Run:
    """The first stage of V-JEPA 2-AC: V-JEPA 2 of 0.8 million parameters on the same episodes, without actions."""
    return Run(
        model=condensed.SMALL_VIDEO,
        data=EPISODES,
        steps=2_400,
        batch=32,
        threads=ONE_THREAD,
        optimizer=SMALL,
        keep=Keep(every=400),
        watch=Watch(action="warn"),
    )


def condensed_world() -> Run:
    """The second stage: what the first one saw, frozen, and an MLP that predicts it under actions. A few minutes.

    The source is a run of `arm:video`. Latents are written when the run begins, once.
    """
    return replace(
        world_model(),
        model=condensed.Condensed(source="runs/video"),
        data=Latents(trajectories=EPISODES, folder="data/arm7_latents"),
        steps=4_000,
        batch=64,
        watch=Watch(action="off"),
    )

"""The tasks of the arm and how they are planned: the protocol of V-JEPA 2-AC, in numbers that a CPU can afford.

Paper (2506.09985, section 4.2) and released code: CEM over x, y, z and the gripper, the hand does not turn; a step
moves at most 0.05 m along each axis; horizon 1 or 2, planned again after each step, to the picture of a goal. Where a
task is not done by getting nearer and nearer, pictures of what to go through are shown, each for a number of steps.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from jepakit.config import Config
from jepakit.planning.cem import CEM
from jepakit.planning.control import Planning
from jepakit.planning.costs import Reach
from jepakit.worlds.arm.arm7 import Arm7, Body, Camera, Colors

ArmTaskName = Literal["reach", "grasp", "reach_with_object", "pick_place_subgoals", "pick_place_final"]
TASK_NAMES: tuple[ArmTaskName, ...] = get_args(ArmTaskName)
SEARCHED = (0, 1, 2, 6)
"""x, y, z and the gripper."""
TRUE_PLACES = (0, 1, 2, 6, 16, 17, 18)
TRUE_SCALES = (20.0, 20.0, 20.0, 4.0, 20.0, 20.0, 20.0)
"""What the true simulator is to bring about: the place of the hand, how far it is closed, and the place of the thing.

A longest step along an axis counts as much as a quarter of a closing."""
SEARCH = CEM(samples=48, elites=6, iterations=4, spread=0.7, least_spread=0.05)
GREEDY = Planning(
    planner=SEARCH,
    horizon=2,
    cost=Reach(measure="l1", when="sum", effort=0.1),
    execute=1,
)
"""V-JEPA 2-AC: 400 to 800 samples, 10 elites, 10 iterations, horizon 1 or 2, L1, and a goal that is a picture alone.

Effort keeps a gripper still that has nothing to do; the released code sets its small movements to 0 instead.
"""
POSE: dict[str, Any] = {"felt": 1.0, "places": (0, 1, 2, 6), "scales": (20.0, 20.0, 20.0, 4.0)}
WISHES: dict[str, dict[str, Any]] = {"cem": {}, "cem_felt_and_seen": POSE, "cem_felt": {**POSE, "seen": 0.0}}
"""What of a goal counts: its picture alone, as published; also the pose of the hand in it (ours, and jepa-wms's); and
that pose alone, which is reached without seeing anything."""


@dataclass(frozen=True, kw_only=True)
class ArmTask(Config):
    """A task of the arm, and how long each of its stages is pursued."""

    world: Arm7
    budget: int
    stages: tuple[int, ...] = ()
    planning: Planning = GREEDY


ARM_TASKS: dict[ArmTaskName, ArmTask] = {
    "reach": ArmTask(world=Arm7(task="reach"), budget=15),
    "grasp": ArmTask(world=Arm7(task="grasp"), budget=20, stages=(12, 3, 5)),
    "reach_with_object": ArmTask(world=Arm7(task="reach_with_object"), budget=15),
    "pick_place_subgoals": ArmTask(world=Arm7(task="pick_place"), budget=35, stages=(12, 3, 12, 8)),
    "pick_place_final": ArmTask(world=Arm7(task="pick_place"), budget=35),
}
"""Stages of a grasp: the open hand around the thing, closed, lifted; then above its place, and put down there."""
SHIFTS: dict[str, dict[str, Any]] = {
    "camera": {"camera": Camera(azimuth=165.0, elevation=-32.0)},
    "scene": {"colors": Colors(floor=(0.55, 0.5, 0.35), table=(0.35, 0.5, 0.42))},
    "object": {"thing": "box", "colors": Colors(thing=(0.12, 0.3, 0.8))},
    "embodiment": {"body": Body(length=1.08, width=0.75)},
}
"""What a world may be changed to after training, none of which the episodes ever show."""

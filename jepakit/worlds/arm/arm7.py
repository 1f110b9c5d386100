"""Arm7: an arm with the kinematics of a Franka Panda before a table, moved as V-JEPA 2-AC moves a real one.

An action is a difference of poses (`jepakit.poses`): so far along x, y and z, turned so much, the gripper closed so
much more. It takes a quarter of a second. What may differ between training and test is a field: camera, colors, thing,
body.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jepakit.config import Config

if TYPE_CHECKING:
    from jepakit.worlds.arm.world import ArmWorld

Task = Literal["reach", "grasp", "reach_with_object", "pick_place"]
TASKS: tuple[Task, ...] = ("reach", "grasp", "reach_with_object", "pick_place")
Thing = Literal["cup", "box"]
Color = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Camera(Config):
    """Where the camera stands: degrees around the middle of the table and down to it, and meters away from it."""

    azimuth: float = 150.0
    elevation: float = -25.0
    distance: float = 0.85

    def __post_init__(self) -> None:
        if not (-90 < self.elevation < 0 and self.distance > 0):
            raise ValueError(f"a camera looks down on the table from somewhere, not from {self}")


@dataclass(frozen=True, kw_only=True)
class Colors(Config):
    """Colors of the scene: red, green and blue from 0 to 1."""

    floor: Color = (0.35, 0.38, 0.42)
    table: Color = (0.72, 0.62, 0.48)
    arm: Color = (0.93, 0.93, 0.95)
    hand: Color = (0.15, 0.15, 0.18)
    thing: Color = (0.85, 0.15, 0.12)

    def __post_init__(self) -> None:
        parts = (self.floor, self.table, self.arm, self.hand, self.thing)
        if not all(0 <= part <= 1 for color in parts for part in color):
            raise ValueError(f"colors are red, green and blue from 0 to 1, got {self}")


@dataclass(frozen=True, kw_only=True)
class Body(Config):
    """How the arm is built: `length` stretches its upper arm and forearm, `width` makes its links thicker."""

    length: float = 1.0
    width: float = 1.0

    def __post_init__(self) -> None:
        if not (0.85 <= self.length <= 1.2 and 0.5 <= self.width <= 1.5):
            raise ValueError(f"length is from 0.85 to 1.2 and width from 0.5 to 1.5, got {self.length}, {self.width}")


@dataclass(frozen=True, kw_only=True)
class Arm7(Config):
    """The arm, its table, and what is to be done there. `build()` makes the simulator, which needs MuJoCo.

    Tasks are those of V-JEPA 2-AC (2506.09985, section 4.2): move the hand to a place (reach), hold the thing in the
    air (grasp), carry it to a place (reach_with_object), put it down elsewhere (pick_place). Lengths are meters. An
    action is cut to `longest_move` along each axis, `longest_turn` about each, and a whole closing of the gripper.
    """

    task: Task = "reach"
    size: int = 64
    thing: Thing = "cup"
    camera: Camera = Camera()
    colors: Colors = Colors()
    body: Body = Body()
    longest_move: float = 0.05
    longest_turn: float = 0.25

    def __post_init__(self) -> None:
        if not 16 <= self.size <= 512:
            raise ValueError(f"size is the side of a picture, from 16 to 512 pixels, got {self.size}")
        if not (0 < self.longest_move <= 0.1 and 0 < self.longest_turn <= 0.5):
            raise ValueError(
                "an action moves at most 0.1 m and turns at most 0.5 rad, "
                f"got {self.longest_move} and {self.longest_turn}"
            )

    def build(self) -> "ArmWorld":
        """The simulator. Raises ImportError, with what to install, without MuJoCo."""
        from jepakit.worlds.arm.world import ArmWorld

        return ArmWorld(self)

"""Which worlds there are, by the names of the command line. Any other `Config` that builds a World will do as well."""

from collections.abc import Mapping

from jepakit.config import Config
from jepakit.worlds.arm.arm7 import Arm7
from jepakit.worlds.diverse_maze import DiverseMaze
from jepakit.worlds.push import Push
from jepakit.worlds.two_rooms import TwoRooms

WORLDS: Mapping[str, Config] = {
    "two_rooms": TwoRooms(),
    "diverse_maze": DiverseMaze(),
    "diverse_maze_unseen": DiverseMaze(part="unseen", layouts=20),
    "push": Push(),
    "arm7": Arm7(),
}

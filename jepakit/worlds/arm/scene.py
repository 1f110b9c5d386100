"""The arm, the table and the thing on it as MuJoCo's XML, of nothing but boxes, cylinders and capsules.

The joints lie where those of a Franka Panda lie (modified Denavit-Hartenberg parameters of its data sheet: a 0.0825 and
0.088, d 0.333, 0.316, 0.384 and 0.107), as do their limits. The hand's frame is turned so that a hand that points down
has no roll, pitch or yaw, and lies between the fingertips.
"""

from jepakit.worlds.arm.arm7 import Arm7, Color, Thing

HOME = (0.0, -0.35, 0.0, -2.45, 0.0, 2.1, 0.785)
"""Angles of the joints with the hand above the middle of the table, pointing down."""
OPENING = 0.04
"""How far each of the two fingers can move."""
HEIGHTS: dict[Thing, float] = {"cup": 0.045, "box": 0.03}
"""Half of the height of a thing, which is where its middle is when it stands."""
TARGET = (0.47, 0.0, 0.15)
"""The middle of the work: what the camera looks at."""
_CUP, _BOX = 0.026, 0.026  # the radius of the cup, and half the side of the box
_RANGES = (
    *((-2.8973, 2.8973), (-1.7628, 1.7628), (-2.8973, 2.8973), (-3.0718, -0.0698)),
    *((-2.8973, 2.8973), (-0.0175, 3.7525), (-2.8973, 2.8973)),
)
_STIFFNESS = (900, 900, 900, 900, 350, 350, 150)

_DEFAULTS = f"""<default>
    <geom contype="0" conaffinity="0" density="500"/>
    <joint armature="0.1" damping="1"/>
    <default class="touch">
      <geom contype="1" conaffinity="1" condim="4" friction="2 0.02 0.0002" solref="0.02 1"/>
    </default>
    <default class="finger">
      <joint type="slide" range="0 {OPENING}" armature="0.05" damping="5"/>
    </default>
  </default>"""


def write_scene(config: Arm7) -> str:
    """The whole model."""
    colors = config.colors
    return f"""<mujoco model="arm7">
  <compiler angle="radian"/>
  <option timestep="0.01" integrator="implicitfast" cone="elliptic" impratio="10"/>
  <visual>
    <global offwidth="{config.size}" offheight="{config.size}" fovy="42"/>
    <quality shadowsize="0" offsamples="0" numslices="16" numstacks="8" numquads="1"/>
    <headlight ambient="0.45 0.45 0.45" diffuse="0.35 0.35 0.35" specular="0 0 0"/>
    <map znear="0.05" zfar="10"/>
  </visual>
  {_DEFAULTS}
  <worldbody>
    <light pos="0.3 -0.6 1.6" dir="0.1 0.4 -1" directional="true" diffuse="0.55 0.55 0.55" specular="0 0 0"/>
    {_shades(config)}
    <geom name="floor" type="plane" pos="0 0 -0.4" size="8 8 0.1" rgba="{_paint(colors.floor)}"/>
    <geom name="table" class="touch" type="box" pos="0.5 0 -0.02" size="0.4 0.5 0.02" rgba="{_paint(colors.table)}"/>
    {_arm(config)}
    {_thing(config)}
  </worldbody>
  <equality><joint joint1="left" joint2="right" solref="0.01 1"/></equality>
  <actuator>{_motors()}</actuator>
</mujoco>"""


def _motors() -> str:
    """What turns the joints, each to an angle that it is told, and moves the fingers."""
    joints = "".join(
        f'<position joint="joint{number}" kp="{stiffness}" dampratio="1" ctrlrange="{low} {high}"/>'
        for number, (stiffness, (low, high)) in enumerate(zip(_STIFFNESS, _RANGES, strict=True), start=1)
    )
    fingers = "".join(
        f'<position joint="{name}" kp="300" dampratio="1" ctrlrange="0 {OPENING}" forcerange="-25 25"/>'
        for name in ("left", "right")
    )
    return joints + fingers


def _shades(config: Arm7) -> str:
    """What hand and thing take of the light of a lamp above: it tells how high they are. Drawn, not simulated."""
    color = _paint((0.6 * config.colors.table[0], 0.6 * config.colors.table[1], 0.6 * config.colors.table[2]))
    sizes = {"hand": "0.022 0.075 0.0004", "thing": f"{_BOX} {_BOX} 0.0005"}
    return "".join(
        f'<geom name="shade_{name}" type="box" size="{size}" rgba="{color}"/>' for name, size in sizes.items()
    )


def _arm(config: Arm7) -> str:
    """The links from the shoulder to the hand, one within the other."""
    long, wide, color = config.body.length, config.body.width, _paint(config.colors.arm)
    upper, fore = 0.316 * long, 0.384 * long
    turned = {"back": "0.7071068 -0.7071068 0 0", "forth": "0.7071068 0.7071068 0 0"}
    links = (
        ("0 0 0.333", "1 0 0 0", f"0 0 -0.2  0 0 0.02  {0.065 * wide}"),
        ("0 0 0", turned["back"], f"0 0 0  0 {-upper * 0.6} 0  {0.06 * wide}"),
        (f"0 {-upper} 0", turned["forth"], f"0 0 -0.06  0.08 0 0  {0.058 * wide}"),
        ("0.0825 0 0", turned["forth"], f"0 0 -0.05  0 0 0.05  {0.058 * wide}"),
        (f"-0.0825 {fore} 0", turned["back"], f"0.05 0.03 {-fore * 0.95}  0 0.05 -0.08  {0.048 * wide}"),
        ("0 0 0", turned["forth"], f"0 0 0  0.085 0 0  {0.05 * wide}"),
        ("0.088 0 0", turned["forth"], f"0 0 0  0 0 0.05  {0.045 * wide}"),
    )
    text = f'<geom type="cylinder" pos="0 0 0.08" size="{0.08 * wide} 0.08" rgba="{color}"/>'
    for number, (place, turn, capsule) in enumerate(links, start=1):
        low, high = _RANGES[number - 1]
        *ends, radius = capsule.split()
        text += (
            f'<body name="link{number}" pos="{place}" quat="{turn}" gravcomp="1">'
            f'<joint name="joint{number}" axis="0 0 1" range="{low} {high}"/>'
            f'<geom type="capsule" fromto="{" ".join(ends)}" size="{radius}" rgba="{color}"/>'
        )
    return text + _hand(config) + "</body>" * len(links)


def _hand(config: Arm7) -> str:
    color = _paint(config.colors.hand)
    fingers = "".join(
        f'<body name="{name}" pos="0 0 0.0584" gravcomp="1"><joint name="{name}" class="finger" axis="0 {side} 0"/>'
        f'<geom class="touch" type="box" pos="0 {side * 0.008} 0.03" size="0.012 0.008 0.028" rgba="{color}"/></body>'
        for name, side in (("left", 1), ("right", -1))
    )
    return (
        '<body name="hand" pos="0 0 0.107" quat="0.9238795 0 0 -0.3826834" gravcomp="1">'
        f'<geom class="touch" type="box" pos="0 0 0.03" size="0.03 0.09 0.028" rgba="{color}"/>'
        f'<site name="tip" pos="0 0 0.1034" quat="0 1 0 0"/>{fingers}</body>'
    )


def _thing(config: Arm7) -> str:
    color = _paint(config.colors.thing)
    half = HEIGHTS[config.thing]
    shape = (
        f'type="cylinder" size="{_CUP} {half}"' if config.thing == "cup" else f'type="box" size="{_BOX} {_BOX} {half}"'
    )
    mark = f'type="box" pos="0 0 {half}" size="0.012 0.012 0.0005"'
    return (
        f'<body name="thing" pos="0.5 0 {half}"><freejoint name="thing"/>'
        f'<geom name="thing" class="touch" {shape} mass="0.05" rgba="{color}"/>'
        f'<geom {mark} mass="0" rgba="0.95 0.95 0.9 1"/></body>'
    )


def _paint(color: Color) -> str:
    return " ".join(f"{part:g}" for part in (*color, 1.0))

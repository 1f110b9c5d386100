"""The arm does what it is told, the same every time, and its tasks can be done."""

import os
import pickle
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

from jepakit import poses
from jepakit.config import Config
from jepakit.contracts import World
from jepakit.mujoco import NoCanvas
from jepakit.worlds.arm.arm7 import TASKS, Arm7, Body, Camera, Colors
from jepakit.worlds.arm.expert import choose_actions
from jepakit.worlds.arm.policy import KINDS, ArmPolicy
from jepakit.worlds.arm.simulator import FENCE, LAYOUT
from jepakit.worlds.arm.tasks import hand_of, is_held, length, thing_of
from jepakit.worlds.collect import Collector, roll
from jepakit.worlds.policies import Expert
from jepakit.worlds.two_rooms import TwoRooms

# It is not imported here: what imports it first decides how it draws, see `jepakit.mujoco`.
pytestmark = pytest.mark.skipif(find_spec("mujoco") is None, reason="MuJoCo is missing: pip install 'jepakit[arm]'")
SEEDS = torch.arange(2)


@pytest.fixture(scope="module")
def world():
    return Arm7().build()


@pytest.fixture
def drawing(world):
    """The world, where MuJoCo can draw."""
    try:
        world.render(world.start(SEEDS[:1]))
    except NoCanvas as reason:
        pytest.skip(f"no pictures without OpenGL: {reason}")
    return world


def draw(world, *shape, seed=0):
    share = torch.rand(*shape, 7, generator=torch.Generator().manual_seed(seed))
    return world.low + share * (world.high - world.low)


def test_it_is_a_world(world):
    assert isinstance(world, World)
    assert world.start(SEEDS).shape == world.goal(SEEDS).shape == (2, LAYOUT.size)
    assert world.proprio(world.start(SEEDS)).shape == (2, poses.POSE)


def test_a_step_is_repeatable_and_one_by_one_is_all_at_once(world):
    states = world.start(SEEDS)[:, None].expand(2, 2, -1).contiguous()
    actions = draw(world, 2, 2)
    for step in range(4):
        moved = world.step(states, actions)
        alone = torch.stack(
            [world.step(state, action) for state, action in zip(states[:, 1], actions[:, 1], strict=True)]
        )
        assert torch.equal(moved[:, 1], alone), step
        assert torch.equal(moved, world.step(states, actions)), "what came in between was remembered"
        states = moved


def test_the_hand_goes_where_an_action_says(world):
    states = world.start(torch.arange(8))
    actions = 0.5 * draw(world, 8)
    actions[:, 6] = 0.0
    meant = poses.move(world.proprio(states), actions)
    found = world.proprio(world.step(states, actions))
    assert length(found[:, :3] - meant[:, :3]).max() < 0.01
    assert poses.angle_between(found[:, 3:6], meant[:, 3:6]).max() < 0.05


def test_actions_outside_of_their_box_are_cut_and_the_hand_stays_inside_its_fence(world):
    states = world.start(SEEDS)
    actions = torch.zeros(2, 7)
    actions[:, 2] = -1.0
    assert torch.equal(world.step(states, actions), world.step(states, actions.clamp(min=world.low)))
    for _ in range(12):
        states = world.step(states, actions)
    assert float(hand_of(states)[:, 2].min()) > FENCE[2, 0] - 0.01
    assert float(states[:, LAYOUT.thing].abs().max()) < 1, "nothing was flung away"


@pytest.mark.parametrize("task", TASKS)
def test_a_goal_is_its_own_solution_the_start_is_none_and_seeds_tell_all(task):
    config = Arm7(task=task, thing="box" if task == "grasp" else "cup")
    world, again = config.build(), config.build()
    start, goal = world.start(SEEDS), world.goal(SEEDS)
    assert world.solved(goal, goal).all()
    assert not world.solved(start, goal).any()
    assert torch.equal(again.goal(SEEDS.flip(0)).flip(0), goal)
    assert torch.equal(again.start(SEEDS), start)
    assert len(torch.unique(start, dim=0)) == 2


def test_picking_and_placing_goes_through_four_states():
    world = Arm7(task="pick_place").build()
    start, (around, closed, above, put) = world.start(SEEDS), world.subgoals(SEEDS).unbind(1)
    assert is_held(torch.stack([around, closed, above, put])).tolist() == [
        [False] * 2,
        [True] * 2,
        [True] * 2,
        [False] * 2,
    ]
    assert length(thing_of(around) - thing_of(start)).max() < 0.01, "it was not pushed on the way"
    assert length(hand_of(around) - thing_of(start)).max() < 0.03
    assert (thing_of(above)[:, 2] > thing_of(start)[:, 2] + 0.03).all()
    assert (length((thing_of(above) - thing_of(put))[:, :2]) < 0.05).all()
    assert not world.solved(closed, put).any()


def test_a_thing_that_is_held_moves_with_the_hand_and_falls_when_let_go():
    world = Arm7(task="grasp").build()
    held = world.goal(SEEDS)
    up = torch.tensor([0.0, 0.0, 0.05, 0.0, 0.0, 0.0, 0.0])
    raised = world.step(held, up.expand(2, 7))
    assert ((thing_of(raised) - thing_of(held))[:, 2] > 0.03).all()
    open_hand = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0]).expand(2, 7)
    fallen = world.step(world.step(raised, open_hand), open_hand)
    assert (thing_of(fallen)[:, 2] < thing_of(raised)[:, 2] - 0.05).all()
    assert not world.solved(fallen, held).any()


def test_the_script_does_its_errand_after_a_push():
    world = Arm7(task="pick_place").build()
    states, goals = world.start(SEEDS), world.goal(SEEDS)
    for step in range(40):
        action = choose_actions(world.config, "put", states, thing_of(goals))
        if step == 3:
            action = draw(world, 2, seed=5)
        states = world.step(states, action)
    assert world.solved(states, goals).any()


def test_pictures_show_the_scene_and_its_shifts(drawing):
    states = drawing.start(SEEDS)
    seen = drawing.render(states)
    assert seen.shape == (2, 64, 64, 3)
    assert torch.equal(seen, drawing.render(states))
    assert not torch.equal(seen[0], seen[1])
    shifts = [
        Arm7(camera=Camera(azimuth=130.0)),
        Arm7(colors=Colors(table=(0.2, 0.5, 0.3))),
        Arm7(thing="box"),
        Arm7(body=Body(width=1.4)),
    ]
    for config in shifts:
        other = config.build()
        changed = (other.render(other.start(SEEDS)).int() - seen.int()).abs().amax(dim=-1) > 10
        assert changed.float().mean() > 0.005, config
        other.close()


@pytest.mark.parametrize(("first", "words"), [("import mujoco", "MUJOCO_GL=osmesa"), ("", "cannot draw")])
def test_where_nothing_can_be_drawn_a_sentence_says_so(first, words):
    """MuJoCo that was loaded for a screen that is not there would end the process."""
    code = f"""
{first}
from jepakit.mujoco import NoCanvas, load_mujoco, open_renderer
model = load_mujoco().MjModel.from_xml_string("<mujoco/>")
try:
    open_renderer(model, 64)
except NoCanvas as error:
    print(error)
"""
    settings = {
        key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL")
    }
    if not first:
        settings["MUJOCO_GL"] = "disable"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=settings, check=True)
    assert words in said.stdout


def test_a_renderer_may_be_thrown_away_in_another_thread(drawing):
    """Where a canvas was still current in the first thread, the process ended there."""
    code = """
import os
from threading import Thread
from jepakit.mujoco import load_mujoco, open_renderer
mujoco = load_mujoco()
model = mujoco.MjModel.from_xml_string("<mujoco/>")
data = mujoco.MjData(model)
for _ in range(4):
    kept = [open_renderer(model, 64)]
    kept[0].update_scene(data)
    kept[0].render()
    thread = Thread(target=kept.clear)
    thread.start()
    thread.join()
    spoilt = [bytearray(os.urandom(64) * 2000) for _ in range(200)]
    mujoco.GLContext(64, 64).free()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_longer_arm_still_does_as_it_is_told():
    world = Arm7(body=Body(length=1.12)).build()
    states, actions = world.start(SEEDS), torch.tensor([0.03, 0.03, -0.03, 0.0, 0.0, 0.1, 0.0]).expand(2, 7)
    moved = world.step(states, actions)
    assert torch.allclose((moved - states)[:, :3], actions[:, :3], atol=0.01)


def test_episodes_depend_on_their_seed_alone(drawing):
    collector = Collector(drawing, ArmPolicy(), steps=4, seed=1)
    together, alone = list(collector([4, 5, 6])), next(collector([5]))
    assert together[0].keys() == {"frames", "actions", "proprio", "states"}
    assert all((together[1][key] == alone[key]).all() for key in alone)
    assert alone["frames"].shape == (5, 64, 64, 3)
    assert alone["actions"].shape == (4, 7)
    assert (together[0]["frames"] != together[1]["frames"]).any()


def test_data_hold_all_kinds_of_episodes_and_some_things_are_picked_up(world):
    policy = ArmPolicy()
    kinds = policy.kinds(torch.arange(400))
    shares = torch.bincount(kinds, minlength=len(KINDS)) / 400
    assert torch.allclose(shares, torch.tensor(policy.shares), atol=0.08)
    fetchers = torch.nonzero(kinds < 2)[:6, 0]
    states, actions = roll(world, policy, fetchers, 24)
    assert is_held(states).any(dim=1).sum() >= 3
    assert (actions <= world.high).all()
    assert (actions >= world.low).all()


def test_an_expert_of_the_tasks_is_one_of_the_house():
    world = Arm7(task="reach").build()
    states, _ = roll(world, Expert(noise=0.0, patience=100), SEEDS, 12)
    assert length(hand_of(states[:, 0]) - hand_of(states[:, -1])).min() > 0.05
    with pytest.raises(ValueError, match="ArmPolicy moves the arm"):
        ArmPolicy().begin(TwoRooms().build(), SEEDS)


def test_configs_travel_and_say_what_is_wrong():
    config = Arm7(task="grasp", thing="box", body=Body(width=1.2))
    assert Config.from_json(config.to_json()) == config
    world = pickle.loads(pickle.dumps(config.build()))
    assert world.config == config
    with pytest.raises(ValueError, match="pixels"):
        Arm7(size=4)
    with pytest.raises(ValueError, match="at most"):
        Arm7(longest_move=0.5)
    with pytest.raises(ValueError, match="add up to 1"):
        ArmPolicy(shares=(0.5, 0.1, 0.1, 0.1))

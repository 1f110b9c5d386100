"""Verbs of worlds: collect, plan."""

from pathlib import Path

from jepakit.cli.words import Positional


def collect(
    world: Positional[str],
    out: Path,
    policy: str = "walk",
    episodes: int = 1_000,
    steps: int = 64,
    seed: int = 0,
) -> None:
    """Episodes of a policy in a world, to train world models on; what is there already is not played again.

    jepakit collect two_rooms --out data/two_rooms
    jepakit collect two_rooms --policy confined --episodes 4000 --out data/no_crossing

    Args:
        world: two_rooms, diverse_maze, diverse_maze_unseen, push or arm7
        out: the folder to write
        policy: who acts: uniform, walk, confined (passes no door), expert, mixture (walk and expert) or arm (arm7's)
        episodes: how many
        steps: actions of an episode
        seed: of all chance; every episode is a function of it and of its number
    """
    from jepakit.app import collecting

    collecting.collect(collecting.named_world(world), collecting.named_policy(policy), episodes, steps, seed, out)


def plan(
    runs: Positional[tuple[Path, ...]],
    world: str = "two_rooms",
    goal: Path | None = None,
    episodes: int = 100,
    seed: int = 0,
    video: Path | None = None,
    device: str = "cpu",
    trusted: bool = False,
) -> None:
    """How many goals a world model reaches by planning, beside chance, cloning and planning with the true simulator.

    jepakit plan runs/two_rooms runs/two_rooms_bc --video goals.mp4
    jepakit plan runs/two_rooms --goal goal.png --seed 3 --video there.gif

    Args:
        runs: folders of runs on trajectories
        world: two_rooms, push, arm7_reach, arm7_grasp, arm7_reach_with_object, arm7_pick_place_subgoals or
            arm7_pick_place_final; there are no goals in diverse_maze
        goal: a picture to get to from the start of `seed`, instead of the goals of episodes; by what is seen alone
        episodes: how many of them
        seed: of starts, goals and searches
        video: a film of the first run, .mp4 or .gif
        device: cpu, cuda or cuda:1
        trusted: let run.json name classes outside of jepakit, which are imported
    """
    from jepakit.app import planning

    suite = planning.named_suite(world, episodes, seed)
    loaded = {name: planning.open_run(run, device, trusted) for name, run in planning.label(runs).items()}
    if goal is None:
        planning.compare(suite, loaded, video)
    else:
        planning.pursue(suite, loaded, goal, video)

"""Films the scripted experts of Meta-World: the clips that `benchmarks.metaworld` learns from.

    MUJOCO_GL=osmesa python -m benchmarks.metaworld_clips

needs the extra `metaworld` and, without a screen, the package libosmesa6. It takes a quarter of an hour on one core;
what is there already is not filmed again. Clips go to the cache of jepakit, or to --folder.
"""

import argparse
from pathlib import Path

from jepakit.data.robot_clips import gather, robot_folder
from jepakit.data.robot_takes import collect


def main() -> None:
    """Films what is missing, and gathers all there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", help="names of tasks; all if none is given")
    parser.add_argument("--folder", type=Path, default=robot_folder())
    parser.add_argument("--seeds", type=int, default=30, help="takes of each task, with seeds from 0 on")
    asked = parser.parse_args()
    from jepakit.data.metaworld import MetaWorldStage, tasks  # only now, so that --help needs no simulator

    failed = collect(
        asked.folder, asked.tasks or tasks(), range(asked.seeds), MetaWorldStage, lambda line: print(line, flush=True)
    )
    print(f"{len(failed)} takes in which the task was not done: {', '.join(failed) or 'none'}")
    print(f"{gather(asked.folder).num_rows} takes gathered")


if __name__ == "__main__":
    main()

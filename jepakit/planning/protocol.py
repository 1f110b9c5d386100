"""How a policy is tried, as data: so that a figure says under which conditions it was measured."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from jepakit.config import Config, added
from jepakit.contracts import World
from jepakit.planning.control import Planning
from jepakit.planning.outcome import Episode, Outcome
from jepakit.planning.policies import GoalPolicy, Moments
from jepakit.worlds.bounds import cut_for
from jepakit.worlds.chance import seeds_of, uniforms

APART = 7_000_000
"""Added to seeds, so that episodes are others than those that data were collected from with the same seed."""
SLACK = 1e-5
"""How far an action may be outside of its bounds by rounding."""
STAGES_APART = 1_000_003
"""Added to the seeds of the policy with every stage, so that chance does not repeat itself."""


@dataclass(frozen=True, kw_only=True)
class EvaluationProtocol(Config):
    """Which episodes are played, for how long, and what counts as success.

    For each of the `seeds`, `episodes` are drawn: start and goal from the world, or from recorded episodes, the goal
    `offset` steps after the start. Those whose start is as good as its goal are left out, and counted. All others get
    exactly `budget` steps. Success is to be at the goal after "any" of them (once is enough), or after the "final" one.
    `planning` holds the numbers of a policy that plans.

    With `stages`, a policy is not shown the goal at first but what to go through, one state after the other, each for
    so many steps, whatever became of the one before (V-JEPA 2-AC, section 4.2). The goal is the last of them.
    """

    episodes: int = 100
    seeds: tuple[int, ...] = (0, 1, 2)
    budget: int = 50
    goals: Literal["world", "dataset"] = "world"
    offset: int | None = None
    success: Literal["any", "final"] = "any"
    planning: Planning | None = None
    stages: tuple[int, ...] = added(())

    def __post_init__(self) -> None:
        if min(self.episodes, self.budget) < 1 or not self.seeds:
            raise ValueError(f"there is 1 episode, step and seed or more, got {self}")
        if (self.offset is None) != (self.goals == "world") or (self.offset is not None and self.offset < 1):
            raise ValueError(
                f"goals from a dataset have an offset, the steps between a start and its goal, and those of the world "
                f"have none; got {self.offset} for goals from the {self.goals}"
            )
        if self.stages and (min(self.stages) < 1 or sum(self.stages) != self.budget or self.goals != "world"):
            raise ValueError(
                f"stages are steps for what goals of the world are to be reached through, and add up to the budget of "
                f"{self.budget}; got {self.stages} for goals from the {self.goals}"
            )

    def __str__(self) -> str:
        source = "the world" if self.offset is None else f"recorded episodes, {self.offset} steps on"
        tried = f"{self.episodes} episodes for each of the seeds {', '.join(map(str, self.seeds))}"
        planned = f"; {self.planning}" if self.planning else ""
        staged = f" in stages of {', '.join(map(str, self.stages))}, each with its goal" if self.stages else ""
        return f"goals from {source}; budget {self.budget}{staged}; success: {self.success}; {tried}{planned}"


def evaluate(
    policy: GoalPolicy,
    world: World,
    protocol: EvaluationProtocol,
    recorded: Sequence[Float[Tensor, "_ k"]] | None = None,
    batch: int = 100,
) -> Outcome:
    """Plays all episodes, `batch` at a time, which changes nothing but the memory that it takes.

    `recorded` are the states of episodes, where the protocol takes goals from a dataset. Raises ValueError for a policy
    that plans otherwise than the protocol says, recordings that are missing or too short, or where nothing is left.
    """
    if policy.planning != protocol.planning:
        raise ValueError(f"the protocol says {protocol.planning}, the policy {policy.name} has {policy.planning}")
    if batch < 1:
        raise ValueError(f"batch is 1 episode or more, got {batch}")
    tasks, excluded = _draw(world, protocol, recorded, batch)
    if not tasks:
        raise ValueError(
            f"all {excluded} starts are as good as their goals, so nothing is left to play; see {protocol}"
        )
    played = [_play(policy, world, protocol.stages or (protocol.budget,), task) for task in tasks]
    return Outcome(
        policy=policy.name,
        protocol=str(protocol),
        success=protocol.success,
        episodes=tuple(episode for part in played for episode in part.episodes),
        excluded=excluded,
        actions=sum(part.actions for part in played),
        clamped=sum(part.clamped for part in played),
        plans=sum(part.plans for part in played),
        cpu_seconds=sum(part.cpu_seconds for part in played),
        states=torch.cat([part.states for part in played]),
        goals=torch.cat([task.goals for task in tasks]),
    )


@runtime_checkable
class Staged(World, Protocol):
    """A world that knows what its goals are to be reached through: states, the last of which is the goal."""

    def subgoals(self, seeds: Int[Tensor, "b"]) -> Float[Tensor, "b g k"]: ...


def pairs(
    world: World,
    protocol: EvaluationProtocol,
    seeds: Int[Tensor, "b"],
    recorded: Sequence[Float[Tensor, "_ k"]] | None,
) -> tuple[Float[Tensor, "b k"], Float[Tensor, "b k"]]:
    """Starts and goals of the episodes with these seeds."""
    if protocol.offset is None:
        return world.start(seeds), world.goal(seeds)
    if recorded is None:
        raise ValueError("the protocol takes goals from a dataset; give the states of recorded episodes")
    ends = torch.tensor([len(states) - protocol.offset for states in recorded]).clamp(min=0).cumsum(0)
    if not len(ends) or ends[-1] == 0:
        raise ValueError(f"no recorded episode has the {protocol.offset + 1} moments that a start and its goal span")
    place = (uniforms(seeds, 1, 0)[:, 0].double() * ends[-1]).long()
    episode = torch.searchsorted(ends, place, right=True)
    moment = place - torch.cat([ends.new_zeros(1), ends])[episode]
    found = [(recorded[row], at) for row, at in zip(episode.tolist(), moment.tolist(), strict=True)]
    starts, goals = zip(*((states[at], states[at + protocol.offset]) for states, at in found), strict=True)
    return torch.stack(starts), torch.stack(goals)


@dataclass(frozen=True)
class _Task:
    """Episodes that are played side by side: their numbers under one seed of the protocol, and what they are.

    `through` are the goals of its stages, the last of which is what is to be reached.
    """

    seed: int
    numbers: Int[Tensor, "b"]
    seeds: Int[Tensor, "b"]
    starts: Float[Tensor, "b k"]
    through: Float[Tensor, "b g k"]

    @property
    def goals(self) -> Float[Tensor, "b k"]:
        """What is to be reached."""
        return self.through[:, -1]


@dataclass(frozen=True)
class _Played:
    """What came of some episodes, and what it took."""

    episodes: tuple[Episode, ...]
    states: Float[Tensor, "b t k"]
    actions: int
    clamped: int
    plans: int
    cpu_seconds: float


def _draw(
    world: World, protocol: EvaluationProtocol, recorded: Sequence[Float[Tensor, "_ k"]] | None, batch: int
) -> tuple[list[_Task], int]:
    """All episodes in batches, and how many were left out because they are solved at the start."""
    tasks, excluded = list[_Task](), 0
    for seed in protocol.seeds:
        seeds = seeds_of(APART + seed, torch.arange(protocol.episodes))
        starts, goals = pairs(world, protocol, seeds, recorded)
        through = _stages(world, protocol, seeds) if protocol.stages else goals.unsqueeze(1)
        left = ~world.solved(starts, goals)
        excluded += int((~left).sum())
        for rows in left.nonzero()[:, 0].split(batch):
            if len(rows):
                tasks.append(_Task(seed, rows, seeds[rows], starts[rows], through[rows]))
    return tasks, excluded


def _stages(world: World, protocol: EvaluationProtocol, seeds: Int[Tensor, "b"]) -> Float[Tensor, "b g k"]:
    """What the goals are reached through. Raises ValueError for a world that knows nothing, or other stages."""
    if not isinstance(world, Staged):
        raise ValueError(f"{type(world).__name__} does not know what its goals are reached through; leave out stages")
    through = world.subgoals(seeds)
    if through.shape[1] != len(protocol.stages):
        raise ValueError(f"a goal is reached through {through.shape[1]} states here, got stages {protocol.stages}")
    return through


def _play(policy: GoalPolicy, world: World, stages: Sequence[int], task: _Task) -> _Played:
    """Plays these episodes for the whole budget, and sets out anew with every stage."""
    count, moments, clamped, plans, seconds = len(task.starts), [task.starts], 0, 0, 0.0
    done, nothing = list[Tensor](), task.starts.new_zeros(count, 0, len(world.low))
    for stage, (steps, goals) in enumerate(zip(stages, task.through.unbind(dim=1), strict=True)):
        begin, last = time.process_time(), len(done) + steps
        actor = policy.begin(Moments(world, goals.unsqueeze(1), nothing), (task.seeds + stage * STAGES_APART).tolist())
        seconds += time.process_time() - begin
        while len(done) < last:
            past = Moments(world, torch.stack(moments, dim=1), torch.stack(done, dim=1) if done else nothing)
            begin = time.process_time()
            wanted = actor(past)
            seconds += time.process_time() - begin
            plans += count
            if not wanted.shape[1]:
                raise ValueError(f"the policy {policy.name} gave no action; 1 or more are needed to go on")
            for action in wanted[:, : last - len(done)].unbind(dim=1):
                done.append(cut_for(world, action))
                clamped += int(((done[-1] - action).abs() > SLACK).any(dim=1).sum())
                moments.append(world.step(moments[-1], done[-1]))
    states = torch.stack(moments, dim=1)
    return _Played(_judge(world, task, states), states, count * len(done), clamped, plans, seconds)


def _judge(world: World, task: _Task, states: Float[Tensor, "b t k"]) -> tuple[Episode, ...]:
    """Whether and when goals were reached. The start does not count."""
    after = states[:, 1:]
    reached = world.solved(after, task.goals.unsqueeze(1).expand_as(after)).tolist()
    return tuple(
        Episode(task.seed, number, any(row), row[-1], row.index(True) + 1 if any(row) else None)
        for number, row in zip(task.numbers.tolist(), reached, strict=True)
    )

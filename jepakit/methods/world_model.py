"""The rule of worlds that are acted in: predict the representation of the next frame from this one and the action.

JEPAs for planning (LeCun 2022, section 4.6; V-JEPA 2-AC 2506.09985, DINO-WM 2411.04983, PLDM 2502.14819, LeWM
2603.19312) differ in who encodes, who answers, and what prevents collapse; they share this rule.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor, nn

from jepakit.contracts import Energy, Losses, Observation, State, Step, Target
from jepakit.methods.multiview import evaluating
from jepakit.methods.rollout import Guess, Penalty, Rollout, error_of_body, pay
from jepakit.parts.nn.collective import sum_over_ranks
from jepakit.parts.nn.frames import Frames, by_frame, cut_frames, lay_behind
from jepakit.parts.nn.position import grid
from jepakit.parts.nn.standardize import Standardize
from jepakit.parts.predictors.body import Body, LearntBody
from jepakit.parts.predictors.dynamics import Conditions, Dynamics, append, each, frames_in
from jepakit.parts.targets import SharedTarget
from jepakit.tokens import Tokens

BLIND_DRAWS = 32
"""Sequences of actions that are tried where nobody says which one was taken."""


class WorldModelJEPA(nn.Module):
    """Every frame is encoded alone, the target answers for the next ones, the dynamics predict them under actions.

    Batches are {"x": [b c t h w], "actions": [b t-1 a]} and, where there is a `body`, {"proprio": [b t p]}; with
    dynamics that are told of the camera, {"extrinsics": [b t e]}. Without a `network`, the target is what sees, too,
    and what it sees may be told instead of "x": {"latents": [b t n d]} (`data.latents`).
    From the share `settled` of a run on, the network stays as it is, and the dynamics alone go on learning.
    It is a Method and a WorldModel: actions and what is known come and go in real units. Known is what the body feels
    and, behind it, where the camera is, which stays where it is.
    """

    def __init__(
        self,
        network: Frames | None,
        dynamics: Dynamics,
        target: Target,
        energy: Energy,
        action: Standardize,
        body: Body | None = None,
        rollout: Rollout | None = None,
        penalties: Mapping[str, Penalty] | None = None,
        settled: float = math.inf,
    ) -> None:
        super().__init__()
        if network is None and penalties:
            raise ValueError("a network that does not learn cannot pay penalties; leave them out")
        self.network, self.dynamics, self.target, self.compare = network, dynamics, target, energy
        self.action, self.body, self.rollout, self.settled = action, body, rollout or Rollout(), settled
        self.takes_turns = settled < math.inf  # then a step leaves out what has settled, for which DDP must not wait
        self.penalties = dict(penalties or {})
        self.rules = nn.ModuleDict(
            {name: penalty.rule for name, penalty in self.penalties.items() if isinstance(penalty.rule, nn.Module)}
        )

    @property
    def backbone(self) -> Frames:
        """What sees, its head included: states are what comes out of that."""
        return self.kept if self.network is None else self.network

    @property
    def kept(self) -> Frames:
        """The network to plan with: the average, where the target is one."""
        kept = self.target.kept(self.network or nn.Identity())
        assert isinstance(kept, Frames), "a world model encodes frame by frame"
        return kept

    def forward(self, batch: Mapping[str, Tensor], step: Step) -> Losses:
        """The mean energy of next frames, the error of what the body feels, and what prevents collapse."""
        if "actions" not in batch:
            raise ValueError("a world model learns from trajectories, and these data have no `actions`")
        if self.training:
            self._learn_scales(batch)
        seeing = step.progress < self.settled
        remembers = "latents" in batch
        with nullcontext() if seeing else torch.no_grad():
            frames, answers = self.recall(batch["latents"]) if remembers else self.look(batch["x"])
        told, felt = self.tell(batch, frames_in(frames))
        guesses = self.predict(frames, told)
        terms = self._errors(guesses, answers, felt)
        for name, penalty in self.penalties.items() if seeing else ():
            terms[name] = penalty.weight * pay(penalty, frames, told, guesses[0], answers, step)
        gflops = step.rows.total * self.flops(frames, remembers) / 1e9
        metrics = {"gflops": torch.tensor(gflops, dtype=torch.float64)}
        return Losses(terms, metrics | self._against_copy(guesses[0], answers))

    def look(self, clips: Float[Tensor, "b c t h w"]) -> tuple[Tokens, Tokens]:
        """The tokens of all frames as the network sees them, and as the target answers. Nothing is encoded twice.

        Raises ValueError for a frame alone, after which nothing comes.
        """
        if clips.shape[2] < 2:
            raise ValueError("the next frame is predicted, so clips have two frames or more")
        if self.network is None:
            answers = self.target(clips, nn.Identity())
            return answers, answers
        frames = self.network(clips)
        if isinstance(self.target, SharedTarget) and not self.target.normalize:
            return frames, frames.with_values(frames.values.detach()) if self.target.stop_gradient else frames
        return frames, self.target(clips, self.network)

    def recall(self, latents: Float[Tensor, "b t n d"]) -> tuple[Tokens, Tokens]:
        """What `look` gives, from what the target once saw. Raises ValueError where a network learns to see."""
        if self.network is not None:
            raise ValueError("this model learns to see, so it needs pictures; give it trajectories, not their latents")
        frames = lay_behind(as_frame(State(latents.flatten(0, 1))), latents.shape[1])
        return frames, frames

    @torch.no_grad()
    def see(self, clips: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b t n d"]:
        """What the target says of every frame: what `recall` takes."""
        with evaluating(self):
            return by_frame(self.target(clips, nn.Identity()))

    def tell(self, batch: Mapping[str, Tensor], count: int) -> tuple[Conditions, Float[Tensor, "b t p"] | None]:
        """What is told of all moments but the last, standardized, and what the body feels in all of them.

        Raises ValueError where actions do not lie between frames, or where the model needs what is not there.
        """
        actions = batch["actions"]
        if actions.shape[1] != count - 1:
            raise ValueError(f"{count} frames have {count - 1} actions between them, got {actions.shape[1]}")
        if self.body is not None and "proprio" not in batch:
            raise ValueError("this model is told what the body feels, and the data have no `proprio`")
        if self.dynamics.camera and "extrinsics" not in batch:
            raise ValueError("this model is told where the camera is, and the data have no `extrinsics`")
        felt = None if self.body is None else self.body.proprio(batch["proprio"])
        camera = batch["extrinsics"][:, : count - 1] if self.dynamics.camera else None
        return Conditions(self.action(actions), None if felt is None else felt[:, : count - 1], camera), felt

    def predict(self, frames: Tokens, told: Conditions) -> list[Guess]:
        """What is said of all frames but the first: from true ones, then from what was said."""
        count = frames_in(frames)
        guesses = [self._guess(cut_frames(frames, 0, count - 1), told, 1)]
        if self.rollout.from_first:
            return [*guesses, *self._roll(frames, told)]
        for begin in range(1, min(self.rollout.steps, count - 1)):
            last = guesses[-1]
            fed, state = cut_frames(last.frames, 0, count - 1 - begin), told.state
            known = min(begin, self.dynamics.window - 1)
            if known:  # what a window reaches back to
                fed = append(cut_frames(frames, begin - known, begin), fed)
            if last.felt is not None and state is not None:
                state = torch.cat([state[:, :begin], last.felt[:, :-1]], dim=1)
            conditions = replace(told, state=state).cut(begin - known, count - 1)
            guesses.append(self._guess(fed, conditions, begin + 1, known))
        return guesses

    def flops(self, frames: Tokens, seen: bool = False) -> int:
        """Operations of a training step for one clip of these tokens. A backward pass costs two forward ones.

        What was `seen` before costs nothing.
        """
        count = frames_in(frames)
        size = frames.values.shape[1] // count
        seeing = 0 if seen else self.kept.flops(size)
        if self.network is not None:
            seeing = 3 * self.network.flops(size)
            if not isinstance(self.target, SharedTarget):
                seeing += self.target.flops(size, self.kept.flops(size))
        passes = [count - 1] + [count - 1 - skipped for skipped in range(1, min(self.rollout.steps, count - 1))]
        return count * seeing + 3 * sum(self.dynamics.flops(length, size) for length in passes)

    def encode(self, observation: Observation) -> State:
        """Where an episode is, by its last frames: as many as the dynamics look back to and actions are told of.

        Raises ValueError where the model needs to be told what is not known.
        """
        told_of = 0 if observation.actions is None else observation.actions.shape[1]
        count = min(self.dynamics.window, observation.x.shape[2], 1 + told_of)
        known = None if observation.known is None else observation.known[:, -count:]
        with evaluating(self):
            frames, (felt, camera) = self.kept(observation.x[:, :, -count:]), self._split(known)
            actions = observation.x.new_zeros(len(observation.x), 0, self.action.dim)
            if count > 1 and observation.actions is not None:
                actions = self.action(observation.actions[:, -(count - 1) :])
            past = Conditions(actions, *(None if part is None else part[:, :-1] for part in (felt, camera)))
            memory = self.dynamics.begin(cut_frames(frames, 0, count - 1), past)
        return State(by_frame(frames)[:, -1], None if known is None else known[:, -1], memory)

    def imagine(self, state: State, actions: Float[Tensor, "b s h a"]) -> State:
        """The states after each step of s sequences of h actions, all from `state`; leading axes [b s h].

        Gradients reach the actions. The states have no memory: to go on from one is to have seen it alone.
        """
        count, horizon = actions.shape[1:3]
        with evaluating(self):
            told = self.action(actions.flatten(0, 1))
            frame, felt, camera, memory = self._branch(state, count)
            latents, knowns = [], []
            for moment in range(horizon):
                now = (None if part is None else part.unsqueeze(1) for part in (felt, camera))
                frame, memory = self.dynamics.advance(memory, frame, Conditions(told[:, moment : moment + 1], *now))
                latents.append(frame.values)
                if self.body is not None and felt is not None:
                    felt = self.body(felt, told[:, moment], frame.values.mean(dim=1))
                    real = self.body.proprio.restore(felt)
                    knowns.append(real if camera is None else torch.cat([real, camera], dim=-1))
        leading = (len(actions), count)
        latent = torch.stack(latents, dim=1).unflatten(0, leading)
        return State(latent, torch.stack(knowns, dim=1).unflatten(0, leading) if knowns else None)

    def energy(self, x: Tensor, y: Tensor, z: Tensor | None = None, generator: Generator | None = None) -> Tensor:
        """How badly the clips `y` [b c h h w] follow from the last frame of the clips `x` under actions z [b h a].

        Where nobody says which actions were taken: the least energy over several drawn as training saw them. What the
        body feels is not asked: its mean stands for it, and the camera is at 0. Gives [b].
        """
        first, horizon = None, y.shape[2]
        if self.body is not None:
            first = self.body.proprio.restore(x.new_zeros(len(x), 1, self.body.proprio.dim))
            first = F.pad(first, (0, self.dynamics.camera))
        with evaluating(self):
            state = self.encode(Observation(x[:, :, -1:], first))
            answer = by_frame(self.kept(y))
            if z is None:
                draw = torch.Generator().manual_seed(0) if generator is None else generator
                width = self.action.dim
                drawn = torch.randn(len(x), BLIND_DRAWS, horizon, width, generator=draw).to(answer)
                tried = self.action.restore(drawn)
            else:
                tried = z.unsqueeze(1)
            found = self.imagine(state, tried).latent
            imagined = found.flatten(0, 1).flatten(1, 2)
            wanted = answer.flatten(1, 2).repeat_interleave(tried.shape[1], dim=0)
            return self.compare(plain(imagined), plain(wanted)).unflatten(0, (len(x), -1)).amin(dim=1)

    def after_step(self, step: Step) -> None:
        """Lets the target follow the network."""
        self.target.after_step(self.network or nn.Identity(), step)

    def _learn_scales(self, batch: Mapping[str, Tensor]) -> None:
        self.action.learn(batch["actions"])
        if self.body is not None and "proprio" in batch:
            self.body.proprio.learn(batch["proprio"])

    def _guess(self, frames: Tokens, told: Conditions, first: int, skip: int = 0) -> Guess:
        """What follows from `frames`, without the first `skip` of it."""
        count = frames_in(frames)
        said = cut_frames(self.dynamics(frames, told), skip, count)
        if self.body is None:
            return Guess(said, None, first)
        assert told.state is not None, "a body goes with what it feels"
        felt = self.body(told.state[:, skip:], told.action[:, skip:], by_frame(said).mean(dim=2))
        return Guess(said, felt, first)

    def _roll(self, frames: Tokens, told: Conditions) -> list[Guess]:
        """From the first frame on, step by step, with gradients through all of it."""
        steps = min(self.rollout.steps, frames_in(frames) - 1)
        if steps < 2:
            return []
        given, conditions, said = cut_frames(frames, 0, 1), told.cut(0, 1), list[Guess]()
        for moment in range(steps):
            said.append(self._guess(given, conditions, moment + 1, moment))
            given = append(given, said[-1].frames)
            if moment + 1 < steps:
                coming = told.cut(moment + 1, moment + 2)
                conditions = conditions.then(replace(coming, state=said[-1].felt))
        felt = None if self.body is None else torch.cat([guess.felt for guess in said if guess.felt is not None], dim=1)
        return [Guess(cut_frames(given, 1, steps + 1), felt, 1)]

    def _errors(
        self, guesses: Sequence[Guess], answers: Tokens, felt: Float[Tensor, "b t p"] | None
    ) -> dict[str, Tensor]:
        """The weighed errors of predictions from true frames, and of all others."""
        ways = {"prediction": (guesses[:1], self.rollout.teacher), "rollout": (guesses[1:], self.rollout.fed)}
        terms: dict[str, Tensor] = {}
        for name, (said, weight) in ways.items():
            if not said or not weight:
                continue
            terms[name] = weight * torch.stack([self._energies(guess, answers).mean() for guess in said]).mean()
            if isinstance(self.body, LearntBody) and felt is not None:
                missed = torch.stack([error_of_body(guess, felt) for guess in said])
                terms[f"{name}_of_body"] = weight * missed.mean()
        return terms

    def _energies(self, guess: Guess, answers: Tokens) -> Float[Tensor, "b"]:
        return self.compare(guess.frames, cut_frames(answers, guess.first, guess.first + frames_in(guess.frames)))

    @torch.no_grad()
    def _against_copy(self, guess: Guess, answers: Tokens) -> dict[str, Tensor]:
        """The error as a share of that of saying that nothing moves: above 1, nothing was learnt of the world."""
        copied = replace(guess, frames=cut_frames(answers, 0, frames_in(answers) - 1))
        found = torch.stack([self._energies(each, answers).detach().sum() for each in (guess, copied)])
        moved, still = sum_over_ranks(found)  # of the global batch: a mean of quotients is no quotient of means
        return {"against_copy": moved / still.clamp(min=torch.finfo(still.dtype).tiny)}

    def _split(self, known: Float[Tensor, "*n k"] | None) -> tuple[Tensor | None, Tensor | None]:
        """What the body feels, standardized, and where the camera is; None of what the model is not told of."""
        if self.body is None:
            return None, None
        if known is None:
            raise ValueError("this model is told what the body feels; give observations and states with `known`")
        feels = self.body.proprio.dim
        if known.shape[-1] != feels + self.dynamics.camera:
            raise ValueError(
                f"known is {feels} numbers of the body and {self.dynamics.camera} of the camera, got {known.shape[-1]}"
            )
        return self.body.proprio(known[..., :feels]), known[..., feels:] if self.dynamics.camera else None

    def _branch(self, state: State, count: int) -> tuple[Tokens, Tensor | None, Tensor | None, Any]:
        """The newest frame, what the body feels in it, where the camera is, and the memory, for every candidate."""
        frame, (felt, camera), memory = as_frame(state), self._split(state.known), state.memory
        if memory is None:
            nothing = (None if part is None else part.new_zeros(len(part), 0, part.shape[1]) for part in (felt, camera))
            told = Conditions(frame.values.new_zeros(len(frame.values), 0, self.action.dim), *nothing)
            memory = self.dynamics.begin(cut_frames(frame, 0, 0), told)
        parts = (frame.values, felt, camera, memory)
        values, felt, camera, memory = each(parts, lambda part: part.repeat_interleave(count, dim=0))
        return as_frame(State(values)), felt, camera, memory


def as_frame(state: State) -> Tokens:
    """The tokens of a state as those of one frame. Raises ValueError where nobody knows the sides of their grid."""
    tokens = state.latent.shape[1]
    side = round(tokens**0.5)
    if side * side != tokens:
        raise ValueError(f"{tokens} tokens are no square picture; world models here see square ones")
    coords = grid((1, side, side), state.latent.device).expand(len(state.latent), -1, -1)
    return Tokens(state.latent, coords, None, (1, side, side))


def plain(values: Float[Tensor, "b n d"]) -> Tokens:
    """Values as tokens whose places do not matter: what an energy compares."""
    return Tokens(values, values.new_zeros(*values.shape[:2], 1))

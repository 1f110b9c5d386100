"""What does a world model know? Read off held-out clips, through nothing but `encode` and `imagine`.

Errors are mean squared differences of latents over their variance: 1 is what the mean latent would miss.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from jepakit.contracts import Observation, State, WorldModel

RIDGE = 1e-3
"""What is added to the diagonal of standardized features' covariance before it is inverted."""
Between = Callable[[Float[Tensor, "*b n d"], Float[Tensor, "*b n d"]], Float[Tensor, "*b"]]
"""How far two latents lie apart: one number for each."""


@dataclass(frozen=True)
class Clips:
    """n held-out clips of t frames, the actions between, and, where they are known, body and state of the world."""

    x: Float[Tensor, "n c t h w"]
    actions: Float[Tensor, "n u a"]
    known: Float[Tensor, "n t k"] | None = None
    states: Float[Tensor, "n t s"] | None = None

    def seen(self, first: int, last: int) -> Observation:
        """What is observed of the frames from `first` to before `last`."""
        known = None if self.known is None else self.known[:, first:last]
        return Observation(self.x[:, :, first:last], known, self.actions[:, first : max(last - 1, first)])

    def take(self, rows: Shaped[Tensor, "m"]) -> "Clips":
        """Some of the clips."""
        known, states = (None if part is None else part[rows] for part in (self.known, self.states))
        return Clips(self.x[rows], self.actions[rows], known, states)


@dataclass(frozen=True)
class Horizon:
    """Errors after 1, 2, ... steps: of the model, of it under actions of other clips, and of two that know nothing.

    `copied` says that nothing moves. `linear` is the best linear map of latent and action, fitted on other clips.
    """

    imagined: Float[Tensor, "h"]
    shuffled: Float[Tensor, "h"]
    copied: Float[Tensor, "h"]
    linear: Float[Tensor, "h"]

    @property
    def uses_actions(self) -> Float[Tensor, "h"]:
        """How many times larger the error is under actions of other clips: 1 where nobody listens."""
        return self.shuffled / self.imagined


@torch.no_grad()
def latents_of(model: WorldModel, clips: Clips) -> Float[Tensor, "n t m d"]:
    """The latents of all frames, each seen alone."""
    seen = [model.encode(clips.seen(moment, moment + 1)).latent for moment in range(clips.x.shape[2])]
    return torch.stack(seen, dim=1)


@torch.no_grad()
def errors_over_horizon(model: WorldModel, clips: Clips, fitted_on: Clips, past: int = 1) -> Horizon:
    """From the first `past` frames of each clip to its end. Raises ValueError for a clip alone, or without an end."""
    if len(clips.x) < 2 or clips.x.shape[2] <= past:
        raise ValueError("errors need two clips or more, each longer than its past")
    true = latents_of(model, clips)
    start, coming, ahead = model.encode(clips.seen(0, past)), true[:, past:], clips.actions[:, past - 1 :]
    scale = true.var(dim=(0, 1), correction=0).mean()

    def missed(guess: Float[Tensor, "n h m d"]) -> Float[Tensor, "h"]:
        return (guess - coming).square().mean(dim=(0, 2, 3)) / scale

    mine, others = (model.imagine(start, taken.unsqueeze(1)).latent[:, 0] for taken in (ahead, ahead.roll(1, dims=0)))
    still = start.latent.unsqueeze(1).expand_as(coming)
    weights = fit_linear(latents_of(model, fitted_on), fitted_on.actions)
    return Horizon(missed(mine), missed(others), missed(still), missed(roll_linear(weights, start.latent, ahead)))


def fit_linear(latents: Float[Tensor, "n t m d"], actions: Float[Tensor, "n u a"]) -> Float[Tensor, "f d"]:
    """The linear map from a token and the action to that token's change, one for all tokens: least squares."""
    told = _beside(latents[:, :-1], actions)
    return solve_ridge(told.flatten(0, 2), latents.diff(dim=1).flatten(0, 2))


def roll_linear(
    weights: Float[Tensor, "f d"], latent: Float[Tensor, "n m d"], actions: Float[Tensor, "n h a"]
) -> Float[Tensor, "n h m d"]:
    """Where that map leads, step by step."""
    found = []
    for action in actions.unbind(dim=1):
        latent = latent + _beside(latent.unsqueeze(1), action.unsqueeze(1))[:, 0] @ weights
        found.append(latent)
    return torch.stack(found, dim=1)


def _beside(latents: Float[Tensor, "n t m d"], actions: Float[Tensor, "n t a"]) -> Float[Tensor, "n t m f"]:
    told = actions.unsqueeze(2).expand(-1, -1, latents.shape[2], -1)
    return torch.cat([latents, told, torch.ones_like(latents[..., :1])], dim=-1)


def solve_ridge(x: Float[Tensor, "n f"], y: Float[Tensor, "n o"], penalty: float = RIDGE) -> Float[Tensor, "f o"]:
    """Least squares in float64 with a small penalty, which counts each feature by its size."""
    x, y = x.double(), y.double()
    gram = x.T @ x
    gram.diagonal().mul_(1 + penalty).add_(1e-9 * gram.diagonal().mean())
    return torch.linalg.solve(gram, x.T @ y).float()


@dataclass(frozen=True)
class Readout:
    """How well the state of the world can be read off a latent by a linear map: on clips that it was not fitted on.

    `explained` is the share of each number's variance (R squared), `missed` the mean absolute error in its own unit.
    """

    explained: Float[Tensor, "s"]
    missed: Float[Tensor, "s"]


@dataclass(frozen=True)
class StateReader:
    """Reads the state of the world off latents by a ridge regression, all tokens side by side."""

    weights: Float[Tensor, "f s"]
    center: Float[Tensor, "s"]

    @classmethod
    @torch.no_grad()
    def fitted(cls, model: WorldModel, clips: Clips) -> "StateReader":
        """Learns from clips whose states are known. Raises ValueError where nobody knows them."""
        answers = _known_states(clips)
        center = answers.mean(dim=0)
        features = _with_one(latents_of(model, clips).flatten(0, 1).flatten(1))
        return cls(solve_ridge(features, answers - center), center)

    def __call__(self, latents: Float[Tensor, "*n m d"]) -> Float[Tensor, "*n s"]:
        """What the latents say of the state."""
        return _with_one(latents.flatten(-2)) @ self.weights.to(latents) + self.center.to(latents)


@torch.no_grad()
def read_states(model: WorldModel, train: Clips, test: Clips) -> Readout:
    """How well a `StateReader` does. Raises ValueError where nobody knows the states."""
    reader, wanted = StateReader.fitted(model, train), _known_states(test)
    guess = reader(latents_of(model, test).flatten(0, 1))
    spread = (wanted - wanted.mean(dim=0)).square().sum(dim=0)
    left = (wanted - guess).square().sum(dim=0)
    return Readout(1 - left / spread.clamp(min=torch.finfo(spread.dtype).tiny), (wanted - guess).abs().mean(dim=0))


def _known_states(clips: Clips) -> Float[Tensor, "n s"]:
    if clips.states is None:
        raise ValueError("states are read off latents of clips whose states are known; give Clips with `states`")
    return clips.states.flatten(0, 1)


def _with_one(features: Float[Tensor, "*n f"]) -> Float[Tensor, "*n g"]:
    return torch.cat([features, torch.ones_like(features[..., :1])], dim=-1)


@dataclass(frozen=True)
class Landscape:
    """The energy of the next frame over two numbers of the action, the others as they were taken.

    `energies` are those of every pair of `first` and `second` values, `taken` is the pair that was really taken.
    """

    first: Float[Tensor, "r"]
    second: Float[Tensor, "r"]
    energies: Float[Tensor, "n r r"]
    taken: Float[Tensor, "n 2"]

    @property
    def least(self) -> Float[Tensor, "n 2"]:
        """Where the energy is least."""
        place = self.energies.flatten(1).argmin(dim=1)
        count = len(self.second)
        return torch.stack([self.first[place // count], self.second[place % count]], dim=1)

    @property
    def missed(self) -> Float[Tensor, "n"]:
        """How far the least energy lies from the action that was taken."""
        return (self.least - self.taken).norm(dim=1)


@torch.no_grad()
def energy_landscape(
    model: WorldModel,
    clips: Clips,
    axes: tuple[int, int],
    reach: float,
    count: int = 21,
    between: Between | None = None,
) -> Landscape:
    """From the first frame of each clip to the second, over a grid from -`reach` to `reach` in two of the numbers."""
    ticks = torch.linspace(-reach, reach, count, device=clips.x.device)
    pairs = torch.cartesian_prod(ticks, ticks)
    tried = clips.actions[:, :1].unsqueeze(1).repeat(1, len(pairs), 1, 1)
    tried[..., 0, axes[0]], tried[..., 0, axes[1]] = pairs[:, 0], pairs[:, 1]
    found = model.imagine(model.encode(clips.seen(0, 1)), tried).latent[:, :, 0]
    wanted = model.encode(clips.seen(1, 2)).latent.unsqueeze(1)
    energies = (between or mean_square)(found, wanted.expand_as(found)).unflatten(1, (count, count))
    return Landscape(ticks, ticks, energies, clips.actions[:, 0, list(axes)])


@torch.no_grad()
def surprise(model: WorldModel, clips: Clips, between: Between | None = None, past: int = 1) -> Float[Tensor, "n h"]:
    """How far each frame behind the first `past` ones lies from what the frames before it let one expect."""
    found = []
    for moment in range(past, clips.x.shape[2]):
        state: State = model.encode(clips.seen(moment - past, moment))
        expected = model.imagine(state, clips.actions[:, moment - 1 : moment].unsqueeze(1)).latent[:, 0, 0]
        found.append((between or mean_square)(expected, model.encode(clips.seen(moment, moment + 1)).latent))
    return torch.stack(found, dim=1)


@dataclass(frozen=True)
class Violation:
    """Surprise at one moment, of clips as they went on and of the same clips, teleported to where another one was."""

    natural: Float[Tensor, "n"]
    teleported: Float[Tensor, "n"]

    @property
    def noticed(self) -> float:
        """How often a teleported clip surprises more than a natural one: all pairs, ties half (the area under ROC)."""
        gap = self.teleported.unsqueeze(1) - self.natural
        return ((gap > 0).double() + 0.5 * (gap == 0)).mean().item()


@torch.no_grad()
def teleports(model: WorldModel, clips: Clips, at: int, between: Between | None = None, past: int = 1) -> Violation:
    """From frame `at` on, every clip goes on as the next one does (violation of expectation; LeWM 2603.19312).

    Raises ValueError for a moment without a past or a clip without another.
    """
    if not past <= at < clips.x.shape[2] or len(clips.x) < 2:
        raise ValueError(f"a teleport needs two clips and {past} frames before it, got {len(clips.x)} clips, at={at}")
    window = (at - past, at + 1)
    short = Clips(clips.x[:, :, slice(*window)], clips.actions[:, window[0] : at], _cut(clips.known, window))
    x = short.x.clone()
    x[:, :, past] = short.x[:, :, past].roll(1, dims=0)
    moved = Clips(x, short.actions, short.known)
    return Violation(*(surprise(model, each, between, past)[:, -1] for each in (short, moved)))


@torch.no_grad()
def keeps_time(model: WorldModel, clips: Clips) -> bool:
    """Whether later frames change no latent, and later actions nothing that was imagined before, bit for bit."""
    half = clips.x.shape[2] // 2
    later, acted = clips.x.clone(), clips.actions.clone()
    later[:, :, half:] += 1
    acted[:, half:] += 1
    frames = [latents_of(model, each)[:, :half] for each in (clips, Clips(later, clips.actions, clips.known))]
    start = model.encode(clips.seen(0, 1))
    ahead = [model.imagine(start, taken.unsqueeze(1)).latent[:, 0, :half] for taken in (clips.actions, acted)]
    return torch.equal(*frames) and torch.equal(*ahead)


def mean_square(first: Float[Tensor, "*b n d"], second: Float[Tensor, "*b n d"]) -> Float[Tensor, "*b"]:
    """The mean squared difference of latents."""
    return (first - second).square().mean(dim=(-2, -1))


def _cut(known: Tensor | None, window: tuple[int, int]) -> Tensor | None:
    return None if known is None else known[:, slice(*window)]

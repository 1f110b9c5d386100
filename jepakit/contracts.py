"""What the parts may expect of each other. Anything that fits a Protocol may be passed: there is no registry."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Generator, Tensor, nn
from torch.utils import _pytree as pytree

from jepakit.tokens import Places, Split, Tokens


@dataclass(frozen=True)
class Rows:
    """Which rows of a global batch a process holds: `first` to `first + count` of `total`."""

    first: int
    count: int
    total: int


@dataclass(frozen=True)
class Step:
    """The moment of a run at which a method is called; everything random in a step flows from here.

    `progress` is 0 at the first step and exactly 1 at the last. `shared` is a CPU generator that is seeded alike on
    every rank and micro-batch, `local` differs between them; both are functions of (seed, index) alone.
    """

    index: int
    progress: float
    rows: Rows
    shared: Generator
    local: Generator


def step_at(index: int, steps: int, rows: Rows, seed: int = 0) -> Step:
    """The Step number `index` of a run of `steps`; calling it again gives equal generators."""

    def generator(*key: int) -> Generator:
        mixed = 0
        for part in (seed, index, *key):
            mixed = (mixed * 6364136223846793005 + part + 1442695040888963407) % 2**63
        return torch.Generator().manual_seed(mixed)

    return Step(index, index / max(steps - 1, 1), rows, generator(0), generator(1, rows.first, rows.count))


@dataclass(frozen=True)
class Losses:
    """What a method returns: `terms` are summed and minimised, `metrics` are only watched. All are scalars."""

    terms: Mapping[str, Tensor]
    metrics: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        return torch.stack(list(self.terms.values())).sum()


@runtime_checkable
class Transform(Protocol):
    """Raw input -> what a backbone takes. Saved beside the weights, so that every user feeds the same numbers."""

    def __call__(self, raw: Any) -> Float[Tensor, "..."]: ...

    def to_json(self) -> dict[str, Any]: ...


@runtime_checkable
class Backbone(Protocol):
    """What is kept after training: tokenizer and encoder in one.

    `keep` drops all other tokens before encoding; `layers` concatenates the named levels on the last axis.
    `transform` makes its input from raw data; `dim` is the width of its tokens.
    """

    dim: int
    transform: Transform

    def __call__(
        self, x: Tensor, keep: Int[Tensor, "b k"] | None = None, layers: tuple[int, ...] | None = None
    ) -> Tokens: ...


@runtime_checkable
class Masker(Protocol):
    """Draws the question. For `rows` of a global batch; the draw is made for the whole batch, so that the task does
    not depend on the number of ranks or micro-batches. Runs on the CPU."""

    def __call__(
        self, coords: Float[Tensor, "b n p"], extent: tuple[int, ...] | None, generator: Generator, rows: Rows
    ) -> Split: ...


@dataclass(frozen=True)
class Prediction:
    """What a predictor says: [b, m*k] tokens in the order of the places; a dense one speaks of the context, too."""

    places: Tokens
    context: Tokens | None = None


@runtime_checkable
class Predictor(Protocol):
    """Fills in: given context tokens and places, says what is there. `family` says which kind of question it is."""

    def __call__(self, context: Tokens, places: Places, family: int = 0) -> Prediction: ...


@runtime_checkable
class Target(Protocol):
    """Who answers. No gradient flows through an answer unless the target says so."""

    def __call__(self, x: Tensor, network: nn.Module) -> Tokens: ...

    def after_step(self, network: nn.Module, step: Step) -> None: ...

    def kept(self, network: nn.Module) -> nn.Module:
        """The network to keep after training: the averaged one if there is one."""
        ...

    def flops(self, tokens: int, forward: int) -> int:
        """Operations of an answer for a sample of so many tokens, where the network's forward pass takes `forward`."""
        ...


@runtime_checkable
class Energy(Protocol):
    """How badly a prediction fits: one number per sample, averaged over the valid tokens of that sample.

    With a `weight` per token, errors are multiplied by it before they are averaged.
    """

    def __call__(
        self, prediction: Tokens, target: Tokens, weight: Float[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b"]: ...


@runtime_checkable
class Regularizer(Protocol):
    """What keeps embeddings from collapsing: a number for v views (or frames, or layers) of the b samples held here.

    Statistics are those of the global batch, of which `step.rows` are held, and every rank returns the same value;
    what is drawn at random comes from `step.shared`, so that it is drawn alike on all ranks.
    """

    def __call__(self, embeddings: Float[Tensor, "v b d"], step: Step) -> Float[Tensor, ""]: ...


EnergyOf = Callable[[Float[Tensor, "b s z"]], Float[Tensor, "b s"]]
"""The energies of s values of a latent variable for each of b questions, all of one context and answer."""


@dataclass(frozen=True)
class Inferred:
    """What a latent variable has to be for an answer: z, how many nats it tells that the context does not, and what
    the latent adds to the loss. `nats` bounds the information from above: the KL divergence of z from its prior."""

    z: Float[Tensor, "b z"]
    nats: Float[Tensor, "b"]
    cost: Float[Tensor, "b"]


@runtime_checkable
class Latent(Protocol):
    """What a past does not tell of its future. `width` is the size of z; what it may tell is limited, and measured."""

    width: int

    def sample(self, context: Tokens, count: int, generator: Generator) -> Float[Tensor, "b s z"]:
        """Draws from the prior: what may be, without an answer."""
        ...

    def infer(self, context: Tokens, answer: Tokens, energy: EnergyOf, step: Step) -> Inferred:
        """In training: the z of an answer, drawn for the global batch of which `step.rows` are held."""
        ...

    def search(self, context: Tokens, answer: Tokens, energy: EnergyOf) -> Float[Tensor, "b z"]:
        """The z of least energy that is found: exactly the least one, where there are finitely many."""
        ...

    def flops(self, context: int, answer: int, prediction: int) -> int:
        """Operations of `infer` for one sample of so many tokens, and of learning from it; `prediction` is what one
        forward pass of the predictor takes."""
        ...


@runtime_checkable
class Method(Protocol):
    """A learning rule with its networks: what the engine trains, and all that it knows of it.

    `backbone` is trained, `kept` is the backbone that is evaluated and exported (the average of an EMA target).
    """

    backbone: nn.Module

    @property
    def kept(self) -> nn.Module: ...

    def __call__(self, batch: Mapping[str, Tensor], step: Step) -> Losses: ...

    def energy(self, x: Tensor, y: Tensor, z: Tensor | None = None, generator: Generator | None = None) -> Tensor: ...

    def after_step(self, step: Step) -> None: ...


@runtime_checkable
class Embedding(Protocol):
    """A method that compares something else than the tokens of its backbone: what a head gives can collapse alone."""

    def embed(self, x: Tensor) -> Tokens:
        """What is compared of samples, by the network that is kept."""
        ...


@dataclass(frozen=True)
class State:
    """What a world model holds of one moment of each episode: leading axes are [b], or [b s h] of s futures of h steps.

    `latent` is learnt [... n d]; `known` is exact [... k], such as a pose, and moves on by arithmetic; `memory` is
    what the model needs of earlier moments to go on from here, a pytree whose tensors lead with b.
    """

    latent: Float[Tensor, "... n d"]
    known: Float[Tensor, "... k"] | None = None
    memory: Any = None


@dataclass(frozen=True)
class Observation:
    """The last moments of b episodes, the newest one last: t frames, what is known exactly, and the actions between.

    `actions` [b t-1 a] are those that led from each frame to the next. A model looks at as many moments as it wants.
    """

    x: Float[Tensor, "b c t h w"]
    known: Float[Tensor, "b t k"] | None = None
    actions: Float[Tensor, "b u a"] | None = None


@runtime_checkable
class WorldModel(Protocol):
    """What planning needs of a model: where are we, and where would actions lead?"""

    def encode(self, observation: Observation) -> State:
        """The state at the newest moment; leading axis [b]."""
        ...

    def imagine(self, state: State, actions: Float[Tensor, "b s h a"]) -> State:
        """The states after each step of s sequences of actions, all from `state`; leading axes [b s h]."""
        ...


@runtime_checkable
class Cost(Protocol):
    """How bad futures are: one number for each of s futures of each of b episodes. Costs add up."""

    def __call__(self, states: State, actions: Float[Tensor, "b s h a"]) -> Float[Tensor, "b s"]: ...


@runtime_checkable
class World(Protocol):
    """A simulator that keeps nothing: all that matters to it is in a vector of k numbers, so it can be asked "what if".

    Leading axes are free. Actions outside of their box, or longer than `longest` (in their norm), are cut to it, as a
    robot would. Angles are radians, lengths those of the world.
    """

    @property
    def low(self) -> Float[Tensor, "a"]: ...

    @property
    def high(self) -> Float[Tensor, "a"]: ...

    @property
    def longest(self) -> float | None: ...

    def start(self, seeds: Int[Tensor, "b"]) -> Float[Tensor, "b k"]:
        """A state for each seed, always the same one."""
        ...

    def goal(self, seeds: Int[Tensor, "b"]) -> Float[Tensor, "b k"]:
        """A state to be reached from the `start` of each seed."""
        ...

    def step(self, states: Float[Tensor, "*s k"], actions: Float[Tensor, "*s a"]) -> Float[Tensor, "*s k"]:
        """What one action makes of each state."""
        ...

    def render(self, states: Float[Tensor, "b k"]) -> UInt8[Tensor, "b h w c"]:
        """A picture of each state."""
        ...

    def proprio(self, states: Float[Tensor, "*s k"]) -> Float[Tensor, "*s p"]:
        """What the body feels in each state; p is 0 where it feels nothing."""
        ...

    def solved(self, states: Float[Tensor, "*s k"], goals: Float[Tensor, "*s k"]) -> Bool[Tensor, "*s"]:
        """Whether each state is as good as its goal."""
        ...


@runtime_checkable
class Dataset(Protocol):
    """Samples by number. `get(index, epoch, seed)` is a pure function: the order of calls does not matter.

    A sample is a dict of tensors ("x", and "label" where there are labels). A broken sample raises `BrokenSample`.
    `labels` and `classes` are None where there are none.
    """

    labels: Int[Any, "n"] | None
    classes: tuple[str, ...] | None

    def __len__(self) -> int: ...

    def get(self, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]: ...

    def order(self, epoch: int, seed: int) -> Int[Tensor, "n"]:
        """The order of an epoch: a permutation that is a function of (epoch, seed) alone."""
        ...

    def name(self, index: int) -> str:
        """What a person calls this sample: its path, or shard and member."""
        ...


class BrokenSample(Exception):
    """A sample that cannot be read: one sentence that says which and why."""


Shapes = tuple[tuple[str, tuple[int, ...]], ...]
"""The names of what a sample holds, in their order, with the shape of each."""


def shapes(sample: Mapping[str, Tensor]) -> Shapes:
    """What has to be equal in all samples of a batch."""
    return tuple((name, tuple(sample[name].shape)) for name in sorted(sample))


def misfits(samples: Sequence[Mapping[str, Tensor]]) -> list[str | None]:
    """Why a sample cannot be stacked with the others, and how to mend it; None for those of the most frequent shapes.

    Of equally frequent ones those that come first are kept.
    """
    found = [shapes(sample) for sample in samples]
    kept = Counter(found).most_common(1)[0][0] if found else ()
    return [None if own == kept else _misfit(own, kept) for own in found]


def _misfit(own: Shapes, kept: Shapes) -> str:
    held, others = (
        ", ".join(f"{name} {list(shape)}" for name, shape in told if (name, shape) not in besides)
        for told, besides in ((own, kept), (kept, own))
    )
    return (
        f"it holds {held or 'nothing more'} where the others of its batch hold {others or 'nothing more'}; give all "
        "samples one shape (still='repeat' for a picture among clips), or keep kinds apart: a Mixture, together=batch"
    )


pytree.register_dataclass(Losses)
pytree.register_dataclass(Prediction)
pytree.register_dataclass(State)
pytree.register_dataclass(Observation)

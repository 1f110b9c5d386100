"""What a doctor asks a method: does it copy, follow, listen to what it is told, and do all of its parts learn?"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.contracts import Losses, Prediction, Step
from jepakit.parts.tokenizers.modalities import Modalities
from jepakit.probes.features import evaluating
from jepakit.probes.health import agreement, distance
from jepakit.tokens import Places, Tokens, gather
from jepakit.train.parallel import takes_turns

ACTIONS = "actions"
"""What samples call the actions that a predictor is told."""
AT_ONCE = 16
"""Samples that go through a network together."""


@dataclass(frozen=True)
class Copying:
    """How much what a predictor says is what it read at the nearest place, and how much the answer there is."""

    prediction: float
    answer: float


@dataclass(frozen=True)
class Lag:
    """How far an averaged network is from the one that learns, by weights and by features, as shares."""

    weights: float
    features: float


@runtime_checkable
class Latently(Protocol):
    """A method that tells past from future and may leave the rest to a latent variable, as `DynamicsJEPA` does."""

    network: nn.Module
    latent: Any

    def __call__(self, batch: Mapping[str, Tensor], step: Step) -> Losses: ...

    def divide(self, clip: Tensor) -> tuple[Tensor, Tensor]: ...

    def answer(self, future: Tensor, context: Tokens) -> Tokens: ...

    def neglect(self, context: Tokens, answer: Tokens) -> Tensor: ...


def read_copying(method: Any, batch: Mapping[str, Tensor], step: Step) -> Copying | None:
    """Compares what a predictor of tokens says with what it read at the place nearest to where it was asked.

    None for a method without such a predictor, or one that says other things than it reads, such as pixels.
    """
    size = len(next(iter(batch.values())))
    with listening(method) as (questions, answers), evaluating(method), torch.no_grad():
        method(batch, step)
    asked = [heard for heard in questions if len(heard[0].values) == size]
    if not asked or not answers or asked[0][0].values.shape[-1] != asked[0][2].values.shape[-1]:
        return None
    context, places, said = asked[0]
    coords = places.coords.flatten(1, 2)
    read = gather(context.values, nearest(coords, context))
    if places.beyond and context.extent is not None:
        coords = coords.clone()
        coords[..., 0] -= context.extent[0]
    if answers[0].values.shape[-1] != read.shape[-1]:
        return None
    answer = gather(answers[0].values, nearest(coords, answers[0]))
    valid = said.valid_or_ones()
    return Copying(agreement(said.values[valid], read[valid]), agreement(answer[valid], read[valid]))


Question = tuple[Tokens, Places, Tokens]


@contextmanager
def listening(method: Any) -> Iterator[tuple[list[Question], list[Tokens]]]:
    """Meanwhile, notes (context, places, what was said) of every call of the predictor, and what the target answers."""
    questions: list[Question] = []
    answers: list[Tokens] = []

    def hear(module: nn.Module, given: tuple[Any, ...], said: Any) -> None:
        if len(given) > 1 and isinstance(given[1], Places) and isinstance(said, Prediction):
            questions.append((given[0], given[1], said.places))

    def note(module: nn.Module, given: tuple[Any, ...], answer: Any) -> None:
        if isinstance(answer, Tokens):
            answers.append(answer)

    parts = ((getattr(method, "predictor", None), hear), (getattr(method, "target", None), note))
    hooks = [part.register_forward_hook(hook) for part, hook in parts if isinstance(part, nn.Module)]
    try:
        yield questions, answers
    finally:
        for hook in hooks:
            hook.remove()


def nearest(coords: Float[Tensor, "b k p"], tokens: Tokens) -> Tensor:
    """Which token lies nearest to each place; one that is not valid lies nowhere."""
    far = torch.cdist(coords, tokens.coords).masked_fill(~tokens.valid_or_ones().unsqueeze(1), torch.inf)
    return far.argmin(dim=-1)


def read_lag(method: Any, x: Float[Tensor, "s ..."]) -> Lag | None:
    """How far the average is from what it is an average of; None where nothing is averaged."""
    if method.kept is method.backbone:
        return None
    with evaluating(method), torch.inference_mode():
        kept, current = (
            torch.cat([network(part).pooled().double() for part in x.split(AT_ONCE)])
            for network in (method.kept, method.backbone)
        )
    apart, varied = (kept - current).square().sum(), (current - current.mean(dim=0)).square().sum()
    features = (apart / varied).item() if varied > 0 else 0.0
    return Lag(distance(method.kept.parameters(), method.backbone.parameters()), features)


def read_latent(method: Any, batch: Mapping[str, Tensor], step: Step) -> tuple[float | None, float | None]:
    """How much of the error under a wrong past z makes good, and the bits that it tells; None without a latent."""
    if not isinstance(method, Latently) or method.latent is None:
        return None, None
    with evaluating(method), torch.no_grad():
        past, future = method.divide(batch["x"])
        context = method.network(past)
        neglected = float(method.neglect(context, method.answer(future, context)))
        metrics = method(batch, _again(step)).metrics
    return neglected, float(metrics["z_bits"]) if "z_bits" in metrics else None


def read_deafness(method: Any, batch: Mapping[str, Tensor], step: Step) -> float | None:
    """The prediction's loss as a share of that under the actions of other samples; None without actions."""
    if ACTIONS not in batch:
        return None
    mixed = {**batch, ACTIONS: batch[ACTIONS].roll(1, dims=0)}
    with evaluating(method), torch.no_grad():
        own, other = (_prediction(method(each, _again(step))) for each in (batch, mixed))
    return own / other if other else 1.0


def read_gradients(method: Any, batch: Mapping[str, Tensor], step: Step) -> tuple[str, ...]:
    """The names of parameters that shall learn and whose gradient is missing or all zero in a training step.

    Where parts take turns (an encoder that rests while the dynamics go on), a part that learnt at the beginning of the
    run has had its turn; a tokenizer of pictures is not asked for on clips. Leaves the method with what a step leaves
    behind (statistics of batches): look at gradients last.
    """
    silent = _silent(method, batch, step)
    if silent and takes_turns(method):
        early = _silent(method, batch, replace(step, index=0, progress=0.0))
        silent = tuple(name for name in silent if name in early)
    return silent


def _silent(method: Any, batch: Mapping[str, Tensor], step: Step) -> tuple[str, ...]:
    method.train().zero_grad(set_to_none=True)
    method(batch, _again(step)).total.backward()
    resting = {
        parameter
        for module in method.modules()
        if isinstance(module, Modalities)
        for parameter in module.resting(batch["x"]).parameters()
    }
    silent = [
        name
        for name, parameter in method.named_parameters()
        if parameter.requires_grad and parameter not in resting and (parameter.grad is None or not parameter.grad.any())
    ]
    method.eval().zero_grad(set_to_none=True)
    return tuple(silent)


def _again(step: Step) -> Step:
    """The same moment with generators as they were in the beginning, so that the same question is asked."""
    shared, local = (torch.Generator().manual_seed(each.initial_seed()) for each in (step.shared, step.local))
    return Step(step.index, step.progress, step.rows, shared, local)


def _prediction(losses: Any) -> float:
    """The term that says how well was predicted; all of them where none is called so."""
    terms: Mapping[str, Tensor] = losses.terms
    return float(terms["prediction"] if "prediction" in terms else losses.total)  # noqa: SIM401  (a mapping of tensors)

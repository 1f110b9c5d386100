"""Key maps: what another format calls our tensors, stated once and read in both directions.

A map lists every tensor of one model, so that whatever is missing or left over has a name.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

State = dict[str, Tensor]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Rule:
    """One tensor of ours, the tensors that it is made from elsewhere, and the way there and back."""

    ours: str
    theirs: tuple[str, ...]
    inward: Callable[[tuple[Tensor, ...]], Tensor]
    outward: Callable[[Tensor], tuple[Tensor, ...]]


@dataclass(frozen=True)
class KeyMap:
    """All tensors of a model in two naming schemes."""

    rules: tuple[Rule, ...]

    def read(self, state: Mapping[str, Tensor], where: str) -> State:
        """Their tensors under our names. Raises ValueError that names what is missing or left over."""
        require({name for rule in self.rules for name in rule.theirs}, state.keys(), where)
        return {rule.ours: rule.inward(tuple(state[name] for name in rule.theirs)) for rule in self.rules}

    def write(self, state: Mapping[str, Tensor]) -> State:
        """Our tensors under their names: the exact inverse of `read`."""
        require({rule.ours for rule in self.rules}, state.keys(), "the model to write")
        pairs = ((rule.theirs, rule.outward(state[rule.ours])) for rule in self.rules)
        return {name: tensor for names, tensors in pairs for name, tensor in zip(names, tensors, strict=True)}


def require(expected: Iterable[str], given: Iterable[str], where: str) -> None:
    """Raises ValueError unless both are the same names."""
    expected, given = set(expected), set(given)
    problems = []
    if missing := expected - given:
        problems.append(f"lacks {listed(missing)}")
    if extra := given - expected:
        problems.append(f"has {listed(extra)}, which no part of the model takes")
    if problems:
        raise ValueError(f"{where} {' and '.join(problems)}")


def listed(names: Iterable[str], most: int = 6) -> str:
    """A few names in a sentence, and how many more there are."""
    ordered = sorted(names)
    more = len(ordered) - most
    return ", ".join(ordered[:most]) + (f" and {more} more" if more > 0 else "")


def strip_prefix(state: Mapping[str, Tensor], prefixes: tuple[str, ...]) -> State:
    """The same tensors without the first of `prefixes` that all names start with; nothing inside a name is touched."""
    for prefix in prefixes:
        if state and all(name.startswith(prefix) for name in state):
            return {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return dict(state)


def count_blocks(names: Iterable[str], stem: str) -> int:
    """How many blocks are numbered behind `stem`: 2 for "blocks.0.norm" and "blocks.1.norm" with stem "blocks."."""
    numbers = {name.removeprefix(stem).split(".")[0] for name in names if name.startswith(stem)}
    return 1 + max((int(number) for number in numbers if number.isdigit()), default=-1)


def same(ours: str, theirs: str) -> Rule:
    """Another name, the same tensor."""
    return Rule(ours, (theirs,), lambda tensors: tensors[0], lambda tensor: (tensor,))


def batched(ours: str, theirs: str) -> Rule:
    """Theirs has a leading axis of size 1."""
    return Rule(ours, (theirs,), lambda tensors: tensors[0].squeeze(0), lambda tensor: (tensor.unsqueeze(0),))


def joined(ours: str, *theirs: str) -> Rule:
    """Ours is theirs, one below the other: query, key and value in one matrix."""
    return Rule(ours, theirs, torch.cat, lambda tensor: tensor.chunk(len(theirs)))


def convolution(ours: str, theirs: str, patch: tuple[int, ...]) -> Rule:
    """A strided convolution [d, c, *patch] that is a matrix [d, c * pixels] to us."""
    return Rule(
        ours,
        (theirs,),
        lambda tensors: tensors[0].flatten(1),
        lambda tensor: (tensor.unflatten(1, (-1, *patch)),),
    )


def layer(ours: str, theirs: str) -> tuple[Rule, Rule]:
    """Weight and bias of one layer."""
    return same(f"{ours}.weight", f"{theirs}.weight"), same(f"{ours}.bias", f"{theirs}.bias")

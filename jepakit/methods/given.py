"""What a task gives its regularizer: embeddings or, to one that compares, what was said beside what was answered."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from jepakit.contracts import Regularizer, Step
from jepakit.parts.regularizers.contrastive import InfoNCE, MarginHinge, PairedInfoNCE
from jepakit.parts.regularizers.moments import CrossCorrelation
from jepakit.tokens import Tokens

Comparing = CrossCorrelation | InfoNCE | MarginHinge | PairedInfoNCE
"""Regularizers that ask whether two embeddings of a sample belong together, besides how they are spread."""
Given = Literal["means", "steps", "tokens", "pairs"]
"""Of each context its mean, that of every time step, or all of its tokens; or each prediction beside its answer."""


def given_to(rule: Regularizer) -> Given:
    """What a regularizer is given where nobody says it."""
    return "pairs" if isinstance(rule, Comparing) else "means"


def beside(said: Tokens, answered: Tokens) -> Float[Tensor, "2 b d"]:
    """The means of a prediction and of its answer, over the tokens that count."""
    counted = replace(said, valid=answered.valid)
    return torch.stack([counted.pooled(), answered.pooled()])


def regularize(
    rule: Regularizer, given: Given, contexts: Sequence[Tokens], pairs: Sequence[Float[Tensor, "2 b d"]], step: Step
) -> Float[Tensor, ""]:
    """What a regularizer says of contexts or of pairs, of which there is one for each question."""
    if given == "means":
        return rule(torch.stack([tokens.pooled() for tokens in contexts]), step)
    views = pairs if given == "pairs" else [spread(tokens, given == "steps") for tokens in contexts]
    return torch.stack([rule(each, step) for each in views]).mean()


def spread(tokens: Tokens, in_time: bool) -> Float[Tensor, "v b d"]:
    """The tokens of each sample, one after the other, or the mean of those of each time step that is shown.

    Raises ValueError where samples show different numbers of tokens, or different time steps; pictures have none.
    """
    if not in_time:
        if tokens.valid is not None:
            raise ValueError("contexts show different numbers of tokens, so there is no first or second one of all: "
                             "give the regularizer their means")  # fmt: skip
        return tokens.values.transpose(0, 1)
    if tokens.extent is None or len(tokens.extent) != 3:
        raise ValueError("pictures have no time steps; give the regularizer the means of contexts, or their tokens")
    moments = torch.arange(tokens.extent[0], device=tokens.coords.device)
    there = (tokens.coords[:, :, 0].unsqueeze(0) == moments.view(-1, 1, 1)) & tokens.valid_or_ones()
    counts = there.sum(dim=2)
    shown = counts.amin(dim=1) > 0
    if bool((shown != (counts.amax(dim=1) > 0)).any()):
        raise ValueError("samples show different time steps; give the regularizer the means of contexts")
    sums = torch.einsum("tbn,bnd->tbd", there[shown].to(tokens.values.dtype), tokens.values)
    return sums / counts[shown].unsqueeze(2)

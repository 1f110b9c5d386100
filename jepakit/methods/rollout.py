"""How a world model is trained: how far predictions are fed back, and what embeddings pay besides."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from jepakit.contracts import Regularizer, Step
from jepakit.methods.given import Comparing
from jepakit.parts.nn.frames import by_frame, cut_frames
from jepakit.parts.predictors.dynamics import Conditions, frames_in
from jepakit.parts.regularizers.inverse import InverseDynamics
from jepakit.tokens import Tokens


@dataclass(frozen=True)
class Rollout:
    """How far predictions are fed back in training: `steps` predictions in a row.

    `teacher` weighs the errors of predictions from true frames, `fed` those of the others. These start from every
    frame at once, each pass taking the predictions of the last one as its input (jepa-wms 2512.24497); or, with
    `from_first`, at the first frame only, its own prediction counting again (V-JEPA 2-AC, released code).
    """

    steps: int = 1
    teacher: float = 1.0
    fed: float = 1.0
    from_first: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1 or min(self.teacher, self.fed) < 0 or not self.teacher + self.fed:
            raise ValueError(f"a rollout has 1 step or more, and weights of 0 or more that are not all 0: {self}")


@dataclass(frozen=True)
class Penalty:
    """What embeddings pay besides: a Regularizer, or inverse dynamics, which is told the actions.

    Every token of every frame is a view to a regularizer; where `whole`, every frame is, its tokens side by side. One
    that compares is given each predicted frame beside the one that came.
    """

    weight: float
    rule: Regularizer | InverseDynamics
    whole: bool = False


@dataclass(frozen=True)
class Guess:
    """What is said of frames in a row: their tokens, what the body feels in them, and which the `first` of them is."""

    frames: Tokens
    felt: Float[Tensor, "b t p"] | None
    first: int


def pay(
    penalty: Penalty, frames: Tokens, told: Conditions, said: Guess, answers: Tokens, step: Step
) -> Float[Tensor, ""]:
    """A penalty of the embeddings of these frames, or of what is `said` of all but the first, before its weight."""
    if isinstance(penalty.rule, Comparing):
        came = by_frame(cut_frames(answers, said.first, frames_in(answers)))
        pairs = torch.stack([by_frame(said.frames), came])
        views = pairs.flatten(3) if penalty.whole else pairs.mean(dim=3)
        return torch.stack([penalty.rule(pair, step) for pair in views.unbind(dim=2)]).mean()
    views = by_frame(frames).flatten(2).transpose(0, 1) if penalty.whole else frames.values.transpose(0, 1)
    if isinstance(penalty.rule, InverseDynamics):
        return penalty.rule(views, told.action)
    return penalty.rule(views, step)


def error_of_body(guess: Guess, felt: Float[Tensor, "b t p"]) -> Float[Tensor, ""]:
    """The mean squared error of what the body is said to feel, standardized."""
    assert guess.felt is not None
    return F.mse_loss(guess.felt, felt[:, guess.first : guess.first + guess.felt.shape[1]])

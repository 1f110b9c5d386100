"""The rule of what comes next: predict the representation of the future from that of the past (LeCun 2022, 4.2-4.5).

What the past does not tell is left to a latent variable, where there is one: then the energy of a past and a future is
the least one over all its values, F(x, y) = min over z of E(x, y, z).
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from jepakit.contracts import Energy, EnergyOf, Inferred, Latent, Losses, Regularizer, Step, Target
from jepakit.methods.given import Comparing, beside
from jepakit.methods.multiview import evaluating
from jepakit.parts.latents.information import in_bits
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.summary import Summary
from jepakit.parts.predictors.conditions import ConditionedPredictor
from jepakit.parts.predictors.mask_token import MaskTokenPredictor
from jepakit.tokens import Places, Tokens


class DynamicsJEPA(nn.Module):
    """The backbone sees the past, the target answers for the future, the latent says which one, the predictor imagines.

    The first `past` frames of a clip are the past, the others the future; each is encoded without sight of the other,
    by a `network` that is a backbone, or a backbone and a head that sums its tokens up. The `regularizer`, weighed by
    `weight`, sees the tokens of the past and those of the future, if gradients reach these, place by place; one that
    compares sees the mean of the prediction beside that of the answer. A condition is whatever the predictor is told
    besides the past: z here, actions in a world model.
    """

    def __init__(
        self,
        network: Backbone | Summary,
        predictor: MaskTokenPredictor | ConditionedPredictor,
        target: Target,
        energy: Energy,
        past: int,
        latent: Latent | None = None,
        regularizer: Regularizer | None = None,
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        if (latent is None) == isinstance(predictor, ConditionedPredictor):
            raise ValueError("a predictor that takes a condition goes with a latent variable, and one needs the other")
        self.network, self.predictor, self.target, self.latent = network, predictor, target, latent
        self.compare, self.past = energy, past
        self.regularizer, self.weight = regularizer, weight

    @property
    def backbone(self) -> Backbone:
        """What is trained and kept, without a head."""
        return backbone_of(self.network)

    @property
    def kept(self) -> Backbone:
        """The backbone to evaluate and export: the average, where the target is one."""
        return backbone_of(self.target.kept(self.network))

    def forward(self, batch: Mapping[str, Tensor], step: Step) -> Losses:
        """The mean energy of a batch {"x": [b c t h w]}, what its latent variable costs, and what prevents collapse."""
        past, future = self.divide(batch["x"])
        context = self.network(past)
        answer = self.answer(future, context)
        found = self._infer(context, answer, step)
        condition = None if found is None else found.z.unsqueeze(1)
        imagined = self.imagine(context, answer, condition)
        terms = {"prediction": self.compare(imagined, answer).mean()}
        gflops = step.rows.total * self.flops(past, future, context, answer) / 1e9
        metrics = {"gflops": torch.tensor(gflops, dtype=torch.float64)}
        if found is not None:
            terms["latent"] = found.cost.mean()
            metrics["z_bits"] = in_bits(found.nats.detach())
        if self.regularizer is not None:
            seen = context.cat(answer) if answer.values.requires_grad else context
            compares = isinstance(self.regularizer, Comparing)
            views = beside(imagined, answer) if compares else seen.values.transpose(0, 1)
            terms["regularizer"] = self.weight * self.regularizer(views, step)
        return Losses(terms, metrics)

    def divide(self, clip: Float[Tensor, "b c t h w"]) -> tuple[Float[Tensor, "b c s h w"], Float[Tensor, "b c r h w"]]:
        """Past and future of clips. Raises ValueError for a clip without future."""
        return divide(clip, self.past)

    def answer(self, future: Float[Tensor, "b c r h w"], context: Tokens) -> Tokens:
        """What the target says of a future, at the places that follow those of the context."""
        assert context.extent is not None, "a backbone knows its grid"
        answer = self.target(future, self.network)
        behind = torch.zeros_like(answer.coords[0, 0])
        behind[0] = context.extent[0]
        return replace(answer, coords=answer.coords + behind)

    def imagine(self, context: Tokens, answer: Tokens, condition: Float[Tensor, "b q z"] | None = None) -> Tokens:
        """The future that follows from a past under a condition. Of the answer only the places are looked at."""
        assert answer.extent is not None, "the answer says how far behind the context it reaches"
        valid = None if answer.valid is None else answer.valid.unsqueeze(1)
        places = Places(answer.coords.unsqueeze(1), valid, beyond=answer.extent[0])
        if isinstance(self.predictor, ConditionedPredictor):
            return self.predictor(context, places, condition=condition).places
        return self.predictor(context, places).places

    @torch.no_grad()
    def draw(self, context: Tokens, answer: Tokens, count: int, generator: Generator) -> Float[Tensor, "b s n d"]:
        """What is imagined when z is drawn so many times for each past; once, where there is no z to draw.

        Of the answer only the places are looked at.
        """
        if self.latent is None:
            return self.imagine(context, answer).values.unsqueeze(1)
        z = self.latent.sample(context, count, generator)
        imagined = self.imagine(repeat(context, count), repeat(answer, count), z.flatten(0, 1).unsqueeze(1))
        return imagined.values.unflatten(0, (-1, count))

    def energies(
        self, context: Tokens, answer: Tokens, condition: Float[Tensor, "b q z"] | None = None
    ) -> Float[Tensor, "b"]:
        """E(x, y, z), each sample under its condition."""
        return self.compare(self.imagine(context, answer, condition), answer)

    @torch.no_grad()
    def neglect(self, context: Tokens, answer: Tokens) -> Float[Tensor, ""]:
        """How much of the error under a wrong past, that of another sample, the best z makes good: a share.

        Near 1, z tells the whole answer and the past has nothing left to say: a shortcut. Where no z is wrong there is
        nothing to make good: 0. Raises ValueError for a sample alone, and where there is no latent variable.
        """
        if self.latent is None or len(context.values) < 2:
            raise ValueError(
                "whether z tells too much is seen on two samples or more, of a model with a latent variable"
            )
        wrong = context.with_values(context.values.roll(1, dims=0))
        z = self.latent.search(wrong, answer, self.energy_of(wrong, answer)).unsqueeze(1)
        best, blind = (self.energies(wrong, answer, told).mean() for told in (z, z.roll(1, dims=0)))
        return torch.where(blind > 0, 1 - best / blind, torch.zeros_like(blind))

    def energy_of(self, context: Tokens, answer: Tokens) -> EnergyOf:
        """The energy as a function of z, of several values for each sample at once."""

        def energies(z: Float[Tensor, "b s z"]) -> Float[Tensor, "b s"]:
            count = z.shape[1]
            found = self.energies(repeat(context, count), repeat(answer, count), z.flatten(0, 1).unsqueeze(1))
            return found.unflatten(0, (-1, count))

        return energies

    def energy(self, x: Tensor, y: Tensor, z: Tensor | None = None, generator: Generator | None = None) -> Tensor:
        """How badly the future in the clips `y` [b c t h w] follows from the past in the clips `x`, per sample: [b].

        With a latent variable, under `z` [b z] or, where none is given, under the best one that its search finds.
        """
        if z is not None and self.latent is None:
            raise ValueError("this model has no latent variable; call energy(x, y)")
        with evaluating(self):
            context = self.network(x[:, :, : self.past])
            answer = self.answer(self.divide(y)[1], context)
            if z is None and self.latent is not None:
                z = self.latent.search(context, answer, self.energy_of(context, answer))
            return self.energies(context, answer, None if z is None else z.unsqueeze(1))

    def embed(self, x: Float[Tensor, "b c t h w"]) -> Tokens:
        """What is said of the pasts of clips, by the network that is kept: its summary, where there is one."""
        return self.target.kept(self.network)(self.divide(x)[0])

    def after_step(self, step: Step) -> None:
        """Lets the target follow the backbone."""
        self.target.after_step(self.network, step)

    def flops(self, past: Tensor, future: Tensor, context: Tokens, answer: Tokens) -> int:
        """Operations of a training step for one sample of these clips, of which the network made these tokens.

        A backward pass costs two forward ones.
        """
        seen, asked = context.values.shape[1], answer.values.shape[1]
        predicting = self.predictor.flops(seen, 1, asked)
        inferring = 0 if self.latent is None else self.latent.flops(seen, asked, predicting)
        before, after = (count_tokens(clip, self.backbone) for clip in (past, future))
        answering = self.target.flops(after, self.network.flops(after))
        return 3 * (self.network.flops(before) + predicting) + inferring + answering

    def _infer(self, context: Tokens, answer: Tokens, step: Step) -> Inferred | None:
        if self.latent is None:
            return None
        return self.latent.infer(context, answer, self.energy_of(context, answer), step)


def divide(
    clip: Float[Tensor, "b c t h w"], past: int
) -> tuple[Float[Tensor, "b c s h w"], Float[Tensor, "b c r h w"]]:
    """The first `past` frames of clips, and those behind them. Raises ValueError for a clip without future."""
    if clip.shape[2] <= past:
        raise ValueError(f"{past} frames are the past, so a clip needs more than that, got {clip.shape[2]}")
    return clip[:, :, :past], clip[:, :, past:]


def repeat(tokens: Tokens, count: int) -> Tokens:
    """Every sample so many times, one after the other."""
    valid = None if tokens.valid is None else tokens.valid.repeat_interleave(count, dim=0)
    values, coords = (part.repeat_interleave(count, dim=0) for part in (tokens.values, tokens.coords))
    return Tokens(values, coords, valid, tokens.extent)


def backbone_of(network: nn.Module) -> Backbone:
    """The backbone of a network, which may be one itself."""
    backbone = network.backbone if isinstance(network, Summary) else network
    assert isinstance(backbone, Backbone), "a network is a backbone, or has one"
    return backbone


def count_tokens(clip: Float[Tensor, "b c t h w"], backbone: Backbone) -> int:
    """How many tokens a backbone cuts a clip into."""
    return math.prod(side // cell for side, cell in zip(clip.shape[2:], backbone.tokenizer.patch, strict=True))

"""Foretelling: where things will be, by what a model imagines, be it pixels or representations.

Every model is asked alike: it is shown the past of clips whose futures are all known, and draws futures of its own. A
probe, trained on true futures as the model represents them, reads the places of the thing in these, and they are held
against the places in all true futures.
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from jepakit.config import Config
from jepakit.contracts import Rows
from jepakit.data.branching import Branching, BranchingDataset
from jepakit.methods.dynamics import DynamicsJEPA, divide
from jepakit.methods.foretelling import Foretelling
from jepakit.methods.masked import MaskedJEPA
from jepakit.parts.targets import PixelTarget
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.probes.places import ForetoldPlaces, PlaceProbe, apart
from jepakit.tokens import Places, Tokens

CHUNK = 50
"""Pasts that are imagined at once."""


@runtime_checkable
class Foreteller(Protocol):
    """A trained model as a source of futures. Both representations are alike: u parts of equal time, one by one."""

    def represent(self, clips: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b u r"]:
        """True futures."""
        ...

    def imagine(self, clips: Float[Tensor, "b c t h w"], count: int, generator: Generator) -> Float[Tensor, "b s u r"]:
        """Drawn futures of the pasts of clips; what comes behind the past is not looked at."""
        ...


@dataclass(frozen=True)
class InLatents:
    """A JEPA: futures are what its target says of them, and what its predictor says under each z."""

    method: DynamicsJEPA

    def represent(self, clips: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b u r"]:
        past, future = self.method.divide(clips)
        return self.method.answer(future, self.method.network(past)).values.flatten(1).unsqueeze(1)

    def imagine(self, clips: Float[Tensor, "b c t h w"], count: int, generator: Generator) -> Float[Tensor, "b s u r"]:
        past, future = self.method.divide(clips)
        context = self.method.network(past)
        places = self.method.answer(torch.zeros_like(future), context)
        return self.method.draw(context, places, count, generator).flatten(2).unsqueeze(2)


@dataclass(frozen=True)
class InPixels:
    """A model of pixels that draws: futures are frames, of which the brightness is read."""

    method: Foretelling

    def represent(self, clips: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b u r"]:
        return brightness(divide(clips, self.method.past)[1])

    def imagine(self, clips: Float[Tensor, "b c t h w"], count: int, generator: Generator) -> Float[Tensor, "b s u r"]:
        return brightness(self.method.imagine(clips, count, generator).flatten(0, 1)).unflatten(0, (-1, count))


@dataclass(frozen=True)
class InMeanPixels:
    """A model of pixels that knows one future alone, as `rivals.next_frames` does: the frames that it fills in."""

    method: MaskedJEPA

    def represent(self, clips: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b u r"]:
        return brightness(divide(clips, clips.shape[2] // 2)[1])

    def imagine(self, clips: Float[Tensor, "b c t h w"], count: int, generator: Generator) -> Float[Tensor, "b s u r"]:
        method, tokenizer = self.method, self.method.backbone.tokenizer
        assert isinstance(tokenizer, PatchTokenizer), "patches of one kind are put back to clips"
        cut = tokenizer.cut(clips)
        split = method.maskers[0](cut.coords, cut.extent, generator, Rows(0, len(clips), len(clips)))
        seen = method.backbone(clips, keep=split.context.to(clips.device), layers=method.levels)
        asked = cut.take(split.targets.flatten(1).to(clips.device)).coords
        found = method.predictor(seen, Places(asked.unsqueeze(1)), method.families[0]).places
        assert cut.extent is not None, "a patch tokenizer always knows its grid"
        extent = (cut.extent[0] // 2, *cut.extent[1:])
        return brightness(tokenizer.paste(Tokens(found.values, asked, None, extent))).unsqueeze(1)


def brightness(clips: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b t p"]:
    """The mean over colors of each pixel of each frame."""
    return clips.mean(dim=1).flatten(2)


def foreteller_of(method: nn.Module) -> Foreteller:
    """How this method is asked. Raises ValueError for one that foretells nothing that can be read."""
    match method:
        case DynamicsJEPA():
            return InLatents(method)
        case Foretelling():
            return InPixels(method)
        case MaskedJEPA(target=PixelTarget(normalize=False)):
            return InMeanPixels(method)
        case MaskedJEPA(target=PixelTarget()):
            raise ValueError("patches without mean and contrast make no frames; train with normalize_pixels=False")
    raise ValueError(f"{type(method).__name__} imagines no future that could be read")


@dataclass(frozen=True, kw_only=True)
class ForetellingEval(Config):
    """How much is asked. The probe learns from pasts of the train part, the figures are of the test part."""

    data: Branching
    pasts: int = 300
    draws: int = 16
    probe_pasts: int = 500
    seed: int = 0

    @torch.no_grad()
    def measure(self, method: nn.Module) -> dict[str, Any]:
        """Figures of one model.

        "coverage": the share of futures whose places some draw has; "precision": the share of draws whose places are
        those of some future; "place_error": how far the nearest draw to each future lies from it, in pixels, a mean
        over futures and steps, with each step in "best_by_step"; "each_by_step": how far each draw lies from the future
        nearest to it; "probe_error": how far the probe is off where it reads true futures, which nobody can go below.
        """
        foreteller = foreteller_of(method.eval())
        size = self.data.transform.picture.size
        probe = self._probe(foreteller, size)
        clips, places = gather_futures(self.data.split("test"), self.pasts)
        read = torch.stack([probe(foreteller.represent(mode)) for mode in clips.unbind(1)], dim=1)
        generator = torch.Generator().manual_seed(self.seed)
        drawn = [probe(foreteller.imagine(part, self.draws, generator)) for part in clips[:, 0].split(CHUNK)]
        found = ForetoldPlaces.of(torch.cat(drawn), places, size)
        best = found.best_of(self.draws)
        return {
            "coverage": found.modes.coverage,
            "precision": found.modes.precision,
            "place_error": best.mean().item(),
            "best_by_step": best.tolist(),
            "each_by_step": found.each().tolist(),
            "probe_error": apart(read, places, size).mean().item(),
        }

    def _probe(self, foreteller: Foreteller, size: int) -> PlaceProbe:
        clips, places = gather_futures(self.data.split("train"), self.probe_pasts)
        parts = torch.cat([foreteller.represent(mode) for mode in clips.unbind(1)])
        return PlaceProbe(parts, torch.cat(places.unbind(1)), size)


def gather_futures(dataset: BranchingDataset, count: int) -> tuple[Tensor, Tensor]:
    """All clips [n m c t h w] of the first pasts of a data set, and the places [n m r 2] of the thing in their futures.

    Raises ValueError for more pasts than there are.
    """
    if count > len(dataset):
        raise ValueError(f"{count} pasts were asked for, and this part has {len(dataset)}")
    fork = dataset.config.fork
    places = torch.stack([dataset.places(index)[:, fork:] for index in range(count)])
    return torch.stack([dataset.futures(index) for index in range(count)]), places

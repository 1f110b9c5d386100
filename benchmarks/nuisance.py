"""What becomes of what cannot be predicted: latent targets against pixels while more and more of the ground flickers.

`python -m benchmarks.nuisance` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose. Emoji move in front of a ground of 16 tiles, of which a share shows other colors in every frame
(`data.flicker`). Encoders of one size learn from latent targets and from pixels, of what is hidden (V-JEPA, VideoMAE)
and of the frames to come (a latent-variable JEPA without latent variable, next frames), with as many operations. Two
questions are asked: where the things go ("content"), of all tokens by an attentive probe, and whether one tile, which
no thing hides, was darker or lighter at one moment ("noise"), of the token at that very place by a linear one. A model
that keeps to what is predictable need not know the latter. Where a clip is summed up in one vector, in which it is
predicted, that vector is asked, too.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from benchmarks.cells import SEEDS, Cell, folder_of, train
from benchmarks.cells import main as run_cells
from benchmarks.foretelling import operations
from benchmarks.video import ATTENTIVE, CLIP, FRAMES, SIDE, VIDEOMAE_SMALL, VJEPA_SMALL
from benchmarks.video import operations as masked_operations
from benchmarks.video import training as recipe_of_clips
from jepakit.data.flicker import Flicker
from jepakit.family import lvjepa
from jepakit.family.lvjepa import LVJEPA
from jepakit.family.vjepa import VJEPA
from jepakit.methods.dynamics import DynamicsJEPA
from jepakit.pretrained import load_method, untrained
from jepakit.probes.attentive import Patches
from jepakit.probes.features import Encoder
from jepakit.probes.linear import Linear
from jepakit.probes.result import Result
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject
from jepakit.recipes import videos
from jepakit.rivals.next_frames import NextFrames
from jepakit.rivals.videomae import VideoMAE
from jepakit.tokens import Tokens
from jepakit.train.run import Keep, Run

SHARES = (0, 50, 75)
"""Percent of the ground that flicker."""
CLIPS = Flicker(transform=replace(CLIP, tubelet=4), things=5, side=0.5)
"""Of 3 things of three eighths of a frame, with half of the ground flickering, V-JEPA told 38 % of the headings of the
validation part after training, random init 47 %: too little that can be predicted was seen."""
HEADS = 1_000
"""Labels that heads learn from, as in `benchmarks.video`."""
STEPS = 1_200
"""Steps of next latents, in batches of 64; the others take as many as that pays for. In one trial each, half of the
ground flickering, next latents told 52 % of the headings (random init 73 %) after 447 steps of a network that costs six
times as much, and after 1,200 of this one 79 % (61 %): features are reshaped first, and good again later."""
SIZES: dict[str, Any] = {"tubelet": 4, "dim": 64, "depth": 2, "heads": 4}
DECODER: dict[str, Any] = {"decoder_dim": 64, "decoder_depth": 2, "decoder_heads": 4}
NEXT_LATENTS = replace(lvjepa.SMALL, latent="none")
MODELS: dict[str, VJEPA | VideoMAE | LVJEPA] = {
    "vjepa": replace(VJEPA_SMALL, **SIZES, predictor_dim=64),
    "videomae": replace(VIDEOMAE_SMALL, **SIZES, **DECODER),
    "next_latents": NEXT_LATENTS,
    "next_frames": NextFrames(
        frames=FRAMES, image=(SIDE, SIDE), patch=8, initialization="fan_in", **SIZES, **DECODER
    ),
}  # fmt: skip
UNTRAINED = {"random_init": "vjepa", "random_next": "next_latents"}
"""Whose networks are asked before training: those of masked models know places by sines, the other by rotations."""
PLACE = (FRAMES // 2, SIDE // 2, SIDE // 2)
"""The frame and the pixel that `Flicker` asks about."""


class TokenAt(nn.Module):
    """A backbone of which only the token at `PLACE` is read."""

    def __init__(self, backbone: Encoder) -> None:
        super().__init__()
        self.backbone, self.dim = backbone, backbone.dim

    def forward(
        self,
        x: Float[Tensor, "b c t h w"],
        keep: Int[Tensor, "b k"] | None = None,
        layers: tuple[int, ...] | None = None,
    ) -> Tokens:
        """That one token. It was encoded in sight of all others, so nothing may be dropped before."""
        assert keep is None
        tokens = self.backbone(x, layers=layers)
        assert tokens.extent is not None
        sizes = [size // count for size, count in zip(x.shape[2:], tokens.extent, strict=True)]
        place = x.new_tensor([at // size for at, size in zip(PLACE, sizes, strict=True)])
        index = (tokens.coords == place).all(dim=2).int().argmax(dim=1, keepdim=True)
        return tokens.take(index)


class SummedUp(nn.Module):
    """What a JEPA of next latents predicts: the vector of the second half of a clip, in which `PLACE` lies."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.dim = network, NEXT_LATENTS.summary

    def forward(
        self,
        x: Float[Tensor, "b c t h w"],
        keep: Int[Tensor, "b k"] | None = None,
        layers: tuple[int, ...] | None = None,
    ) -> Tokens:
        """That one vector. Nothing may be dropped before."""
        assert keep is None
        return self.network(x[:, :, FRAMES // 2 :], layers=layers)


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found: list[Cell] = []
    for seed in SEEDS:
        for share in SHARES:
            found += [_cell(name, share, seed, pretrained) for name in MODELS]
            found += [_cell(name, share, seed, before_training) for name in UNTRAINED]
            if seed == SEEDS[0]:
                found.append(_cell("raw", share, seed, raw_pixels))
    return {cell.name: cell for cell in found}


def _cell(name: str, share: int, seed: int, measure: Callable[[Cell], dict[str, Any]]) -> Cell:
    """Raw pixels have the run of V-JEPA. Where nothing flickers, nothing can be asked about it."""
    run = replace(training(UNTRAINED.get(name, name if name in MODELS else "vjepa")), seed=seed, keep=Keep())
    run = replace(run, data=replace(CLIPS, share=share / 100))
    asked = ("content", "noise") if share else ("content",)
    if share and isinstance(run.model, LVJEPA):
        asked += ("noise_summed_up",)
    claims = {f"nuisance.{name}.{share}.{what}": what for what in asked}
    return Cell(f"nuisance.{name}.{share}.seed{seed}", seed, measure, run, claims)


@cache
def training(name: str) -> Run:
    """The recipe of a latent-variable JEPA, or that of models of clips, with as many operations."""
    model, recipe = MODELS[name], replace(videos.lvjepa(), data=CLIPS, steps=STEPS)
    if isinstance(model, LVJEPA):
        return replace(recipe, model=model)
    paid = STEPS * recipe.batch * operations(NEXT_LATENTS)
    masked = recipe_of_clips(model, CLIPS)
    return replace(masked, steps=round(paid / (masked.batch * masked_operations(model))))


def pretrained(cell: Cell) -> dict[str, Any]:
    """Trains, and asks both questions."""
    _, facts = train(cell)
    return {**probed(load_method(str(folder_of(cell))), cell), **facts}


def before_training(cell: Cell) -> dict[str, Any]:
    """The same network with the weights that training would have begun with."""
    return {**probed(untrained(cell.run.model, cell.seed), cell), "flops": 0}


def raw_pixels(cell: Cell) -> dict[str, Any]:
    """No network at all; for the question about one place, the pixels of its patch."""
    return {**probed(None, cell), "flops": 0}


def probed(method: Any, cell: Cell) -> dict[str, Any]:
    """What the method's networks tell of the motion and of the noise, on clips that flicker as those it learnt from."""
    subject, data = cell.name.split(".")[1], cell.run.data
    assert isinstance(data, Flicker)
    backbone = None if method is None else method.kept
    labeled = replace(data, train=HEADS)
    content = ATTENTIVE.measure(Subject(subject, backbone, Splits.of(labeled)), cell.seed)
    rows: dict[str, Result] = {"content": content}
    if labeled.share:
        place = TokenAt(backbone or Patches(3, MODELS["vjepa"].cell, axes=3))
        splits = Splits.of(replace(labeled, label="noise"))
        rows["noise"] = Linear().measure(Subject(subject, place, splits), cell.seed)
        if isinstance(method, DynamicsJEPA):
            summed_up = Subject(subject, SummedUp(method.network), splits, levels=1)
            rows["noise_summed_up"] = Linear().measure(summed_up, cell.seed)
    return {**{what: row.value for what, row in rows.items()}, "rows": [row.to_json() for row in rows.values()]}


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.nuisance", __doc__)


if __name__ == "__main__":
    main()

"""What becomes of what cannot be predicted: latent targets against pixels while noise rises.

`python -m benchmarks.nuisance` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose. The clips are those of `benchmarks.video`, each cell of each frame lit at random by more and more. The same
encoder learns from latent targets (V-JEPA), from pixels of hidden tubes (VideoMAE) and from pixels of the frames to
come (next frames), with as many operations. Two questions are asked: how the camera moves ("content"), of all tokens by
an attentive probe, and whether the noise made one place lighter or darker ("noise"), of the token at that very place by
a linear one. A model that keeps to what is predictable need not know the latter.
"""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from benchmarks.cells import SEEDS, Cell, train
from benchmarks.cells import main as run_cells
from benchmarks.video import ATTENTIVE, CLIPS, FRAMES, LABELED, SIDE, VIDEOMAE_SMALL, VJEPA_SMALL, training
from jepakit.family.vjepa import VJEPA
from jepakit.probes.attentive import Patches
from jepakit.probes.features import Encoder
from jepakit.probes.linear import Linear
from jepakit.probes.result import Result
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject
from jepakit.rivals.next_frames import NextFrames
from jepakit.rivals.videomae import VideoMAE
from jepakit.tokens import Tokens

LEVELS = (0, 30, 60)
"""Standard deviations of the noise in levels of 255; the clips themselves have about 70."""
MODELS: dict[str, VJEPA | VideoMAE] = {
    "vjepa": VJEPA_SMALL,
    "videomae": VIDEOMAE_SMALL,
    "next_frames": NextFrames(
        frames=FRAMES, image=(SIDE, SIDE), patch=8, dim=96, depth=4, heads=3,
        decoder_dim=96, decoder_depth=2, decoder_heads=3, initialization="fan_in",
    ),
}  # fmt: skip
PLACE = (FRAMES // 2, SIDE // 2, SIDE // 2)
"""The frame and the pixel that `Camera` asks about."""


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


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found: list[Cell] = []
    for seed in SEEDS:
        for level in LEVELS:
            found += [_cell(name, level, seed) for name in MODELS]
            found.append(replace(_cell("vjepa", level, seed), name=f"nuisance.random_init.{level}.seed{seed}"))
            found[-1] = replace(found[-1], measure=untrained, claims=_claims("random_init", level))
            if seed == SEEDS[0]:
                found.append(replace(found[-1], name=f"nuisance.raw.{level}.seed{seed}", measure=raw_pixels))
                found[-1] = replace(found[-1], claims=_claims("raw", level))
    return {cell.name: cell for cell in found}


def _cell(name: str, level: int, seed: int) -> Cell:
    run = replace(training(MODELS[name], replace(CLIPS, noise=float(level))), seed=seed)
    return Cell(f"nuisance.{name}.{level}.seed{seed}", seed, pretrained, run, _claims(name, level))


def _claims(name: str, level: int) -> dict[str, str]:
    """Without noise, nothing can be asked about it."""
    asked = ("content", "noise") if level else ("content",)
    return {f"nuisance.{name}.{level}.{what}": what for what in asked}


def pretrained(cell: Cell) -> dict[str, Any]:
    """Trains, and asks both questions."""
    backbone, facts = train(cell)
    return {**probed(backbone, cell), **facts}


def untrained(cell: Cell) -> dict[str, Any]:
    """The same network with the weights that training would have begun with."""
    torch.manual_seed(cell.seed)
    return {**probed(cell.run.model.build().kept, cell), "flops": 0}


def raw_pixels(cell: Cell) -> dict[str, Any]:
    """No network at all; for the question about one place, the pixels of its patch."""
    return {**probed(None, cell), "flops": 0}


def probed(backbone: Any, cell: Cell) -> dict[str, Any]:
    """What the backbone tells of the motion and of the noise, on clips with as much noise as it learnt from."""
    subject, level = cell.name.split(".")[1:3]
    labeled = replace(LABELED, noise=float(level))
    content = ATTENTIVE.measure(Subject(subject, backbone, Splits.of(labeled)), cell.seed)
    rows: dict[str, Result] = {"content": content}
    if labeled.noise:
        place = TokenAt(backbone or Patches(3, VJEPA_SMALL.cell, axes=3))
        asked = Subject(subject, place, Splits.of(replace(labeled, label="noise")))
        rows["noise"] = Linear().measure(asked, cell.seed)
    return {**{what: row.value for what, row in rows.items()}, "rows": [row.to_json() for row in rows.values()]}


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.nuisance", __doc__)


if __name__ == "__main__":
    main()

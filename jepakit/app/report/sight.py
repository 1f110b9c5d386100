"""What the trained backbone makes of held-out pictures or clips, beside the same network before training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from jepakit.app.report.questions import Question, ask
from jepakit.app.report.strip import Strip
from jepakit.config import Config
from jepakit.contracts import Dataset
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.images import Images
from jepakit.data.latents import Latents
from jepakit.data.transforms import ImageTransform
from jepakit.data.videos import Videos
from jepakit.parts.targets import DistilledTarget, EMATarget, PixelTarget, TrainedTarget
from jepakit.pretrained import load_method, untrained
from jepakit.probes.features import Encoder, batches, evaluating
from jepakit.probes.splits import Labeled
from jepakit.train.log import read_run
from jepakit.train.run import Run
from jepakit.train.watch import Mixed

GALLERY = 1024
"""Pictures among which neighbors are looked for, where the network is small enough."""
LEAST_GALLERY = 64
LEAST = 3
"""Samples without which there is no rank."""
FLOP_BUDGET = 3e12
"""Multiplications and additions that a report may spend on a network: about a minute of two CPU cores."""
SHOWN = 8


@dataclass(frozen=True)
class Seen:
    """What one network made of the gallery, `pooled`, and of each patch of the shown pictures."""

    pooled: Float[Tensor, "n d"]
    patches: Float[Tensor, "k t d"]


@dataclass(frozen=True)
class Sight:
    """A gallery of pictures that were not trained on (`part` says which), as two networks see it.

    `shown` are rows of the gallery that are drawn in full, one of each class where there are classes; `fresh` is the
    network before training: the same build, the same seed. `questions` are what the method asks about the shown
    pictures, one for each of its maskers. Clips are drawn as film strips, in whose order patches and questions are.
    """

    part: str
    dataset: Dataset
    transform: ImageTransform
    gallery: tuple[int, ...]
    shown: tuple[int, ...]
    strip: Strip
    trained: Seen
    fresh: Seen
    questions: tuple[Question, ...]
    method: Any

    @property
    def labels(self) -> Int[Tensor, "n"] | None:
        """The classes of the gallery, where they are known."""
        return None if self.dataset.labels is None else torch.as_tensor(self.dataset.labels)[list(self.gallery)]

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns of patches in what is drawn."""
        return self.strip.extent

    @property
    def word(self) -> str:
        """What one of them is."""
        return "clip" if self.strip.is_clip else "picture"

    @property
    def averaged(self) -> bool:
        """Whether a moving average of the network answers."""
        return isinstance(self.method.target, EMATarget) and not self.fixed_answers

    @property
    def fixed_answers(self) -> bool:
        """Whether the answers never move, as pixels and a network that was trained before do not."""
        return isinstance(self.method.target, PixelTarget | DistilledTarget | TrainedTarget)

    def picture(self, row: int) -> UInt8[Tensor, "h w c"]:
        """A picture of the gallery as the network got it."""
        x = self.dataset.get(self.gallery[row], 0, 0)["x"]
        shape = (-1,) + (1,) * (x.ndim - 1)
        mean, std = (torch.tensor(value).view(shape) for value in (self.transform.mean, self.transform.std))
        return self.strip.draw(((x * std + mean) * 255).round().clamp(0, 255).byte())

    def still(self, row: int) -> UInt8[Tensor, "h w c"]:
        """A picture, or of a clip the frame in its middle."""
        drawn = self.picture(row)
        frames = drawn.chunk(len(self.strip.steps), dim=1)
        return frames[len(frames) // 2]

    def describe(self, row: int) -> str:
        """What a person calls a picture: its class, or its name."""
        if self.dataset.classes is not None and self.dataset.labels is not None:
            return self.dataset.classes[int(self.dataset.labels[self.gallery[row]])]
        return self.dataset.name(self.gallery[row])


def look(folder: Path, trusted: bool = False) -> Sight:
    """Loads the newest checkpoint of a run and shows it held-out pictures.

    `trusted` lets it name classes outside of jepakit, which are imported. Raises ValueError with one sentence where
    there is nothing to look with or at: no checkpoint, a model that cannot be built here, data that is gone, or data
    that is not pictures.
    """
    run = read_run(folder, trusted)
    part, dataset, transform = _held_out(run)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    method, begun = load_method(folder, trusted).to(device), untrained(run.model, run.seed).kept.eval().to(device)
    sample = _first(dataset).to(device)
    strip = Strip(_grid(method.kept, sample))
    wanted = _spread(len(dataset), _affordable(method.kept, strip.grid))
    gallery, coords, trained = _see(method.kept, dataset, wanted, device)
    _, _, fresh = _see(begun, dataset, wanted, device)
    shown = _choose(dataset, gallery)
    return Sight(
        part=part,
        dataset=dataset,
        transform=transform,
        gallery=gallery,
        shown=shown,
        strip=strip,
        trained=replace(trained, patches=strip.lay(trained.patches[list(shown)])),
        fresh=replace(fresh, patches=strip.lay(fresh.patches[list(shown)])),
        questions=ask(method, coords[: len(shown)], strip),
        method=method,
    )


def with_pictures(data: Config) -> Config:
    """The data of a run as pictures, where it learnt from what a network had made of them."""
    return data.trajectories if isinstance(data, Latents) else data


def _held_out(run: Run) -> tuple[str, Dataset, ImageTransform]:
    """Samples to look at, from the part that training knew least of and that holds enough which can be read."""
    data = with_pictures(run.data)
    match getattr(data, "transform", None):
        case ClipTransform(picture=transform):
            what = "clips"
        case ImageTransform() as transform:
            what = "pictures"
        case _:
            raise ValueError(
                f"the data of this run ({type(data).__name__}) are not pictures or clips, so there is nothing to draw"
            )
    everything = data.everything() if isinstance(data, Images | Videos) else data.build()  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(everything, Mixed):
        everything = everything.first_source
    held_out = [(part, data.split(part)) for part in ("test", "validation")] if isinstance(data, Labeled) else []
    for part, dataset in held_out:
        if dataset is not None and _enough(dataset):
            return f"the {part} split", dataset, transform
    if not _enough(everything):
        raise ValueError(f"fewer than {LEAST} of the {len(everything)} {what} can be read, so there is nothing to draw")
    why = (
        "too few that are held out can be read"
        if any(dataset for _, dataset in held_out)
        else "none are labeled and held out"
    )
    return f"the training {what}, for {why}", everything, transform


def _enough(dataset: Dataset) -> bool:
    """Whether as many samples can be read as a rank needs."""
    found = 0
    for read in batches(dataset, range(len(dataset)), 1):
        found += len(read.index)
        if found == LEAST:
            return True
    return False


def _first(dataset: Dataset) -> Float[Tensor, "1 c ..."]:
    for read in batches(dataset, range(len(dataset)), 1):
        if read.index:
            return read.x
    raise ValueError(f"none of the {len(dataset)} samples can be read, so there is nothing to draw")


def _grid(backbone: Encoder, sample: Float[Tensor, "1 c ..."]) -> tuple[int, ...]:
    with evaluating(backbone), torch.inference_mode():
        extent = backbone(sample).extent
    if extent is None:
        raise ValueError("the tokens of this backbone lie on no grid, so they cannot be drawn as pictures")
    return extent


def _affordable(backbone: nn.Module, extent: tuple[int, ...]) -> int:
    """Pictures for the gallery: fewer for a network that takes long."""
    size = sum(parameter.numel() for parameter in backbone.parameters())
    return min(GALLERY, max(LEAST_GALLERY, int(FLOP_BUDGET / (2 * size * math.prod(extent)))))


def _spread(rows: int, wanted: int) -> list[int]:
    """At most `wanted` of so many rows, evenly spread."""
    count = min(rows, wanted)
    return [place * rows // count for place in range(count)]


def _see(
    backbone: Encoder, dataset: Dataset, wanted: Sequence[int], device: torch.device
) -> tuple[tuple[int, ...], Float[Tensor, "n t p"], Seen]:
    index, pooled, patches, coords = [], [], [], []
    with evaluating(backbone), torch.inference_mode():
        for read in batches(dataset, wanted, 64):
            if read.index:
                tokens = backbone(read.x.to(device))
                index.extend(read.index)
                pooled.append(tokens.pooled().float().cpu())
                patches.append(tokens.values.float().cpu())
                coords.append(tokens.coords.cpu())
    if len(index) < LEAST:
        raise ValueError(f"only {len(index)} of {len(wanted)} samples can be read, so there is nothing to draw")
    return tuple(index), torch.cat(coords), Seen(torch.cat(pooled), torch.cat(patches))


def _choose(dataset: Dataset, gallery: Sequence[int]) -> tuple[int, ...]:
    """Rows to draw in full: the first of each class, or spread evenly."""
    spread = _spread(len(gallery), SHOWN)
    if dataset.labels is None:
        return tuple(spread)
    labels = torch.as_tensor(dataset.labels)[list(gallery)].tolist()
    first = sorted({label: row for row, label in reversed(list(enumerate(labels)))}.values())
    return tuple([*first, *(row for row in spread if row not in first)][:SHOWN])

"""Several views of one picture, for methods that compare them: large ones, and small ones if asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import UInt8
from torch import Generator, Tensor

from jepakit.config import Config
from jepakit.data.distort import BYOL_FIRST, BYOL_SECOND, DINO_LOCAL, Distortion
from jepakit.data.distort import LEJEPA as LEJEPA_DISTORTION
from jepakit.data.distort import SIMCLR as SIMCLR_DISTORTION
from jepakit.data.transforms import ImageTransform, RandomResizedCrop, recolor

PUBLISHED = 224
"""Pixels of a side of the pictures that the presets below were published for; `at` makes them fit others."""
_LARGE = RandomResizedCrop(scale=(0.2, 1.0), flip=True)
_SMALL = RandomResizedCrop(scale=(0.05, 0.3), flip=True)


@dataclass(frozen=True, kw_only=True)
class Views(Config):
    """How a picture is looked at several times: `count` global views of the transform's size, `locals` small ones.

    A view is cut out by `crop` (None: the whole picture) and changed by its turn of `distortions` (none: not at all),
    the first view by the first and so on, around and around. With `shared`, all global views are one and the same:
    what a method learns then is owed to its masks or to its loss, and not to what views have in common.
    """

    count: int = 2
    crop: RandomResizedCrop | None = _LARGE
    distortions: tuple[Distortion, ...] = ()
    locals: int = 0
    local_size: int = 96
    """Pixels of a side of a local view; a backbone must take this size, too."""
    local_crop: RandomResizedCrop = _SMALL
    local_distortion: Distortion | None = None
    shared: bool = False

    def __post_init__(self) -> None:
        if self.count < 1 or self.locals < 0 or self.local_size < 1:
            raise ValueError(
                f"views need count and local_size of 1 or more and locals of 0 or more, got {self.count}, "
                f"{self.local_size} and {self.locals}"
            )
        if self.count + self.locals < 2:
            raise ValueError("one view has nothing to be compared with; set count to 2, or leave views out")
        if len(self.distortions) > (1 if self.shared else self.count):
            raise ValueError(
                f"{len(self.distortions)} distortions are more than there are different global views; leave some out"
            )
        still = self.crop is None and not any(distortion.changes for distortion in self.distortions)
        if still and self.count > 1 and not self.shared:
            raise ValueError("without crop and distortions all views are equal; set shared=True if that is meant")

    def at(self, size: int, local_size: int) -> "Views":
        """The same for pictures of another size than the published 224: blur, counted in pixels, grows or shrinks."""
        distortions = tuple(each.scaled(size / PUBLISHED) for each in self.distortions)
        small = None if self.local_distortion is None else self.local_distortion.scaled(local_size / self.local_size)
        return replace(self, distortions=distortions, local_distortion=small, local_size=local_size)

    def __call__(
        self, pixels: UInt8[Tensor, "c h w"], transform: ImageTransform, generator: Generator
    ) -> Mapping[str, Tensor]:
        """The views of a picture, normalized; a function of the generator's state.

        "x" [c h w] is the first global view, "globals" [g-1 c h w] are the others, "locals" [l c s s] the small ones;
        a key without views is left out.
        """
        views = [self._large(pixels, transform, generator, turn) for turn in range(1 if self.shared else self.count)]
        views = views * self.count if self.shared else views
        sample = {"x": views[0]}
        if self.count > 1:
            sample["globals"] = torch.stack(views[1:])
        if self.locals:
            sample["locals"] = torch.stack([self._small(pixels, transform, generator) for _ in range(self.locals)])
        return sample

    def _large(self, pixels: Tensor, transform: ImageTransform, generator: Generator, turn: int) -> Tensor:
        if self.crop is None:
            view = transform.fit(pixels)
        else:
            view = self.crop(pixels, transform.size, transform.interpolation, generator)
        distortion = self.distortions[turn % len(self.distortions)] if self.distortions else None
        return _finish(view, distortion, transform, generator)

    def _small(self, pixels: Tensor, transform: ImageTransform, generator: Generator) -> Tensor:
        view = self.local_crop(pixels, self.local_size, transform.interpolation, generator)
        return _finish(view, self.local_distortion, transform, generator)


def _finish(view: Tensor, distortion: Distortion | None, transform: ImageTransform, generator: Generator) -> Tensor:
    colored = recolor(view, transform.channels)
    return transform.normalize(colored if distortion is None else distortion(colored, generator))


CROPS = Views()
"""Crops only: no hand-made distortion."""
PLAIN = Views(crop=None, shared=True)
"""No augmentation: two equal views."""
SIMCLR = Views(crop=RandomResizedCrop(scale=(0.08, 1.0), flip=True), distortions=(SIMCLR_DISTORTION,))
"""SimCLR (2002.05709)."""
BYOL = Views(crop=RandomResizedCrop(scale=(0.08, 1.0), flip=True), distortions=(BYOL_FIRST, BYOL_SECOND))
"""BYOL (2006.07733), Barlow Twins, VICReg; MoCo v3 with ViTs likewise."""
DINO = Views(
    crop=RandomResizedCrop(scale=(0.4, 1.0), flip=True), distortions=(BYOL_FIRST, BYOL_SECOND),
    locals=8, local_crop=RandomResizedCrop(scale=(0.05, 0.4), flip=True), local_distortion=DINO_LOCAL,
)  # fmt: skip
"""DINO (2104.14294): two global and eight local views."""
LEJEPA = Views(
    crop=RandomResizedCrop(scale=(0.3, 1.0), flip=True), distortions=(LEJEPA_DISTORTION,),
    locals=6, local_size=98, local_crop=_SMALL, local_distortion=LEJEPA_DISTORTION,
)  # fmt: skip
"""LeJEPA (2511.08544): two global and six local views."""

"""Pictures or videos as a backbone takes them: which of the two, its transform says."""

from dataclasses import fields, replace
from typing import Protocol, runtime_checkable

from jepakit.config import Config
from jepakit.contracts import Transform
from jepakit.data.clip_transform import VIDEO_CROP, ClipTransform
from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.data.videos import Videos
from jepakit.probes.splits import Labeled


@runtime_checkable
class Noted(Protocol):
    """Data that have something to say."""

    def notes(self) -> list[str]: ...


def notes_of(data: object) -> list[str]:
    """What a user should know of some data: what was passed over or does not exist, and where parts come from."""
    return data.notes() if isinstance(data, Noted) else []


def open_samples(root: str, transform: Transform | None, source: str) -> Images | Videos:
    """What lies at `root`, through the transform of the backbone at `source`; `augmented` parts as in pretraining.

    Raises ValueError for a backbone without a transform for pictures or videos.
    """
    match transform:
        case ImageTransform():
            return Images(root=root, transform=transform, augment=RandomResizedCrop())
        case ClipTransform():
            return Videos(root=root, transform=transform, augment=VIDEO_CROP)
    raise ValueError(f"{source} has no transform for pictures or videos, so none can be read for it")


def samples_of(data: Config, root: str | None, transform: Transform | None, source: str) -> Labeled:
    """The data of a run as the backbone takes them, or others of their kind at `root`.

    Raises ValueError for data that cannot be split into parts, where no others are named.
    """
    names = {field.name for field in fields(data)}
    if root is not None and not ("root" in names and isinstance(data, Labeled)):
        return open_samples(root, transform, source)
    if not isinstance(data, Labeled):
        raise ValueError(
            f"the data of {source} ({type(data).__name__}) have no parts to measure with; give --data.root"
        )
    changes = {"root": root, "transform": transform}
    return replace(data, **{key: new for key, new in changes.items() if key in names and new is not None})  # pyright: ignore[reportCallIssue, reportArgumentType]

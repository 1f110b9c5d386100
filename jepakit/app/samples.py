"""Pictures or videos as a backbone takes them: which of the two, its transform says."""

from dataclasses import fields, replace

from jepakit.config import Config
from jepakit.contracts import Transform
from jepakit.data.clip_transform import VIDEO_CROP, ClipTransform
from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.data.videos import Videos
from jepakit.probes.splits import Labeled


def open_samples(root: str, transform: Transform | None, source: str) -> Images | Videos:
    """What lies at `root`, through the transform of the backbone at `source`, augmented as in pretraining if asked.

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

    Raises ValueError if the data cannot be split into parts, or live nowhere that could be replaced.
    """
    if not isinstance(data, Labeled):
        raise ValueError(
            f"the data of {source} ({type(data).__name__}) have no parts to measure with; name --data.root"
        )
    if root is None:
        return replace(data, transform=transform) if transform is not None else data  # pyright: ignore[reportCallIssue]
    if any(field.name == "root" for field in fields(data)):
        return replace(data, root=root, transform=transform)  # pyright: ignore[reportCallIssue]
    found = open_samples(root, transform, source)
    assert isinstance(found, Labeled)
    return found

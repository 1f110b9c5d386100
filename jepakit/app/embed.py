"""Pictures or videos -> a table of features or of classes, one row per file, or per window of a long video."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import torch

from jepakit import pretrained
from jepakit.app.device import open_device
from jepakit.app.samples import open_samples
from jepakit.app.sources import AS_IT_IS, open_classifier, open_source
from jepakit.app.windows import Timeline, WindowReader
from jepakit.data.video_files import is_video
from jepakit.data.videos import Videos
from jepakit.parts.nn.backbone import AnyBackbone
from jepakit.probes.attentive import Classify
from jepakit.probes.classifier import AttentiveClassifier
from jepakit.probes.features import Encode, Features, Pooled, gather

FORMATS = (".parquet", ".csv")
PICTURES_AT_ONCE, CLIPS_AT_ONCE = 256, 8


@dataclass(frozen=True)
class Wanted:
    """What to read: `root` and how. Windows are cut from a single video file, and from others if asked to.

    A `classifier` that was fitted on the backbone gives probabilities of classes in the place of features.
    """

    root: str
    layers: tuple[int, ...] | None = None
    batch: int | None = None
    windows: bool = False
    stride: float | None = None
    frame_rate: float | None = None
    classifier: str | None = None

    def __post_init__(self) -> None:
        for name, number in (("batch", self.batch), ("stride", self.stride), ("frame_rate", self.frame_rate)):
            if number is not None and number <= 0:
                raise ValueError(f"{name} is above 0, got {number}")
        if self.stride is not None and not self.is_cut:
            raise ValueError("stride is the seconds from window to window, and here is one row per file; give windows")
        if self.classifier is not None and self.layers is not None:
            raise ValueError("a classifier reads the levels that it was fitted on; leave layers out")

    @property
    def is_cut(self) -> bool:
        """Whether there is a row for each window, and not one for each file."""
        return self.windows or (is_video(self.root) and os.path.isfile(self.root))


def embed(
    source: str,
    wanted: Wanted,
    out: Path,
    device: str = "cpu",
    trusted: bool = False,
    choice: pretrained.Choice = AS_IT_IS,
) -> tuple[Features, tuple[str, ...]]:
    """Writes what `source` makes of every picture, video or window: pooled features, or the answers of a classifier.

    One row per file that can be read, or per window: its name, its label where there is one, the seconds of a window,
    and the feature or the probabilities. Samples are read as the backbone was trained to take them, or at the size of
    the `choice`. Returns the rows with sentences that the user should read. Raises ValueError for a format that is not
    known, a backbone that has no transform, or a classifier of another backbone.
    """
    if out.suffix not in FORMATS:
        raise ValueError(f"cannot write {out.name}: give a name that ends in {' or '.join(FORMATS)}")
    place = open_device(device)
    backbone = open_source(source, choice, trusted).backbone(choice.entry, choice.image).to(place)
    samples = open_samples(wanted.root, backbone.transform, source)
    if isinstance(samples, Videos):
        samples = replace(samples, frame_rate=wanted.frame_rate)
    elif wanted.windows or wanted.stride is not None or wanted.frame_rate is not None:
        raise ValueError(f"{source} takes pictures, which have no windows, stride or frame_rate; leave these out")
    encode, classifier = _encoder(backbone, wanted, choice.heads, place)
    if isinstance(samples, Videos) and wanted.is_cut:
        return _embed_windows(encode, classifier, samples, wanted, out)
    segments = 1 if classifier is None else classifier.segments
    dataset = samples.everything(segments) if isinstance(samples, Videos) else samples.everything()
    batch = wanted.batch or (CLIPS_AT_ONCE if isinstance(samples, Videos) else PICTURES_AT_ONCE)
    features = gather(encode, dataset, batch)
    write(features, out, dataset.classes, classifier=classifier)
    left_out = (f"not readable, left out: {reason}" for reason in features.reasons)
    return features, (*samples.passed_over(), *left_out, *_respelled(features))


def _encoder(
    backbone: AnyBackbone, wanted: Wanted, heads: int | None, place: torch.device
) -> tuple[Encode, AttentiveClassifier | None]:
    """What gives the rows, and the classifier where it takes part."""
    if wanted.classifier is None:
        return Pooled(backbone, wanted.layers, device=place), None
    classifier = open_classifier(wanted.classifier, heads).to(place)
    return Classify(backbone, classifier), classifier


def _embed_windows(
    encode: Encode, classifier: AttentiveClassifier | None, samples: Videos, wanted: Wanted, out: Path
) -> tuple[Features, tuple[str, ...]]:
    if classifier is not None and classifier.segments > 1:
        raise ValueError(
            f"{wanted.classifier} reads {classifier.segments} segments of a video together, and a window is one clip; "
            "fit one without segments"
        )
    dataset, batch = samples.everything(), wanted.batch or CLIPS_AT_ONCE
    timeline = WindowReader(encode, samples.transform, batch, wanted.stride).read(dataset)
    write(timeline.features, out, dataset.classes, timeline, classifier)
    left_out = (f"not readable, left out: {reason}" for reason in timeline.left_out)
    padded = (f"shorter than a window, so its only one is filled up: {name}" for name in timeline.padded)
    return timeline.features, (*samples.passed_over(), *left_out, *padded, *_respelled(timeline.features))


def write(
    features: Features,
    out: Path,
    classes: tuple[str, ...] | None,
    timeline: Timeline | None = None,
    classifier: AttentiveClassifier | None = None,
) -> None:
    """The table: columns name, label, class (where there are labels), start, end (of windows) and feature.

    Seconds are float64, a feature is a list of float32. With a `classifier` there are, in the place of the feature, the
    likeliest class as `predicted`, and the probability of each class. The table appears when it is complete. Bytes of a
    name that are no UTF-8, which tables hold, are written as \\xff.
    """
    columns: dict[str, pa.Array] = {"name": pa.array(map(_writable, features.names))}
    if features.labels is not None:
        columns["label"] = pa.array(features.labels.numpy())
    if features.labels is not None and classes is not None:
        columns["class"] = pa.array([_writable(classes[label]) for label in features.labels.tolist()])
    if timeline is not None:
        columns |= {"start": pa.array(timeline.starts.numpy()), "end": pa.array(timeline.ends.numpy())}
    rows = features.x.numpy()
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    if classifier is not None:
        names = _told(classifier)
        columns["predicted"] = pa.array([names[found] for found in rows.argmax(axis=1)])
        columns |= {f"probability of {name}": pa.array(rows[:, index]) for index, name in enumerate(names)}
    elif out.suffix == ".csv":
        columns |= {f"feature_{index}": pa.array(rows[:, index]) for index in range(rows.shape[1])}
    else:
        columns["feature"] = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
    if out.suffix == ".csv":
        pyarrow.csv.write_csv(pa.table(columns), beside)
    else:
        pyarrow.parquet.write_table(pa.table(columns), beside)
    os.replace(beside, out)


def _told(classifier: AttentiveClassifier) -> tuple[str, ...]:
    """What the classes are called: their numbers, where there is no name for each."""
    names, count = classifier.names or (), classifier.linear.out_features
    return tuple(map(_writable, names)) if len(set(names)) == count else tuple(map(str, range(count)))


def _writable(name: str) -> str:
    """A name as tables can hold it, with what is no UTF-8 as \\xff: file systems allow any bytes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _respelled(features: Features) -> tuple[str, ...]:
    """What the user should know of names that are written otherwise than they are."""
    odd = dict.fromkeys(_writable(name) for name in features.names if _writable(name) != name)
    if not odd:
        return ()
    return (f"not UTF-8, so odd bytes are written as \\xff: {len(odd)} of the names, such as {next(iter(odd))}",)

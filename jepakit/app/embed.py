"""Pictures or videos -> a table of features, one row per file."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from jepakit import pretrained
from jepakit.app.device import open_device
from jepakit.app.samples import open_samples
from jepakit.probes.features import Features, extract

FORMATS = (".parquet", ".csv")


def embed(
    source: str,
    root: str,
    out: Path,
    layers: tuple[int, ...] | None = None,
    batch: int = 256,
    device: str = "cpu",
    trusted: bool = False,
) -> Features:
    """Writes the pooled features of every picture or video at `root`, as `source` was trained to take them.

    One row per file that can be read: its name, its label where there is one, and the feature. Raises ValueError for a
    format that is not known or a backbone that has no transform.
    """
    if out.suffix not in FORMATS:
        raise ValueError(f"cannot write {out.name}: give a name that ends in {' or '.join(FORMATS)}")
    place = open_device(device)
    backbone = pretrained.load(source, trusted=trusted).to(place)
    dataset = open_samples(root, backbone.transform, source).everything()
    features = extract(backbone, dataset, layers, batch, device=place)
    write(features, out, dataset.classes)
    return features


def write(features: Features, out: Path, classes: tuple[str, ...] | None) -> None:
    """The table: columns name, label, class (where there are labels) and feature (a list of float32)."""
    columns: dict[str, pa.Array] = {"name": pa.array(features.names)}
    if features.labels is not None:
        columns["label"] = pa.array(features.labels.numpy())
    if features.labels is not None and classes is not None:
        columns["class"] = pa.array([classes[label] for label in features.labels.tolist()])
    rows = features.x.numpy()
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    if out.suffix == ".csv":
        columns |= {f"feature_{index}": pa.array(rows[:, index]) for index in range(rows.shape[1])}
        pyarrow.csv.write_csv(pa.table(columns), beside)
    else:
        columns["feature"] = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
        pyarrow.parquet.write_table(pa.table(columns), beside)
    os.replace(beside, out)

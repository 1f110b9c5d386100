"""Pictures in Parquet and Arrow files, as Hugging Face's `datasets` writes them: encoded bytes in a column."""

import json
import threading
from collections import OrderedDict
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import UInt8
from pyarrow import parquet
from torch import Tensor

from jepakit.contracts import BrokenSample
from jepakit.data.arrays import number_labels
from jepakit.data.decode import decode, read_file
from jepakit.data.sources import Listing, parts_of_files

_IMAGE_NAMES = ("image", "img", "jpg", "png")
_LABEL_NAMES = ("label", "labels", "fine_label", "class", "cls")
# Parquet is decoded a row group at a time; a shuffle mixes this many rows, or those of the largest group.
_WINDOW = 1024


class Tables:
    """Rows of table files. Arrow is mapped into memory; of Parquet, the row groups that a shuffle is amid are held."""

    def __init__(self, files: "list[_File]", listing: Listing, held_rows: int) -> None:
        self.listing = listing
        self._chunks = [(file, number) for file in files for number in range(len(file.counts))]
        self._starts = np.cumsum([0] + [count for file in files for count in file.counts])
        self._held_rows = held_rows
        self._forget()

    def read(self, row: int) -> UInt8[Tensor, "c h w"]:
        """The decoded cell. Raises BrokenSample."""
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        name, file = self.listing.names[row], self._chunks[number][0]
        cell = self._column(number, name)[row - int(self._starts[number])].as_py()
        data, path = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)
        if data:
            return decode(data, name)
        if path:
            return _read_beside(file.path, path, name)
        raise BrokenSample(f"{name}: its picture is empty")

    def _column(self, number: int, name: str) -> Any:
        with self._lock:
            if number in self._held:
                self._held.move_to_end(number)
                return self._held[number]
            file, chunk = self._chunks[number]
            try:
                self._held[number] = file.load(chunk)
            except (OSError, pa.ArrowException) as error:
                raise BrokenSample(f"{name}: its part of the table cannot be read: {error}") from None
            while len(self._held) > 1 and sum(len(column) for column in self._held.values()) > self._held_rows:
                self._held.popitem(last=False)
            return self._held[number]

    def _forget(self) -> None:
        self._held: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_held", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()


def open_tables(paths: list[Path]) -> Tables:
    """The pictures of these files, in the order given. Raises ValueError where there are none, or files disagree.

    The picture column holds bytes, or a struct of bytes and path; the label column numbers or words. Names of classes
    are taken from the metadata that `datasets` writes. "train", "validation" or "test" in the files' names are parts.
    """
    files = [_ArrowFile(path) if path.suffix == ".arrow" else _ParquetFile(path) for path in paths]
    kinds = {(file.columns.label, file.columns.classes) for file in files}
    if len(kinds) > 1:
        raise ValueError(f"the tables beside {paths[0]} do not agree on their labels; give tables of one set")
    label, classes = kinds.pop()
    labels = None
    if label is not None:
        labels, classes = number_labels(np.concatenate([file.labels() for file in files]), classes)
    names = [f"{path.name} row {row}" for path, file in zip(paths, files, strict=True) for row in range(file.rows)]
    parts = parts_of_files(paths)
    if parts is not None:
        parts = torch.repeat_interleave(parts, torch.tensor([file.rows for file in files]))
    counts = torch.tensor([count for file in files for count in file.counts])
    if len(names) == 0:
        raise ValueError(f"{paths[0]} holds no rows")
    if all(isinstance(file, _ArrowFile) for file in files):
        return Tables(files, Listing(names, labels, classes, parts), held_rows=len(names))
    window = max(_WINDOW, int(counts.max()))
    shards = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return Tables(files, Listing(names, labels, classes, parts, shards, window), held_rows=3 * window)


class _Columns(NamedTuple):
    image: str
    label: str | None
    classes: tuple[str, ...] | None


class _ParquetFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            file = parquet.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            raise ValueError(f"{path} is not a Parquet file that can be read: {error}") from None
        self.columns = _find_columns(file.schema_arrow, path)
        self.counts = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        self.rows = sum(self.counts)

    def load(self, chunk: int) -> Any:
        file = parquet.ParquetFile(self.path, memory_map=True)
        return file.read_row_group(chunk, columns=[self.columns.image], use_threads=False).column(0)

    def labels(self) -> np.ndarray:
        return _plain_labels(parquet.ParquetFile(self.path).read(columns=[self.columns.label]).column(0))


class _ArrowFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        batches = self._map()
        if not batches:
            raise ValueError(f"{path} holds no rows")
        self.columns = _find_columns(batches[0].schema, path)
        self.counts = [batch.num_rows for batch in batches]
        self.rows = sum(self.counts)
        self._batches: list[pa.RecordBatch] | None = batches

    def load(self, chunk: int) -> Any:
        if self._batches is None:
            self._batches = self._map()
        return self._batches[chunk].column(self.columns.image)

    def labels(self) -> np.ndarray:
        return _plain_labels(pa.chunked_array([batch.column(self.columns.label) for batch in self._batches or ()]))

    def _map(self) -> list[pa.RecordBatch]:
        """All batches, mapped and not read; `datasets` writes streams, others write files with a footer."""
        try:
            mapped = pa.memory_map(str(self.path))
            try:
                file = pa.ipc.open_file(mapped)
                return [file.get_batch(number) for number in range(file.num_record_batches)]
            except pa.ArrowInvalid:
                mapped.seek(0)
                return list(pa.ipc.open_stream(mapped))
        except (OSError, pa.ArrowException) as error:
            raise ValueError(f"{self.path} is not an Arrow file that can be read: {error}") from None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_batches": None}


_File = _ParquetFile | _ArrowFile


def _find_columns(schema: pa.Schema, path: Path) -> _Columns:
    features = _features(schema)
    images = [name for name, feature in features.items() if feature.get("_type") == "Image"]
    images += [name for name in _IMAGE_NAMES if name in schema.names]
    images += [field.name for field in schema if _holds_bytes(field.type)]
    image = next((name for name in images if name in schema.names and _holds_bytes(schema.field(name).type)), None)
    if image is None:
        raise ValueError(f"{path} has no column of encoded pictures; its columns are {', '.join(schema.names)}")
    labels = [name for name, feature in features.items() if feature.get("_type") == "ClassLabel"]
    labels += [name for name in _LABEL_NAMES if name in schema.names and _is_label(schema.field(name).type)]
    if not labels:
        return _Columns(image, None, None)
    names = features[labels[0]].get("names") if labels[0] in features else None
    return _Columns(image, labels[0], tuple(str(name) for name in names) if names else None)


def _features(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """The columns as `datasets` describes them in the metadata; empty where others wrote the file."""
    try:
        described = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return {name: feature for name, feature in described.items() if isinstance(feature, dict)}


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and _holds_bytes(field.type) for field in kind)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_label(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _plain_labels(column: pa.ChunkedArray) -> np.ndarray:
    if column.null_count:
        raise ValueError(f"{column.null_count} labels are missing; drop those rows, or the column")
    return np.asarray(column.to_pylist())


def _read_beside(table: Path, path: str, name: str) -> UInt8[Tensor, "c h w"]:
    """A file that a cell names instead of holding it; only below the table's folder, for tables come from strangers."""
    place = PurePosixPath(path)
    if place.is_absolute() or ".." in place.parts:
        raise BrokenSample(f"{name}: it names the file {path!r}, which is outside of the table's folder")
    return read_file(table.parent / place, f"{name} ({path})")

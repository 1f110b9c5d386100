"""Episodes in the layout of LeRobot, versions 2 and 3: numbers in Parquet, pictures in MP4 or beside the numbers.

Version 2 has a file for each episode, version 3 puts many into one and notes in `meta/episodes` where each begins. A
row holds what was seen at a moment and what was done then, so the last action of an episode leads nowhere and is left
out. `observation.state` is what is felt, `observation.environment_state` the state of the world.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32, UInt8

from jepakit.contracts import BrokenSample
from jepakit.data.decode import decode
from jepakit.data.trajectory import Numbers
from jepakit.data.trajectory_video import read_moments

INFO = "meta/info.json"
_ACTION, _FELT, _WORLD = "action", "observation.state", "observation.environment_state"
_KEPT_TABLES = 8


@dataclass(frozen=True)
class Placed:
    """Where an episode lies: its number, its rows' file, its film and the first frame there."""

    number: int
    length: int
    table: Path
    film: Path | None
    first: int


class LeRobotEpisodes:
    """The episodes of a data set: a `trajectory.Episodes`.

    `camera` names a feature of pictures where there are several ("observation.images.front", or its last word). Raises
    ValueError where the data set is not one, or has no such pictures.
    """

    def __init__(self, root: Path, camera: str | None = None) -> None:
        info = _read_info(root)
        features = info["features"]
        self._camera = _choose_camera(features, camera, root)
        self._is_film = features[self._camera]["dtype"] == "video"
        if _ACTION not in features:
            raise ValueError(f"{root}: no feature is called {_ACTION!r}, so nobody knows what was done")
        self._felt = sorted(name for name in features if name == _FELT or name.startswith(f"{_FELT}."))
        self._world = [_WORLD] if _WORLD in features else []
        place = _places_of_3 if str(info["codebase_version"]).startswith("v3") else _places_of_2
        self._placed: list[Placed] = []
        self.broken: dict[str, str] = {}
        for each in place(root, info, self._camera if self._is_film else None):
            missing = [path for path in (each.table, each.film) if path is not None and not path.exists()]
            if missing:
                self.broken[f"episode {each.number}"] = f"{missing[0]} is missing"
            else:
                self._placed.append(each)
        self.names = [f"episode {each.number}" for each in self._placed]
        self.lengths = [each.length for each in self._placed]
        self.notes = _NOTES if self._is_film else ()
        if not self._placed:
            raise ValueError(f"{root} holds no episode whose files are there")

    def numbers(self, row: int) -> Numbers:
        """Everything but the pictures. Raises BrokenSample."""
        table = self._rows(row)
        found = [self._numbers(table, names, row) for names in (self._felt, self._world)]
        actions = self._numbers(table, [_ACTION], row)
        assert actions is not None
        return Numbers(actions[:-1], *found)

    def frames(self, row: int, moments: range) -> UInt8[np.ndarray, "t h w c"]:
        """The pictures of these moments. Raises BrokenSample."""
        placed = self._placed[row]
        if placed.film is not None:
            first = placed.first
            return read_moments(placed.film, range(first + moments.start, first + moments.stop, moments.step))
        cells = self._rows(row).column(self._camera).take(pa.array(moments)).to_pylist()
        pictures = [decode(cell["bytes"] or b"", f"{self.names[row]}, {self._camera}") for cell in cells]
        return np.stack([picture.permute(1, 2, 0).numpy() for picture in pictures])

    def _rows(self, row: int) -> pa.Table:
        placed = self._placed[row]
        columns = [_ACTION, *self._felt, *self._world, *([] if self._is_film else [self._camera])]
        try:
            table = _read_table(placed.table, ("episode_index", *columns))
        except (OSError, KeyError, pa.ArrowException) as error:
            raise BrokenSample(f"{self.names[row]}: {placed.table} cannot be read: {error}") from None
        mine = table.filter(np.asarray(table.column("episode_index")) == placed.number)
        if len(mine) != placed.length:
            raise BrokenSample(f"{self.names[row]}: it has {len(mine)} rows, {placed.length} were announced")
        return mine

    def _numbers(self, table: pa.Table, names: Sequence[str], row: int) -> Float32[np.ndarray, "t k"] | None:
        try:
            parts = [np.array(table.column(name).to_pylist(), dtype=np.float32) for name in names]
        except (TypeError, ValueError) as error:
            raise BrokenSample(f"{self.names[row]}: {', '.join(names)} are not rows of numbers: {error}") from None
        return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1) if parts else None


_NOTES = ("frames are decoded from video for every window; to train for long, rewrite them first",)


def _read_info(root: Path) -> dict[str, Any]:
    path = root / INFO
    try:
        info = json.loads(path.read_text())
        if missing := [key for key in ("codebase_version", "features", "data_path") if key not in info]:
            raise ValueError(f"it says nothing of {', '.join(missing)}")
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not describe a data set of LeRobot: {error}") from None
    return info


def _choose_camera(features: Mapping[str, Any], camera: str | None, root: Path) -> str:
    there = sorted(name for name, feature in features.items() if feature["dtype"] in ("video", "image"))
    fitting = [name for name in there if camera is None or name == camera or name.endswith(f".{camera}")]
    if len(fitting) != 1:
        wanted = "name one as camera" if camera is None else f"none or several are {camera!r}"
        raise ValueError(f"{root} has pictures of {', '.join(there) or 'no camera'}; {wanted}")
    return fitting[0]


def _places_of_2(root: Path, info: Mapping[str, Any], camera: str | None) -> list[Placed]:
    """Version 2: a file for each episode, and a line in `meta/episodes.jsonl`."""
    path = root / "meta" / "episodes.jsonl"
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        found = [(int(line["episode_index"]), int(line["length"])) for line in lines]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not list episodes: {error}") from None
    chunk = int(info["chunks_size"]) if "chunks_size" in info else 1000
    placed = []
    for number, length in found:
        words = {"episode_chunk": number // chunk, "episode_index": number, "video_key": camera}
        film = None if camera is None else root / info["video_path"].format(**words)
        placed.append(Placed(number, length, root / info["data_path"].format(**words), film, 0))
    return placed


def _places_of_3(root: Path, info: Mapping[str, Any], camera: str | None) -> list[Placed]:
    """Version 3: files of many episodes, and rows in `meta/episodes` that say which, and from when on."""
    placed = []
    for path in sorted((root / "meta" / "episodes").rglob("*.parquet")):
        try:
            rows = pq.read_table(path).to_pylist()
            placed += [_place_of_3(root, info, camera, row) for row in rows]
        except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
            raise ValueError(f"{path} does not list episodes: {error}") from None
    return placed


def _place_of_3(root: Path, info: Mapping[str, Any], camera: str | None, row: Mapping[str, Any]) -> Placed:
    table = info["data_path"].format(chunk_index=row["data/chunk_index"], file_index=row["data/file_index"])
    number, length = int(row["episode_index"]), int(row["length"])
    if camera is None:
        return Placed(number, length, root / table, None, 0)
    film = info["video_path"].format(
        video_key=camera,
        chunk_index=row[f"videos/{camera}/chunk_index"],
        file_index=row[f"videos/{camera}/file_index"],
    )
    first = round(float(row[f"videos/{camera}/from_timestamp"]) * float(info["fps"]))
    return Placed(number, length, root / table, root / film, first)


@lru_cache(_KEPT_TABLES)
def _read_table(path: Path, columns: tuple[str, ...]) -> pa.Table:
    return pq.read_table(path, columns=list(columns))

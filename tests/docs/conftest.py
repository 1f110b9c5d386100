"""A room in which the code of the pages runs: pictures, a photo, a table, videos, a movie, and a run of each kind."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from films import write_film
from PIL import Image
from pyarrow import parquet

from jepakit.data.clip_transform import ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.data.videos import Videos
from jepakit.family import vjepa
from jepakit.family.ijepa import IJEPA
from jepakit.train.fit import fit
from jepakit.train.run import Run
from jepakit.train.watch import Watch

PICTURES = 60
"""Of each class: enough for a hash of the names to leave some of both in every part."""


def picture(kind: int, number: int) -> Image.Image:
    """Stripes, standing or lying, of random width, place and color."""
    draw = np.random.default_rng((kind, number))
    wave = np.sin(np.arange(40) * draw.uniform(0.3, 1.2) + draw.uniform(0, 6))
    stripes = np.broadcast_to(wave if kind else wave[:, None], (40, 40))[..., None] * draw.uniform(40, 100, 3)
    return Image.fromarray((128 + stripes + draw.normal(0, 5, (40, 40, 3))).clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image) -> bytes:
    """The bytes of a PNG."""
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()


def films(room: Path) -> None:
    """Videos of two classes, a few that nobody labeled, and a movie."""
    for part, count in (("train", 4), ("test", 2)):
        for name in ("jump", "fall"):
            for number in range(count):
                write_film(room / "my" / "videos" / part / name / f"{number}.mp4", count=8)
    write_film(room / "new" / "videos" / "0.mp4", count=8)
    write_film(room / "movie.mp4", count=16)


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The room before any page has been in it."""
    room = tmp_path_factory.mktemp("docs")
    for kind, name in enumerate(("cats", "dogs")):
        (room / "my" / "photos" / name).mkdir(parents=True)
        for number in range(PICTURES):
            picture(kind, number).save(room / "my" / "photos" / name / f"{number}.jpg", quality=90)
    (room / "imagenet").symlink_to(room / "my" / "photos")
    picture(0, 99).save(room / "photo.jpg")
    table = pa.table({"image": [encoded(picture(0, number)) for number in range(4)]})
    parquet.write_table(table, room / "pictures.parquet")
    run = Run(
        model=IJEPA(image=(32, 32), patch=8, dim=48, depth=4, heads=4, predictor_dim=24, predictor_depth=1),
        data=Images(root=str(room / "my/photos"), transform=ImageTransform(size=32), augment=RandomResizedCrop()),
        steps=4,
        batch=8,
        watch=Watch(samples=4, views=2),
        workers=0,
        threads=1,
        sinks=(),
    )
    fit(run, room / "runs" / "x")
    films(room)
    transform = ClipTransform(sampling=Sampling(frames=4, step=1), picture=ImageTransform(size=32))
    clips = Videos(root=str(room / "my/videos"), transform=transform)
    fit(replace(run, model=vjepa.TINY, data=clips, steps=2), room / "runs" / "v")
    shutil.copytree(room / "runs" / "x", room / "runs" / "demo")
    return room


@pytest.fixture
def room(furnished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the room, in which the test stands and from which Python imports."""
    own = tmp_path / "room"
    shutil.copytree(furnished, own, symlinks=True)
    monkeypatch.chdir(own)
    monkeypatch.syspath_prepend(own)
    return own

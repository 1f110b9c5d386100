"""Own videos to a model, features and a classifier, by the four commands of the guide."""

import json

import numpy as np
import pyarrow.parquet
import pytest
from films import write_film

from jepakit import cli, load

RECIPE = """
from jepakit.data.clip_transform import VIDEO_CROP, ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.transforms import ImageTransform
from jepakit.data.videos import Videos
from jepakit.family import vjepa
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch


def tiny() -> Run:
    '''A few steps on clips of 4 frames.'''
    transform = ClipTransform(sampling=Sampling(frames=4, step=1), picture=ImageTransform(size=32))
    return Run(model=vjepa.TINY, data=Videos(root="nowhere", transform=transform, augment=VIDEO_CROP), steps=4,
               batch=8, optimizer=AdamW(warmup=0.2), keep=Keep(every=2), watch=Watch(every=2, samples=8, views=2),
               log_every=1, workers=0, threads=1, sinks=())
"""


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for part, count in (("train", 6), ("test", 3)):
        for label in ("left", "right"):
            (folder / part / label).mkdir(parents=True)
            for number in range(count):
                write_film(folder / part / label / f"{number}.mp4", count=8)
    (folder / "train" / "left" / "torn.mp4").write_bytes(b"no film at all")
    return folder


@pytest.fixture(scope="module")
def trained(videos, tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    (place / "mine.py").write_text(RECIPE)
    words = ["train", f"{place / 'mine.py'}:tiny", "--data.root", str(videos), "--out", str(place / "x")]
    assert cli.run([*words, "--max-broken-share", "0.5"]) == 0
    return place / "x"


def test_training_counts_clips_and_names_what_is_broken(trained):
    broken = [json.loads(line) for line in (trained / "broken.jsonl").read_text().splitlines()]
    assert {line["name"] for line in broken} == {"train/left/torn.mp4"}


def test_embed_writes_one_row_per_video(trained, videos, tmp_path, capsys):
    assert cli.run(["embed", str(trained), str(videos), "--out", str(tmp_path / "f.parquet")]) == 0
    table = pyarrow.parquet.read_table(tmp_path / "f.parquet")
    assert table.num_rows == 18
    assert "train/left/torn.mp4" in capsys.readouterr().err
    backbone = load(str(trained))
    first = table.slice(0, 1).to_pydict()
    alone = backbone(backbone.transform(videos / first["name"][0])).pooled()[0]
    np.testing.assert_allclose(first["feature"][0], alone.numpy(), atol=1e-4)


def test_probe_stands_beside_random_init_and_raw_pixels(trained, capsys):
    assert cli.run(["probe", str(trained), "--probes", "knn"]) == 0
    assert "V-JEPA vs random init vs raw pixels" in capsys.readouterr().out
    rows = json.loads((trained / "probes.json").read_text())
    assert {row["subject"] for row in rows} == {"V-JEPA", "random init", "raw pixels"}


def test_report_draws_clips_as_strips(trained):
    assert cli.run(["report", str(trained)]) == 0
    page = (trained / "report.html").read_text()
    assert 'class="masks strips"' in page
    assert "clip" in page

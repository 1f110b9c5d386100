"""Own videos to a model, features and a classifier, by the four commands of the guide."""

import json
import os
import re
from collections import Counter
from contextlib import closing

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch
from films import picture, write_film
from PIL import Image

from jepakit import cli, load, load_classifier
from jepakit.data.video_decode import VideoFile
from jepakit.data.videos import Videos

RECIPE = """
from dataclasses import replace

from jepakit.data.clip_transform import VIDEO_CROP, ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.transforms import ImageTransform
from jepakit.data.videos import Videos
from jepakit.family import vjepa, vjepa21
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

BOTH_KINDS = """

def both() -> Run:
    '''Clips and single pictures, each kind with tokens of its own.'''
    run = tiny()
    transform = replace(run.data.transform, still="single")
    model = replace(vjepa21.TINY, image=(32, 32), frames=4)
    return replace(run, model=model, data=replace(run.data, transform=transform), steps=1, batch=1,
                   watch=Watch(action="off"))
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
    told = capsys.readouterr().err
    assert "not readable, left out: train/left/torn.mp4: it cannot be opened" in told
    assert "chosen by a hash" not in told
    backbone = load(str(trained))
    first = table.slice(0, 1).to_pydict()
    alone = backbone(backbone.transform(videos / first["name"][0])).pooled()[0]
    np.testing.assert_allclose(first["feature"][0], alone.numpy(), atol=1e-4)


@pytest.fixture(scope="module")
def both_kinds(tmp_path_factory):
    """A V-JEPA 2.1, which cuts single pictures into tokens of their own, and a folder of clips and pictures."""
    place = tmp_path_factory.mktemp("kinds")
    for name, count in (("a clip", 8), ("b still", 1), ("c still", 1), ("d clip", 6), ("e still", 1)):
        write_film(place / "x" / f"{name}.mp4", count=count)
    (place / "mine.py").write_text(RECIPE + BOTH_KINDS)
    words = ["train", f"{place / 'mine.py'}:both", "--data.root", str(place / "x" / "a clip.mp4")]
    assert cli.run([*words, "--out", str(place / "run")]) == 0
    return place


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_clips_and_pictures_of_one_folder_have_a_row_each(both_kinds, batch, tmp_path, capsys):
    words = ["embed", str(both_kinds / "run"), str(both_kinds / "x"), "--out", str(tmp_path / "f.parquet")]
    assert cli.run([*words, "--batch", str(batch)]) == 0
    assert "left out" not in capsys.readouterr().err
    rows, backbone = pyarrow.parquet.read_table(tmp_path / "f.parquet").to_pylist(), load(str(both_kinds / "run"))
    assert [row["name"] for row in rows] == [
        f"{name}.mp4" for name in ("a clip", "b still", "c still", "d clip", "e still")
    ]
    shapes = set()
    for row in rows:
        x = backbone.transform(both_kinds / "x" / row["name"])
        shapes.add(x.shape[1])
        with torch.inference_mode():
            np.testing.assert_allclose(row["feature"], backbone(x[None]).pooled()[0].numpy(), atol=1e-4)
    assert shapes == {1, 4}


def test_embed_writes_one_row_per_window_of_a_movie(trained, tmp_path, capsys):
    movie = write_film(tmp_path / "a long movie.mp4", count=23)
    words = ["embed", str(trained), str(movie), "--out", str(tmp_path / "f.parquet"), "--batch", "2"]
    assert cli.run(words) == 0
    assert "6 rows of 48 features" in capsys.readouterr().out
    table = pyarrow.parquet.read_table(tmp_path / "f.parquet")
    assert table.column_names == ["name", "start", "end", "feature"]
    rows = table.to_pylist()
    assert {row["name"] for row in rows} == {"a long movie.mp4"}
    assert [row["start"] for row in rows] == pytest.approx([0.0, 0.16, 0.32, 0.48, 0.64, 0.76])
    assert [row["end"] - row["start"] for row in rows] == pytest.approx([0.16] * 6)
    backbone = load(str(trained))
    with closing(VideoFile(movie, movie.name)) as film:
        frames = torch.stack(list(film.frames(range(4, 8))))
    alone = backbone(backbone.transform(frames)[None]).pooled()[0]
    np.testing.assert_allclose(rows[1]["feature"], alone.numpy(), atol=1e-5)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("windows", [False, True])
def test_a_name_that_is_not_utf8_does_not_cost_the_table(trained, suffix, windows, tmp_path, capsys):
    """Nor does a class of that name."""
    (tmp_path / "x").mkdir()
    for place in (b"caf\xe9/\xff.mp4", b"tea/plain.mp4"):
        path = os.path.join(os.fsencode(tmp_path / "x"), place)
        os.makedirs(os.path.dirname(path))
        os.replace(write_film(tmp_path / "film.mp4", count=4), path)
    out = tmp_path / f"f{suffix}"
    assert cli.run(["embed", str(trained), str(tmp_path / "x"), "--out", str(out), *["--windows"] * windows]) == 0
    table = pyarrow.csv.read_csv(out) if suffix == ".csv" else pyarrow.parquet.read_table(out)
    assert table["name"].to_pylist() == [r"caf\xe9/\xff.mp4", "tea/plain.mp4"]
    assert table["class"].to_pylist() == [r"caf\xe9", "tea"]
    assert (
        r"not UTF-8, so odd bytes are written as \xff: 1 of the names, such as caf\xe9/\xff" in capsys.readouterr().err
    )


def test_windows_of_a_folder_keep_name_and_class(trained, videos, tmp_path, capsys):
    write_film(videos / "test" / "right" / "short.mp4", count=3)
    out = tmp_path / "f.csv"
    assert cli.run(["embed", str(trained), str(videos), "--out", str(out), "--windows", "--stride", "0.08"]) == 0
    table = pyarrow.csv.read_csv(out)
    assert table.column_names[:5] == ["name", "label", "class", "start", "end"]
    counts = Counter(table["name"].to_pylist())
    assert counts.pop("test/right/short.mp4") == 1
    assert set(counts.values()) == {3}
    assert len(counts) == 18
    by_class = zip(table["class"].to_pylist(), table["name"].to_pylist(), strict=True)
    assert all(f"/{label}/" in name for label, name in by_class)
    told = capsys.readouterr().err
    assert "not readable, left out: train/left/torn.mp4: it cannot be opened" in told
    assert "shorter than a window, so its only one is filled up: test/right/short.mp4" in told
    (videos / "test" / "right" / "short.mp4").unlink()


def test_folders_of_frames_have_windows_once_they_have_a_clock(trained, tmp_path, capsys):
    for number in range(9):
        (tmp_path / "frames" / "walk").mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(number)).save(tmp_path / "frames" / "walk" / f"{number}.png")
    words = ["embed", str(trained), str(tmp_path / "frames"), "--out", str(tmp_path / "f.parquet"), "--windows"]
    assert cli.run(words) == 1
    assert "none of the 1 videos can be read: walk: it has no clock" in capsys.readouterr().err
    assert cli.run([*words, "--frame-rate", "2"]) == 0
    assert pyarrow.parquet.read_table(tmp_path / "f.parquet")["end"].to_pylist() == [2.0, 4.0, 4.5]


def test_odd_wishes_for_windows_give_one_sentence(trained, videos, tmp_path, capsys):
    words = ["embed", str(trained), str(videos), "--out", str(tmp_path / "f.parquet")]
    for odd, sentence in (
        (["--stride", "1"], "stride is the seconds from window to window"),
        (["--windows", "--stride", "0"], "stride is above 0, got 0.0"),
        (["--batch", "0"], "batch is above 0, got 0"),
    ):
        assert cli.run([*words, *odd]) == 1
        error = capsys.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1


def test_probe_stands_beside_random_init_and_raw_pixels(trained, capsys):
    assert cli.run(["probe", str(trained), "--probes", "knn"]) == 0
    assert "V-JEPA vs random init vs raw pixels" in capsys.readouterr().out
    rows = json.loads((trained / "probes.json").read_text())
    assert {row["subject"] for row in rows} == {"V-JEPA", "random init", "raw pixels"}


def test_probes_of_several_segments_and_views(trained, tmp_path, capsys):
    words = ["probe", str(trained), "--probes", "knn", "--out", str(tmp_path / "views.json")]
    assert cli.run([*words, "--segments", "2"]) == 0
    (jepa, *_) = json.loads((tmp_path / "views.json").read_text())
    assert jepa["splits"]["test"] == 6
    assert cli.run([*words, "--views", "2"]) == 1
    assert "set picture.resize to 'shorter_side'" in capsys.readouterr().err


def test_lists_with_missing_videos_are_noted_wherever_they_are_read(trained, videos, tmp_path, capsys):
    rows = [f"{videos}/train/left/{number}.mp4 0\n" for number in range(5)]
    rows += [f"{videos}/train/right/{number}.mp4 1\n" for number in range(6)]
    (tmp_path / "train.csv").write_text("".join([*rows, f"{videos}/gone.mp4 1\n"]))
    for part in ("val", "test"):
        (tmp_path / f"{part}.csv").write_text("".join(rows))
    note = "1 of 34 listed videos that were looked for do not exist"
    for words in (
        ["embed", str(trained), str(tmp_path), "--out", str(tmp_path / "f.csv")],
        ["probe", str(trained), "--data.root", str(tmp_path), "--probes", "knn", "--out", str(tmp_path / "p.json")],
        ["train", f"{trained.parent / 'mine.py'}:tiny", "--data.root", str(tmp_path), "--out", str(tmp_path / "y")],
    ):
        assert cli.run(words) == 0
        assert capsys.readouterr().err.count(note) == 1, words[0]


@pytest.fixture(scope="module")
def classified(trained):
    """A classifier of the run, fitted on one segment."""
    words = ["probe", str(trained), "--probes", "attentive", "--samples", "fixed", "--steps", "3"]
    assert cli.run([*words, "--out", str(trained / "heads.json")]) == 0
    return trained / "heads-attentive1.safetensors"


def test_a_probe_leaves_a_classifier_that_names_classes(trained, classified, videos, tmp_path):
    words = ["embed", str(trained), str(videos), "--out", str(tmp_path / "f.parquet")]
    assert cli.run([*words, "--classifier", str(classified)]) == 0
    table = pyarrow.parquet.read_table(tmp_path / "f.parquet")
    told = ["probability of left", "probability of right"]
    assert table.column_names == ["name", "label", "class", "predicted", *told]
    rows, backbone, classifier = table.to_pylist(), load(str(trained)), load_classifier(classified)
    assert classifier.names == ("left", "right")
    assert len(rows) == 18
    logits = classifier(backbone(backbone.transform(videos / rows[5]["name"])).values)
    np.testing.assert_allclose([rows[5][name] for name in told], logits.softmax(dim=-1)[0].numpy(), atol=1e-5)
    assert all(row["predicted"] == max(told, key=row.__getitem__).split()[-1] for row in rows)


def test_windows_of_a_movie_are_classified(trained, classified, tmp_path, capsys):
    movie = write_film(tmp_path / "movie.mp4", count=12)
    words = ["embed", str(trained), str(movie), "--out", str(tmp_path / "f.csv"), "--classifier", str(classified)]
    assert cli.run(words) == 0
    assert "3 rows of 2 probabilities" in capsys.readouterr().out
    table = pyarrow.csv.read_csv(tmp_path / "f.csv")
    told = ["probability of left", "probability of right"]
    assert table.column_names == ["name", "start", "end", "predicted", *told]
    assert cli.run([*words, "--layers", "-1"]) == 1
    assert "leave layers out" in capsys.readouterr().err


def test_a_classifier_of_several_segments_reads_as_many(trained, videos, tmp_path, capsys):
    words = ["probe", str(trained), "--probes", "attentive", "--samples", "fixed", "--steps", "2", "--segments", "2"]
    assert cli.run([*words, "--out", str(tmp_path / "p.json")]) == 0
    path = tmp_path / "p-attentive1.safetensors"
    printed = capsys.readouterr().out
    assert f"classifier: {path}" in printed
    assert "left out of validation, for it could not be read (1): train/left/torn.mp4: it cannot be opened" in printed
    words = ["embed", str(trained), str(videos / "test"), "--out", str(tmp_path / "f.csv"), "--classifier", str(path)]
    assert cli.run(words) == 0
    rows, backbone, classifier = (
        pyarrow.csv.read_csv(tmp_path / "f.csv").to_pylist(),
        load(str(trained)),
        load_classifier(path),
    )
    views = Videos(root=str(videos / "test"), transform=backbone.transform).everything(segments=2)
    tokens = backbone(views.get(3, 0, 0)["x"][:, 0]).values.flatten(0, 1)[None]
    expected = classifier(tokens).softmax(dim=-1)[0, 1].item()
    assert rows[3]["probability of right"] == pytest.approx(expected, abs=1e-5)
    assert cli.run([*words, "--windows"]) == 1
    assert "reads 2 segments of a video together, and a window is one clip" in capsys.readouterr().err


def test_report_draws_clips_as_strips(trained):
    assert cli.run(["report", str(trained)]) == 0
    page = (trained / "report.html").read_text()
    assert 'class="masks strips"' in page
    for name in ("short-range context", "short-range target", "long-range context", "long-range target"):
        assert page.count(f'<span class="head">{name}</span>') == 2
    assert "Short-range, 8 blocks of 15 % of a frame: the context shows" in page
    assert "Long-range, 2 blocks of 70 % of a frame: the context shows" in page
    told = re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]*>", " ", page, flags=re.DOTALL)
    assert "Each clip with its 6 nearest" in told
    assert "their three main directions over these clips" in told
    assert "picture" not in told.replace("&quot;picture&quot;", "a field of the recipe")

"""The verbs as a user calls them, on a small run on real pictures."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import checkpoints
import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
from PIL import Image

import jepakit
from jepakit import cli
from jepakit.probes.classifier import AttentiveClassifier

RECIPE = """
from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.family.ijepa import IJEPA
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch


def tiny() -> Run:
    '''A few steps on 8x8 digits.'''
    model = IJEPA(image=(8, 8), patch=2, channels=1, dim=32, depth=2, heads=2, predictor_dim=16, predictor_depth=1,
                  initialization="fan_in")
    data = Images(root="packaged:digits", transform=ImageTransform(size=8, channels=1, mean=(0.3,), std=(0.38,)),
                  augment=RandomResizedCrop())
    return Run(model=model, data=data, steps=6, batch=16, optimizer=AdamW(warmup=0.2), keep=Keep(every=3),
               watch=Watch(every=3, samples=8, views=2), log_every=1, workers=0, threads=1, sinks=())
"""

STRANGER = """
from dataclasses import dataclass

from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform
from jepakit.family.ijepa import IJEPA
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch


@dataclass(frozen=True, kw_only=True)
class Own(IJEPA):
    pass


def run() -> Run:
    model = Own(image=(8, 8), patch=2, channels=1, dim=32, depth=1, heads=2, predictor_dim=16, predictor_depth=1)
    data = Images(root="packaged:digits", transform=ImageTransform(size=8, channels=1, mean=(0.3,), std=(0.38,)))
    return Run(model=model, data=data, steps=2, batch=8, keep=Keep(every=1), watch=Watch(action="off"),
               workers=0, threads=1, sinks=())
"""
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "mine.py"
    path.write_text(RECIPE)
    return f"{path}:tiny"


@pytest.fixture(scope="module")
def trained(recipe, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "x"
    assert cli.run(["train", recipe, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for name in ("a", "b"):
        (folder / name).mkdir()
        for number in range(3):
            pixels = np.random.default_rng(number).integers(0, 256, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    (folder / "a" / "broken.png").write_bytes(b"not a picture")
    return folder


def test_overview_and_list(capsys):
    assert cli.run([]) == 0
    assert cli.run(["list"]) == 0
    text = capsys.readouterr().out
    assert all(verb in text for verb in cli.VERBS)
    assert "images:ijepa_vith14_in1k" in text
    assert "fashion-mnist" in text


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as exit:
        cli.run([verb, "--help"])
    assert exit.value.code == 0
    assert f"jepakit {verb}" in capsys.readouterr().out


def test_show_counts_parameters_and_names_the_alarm(capsys):
    assert cli.run(["show", "images:ijepa_vith14_in1k", "--model.depth", "2"]) == 0
    text = capsys.readouterr().out
    assert '"depth": 2' in text
    assert "RankMe is below" in text
    assert re.search(r"compute: [\d.]+ [TP]FLOP a step, ", text)
    assert cli.run(["show", "images:ijepa_vith14_in1k"]) == 0
    assert "630,434,560" in capsys.readouterr().out


def test_train_writes_a_run(trained):
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line][-1] == 6
    assert any("watch" in line for line in lines)
    assert (trained / "step-00000006" / "model.safetensors").exists()


def test_an_existing_run_is_not_overwritten(recipe, trained, capsys):
    assert cli.run(["train", recipe, "--out", str(trained)]) == 1
    assert "--resume" in capsys.readouterr().err


def test_a_complete_run_says_that_nothing_is_left_to_do(trained, capsys):
    before = (trained / "metrics.jsonl").read_text()
    assert cli.run(["train", "--resume", str(trained)]) == 0
    assert "is complete: all of its 6 steps were made before" in capsys.readouterr().out
    assert (trained / "metrics.jsonl").read_text() == before


def test_overrides_reach_nested_numbers(recipe, tmp_path):
    out = tmp_path / "x"
    assert cli.run(["train", recipe, "--steps", "1", "--model.depth", "1", "--out", str(out)]) == 0
    written = json.loads((out / "run.json").read_text())["run"]
    assert (written["steps"], written["model"]["depth"]) == (1, 1)


def test_ctrl_c_saves_and_says_how_to_go_on(recipe, tmp_path):
    out = tmp_path / "x"
    words = [sys.executable, "-m", "jepakit", "train", recipe, "--steps", "2000", "--out", str(out)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    deadline = time.monotonic() + 120
    while not (out / "step-00000003").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert f"jepakit train --resume {out}" in errors
    newest = sorted(out.glob("step-*"))[-1]
    assert int(newest.name[5:]) < 2000


def test_a_run_of_a_strangers_recipe_is_resumed_when_trusted(tmp_path):
    """A run.json may name any class, and importing it runs its code: only with --trusted, from the working folder."""
    (tmp_path / "strangers.py").write_text(STRANGER)
    script = (
        "import sys; sys.path = [p for p in sys.path if p]; from jepakit import cli; sys.exit(cli.run(sys.argv[1:]))"
    )
    environment = {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": str(ROOT)}

    def call(*words):
        command = [sys.executable, "-c", script, "train", *words]
        return subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)

    begun = call("./strangers.py:run", "--out", "x")
    assert begun.returncode == 0, begun.stderr
    shutil.rmtree(tmp_path / "x" / "step-00000002")
    refused = call("--resume", "x")
    assert refused.returncode == 1
    assert "--trusted" in refused.stderr
    assert not (tmp_path / "x" / "step-00000002").exists()
    resumed = call("--resume", "x", "--trusted")
    assert resumed.returncode == 0, resumed.stderr
    assert (tmp_path / "x" / "step-00000002").exists()


def test_a_run_that_starts_from_weights_takes_on_their_networks_and_their_transform(trained, tmp_path, capsys):
    few = shlex.split("--steps 1 --batch 8 --workers 0 --threads 1 --watch off --data.root packaged:digits")
    words = ["train", "images:ijepa_continued", "--start-from", str(trained), *few]
    assert cli.run([*words, "--out", str(tmp_path / "x")]) == 0
    assert "context encoder and target start equal" in capsys.readouterr().out
    written = json.loads((tmp_path / "x" / "run.json").read_text())["run"]
    assert (written["model"]["dim"], written["model"]["channels"]) == (32, 1)
    assert (written["data"]["transform"]["size"], written["data"]["transform"]["mean"]) == (8, [0.3])
    own = shlex.split("--data.transform.size 16 --data.transform.channels 1 --data.transform.mean 0.5")
    assert cli.run([*words, *own, "--data.transform.std", "0.5", "--out", str(tmp_path / "y")]) == 0
    written = json.loads((tmp_path / "y" / "run.json").read_text())["run"]
    assert (written["data"]["transform"]["size"], written["data"]["transform"]["mean"]) == (16, [0.5])


@pytest.mark.parametrize("words", [["--watch", "off"], ["--watch=off"]])
def test_watch_is_short_for_its_action(words, recipe, tmp_path, capsys):
    out = tmp_path / "x"
    assert cli.run(["train", recipe, "--steps", "1", *words, "--out", str(out)]) == 0
    assert json.loads((out / "run.json").read_text())["run"]["watch"]["action"] == "off"
    assert cli.run(["show", recipe, *words]) == 0
    assert "collapse watch: off" in capsys.readouterr().out


def test_embed_writes_one_row_per_file(trained, photos, tmp_path, capsys):
    out = tmp_path / "features.parquet"
    assert cli.run(["embed", str(trained), str(photos), "--out", str(out)]) == 0
    table = parquet.read_table(out)
    assert table.num_rows == 6
    assert set(table["class"].to_pylist()) == {"a", "b"}
    assert len(table["feature"][0].as_py()) == 32
    assert "broken.png" in capsys.readouterr().err


def test_pictures_have_no_windows(trained, photos, tmp_path, capsys):
    assert cli.run(["embed", str(trained), str(photos), "--out", str(tmp_path / "f.csv"), "--windows"]) == 1
    assert "takes pictures, which have no windows" in capsys.readouterr().err


def test_probe_stands_beside_random_init_and_raw_pixels(trained, capsys):
    assert cli.run(["probe", str(trained), "--probes", "knn", "logistic"]) == 0
    rows = json.loads((trained / "probes.json").read_text())
    assert {row["probe"] for row in rows} >= {"knn", "logistic"}
    assert len({row["subject"] for row in rows}) == 3
    assert "random init" in capsys.readouterr().out.lower()


def test_report_is_one_file(trained):
    assert cli.run(["report", str(trained)]) == 0
    page = (trained / "report.html").read_text()
    assert "<html" in page
    assert 'src="http' not in page


def test_export_loads_again(trained, tmp_path):
    import torch

    import jepakit

    assert cli.run(["export", str(trained), "--out", str(tmp_path / "exported")]) == 0
    x = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        first, second = jepakit.load(str(trained))(x), jepakit.load(str(tmp_path / "exported"))(x)
    assert torch.equal(first.values, second.values)


@pytest.mark.parametrize(
    "words",
    [
        ["train", "images:nothing"],
        ["train", "--resume", "nowhere"],
        ["show", "nothing"],
        ["embed", "nowhere", "photos", "--out", "x.parquet"],
        ["embed", "nowhere", "photos", "--out", "x.doc"],
        ["probe", "nowhere"],
        ["export", "nowhere", "--out", "x"],
        ["convert", "nowhere.pth.tar", "--out", "x"],
        ["report", "nowhere"],
    ],
)
def test_bad_input_gives_one_sentence(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.run(words) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"jepakit {words[0]}: ")
    assert error.count("\n") == 1
    assert not os.listdir(tmp_path)


def test_an_unknown_verb(capsys):
    assert cli.run(["fly"]) == 2
    assert "train" in capsys.readouterr().err


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """An official file of a width that was never published, and the method that it was made of."""
    model = replace(checkpoints.MODEL, dim=48, heads=4)
    method = checkpoints.build_noisy(model)
    return checkpoints.write_official(tmp_path_factory.mktemp("released") / "vit.pth.tar", method, model), method


def told_once(err: str) -> bool:
    return all(
        err.count(words) == 1
        for words in ("license: CC-BY-NC-4.0", "target_encoder of", "the source names no transform", "left out: batch_")
    )


def test_embed_says_whose_weights_they_are_and_takes_the_chosen_ones(released, photos, tmp_path, capsys):
    path, method = released
    words = ["embed", str(path), str(photos), "--heads", "4", "--out"]
    assert cli.run([*words, str(tmp_path / "average.parquet")]) == 0
    assert told_once(capsys.readouterr().err)
    chosen = ["--entry", "encoder", "--image", "48"]
    assert cli.run([*words, str(tmp_path / "chosen.parquet"), *chosen]) == 0
    transform = replace(jepakit.load(path, heads=4).transform, size=48)
    for name, network, maker in (
        ("average", method.kept, replace(transform, size=32)),
        ("chosen", method.backbone, transform),
    ):
        table = parquet.read_table(tmp_path / f"{name}.parquet")
        pictures = torch.stack([maker(Image.open(photos / file)) for file in table["name"].to_pylist()])
        with torch.no_grad():
            expected = network(pictures).values.mean(dim=1)
        torch.testing.assert_close(torch.tensor(table["feature"].to_pylist()), expected, atol=1e-5, rtol=0)


def test_embed_says_whose_the_classifier_is(released, photos, tmp_path, capsys):
    head = AttentiveClassifier(48, 4, 1, 2)
    torch.save(
        {"classifiers": [{f"module.{name}": value for name, value in head.state_dict().items()}]}, tmp_path / "p.pt"
    )
    words = ["embed", str(released[0]), str(photos), "--heads", "4", "--classifier", str(tmp_path / "p.pt")]
    assert cli.run([*words, "--out", str(tmp_path / "x.csv")]) == 0
    assert "license: MIT" in capsys.readouterr().err


def test_probe_says_whose_weights_they_are_and_takes_the_chosen_ones(released, tmp_path, capsys):
    words = ["probe", str(released[0]), "--probes", "knn", "--data.root", "packaged:digits", "--heads", "4"]
    found = []
    for number, chosen in enumerate(([], ["--entry", "encoder", "--image", "16"])):
        assert cli.run([*words, *chosen, "--out", str(tmp_path / f"{number}.json")]) == 0
        assert told_once(capsys.readouterr().err)
        found.append([row["value"] for row in json.loads((tmp_path / f"{number}.json").read_text())])
    assert all(one != other for one, other in zip(*found, strict=True))  # pixels are fewer, too


def test_attentive_probes_read_several_levels(trained, tmp_path):
    words = ["--probes", "attentive", "--samples", "fixed", "--steps", "2", "--layers", "-2", "-1"]
    assert cli.run(["probe", str(trained), *words, "--out", str(tmp_path / "p.json")]) == 0
    assert {row["settings"]["layers"] == [-2, -1] for row in json.loads((tmp_path / "p.json").read_text())} == {True}
    assert jepakit.load_classifier(tmp_path / "p-attentive1.safetensors").layers == (-2, -1)
    assert cli.run(["embed", str(trained), "packaged:digits", "--out", str(tmp_path / "x.csv"),
                    "--classifier", str(tmp_path / "p-attentive1.safetensors")]) == 0  # fmt: skip

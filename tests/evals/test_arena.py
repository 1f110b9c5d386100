"""An arena gives all as many operations, goes on where it stopped, and writes a table and a page."""

import json
from dataclasses import replace
from statistics import fmean

import pytest
import torch

from jepakit.app.arena import hold, price, spread
from jepakit.cli import run
from jepakit.contracts import Rows, step_at
from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform
from jepakit.evals import arena
from jepakit.evals.arena import ARENAS, Arena, Question, curve, operations, questions, reached, spaced
from jepakit.evals.contestants import EVERYONE
from jepakit.parts.nn.networks import ViT
from jepakit.probes.knn import Knn
from jepakit.train.fit import fit

TINY = Arena(
    data=Images(root="packaged:digits", transform=ImageTransform(size=16, channels=1, mean=(0.3,), std=(0.4,))),
    network=ViT(image=(16, 16), patch=4, channels=1, dim=24, depth=1, heads=2, initialization="fan_in"),
    tflop=0.0005, contestants=("byol",), seeds=(0,), batch=16, points=2, threads=1,
)  # fmt: skip


@pytest.mark.parametrize("name", EVERYONE)
def test_all_are_given_as_many_operations(name):
    """What whole batches cost, as a training logs it: masks are cut to the shortest of a batch."""
    planned = replace(TINY, tflop=0.05, contestants=(name,)).run(name, 0)
    sample = planned.data.build().get(0, 0, 0)
    batch = {key: torch.stack([value] * planned.batch) for key, value in sample.items()}
    method, rows = planned.model.build(), Rows(0, planned.batch, planned.batch)
    with torch.no_grad():
        steps = [method(batch, step_at(index, planned.steps, rows, seed=1)).metrics["gflops"] for index in range(60)]
    assert planned.steps * fmean(map(float, steps)) * 1e9 == pytest.approx(0.05e12, rel=0.03)


def test_operations_are_those_that_the_method_reports():
    planned = TINY.run("byol", 0)
    method = planned.model.build()
    assert operations(replace(planned, batch=2)) == method.flops(16, 16)


def test_what_is_there_is_not_run_again_and_more_may_join(tmp_path, monkeypatch):
    monkeypatch.setattr(
        arena, "questions", lambda data: {"linear": Question(Knn(), data), "knn": Question(Knn(k=5), data)}
    )
    told = []
    text = hold(TINY, tmp_path, target=0.05, tell=told.append)
    named = [line for line in told if "took" not in line]
    assert named == ["1 of 3: byol, seed 0", "2 of 3: random_init, seed 0", "3 of 3: raw, seed 0"]
    assert len(told) == 6
    assert {"byol", "random init", "raw pixels"} <= {line.split(" | ")[0].strip("| ") for line in text.splitlines()}
    row = json.loads((tmp_path / "rows" / "byol.seed0.json").read_text())
    assert row["flops"] == pytest.approx(5e8, rel=0.1)
    steps = row["run"]["steps"]
    assert [point["step"] for point in row["curve"]] == [0, -(-steps // 2), steps]
    assert [point["cpu_seconds"] > 0 for point in row["curve"]] == [False, True, True]
    assert 0 <= row["energy"]["auroc"] <= 1
    assert text.splitlines()[0].startswith("| contestant | linear | knn | energy: AUROC | energy: 1 of 16 | rank |")
    (line,) = [line for line in text.splitlines() if line.startswith("| byol ")]
    assert (
        f"| {100 * row['energy']['auroc']:.1f} | {100 * row['energy']['retrieval']:.1f} | {row['rank']:.1f} |" in line
    )
    page = (tmp_path / "arena.html").read_text()
    assert "How soon" in page
    assert "byol" in page
    told.clear()
    hold(replace(TINY, contestants=("byol", "mae")), tmp_path, None, told.append)
    assert told[0] == "2 of 4: mae, seed 0"
    assert len(told) == 2
    written = (tmp_path / "rows" / "byol.seed0.json").read_text()
    (tmp_path / "rows" / "byol.seed0.json").write_text(written[: len(written) // 2])
    told.clear()
    hold(TINY, tmp_path, None, told.append)
    assert told[0] == "1 of 3: byol, seed 0", "a row that was not written to its end is measured again"
    with pytest.raises(ValueError, match="other data, network or budget"):
        hold(replace(TINY, tflop=1.0), tmp_path, None, told.append)


def test_what_the_target_took():
    points = [{"score": 0.2, "cpu_seconds": 1.0, "flop": 1e12, "samples": 10.0},
              {"score": 0.5, "cpu_seconds": 2.0, "flop": 2e12, "samples": 20.0}]  # fmt: skip
    assert reached(points, 0.4) == {"cpu_seconds": 2.0, "flop": 2e12, "samples": 20.0}
    assert reached(points, 0.6) is None
    rows = [{"curve": points}, {"curve": points[:1]}]
    assert price(rows, 0.4) == "2 CPU-seconds, 2.0 TFLOP, 20 samples (1 of 2 seeds)"
    assert price(rows, 0.9) == "not reached"
    assert spread([0.5]) == "50.0"
    assert spread([0.4, 0.6]) == "50.0 ± 14.1"


def test_bad_input_is_one_sentence(capsys, tmp_path):
    assert run(["eval", "nothing"]) == 1
    assert "there are arena, arena_color" in capsys.readouterr().err
    assert run(["eval", "arena", "--contestants", "gan", "--out", str(tmp_path)]) != 0
    with pytest.raises(ValueError, match="no contestant 'gan'"):
        replace(TINY, contestants=("gan",))
    with pytest.raises(ValueError, match="tflop above 0"):
        replace(TINY, tflop=0.0)
    with pytest.raises(ValueError, match="contestants name byol twice"):
        replace(TINY, contestants=("byol", "byol"))
    with pytest.raises(ValueError, match="seeds name 0 twice"):
        replace(TINY, seeds=(0, 0))
    for target in (0.0, 1.5):
        with pytest.raises(ValueError, match=r"in \(0, 1\]"):
            hold(TINY, tmp_path / "none", target)
    assert not (tmp_path / "none").exists()


def test_what_cannot_be_built_claims_no_folder(tmp_path):
    for wrong in (replace(TINY, data=replace(TINY.data, root=str(tmp_path / "nope"))),
                  replace(TINY, network=replace(TINY.network, heads=7))):  # fmt: skip
        with pytest.raises(ValueError, match=r"nope|heads"):
            hold(wrong, tmp_path / "out", None)
        assert not (tmp_path / "out").exists()


def test_early_checkpoints_are_asked_more_often_than_late_ones():
    assert spaced(16) == [1, 2, 3, 4, 6, 8, 12, 16]
    assert spaced(5) == [1, 2, 3, 4, 5]
    assert spaced(1) == [1]


def test_a_stopped_run_keeps_the_start_of_its_curve(tmp_path):
    """What interruptions leave takes no place of what the curve asks, and is not asked."""
    planned = replace(TINY, points=4).run("byol", 0)
    cut = planned.keep.every + 1
    fit(replace(planned, steps=cut), tmp_path)  # its last step is saved, as that of a stopped one is
    fit(planned, tmp_path, resume=True)
    points = curve(replace(TINY, points=4), planned, tmp_path)
    steps = [min(number * planned.keep.every, planned.steps) for number in (0, 1, 2, 3, 4)]
    assert [point["step"] for point in points] == sorted(set(steps))
    assert cut not in steps
    seconds = [point["cpu_seconds"] for point in points]
    assert seconds == sorted(seconds)


def test_a_cell_that_takes_too_long_says_which_budget_would_not():
    assert arena._took(TINY, 30.0) == "  took 30 s"
    assert "--tflop 0.00025" in arena._took(TINY, 1200.0)


@pytest.mark.parametrize("name", ARENAS)
def test_published_arenas_fit_their_pictures(name):
    found = ARENAS[name]
    assert found.network.image == (found.data.transform.size,) * 2
    assert found.network.channels == found.data.transform.channels
    for contestant in found.contestants:
        model = EVERYONE[contestant].model(found.network)
        assert model.samples[0] == found.network.samples[0]


def test_scenes_are_asked_about_what_is_known_of_them():
    asked = questions(ARENAS["arena_scenes"].data)
    assert {name: question.data.label for name, question in asked.items()} == {
        "count": "count", "distance": "distance", "segmentation": "count",
    }  # fmt: skip
    assert asked["segmentation"].data.truth
    assert list(questions(TINY.data)) == ["linear", "knn", "lowshot1", "attentive"]
    assert questions(replace(TINY.data, views=EVERYONE["byol"].views))["knn"].data == TINY.data


def test_clevr_is_asked_as_scenes_are():
    asked = questions(ARENAS["arena_clevr"].data)
    assert {name: question.data.label for name, question in asked.items()} == {"count": "count", "distance": "distance"}
    with pytest.raises(ValueError, match="is not CLEVR's folder"):
        ARENAS["arena_clevr"].run("ijepa", 0)


def test_fewer_augmentations_differ_in_the_views_alone():
    published, crops, plain = (EVERYONE[name].views for name in ("dino", "dino_crops", "dino_plain"))
    assert (crops.count, crops.locals, crops.crop) == (published.count, published.locals, published.crop)
    assert not crops.distortions
    assert crops.local_distortion is None
    assert plain.crop is None
    for name in ("dino", "simclr"):
        models = [EVERYONE[each].model(TINY.network) for each in (name, f"{name}_crops", f"{name}_plain")]
        assert models[0] == models[1] == models[2]

"""Ranking runs: the same samples for all, honest losses, and correlations that follow from the numbers."""

import json
import shutil
from dataclasses import replace

import pytest
from safetensors.torch import load_file, save_file

from jepakit import cli
from jepakit.app.ranking import Asked, Entrant, Ranking, Row, rank, spearman, weights_of
from jepakit.app.ranking_table import tell
from jepakit.data.branching import Branching
from jepakit.data.videos import Videos
from jepakit.family import ijepa, lejepa, lvjepa, vjepa
from jepakit.rivals import simsiam
from jepakit.train.run import Run

SMALL = Asked(samples=16, views=2)


@pytest.fixture(scope="module")
def runs(finished_run, tmp_path_factory):
    """A run, and one whose features lost most of their directions, with a lower loss in its log."""
    folder = tmp_path_factory.mktemp("runs")
    good, bad = (shutil.copytree(finished_run, folder / name) for name in ("good", "bad"))
    for path in bad.glob("step-*/model.safetensors"):
        state = load_file(path)
        for name in ("backbone.encoder.norm.weight", "target.network.encoder.norm.weight"):
            state[name][2:] = 0
        save_file(state, path)
    lines = [json.loads(line) for line in (bad / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        if "terms" in line:
            line["terms"] = {"prediction": line["terms"]["prediction"] / 2}
    (bad / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return good, bad


def changed(folder, to, change):
    """A copy of a run whose run.json and checkpoints tell of another model."""
    copy = shutil.copytree(folder, to)
    for path in (copy / "run.json", *copy.glob("step-*/config.json")):
        path.write_text(change(path.read_text()))
    return copy


def test_the_run_with_more_directions_comes_first_and_json_holds_what_the_table_says(runs, capsys):
    good, bad = runs
    out = good.parent / "told" / "ranking.json"
    assert cli.run(["rank", str(bad), str(good), "--samples", "16", "--views", "2", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert text.index("good") < text.index("bad")
    assert "an average answers, which learns, too" in text
    told = json.loads(out.read_text())
    assert [row["run"] for row in told["rows"]] == ["good", "bad"]
    assert told["rows"][0]["rankme"] > 2 * told["rows"][1]["rankme"]
    assert told["rows"][1]["rankme"] < 2.5
    assert told["spearman"] == {}


def test_by_loss_the_lower_one_is_first_as_the_log_has_it(runs):
    ranking = rank(runs, replace(SMALL, by="loss", tail=0.5))
    assert [row.run for row in ranking.rows] == ["bad", "good"]
    lines = [json.loads(line) for line in (runs[0] / "metrics.jsonl").read_text().splitlines()]
    logged = [line["terms"]["prediction"] for line in lines if "terms" in line]
    assert len(logged) == 12
    assert ranking.rows[1].loss == pytest.approx(sum(logged[-6:]) / 6)
    beside = runs[0].parent / "ranking.json"
    assert beside.exists()
    assert len(rank([beside, *runs], SMALL).rows) == 2  # as runs/* names it


def test_checkpoints_of_one_run_are_rows_of_their_own(runs):
    ranking = rank(runs[:1], replace(SMALL, checkpoints=True))
    assert sorted(row.step for row in ranking.rows) == [6, 12]
    with pytest.raises(ValueError, match="one run has no rank"):
        rank(runs[:1], SMALL)


def test_losses_of_different_methods_are_refused_in_one_sentence_and_not_shown(runs, tmp_path, capsys):
    other = changed(runs[0], tmp_path / "other", lambda text: text.replace('"target": "ema"', '"target": "shared"'))
    for path in other.glob("step-*/model.safetensors"):
        save_file({k: v for k, v in load_file(path).items() if not k.startswith("target.")}, path)
    words = ["rank", str(runs[0]), str(other), "--samples", "16", "--views", "2", "--out", str(tmp_path / "r.json")]
    assert cli.run([*words, "--by", "loss"]) == 1
    error = capsys.readouterr().err
    assert "losses cannot be compared, for the runs differ in target (EMATarget, SharedTarget)" in error
    assert cli.run(words) == 0
    text = capsys.readouterr().out
    assert "n/a" in text
    assert "losses are not shown" in text


@pytest.mark.parametrize("data", [Branching(sprites="digits"), Videos(root="clips")])
def test_pictures_and_videos_are_told_apart_in_one_sentence(runs, tmp_path, capsys, data):
    video = shutil.copytree(runs[0], tmp_path / "video")
    told = json.loads((video / "run.json").read_text())
    run = Run(model=vjepa.TINY, data=data, steps=12)
    (video / "run.json").write_text(json.dumps({**told, "run": run.to_json()}))
    for pair in ((runs[0], video), (video, runs[0])):
        assert cli.run(["rank", *map(str, pair), "--out", str(tmp_path / "r.json")]) == 1
        error = capsys.readouterr().err
        assert "different kinds" in error
        assert "ClipTransform" in error
        assert "Traceback" not in error


def test_all_are_measured_on_equal_views(runs):
    """The same weights under another name and other augmentation have the same meters to the last bit."""
    good = runs[0]
    twin = changed(good, good.parent / "twin", lambda text: text.replace('"seed": 0', '"seed": 5'))
    first, second = rank([good, twin], SMALL).rows
    assert (first.rankme, first.lidar) == (second.rankme, second.lidar)


def test_a_probe_and_its_correlations(runs):
    ranking = rank(runs, replace(SMALL, probe="knn"))
    assert all(row.probe is not None and 0 < row.probe <= 1 for row in ranking.rows)
    assert ranking.rows[0].probe > ranking.rows[1].probe
    assert "knn" in tell(ranking)


def row(loss, rankme, lidar, probe):
    return Row("x", 1, "I-JEPA", loss, {"prediction": 1.0}, rankme, lidar, 1.0, probe)


def test_spearman_counts_a_lower_loss_as_better():
    rows = [row(3.0, 1.0, 5.0, 0.1), row(2.0, 2.0, 5.0, 0.2), row(1.0, 9.0, 5.0, 0.9), row(0.5, 3.0, 5.0, 0.3)]
    found = spearman(rows)
    assert found["loss"] == pytest.approx(0.8)
    assert found["rankme"] == pytest.approx(1.0)
    assert "lidar" not in found
    assert spearman([replace_probe(each) for each in rows]) == {}
    assert spearman(rows[:2]) == {}
    assert "Spearman correlation with knn: loss 0.80" in tell(Ranking(Asked(probe="knn"), tuple(rows), ()))


def replace_probe(each):
    return replace(each, probe=None)


def test_a_loss_is_told_under_the_weights_of_the_first_run(finished_run):
    entrant = Entrant.read(finished_run, trusted=False)
    other = replace(entrant, weights={"prediction": 0.8, "regularizer": 0.2})
    terms = {"prediction": 0.8 * 3, "regularizer": 0.2 * 5}
    first = {"prediction": 0.95, "regularizer": 0.05}
    assert other.loss(terms, first) == pytest.approx(0.95 * 3 + 0.05 * 5)
    assert other.loss({"prediction": 2.4}, first) is None
    assert entrant.loss({}, {}) is None
    assert entrant.weights == {}


def test_weights_are_those_that_methods_multiply_by():
    assert weights_of(lejepa.TINY.build()) == {"prediction": 0.95, "regularizer": 0.05}
    assert weights_of(replace(lejepa.TINY, trade_off=0.0).build()) == {"prediction": 1.0}
    assert weights_of(lvjepa.TINY.build()) == {"regularizer": 1.0}
    assert weights_of(simsiam.TINY.build()) == {}
    assert weights_of(ijepa.TINY.build()) == {}


def test_bad_numbers_are_told():
    with pytest.raises(ValueError, match="3 samples of 2 views"):
        Asked(views=1)
    with pytest.raises(ValueError, match="tail is a share"):
        Asked(tail=0.0)

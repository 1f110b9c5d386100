"""Tables are made from claims alone, and the pages hold what the claims say now."""

import pytest

from benchmarks import tables
from benchmarks.record import ROOT
from benchmarks.search import trials

ORIGIN = {"command": "python -m benchmarks.x", "git": "abc", "machine": {"cpu": "a chip", "cores": 2}}


def claim(value: float, low: float, high: float, unit: str, seeds: list[int] | None = None) -> dict[str, object]:
    return {"value": value, "low": low, "high": high, "n": 3, "seeds": seeds or [], "unit": unit, **ORIGIN}


@pytest.mark.parametrize("page", tables.PAGES)
def test_pages_hold_what_the_summary_says(page):
    text = (ROOT / page).read_text()
    assert "<!-- table: " in text
    claims = tables.read_claims(ROOT / "results" / "summary.json")
    assert tables.renewed(text, claims) == text, "a figure was typed or is old; run: make results"


def test_a_page_without_any_claim_says_what_is_missing(tmp_path):
    assert tables.read_claims(tmp_path / "summary.json") == {}
    text = tables.renewed("a\n<!-- table: speed -->\n99 %\n<!-- end of table -->\nb", {})
    assert text.startswith("a\n<!-- table: speed -->\n|")
    assert text.endswith("<!-- end of table -->\nb")
    assert "99 %" not in text
    assert text.count("missing") == len(tables.SPEED)
    assert f"Not measured yet: {len(tables.SPEED)} of {len(tables.SPEED)}" in text


def test_figures_stand_with_interval_mark_verdict_and_command():
    claims = {
        "speed.loading.ratio": claim(1.834, 1.6, 2.05, "times"),
        "speed.watching.share": claim(0.031, 0.02, 0.04, "share of time"),
        "fashion.ijepa.knn": claim(0.8123, 0.80, 0.82, "accuracy", seeds=[0, 1, 2]),
        "fashion.raw.knn": claim(0.8, 0.8, 0.8, "accuracy", seeds=[0]),
    }
    speed = tables.TABLES["speed"](claims)
    assert "| 1.83 times (1.6 to 2.05) | at least 1.5 times | yes | `python -m benchmarks.x` |" in speed
    assert "| 3.1 % (2.0 % to 4.0 %) | at most 2.0 % | **no** |" in speed
    assert "Machine: a chip, 2 cores. Revision: abc." in speed
    learning = tables.TABLES["learning"](claims)
    assert "| Fashion-MNIST | I-JEPA | 81.2 % (80.0 % to 82.0 %) | missing |" in learning
    assert "| Fashion-MNIST | raw pixels | 80.0 % (one seed) |" in learning


def test_of_two_seeds_both_figures_stand():
    found = {"vjepa.metaworld.camera": claim(0.305, 0.24, 0.37, "accuracy", seeds=[0, 1])}
    assert "| 24.0 % and 37.0 % |" in tables.TABLES["robot"](found)


def test_a_price_stands_with_what_is_certain_of_each_seed():
    name = "efficiency.vjepa_over_videomae.seconds"
    bounds = [(0.1416, "at most"), (0.9423, None), (None, "not reached")]
    seeds = [{"seed": seed, "value": value, "bound": bound} for seed, (value, bound) in enumerate(bounds)]
    price = claim(0.9423, 0, 0.9423, "times", seeds=[0, 1, 2]) | {
        "bound": "at most",
        "per_seed": seeds,
    }
    text = "at most 0.942 times (by seed: at most 0.142 times, 0.942 times, not reached)"
    assert f"| {text} |" in tables.TABLES["motion"]({name: price})
    unknown = {"value": None, "high": None, "bound": "not reached", "seeds": [2], "per_seed": seeds[2:]}
    assert "| not reached (one seed) |" in tables.TABLES["motion"]({name: price | unknown})


def test_files_that_were_left_out_are_named_below_the_table():
    found = {"dense.vjepa2.miou": claim(0.3, 0.3, 0.3, "share", seeds=[1]) | {"left_out": ["dense.vjepa2.seed0.json"]}}
    assert "Left out, for newer seeds have another recipe: dense.vjepa2.seed0.json." in tables.TABLES["dense"](found)


def test_a_random_encoder_stands_beside_the_trained_one():
    words = [row.words for row in tables.FORESIGHT]
    assert words.index("a random encoder alone") == words.index("its encoder alone") + 1


def test_no_claim_is_hidden():
    assert "`new.thing`" in tables.TABLES["others"]({"new.thing": claim(2, 1, 3, "s")})
    assert tables.TABLES["others"]({"demo.seconds": claim(2, 1, 3, "seconds")}) == "None."


def test_trials_stand_by_what_they_changed_and_the_best_is_bold():
    names = ["emoji.ijepa.base", "emoji.ijepa.momentum_0.97", "emoji.ijepa.crop_0.6", "emoji.supervised.rate_0.001"]
    scores = {
        "emoji.ijepa.base": {"knn": 0.5, "linear": 0.61, "lowshot1": 0.4},
        "emoji.ijepa.momentum_0.97": {"knn": 0.55, "linear": 0.6, "lowshot1": 0.4},
    }
    text = tables.tried(names, {name: {"scores": found, **ORIGIN} for name, found in scores.items()})
    assert "| `base` | 50.0 % | **61.0 %** | **40.0 %** |" in text
    assert "| `momentum_0.97` | **55.0 %** | 60.0 % | **40.0 %** |" in text
    assert "| `crop_0.6` | missing | missing | missing |" in text
    assert "| `rate_0.001` | missing | missing |" in text
    assert "`python -m benchmarks.search emoji.supervised`" in text
    assert "Not measured yet: 2 of 4 trials" in text
    assert "Revision: abc." in text


def test_trials_are_read_from_their_raw_files(tmp_path):
    (tmp_path / "emoji.ijepa.rate_3e-3.json").write_text('{"scores": {"knn": 0.5}}')
    assert tables.read_trials(tmp_path) == {"emoji.ijepa.rate_3e-3": {"scores": {"knn": 0.5}}}
    assert tables.read_trials(tmp_path / "nowhere") == {}


def test_kept_tokens_stand_by_time_step():
    rows = {
        "short.first": {"context": [73.64, 3.1], "targets": [123.2, 9.8]},
        "short.random": {"context": [46.6, 46.5], "targets": [93.9, 94.0]},
    }
    text = tables.kept_by_step({"rows": {"kept": rows}, **ORIGIN})
    assert "| family | tokens kept of each time step | of the | 1 | 2 |" in text
    assert "| short | `first`: the first ones, as the released code does | context | 73.6 | 3.1 |" in text
    assert "| short | `first`: the first ones, as the released code does | targets | 123.2 | 9.8 |" in text
    assert "| short | `random`: random ones | targets | 93.9 | 94.0 |" in text
    assert "`python -m benchmarks.x`" in text
    assert "Revision: abc." in text


def test_every_trial_has_a_row():
    text = tables.TABLES["search"]({})
    assert all(f"| `{name.split('.', 2)[2]}` |" in text for name in trials())


def test_claims_have_a_place():
    for name in ("demo.seconds", "emoji.supervised.full", "openclipart.raw.lowshot12", "collapse.no_stopgrad.rank"):
        assert name in tables.expected()


def test_an_unknown_table_is_refused():
    with pytest.raises(ValueError, match="there is no table 'nothing'"):
        tables.renewed("<!-- table: nothing -->\n<!-- end of table -->", {})

"""The three subjects stand side by side, always, and with the same probe."""

from dataclasses import replace

import pytest
import torch
from probed import Parts, Projection, pictures

from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform
from jepakit.family import ijepa
from jepakit.probes.attentive import Attentive
from jepakit.probes.features import extract
from jepakit.probes.knn import Knn
from jepakit.probes.linear import Linear
from jepakit.probes.result import BEST_ON_TEST
from jepakit.probes.suite import measure, table

PROBES = (Knn(k=5), Linear(rates=(0.1,), decays=(0.0,), steps=30, batch=32))


def test_every_probe_meets_all_three_subjects(parts):
    seeds, heard = [], []

    def random_init(seed):
        seeds.append(seed)
        return Projection(seed=100 + seed)

    results = measure(Projection(), random_init, parts, PROBES, 7, tell=heard.append)
    assert [(each.probe, each.subject) for each in results] == [
        (probe, subject) for subject in ("I-JEPA", "random init", "raw pixels") for probe in ("knn", "linear")
    ]
    assert heard == results
    assert seeds == [7]
    assert {each.settings["class"] for each in results} == {"jepakit.probes.knn.Knn", "jepakit.probes.linear.Linear"}
    assert [each.chosen["view"] for each in results[-2:]] == ["pixels", "pixels"]


def test_what_was_learnt_is_told_from_what_was_not(parts):
    """A backbone that throws everything away is at chance, whatever raw pixels reach."""

    class Blind(Projection):
        def forward(self, x, keep=None, layers=None):
            return super().forward(x * 0, keep, layers)

    results = measure(Blind(), lambda seed: Projection(), parts, PROBES[:1], 0)
    blind, fresh, pixels = (result.value for result in results)
    assert blind == pytest.approx(1 / 3, abs=0.01)
    assert fresh > 0.7
    assert pixels > 0.9


def test_the_table_holds_every_figure_and_its_interval(parts):
    text = table(measure(Projection(), lambda seed: Projection(), parts, PROBES, 0, name="I-JEPA"))
    assert "I-JEPA vs random init vs raw pixels" in text
    for word in ("knn", "linear", "120", "95 %"):
        assert word in text
    assert text.count("[") == 6


def test_the_best_head_by_the_test_split_is_said_below_the_table(parts):
    probe = Attentive(rates=(1e-2, 1e-9), decays=(0.01,), steps=5, batch=16, head_width=3, pixel_patch=2)
    results = measure(Projection(dim=12), lambda seed: Projection(dim=12), parts, (probe,), 0)
    below = " ".join(table(results).partition("test accuracy in percent")[2].split())
    for result in results:
        assert f"{result.subject}: the best head of the grid by the test split itself" in below
        assert f"has {100 * result.chosen[BEST_ON_TEST]:.1f}" in below


def test_two_probes_of_one_name_are_refused(parts):
    with pytest.raises(ValueError, match="two probes have the same name"):
        measure(Projection(), lambda seed: Projection(), parts, [Knn(k=1), Knn(k=2)], 0)


def test_a_family_member_is_probed_on_real_digits():
    """On scikit-learn's digits; also, the last level of a real backbone is its output, which the views count on."""
    torch.manual_seed(0)
    config = replace(ijepa.TINY, image=(8, 8), patch=2, channels=1, min_keep=1)
    data = Images(root="packaged:digits", transform=ImageTransform(size=8, channels=1, mean=(0.3,), std=(0.4,)))
    backbone = config.build().kept
    results = measure(backbone, lambda seed: config.build().kept, data, [Knn()], 0)
    assert results[2].value > 0.9
    assert results[0].splits == results[2].splits
    test = data.split("test")
    deep = extract(backbone, test, layers=(-2, -1)).x
    torch.testing.assert_close(deep[:, -backbone.dim :], extract(backbone, test).x, rtol=1e-6, atol=1e-6)


def test_all_figures_are_reported_where_files_are_broken():
    parts = Parts(pictures(20, seed=1, broken=(4,)), pictures(10, seed=2), pictures(10, seed=3))
    results = measure(Projection(), lambda seed: Projection(), parts, PROBES, 0)
    for result in results:
        assert result.unreadable["train"] == ("picture 4",)
        assert result.splits["train"] == 59
    below = " ".join(table(results).split())
    assert "left out of train, for it could not be read (1): picture 4 cannot be read" in below
    assert "left out of test" not in below


def test_of_many_unreadable_samples_a_few_are_named_below_the_table():
    parts = Parts(pictures(20, seed=1, broken=(4, 5, 6, 7, 8)), pictures(10, seed=2), pictures(10, seed=3))
    below = " ".join(table(measure(Projection(), lambda seed: Projection(), parts, PROBES[:1], 0)).split())
    assert "(5): picture 4 cannot be read; picture 5 cannot be read; picture 6 cannot be read; and 2 more" in below

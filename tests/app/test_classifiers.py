"""An attentive probe leaves the classifier of one subject behind, and says how far it is."""

import pytest
import torch
from probed import Parts, Projection, pictures

from jepakit.app import classifiers
from jepakit.app.classifiers import KeepingProbe, Told
from jepakit.pretrained import load_classifier
from jepakit.probes.attentive import Attentive
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject

SMALL = Attentive(rates=(1e-2,), decays=(0.01,), steps=3, batch=16, head_width=3, samples="fixed")


def test_only_the_classifier_of_the_named_subject_is_kept(tmp_path):
    splits = Splits.of(Parts(pictures(10, seed=1), pictures(5, seed=2), pictures(5, seed=3)))
    keeping = KeepingProbe(SMALL, "jepa", tmp_path / "new" / "head.safetensors")
    backbone = Projection(dim=12).eval()
    found = keeping.measure(Subject("random init", Projection(dim=12, seed=5), splits), 0)
    assert found.probe == keeping.name == "attentive1"
    assert not keeping.out.exists()
    keeping.measure(Subject("jepa", backbone, splits), 0)
    head, _ = SMALL.fit(Subject("jepa", backbone, splits), 0)
    again = load_classifier(keeping.out)
    tokens = backbone(splits.test.x).values
    torch.testing.assert_close(again(tokens), head(tokens), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("seconds", "lines"), [(0.0, 3), (100.0, 0)])
def test_without_a_terminal_progress_is_told_in_lines_now_and_then(seconds, lines, monkeypatch, capsys):
    monkeypatch.setattr(classifiers, "PLAIN_SECONDS", seconds)
    assert list(Told("attentive1, V-JEPA")("training heads", iter("abc"), 3)) == ["a", "b", "c"]
    told = capsys.readouterr().err.splitlines()
    assert told == [f"attentive1, V-JEPA: training heads {done}/3" for done in (1, 2, 3)][:lines]

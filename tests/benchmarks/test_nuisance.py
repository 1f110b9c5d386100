"""The cells of the core hypothesis compare like with like."""

from dataclasses import replace

import pytest
import torch

from benchmarks import foretelling, nuisance
from benchmarks.video import operations
from jepakit.probes.attentive import Patches
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject


def test_all_models_take_as_many_operations_and_differ_in_the_target_alone():
    found = nuisance.cells()
    assert len(found) == 3 * 3 * 6 + 3
    totals = []
    for name, model in nuisance.MODELS.items():
        run = found[f"nuisance.{name}.50.seed0"].run
        assert run.data.share == 0.5
        assert (model.dim, model.depth, model.heads, model.cell) == (64, 2, 4, (4, 8, 8))
        counted = operations if name != "next_latents" else foretelling.operations
        totals.append(run.steps * run.batch * counted(run.model))
    assert totals == pytest.approx([totals[0]] * 4, rel=0.05)


def test_nothing_is_asked_about_noise_that_is_not_there():
    found = nuisance.cells()
    assert found["nuisance.vjepa.0.seed0"].claims == {"nuisance.vjepa.0.content": "content"}
    assert found["nuisance.random_init.75.seed1"].claims == {
        "nuisance.random_init.75.content": "content", "nuisance.random_init.75.noise": "noise",
    }  # fmt: skip


def test_the_token_that_is_read_is_the_one_that_the_noise_is_asked_about():
    noisy = replace(nuisance.CLIPS, sprites="digits", things=1, side=0.25, label="noise", train=64).build()
    x = torch.stack([noisy.get(index, 0, 0)["x"] for index in range(64)])
    token = nuisance.TokenAt(Patches(3, (4, 8, 8), axes=3))(x)
    assert token.values.shape[1] == 1
    assert token.coords[0, 0].tolist() == [1, 2, 2]
    patch = token.values[:, 0, : 3 * 4 * 8 * 8]
    gray = noisy._config.transform.normalize(torch.full((1, 3, 1, 1), 128, dtype=torch.uint8)).mean()
    assert ((patch.mean(dim=1) > gray) == noisy.labels.bool()).float().mean() > 0.9


def test_the_vector_that_is_asked_sums_up_the_half_in_which_the_noise_lies():
    method = nuisance.NEXT_LATENTS.build().eval()
    clips = replace(nuisance.CLIPS, sprites="digits", label="noise", train=16, validation=16, test=16)
    subject = Subject("next_latents", nuisance.SummedUp(method.network), Splits.of(clips), levels=1)
    assert [len(table.train.x[0]) for table in subject.tables] == [nuisance.NEXT_LATENTS.summary]
    x = clips.build().get(0, 0, 0)["x"].unsqueeze(0)
    changed = x.clone()
    changed[:, :, nuisance.PLACE[0], nuisance.PLACE[1], nuisance.PLACE[2]] += 1
    summed_up = subject.backbone
    assert not torch.equal(summed_up(x).values, summed_up(changed).values)
    changed = x.clone()
    changed[:, :, : nuisance.PLACE[0]] += 1
    assert torch.equal(summed_up(x).values, summed_up(changed).values)

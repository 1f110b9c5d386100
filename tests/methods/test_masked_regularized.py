"""Masks and SIGReg without an average: what the regularizer is given, and that it keeps contexts apart."""

from dataclasses import replace

import pytest
import torch

from jepakit.config import Config
from jepakit.contracts import Rows, step_at
from jepakit.family.ijepa import TINY as IJEPA
from jepakit.family.vjepa import TINY as VJEPA

ROWS = Rows(0, 16, 16)


def test_it_is_given_the_mean_of_every_context():
    torch.manual_seed(0)
    method, x = replace(VJEPA, sigreg=0.5, target="shared").build(), torch.randn(16, 3, 4, 32, 32)
    step = step_at(3, 10, ROWS)
    splits = [masker(torch.zeros(16, 32, 3), (2, 4, 4), step.shared, ROWS) for masker in method.maskers]
    pooled = torch.stack([method.backbone(x, keep=split.context).pooled() for split in splits])
    expected = 0.5 * method.regularizer(pooled, step)
    found = method({"x": x}, step_at(3, 10, ROWS)).terms["regularizer"]
    torch.testing.assert_close(found, expected)


def test_it_keeps_a_shared_target_from_collapsing():
    spread = {}
    x = torch.randn(16, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        sizes = replace(IJEPA, image=(16, 16), patch=4, dim=16, depth=1, heads=2, predictor_dim=8, predictor_depth=1)
        method = replace(sizes, predictor_heads=2, sigreg=weight, target="shared", initialization="fan_in").build()
        optimizer = torch.optim.AdamW(method.parameters(), lr=1e-2)
        for index in range(25):
            optimizer.zero_grad()
            method({"x": x}, step_at(index, 25, ROWS)).total.backward()
            optimizer.step()
        with torch.no_grad():
            spread[weight] = method.kept(x).pooled().std(dim=0).mean().item()
    assert spread[1.0] > 2 * spread[0.0], "without it, pictures are called by nearly one name"


def test_files_of_older_versions_say_nothing_of_it_and_mean_none():
    for sizes in (IJEPA, VJEPA):
        written = sizes.to_json()
        del written["sigreg"]
        assert Config.from_json(written) == sizes
        assert sizes.build().regularizer is None


def test_a_weight_below_zero_is_refused():
    with pytest.raises(ValueError, match="sigreg"):
        replace(IJEPA, sigreg=-1.0).build()

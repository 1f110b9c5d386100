"""The two plain sides of the benchmark and ours ask the same questions about clips."""

import pytest
import torch
from scipy import stats

from benchmarks.masks_3d import EXTENT, FAMILIES, claims_of, kept, multiplied, painted, plain_masks
from jepakit.contracts import Rows
from jepakit.parts.masks.tubes import TubeMasker
from jepakit.parts.nn.position import grid

BATCH, DRAWS = 12, 60


def plain(blocks, scale, how, clip):
    generator = torch.Generator().manual_seed(1)
    return [plain_masks(BATCH, blocks, scale, how, generator, clip) for _ in range(DRAWS)]


def vectorized(blocks, scale, how):
    generator, coords = torch.Generator().manual_seed(2), grid(EXTENT).expand(BATCH, -1, -1)
    masker = TubeMasker(blocks, (scale, scale), rectangular=how)
    splits = [masker(coords, EXTENT, generator, Rows(0, BATCH, BATCH)) for _ in range(DRAWS)]
    return [(split.context, split.targets[:, 0]) for split in splits]


def kept_by_step(draws):
    """Tokens kept of each time step of each draw, for context and targets, per clip."""
    places = EXTENT[1] * EXTENT[2]
    counts = [[torch.bincount(index.flatten() // places, minlength=EXTENT[0]) for index in draw] for draw in draws]
    return torch.stack([torch.stack(pair) for pair in counts]).double() / BATCH


@pytest.mark.parametrize("clip", [multiplied, painted])
@pytest.mark.parametrize("how", ["first", "random"])
@pytest.mark.parametrize("family", FAMILIES)
def test_all_sides_keep_alike_at_each_time_step(family, how, clip):
    """Kolmogorov-Smirnov, step by step: the least of 16 p-values of equal distributions is below 1e-4 in one of 600."""
    theirs = kept_by_step(plain(*FAMILIES[family], how, clip))
    ours = kept_by_step(vectorized(*FAMILIES[family], how))
    for part in range(2):
        for step in range(EXTENT[0]):
            found = stats.ks_2samp(theirs[:, part, step].numpy(), ours[:, part, step].numpy(), method="asymp")
            assert found.pvalue > 1e-4, (family, how, ("context", "targets")[part], step)


def test_first_indices_lose_the_end_of_the_clip():
    """The counts of the released code at 24 clips: 73.6 of the first step, 3.1 of the last, of 196 (short family)."""
    for family, first_step, last_step in (("short", 73.6, 3.1), ("long", 36.8, 1.6)):
        counts = kept(family, "first")["context"]
        assert counts[0] == pytest.approx(first_step, rel=0.06)
        assert counts[-1] == pytest.approx(last_step, rel=0.35)


def test_each_way_of_cutting_has_its_own_claim_where_its_control_held():
    def found(value, valid):
        return {"ratio": {"value": value, "low": value, "high": value, "n": 3}, "valid": valid}

    claims = claims_of({"first": found(12.0, True), "random": found(9.0, True)})
    assert {name: claim["value"] for name, claim in claims.items()} == {
        "speed.masks_3d.ratio": 12.0,
        "speed.masks_3d.random.ratio": 9.0,
    }
    assert list(claims_of({"first": found(12.0, False), "random": found(9.0, True)})) == ["speed.masks_3d.random.ratio"]

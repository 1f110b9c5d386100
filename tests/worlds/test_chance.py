"""Chance by seed: repeatable, independent of the batch, and as even as it should be."""

import torch

from jepakit.worlds.chance import normals, seeds_of, uniforms


def test_a_seed_draws_the_same_in_any_batch():
    seeds = torch.arange(50)
    alone = torch.cat([uniforms(seeds[row : row + 1], 7, 3) for row in range(50)])
    assert torch.equal(uniforms(seeds, 7, 3), alone)
    assert torch.equal(uniforms(seeds, 7, 3)[:, :4], uniforms(seeds, 4, 3))


def test_draws_are_those_of_splitmix64():
    """Against the hash in whole numbers of any size, which know no sign and no overflow."""

    def scramble(key: int) -> int:
        mask = 2**64 - 1
        key = (key + 0x9E3779B97F4A7C15) & mask
        key = ((key ^ (key >> 30)) * 0xBF58476D1CE4E5B9) & mask
        key = ((key ^ (key >> 27)) * 0x94D049BB133111EB) & mask
        return key ^ (key >> 31)

    for seed in (0, 1, 12345, -7 % 2**64):
        key = scramble(scramble(seed) + 5 * 0x9E3779B97F4A7C15)
        wanted = [scramble(key + place * 0x9E3779B97F4A7C15) >> 40 for place in (1, 2, 3)]
        signed = torch.tensor([seed if seed < 2**63 else seed - 2**64])
        assert (uniforms(signed, 3, 5)[0] * 2**24).tolist() == wanted


def test_draws_are_even_and_unrelated():
    draws = uniforms(torch.arange(20000), 4, 0)
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = torch.histc(draws[:, 0], bins=20, min=0, max=1)
    assert (counts - 1000).abs().max() < 130  # four standard deviations
    others = torch.cat([draws, uniforms(torch.arange(20000), 2, 1), uniforms(torch.arange(1, 20001), 1, 0)], dim=1)
    related = torch.corrcoef(others.T) - torch.eye(7)
    assert related.abs().max() < 0.03


def test_normals_are_normal():
    draws = normals(torch.arange(20000), 2, 9)
    assert draws.mean(dim=0).abs().max() < 0.03
    assert (draws.std(dim=0) - 1).abs().max() < 0.03
    assert abs(float((draws.abs() < 1).float().mean()) - 0.6827) < 0.01


def test_seeds_of_episodes_differ():
    numbers = torch.arange(1000)
    both = torch.cat([seeds_of(0, numbers), seeds_of(1, numbers)])
    assert len(both.unique()) == 2000

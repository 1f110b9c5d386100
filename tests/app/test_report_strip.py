"""Clips drawn as film strips: every token lands where its pixels are."""

import pytest
import torch

from jepakit.app.report.strip import MOST_STEPS, Strip


def clip_of_tokens(time, rows, columns, patch, tubelet):
    """A clip whose every pixel holds the number of its token, and the numbers of the tokens."""
    numbers = torch.arange(time * rows * columns).view(time, rows, columns)
    pixels = numbers.repeat_interleave(tubelet, 0).repeat_interleave(patch, 1).repeat_interleave(patch, 2)
    return pixels.byte().unsqueeze(0), numbers.flatten().view(1, -1, 1).float()


@pytest.mark.parametrize("time", [1, 3, MOST_STEPS, 20])
def test_tokens_lie_where_their_pixels_are(time):
    strip = Strip((time, 2, 3))
    pixels, tokens = clip_of_tokens(time, 2, 3, patch=4, tubelet=2)
    drawn = strip.draw(pixels)[..., 0]
    rows, columns = strip.extent
    assert drawn.shape == (rows * 4, columns * 4)
    assert columns == 3 * min(time, MOST_STEPS)
    laid = strip.lay(tokens)[0, :, 0].view(rows, columns)
    assert torch.equal(laid, drawn[::4, ::4].float())
    index = torch.arange(time * 6)
    placed = strip.place(index)
    for token, place in zip(index.tolist(), placed.tolist(), strict=True):
        if place >= 0:
            assert laid.flatten()[place] == token
    assert (placed >= 0).sum() == rows * columns


def test_pictures_are_drawn_as_they_are():
    strip = Strip((2, 3))
    tokens = torch.arange(6.0).view(1, 6, 1)
    assert strip.extent == (2, 3)
    assert torch.equal(strip.lay(tokens), tokens)
    assert torch.equal(strip.place(torch.tensor([3, -1])), torch.tensor([3, -1]))
    assert strip.draw(torch.zeros(3, 8, 12, dtype=torch.uint8)).shape == (8, 12, 3)


def test_other_grids_cannot_be_drawn():
    with pytest.raises(ValueError, match=r"grid of \(5,\)"):
        Strip((5,))


def test_one_token_in_a_picture_is_nowhere():
    assert not Strip((8, 1, 1)).has_places
    assert Strip((8, 1, 2)).has_places
    assert Strip((2, 1)).has_places

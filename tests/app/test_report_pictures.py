import base64
import io

import numpy as np
import torch
from PIL import Image

from jepakit.app.report.pictures import (
    LARGEST,
    RAMP,
    color_by_features,
    color_by_height,
    covered,
    nearest,
    show_only,
    to_moving_uri,
    to_pixels,
    to_uri,
)
from jepakit.data.transforms import ImageTransform


def decode(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_small_pictures_are_kept_to_the_pixel():
    for channels in (1, 3, 4):
        pixels = torch.randint(0, 256, (28, 20, channels), dtype=torch.uint8)
        uri = to_uri(pixels)
        assert uri.startswith("data:image/png;base64,")
        assert np.array_equal(decode(uri).reshape(28, 20, channels), pixels.numpy())


def test_large_pictures_are_made_small_in_their_proportions():
    ramp = torch.linspace(0, 255, 400).byte().view(1, 400, 1).expand(200, 400, 3).contiguous()
    uri = to_uri(ramp)
    assert uri.startswith("data:image/jpeg;base64,")
    assert decode(uri).shape == (LARGEST, 2 * LARGEST, 3)
    assert abs(int(decode(uri)[64, 128, 0]) - 128) < 6


def test_equal_features_have_equal_colors_and_different_ones_differ():
    directions = torch.eye(8)[:4] * torch.tensor([4.0, 3.0, 2.0, 1.0]).unsqueeze(1)
    kinds = torch.randint(0, 4, (5, 12), generator=torch.Generator().manual_seed(0))
    colors = color_by_features(directions[kinds], (3, 4)).flatten(1, 2)
    assert colors.shape == (5, 12, 3)
    found = {kind: torch.unique(colors[kinds == kind], dim=0) for kind in range(4)}
    assert all(len(rows) == 1 for rows in found.values())
    assert len(torch.unique(torch.cat(list(found.values())), dim=0)) == 4


def test_colors_do_not_depend_on_the_scale_or_offset_of_features():
    patches = torch.randn(3, 16, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    same = color_by_features(7 * patches + 3, (4, 4))
    assert (color_by_features(patches, (4, 4)).int() - same.int()).abs().max() <= 1


def test_features_of_one_or_two_directions_are_colored_too():
    assert color_by_features(torch.randn(2, 4, 1), (2, 2)).shape == (2, 2, 2, 3)
    assert color_by_features(torch.zeros(2, 4, 5), (2, 2)).unique().numel() == 1


def test_padding_covers_nothing():
    marks = covered(torch.tensor([[0, 3, -1], [-1, -1, -1]]), 4)
    assert marks.tolist() == [[True, False, False, True], [False] * 4]


def test_a_picture_is_seen_exactly_where_its_tokens_are():
    pixels = torch.full((4, 6, 1), 9, dtype=torch.uint8)
    shown = show_only(pixels, torch.tensor([True, False, False, False, False, True]), (2, 3))
    alpha = torch.zeros(4, 6, dtype=torch.uint8)
    alpha[:2, :2] = alpha[2:, 4:] = 255
    assert torch.equal(shown[..., 3], alpha)
    assert (shown[..., :3] == 9).all()


def test_nearest_finds_the_planted_neighbor_and_never_the_query():
    rows = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    rows[13] = 5 * rows[4]
    found = nearest(rows, torch.tensor([4, 7]), 3)
    assert found.shape == (2, 3)
    assert found[0, 0] == 13
    assert 7 not in found[1]


def test_moving_pictures_have_all_their_frames():
    frames = torch.arange(0, 200, 40, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 16, 24, 3)
    uri = to_moving_uri(frames, 100)
    assert uri.startswith("data:image/webp;base64,")
    with Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) as film:
        assert (film.n_frames, film.size) == (5, (24, 16))
        film.seek(3)
        assert np.abs(np.asarray(film.convert("RGB")).astype(int) - 120).max() < 6


def test_normalized_pictures_become_the_colors_that_they_were():
    transform = ImageTransform(size=4, mean=(0.5, 0.4, 0.3), std=(0.5, 0.2, 0.1))
    pixels = torch.randint(0, 256, (3, 4, 4), dtype=torch.uint8)
    drawn = to_pixels(transform.normalize(pixels).expand(2, 5, 3, 4, 4), transform)
    assert torch.equal(drawn[1, 4], pixels.permute(1, 2, 0))
    gray = to_pixels(torch.zeros(1, 1, 4, 4), ImageTransform(size=4, channels=1, mean=(0.5,), std=(0.5,)))
    assert (gray.shape, gray.unique().tolist()) == ((1, 4, 4, 3), [128])


def test_heights_go_from_dark_to_light():
    colors = color_by_height(torch.linspace(-3, 7, 41).view(1, 41))[0].double()
    assert colors[0].tolist() == list(RAMP[0])
    assert colors[-1].tolist() == list(RAMP[-1])
    assert (colors @ torch.tensor([0.2126, 0.7152, 0.0722], dtype=torch.double)).diff().min() > 0
    assert color_by_height(torch.zeros(2, 2)).unique(dim=0).shape[0] == 1

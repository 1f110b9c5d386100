"""Files of strangers: what can be read is read right, what cannot is named with a reason and never replaced."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from jepakit.contracts import BrokenSample
from jepakit.data.decode import PIXEL_LIMIT, decode, read_file
from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform


@pytest.fixture(scope="module")
def smooth() -> np.ndarray:
    """A picture [40 60 3] without edges or symmetry, so that JPEG hardly changes it."""
    down, across = np.mgrid[0:40, 0:60]
    return np.stack([down * 6, across * 4, down * 2 + across * 2], axis=-1).astype(np.uint8)


def encoded(image: Image.Image | np.ndarray, kind: str, **options) -> bytes:
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, kind, **options)
    return file.getvalue()


def shown(data: bytes) -> np.ndarray:
    return decode(data, "picture").permute(1, 2, 0).numpy().astype(int)


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def jpeg_that_claims(data: bytes, width: int, height: int) -> bytes:
    start = data.index(b"\xff\xc0") + 5
    return data[:start] + struct.pack(">HH", height, width) + data[start + 4 :]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_truncated_file_is_broken(kind, share):
    data = encoded(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8), kind)
    with pytest.raises(BrokenSample, match=r"^a/b\.x: it (cannot be decoded|is not a picture)"):
        decode(data[: int(len(data) * share)], "a/b.x")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (bytes(100), "not a picture"),
        (b"hello, this is text", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (b"\xff\xd8\xff\xe0" + bytes(300), "cannot be decoded|not a picture"),
    ],
)
def test_what_is_no_picture_says_so(data, words):
    with pytest.raises(BrokenSample, match=words):
        decode(data, "x.jpg")


@pytest.mark.parametrize("size", [(30_000, 3_001), (60_000, 60_000)])
def test_decompression_bombs_are_refused_before_they_are_decoded(smooth, size):
    assert size[0] * size[1] > PIXEL_LIMIT
    bombs = [png_that_claims(*size), jpeg_that_claims(encoded(smooth, "JPEG"), *size)]
    for bomb in bombs:
        with pytest.raises(BrokenSample, match=r"it claims .* pixels"):
            decode(bomb, "bomb")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused_where_warnings_are_no_errors():
    with pytest.raises(BrokenSample, match="it claims 30000 x 3001 pixels"):
        decode(png_that_claims(30_000, 3_001), "bomb")


def test_a_directory_called_like_a_picture_is_broken(tmp_path):
    (tmp_path / "x.jpg").mkdir()
    with pytest.raises(BrokenSample, match=r"x\.jpg: it is a directory"):
        read_file(tmp_path / "x.jpg")


def test_a_missing_file_is_broken(tmp_path):
    with pytest.raises(BrokenSample, match="cannot be read: No such file"):
        read_file(tmp_path / "gone.png")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_the_orientation_of_exif_is_respected(smooth, orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if kind == "JPEG" else {}
    turned = {
        1: smooth,
        2: smooth[:, ::-1],
        3: smooth[::-1, ::-1],
        4: smooth[::-1],
        5: smooth.transpose(1, 0, 2),
        6: smooth.transpose(1, 0, 2)[:, ::-1],
        7: smooth.transpose(1, 0, 2)[::-1, ::-1],
        8: smooth.transpose(1, 0, 2)[::-1],
    }[orientation]
    found = shown(encoded(smooth, kind, exif=exif, **options))
    assert found.shape == turned.shape
    assert np.abs(found - turned).max() <= 6


@pytest.mark.parametrize(
    "body", [b"", b"rubbish" * 9, b"MM\x00*\x00\x00\xff\xff", b"II*\x00\x08\x00\x00\x00\xff\xff\x12\x01"]
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_is_ignored(smooth, body, kind):
    options = {"quality": 95} if kind != "PNG" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow may say that the EXIF is corrupt; writing it is our doing
        data = encoded(smooth, kind, exif=b"Exif\x00\x00" + body, **options)
    assert np.abs(shown(data) - smooth).max() <= 12


def test_sixteen_bits_are_scaled_not_clipped(smooth):
    deep = smooth[:, :, 0].astype(np.uint16) * 257
    for kind in ("PNG", "TIFF", "PPM"):
        assert np.array_equal(shown(encoded(deep, kind))[:, :, 0], smooth[:, :, 0]), kind


def test_pixels_without_an_eight_bit_meaning_are_broken():
    floats = Image.fromarray(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4))
    with pytest.raises(BrokenSample, match="floats of unknown range"):
        decode(encoded(floats, "TIFF"), "x.tif")
    wide = Image.fromarray(np.full((3, 4), 2**20, np.int32))
    with pytest.raises(BrokenSample, match="more than 16 bits"):
        decode(encoded(wide, "TIFF"), "x.tif")


def test_cmyk_becomes_rgb(smooth):
    image = Image.fromarray(smooth).convert("CMYK")
    found = shown(encoded(image, "JPEG", quality=98, subsampling=0))
    assert np.abs(found - np.asarray(image.convert("RGB")).astype(int)).max() <= 8
    assert np.array_equal(shown(encoded(image, "TIFF")), np.asarray(image.convert("RGB")))


def test_palettes_become_rgb(smooth):
    image = Image.fromarray(smooth).quantize(32)
    assert np.array_equal(shown(encoded(image, "PNG")), np.asarray(image.convert("RGB")))
    assert np.array_equal(shown(encoded(image, "PNG", transparency=bytes([0] * 32))), np.full(smooth.shape, 255))


def test_transparency_is_put_on_white(smooth):
    half = np.dstack([smooth, np.full(smooth.shape[:2], 128, np.uint8)])
    expected = smooth * (128 / 255) + 255 * (127 / 255)
    assert np.abs(shown(encoded(half, "PNG")) - expected).max() <= 1
    gray = Image.fromarray(smooth[:, :, 0]).convert("LA")
    gray.putalpha(0)
    assert np.array_equal(shown(encoded(gray, "PNG")), np.full((40, 60, 1), 255))


def test_gray_and_one_bit_have_one_channel(smooth):
    gray = smooth[:, :, 0]
    assert np.array_equal(shown(encoded(gray, "PNG"))[:, :, 0], gray)
    assert np.abs(shown(encoded(gray, "JPEG", quality=98))[:, :, 0] - gray).max() <= 6
    assert np.array_equal(shown(encoded(Image.fromarray(gray > 100), "PNG"))[:, :, 0], np.where(gray > 100, 255, 0))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_read(smooth, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    first = Image.fromarray(smooth).quantize(64).convert("RGB")
    later = [Image.new("RGB", first.size, color) for color in ("red", "blue")]
    data = encoded(first, kind, save_all=True, append_images=later, **options)
    assert np.abs(shown(data) - np.asarray(first).astype(int)).max() <= 1


def test_broken_files_of_a_folder_are_named_and_all_others_are_read(smooth, tmp_path):
    good = encoded(smooth, "PNG")
    for index in range(6):
        (tmp_path / f"good-{index}.png").write_bytes(good)
    (tmp_path / "cut.png").write_bytes(good[: len(good) // 2])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "bomb.png").write_bytes(png_that_claims(60_000, 60_000))
    (tmp_path / "x.jpg").mkdir()
    dataset = Images(root=str(tmp_path), transform=ImageTransform(size=8)).everything()
    expected = ImageTransform(size=8)(smooth)
    broken: dict[str, str] = {}
    for index in range(len(dataset)):
        try:
            assert torch.equal(dataset.get(index, 0, 0)["x"], expected)
        except BrokenSample as error:
            broken[dataset.name(index)] = str(error)
    assert sorted(broken) == ["bomb.png", "cut.png", "empty.jpg", "text.jpg", "x.jpg"]
    for name, sentence in broken.items():
        assert sentence.startswith(f"{name}: ")
        assert "\n" not in sentence


def test_a_picture_in_a_cut_shard_is_named(smooth, tmp_path):
    import tarfile

    path = Path(tmp_path / "s.tar")
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("a.png")
        info.size = len(data := encoded(smooth, "PNG"))
        archive.addfile(info, io.BytesIO(data))
    dataset = Images(root=str(path), transform=ImageTransform(size=8)).everything()
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(BrokenSample, match=r"s\.tar/a: its shard ends within it"):
        dataset.get(0, 0, 0)

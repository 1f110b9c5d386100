"""Packaged sets: what is inside, how they are split, and what is said when they cannot be had."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from jepakit.data import drawings, packaged
from jepakit.data.fetch import Unavailable, cache_folder, check, fetch_debian, fetch_npm, keep, tree_checksum
from jepakit.data.images import Images
from jepakit.data.packaged import NAMES, available, choose, open_packaged
from jepakit.data.sources import TEST, VALIDATION
from jepakit.data.transforms import ImageTransform


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("JEPAKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tools(tmp_path, monkeypatch) -> Path:
    """A folder that is all of PATH, for stand-ins of apt-get, dpkg-deb and npm."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def write_tool(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_digits_are_always_there():
    assert available("digits")
    images = Images(root="packaged:digits", transform=ImageTransform(size=8, channels=1, mean=(0.0,), std=(1.0,)))
    sizes = [len(images.split(part) or ()) for part in ("train", "validation", "test")]
    assert sum(sizes) == 1797
    assert all(150 < size < 210 for size in sizes[1:])
    sample = images.everything().get(0, 0, 0)
    assert sample["x"].max() > 0.9
    assert sample["label"] == 0


def test_fashion_mnist_has_its_official_test_part_and_a_balanced_validation_part():
    try:
        images = Images()
        parts = {part: images.split(part) for part in ("train", "validation", "test")}
    except Unavailable as error:
        pytest.skip(str(error))
    for part, each in (("train", 5500), ("validation", 500), ("test", 1000)):
        dataset = parts[part]
        assert dataset is not None
        assert torch.equal(torch.bincount(dataset.labels), torch.full((10,), each))
    assert len(images.build()) == 60_000
    pixels = torch.stack([parts["train"].get(index, 0, 0)["x"] for index in range(0, 55_000, 55)])
    assert abs(float(pixels.mean())) < 0.02
    assert abs(float(pixels.std()) - 1) < 0.02
    ankle_boot = images.everything()
    assert ankle_boot.classes[ankle_boot.get(0, 0, 0)["label"]] == "Ankle boot"


@pytest.mark.parametrize(
    ("name", "count", "classes"), [("emoji", 3786, 9), ("emoji-twitter", 3786, 9), ("openclipart", 6885, 10)]
)
def test_the_color_sets_keep_alike_drawings_in_one_part(name, count, classes):
    if not available(name):
        pytest.skip(f"{name} is not in the cache; open it once to fetch it")
    images = Images(root=f"packaged:{name}", transform=ImageTransform(size=64))
    assert len(images.everything()) == count
    test = images.split("test")
    assert len(test.classes) == classes
    assert torch.bincount(test.labels, minlength=classes).min() > 5
    assert images.build().labels is None
    assert images.build().get(0, 0, 0)["x"].shape == (3, 64, 64)
    held_out = {test.name(index) for index in range(len(test))}
    pretrained = images.build()
    assert not held_out & {pretrained.name(index) for index in range(len(pretrained))}


def test_choose_says_which_set_it_takes_and_why(cache, tools, monkeypatch):
    monkeypatch.setattr(packaged, "_FASHION_INSTALLED", Path("/nowhere"))
    assert not available("fashion-mnist")
    root, sentence = choose()
    assert root == "packaged:digits"
    assert "Fashion-MNIST is missing: apt-get is not on this machine" in sentence


def test_an_unknown_name_lists_the_known_ones():
    for call in (open_packaged, available):
        with pytest.raises(ValueError, match="there are " + ", ".join(NAMES)):
            call("cifar")


def test_the_cache_can_be_moved(cache, monkeypatch):
    assert cache_folder() == cache
    monkeypatch.delenv("JEPAKIT_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "jepakit"


def test_a_folder_of_the_cache_appears_whole_or_not_at_all(cache):
    def fails(into: Path) -> None:
        (into / "half").write_text("x")
        raise Unavailable("no network")

    with pytest.raises(Unavailable):
        keep("set", fails)
    assert list(cache.iterdir()) == []
    made = keep("set", lambda into: (into / "whole").write_text("x") and None)
    assert (made / "whole").exists()
    assert keep("set", fails) == made


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("JEPAKIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(Unavailable, match="cannot be kept in"):
        keep("set", lambda into: None)


def test_a_debian_package_is_fetched_with_own_lists_if_there_are_none(tools, tmp_path):
    log = tmp_path / "log"
    script = f'echo "$@" >> {log}; case "$1" in download) echo "E: Unable to locate" >&2; exit 100;; esac'
    write_tool(tools, "apt-get", f'{script}\ncase "$*" in *" download"*) : > set_1.deb;; esac')
    write_tool(tools, "dpkg-deb", 'echo "$1" > "$3/unpacked"')
    (tmp_path / "into").mkdir()
    fetch_debian("set", tmp_path / "into")
    assert (tmp_path / "into" / "unpacked").read_text() == "-x\n"
    calls = log.read_text().splitlines()
    assert calls[0] == "download set"
    assert "Dir::State::lists=" in calls[1]
    assert calls[1].endswith("update")
    assert calls[2].endswith("download set")


def test_a_failing_package_manager_is_quoted_in_one_sentence(tools, tmp_path):
    with pytest.raises(Unavailable, match="apt-get is not on this machine"):
        fetch_debian("set", tmp_path)
    with pytest.raises(Unavailable, match="npm is not on this machine"):
        fetch_npm("set@1", tmp_path)
    write_tool(tools, "npm", "echo 'npm error 404' >&2; exit 1")
    with pytest.raises(Unavailable, match="`npm pack --silent set@1` failed: npm error 404"):
        fetch_npm("set@1", tmp_path)


def test_an_npm_archive_cannot_leave_its_folder(tools, tmp_path):
    with tarfile.open(tmp_path / "bad.tgz", "w:gz") as archive:
        info = tarfile.TarInfo("../outside.txt")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    write_tool(tools, "npm", f"/bin/cp {tmp_path / 'bad.tgz'} .")
    (tmp_path / "into").mkdir()
    with pytest.raises(Unavailable, match="leaves its folder"):
        fetch_npm("set@1", tmp_path / "into")
    assert not (tmp_path / "outside.txt").exists()


def test_the_checksum_sees_contents_and_names(tmp_path):
    (tmp_path / "a.png").write_bytes(b"1")
    (tmp_path / "b.txt").write_bytes(b"2")
    first = tree_checksum(tmp_path, "*.png")
    check(tmp_path, "*.png", first, "the set")
    (tmp_path / "a.png").rename(tmp_path / "c.png")
    assert tree_checksum(tmp_path, "*.png") != first
    with pytest.raises(Unavailable, match="the set as fetched is not the one this version knows"):
        check(tmp_path, "*.png", first, "the set")


def write_emoji_package(path: Path, count: int) -> None:
    """An archive as npm has it: `count` emoji, of which the first has two skin tones and one is a component."""
    listing = []
    with tarfile.open(path, "w:gz") as archive:

        def add(name: str, data: bytes) -> None:
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))

        def draw(name: str, shade: int) -> None:
            file = io.BytesIO()
            Image.fromarray(np.full((64, 64, 4), shade % 255, np.uint8)).save(file, "PNG")
            add(f"img/google/64/{name}", file.getvalue())

        for number in range(count):
            entry = {"unified": f"1F{number:03X}", "image": f"{number}.png", "short_name": f"emoji-{number}"}
            entry |= {"category": ("Food & Drink", "Objects")[number % 2], "has_img_google": True}
            draw(entry["image"], number)
            if number == 0:
                tones = {tone: {"image": f"0-{tone}.png", "has_img_google": True} for tone in ("1F3FB", "1F3FC")}
                entry["skin_variations"] = tones
                for tone in tones.values():
                    draw(tone["image"], 7)
            if number == 1:
                entry["category"] = "Component"
            listing.append(entry)
        add("emoji.json", json.dumps(listing).encode())


def test_emoji_are_fetched_checked_resized_split_and_kept(cache, tools, tmp_path, monkeypatch):
    write_emoji_package(tmp_path / "emoji.tgz", 200)
    write_tool(tools, "npm", f"/bin/cp {tmp_path / 'emoji.tgz'} .")
    with pytest.raises(Unavailable, match="the emoji of google as fetched is not the one"):
        open_packaged("emoji")
    assert not available("emoji")
    fetch_npm("emoji-datasource-google@16.0.0", tmp_path / "look")
    checksum = tree_checksum(tmp_path / "look", "package/img/google/64/*.png")
    monkeypatch.setitem(drawings._EMOJI_CHECKSUM, "google", checksum)
    listing = open_packaged("emoji").listing
    assert available("emoji")
    assert len(listing.names) == 202
    assert listing.classes == ("Food & Drink", "Objects")
    assert [int(label) for label in listing.labels[:4]] == [0, -1, -1, -1]
    assert len(set(listing.parts[:3].tolist())) == 1
    assert 30 < int((listing.parts == TEST).sum()) < 70
    assert 10 < int((listing.parts == VALIDATION).sum()) < 35
    notice = next(cache.iterdir()) / "NOTICE"
    assert "Apache License 2.0" in notice.read_text()
    (tools / "npm").unlink()
    assert open_packaged("emoji").listing.names == listing.names


@pytest.mark.parametrize(
    ("unified", "thing"),
    [
        ("1F3C3-200D-2642-FE0F", "1F3C3"),
        ("1F468-200D-2695-FE0F", "person-2695"),
        ("1F9D1-200D-2695-FE0F", "person-2695"),
    ],
)
def test_emoji_of_all_genders_are_one_thing(unified, thing):
    assert drawings._thing(unified) == thing


def test_a_clipart_series_is_one_thing_and_links_are_left_out(tmp_path):
    for name in ("animals/dog_01.png", "animals/dog_02.png", "computer/mouse.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (30, 60), "red").save(tmp_path / name)
    (tmp_path / "computer" / "dog.png").symlink_to(tmp_path / "animals" / "dog_01.png")
    found = list(drawings._list_clipart(tmp_path))
    assert [(drawing.name, drawing.category, drawing.thing) for drawing in found] == [
        ("animals/dog_01", "animals", "dog"),
        ("animals/dog_02", "animals", "dog"),
        ("computer/mouse", "", "mouse"),
    ]
    small = drawings._shrink(found[0].path)
    assert small.shape == (64, 64, 3)
    assert small[32, 32].tolist() == [255, 0, 0]
    assert small[32, 2].tolist() == [255, 255, 255]

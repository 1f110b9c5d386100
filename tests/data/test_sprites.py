"""Sprites: real pictures whose surroundings are transparent, in parts that share no thing."""

import io
import json
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from jepakit.data import drawings, packaged, sprites
from jepakit.data.fetch import Unavailable, fetch_npm, tree_checksum
from jepakit.data.packaged import open_packaged
from jepakit.data.sprites import choose_sprites, open_sprites


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """An empty cache, and a folder that is all of PATH, for a stand-in of npm."""
    (tmp_path / "tools").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "tools"))
    monkeypatch.setenv("JEPAKIT_CACHE", str(tmp_path / "cache"))
    open_sprites.cache_clear()
    yield tmp_path / "tools"
    open_sprites.cache_clear()


def write_package(path, count):
    """An archive as npm has it: disks of a color on nothing, one of them without a category."""
    rows, columns = np.mgrid[:64, :64]
    disk = (rows - 32) ** 2 + (columns - 32) ** 2 < 400
    with tarfile.open(path, "w:gz") as archive:

        def add(name, data):
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))

        listing = []
        for number in range(count):
            pixels = np.zeros((64, 64, 4), np.uint8)
            pixels[..., 0], pixels[..., 3] = 200, np.where(disk, 255 if number else 127, 0)
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG")
            add(f"img/google/64/{number}.png", file.getvalue())
            category = "Component" if number == 1 else ("Food & Drink", "Objects")[number % 2]
            entry = {"unified": f"1F{number:03X}", "image": f"{number}.png", "short_name": f"emoji-{number}"}
            listing.append(entry | {"category": category, "has_img_google": True})
        add("emoji.json", json.dumps(listing).encode())


def test_emoji_keep_their_transparency_and_the_parts_of_the_pictures(tools, tmp_path, monkeypatch):
    write_package(tmp_path / "emoji.tgz", 60)
    (tools / "npm").write_text(f"#!/bin/sh\n/bin/cp {tmp_path / 'emoji.tgz'} .\n")
    (tools / "npm").chmod(0o755)
    with pytest.raises(Unavailable, match="the emoji of google as fetched is not the one"):
        open_sprites("emoji")
    fetch_npm("emoji-datasource-google@16.0.0", tmp_path / "look")
    checksum = tree_checksum(tmp_path / "look", "package/img/google/64/*.png")
    monkeypatch.setitem(drawings._EMOJI_CHECKSUM, "google", checksum)
    found = open_sprites("emoji")
    assert found.pictures.shape == (59, 64, 64, 4)
    assert found.classes == ("Food & Drink", "Objects")
    assert found.pictures[1, 32, 32].tolist() == [200, 0, 0, 255]
    assert found.pictures[0, 32, 32].tolist() == [100, 0, 0, 127], "colors are multiplied by alpha"
    assert found.pictures[1, 0, 0].tolist() == [0, 0, 0, 0]
    listing = open_packaged("emoji").listing
    parts = dict(zip(listing.names, listing.parts.tolist(), strict=True))
    assert [parts[name] for name in found.names] == found.parts.tolist()
    assert len(set(found.parts.tolist())) == 3
    notice = next((tmp_path / "cache").glob("sprites-*")) / "NOTICE"
    assert "Apache License 2.0" in notice.read_text()


def test_digits_are_always_there_and_light_on_nothing():
    found = open_sprites("digits")
    assert found.classes == tuple("0123456789")
    assert len(found.pictures) == len(found.names) == len(found.labels) == len(found.parts) == 1797
    assert (found.pictures[..., :3] <= found.pictures[..., 3:]).all()
    assert found.pictures[..., 3].min() == 0
    assert found.pictures[..., 3].max() == 255
    rows = [set(found.rows(part)) for part in ("train", "validation", "test")]
    assert sum(map(len, rows)) == len(set.union(*rows)) == 1797
    row = found.names.index("digit 0")
    assert torch.equal(torch.from_numpy(found.pictures[row, ..., 0]), open_packaged("digits").read(0)[0])


def test_the_choice_falls_on_what_is_there_and_says_why(tools, monkeypatch):
    monkeypatch.setattr(packaged, "_FASHION_INSTALLED", tools / "nowhere")
    kind, words = choose_sprites()
    assert kind == "digits"
    assert "npm is not on this machine" in words
    assert "apt-get is not on this machine" in words
    monkeypatch.setattr(sprites, "open_packaged", lambda name: packaged.open_packaged("digits"))
    assert choose_sprites()[0] == "garments"

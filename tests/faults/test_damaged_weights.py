"""Weights of strangers, damaged at random: they load, or one sentence says why not; nothing else ever happens."""

import json
import random
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from checkpoints import MODEL, build_noisy, write_official
from clips import V2, entries, write_released
from clips import build_noisy as build_noisy_clips

from jepakit.pretrained import convert, export, load
from jepakit.pretrained.classifier import open_classifier

SMALL = replace(MODEL, dim=16, heads=2, depth=1)
ODD = (None, [], {}, -1, 0, 3, 0.5, 10**9, "x", True, [1, 2, 3], {"class": 3}, float("nan"))
FORMATS = ("zip.pth.tar", "legacy.pth.tar", "own", "hf", "clips.pt", "clips-hf")
CLIPS = replace(V2, dim=24, heads=2, depth=1, image=(32, 32), frames=4)


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")
    path = write_official(folder / "zip.pth.tar", build_noisy(SMALL), SMALL)
    found = torch.load(path, weights_only=True)
    torch.save(found, folder / "legacy.pth.tar", _use_new_zipfile_serialization=False)
    convert(path, folder / "own", heads=2)
    export(path, folder / "hf", "hf", heads=2)
    clips = write_released(folder / "clips.pt", entries(build_noisy_clips(CLIPS), CLIPS))
    export(clips, folder / "clips-hf", "hf", heads=2)
    return folder


def outcome(source: Path) -> str:
    """ "loads", or the sentence."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            load(source, heads=2)
            open_classifier(source, heads=2)
        except ValueError as error:
            sentence = str(error)
        else:
            return "loads"
    assert "\n" not in sentence
    assert len(sentence) > 20
    return sentence


def damaged(whole: bytes, generator: random.Random) -> bytes:
    """A few bytes changed, mostly where headers are, and sometimes the end cut off."""
    changed, near = bytearray(whole), min(len(whole), 4000)
    for _ in range(generator.choice([1, 3, 10])):
        place = generator.randrange(near)
        changed[place if generator.random() < 0.5 else -1 - place] = generator.randrange(256)
    return bytes(changed[: generator.randrange(len(whole))] if generator.random() < 0.2 else changed)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_bytes_give_a_sentence_or_load(name: str, sources: Path) -> None:
    source, generator = sources / name, random.Random(name)
    assert outcome(source) == "loads"
    sentences = 0
    for file in sorted(source.iterdir()) if source.is_dir() else [source]:
        whole = file.read_bytes()
        for _ in range(12):
            file.write_bytes(damaged(whole, generator))
            sentences += outcome(source) != "loads"
        file.write_bytes(whole)
    assert sentences >= 6
    assert outcome(source) == "loads"


def variants(value: object) -> Iterator[object]:
    """A JSON value with one place in it replaced by something odd, or left out."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield {name: other for name, other in value.items() if name != key}
            yield from ({**value, key: other} for other in (*ODD, *variants(item)))
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from ([*value[:index], other, *value[index + 1 :]] for other in (*ODD, *variants(item)))


DESCRIPTIONS = ("own/config.json", "hf/config.json", "hf/preprocessor_config.json", "clips-hf/config.json",
                "clips-hf/video_preprocessor_config.json")  # fmt: skip


@pytest.mark.parametrize("file", DESCRIPTIONS)
def test_odd_values_give_a_sentence_or_load(file: str, sources: Path) -> None:
    path = sources / file
    whole, sentences = path.read_text(), 0
    for changed in random.Random(file).sample(list(variants(json.loads(whole))), 150):
        path.write_text(json.dumps(changed))
        try:
            sentences += outcome(path.parent) != "loads"
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} for {json.dumps(changed)}: {error}") from error
    path.write_text(whole)
    assert sentences >= 50

"""The hub, from a cache as huggingface_hub lays it out, without a network."""

import sys
from pathlib import Path

import pytest
import torch
from checkpoints import build_noisy, picture, write_official

from jepakit.pretrained import export, load, open_weights

REVISIONS = ("0" * 40, "1" * 40)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    """Two exports of different weights, as a repository would hold in two revisions."""
    root, made = tmp_path_factory.mktemp("exports"), []
    for seed in (0, 1):
        path = write_official(root / f"{seed}.pth.tar", build_noisy(seed=seed))
        export(path, root / str(seed), "hf")
        (root / str(seed) / "README.md").unlink()
        made.append(root / str(seed))
    return made


@pytest.fixture
def cache(folders, tmp_path, monkeypatch) -> Path:
    """A hub cache with two revisions of one model; `main` is the second."""
    from huggingface_hub import constants

    repository = tmp_path / "hub/models--facebook--ijepa_tiny"
    for revision, folder in zip(REVISIONS, folders, strict=True):
        snapshot = repository / "snapshots" / revision
        snapshot.mkdir(parents=True)
        for file in folder.iterdir():
            blob = repository / "blobs" / f"{revision[0]}-{file.name}"
            blob.parent.mkdir(exist_ok=True)
            blob.write_bytes(file.read_bytes())
            (snapshot / file.name).symlink_to(blob)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(REVISIONS[1])
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return repository


def test_a_model_of_the_hub_behaves_like_its_folder(cache, folders):
    assert torch.equal(load("hf:facebook/ijepa_tiny")(picture()).values, load(folders[1])(picture()).values)
    assert load("hf:facebook/ijepa_tiny").transform == load(folders[1]).transform


def test_a_revision_can_be_named(cache, folders):
    first = load(f"hf:facebook/ijepa_tiny@{REVISIONS[0]}")
    assert torch.equal(first(picture()).values, load(folders[0])(picture()).values)
    assert not torch.equal(first(picture()).values, load(folders[1])(picture()).values)


def test_the_licence_of_the_release_is_kept_where_the_card_is_silent(cache):
    assert open_weights("hf:facebook/ijepa_tiny").origin == {
        "source": "hf:facebook/ijepa_tiny",
        "license": "CC-BY-NC-4.0",
    }


def test_the_card_of_the_model_tells_its_licence(cache):
    card = cache / "snapshots" / REVISIONS[1] / "README.md"
    card.write_text("---\nlibrary_name: transformers\nlicense: mit\n---\n# a model\nlicense: other\n")
    assert open_weights("hf:facebook/ijepa_tiny").origin["license"] == "mit"
    card.write_text("# no front matter\nlicense: other\n")
    assert open_weights("hf:facebook/ijepa_tiny").origin["license"] == "CC-BY-NC-4.0"


def test_offline_gives_one_sentence(cache):
    with pytest.raises(ValueError, match="is not in the local cache and the hub cannot be reached") as caught:
        load("hf:facebook/ijepa_missing")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["hf:", "hf:ijepa", "hf:a/b/c", "hf:a/b@", "hf:a b/c"])
def test_a_name_that_is_none_is_told(name):
    with pytest.raises(ValueError, match="is no model of the hub; write hf:organization/name"):
        load(name)


def test_without_huggingface_hub_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'jepakit\[hub\]'"):
        load("hf:facebook/ijepa_tiny")

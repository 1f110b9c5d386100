"""Every storage gives the same pictures, labels and parts; order and augmentation are pure functions."""

import io
import itertools
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet

from jepakit.contracts import BrokenSample
from jepakit.data.images import ImageDataset, Images, expand_braces, open_source
from jepakit.data.transforms import ImageTransform, RandomResizedCrop

COUNT = 60
CLASSES = ("bird", "cat", "dog")
TRANSFORM = ImageTransform(size=8, mean=(0.5,) * 3, std=(0.5,) * 3)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 3), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def label_of(row: int) -> int:
    return row % len(CLASSES)


def write_folder(root: Path, pictures: np.ndarray, part: str = "") -> Path:
    for row, pixels in enumerate(pictures):
        place = root / part / CLASSES[label_of(row)]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{row:03}.png").write_bytes(png(pixels))
    return root


def write_shards(root: Path, pictures: np.ndarray, each: int = 20, labels: str = "cls") -> Path:
    root.mkdir(exist_ok=True)
    for first in range(0, len(pictures), each):
        with tarfile.open(root / f"shards-{first // each:04}.tar", "w") as archive:
            for row in range(first, min(first + each, len(pictures))):
                add(archive, f"a/{row:03}.png", png(pictures[row]))
                if labels == "cls":
                    add(archive, f"a/{row:03}.cls", str(label_of(row)).encode())
                elif labels == "json":
                    add(archive, f"a/{row:03}.json", json.dumps({"label": CLASSES[label_of(row)]}).encode())
    return root


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def table_of(pictures: np.ndarray, named: bool = True) -> pa.Table:
    cells = [{"bytes": png(pixels), "path": None} for pixels in pictures]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    labels = [label_of(row) for row in range(len(pictures))]
    table = pa.table({"image": pa.array(cells, kind), "label": pa.array(labels, pa.int64())})
    features = {"image": {"_type": "Image"}, "label": {"names": list(CLASSES), "_type": "ClassLabel"}}
    return table.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})} if named else None
    )


def write_arrow(path: Path, table: pa.Table, stream: bool) -> Path:
    opener = pa.ipc.new_stream if stream else pa.ipc.new_file
    with pa.OSFile(str(path), "wb") as file, opener(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    return path


@pytest.fixture(params=["folder", "npy", "npz", "parquet", "stream", "file", "save_to_disk", "shards", "json"])
def root(request, tmp_path, pictures) -> str:
    """The same pictures, in the order of their rows except for the folder, stored in every way."""
    labels = np.array([label_of(row) for row in range(COUNT)])
    path = tmp_path / "set"
    match request.param:
        case "folder":
            return str(write_folder(path, pictures))
        case "npy":
            np.save(path.with_suffix(".npy"), pictures)
            return str(path.with_suffix(".npy"))
        case "npz":
            np.savez(path.with_suffix(".npz"), images=pictures, labels=labels, classes=np.array(CLASSES))
            return str(path.with_suffix(".npz"))
        case "parquet":
            path.mkdir()
            table = table_of(pictures)
            parquet.write_table(table.slice(0, 40), path / "data-0.parquet", row_group_size=9)
            parquet.write_table(table.slice(40), path / "data-1.parquet", row_group_size=9)
            return str(path)
        case "stream" | "file":
            return str(write_arrow(path.with_suffix(".arrow"), table_of(pictures), request.param == "stream"))
        case "save_to_disk":
            path.mkdir()
            (path / "state.json").write_text("{}")
            write_arrow(path / "cache-17.arrow", pa.table({"indices": [1, 2]}), True)
            write_arrow(path / "data-00000-of-00001.arrow", table_of(pictures), True)
            return str(path)
        case "shards":
            return str(write_shards(path, pictures) / "shards-{0000..0002}.tar")
        case _:
            return str(write_shards(path, pictures, labels="json"))


def row_of(name: str) -> int:
    """The row of `pictures` that a sample's name speaks of: "cat/004.png", "data-1.parquet row 3", "row 7"."""
    number = int(name.rsplit("row ", 1)[1]) if "row " in name else int(Path(name).stem)
    return number + 40 if name.startswith("data-1.parquet") else number


def test_every_storage_gives_the_same_pictures_labels_and_parts(root, pictures):
    images = Images(root=root, transform=TRANSFORM)
    whole = images.everything()
    assert len(whole) == COUNT
    assert len({whole.name(index) for index in range(COUNT)}) == COUNT
    for index in range(COUNT):
        sample = whole.get(index, 0, 0)
        row = row_of(whole.name(index))
        assert torch.equal(sample["x"], TRANSFORM(pictures[row])), whole.name(index)
        if whole.labels is not None:
            assert whole.classes is not None
            assert sample["label"] == whole.labels[index] == label_of(row)
            assert whole.classes[sample["label"]] in (CLASSES[label_of(row)], str(label_of(row)))
    if root.endswith(".npy"):
        assert whole.labels is None
        assert all(images.split(part) is None for part in ("train", "validation", "test"))
        assert len(images.build()) == COUNT
        return
    parts = {part: images.split(part) for part in ("train", "validation", "test")}
    names = [{dataset.name(i) for i in range(len(dataset))} for dataset in parts.values() if dataset is not None]
    assert sum(len(each) for each in names) == COUNT == len(set.union(*names))
    pretrained = images.build()
    seen = {pretrained.name(index) for index in range(len(pretrained))}
    test = parts["test"]
    assert test is None or not seen & {test.name(index) for index in range(len(test))}
    assert any("held out" in note for note in images.notes())


def test_a_dataset_survives_pickling(root, pictures):
    dataset = Images(root=root, transform=TRANSFORM).everything()
    dataset.get(0, 0, 0)
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy.get(COUNT - 1, 0, 0)["x"], dataset.get(COUNT - 1, 0, 0)["x"])


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker processes:UserWarning")  # on a single core
def test_worker_processes_read_a_dataset_that_was_opened_before_them(tmp_path, pictures):
    parquet.write_table(table_of(pictures), tmp_path / "t.parquet", row_group_size=10)
    dataset = Images(root=str(tmp_path / "t.parquet"), transform=TRANSFORM).everything()
    dataset.get(0, 0, 0)
    getter = Getter(dataset)
    batches = list(torch.utils.data.DataLoader(getter, batch_size=15, num_workers=2))
    expected = torch.stack([TRANSFORM(pixels) for pixels in pictures])
    assert torch.equal(torch.cat(batches), expected)


class Getter(torch.utils.data.Dataset):
    """The dataset as PyTorch's loader wants it."""

    def __init__(self, dataset: ImageDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.dataset.get(index, 0, 0)["x"]


def test_augmentation_is_a_pure_function_of_seed_epoch_and_index(tmp_path, pictures):
    np.save(tmp_path / "x.npy", pictures)
    config = Images(root=str(tmp_path / "x.npy"), transform=TRANSFORM, augment=RandomResizedCrop(scale=(0.2, 0.5)))
    first, second = config.build(), config.build()
    assert first.get(3, 1, 2)["x"].shape == (3, 8, 8)
    for index in reversed(range(20)):
        second.get(index, 1, 2)
    assert torch.equal(first.get(3, 1, 2)["x"], second.get(3, 1, 2)["x"])
    others = [first.get(3, 2, 2), first.get(3, 1, 3), first.get(4, 1, 2), config.everything().get(3, 1, 2)]
    assert not any(torch.equal(first.get(3, 1, 2)["x"], other["x"]) for other in others)


def test_the_order_is_a_pure_permutation(root):
    dataset = Images(root=root, transform=TRANSFORM).build()
    order = dataset.order(1, 2)
    assert torch.equal(order, dataset.order(1, 2))
    assert torch.equal(order.sort().values, torch.arange(len(dataset)))
    assert not torch.equal(order, dataset.order(2, 2))
    assert not torch.equal(order, dataset.order(1, 3))


def test_shards_are_read_nearly_in_sequence(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr("jepakit.data.shards._WINDOW", 6)
    dataset = Images(root=str(write_shards(tmp_path / "s", pictures)), transform=TRANSFORM).everything()
    order = dataset.order(0, 0)
    shard_of = [int(dataset.name(int(index)).split(".")[0][-4:]) for index in order]
    switches = sum(a != b for a, b in itertools.pairwise(shard_of))
    assert switches < 15  # about 40 if shuffled freely
    assert not torch.equal(order.sort().values, order)
    starts = {shard_of[0] for shard_of in ([int(i) // 20 for i in dataset.order(e, 0)] for e in range(12))}
    assert len(starts) > 1


def test_parquet_decodes_each_row_group_about_once_an_epoch(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr("jepakit.data.tables._WINDOW", 10)
    parquet.write_table(table_of(pictures), tmp_path / "t.parquet", row_group_size=10)
    dataset = Images(root=str(tmp_path / "t.parquet"), transform=TRANSFORM).everything()
    loads: list[int] = []
    file = dataset._source._chunks[0][0]
    load = type(file).load
    monkeypatch.setattr(type(file), "load", lambda self, chunk: loads.append(chunk) or load(self, chunk))
    for index in dataset.order(0, 0):
        dataset.get(int(index), 0, 0)
    assert sorted(loads) == list(range(6))


def test_parts_of_the_source_are_kept(tmp_path, pictures):
    for part, rows in (("train", slice(0, 40)), ("val", slice(40, 50)), ("test", slice(50, 60))):
        write_folder(tmp_path / "f", pictures[rows], part)
    images = Images(root=str(tmp_path / "f"), transform=TRANSFORM)
    assert [len(images.split(part) or ()) for part in ("train", "validation", "test")] == [40, 10, 10]
    assert len(images.build()) == 50
    assert images.notes() == []


def test_a_lone_validation_part_is_reported_as_test(tmp_path, pictures):
    parquet.write_table(table_of(pictures[:50]), tmp_path / "train-00000-of-00001.parquet")
    parquet.write_table(table_of(pictures[50:]), tmp_path / "validation-00000-of-00001.parquet")
    images = Images(root=str(tmp_path), transform=TRANSFORM)
    train, validation, test = (len(images.split(part) or ()) for part in ("train", "validation", "test"))
    assert (train + validation, test) == (50, 10)
    assert validation > 0
    assert "the validation part is reported as test" in images.notes()[0]


def test_adding_pictures_moves_no_other_to_another_part(tmp_path, pictures):
    write_folder(tmp_path, pictures[:40])
    before = Images(root=str(tmp_path), transform=TRANSFORM).split("train")
    write_folder(tmp_path, pictures)
    after = Images(root=str(tmp_path), transform=TRANSFORM).split("train")
    assert before is not None
    assert after is not None
    assert {before.name(i) for i in range(len(before))} <= {after.name(i) for i in range(len(after))}


def test_photos_without_class_folders_have_no_labels(tmp_path, pictures):
    write_folder(tmp_path, pictures[:9])
    (tmp_path / "loose.png").write_bytes(png(pictures[9]))
    (tmp_path / "readme.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_text("no picture")
    images = Images(root=str(tmp_path), transform=TRANSFORM)
    assert len(images.build()) == 10
    assert images.build().labels is None
    assert "label" not in images.build().get(0, 0, 0)
    assert images.split("train") is None
    assert images.notes() == [f"1 file below {tmp_path.name} was passed over: its suffix is not a picture's"]


def test_training_with_labels_can_be_augmented(tmp_path, pictures):
    write_folder(tmp_path, pictures)
    images = Images(root=str(tmp_path), transform=TRANSFORM, augment=RandomResizedCrop(scale=(0.2, 0.4)))
    plain, augmented = images.split("train"), images.split("train", augmented=True)
    assert plain is not None
    assert augmented is not None
    assert not torch.equal(plain.get(0, 0, 0)["x"], augmented.get(0, 0, 0)["x"])
    assert torch.equal(plain.get(0, 0, 0)["label"], augmented.get(0, 0, 0)["label"])


def test_braces_count_with_their_zeros():
    assert expand_braces("a-{08..10}.tar") == [Path("a-08.tar"), Path("a-09.tar"), Path("a-10.tar")]
    assert expand_braces("a.tar") == [Path("a.tar")]
    with pytest.raises(ValueError, match="smaller number first"):
        expand_braces("a-{2..1}.tar")


@pytest.mark.parametrize("name", ["../up.png", "/etc/x.png", "a/../../up.png"])
def test_a_shard_with_a_member_that_leaves_its_folder_is_refused(tmp_path, pictures, name):
    with tarfile.open(tmp_path / "s.tar", "w") as archive:
        add(archive, name, png(pictures[0]))
    with pytest.raises(ValueError, match="would leave its folder"):
        open_source(str(tmp_path / "s.tar"))


def test_a_shard_with_a_link_is_refused(tmp_path):
    with tarfile.open(tmp_path / "s.tar", "w") as archive:
        info = tarfile.TarInfo("x.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(ValueError, match="is a link"):
        open_source(str(tmp_path / "s.tar"))


def test_a_table_cannot_name_files_outside_of_its_folder(tmp_path, pictures):
    (tmp_path / "in").mkdir()
    (tmp_path / "out.png").write_bytes(png(pictures[0]))
    (tmp_path / "in" / "beside.png").write_bytes(png(pictures[1]))
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    paths = ["beside.png", "../out.png", str(tmp_path / "out.png"), ""]
    cells = pa.array([{"bytes": None, "path": path} for path in paths], kind)
    parquet.write_table(pa.table({"image": cells}), tmp_path / "in" / "t.parquet")
    source = open_source(str(tmp_path / "in" / "t.parquet"))
    assert torch.equal(source.read(0), torch.from_numpy(pictures[1]).permute(2, 0, 1))
    for row, words in ((1, "outside"), (2, "outside"), (3, "empty")):
        with pytest.raises(BrokenSample, match=words):
            source.read(row)


def test_pictures_without_labels_for_all_leave_labels_aside(tmp_path, pictures):
    with tarfile.open(tmp_path / "s.tar", "w") as archive:
        add(archive, "0.png", png(pictures[0]))
        add(archive, "0.cls", b"1")
        add(archive, "1.png", png(pictures[1]))
    images = Images(root=str(tmp_path / "s.tar"), transform=TRANSFORM)
    assert images.build().labels is None
    assert "1 of 2 pictures have no label" in images.notes()[0]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none", None, "there is nothing at"),
        ("x.csv", b"a,b", "is not a folder"),
        ("x.npy", b"broken", "not a NumPy file"),
        ("x.npz", b"broken", "not a NumPy file"),
        ("x.parquet", b"broken", "not a Parquet file"),
        ("x.arrow", b"broken", "not an Arrow file"),
        ("x.tar", b"broken" * 200, "not an uncompressed tar"),
    ],
)
def test_what_cannot_be_opened_gets_one_sentence(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        open_source(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_an_empty_folder_and_wrong_arrays_get_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="holds no pictures"):
        open_source(str(tmp_path))
    cases = {
        "floats": ({"x": np.zeros((2, 4, 4))}, "bytes"),
        "flat": ({"x": np.zeros((2, 16), np.uint8)}, "shape"),
        "other": ({"z": np.zeros((2, 4, 4), np.uint8)}, "looked for under"),
        "labels": ({"x": np.zeros((2, 4, 4), np.uint8), "y": np.zeros(3, np.int64)}, "as many labels"),
        "names": ({"x": np.zeros((2, 4, 4), np.uint8), "y": np.array([0, 7]), "classes": np.array(["a"])}, "named"),
        "pickled": ({"x": np.array([{}, {}], dtype=object)}, "plain numbers"),
    }
    for name, (content, words) in cases.items():
        np.savez(tmp_path / f"{name}.npz", **content)
        with pytest.raises(ValueError, match=words):
            open_source(str(tmp_path / f"{name}.npz"))


def test_arrays_with_parts(tmp_path):
    content = {f"x_{part}": np.zeros((count, 4, 4), np.uint8) for part, count in (("train", 50), ("test", 5))}
    content |= {f"y_{part}": np.arange(count) % 5 for part, count in (("train", 50), ("test", 5))}
    np.savez(tmp_path / "x.npz", **content)
    images = Images(root=str(tmp_path / "x.npz"), transform=TRANSFORM)
    assert len(images.split("test") or ()) == 5
    assert len(images.build()) == 50


def test_the_config_travels_as_json():
    images = Images(root="somewhere", transform=TRANSFORM, augment=RandomResizedCrop(flip=True))
    assert Images.from_json(json.loads(json.dumps(images.to_json()))) == images

"""Every storage gives the same clips; what is random is a pure function; what cannot be read is named."""

import io
import json
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from films import FRAMES, number_of, picture, write_film
from PIL import Image
from tiny_engine import Tiny

from jepakit.config import Config
from jepakit.contracts import BrokenSample, Dataset
from jepakit.data.clip_transform import VIDEO_CROP, ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.transforms import ImageTransform
from jepakit.data.videos import SeveralViews, Videos
from jepakit.family import vjepa
from jepakit.pretrained import load
from jepakit.train.batches import Batches, sources
from jepakit.train.fit import fit
from jepakit.train.parallel import Place
from jepakit.train.run import Run
from jepakit.train.watch import Watch

PLAIN = ImageTransform(size=32, resize="shorter_side", mean=(0.0,) * 3, std=(1.0,) * 3)
CLIP = ClipTransform(sampling=Sampling(frames=4, step=3, policy="uniform"), picture=PLAIN)
MIDDLE = [15, 18, 21, 24]
CLASSES = ("close", "open")
COUNT = 4


def numbers_in(x: torch.Tensor) -> list[int]:
    """Which frames a clip [c t h w] holds."""
    return [number_of(frame * 255) for frame in x.unbind(1)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Four films in two folders."""
    root = tmp_path_factory.mktemp("videos")
    for row in range(COUNT):
        write_film(root / CLASSES[row % 2] / f"film {row}.mp4")
    return root


def store(kind: str, folder: Path, root: Path) -> str:
    """The films of the folder, stored in another way. Labels are those of the classes."""
    films = sorted(folder.glob("*/*.mp4"))
    labels = [CLASSES.index(film.parent.name) for film in films]
    match kind:
        case "folder":
            return str(folder)
        case "list":
            lines = [f"{film} {label}" for film, label in zip(films, labels, strict=True)]
            (root / "list.csv").write_text("\n".join(lines))
            return str(root / "list.csv")
        case "npy":
            np.save(
                root / "list.npy",
                np.array([[str(film), str(label)] for film, label in zip(films, labels, strict=True)]),
            )
            return str(root / "list.npy")
        case "shards":
            with tarfile.open(root / "videos-0.tar", "w") as archive:
                for film, label in zip(films, labels, strict=True):
                    for name, data in ((f"{film.stem}.mp4", film.read_bytes()), (f"{film.stem}.cls", b"%d" % label)):
                        info = tarfile.TarInfo(name)
                        info.size = len(data)
                        archive.addfile(info, io.BytesIO(data))
            return str(root / "videos-0.tar")
        case "frames":
            for film, label in zip(films, labels, strict=True):
                (root / CLASSES[label] / film.stem).mkdir(parents=True)
                for number in range(FRAMES):
                    Image.fromarray(picture(number)).save(root / CLASSES[label] / film.stem / f"frame_{number}.png")
            (root / "README.txt").write_text("Frames of four films.")
            return str(root)
        case _:
            clips = np.stack([np.stack([picture(number) for number in range(FRAMES)])] * COUNT)
            np.savez(root / "clips.npz", x=clips, y=np.array(labels))
            return str(root / "clips.npz")


@pytest.mark.parametrize("kind", ["folder", "list", "npy", "shards", "frames", "arrays"])
def test_every_storage_gives_the_same_clips(kind, folder, tmp_path):
    videos = Videos(root=store(kind, folder, tmp_path), transform=CLIP)
    whole = videos.everything()
    assert isinstance(whole, Dataset)
    assert len(whole) == COUNT == len({whole.name(index) for index in range(COUNT)})
    assert whole.labels.tolist() == [0, 0, 1, 1]
    for index in range(COUNT):
        sample = whole.get(index, 0, 0)
        assert sample["x"].shape == (3, 4, 32, 32)
        assert sample["x"].dtype == torch.float32
        assert numbers_in(sample["x"]) == MIDDLE
        assert sample["label"] == whole.labels[index]
    copy = pickle.loads(pickle.dumps(whole))
    assert torch.equal(copy.get(1, 0, 0)["x"], whole.get(1, 0, 0)["x"])
    assert Config.from_json(videos.to_json()) == videos


def test_training_clips_come_from_anywhere_and_are_a_pure_function(folder):
    dataset = Videos(root=str(folder), transform=CLIP, augment=VIDEO_CROP).build()
    firsts = set()
    for epoch in range(20):
        clip = dataset.get(0, epoch, 7)["x"]
        assert torch.equal(clip, dataset.get(0, epoch, 7)["x"])
        firsts.add(float(clip[0, 0].max()))
    assert len(firsts) > 5
    assert not torch.equal(dataset.get(0, 0, 7)["x"], dataset.get(0, 0, 8)["x"])
    assert not torch.equal(dataset.get(0, 0, 7)["x"], dataset.get(1, 0, 7)["x"])
    assert torch.equal(dataset.order(3, 7), dataset.order(3, 7))
    assert sorted(dataset.order(3, 7).tolist()) == list(range(len(dataset)))


def test_one_box_serves_all_frames_of_a_clip(tmp_path):
    """Frames that are alike stay alike under a random crop, which differs from clip to clip."""
    noise = np.random.default_rng(0).integers(0, 256, (1, 1, 40, 60, 3), dtype=np.uint8)
    np.save(tmp_path / "still.npy", np.repeat(noise, 12, axis=1))
    dataset = Videos(root=str(tmp_path / "still.npy"), transform=CLIP, augment=VIDEO_CROP).build()
    clips = [dataset.get(0, epoch, 0)["x"] for epoch in range(4)]
    assert all(torch.equal(clip[:, :1].expand_as(clip), clip) for clip in clips)
    assert not torch.equal(clips[0], clips[1])


def test_parts_and_splits_are_those_of_pictures(tmp_path):
    for part, count in (("train", 4), ("val", 2), ("test", 2)):
        for row in range(count):
            write_film(tmp_path / part / CLASSES[row % 2] / f"{row}.avi", codec="mpeg4", count=6)
    (tmp_path / "train" / "notes.txt").write_text("not a film")
    videos = Videos(root=str(tmp_path), transform=CLIP, augment=VIDEO_CROP)
    parts = {part: videos.split(part) for part in ("train", "validation", "test")}
    assert {part: len(dataset) for part, dataset in parts.items()} == {"train": 4, "validation": 2, "test": 2}
    assert parts["train"].classes == CLASSES
    assert len(videos.build()) == 6
    assert videos.notes() == [f"1 file below {tmp_path.name} was passed over: its suffix is not a video's"]
    plain, augmented = videos.split("train"), videos.split("train", augmented=True)
    assert torch.equal(plain.get(0, 0, 0)["x"], plain.get(0, 5, 9)["x"])
    assert not torch.equal(augmented.get(0, 0, 0)["x"], augmented.get(0, 5, 9)["x"])


def test_a_folder_of_lists_has_a_list_a_part(folder, tmp_path):
    films = sorted(folder.glob("*/*.mp4"))
    (tmp_path / "train.csv").write_text("".join(f"{film},{film.parent.name}\n" for film in films))
    (tmp_path / "test.csv").write_text("".join(f"{film},{film.parent.name}\n" for film in films[1:3]))
    videos = Videos(root=str(tmp_path), transform=CLIP)
    assert len(videos.everything()) == 6
    assert len(videos.split("test")) == 2
    assert videos.split("test").classes == CLASSES


def test_evaluation_clips_cover_the_video_and_its_longer_side(folder):
    videos = Videos(root=str(folder), transform=replace(CLIP, sampling=Sampling(frames=4, step=2, policy="uniform")))
    views = next(found for part in ("train", "validation", "test") if (found := videos.views(part, 4, 3)))
    x = views.get(0, 0, 0)["x"]
    assert x.shape == (4, 3, 3, 4, 32, 32)
    assert torch.equal(x, views.get(0, 3, 5)["x"])
    assert [numbers_in(x[segment, 2])[0] for segment in range(4)] == [2, 12, 22, 32]
    greens = [(x[0, view, 1, 0] - x[0, view, 0, 0] > 0.2).float().mean() for view in range(3)]
    assert greens[0] > greens[1] > greens[2], "from the left, where the green corner is, to the right"


def test_heads_learn_from_random_clips_of_each_segment(folder):
    videos = Videos(
        root=str(folder),
        transform=replace(CLIP, sampling=Sampling(frames=4, step=1, policy="uniform")),
        augment=VIDEO_CROP,
    )
    several = SeveralViews(videos, segments=4, views=3)
    training, test = several.split("train", augmented=True), several.split("train")
    starts = set()
    for epoch in range(10):
        x = training.get(0, epoch, 0)["x"]
        assert x.shape == (4, 1, 3, 4, 32, 32)
        first = [numbers_in(x[segment, 0])[0] for segment in range(4)]
        assert [10 * segment <= number < 10 * segment + 10 for segment, number in enumerate(first)] == [True] * 4
        starts.add(tuple(first))
    assert len(starts) > 5
    assert torch.equal(test.get(0, 0, 0)["x"], videos.views("train", 4, 1).get(0, 3, 4)["x"])


def test_pictures_are_videos_of_one_frame(tmp_path):
    for row in range(3):
        Image.fromarray(picture(row)).save(tmp_path / f"{row}.png")
    videos = Videos(root=f"pictures:{tmp_path}", transform=CLIP)
    x = videos.everything().get(2, 0, 0)["x"]
    assert numbers_in(x) == [2, 2, 2, 2]
    single = replace(videos, transform=replace(CLIP, still="single"))
    assert torch.equal(single.everything().get(2, 0, 0)["x"], x[:, :1])


def test_frames_without_a_clock_need_a_rate(tmp_path):
    np.save(tmp_path / "clips.npy", np.stack([np.stack([picture(number) for number in range(FRAMES)])]))
    by_time = replace(CLIP, sampling=Sampling(frames=4, step=None, fps=5.0, policy="uniform"))
    with pytest.raises(BrokenSample, match=r"^row 0: it has no clock .* tell its frame_rate"):
        Videos(root=str(tmp_path / "clips.npy"), transform=by_time).everything().get(0, 0, 0)
    told = Videos(root=str(tmp_path / "clips.npy"), transform=by_time, frame_rate=20.0).everything()
    assert np.diff(numbers_in(told.get(0, 0, 0)["x"])).tolist() == [4, 4, 4]


def test_a_video_that_is_shorter_than_a_tubelet_is_held(tmp_path):
    """One frame, or an odd number of them, is less than the clip asks for: the last one stays."""
    for count, expected in ((1, [0, 0, 0, 0]), (5, [0, 3, 4, 4])):
        write_film(tmp_path / str(count) / "short.mp4", count=count)
        x = Videos(root=str(tmp_path / str(count)), transform=CLIP).everything().get(0, 0, 0)["x"]
        assert numbers_in(x) == expected


@pytest.mark.parametrize("size", [(1, 1), (1, 40)])
def test_videos_of_a_pixel_and_of_a_line_are_clips_under_augmentation(size, tmp_path):
    """Each frame is of one color, its own; a crop of what cannot be cropped is all of it."""
    path = write_film(tmp_path / "dot.mkv", count=9, codec="ffv1", pixels="bgr0", size=size)
    data = Videos(root=str(path), transform=CLIP, augment=VIDEO_CROP)
    for dataset in (data.build(), data.everything()):
        for epoch in range(4):
            x = dataset.get(0, epoch, 0)["x"]
            assert x.shape == (3, 4, 32, 32)
            assert (x.amax(dim=(2, 3)) - x.amin(dim=(2, 3))).max() < 1e-6, "one color"
            assert numbers_in(x) == [0, 3, 6, 8]


def test_broken_and_missing_videos_are_named_and_never_replaced(folder, tmp_path):
    """Read by the engine as it reads pictures: each batch holds the clips that are there, and names the others."""
    films = [*sorted(folder.glob("*/*.mp4")), tmp_path / "über all.mp4", tmp_path / "torn.mp4"]
    films[-1].write_bytes(films[0].read_bytes()[:400])
    (tmp_path / "list.txt").write_text("\n".join(str(film) for film in films))
    data = Videos(root=str(tmp_path / "list.txt"), transform=CLIP)
    assert data.notes() == [f"1 of 6 listed videos that were looked for do not exist, such as {films[-2]}"]
    run = Run(model=Tiny(), data=data, steps=2, batch=3, workers=0, sinks=())
    place = Place(rank=0, ranks=1, device=torch.device("cpu"), mode="single", dtype=torch.float32)
    with Batches(sources(run), run, place, 0) as batches:
        found = [batches.read() for _ in range(2)]
    assert sum(batch.count for batch in found) == COUNT
    assert all(batch.samples["x"].shape == (batch.count, 3, 4, 32, 32) for batch in found if batch.count)
    reasons = sorted(broken.reason for batch in found for broken in batch.broken)
    assert reasons[0].startswith(f"{films[-1]}: it cannot be opened as a video: ")
    assert reasons[1] == f"{films[-2]}: there is no such file"


def test_a_vjepa_trains_on_videos_and_names_the_broken_one(folder, tmp_path):
    films = [*sorted(folder.glob("*/*.mp4")), tmp_path / "torn.mp4"]
    films[-1].write_bytes(b"torn")
    (tmp_path / "list.txt").write_text("\n".join(str(film) for film in films))
    picture = ImageTransform(size=vjepa.TINY.image[0])
    clip = ClipTransform(sampling=Sampling(frames=vjepa.TINY.frames, step=2), picture=picture)
    run = Run(
        model=vjepa.TINY,
        data=Videos(root=str(tmp_path / "list.txt"), transform=clip, augment=VIDEO_CROP),
        steps=5,
        batch=3,
        workers=0,
        device="cpu",
        log_every=1,
        sinks=(),
        watch=Watch(every=5, samples=4, views=2, action="warn"),
        max_broken_share=0.5,
    )
    fit(run, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4, 5]
    assert all(0 <= line["wait_share"] <= 1 for line in lines if "loss" in line)
    broken = [json.loads(line) for line in (tmp_path / "run" / "broken.jsonl").read_text().splitlines()]
    assert [line["name"] for line in broken] == [str(films[-1])] * 3, "once an epoch"
    assert isinstance(load(tmp_path / "run").transform, ClipTransform)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda root: None, "holds no videos; they are known by their suffix"),
        (lambda root: (root / "notes.txt").write_text("no list"), "lists called train, val and test"),
        (
            lambda root: (root / "train.csv").write_text("nowhere/a.mp4 1\n"),
            "names nowhere/a.mp4, which does not exist",
        ),
        (lambda root: np.save(root / "x.npy", np.array(["a", None])), r"save plain strings: np\.save"),
        (lambda root: np.save(root / "x.npy", np.zeros((2, 3, 4), np.uint8)), r"clips are bytes \(uint8\) of shape"),
    ],
)
def test_a_root_without_videos_is_refused(make, sentence, tmp_path):
    make(tmp_path)
    array = tmp_path / "x.npy"
    with pytest.raises(ValueError, match=sentence):
        Videos(root=str(array if array.exists() else tmp_path), transform=CLIP).build()


def test_other_roots_are_refused(tmp_path):
    (tmp_path / "a.xyz").write_text("")
    for root, sentence in (
        (tmp_path / "no", "there is nothing at"),
        (tmp_path / "a.xyz", "so its videos cannot be read"),
    ):
        with pytest.raises(ValueError, match=sentence):
            Videos(root=str(root), transform=CLIP).build()
    with pytest.raises(ValueError, match="frame_rate is frames a second"):
        Videos(root="x", frame_rate=0.0)

"""Actions before they begin: which frames a clip has, what is asked, and tables with something wrong in them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from films import number_of, write_film

from jepakit.config import Config
from jepakit.contracts import BrokenSample, Dataset
from jepakit.data.actions import Actions
from jepakit.data.annotations import Vocabulary, read_actions
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.frames import Clock, Sampling, regular_clock
from jepakit.data.protocols import CORRECT, RELEASED, Protocol, frames_before, moment_of
from jepakit.data.transforms import ImageTransform, RandomResizedCrop

HEADER = "participant_id,video_id,start_frame,stop_frame,verb_class,noun_class,verb,noun"
TRAIN = [("P01", "a", 30, 38, 0, 1), ("P01", "a", 34, 39, 2, 1), ("P02", "b", 20, 36, 0, 3), ("P02", "b", 0, 5, 2, 3)]
TEST = [("P01", "c", 30, 38, 0, 1), ("P01", "c", 34, 39, 2, 3), ("P01", "c", 33, 35, 0, 9), ("P01", "c", 36, 39, 0, 3)]
RATE = 10
CLIP = ClipTransform(
    sampling=Sampling(frames=4, step=None, fps=5.0, policy="uniform"),
    picture=ImageTransform(size=32, mean=(0.0,) * 3, std=(1.0,) * 3, resize="shorter_side"),
)


def table(rows):
    lines = [
        f"{who},{video},{start},{stop},{verb},{noun},v{verb},n{noun}" for who, video, start, stop, verb, noun in rows
    ]
    return "\n".join([HEADER, *lines]) + "\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Films of 40 frames, 10 a second, whose frames are known by their brightness."""
    folder = tmp_path_factory.mktemp("kitchens")
    for who, video in (("P01", "a"), ("P02", "b"), ("P01", "c")):
        write_film(folder / who / "videos" / f"{video}.MP4", rate=RATE)
    (folder / "EPIC_100_train.csv").write_text(table(TRAIN))
    (folder / "EPIC_100_validation.csv").write_text(table(TEST))
    return folder


def actions(root, protocol=CORRECT):
    return Actions(root=str(root), protocol=protocol, transform=CLIP)


def numbers(x):
    """Which frames a clip [c t h w] shows."""
    return [number_of(255 * frame) for frame in x.transpose(0, 1)]


def test_a_clip_ends_the_seconds_before_the_action_starts(root):
    """The action starts at frame 30, a second is 10 frames: the clip ends before frame 20, at 5 frames a second."""
    dataset = actions(root).split("test")
    assert isinstance(dataset, Dataset)
    assert numbers(dataset.get(0, 0, 0)["x"]) == [12, 14, 16, 18]
    assert numbers(actions(root, Protocol(seconds=0.0)).split("test").get(0, 0, 0)["x"]) == [22, 24, 26, 28]
    assert numbers(actions(root, RELEASED).split("test").get(0, 0, 0)["x"]) == [20, 22, 24, 26]


@pytest.mark.parametrize("policy", ["uniform", "reference"])
@pytest.mark.parametrize("augmented", [False, True])
def test_no_frame_of_an_action_is_seen(root, policy, augmented):
    """The regression test of the released evaluation, which counts from the stop: there, actions are seen."""
    clip = replace(CLIP, sampling=replace(CLIP.sampling, policy=policy))
    config = replace(actions(root), transform=clip)
    seen = {"correct": [], "released": []}
    for name, protocol in (("correct", CORRECT), ("released", replace(RELEASED, seconds=0.5))):
        for part in ("train", "validation", "test"):
            dataset = replace(config, protocol=protocol).split(part, augmented)
            for index, action in enumerate(dataset.actions):
                if action.start == 0:
                    continue
                for epoch in range(4):
                    shown = numbers(dataset.get(index, epoch, 1)["x"])
                    early = RATE * dataset.seconds(index, epoch, 1)
                    seen[name].append(any(action.start <= frame for frame in shown))
                    if name == "correct":
                        assert max(shown) < action.start - early or max(shown) == 0
    assert not any(seen["correct"])
    assert any(seen["released"])


def test_what_lies_before_the_video_is_its_first_frame():
    clock, sampling = regular_clock(40, 10.0), CLIP.sampling
    assert frames_before(clock, 0.5, sampling).tolist() == [0, 0, 1, 3]
    assert frames_before(clock, -3.0, sampling).tolist() == [0, 0, 0, 0]
    assert frames_before(clock, 0.5, replace(sampling, policy="reference")).tolist() == [0, 0, 1, 3]


def test_an_action_that_starts_with_the_video_cannot_be_anticipated(root):
    dataset = actions(root).split("train")
    everything = [*dataset.actions, *actions(root).split("validation").actions]
    assert [action.start for action in everything].count(0) == 1
    part = dataset if 0 in [action.start for action in dataset.actions] else actions(root).split("validation")
    index = [action.start for action in part.actions].index(0)
    with pytest.raises(BrokenSample, match=r"b, line 5 \(v2 n3\): the action starts with the video"):
        part.get(index, 0, 0)


@pytest.mark.parametrize(
    ("protocol", "start", "stop", "sentence"),
    [
        (CORRECT, 40, 45, "action starts at frame 40, and P01/videos/c.MP4 has 40 frames; mend the table"),
        (CORRECT, 400, 405, "action starts at frame 400, and P01/videos/c.MP4 has 40 frames"),
        (RELEASED, 400, 405, "action starts at frame 400, and P01/videos/c.MP4 has 40 frames"),
        (RELEASED, 39, 51, r"a clip that ends at 4\.10 seconds is asked for, and the video ends at 4\.00"),
    ],
)
def test_an_action_behind_the_end_of_its_video_is_broken_and_gets_no_other_clip(root, protocol, start, stop, sentence):
    dataset = actions(root, protocol).split("test")
    dataset.actions = (replace(dataset.actions[0], start=start, stop=stop), *dataset.actions[1:])
    with pytest.raises(BrokenSample, match=rf"c, line 2 \(v0 n1\): .*{sentence}"):
        dataset.get(0, 0, 0)


def test_a_stop_that_is_noted_down_late_counts_from_where_it_would_be(root):
    """Ten frames a second: a second before frame 45 is frame 35, which the video of 40 frames has."""
    dataset = actions(root, RELEASED).split("test")
    dataset.actions = (replace(dataset.actions[0], start=39, stop=45), *dataset.actions[1:])
    assert numbers(dataset.get(0, 0, 0)["x"]) == [27, 29, 31, 33]


def test_policies_at_another_rate():
    """Of 60 frames a second, 8 are every 7th by the release, every 7.5th by the clock; none comes after the end."""
    clock, sampling = regular_clock(600, 60.0), Sampling(frames=5, step=None, fps=8.0, policy="uniform")
    assert frames_before(clock, 5.0, sampling).tolist() == [262, 270, 277, 285, 292]
    assert frames_before(clock, 5.0, replace(sampling, policy="reference")).tolist() == [265, 272, 279, 286, 293]
    uneven = Clock(4, torch.tensor([0.0, 0.1, 1.0, 1.5], dtype=torch.float64))
    assert frames_before(uneven, 1.5, Sampling(frames=3, step=None, fps=2.0, policy="uniform")).tolist() == [0, 1, 2]
    assert moment_of(uneven, 2) == 1.0
    assert moment_of(uneven, 4) == 2.0
    assert moment_of(uneven, 6) == 3.0, "two a second, on average"
    with pytest.raises(ValueError, match="no clock"):
        frames_before(Clock(4), 1.0, sampling)


def test_training_draws_seconds_and_points_and_nothing_else_does(root):
    config = actions(root, Protocol(drawn=(0.25, 1.75), inside=(0.0, 0.5)))
    dataset = config.split("test", augmented=True)
    drawn = torch.tensor([dataset.seconds(0, epoch, 0) for epoch in range(200)])
    assert 0.25 <= drawn.min() < 0.4 < 1.6 < drawn.max() <= 1.75
    assert dataset.seconds(0, 3, 0) == config.split("test", augmented=True).seconds(0, 3, 0)
    assert {config.split("test").seconds(index, epoch, 0) for index in range(4) for epoch in range(4)} == {1.0}
    action = dataset.actions[0]
    assert [config.protocol.frame(action, share) for share in (0.0, 0.5)] == [30, 34]
    assert [RELEASED.frame(action, share) for share in (0.0, 0.25)] == [38, 36]


def test_crops_are_those_of_training_only(root):
    config = replace(actions(root), augment=RandomResizedCrop(scale=(0.3, 0.5)))
    plain, cropped = (config.split("test", augmented).get(0, 0, 0)["x"] for augmented in (False, True))
    assert not torch.equal(plain[:, 0], cropped[:, 0])
    assert torch.equal(cropped, config.split("test", True).get(0, 0, 0)["x"])


def test_targets_are_places_in_what_training_shows(root):
    config = actions(root)
    assert config.vocabulary.sizes == (2, 2, 4)
    test = config.split("test")
    assert test.targets.tolist() == [[0, 0, 0], [1, 1, 3], [0, -1, -1], [0, 1, 1]]
    assert test.labels.tolist() == [0, 3, -1, 1]
    assert test.classes == ("v0 n1", "v0 n3", "v2 n1", "v2 n3")
    assert test.unseen == ("c, line 4 (v0 n9)",)
    assert any(
        "1 of 4 actions to test with are never shown in training, such as c, line 4" in n for n in config.notes()
    )
    assert test.previous.tolist() == [[-1, -1, -1], [0, -1, -1], [0, 0, 0], [1, 1, 3]]
    assert test.name(1) == "c, line 3 (v2 n3)"
    assert sorted(test.order(1, 2).tolist()) == [0, 1, 2, 3]
    assert test.tubelets_per_second == 2.5


def test_some_training_videos_are_held_out_to_choose_by(root):
    config = actions(root)
    videos = [{action.video for action in config.split(part).actions} for part in ("train", "validation")]
    assert all(videos)
    assert not videos[0] & videos[1]
    assert videos[0] | videos[1] == {"a", "b"}


def test_the_config_survives_json(root):
    config = actions(root, RELEASED)
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("P01,a,x,9,0,1,v,n", "line 2: start_frame should be a whole number from 0 on, it is 'x'"),
        ("P01,a,-1,9,0,1,v,n", "line 2: start_frame should be a whole number"),
        ("P01,a,3,9,0.5,1,v,n", "line 2: verb_class should be a whole number from 0 on, it is '0.5'"),
        ("P01,a,10,9,0,1,v,n", "line 2: the action stops at frame 9, before it starts at frame 10"),
        ("P01,a,3,9,0", "line 2: it has more or fewer fields than the first line"),
        ("P01,a,3,9,0,1,v,n,more", "line 2: it has more or fewer fields"),
        ("P01,,3,9,0,1,v,n", "line 2: it names no video"),
        ('P01,a,3,9,0,1,v,"n"x', "line 2: it cannot be read as comma-separated values"),
    ],
)
def test_a_bad_row_gets_a_sentence_with_its_line(tmp_path, row, sentence):
    path = tmp_path / "bad.csv"
    path.write_text(f"{HEADER}\n{row}\n")
    with pytest.raises(ValueError, match=sentence):
        read_actions(path, "{video_id}.mp4")


def test_tables_that_are_none_get_a_sentence(tmp_path):
    path = tmp_path / "bad.csv"
    with pytest.raises(ValueError, match=r"bad\.csv cannot be read: No such file"):
        read_actions(path, "{video_id}.mp4")
    for text, sentence in (
        ("video_id,start_frame\n", "has no column stop_frame, verb_class, noun_class"),
        ("", "has no column video_id"),
        (HEADER, "holds no actions"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=sentence):
            read_actions(path, "{video_id}.mp4")
    path.write_text(table(TRAIN))
    for layout, sentence in (("{camera}/x.mp4", "asks for {camera}"), ("{video_id", "cannot be read")):
        with pytest.raises(ValueError, match=sentence):
            read_actions(path, layout)


def test_columns_of_epic_that_nobody_asks_for_are_passed_over(tmp_path):
    """Quoted lists, windows line ends and a byte order mark, as spreadsheets write them."""
    path = tmp_path / "epic.csv"
    text = f"{HEADER},all_nouns\r\nP01,P01_01,8,202,3,3,open,door,\"['door', 'fridge']\"\r\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    (action,) = read_actions(path, "{participant_id}/videos/{video_id}.MP4")
    assert (action.path, action.words, action.line) == ("P01/videos/P01_01.MP4", "open door", 2)
    assert Vocabulary.of([action]).names == ("open door",)


def test_numbers_that_cannot_work_are_refused(root, tmp_path):
    with pytest.raises(ValueError, match="clips end 0 or more seconds before"):
        Protocol(seconds=-1.0)
    with pytest.raises(ValueError, match="inside is a range of shares"):
        Protocol(inside=(0.5, 0.1))
    with pytest.raises(ValueError, match=r"set transform\.sampling\.fps"):
        Actions(root="x", transform=ClipTransform())
    (tmp_path / "one.csv").write_text(table(TRAIN[:2]))
    alone = replace(actions(root), train=str(tmp_path / "one.csv"))
    with pytest.raises(ValueError, match="names one video only"):
        alone.split("train")


def test_a_missing_video_is_a_broken_sample(root):
    lost = replace(actions(root), layout="{video_id}.mov").split("test")
    with pytest.raises(BrokenSample, match=r"c, line 2 \(v0 n1\): there is no such file"):
        lost.get(0, 0, 0)
    assert np.isfinite(actions(root).split("test").get(0, 0, 0)["x"].numpy()).all()

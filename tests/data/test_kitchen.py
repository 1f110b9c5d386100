"""The kitchen: the same whenever it is drawn, true to its tables, and telling of what comes before it comes."""

import json
from collections import Counter

import numpy as np
import pytest
import torch

from jepakit.config import Config
from jepakit.data.annotations import read_actions
from jepakit.data.kitchen import COLORS, LAYOUT, TABLES, VIDEOS, KitchenVideos
from jepakit.data.kitchen_story import CLOSE, NOUNS, OPEN, PUT, SHAKE, TAKE, VERBS
from jepakit.data.video_decode import VideoFile

SMALL = KitchenVideos(train=3, validation=2, seconds=8, size=32)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kitchen")
    SMALL.write(folder)
    return folder


def test_a_video_depends_on_seed_part_and_number_alone():
    whole = KitchenVideos()
    once = whole.frames("train", 1)
    assert once.shape == (160, 64, 64, 3)
    assert np.array_equal(once, KitchenVideos(train=7).frames("train", 1))
    others = [whole.frames("train", 2), whole.frames("validation", 1), KitchenVideos(seed=1).frames("train", 1)]
    assert not any(np.array_equal(once, other) for other in others)
    assert Config.from_json(json.loads(json.dumps(whole.to_json()))) == whole


def test_acts_follow_the_grammar():
    """What is held is put or shaken, what is closed is taken or opened, what is open is closed; one act at a time."""
    for number in range(40):
        held, opened, before = None, set(), 0
        for act in KitchenVideos().story("train", number).acts:
            assert before < act.start < act.stop <= 160
            assert act.start - before >= 8, "the way takes a second or more"
            before = act.stop
            if held is not None:
                assert (act.verb, act.noun) in {(PUT, held), (SHAKE, held)}
            elif act.noun in opened:
                assert act.verb == CLOSE
            else:
                assert act.verb in (TAKE, OPEN)
            held = {TAKE: act.noun, PUT: None}.get(act.verb, held)
            opened = opened | {act.noun} if act.verb == OPEN else opened - {act.noun}


def test_frequencies_have_a_long_tail():
    counts = Counter((act.verb, act.noun) for n in range(300) for act in KitchenVideos().story("train", n).acts)
    assert len(counts) == len(VERBS) * len(NOUNS)
    ordered = [count for _, count in counts.most_common()]
    assert ordered[0] > 20 * ordered[-1]
    assert sum(ordered[:10]) > sum(ordered) / 2


def test_the_way_tells_of_the_thing():
    """A second before an act the dot is nearer to the thing than two seconds before, and seen to be on its way."""
    nearer, total = 0, 0
    for number in range(60):
        story = KitchenVideos().story("train", number)
        for act in story.acts:
            if act.verb in (TAKE, OPEN, CLOSE) and act.start >= 17:
                later, earlier = (
                    np.abs(story.dot[act.start - back] - story.things[act.start, act.noun]).sum() for back in (9, 13)
                )
                nearer, total = nearer + (later < earlier), total + 1
    assert 0.4 < nearer / total < 0.9


def test_frames_show_the_story():
    kitchen = KitchenVideos()
    story, frames = kitchen.story("train", 5), kitchen.frames("train", 5)
    act = next(act for act in story.acts if act.verb == TAKE)
    row, column = (story.things[act.start - 9, act.noun] * 64).astype(int)
    assert np.array_equal(frames[act.start - 9, row - 3, column - 3], COLORS[act.noun])
    assert not np.array_equal(frames[act.stop, row + 3, column + 3], COLORS[act.noun])
    row, column = (story.dot[0] * 64).astype(int)
    assert (frames[0, row, column] == 255).all()
    opening = next(act for number in range(20) for act in kitchen.story("train", number).acts if act.verb == OPEN)
    assert opening.stop > opening.start


def test_files_are_those_of_the_story(written):
    rows = read_actions(written / TABLES["train"], LAYOUT)
    acts = [act for number in range(3) for act in SMALL.story("train", number).acts]
    assert [(row.start, row.stop, row.verb, row.noun) for row in rows] == [
        (act.start, act.stop, act.verb, act.noun) for act in acts
    ]
    assert rows[0].words == f"{VERBS[acts[0].verb]} {NOUNS[acts[0].noun]}"
    assert (written / VIDEOS).read_text().split() == [f"K01/K01_00{number}.mp4" for number in range(3)]
    film = VideoFile(written / rows[0].path, "film")
    assert (film.clock.count, round(film.clock.rate)) == (64, 8)
    drawn = torch.from_numpy(SMALL.frames("train", 0))
    shown = torch.stack(list(film.frames(range(64)))).permute(0, 2, 3, 1)
    film.close()
    assert (drawn.float() - shown.float()).abs().mean() < 12


def test_a_folder_is_written_once_and_holds_one_kitchen(written):
    before = (written / TABLES["train"]).stat().st_mtime_ns
    SMALL.write(written)
    assert (written / TABLES["train"]).stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="holds a kitchen with other settings"):
        KitchenVideos(train=4, validation=2, seconds=8, size=32).write(written)


def test_sizes_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match="even number of pixels from 32 on, got 33"):
        KitchenVideos(size=33)
    with pytest.raises(ValueError, match="at least one video"):
        KitchenVideos(train=0)

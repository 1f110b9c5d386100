"""Every masker of a method asks its question about what is drawn, under a name that tells it from the others."""

from dataclasses import replace

import pytest
import torch

from jepakit.app.report.questions import ask
from jepakit.app.report.strip import Strip
from jepakit.contracts import Rows
from jepakit.family import ijepa, vjepa, vjepa21
from jepakit.parts.nn.position import grid
from jepakit.rivals import mae

CLIP, PICTURE = Strip((2, 4, 4)), Strip((1, 4, 4))


def asked(model, strip, count=3):
    return ask(model.build(), grid(strip.grid).expand(count, -1, -1), strip)


def test_the_two_families_of_v_jepa_go_by_their_published_names():
    found = asked(vjepa.TINY, CLIP)
    assert [(question.name, question.about) for question in found] == [
        ("short-range", "8 blocks of 15 % of a frame"),
        ("long-range", "2 blocks of 70 % of a frame"),
    ]
    turned = asked(replace(vjepa.TINY, blocks=((2, 0.7), (8, 0.15))), CLIP)
    assert [question.name for question in turned] == ["long-range", "short-range"]


def test_masks_are_those_that_the_maskers_draw_one_after_the_other():
    generator, places, found = torch.Generator().manual_seed(0), grid((2, 4, 4)).expand(3, -1, -1), []
    for masker in vjepa.TINY.build().maskers:
        split = masker(places, (2, 4, 4), generator, Rows(0, 3, 3))
        found.append((CLIP.place(split.context), CLIP.place(split.targets)))
    for question, (context, targets) in zip(asked(vjepa.TINY, CLIP), found, strict=True):
        assert question.split.context.equal(context)
        assert question.split.targets.equal(targets)


def test_clips_and_pictures_are_asked_by_their_own_masker():
    clips, pictures = asked(vjepa21.TINY, CLIP), asked(vjepa21.TINY, PICTURE)
    assert [question.name for question in clips] == ["short-range", "long-range"]
    assert [(question.name, question.about) for question in pictures] == [("", "10 blocks of 15 % of a frame")]


@pytest.mark.parametrize(
    ("blocks", "names"),
    [
        (((3, 0.2),), [("", "3 blocks of 20 % of a frame")]),
        (
            ((1, 0.5), (2, 0.5)),
            [("question 1", "1 block of 50 % of a frame"), ("question 2", "2 blocks of 50 % of a frame")],
        ),
    ],
)
def test_other_families_are_numbered_unless_they_are_alone(blocks, names):
    assert [(question.name, question.about) for question in asked(replace(vjepa.TINY, blocks=blocks), CLIP)] == names


def test_what_is_no_tube_is_not_described_as_one():
    picture = Strip((4, 4))
    assert [question.about for question in asked(ijepa.TINY, picture)] == [""]
    assert [question.about for question in asked(mae.TINY, picture)] == [""]

"""Frames are chosen as was computed by hand, and never beyond the video."""

import itertools

import pytest
import torch

from jepakit.data.frames import Clock, Sampling, reference, regular_clock, slide, uniform

LIMPING = Clock(6, torch.tensor([0.0, 0.1, 0.2, 1.0, 1.1, 2.0], dtype=torch.float64))


def test_the_reference_spreads_over_both_ends_of_the_window():
    """16 frames of step 4: 64/15 frames apart, floored; the end itself is one frame too far."""
    expected = [0, 4, 8, 12, 17, 21, 25, 29, 34, 38, 42, 46, 51, 55, 59, 63]
    assert reference(65, 16, 4, share=0.0).tolist() == expected
    assert reference(64, 16, 4).tolist() == expected
    assert reference(100, 16, 4, share=0.5).tolist() == [18 + frame for frame in expected]
    assert reference(100, 16, 4, share=0.999).tolist() == [35 + frame for frame in expected]
    assert reference(200, 16, 4, share=0.0, segment=1, segments=2).tolist() == [100 + frame for frame in expected]


def test_the_reference_cuts_a_short_video_down_and_holds_its_last_frame():
    """10 frames of step 4 are two places, 0 and 10, of which the second is one too far."""
    assert reference(10, 6, 4).tolist() == [0, 9, 9, 9, 9, 9]
    assert reference(3, 4, 4).tolist() == [2, 2, 2, 2]
    assert reference(20, 6, 4).tolist() == [0, 5, 10, 15, 19, 19]
    assert reference(20, 6, 4, short="loop").tolist() == [0, 5, 10, 15, 19, 0]


def test_segments_of_the_reference_overlap_where_there_is_no_room():
    """A window of 8 in 12 frames: the second begins at (12 - 8) // 1; three places in 0..7, ended early."""
    assert reference(12, 4, 2, segment=0, segments=2).tolist() == [0, 3, 6, 6]
    assert reference(12, 4, 2, segment=1, segments=2).tolist() == [4, 7, 10, 10]
    assert reference(6, 4, 2, segment=1, segments=2).tolist() == [0, 4, 4, 4]


def test_uniform_takes_every_step():
    assert uniform(20, 4, 3, share=0.0).tolist() == [0, 3, 6, 9]
    assert uniform(20, 4, 3, share=0.5).tolist() == [5, 8, 11, 14]
    assert uniform(20, 4, 3, share=0.999).tolist() == [10, 13, 16, 19]
    assert uniform(10, 4, 3).tolist() == [0, 3, 6, 9]
    assert [uniform(40, 4, 3, "hold", 0.5, segment, 2).tolist() for segment in (0, 1)] == [
        [5, 8, 11, 14],
        [25, 28, 31, 34],
    ]
    assert [uniform(14, 4, 3, "hold", 0.5, segment, 3).tolist()[0] for segment in (0, 1, 2)] == [0, 2, 4]


def test_a_short_video_holds_its_last_frame_or_starts_over():
    assert uniform(7, 4, 3, "hold").tolist() == [0, 3, 6, 6]
    assert uniform(7, 4, 3, "loop").tolist() == [0, 3, 6, 2]
    assert Sampling(frames=4, step=None, fps=1.0, policy="uniform").choose(regular_clock(4, 2.0)).tolist() == [
        0,
        2,
        3,
        3,
    ]
    looping = Sampling(frames=4, step=None, fps=1.0, policy="uniform", short="loop")
    assert looping.choose(regular_clock(4, 2.0)).tolist() == [0, 2, 0, 2]


def test_a_single_frame_is_repeated():
    for sampling in (Sampling(frames=4), Sampling(frames=4, step=None, fps=2.0, policy="uniform", short="loop")):
        assert sampling.choose(Clock(1)).tolist() == [0, 0, 0, 0]


def test_frames_go_by_the_clock_and_not_by_its_average():
    """At 0, 0.5, 1.0 and 1.5 s the screen shows what came at 0, 0.2, 1.0 and 1.1 s; the film lasts 2.4 s."""
    sampling = Sampling(frames=4, step=None, fps=2.0, policy="uniform")
    assert sampling.choose(LIMPING, share=0.0).tolist() == [0, 2, 3, 4]
    assert sampling.choose(LIMPING, share=0.999).tolist() == [2, 4, 4, 5]
    assert LIMPING.rate == pytest.approx(2.5)


def test_rounded_clocks_do_not_skip_frames():
    """30 frames a second in whole milliseconds, as Matroska has them: every third frame is 0.1 s later."""
    for shift in (-5e-4, 0.0, 5e-4):
        starts = torch.round(torch.arange(60, dtype=torch.float64) / 30 + shift, decimals=3)
        chosen = Sampling(frames=16, step=None, fps=10.0, policy="uniform").choose(Clock(60, starts), share=0.0)
        assert chosen.tolist() == list(range(0, 48, 3))


def test_the_reference_rounds_frames_a_second_to_a_step():
    """30 // 4 is 7, 29.97 counts as 30, and where a video is slower than asked, every frame is taken."""
    sampling = Sampling(frames=4, step=None, fps=4.0)
    for rate, step in ((30.0, 7), (30_000 / 1001, 7), (25.0, 6), (3.0, 1)):
        assert torch.equal(sampling.choose(regular_clock(90, rate)), reference(90, 4, step))


def test_segments_by_the_clock_lie_in_equal_parts_of_the_time():
    clock = regular_clock(40, 10.0)
    sampling = Sampling(frames=3, step=None, fps=5.0, policy="uniform")
    starts = [sampling.choose(clock, 0.0, segment, 4).tolist() for segment in range(4)]
    assert starts == [[0, 2, 4], [10, 12, 14], [20, 22, 24], [30, 32, 34]]


@pytest.mark.parametrize("policy", ["reference", "uniform"])
@pytest.mark.parametrize("short", ["hold", "loop"])
@pytest.mark.parametrize("by_time", [False, True])
def test_no_frame_is_ever_out_of_range(policy, short, by_time):
    sampling = Sampling(frames=8, step=None if by_time else 3, fps=9.0 if by_time else None, policy=policy, short=short)
    for count, segments, share in itertools.product(
        (1, 2, 3, 7, 22, 24, 25, 49, 100), (1, 2, 3, 8), (0.0, 0.5, 0.9999)
    ):
        for segment in range(segments):
            chosen = sampling.choose(regular_clock(count, 30.0), share, segment, segments)
            assert chosen.shape == (8,)
            assert chosen.min() >= 0
            assert chosen.max() < count
            if short == "hold":
                assert (chosen.diff() >= 0).all()


def test_random_places_reach_both_ends_of_a_video():
    sampling = Sampling(frames=4, step=2, policy="uniform")
    shares = torch.rand(500, generator=torch.Generator().manual_seed(0)).tolist()
    firsts = {int(sampling.choose(Clock(12), share)[0]) for share in shares}
    assert firsts == set(range(6))


UNIFORM = Sampling(frames=4, step=2, policy="uniform")


def test_windows_follow_end_to_end_and_the_last_one_ends_with_the_video():
    assert slide(Clock(16), UNIFORM).frames.tolist() == [[0, 2, 4, 6], [8, 10, 12, 14]]
    assert slide(Clock(15), UNIFORM).frames.tolist() == [[0, 2, 4, 6], [8, 10, 12, 14]]
    assert slide(Clock(17), UNIFORM).frames.tolist() == [[0, 2, 4, 6], [8, 10, 12, 14], [10, 12, 14, 16]]


def test_windows_start_a_stride_of_seconds_apart():
    assert slide(regular_clock(13, 10.0), UNIFORM, stride=0.3).frames[:, 0].tolist() == [0, 3, 6]
    assert slide(regular_clock(40, 10.0), UNIFORM, stride=1.5).frames[:, 0].tolist() == [0, 15, 30, 33]
    with pytest.raises(ValueError, match="it has no clock"):
        slide(Clock(40), UNIFORM, stride=1.5)
    with pytest.raises(ValueError, match="stride is the seconds"):
        slide(regular_clock(40, 10.0), UNIFORM, stride=0.0)


@pytest.mark.parametrize("policy", ["reference", "uniform"])
@pytest.mark.parametrize("by", [{"step": 3}, {"step": None, "fps": 7.0}])
def test_a_window_holds_the_frames_of_a_video_that_is_as_long(policy, by):
    sampling = Sampling(frames=8, policy=policy, **by)
    plan = slide(regular_clock(200, 20.0), sampling)
    window = 24 if "fps" not in by or policy == "uniform" else 16
    alone = sampling.choose(regular_clock(window, 20.0), 0.0)
    assert plan.frames[0].tolist() == alone.tolist()
    assert not plan.is_short
    assert plan.frames.max() > 199 - 3


def test_windows_in_time_go_by_an_irregular_clock():
    times = [0.0, 0.1, 0.2, 1.0, 1.1, 2.0, 2.5, 3.0, 3.9]
    clock = Clock(len(times), torch.tensor(times, dtype=torch.float64))
    plan = slide(clock, Sampling(frames=2, step=None, fps=2.0, policy="uniform"))
    assert plan.frames.tolist() == [[0, 2], [3, 4], [5, 6], [7, 7], [7, 8]]


@pytest.mark.parametrize("by", [{"step": 2}, {"step": None, "fps": 5.0}])
@pytest.mark.parametrize("policy", ["reference", "uniform"])
def test_a_video_shorter_than_a_window_gives_one_that_is_filled_up(policy, by):
    sampling = Sampling(frames=4, policy=policy, **by)
    plan = slide(regular_clock(3, 10.0), sampling)
    assert plan.is_short
    assert plan.frames.tolist() == [sampling.choose(regular_clock(3, 10.0)).tolist()]
    assert slide(Clock(1), sampling).frames.tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"frames": 0}, "frames is how many"),
        ({"step": 0}, "step is a number of frames"),
        ({"fps": 4.0}, "either step or fps"),
        ({"step": None}, "either step or fps"),
        ({"step": None, "fps": -1.0}, "fps is frames a second"),
    ],
)
def test_numbers_that_cannot_work_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        Sampling(**changes)


def test_a_missing_or_broken_clock_is_told():
    sampling = Sampling(frames=4, step=None, fps=4.0)
    with pytest.raises(ValueError, match="no clock"):
        sampling.choose(Clock(30))
    with pytest.raises(ValueError, match="do not increase"):
        sampling.choose(Clock(3, torch.zeros(3, dtype=torch.float64)))
    with pytest.raises(ValueError, match="share is in"):
        sampling.choose(regular_clock(30, 30.0), share=1.0)

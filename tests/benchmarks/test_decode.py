"""All sides of the decoding benchmark read the same frames: else their times could not be compared."""

import torch

from benchmarks.decode import FRAMES, HEIGHT, WIDTH, installed, make_work, read

LENGTH = 90


def test_all_sides_read_the_same_frames(tmp_path):
    for path, index in make_work(tmp_path, 1, LENGTH):
        assert len(index) == FRAMES
        assert 0 <= index[0] < index[-1] < LENGTH
        ours = read(path, index)
        assert ours.shape == (FRAMES, 3, HEIGHT, WIDTH)
        assert len({frame.float().mean().item() for frame in ours}) == FRAMES, "the film moves"
        for name, side in installed().items():
            difference = (side(path, index).int() - ours.int()).abs().float()
            assert difference.mean() < 1.5, f"{name} reads other frames, or other colors"
            assert name != "PyAV" or torch.equal(side(path, index), ours)

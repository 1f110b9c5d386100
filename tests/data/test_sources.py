"""Parts are drawn by a hash of names, and what they lack is told."""

import torch

from jepakit.data.sources import PARTS, Listing, settle_parts


def listing(per_class, parts=None):
    names = [f"{label}/{number}.mp4" for label in ("cat", "dog") for number in range(per_class)]
    return Listing(names, torch.arange(2).repeat_interleave(per_class), ("cat", "dog"), parts)


def test_a_sample_stays_in_the_part_that_its_name_was_drawn_for():
    """Figures that were told once can be compared as long as these do not move."""
    settled = settle_parts(listing(30))
    drawn = {
        part: [settled.names[row] for row in torch.nonzero(settled.parts == code)[:, 0]]
        for code, part in enumerate(PARTS)
    }
    assert drawn["test"] == ["cat/15.mp4", "cat/27.mp4", "dog/6.mp4", "dog/22.mp4", "dog/24.mp4", "dog/25.mp4"]
    assert drawn["validation"] == ["cat/13.mp4", "cat/14.mp4", "cat/17.mp4", "dog/12.mp4", "dog/29.mp4"]


def test_a_part_that_lacks_classes_is_told_before_anything_is_trained():
    parts = torch.tensor([0, 0, 1, 2, 0, 0, 1, 0])
    (note,) = settle_parts(listing(4, parts)).notes
    assert note.startswith(
        "the test part has 1 of 8 labeled samples and none of 1 of 2 classes (dog), so figures of it"
    )
    assert "folders called train and test with all classes in each" in note
    assert settle_parts(listing(4, torch.tensor([0, 0, 1, 2, 0, 0, 1, 2]))).notes == ()


def test_a_draw_that_leaves_nothing_to_test_on_is_told():
    notes = settle_parts(listing(2)).notes
    assert any(
        "the test part has 0 of 4 labeled samples and none of 2 of 2 classes (cat, dog)" in note for note in notes
    )


def test_samples_without_labels_lack_nothing():
    assert settle_parts(Listing(["a.mp4", "b.mp4"])).notes == ()

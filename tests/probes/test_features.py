"""Features are those of the backbone in evaluation mode, in order, and broken samples are named, never replaced."""

import pytest
import torch
from probed import Arrays, Projection, pictures

from jepakit.probes.census import Counted
from jepakit.probes.features import Pixels, batches, extract, raw_pixels


def test_features_are_the_mean_tokens_of_each_sample_in_order():
    backbone, dataset = Projection().train(), pictures(11)
    features = extract(backbone, dataset, batch=4)
    with torch.inference_mode():
        expected = torch.cat([backbone.eval()(dataset.x[i : i + 1]).values.mean(1) for i in range(len(dataset))])
    torch.testing.assert_close(features.x, expected, rtol=1e-6, atol=1e-6)
    assert features.labels.equal(dataset.labels)
    assert features.names == tuple(f"picture {i}" for i in range(33))
    assert features.unreadable == ()


def test_the_mode_of_every_module_is_put_back():
    backbone = Projection().train()
    backbone.dropout.eval()
    extract(backbone, pictures(2))
    assert backbone.training
    assert not backbone.dropout.training


def test_features_are_plain_tensors_that_heads_can_be_trained_on():
    x = extract(Projection(), pictures(2)).x
    assert not x.requires_grad
    assert not x.is_inference()


def test_levels_stand_side_by_side_and_the_last_is_the_output():
    backbone, dataset = Projection(), pictures(5)
    deep = extract(backbone, dataset, layers=(-4, -3, -2, -1)).x
    last = extract(backbone, dataset).x
    assert deep.shape == (15, 24)
    assert deep[:, -6:].equal(last)
    torch.testing.assert_close(deep[:, :6], last / 4)


def test_broken_samples_are_named_and_leave_no_row():
    dataset = pictures(4, broken=(0, 1, 2, 3, 7))
    features = extract(Projection(), dataset, batch=4)
    assert len(features) == 7
    assert features.unreadable == ("picture 0", "picture 1", "picture 2", "picture 3", "picture 7")
    assert features.reasons == tuple(f"{name} cannot be read" for name in features.unreadable)
    kept = [4, 5, 6, 8, 9, 10, 11]
    assert features.labels.equal(dataset.labels[kept])
    assert features.x.equal(extract(Projection(), Arrays(dataset.x[kept], dataset.labels[kept])).x)


class Uneven(Arrays):
    """Pictures, of which number 5 is larger."""

    def get(self, index, epoch, seed):
        sample = super().get(index, epoch, seed)
        return {**sample, "x": sample["x"].repeat(1, 2, 2)} if index == 5 else sample


@pytest.mark.parametrize("batch", [1, 2, 8, 12])
def test_a_sample_of_another_shape_has_its_row_whatever_stands_beside_it(batch):
    even = pictures(4)
    counted = Counted(Uneven(even.x, even.labels, broken=(2,)))
    features = extract(Projection(), counted, batch=batch)
    assert features.unreadable == counted.unreadable == ("picture 2",)
    assert features.names == tuple(f"picture {row}" for row in range(12) if row != 2)
    assert features.labels.equal(even.labels[[row for row in range(12) if row != 2]])
    alone = [extract(Projection(), Uneven(even.x, even.labels), batch=1).x[row] for row in range(12) if row != 2]
    torch.testing.assert_close(features.x, torch.stack(alone))


def test_rows_of_another_length_cannot_stand_in_one_table_and_are_named():
    """All pixels of a larger picture are more numbers; which ones are kept does not depend on the batch."""
    even = pictures(4)
    for batch in (1, 2, 12):
        counted = Counted(Uneven(even.x, even.labels, broken=(2,)))
        features = raw_pixels(counted, batch=batch)
        assert features.unreadable == counted.unreadable == ("picture 2", "picture 5")
        assert features.reasons == counted.reasons
        assert features.reasons[1].startswith("picture 5: its shape gives 64 features where the others give 16")
        assert counted.readable == len(features) == 10
        assert features.labels.equal(even.labels[[row for row in range(12) if row not in (2, 5)]])


def test_batches_that_are_stacked_with_others_name_what_does_not_fit():
    even = pictures(4)
    counted = Counted(Uneven(even.x, even.labels, broken=(2,)))
    (read,) = batches(counted, range(12), 12)
    assert read.unreadable == counted.unreadable == ("picture 2", "picture 5")
    assert read.broken[5] == counted.reasons[1]
    assert counted.reasons[1].startswith("picture 5: it holds x [1, 8, 8] where the others of its batch hold x [1, 4, ")
    assert read.index == (0, 1, 3, 4, 6, 7, 8, 9, 10, 11)


def test_a_set_without_readable_samples_is_refused():
    with pytest.raises(ValueError, match="none of the 3 samples can be read; the first is picture 0"):
        extract(Projection(), pictures(1, broken=(0, 1, 2)))


def test_samples_without_labels_have_features():
    features = extract(Projection(), Arrays(torch.randn(3, 1, 4, 4)))
    assert features.labels is None
    assert len(features) == 3


def test_raw_pixels_are_all_numbers_of_a_sample():
    x = torch.randn(5, 3, 4, 6)
    features = raw_pixels(Arrays(x))
    assert features.x.shape == (5, 72)
    assert features.x.sort(dim=1)[0].equal(x.flatten(1).sort(dim=1)[0])


def test_pixels_are_tokens_at_their_places():
    x = torch.randn(2, 3, 4, 5)
    tokens = Pixels(3)(x, keep=torch.tensor([[7], [19]]))
    assert tokens.values[1, 0].equal(x[1, :, 3, 4])
    assert tokens.coords[:, 0].tolist() == [[1, 2], [3, 4]]
    with pytest.raises(ValueError, match="one level"):
        Pixels(3)(x, layers=(0, 1))


def test_batches_come_in_order_whatever_the_threads_do():
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1)).tolist()
    read = list(batches(pictures(10), order, 4))
    assert [number for batch in read for number in batch.index] == order
    assert [len(batch.index) for batch in read] == [4] * 7 + [2]


def test_an_error_that_is_not_a_broken_sample_is_not_swallowed():
    dataset = pictures(3)
    dataset.get = lambda index, epoch, seed: 1 / 0
    with pytest.raises(ZeroDivisionError):
        extract(Projection(), dataset)


def test_large_raw_samples_are_averaged_until_they_fit():
    clip = torch.arange(2 * 3 * 4 * 5.0).view(1, 2, 3, 4, 5).expand(2, -1, -1, -1, -1)
    whole = Pixels(2)(clip)
    small = Pixels(2, most=40)(clip)
    assert whole.extent == (3, 4, 5)
    assert small.extent == (3, 2, 3)
    assert torch.equal(small.values[0, 0, 0], clip[0, 0, 0, :2, :2].mean())
    assert torch.equal(Pixels(2, most=120)(clip).values, whole.values)

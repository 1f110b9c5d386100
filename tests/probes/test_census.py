"""What was read is counted once, and what could not be is named."""

import pytest
from probed import pictures

from jepakit.contracts import BrokenSample
from jepakit.probes.census import Census, Counted


def test_samples_are_counted_once_and_broken_ones_named():
    whole = pictures(5, seed=1)
    whole.broken = {3}
    counted = Counted(whole)
    for index in (0, 1, 0, 2):
        assert counted.get(index, 0, 0)["x"].equal(whole.x[index])
    for _ in range(2):
        with pytest.raises(BrokenSample, match="picture 3"):
            counted.get(3, 0, 0)
    census = Census.of(counted, Counted(whole), Counted(whole))
    assert census.sizes == {"train": 3, "validation": 0, "test": 0}
    assert census.unreadable["train"] == ("picture 3",)
    assert census.reasons["train"] == ("picture 3 cannot be read",)
    assert (len(counted), counted.name(1), counted.classes) == (len(whole), whole.name(1), whole.classes)
    assert counted.order(1, 2).equal(whole.order(1, 2))

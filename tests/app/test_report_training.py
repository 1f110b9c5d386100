"""What stands below the curves is what was done."""

from dataclasses import replace

import pytest

from jepakit.app.report.record import read_record
from jepakit.app.report.training import show_curves
from jepakit.train.optimize import AdamW


@pytest.mark.parametrize(
    ("optimizer", "rate", "decay"),
    [
        (AdamW(), "Up during warmup, then down a cosine.", "It rises along a cosine"),
        (AdamW(warmup=0.0, decay=(0.4, 0.1)), "It goes down a cosine.", "It falls along a cosine"),
        (AdamW(horizon=1.25, decay=(0.1, 0.1)), "whose end would come later", "The same throughout"),
        (AdamW(cooldown=0.2), "constant, and down a line during the cooldown", "It rises along a cosine"),
    ],
)
def test_the_courses_of_rate_and_decay_are_those_of_the_run(finished_run, optimizer, rate, decay):
    record = read_record(finished_run)
    page = show_curves(replace(record, run={**record.run, "optimizer": optimizer.to_json()}), None)
    assert rate in page
    assert decay in page

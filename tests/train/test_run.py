import json

import pytest
from tiny_engine import NoTransform, Points, Tiny

from jepakit.train.run import Keep, Run, Stage
from jepakit.train.watch import Watch


def make(**changes):
    return Run(model=Tiny(), data=Points(), steps=10, **changes)


def test_a_run_travels_as_json():
    run = make(clip=1.0, keep=Keep(every=3, forever=9), sinks=("tensorboard", "wandb"), watch=Watch(action="warn"))
    assert Run.from_json(json.loads(json.dumps(run.to_json())), trusted=True) == run


def test_a_run_of_an_older_version_is_read_with_what_it_meant():
    written = make().to_json()
    del written["stages"], written["optimizer"]["cooldown"]
    assert Run.from_json(written, trusted=True) == make()
    del written["steps"]
    with pytest.raises(ValueError, match="lacks steps"):
        Run.from_json(written, trusted=True)


def test_defaults_are_valid():
    make().validate()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"batch": 0}, "batch"),
        ({"batch": 2, "accumulate": 3}, "micro-batches"),
        ({"clip": -1.0}, "clip"),
        ({"keep": Keep(last=0)}, "keep.last"),
        ({"max_broken_share": 1.5}, "max_broken_share"),
        ({"workers": -1}, "workers"),
        ({"log_every": 0}, "log_every"),
        ({"watch": Watch(views=1)}, "views"),
        ({"watch": Watch(every=0)}, "watch.every"),
        ({"watch": Watch(share=1.0)}, "watch.share"),
        ({"stages": (Stage(begins=0.5, data=Points()), Stage(begins=0.5, data=Points()))}, "stages"),
        ({"stages": (Stage(begins=1.0, data=Points()),)}, "stages"),
        ({"probes": (NoTransform(),)}, "every and no online"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(changes, word):
    with pytest.raises(ValueError, match=word):
        make(**changes).validate()


def test_data_without_a_transform_is_refused():
    with pytest.raises(ValueError, match="no transform"):
        Run(model=Tiny(), data=NoTransform(), steps=1).validate()

import signal
from itertools import chain

import pytest
import torch
from tiny_engine import Points, PointSet, Tiny

from jepakit.contracts import Rows
from jepakit.train.batches import Batches, Broken, Order, Source, choose_workers, ignore_signals, sources
from jepakit.train.parallel import Place
from jepakit.train.run import Run, Stage


def place(rank=0, ranks=1):
    return Place(rank=rank, ranks=ranks, device=torch.device("cpu"), mode="single", dtype=torch.float32)


def make(**changes):
    return Run(**{"model": Tiny(), "data": Points(count=10), "steps": 7, "batch": 4, "workers": 0, **changes})


def order(run, first=0, **where):
    return list(Order(sources(run), run, place(**where), first))


def test_every_epoch_visits_every_sample_once():
    pairs = [pair for step in order(make(steps=5)) for pair in step]
    for epoch in (0, 1):
        assert sorted(index for _, index, of in pairs if of == epoch) == list(range(10))


def test_epochs_have_different_orders_that_depend_on_the_seed():
    first, second = ([i for _, i, of in chain.from_iterable(order(make(steps=5))) if of == epoch] for epoch in (0, 1))
    assert first != second
    assert order(make()) == order(make())
    assert order(make(seed=1)) != order(make())


def test_the_order_from_a_step_on_is_the_rest_of_the_order():
    assert order(make(), first=3) == order(make())[3:]


def test_ranks_share_a_batch_without_overlap_and_in_order():
    run = make(batch=5)
    parts = [order(run, rank=rank, ranks=3) for rank in range(3)]
    for step, whole in enumerate(order(run)):
        assert list(chain.from_iterable(part[step] for part in parts)) == whole
    assert {len(part[0]) for part in parts} == {1, 2}


def read_all(run):
    with Batches(sources(run), run, place(), 0) as batches:
        return [batches.read() for _ in range(run.steps)]


def test_a_stage_reads_its_own_data_in_epochs_of_its_own():
    """From the share where it begins; resumed in the middle it goes on as it would have."""
    later = Stage(begins=0.5, data=Points(count=3))
    steps = order(make(steps=6, stages=(later,)))
    assert [{source for source, _, _ in step} for step in steps] == [{0}] * 3 + [{1}] * 3
    assert steps[:3] == order(make(steps=3))
    second = [(index, epoch) for step in steps[3:] for _, index, epoch in step]
    assert [sorted(index for index, of in second if of == epoch) for epoch in range(4)] == [[0, 1, 2]] * 4
    assert order(make(steps=6, stages=(later,)), first=4) == steps[4:]
    assert [len(batch.samples["x"]) for batch in read_all(make(steps=6, stages=(later,)))] == [4] * 6


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker processes:UserWarning")  # on a single core
def test_workers_give_the_same_batches_as_reading_in_the_loop():
    for one, other in zip(read_all(make(workers=0)), read_all(make(workers=2)), strict=True):
        assert torch.equal(one.samples["x"], other.samples["x"])


def test_broken_samples_are_named_and_never_replaced():
    run = make(data=Points(count=10, broken=(3,)), steps=5)
    batches = read_all(run)
    broken = [sample for batch in batches for sample in batch.broken]
    assert broken == [Broken(3, 0, "point 3", "point 3 is torn"), Broken(3, 1, "point 3", "point 3 is torn")]
    assert sorted(batch.count for batch in batches) == [3, 3, 4, 4, 4]
    assert all(len(batch.samples["x"]) == batch.count for batch in batches)


def test_a_batch_of_broken_samples_is_empty():
    (batch,) = read_all(make(data=Points(count=4, broken=(0, 1, 2, 3)), steps=1))
    assert batch.count == 0
    assert len(batch.broken) == 4


class Odd(PointSet):
    """Points, of which number 3 has a dimension too many, and number 5 a label."""

    def get(self, index, epoch, seed):
        sample = super().get(index, epoch, seed)
        if index == 3:
            return {"x": torch.cat([sample["x"], sample["x"][:1]])}
        return {**sample, "label": torch.tensor(1)} if index == 5 else sample


@pytest.mark.filterwarnings("ignore:This DataLoader will create 1 worker:UserWarning")
@pytest.mark.parametrize("workers", [0, 1])
def test_samples_of_another_shape_are_named_and_never_replaced(workers):
    run = make(batch=10, steps=1, workers=workers)
    with Batches([Source(0, Odd(10, 6, (7,), wide=False))], run, place(), 0) as batches:
        batch = batches.read()
    assert batch.samples["x"].shape == (7, 6)
    assert batch.count == 7
    told = {sample.index: sample.reason.partition(";")[0] for sample in batch.broken}
    assert told == {
        3: "it holds x [7] where the others of its batch hold x [6]",
        5: "it holds label [] where the others of its batch hold nothing more",
        7: "point 7 is torn",
    }


def test_micro_batches_cover_the_batch_and_know_their_rows():
    (batch,) = read_all(make(batch=7, steps=1))
    parts = list(batch.cut(3, first=10, total=40))
    assert torch.equal(torch.cat([samples["x"] for samples, _ in parts]), batch.samples["x"])
    assert [rows for _, rows in parts] == [Rows(10, 2, 40), Rows(12, 2, 40), Rows(14, 3, 40)]


def test_waiting_is_measured(monkeypatch):
    run = make(steps=3)
    dataset = run.data.build()
    clock = iter([0.0, 2.0, 10.0, 10.5])
    monkeypatch.setattr("jepakit.train.batches.time.perf_counter", lambda: next(clock))
    with Batches([Source(0, dataset)], run, place(), 0) as batches:
        batches.read()
        batches.read()
        assert batches.waited == 2.5


def test_the_number_of_workers_leaves_cores_to_the_run(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(12)))
    assert choose_workers(None) == 6
    assert choose_workers(0) == 0
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert choose_workers(None) == 1


def test_workers_leave_signals_to_the_run():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        ignore_signals(0)
        assert signal.getsignal(signal.SIGINT) == signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])

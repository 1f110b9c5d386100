import json
import os
import shutil
import signal
import time
from dataclasses import dataclass, replace

import pytest
import torch
from tiny_engine import Points, Tiny

from jepakit.config import Config
from jepakit.train.fit import fit
from jepakit.train.log import read_run
from jepakit.train.run import Keep, Run
from jepakit.train.stops import Collapsed, Interrupted, TooManyBroken
from jepakit.train.watch import Watch


def make(**changes):
    defaults = {
        "model": Tiny(), "data": Points(), "steps": 10, "batch": 8, "workers": 0, "threads": 1, "sinks": (),
        "log_every": 1, "keep": Keep(every=5), "watch": Watch(action="off"),
    }  # fmt: skip
    return Run(**{**defaults, **changes})


def lines(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def losses(out):
    return [(line["step"], line["loss"]) for line in lines(out) if "loss" in line]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def cut_back(whole, halves, step):
    """What is left of a run that was killed after `step`."""
    shutil.copytree(whole, halves)
    for folder in halves.glob("step-*"):
        if int(folder.name[5:]) > step:
            shutil.rmtree(folder)


def test_the_loss_falls_and_the_average_follows(tmp_path):
    run = make(steps=60, batch=32)
    fit(run, tmp_path / "a")
    found = [loss for _, loss in losses(tmp_path / "a")]
    assert len(found) == 60
    assert sum(found[-5:]) < 0.7 * sum(found[:5])


@pytest.mark.parametrize("changes", [{}, {"workers": 1}, {"accumulate": 3, "clip": 0.5}, {"skip_spikes": 3.0}])
def test_ten_steps_are_five_and_five(tmp_path, changes):
    run = make(**changes)
    whole = fit(run, tmp_path / "whole")
    cut_back(tmp_path / "whole", tmp_path / "halves", 5)
    halves = fit(read_run(tmp_path / "halves", trusted=True), tmp_path / "halves", resume=True)
    assert same(whole, halves)
    assert losses(tmp_path / "halves") == losses(tmp_path / "whole")


def test_recomputed_activations_change_nothing(tmp_path):
    plain = fit(make(), tmp_path / "plain")
    recomputed = fit(make(checkpoint_activations=True), tmp_path / "recomputed")
    assert plain.state_dict().keys() == recomputed.state_dict().keys()
    assert same(plain, recomputed)


def test_micro_batches_give_the_same_gradient(tmp_path):
    model = Tiny(wide=True, dropout=0.0)
    data = Points(wide=True)
    one = fit(make(model=model, data=data), tmp_path / "one")
    three = fit(make(model=model, data=data, accumulate=3), tmp_path / "three")
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, three.state_dict()[name], rtol=1e-9, atol=1e-12)


def test_a_finished_run_is_returned_as_it_is(tmp_path):
    whole = fit(make(), tmp_path)
    before = (tmp_path / "metrics.jsonl").read_text()
    assert same(whole, fit(make(), tmp_path, resume=True))
    assert (tmp_path / "metrics.jsonl").read_text() == before


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_again(tmp_path):
    whole = fit(make(), tmp_path / "whole")
    cut_back(tmp_path / "whole", tmp_path / "halves", 0)
    assert same(whole, fit(make(), tmp_path / "halves", resume=True))
    assert losses(tmp_path / "halves") == losses(tmp_path / "whole")


def test_the_caller_keeps_its_random_numbers_and_threads(tmp_path):
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    fit(make(), tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_nothing_is_overwritten_and_nothing_resumed_from_nowhere(tmp_path):
    fit(make(steps=1), tmp_path / "a")
    with pytest.raises(ValueError, match="already holds a run"):
        fit(make(), tmp_path / "a")
    with pytest.raises(ValueError, match="no run to resume"):
        fit(make(), tmp_path / "b", resume=True)


def test_foreign_weights_are_filled_in_once_and_their_origin_is_kept(tmp_path):
    calls = []

    def fill(method):
        calls.append(method)
        torch.nn.init.zeros_(method.predictor.weight)
        return {"source": "a file", "licence": "MIT"}

    fit(make(start_from="a file"), tmp_path, initialize=fill)
    shutil.rmtree(tmp_path / "step-00000010")
    fit(make(start_from="a file"), tmp_path, resume=True, initialize=fill)
    assert len(calls) == 1
    assert json.loads((tmp_path / "step-00000010" / "config.json").read_text())["licence"] == "MIT"


def test_foreign_weights_that_nobody_reads_are_refused(tmp_path):
    with pytest.raises(ValueError, match="starts from here"):
        fit(make(start_from="here"), tmp_path)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_step_saves_and_goes_on_exactly(tmp_path, monkeypatch, number, code):
    whole = fit(make(), tmp_path / "whole")
    from tiny_engine import TinyMethod

    after_step = TinyMethod.after_step

    def interrupted(self, step):
        after_step(self, step)
        if step.index == 6:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    monkeypatch.setattr(TinyMethod, "after_step", interrupted)
    with pytest.raises(Interrupted, match=r"after step 7 of 10.*--resume") as stop:
        fit(make(), tmp_path / "cut")
    assert stop.value.code == code
    assert signal.getsignal(number) == before
    assert (tmp_path / "cut" / "step-00000007").is_dir()
    monkeypatch.setattr(TinyMethod, "after_step", after_step)
    assert same(whole, fit(make(), tmp_path / "cut", resume=True))


def test_broken_samples_are_counted_named_and_never_replaced(tmp_path):
    run = make(data=Points(count=40, broken=(3, 17)), steps=5)
    fit(run, tmp_path)
    named = [json.loads(line) for line in (tmp_path / "broken.jsonl").read_text().splitlines()]
    assert sorted(line["name"] for line in named) == ["point 17", "point 3"]
    assert {line["reason"] for line in named} == {"point 3 is torn", "point 17 is torn"}
    assert lines(tmp_path)[-1]["broken"] == 2


def test_the_end_of_a_run_says_what_was_left_out_and_where_it_lies(tmp_path, capsys):
    """Each broken sample is met once an epoch, and named once."""
    run = make(data=Points(count=40, broken=(3, 17, 20, 31)), steps=15, max_broken_share=0.2)
    fit(run, tmp_path)
    broken = [json.loads(line) for line in (tmp_path / "broken.jsonl").read_text().splitlines()]
    names = list(dict.fromkeys(line["name"] for line in broken))
    *_, left_out, lies = capsys.readouterr().err.splitlines()
    assert (len(broken), len(names)) == (12, 4)
    assert left_out == (
        f"12 of 120 samples were left out, for 4 in the data could not be read: {', '.join(names[:3])}, ...; "
        f"{tmp_path}/broken.jsonl says why"
    )
    assert lies == f"the run lies in {tmp_path}; look at it with: jepakit report {tmp_path}"
    fit(make(), tmp_path / "whole")
    assert "left out" not in capsys.readouterr().err


def test_resuming_names_no_broken_sample_twice(tmp_path):
    run = make(data=Points(count=40, broken=(3, 17)))
    fit(run, tmp_path / "whole")
    cut_back(tmp_path / "whole", tmp_path / "halves", 5)
    fit(run, tmp_path / "halves", resume=True)
    for name in ("broken.jsonl",):
        assert (tmp_path / "halves" / name).read_text() == (tmp_path / "whole" / name).read_text()
    assert lines(tmp_path / "halves")[-1]["broken"] == lines(tmp_path / "whole")[-1]["broken"] == 4


def test_too_many_broken_samples_stop_the_run(tmp_path):
    run = make(data=Points(count=40, broken=(1, 2, 3, 4, 5)))
    with pytest.raises(TooManyBroken, match=r"max_broken_share=0\.1.*point \d is torn"):
        fit(run, tmp_path)


def test_steps_without_enough_readable_samples_are_skipped(tmp_path):
    run = make(data=Points(count=4, broken=(0, 1)), batch=2, accumulate=2, max_broken_share=1.0, steps=6)
    fit(run, tmp_path)
    assert json.loads((tmp_path / "step-00000006" / "resume" / "state.json").read_text())["skipped"] > 0
    assert (tmp_path / "step-00000006").is_dir()


def test_a_loss_that_is_no_number_stops_with_what_to_try(tmp_path):
    with pytest.raises(Collapsed, match=r"step 8 the loss prediction is nan.*peak"):
        fit(make(model=Tiny(fault="nan")), tmp_path)
    assert [path.name for path in tmp_path.glob("step-*")] == ["step-00000005"]


def test_weights_that_are_no_numbers_are_found_at_the_checkpoint_at_the_latest(tmp_path):
    with pytest.raises(Collapsed, match="step 10 some weights"):
        fit(make(model=Tiny(fault="nan"), steps=20, log_every=100), tmp_path)
    assert [path.name for path in tmp_path.glob("step-*")] == ["step-00000005"]


def test_a_spike_is_skipped_and_counted(tmp_path):
    run = make(model=Tiny(fault="spike", dropout=0.0), steps=80, skip_spikes=5.0, batch=32)
    fit(run, tmp_path / "skipping")
    found = {line["step"]: line for line in lines(tmp_path / "skipping")}
    assert found[71]["loss"] > 1000
    assert (found[70]["skipped"], found[71]["skipped"], found[80]["skipped"]) == (0, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Width(Config):
    """An online probe that measures nothing but that it was called rightly."""

    every: int = 4

    def online(self, backbone, data, device):
        assert data == Points()
        with torch.no_grad():
            return {"width": float(backbone(data.build().points).pooled().shape[1])}


def test_online_probes_are_logged_on_their_steps(tmp_path):
    fit(make(probes=(Width(),)), tmp_path)
    found = [(line["step"], line["probe"]) for line in lines(tmp_path) if "probe" in line]
    assert found == [(4, {"width": 8.0}), (8, {"width": 8.0}), (10, {"width": 8.0})]


def test_the_log_has_what_a_report_needs(tmp_path):
    fit(make(watch=Watch(every=5, samples=8)), tmp_path)
    line = next(line for line in lines(tmp_path) if line["step"] == 10 and "loss" in line)
    assert line["terms"] == {"prediction": line["loss"]}
    assert line["metrics"]["size"] > 0
    assert line["progress"] == 1.0
    assert line["rate"] == pytest.approx(1e-6)
    assert 0 <= line["wait_share"] < 1
    assert line["images_per_second"] > 0
    watched = [line["step"] for line in lines(tmp_path) if "watch" in line]
    assert watched == [1, 5, 10]


def test_cpu_time_is_that_of_the_process_and_a_resumed_run_goes_on_counting(tmp_path):
    before = time.process_time()
    fit(make(), tmp_path / "whole")
    told = [line["cpu_seconds"] for line in lines(tmp_path / "whole") if "loss" in line]
    assert told == sorted(told)
    assert 0 < told[-1] <= time.process_time() - before
    cut_back(tmp_path / "whole", tmp_path / "halves", 5)
    state = tmp_path / "halves" / "step-00000005" / "resume" / "state.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "cpu_seconds": 1000.0}))
    fit(make(), tmp_path / "halves", resume=True)
    assert 1000 < lines(tmp_path / "halves")[-1]["cpu_seconds"] < 1100


def test_only_every_so_many_steps_are_logged(tmp_path):
    fit(make(log_every=4), tmp_path)
    assert [step for step, _ in losses(tmp_path)] == [1, 4, 8, 10]


@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_precision_on_a_cpu_is_float32(tmp_path, precision):
    fit(make(precision=precision, device="cpu", steps=1), tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["starts"][0]["machine"]["dtype"] == "float32"


def test_half_precision_where_there_is_none_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": False})
    with pytest.raises(ValueError, match="bfloat16"):
        fit(make(precision="bfloat16", device="cpu"), tmp_path)


def test_half_precision_where_there_is_some_trains(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": True})
    half = fit(make(precision="bfloat16", device="cpu", steps=3), tmp_path / "half")
    full = fit(make(device="cpu", steps=3), tmp_path / "full")
    assert not same(half, full)
    assert all(value.dtype == torch.float32 for value in half.state_dict().values())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="no GPU"):
        fit(make(device="cuda"), tmp_path)


def test_replacing_the_seed_gives_another_run(tmp_path):
    run = make()
    assert not same(fit(run, tmp_path / "a"), fit(replace(run, seed=1), tmp_path / "b"))

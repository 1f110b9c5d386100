"""The doctor on runs that are healthy, that really collapsed, and on methods that were made ill on purpose."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from jepakit import cli
from jepakit.app.diagnosis import diagnose
from jepakit.app.doctor import visit
from jepakit.app.examination import examine, read_embedding, read_levels, read_time
from jepakit.app.symptoms import nearest, read_copying, read_deafness, read_gradients, read_lag, read_latent
from jepakit.contracts import Losses, Prediction, Rows, step_at
from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform
from jepakit.data.views import CROPS
from jepakit.family import ijepa, lejepa, lvjepa, pldm, vjepa21
from jepakit.tokens import Tokens, gather
from jepakit.train.fit import fit
from jepakit.train.log import read_run
from jepakit.train.optimize import AdamW
from jepakit.train.run import Run
from jepakit.train.watch import Watch

EIGHT = Rows(0, 8, 8)
STEP = step_at(0, 10, EIGHT)


def kinds(found):
    return [finding.kind for finding in diagnose(found) if finding.grave]


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def healthy(finished_run):
    return examine(finished_run)


@pytest.fixture(scope="module")
def collapsed(finished_run, tmp_path_factory) -> Path:
    """The same run, whose answers let gradients through."""
    run = read_run(finished_run)
    out = tmp_path_factory.mktemp("collapsed") / "run"
    shared = replace(run.model, target="shared")
    fit(replace(run, model=shared, steps=40, optimizer=AdamW(peak=1e-2, warmup=0.1), probes=(),
                watch=Watch(every=20, samples=16, action="warn")), out)  # fmt: skip
    return out


def test_a_healthy_run_is_healthy(finished_run, healthy, capsys):
    assert kinds(healthy) == []
    assert cli.run(["doctor", str(finished_run)]) == 0
    text = capsys.readouterr().out
    assert "No collapse was found" in text
    assert "before training" in text
    assert healthy.output["rank_me"] == pytest.approx(last_rank(finished_run), rel=1e-6)
    assert len(healthy.levels) == 2
    assert healthy.views_differ


def last_rank(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["watch"]["rank_me"] for line in lines if "watch" in line][-1]


def test_a_run_whose_target_is_shared_has_collapsed(collapsed, capsys):
    assert cli.run(["doctor", str(collapsed)]) == 1
    text = capsys.readouterr().out
    assert "FOUND: complete collapse" in text
    assert "Try: stop the gradient" in text
    found = examine(collapsed)
    assert kinds(found) == ["complete"]
    assert found.fresh["spread"] > 10 * found.output["spread"]
    assert found.lag is None


DIGITS = Images(root="packaged:digits", transform=ImageTransform(size=16, channels=1, mean=(0.3,), std=(0.4,)),
                views=CROPS)  # fmt: skip


@pytest.mark.parametrize("trade_off", [0.0, 0.05])
def test_lejepa_collapses_in_its_embedding_without_sigreg_alone(trade_off, tmp_path):
    """Views agree best where all embeddings are one point; the backbone before the head keeps what chance gave it."""
    network = replace(lejepa.TINY.network, image=(16, 16), patch=4, channels=1)
    run = Run(model=replace(lejepa.TINY, network=network, trade_off=trade_off), data=DIGITS, steps=60, batch=32,
              optimizer=AdamW(peak=3e-3, warmup=0.1), workers=0, sinks=(), device="cpu",
              watch=Watch(every=5, samples=16, action="warn"))  # fmt: skip
    fit(run, tmp_path / "run")
    found = examine(tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    alarms = [line["alarm"] for line in lines if "alarm" in line]
    assert found.embedding is not None
    if trade_off:
        assert not alarms
        assert kinds(found) == []
    else:
        assert "the embedding collapsed" in alarms[0]
        assert kinds(found)[0] == "complete"
        assert "embeddings of samples differ as those of views of one do" in diagnose(found)[0].seen
        assert "embedding before training" in visit(tmp_path / "run")[0]


def test_a_summary_that_uses_few_directions_is_found_where_the_backbone_does_not_show_it(healthy):
    fresh, method = lvjepa.TINY.build(), lvjepa.TINY.build()
    clips = noise(1, 16, 3, 4, 32, 32) + 0.1 * noise(2, 16, 3, 4, 32, 32)
    well = read_embedding(method, fresh, clips, [])
    assert well is not None
    assert well.width == lvjepa.TINY.summary
    assert kinds(replace(healthy, embedding=well)) == []
    with torch.no_grad():
        list(method.network.head.parameters())[-2][2:] = 0
    poor = read_embedding(method, fresh, clips, [])
    assert poor is not None
    assert poor.now["rank_me"] <= 2
    assert poor.fresh == well.fresh
    found = replace(healthy, embedding=poor)
    assert kinds(found) == ["dimensional"]
    assert "effective rank of embeddings" in diagnose(found)[0].seen


def test_bad_input_is_not_taken_for_a_collapse(finished_run, tmp_path, capsys):
    assert cli.run(["doctor", str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err
    assert cli.run(["doctor", str(finished_run), "--checkpoint", "7"]) == 2
    assert "those that were kept: 6, 12" in capsys.readouterr().err


def test_a_checkpoint_is_looked_at_by_its_step(finished_run, healthy):
    earlier = examine(finished_run, 6)
    assert (earlier.step, healthy.step) == (6, 12)
    assert earlier.output != healthy.output


def ill(finished_run, tmp_path, change):
    """A copy of a healthy run whose weights were changed."""
    folder = shutil.copytree(finished_run, tmp_path / "ill")
    for path in folder.glob("step-*/model.safetensors"):
        state = load_file(path)
        change(state)
        save_file(state, path)
    return examine(folder)


def test_features_that_were_killed_are_a_dimensional_collapse(finished_run, tmp_path):
    def kill(state):
        for name in ("backbone.encoder.norm.weight", "target.network.encoder.norm.weight"):
            state[name][:20] = 0

    found = ill(finished_run, tmp_path, kill)
    assert found.output["dead"] == pytest.approx(20 / 24)
    assert "dimensional" in kinds(found)
    assert "83.3 % of the features are the same" in diagnose(found)[0].seen


def test_an_average_that_is_the_network_itself_is_noted(finished_run, tmp_path):
    def copy(state):
        for name in list(state):
            if name.startswith("backbone."):
                state[name.replace("backbone.", "target.network.", 1)] = state[name].clone()

    found = ill(finished_run, tmp_path, copy)
    assert found.lag is not None
    assert found.lag.weights == 0
    assert [finding.kind for finding in diagnose(found)] == ["average"]


def test_an_average_that_lost_its_network_is_noted(healthy):
    method = ijepa.TINY.build()
    x = noise(8, 3, 32, 32)
    lag = read_lag(method, x)
    assert lag is not None
    assert lag.features < 1e-9
    with torch.no_grad():
        for parameter in method.backbone.parameters():
            parameter.add_(torch.randn_like(parameter))
    lag = read_lag(method, x)
    assert lag is not None
    assert lag.features > 1
    assert [finding.kind for finding in diagnose(replace(healthy, lag=lag))] == ["average"]


class Copier(nn.Module):
    """A predictor that says what it read at the nearest place."""

    def forward(self, context, places, family=0):
        coords = places.coords.flatten(1, 2)
        return Prediction(Tokens(gather(context.values, nearest(coords, context)), coords, None, context.extent))

    def flops(self, context, blocks, places):
        return 0


def test_a_predictor_that_copies_is_told_from_one_that_does_not(healthy):
    method, batch = ijepa.TINY.build(), {"x": noise(8, 3, 32, 32)}
    honest = read_copying(method, batch, STEP)
    method.predictor = Copier()
    copied = read_copying(method, batch, STEP)
    assert honest is not None
    assert copied is not None
    assert honest.prediction < 0.9
    assert copied.prediction == pytest.approx(1, abs=1e-5)
    assert kinds(replace(healthy, copying=copied)) == ["copy"]
    assert kinds(replace(healthy, copying=honest)) == []
    assert read_copying(lejepa.TINY.build(), views(), STEP) is None


def views():
    return {"x": noise(8, 3, 32, 32), "globals": noise(8, 1, 3, 32, 32)}


class Still(nn.Module):
    """A backbone for which all moments of a clip are alike."""

    dim = 6

    def forward(self, x, keep=None, layers=None):
        values = x.mean(dim=2).flatten(2).transpose(1, 2)[..., :3].repeat(1, 2, 2)
        count = values.shape[1] // 2
        coords = torch.zeros(len(x), 2 * count, 3)
        coords[:, count:, 0] = 1
        return Tokens(values, coords, None, (2, 4, count // 4))


def test_features_that_do_not_follow_what_moves_collapsed_along_time(healthy):
    moves, stirs = read_time(Still(), noise(8, 3, 4, 4, 4))
    assert moves == pytest.approx(1 / 2, abs=0.05)  # noise, at two moments
    assert stirs == 0
    assert kinds(replace(healthy, moves=moves, stirs=stirs)) == ["time"]
    assert kinds(replace(healthy, moves=0.001, stirs=0.0)) == []
    clips = noise(8, 3, 4, 32, 32)
    moves, stirs = read_time(lvjepa.TINY.build().kept, clips)
    assert stirs > 0.2
    assert kinds(replace(healthy, moves=moves, stirs=stirs)) == []
    assert read_time(None, noise(8, 3, 4, 4)) == (None, None)


def test_a_latent_variable_that_tells_all_is_a_shortcut(healthy):
    clips = noise(8, 3, 4, 32, 32)
    method = replace(lvjepa.TINY, latent="gaussian", price=0.0, z_dim=lvjepa.TINY.summary).build().eval()
    method.latent.steps, method.latent.rate = 100, 0.1
    told, bits = read_latent(method, {"x": clips}, STEP)
    assert told is not None
    assert bits is not None
    method.imagine = lambda context, answer, condition: answer.with_values(context.values + 0 * condition)
    assert read_latent(method, {"x": clips}, STEP)[0] == pytest.approx(0, abs=1e-5)
    method.imagine = lambda context, answer, condition: answer.with_values(condition)
    told, bits = read_latent(method, {"x": clips}, STEP)
    assert told > 0.95
    assert kinds(replace(healthy, told=told, z_bits=bits)) == ["latent"]
    none = replace(lvjepa.TINY, latent="none").build()
    assert read_latent(none, {"x": clips}, STEP) == (None, None)


@dataclass
class Moved:
    """A method that predicts where actions lead, or does not listen."""

    listens: bool

    def __call__(self, batch, step):
        said = batch["x"] + (batch["actions"] if self.listens else 0)
        return Losses({"prediction": (said - batch["y"]).square().mean() + 1e-3, "other": torch.tensor(9.0)})


def test_actions_that_nobody_listens_to_are_found(healthy):
    x, actions = noise(8, 5), 2 * noise(5, 8).T
    batch = {"x": x, "actions": actions, "y": x + actions}
    heard, ignored = (read_deafness(Moved(listens), batch, STEP) for listens in (True, False))
    assert heard is not None
    assert heard < 0.01
    assert ignored == 1
    assert kinds(replace(healthy, deaf=ignored)) == ["actions"]
    assert kinds(replace(healthy, deaf=heard)) == []
    assert read_deafness(Moved(True), {"x": x}, STEP) is None


def test_a_tokenizer_that_waits_for_its_turn_lacks_no_gradient():
    method = vjepa21.TINY.build()
    for frames in (4, 1):
        assert read_gradients(method, {"x": noise(8, 3, frames, 32, 32)}, STEP) == ()


def test_parameters_without_gradient_are_named(healthy):
    method, batch = ijepa.TINY.build(), {"x": noise(8, 3, 32, 32)}
    assert read_gradients(method, batch, STEP) == ()
    method.stray = nn.Linear(2, 2)
    silent = read_gradients(method, batch, STEP)
    assert silent == ("stray.weight", "stray.bias")
    found = replace(healthy, unmoved=silent)
    assert kinds(found) == ["gradient"]
    assert "stray.weight, stray.bias" in diagnose(found)[0].seen


def test_lidar_is_not_judged_where_views_are_equal(healthy):
    backbone = ijepa.TINY.build().kept
    same = noise(1, 8, 3, 32, 32).expand(2, -1, -1, -1, -1)
    assert read_levels(backbone, same, only_last=True)[0]["lidar"] > 1
    low = {**healthy.output, "lidar": 1.0}
    ailing = replace(healthy, levels=(low,), fresh={**healthy.fresh, "lidar": 9.0}, lag=None)
    assert kinds(ailing) == ["dimensional"]
    assert [finding.kind for finding in diagnose(replace(ailing, views_differ=False))] == ["views"]


def test_a_complete_collapse_explains_the_other_kinds_and_warmup_is_forgiven(healthy):
    dead = {**healthy.output, "spread": 1e-4, "rank_me": 1.0}
    ailing = replace(healthy, levels=(healthy.output, dead), moves=0.5, stirs=0.0, armed=True)
    assert kinds(ailing) == ["complete"]
    assert "from level 1 of 2 on" in diagnose(ailing)[0].seen
    assert kinds(replace(ailing, armed=False)) == []


def test_samples_that_are_nearly_the_same_are_no_collapse(healthy):
    """One small thing on an even ground: an untrained network tells as little of it."""
    alike = {**healthy.output, "spread": 0.006}
    plain = replace(healthy, levels=(alike,), fresh={**healthy.fresh, "spread": 0.006}, armed=True)
    assert "complete" not in kinds(plain)
    assert kinds(replace(plain, fresh={**healthy.fresh, "spread": 0.2})) == ["complete"]


def world_model(settled):
    """A method and a batch of what it learns from."""
    model = replace(pldm.TINY, settled=settled, proprio=0)
    return model.build(), {"x": noise(8, 3, 4, 16, 16), "actions": 9 * noise(8, 3, model.action)}


def test_a_world_model_whose_encoder_rests_by_now_is_not_ill():
    method, batch = world_model(settled=0.5)
    late = step_at(9, 10, EIGHT)
    assert read_gradients(method, batch, late) == read_gradients(method, batch, STEP) == ()
    for parameter in method.network.parameters():
        parameter.register_hook(torch.zeros_like)
    assert len(read_gradients(method, batch, late)) == len(list(method.network.parameters()))


def test_a_world_model_that_does_not_listen_is_found(healthy):
    method, batch = world_model(settled=1.0)
    method(batch, STEP)
    heard = read_deafness(method, batch, STEP)
    assert heard is not None
    assert heard != 1
    method.action.variance.fill_(1e24)
    assert kinds(replace(healthy, deaf=read_deafness(method, batch, STEP))) == ["actions"]

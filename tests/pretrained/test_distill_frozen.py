"""SALT in two stages: pixels are asked for, then the encoder that learnt this stands still and answers another one."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from jepakit import cli
from jepakit.config import Config
from jepakit.contracts import Rows, step_at
from jepakit.family import ijepa, vjepa, vjepa2
from jepakit.parts.nn.sizes import Frozen
from jepakit.pretrained import adopt_larger, fill_larger, initializer, load, save_backbone

SMALLER = {"dim": 24, "depth": 1, "heads": 2, "mlp_ratio": 2.0}
MODELS = {"pictures": ijepa.TINY, "clips": vjepa.TINY, "rotary clips": vjepa2.TINY}
RECIPE = """
from dataclasses import replace

from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform
from jepakit.family import ijepa
from jepakit.train.optimize import AdamW
from jepakit.train.run import Run
from jepakit.train.watch import Watch


def small() -> Run:
    '''Three steps on digits of 32 pixels.'''
    return Run(model=replace(ijepa.TINY, initialization="fan_in"), steps=3, batch=8, workers=0, sinks=(), threads=1,
               data=Images(root="packaged:digits", transform=ImageTransform(size=32)),
               optimizer=AdamW(warmup=0.5), watch=Watch(action="off"))
"""


def batch_of(model):
    return {"x": torch.randn(8, *model.samples[0], generator=torch.Generator().manual_seed(1))}


@pytest.fixture(params=MODELS, scope="module")
def source(request, tmp_path_factory):
    """The model of the second stage, and an exported encoder of the first one, which is smaller."""
    torch.manual_seed(3)
    model, folder = MODELS[request.param], tmp_path_factory.mktemp("first") / "exported"
    first = replace(model, target="pixels", **SMALLER, predictor_heads=2)
    save_backbone(first.build().kept, first, folder, None, {"source": "elsewhere", "license": "MIT"})
    return adopt_larger(replace(model, target="frozen", frozen=Frozen(source=str(folder)))), folder


def test_the_answers_are_those_of_the_encoder_at_the_source(source):
    model, folder = source
    assert (model.frozen.dim, model.frozen.depth, model.dim) == (24, 1, MODELS["clips"].dim)
    assert Config.from_json(json.loads(json.dumps(model.to_json()))) == model
    method, told = model.build(), []
    origin = initializer(model, None, tell=told.append)(method)
    assert told == [f"answers come from {folder}"]
    assert dict(origin) == {"source": "elsewhere", "license": "MIT"}
    x, frozen = batch_of(model)["x"], load(folder)
    expected = torch.nn.functional.layer_norm(frozen(x).values, (24,))
    torch.testing.assert_close(method.target(x, method.backbone).values, expected)
    assert method.target.flops(16, 1) == method.target.network.flops(16) < method.backbone.flops(16)


def test_what_learns_is_kept_and_moves_while_the_answering_one_stands_still(source):
    model, folder = source
    torch.manual_seed(0)
    method = replace(model, initialization="fan_in").build()
    fill_larger(folder, tell=lambda line: None)(method)
    assert method.kept is method.backbone
    before = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=2e-3)
    losses = []
    for _ in range(20):
        total = method(batch_of(model), step_at(0, 20, Rows(0, 8, 8))).total
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        method.after_step(step_at(0, 20, Rows(0, 8, 8)))
        losses.append(total.item())
    assert losses[-1] < 0.9 * losses[0]
    moved = {name for name, tensor in method.state_dict().items() if not torch.equal(tensor, before[name])}
    learning = {name for name, parameter in method.named_parameters() if parameter.requires_grad}
    assert not any(name.startswith("target.") for name in moved)
    kept = {name for name in learning if name.startswith("backbone.")}
    assert kept <= moved, f"{kept - moved} did not learn"


def test_an_encoder_without_weights_does_not_answer(source):
    model, _ = source
    with pytest.raises(ValueError, match=r"has no weights yet; name them, --model\.frozen\.source"):
        model.build()(batch_of(model), step_at(0, 10, Rows(0, 8, 8)))
    with pytest.raises(ValueError, match=r"name its weights, --model\.frozen\.source"):
        adopt_larger(replace(MODELS["clips"], target="frozen"))
    with pytest.raises(ValueError, match="set target to frozen"):
        replace(model, target="ema").build()
    with pytest.raises(ValueError, match=r"frozen\.dim should be from 1"):
        replace(model, frozen=replace(model.frozen, dim=0)).build()


def test_an_encoder_that_sees_other_tokens_is_refused(source, tmp_path):
    model, folder = source
    other = replace(model, patch=16, target="pixels", frozen=Frozen())
    save_backbone(other.build().kept, other, tmp_path / "other", None)
    with pytest.raises(ValueError, match="patch 16 and not 8"):
        adopt_larger(replace(model, frozen=Frozen(source=str(tmp_path / "other"))))
    strange = next(kind for kind in MODELS.values() if type(kind) is not type(model))
    with pytest.raises(ValueError, match="has to answer"):
        adopt_larger(replace(strange, target="frozen", frozen=Frozen(source=str(folder))))


def test_both_stages_on_the_command_line(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(RECIPE)
    words = ["train", f"{tmp_path / 'mine.py'}:small", "--out"]
    assert cli.run([*words, str(tmp_path / "pixels"), "--model.target", "pixels"]) == 0
    second = ["--model.target", "frozen", "--model.frozen.source", str(tmp_path / "pixels")]
    assert cli.run([*words, str(tmp_path / "salt"), *second]) == 0
    assert "answers come from" in capsys.readouterr().out
    first, last = (load_file(tmp_path / name / "step-00000003" / "model.safetensors") for name in ("pixels", "salt"))
    names = [name.removeprefix("backbone.") for name in first if name.startswith("backbone.")]
    assert all(torch.equal(last[f"target.network.{name}"], first[f"backbone.{name}"]) for name in names)
    kept = load(tmp_path / "salt").state_dict()
    assert all(torch.equal(kept[name], last[f"backbone.{name}"]) for name in names if name in kept)
    assert not torch.equal(kept["encoder.norm.weight"], first["backbone.encoder.norm.weight"])
    assert cli.run([*words, str(tmp_path / "nobody"), "--model.target", "frozen"]) == 1
    assert "name its weights, --model.frozen.source" in capsys.readouterr().err

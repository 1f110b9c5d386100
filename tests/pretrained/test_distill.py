"""A small V-JEPA 2.1 learns from a larger one: its weights are read once, and all of it goes on after a stop."""

import json
import shutil
from dataclasses import dataclass, field, replace

import pytest
import torch
from films import write_film
from safetensors.torch import load_file

from jepakit import cli
from jepakit.config import Config
from jepakit.contracts import Rows, step_at
from jepakit.data.transforms import ImageTransform
from jepakit.family import vjepa2, vjepa21
from jepakit.parts.nn.sizes import Larger
from jepakit.pretrained import adopt_larger, fill_larger, initializer, load, load_method, save_backbone
from jepakit.train.fit import fit
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch

TEACHER = replace(vjepa21.TINY, dim=96, depth=8, mlp_ratio=2.0)
RECIPE = """
from dataclasses import replace

from jepakit.data.clip_transform import ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.transforms import ImageTransform
from jepakit.data.videos import Videos
from jepakit.family import vjepa21
from jepakit.parts.nn.sizes import Larger
from jepakit.train.optimize import AdamW
from jepakit.train.run import Run
from jepakit.train.watch import Watch


def small() -> Run:
    '''Two steps on clips of 4 frames.'''
    transform = ClipTransform(sampling=Sampling(frames=4, step=1), picture=ImageTransform(size=32))
    return Run(model=replace(vjepa21.TINY, distilled_from=1664, larger=Larger()), steps=2, batch=4, workers=0,
               data=Videos(root="nowhere", transform=transform), optimizer=AdamW(warmup=0.5), sinks=(), threads=1,
               watch=Watch(action="off"))
"""
SMALL = replace(vjepa21.TINY, distilled_from=1664, larger=Larger())
EIGHT = Rows(0, 8, 8)


class Noise:
    """Clips of noise."""

    labels = classes = None

    def __len__(self):
        return 16

    def get(self, index, epoch, seed):
        return {"x": torch.randn(3, 4, 32, 32, generator=torch.Generator().manual_seed(100 * epoch + index))}

    def order(self, epoch, seed):
        return torch.randperm(len(self), generator=torch.Generator().manual_seed(epoch))

    def name(self, index):
        return f"clip {index}"


@dataclass(frozen=True, kw_only=True)
class NoiseData(Config):
    transform: ImageTransform = field(default_factory=ImageTransform)

    def build(self):
        return Noise()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """An exported larger network."""
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("larger") / "exported"
    backbone = TEACHER.build().kept
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    save_backbone(backbone, TEACHER, folder, None, {"source": "elsewhere", "license": "MIT"})
    return folder


def model_of(source):
    return adopt_larger(replace(SMALL, larger=Larger(source=str(source))))


def run_of(source):
    return Run(model=model_of(source), data=NoiseData(), steps=6, batch=8, optimizer=AdamW(warmup=0.2), sinks=(),
               keep=Keep(every=3), watch=Watch(action="off"), workers=0, threads=1, log_every=1)  # fmt: skip


def test_the_model_takes_the_sizes_of_its_weights(source):
    model = model_of(source)
    assert (model.distilled_from, model.larger.dim, model.larger.depth) == (96, 96, 8)
    assert (model.dim, model.depth) == (SMALL.dim, SMALL.depth)
    assert Config.from_json(json.loads(json.dumps(model.to_json()))) == model
    assert adopt_larger(vjepa21.TINY) is vjepa21.TINY


def test_answers_are_those_of_the_larger_network(source):
    method = model_of(source).build()
    told = []
    fill_larger(source, tell=told.append)(method)
    assert told == [f"answers come from {source}"]
    x = torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.layer_norm(load(source)(x).values, (96,))
    assert torch.equal(method.target(x, method.backbone).values, expected)
    losses = method({"x": x}, step_at(0, 10, Rows(0, 2, 2)))
    assert losses.terms.keys() == {"prediction", "context"}


def test_a_run_names_all_that_its_weights_come_from(source, tmp_path):
    begun = tmp_path / "begun"
    save_backbone(vjepa21.TINY.build().kept, vjepa21.TINY, begun, None, {"source": "a beginning", "license": "MIT"})
    model = model_of(source)
    told = []
    origin = initializer(model, begun, tell=told.append)(model.build())
    assert origin == {"source": "a beginning; elsewhere", "license": "MIT"}
    assert f"answers come from {source}" in told
    assert initializer(vjepa21.TINY, None) is None


def test_the_loss_falls_and_only_what_is_small_moves(source):
    model = replace(model_of(source), context_share=0.5)
    torch.manual_seed(0)
    method = model.build()
    initializer(model, None, tell=lambda line: None)(method)
    before = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for shape in (*[(3, 4, 32, 32)] * 20, (3, 1, 32, 32)):
        batch = {"x": torch.randn(8, *shape, generator=torch.Generator().manual_seed(1))}
        total = method(batch, step_at(0, 20, EIGHT)).total
        total.backward()
        optimizer.step()
        optimizer.zero_grad()
        method.after_step(step_at(0, 20, EIGHT))
        losses.append(total.item())
    assert losses[19] < 0.9 * losses[0]
    moved = {name for name, tensor in method.state_dict().items() if not torch.equal(tensor, before[name])}
    assert not any(name.startswith(("target.larger.", "target.trusted")) for name in moved)
    # The norms of inner levels are read by nobody here: the predictor reads the last level.
    still = {name for name in before if ".level_norms." not in name} - moved
    assert {name.split(".")[1] for name in still} == {"larger", "trusted"}


def test_six_steps_are_three_and_three_without_the_source(source, tmp_path):
    here = tmp_path / "larger"
    shutil.copytree(source, here)
    run = run_of(here)
    fit(run, tmp_path / "whole", initialize=initializer(run.model, None, tell=lambda line: None))
    shutil.rmtree(here)
    written = json.loads((tmp_path / "whole" / "step-00000006" / "config.json").read_text())
    assert (written["source"], written["license"]) == ("elsewhere", "MIT")
    shutil.copytree(tmp_path / "whole", tmp_path / "halves")
    shutil.rmtree(tmp_path / "halves" / "step-00000006")
    fit(run, tmp_path / "halves", resume=True)
    whole, halves = (load_file(tmp_path / name / "step-00000006" / "model.safetensors") for name in ("whole", "halves"))
    assert all(torch.equal(tensor, halves[name]) for name, tensor in whole.items())
    x = torch.randn(1, 3, 4, 32, 32)
    assert torch.equal(load(tmp_path / "whole")(x).values, load_method(tmp_path / "whole").target.network(x).values)


def test_a_recipe_is_told_its_larger_network_on_the_command_line(source, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(RECIPE)
    for number in range(4):
        write_film(tmp_path / "films" / f"{number}.mp4", count=8)
    words = ["train", f"{tmp_path / 'mine.py'}:small", "--data.root", str(tmp_path / "films"), "--out"]
    assert cli.run([*words, str(tmp_path / "x"), "--model.larger.source", str(source)]) == 0
    assert f"answers come from {source}" in capsys.readouterr().out
    state = load_file(tmp_path / "x" / "step-00000002" / "model.safetensors")
    assert torch.equal(state["target.larger.encoder.norm.weight"], load(source).encoder.norm.weight)
    assert cli.run([*words, str(tmp_path / "y")]) == 1
    assert "name its weights, --model.larger.source" in capsys.readouterr().err


def test_a_run_without_its_larger_network_says_so(source, tmp_path):
    with pytest.raises(ValueError, match=r"name its weights, --model\.larger\.source"):
        adopt_larger(SMALL)
    with pytest.raises(ValueError, match="the larger network that answers has no weights yet"):
        fit(run_of(source), tmp_path / "x")
    with pytest.raises(ValueError, match="has no larger network that could"):
        fill_larger(source)(vjepa21.TINY.build())


def test_a_source_that_sees_other_tokens_is_refused(tmp_path):
    for other, sentence in (
        (replace(TEACHER, patch=16), "cuts clips into"),
        (vjepa2.TINY, "holds a VJEPA2; a VJEPA21 is distilled from another VJEPA21"),
    ):
        folder = tmp_path / type(other).__name__
        save_backbone(other.build().kept, other, folder, None)
        with pytest.raises(ValueError, match=sentence):
            model_of(folder)

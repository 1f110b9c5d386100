"""Our parts against tensors that were recorded from the reference implementations, one test a file."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Generator, Tensor
from torch.nn import functional

from jepakit.contracts import Rows, step_at
from jepakit.family.ijepa import IJEPA
from jepakit.methods.masked import MaskedJEPA
from jepakit.pretrained.networks import fill
from jepakit.pretrained.positions import without_table
from jepakit.probes.attentive import AttentiveClassifier
from jepakit.tokens import Places, Split
from jepakit.weights.ijepa import encoder_map, predictor_map

OWN = Path(__file__).parent / "golden"
FOLDER = Path(os.environ.get("JEPAKIT_GOLDEN", OWN))
FILES = sorted(FOLDER.glob("*.safetensors"))
TOLERANCE = 2e-5


@dataclass(frozen=True)
class Recording:
    """Sizes, and the tensors of one file under `prefix.`."""

    sizes: Mapping[str, object]
    tensors: Mapping[str, Tensor]

    def part(self, prefix: str) -> dict[str, Tensor]:
        dotted = prefix + "."
        return {name.removeprefix(dotted): value for name, value in self.tensors.items() if name.startswith(dotted)}


def read_recording(path: Path) -> Recording:
    return Recording(json.loads(path.with_suffix(".json").read_text()), load_file(path))


def kind_of(path: Path) -> str:
    return str(json.loads(path.with_suffix(".json").read_text())["model"])


@dataclass(frozen=True)
class Given:
    """A masker that asks the recorded question."""

    split: Split

    def __call__(self, coords: Tensor, extent: tuple[int, ...] | None, generator: Generator, rows: Rows) -> Split:
        return self.split


def build_ijepa(recording: Recording) -> MaskedJEPA:
    sizes = recording.sizes
    side = sizes["img_size"]
    encoder, predictor = recording.part("encoder"), recording.part("predictor")
    config = IJEPA(
        image=tuple(side) if isinstance(side, list) else (side, side),
        patch=sizes["patch_size"], dim=sizes["embed_dim"], depth=sizes["depth"], heads=sizes["num_heads"],
        channels=encoder["patch_embed.proj.weight"].shape[1],
        mlp_ratio=encoder["blocks.0.mlp.fc1.weight"].shape[0] / sizes["embed_dim"],
        predictor_dim=sizes["predictor_embed_dim"], predictor_depth=sizes["predictor_depth"], eps=sizes["eps"],
    )  # fmt: skip
    method = config.build()
    theirs = encoder_map("official", config.depth, config.patch).read(encoder, "the recorded encoder")
    for network in (method.backbone, method.kept):
        fill(network, without_table(theirs, config.dim, config.extent, "pos_embed"), "the recorded encoder")
    theirs = predictor_map(config.predictor_depth).read(predictor, "the recorded predictor")
    fill(method.predictor, without_table(theirs, config.predictor_dim, config.extent, "pos_embed"), "the predictor")
    return method.eval()


def by_block(tokens: Tensor, blocks: int) -> Tensor:
    """[b, m*k, d] -> [m*b, k, d]: the recordings stack the blocks along the batch."""
    return tokens.unflatten(1, (blocks, -1)).transpose(0, 1).flatten(0, 1)


@torch.no_grad()
def check_ijepa(recording: Recording) -> None:
    method = build_ijepa(recording)
    image, given, expected = recording.tensors["in.image"], recording.part("in"), recording.part("out")
    blocks = [given[f"target.{index}"] for index in range(sum(name.startswith("target.") for name in given))]
    split = Split(given["context"], torch.stack(blocks, dim=1))
    method.maskers = (Given(split),)

    full = method.backbone(image)
    context = method.backbone(image, keep=split.context)
    answers = method.target(image, method.backbone).take(split.targets.flatten(1))
    places = Places(answers.coords.unflatten(1, (len(blocks), -1)))
    predicted = method.predictor(context, places).places
    loss = method({"x": image}, step_at(0, 1, Rows(0, len(image), len(image)))).total

    close(full.values, expected["full"], "full")
    close(context.values, expected["context"], "context")
    close(by_block(answers.values, len(blocks)), expected["targets"], "targets")
    close(by_block(predicted.values, len(blocks)), expected["predicted"], "predicted")
    close(loss.reshape(1), expected["loss"].reshape(1), "loss")
    assert functional.smooth_l1_loss(predicted.values, answers.values).item() == pytest.approx(loss.item(), abs=1e-6)


@torch.no_grad()
def check_probe(recording: Recording) -> None:
    sizes = recording.sizes
    probe = AttentiveClassifier(
        sizes["embed_dim"], sizes["num_heads"], sizes["depth"], sizes["num_classes"], sizes["eps"]
    ).eval()
    fill(probe, recording.part("classifier"), "the recorded classifier")
    close(probe(recording.tensors["in.tokens"]), recording.tensors["out.logits"], "logits")


def close(ours: Tensor, recorded: Tensor, name: str) -> None:
    torch.testing.assert_close(ours, recorded, atol=TOLERANCE, rtol=0, msg=lambda text: f"{name}: {text}")


CHECKS: dict[str, Callable[[Recording], None]] = {"ijepa": check_ijepa, "probe": check_probe}


@pytest.mark.parametrize("path", FILES, ids=[f"{kind_of(path)}-{path.stem}" for path in FILES])
def test_golden(path: Path) -> None:
    kind = kind_of(path)
    if kind not in CHECKS:
        pytest.skip(f"{path.name} records {kind!r}, which jepakit does not have yet")
    CHECKS[kind](read_recording(path))


@pytest.mark.parametrize("kind", CHECKS)
def test_golden_of_the_project_holds_what_we_have(kind: str) -> None:
    assert kind in {kind_of(path) for path in OWN.glob("*.safetensors")}

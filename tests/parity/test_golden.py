"""Our parts against tensors that were recorded from the reference implementations, one test a file."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Generator, Tensor
from torch.nn import functional

from jepakit.config import Config
from jepakit.contracts import Rows, step_at
from jepakit.family.ijepa import IJEPA
from jepakit.family.vjepa import VJEPA
from jepakit.family.vjepa2 import VJEPA2
from jepakit.family.vjepa2_ac import VJEPA2AC
from jepakit.family.vjepa21 import VJEPA21, spaced
from jepakit.methods.masked import MaskedJEPA
from jepakit.parts.nn.position import GridPosition
from jepakit.parts.predictors.dynamics import Conditions
from jepakit.parts.regularizers.samples import Samples
from jepakit.parts.regularizers.sigreg import SIGReg
from jepakit.pretrained.classifier import Classifier, Head
from jepakit.pretrained.networks import fill, placed
from jepakit.pretrained.positions import without_table
from jepakit.pretrained.release import write_networks, write_probe
from jepakit.pretrained.weights import Weights
from jepakit.probes.classifier import AttentiveClassifier
from jepakit.tokens import Places, Split, Tokens
from jepakit.weights import vjepa, vjepa2_ac
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
        fill(network, without_table(theirs, config.extent, "pos_embed"), "the recorded encoder")
    theirs = predictor_map(config.predictor_depth).read(predictor, "the recorded predictor")
    fill(method.predictor, without_table(theirs, config.extent, "pos_embed"), "the predictor")
    check_export(config, method, recording, "module.")
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
    head = Head(where="", model=Classifier.of(probe), state=probe.state_dict(), origin={}, alone=True)
    with TemporaryDirectory() as folder:
        write_probe(Path(folder), head)
        written = torch.load(Path(folder) / "probe.pt", weights_only=True)
    same(written["classifiers"][0], recording.part("classifier"), "module.")


def take_table(state: dict[str, Tensor], position: GridPosition, name: str) -> dict[str, Tensor]:
    """The tensors without the table of positions, which has to be the one that is computed."""
    close(position.table(torch.device("cpu")), state["position.vectors"], f"the positions of {name}")
    return {key: value for key, value in state.items() if key != "position.vectors"}


def sizes_of_clips(recording: Recording) -> dict[str, Any]:
    """What the three kinds of V-JEPA have in common."""
    sizes, side = recording.sizes, recording.sizes["img_size"]
    encoder = recording.part("encoder")
    return {
        "frames": sizes["num_frames"], "image": tuple(side) if isinstance(side, list) else (side, side),
        "tubelet": sizes["tubelet_size"], "patch": sizes["patch_size"], "dim": sizes["embed_dim"],
        "depth": sizes["depth"], "heads": sizes["num_heads"], "eps": sizes["eps"],
        "channels": encoder["patch_embed.proj.weight"].shape[1],
        "mlp_ratio": encoder["blocks.0.mlp.fc1.weight"].shape[0] / sizes["embed_dim"],
    }  # fmt: skip


def predictor_sizes_of(recording: Recording) -> dict[str, Any]:
    names = ("predictor_embed_dim", "predictor_depth")
    return {"predictor_dim": recording.sizes[names[0]], "predictor_depth": recording.sizes[names[1]]}


@torch.no_grad()
def check_vjepa(recording: Recording) -> None:
    sizes, expected = recording.sizes, recording.part("out")
    config = VJEPA(
        **sizes_of_clips(recording), **predictor_sizes_of(recording),
        positions="uniform" if sizes["uniform_power"] else "half_time",
        blocks=((8, 0.15),) * sizes["num_mask_tokens"],
    )  # fmt: skip
    method, cell = config.build().eval(), (config.tubelet, config.patch, config.patch)
    theirs = vjepa.encoder_map(config.depth, cell, table=True).read(recording.part("encoder"), "the encoder")
    fill(method.backbone, take_table(theirs, method.backbone.position, "the encoder"), "the encoder")
    mapped = vjepa.predictor_map(config.predictor_depth, sizes["num_mask_tokens"], table=True)
    theirs = mapped.read(recording.part("predictor"), "the predictor")
    fill(method.predictor, take_table(theirs, method.predictor.position, "the predictor"), "the predictor")
    check_clip(method, recording, {"predicted": sizes["mask_index"]}, expected)
    check_export(config, method, recording, "module.backbone.")


@torch.no_grad()
def check_vjepa2(recording: Recording) -> None:
    sizes, expected = recording.sizes, recording.part("out")
    config = VJEPA2(
        **sizes_of_clips(recording), **predictor_sizes_of(recording), predictor_heads=sizes.get("predictor_heads", 12),
        mask_tokens=sizes["num_mask_tokens"], positions="released",
    )  # fmt: skip
    method, cell = config.build().eval(), (config.tubelet, config.patch, config.patch)
    theirs = vjepa.encoder_map(config.depth, cell, table=False).read(recording.part("encoder"), "the encoder")
    fill(method.backbone, theirs, "the encoder")
    mapped = vjepa.predictor_map(config.predictor_depth, config.mask_tokens, table=False)
    fill(method.predictor, mapped.read(recording.part("predictor"), "the predictor"), "the predictor")
    asked = {name: int(name.rpartition("_")[2]) for name in expected if name.startswith("predicted.mask_index_")}
    assert asked, "a recording of V-JEPA 2 says which mask token it was made with"
    check_clip(method, recording, asked, expected)
    check_export(config, method, recording, "module.backbone.")


def check_clip(method: MaskedJEPA, recording: Recording, asked: dict[str, int], expected: dict[str, Tensor]) -> None:
    """The full encoding, that of the context, and the prediction of the target with each mask token."""
    given = recording.part("in")
    full = method.backbone(given["video"])
    context = method.backbone(given["video"], keep=given["context"])
    places = Places(full.take(given["target"]).coords.unsqueeze(1))
    close(full.values, expected["full"], "full")
    close(context.values, expected["context"], "context")
    for name, family in asked.items():
        close(method.predictor(context, places, family).places.values, expected[name], name)


@torch.no_grad()
def check_vjepa21(recording: Recording) -> None:
    given, expected = recording.part("in"), recording.part("out")
    config = VJEPA21(**sizes_of_clips(recording))
    method, levels = config.build().eval(), spaced(config.depth, config.levels)
    mapped = vjepa.encoder_map_21(config.depth, levels, (config.tubelet, config.patch, config.patch))
    fill(method.backbone, mapped.read(recording.part("encoder"), "the encoder"), "the encoder")
    close(method.backbone(given["video"]).values, expected["full"], "full")
    close(method.backbone(given["image"]).values, expected["image"], "image")
    close(method.backbone(given["video"], layers=levels).values, expected["hierarchical"], "hierarchical")
    check_export(config, method, recording, "module.backbone.")


def check_export(config: Config, method: MaskedJEPA, recording: Recording, prefix: str) -> None:
    """The networks that were filled, exported for the reference code: every name, shape and number of the recording."""
    encoder, predictor = recording.part("encoder"), recording.part("predictor")
    state = placed("backbone", method.backbone.state_dict())
    state |= placed("predictor", method.predictor.state_dict()) if predictor else {}
    with TemporaryDirectory() as folder:
        weights = Weights(where="the recording", model=config, transform=None, state=state, origin={})
        write_networks(Path(folder), weights, "encoder")
        written = torch.load(Path(folder) / "weights.pt", weights_only=True)
    for name, recorded in (("encoder", encoder), ("target_encoder", encoder), ("predictor", predictor)):
        if recorded:
            same(written[name], recorded, prefix)


def same(written: dict[str, Tensor], recorded: dict[str, Tensor], prefix: str) -> None:
    """Bit by bit, but for tables of positions, which are computed anew."""
    assert written.keys() == {prefix + name for name in recorded}
    for name, tensor in recorded.items():
        assert written[prefix + name].shape == tensor.shape
        close(written[prefix + name], tensor, name, 1e-6 if name.endswith("pos_embed") else 0.0)


def check_sigreg(recording: Recording) -> None:
    """The statistic of each direction, SIGReg and its gradient, along the recorded directions."""
    sizes, expected = recording.sizes, recording.part("out")
    embeddings, along = recording.tensors["in.embeddings"].requires_grad_(), recording.tensors["in.directions"].T
    regularizer = SIGReg(len(along), sizes["n_points"], sizes["t_max"])
    found = regularizer.measure(embeddings.unsqueeze(0), along)
    found.backward()
    statistics = regularizer.test(Samples(along @ embeddings.detach().T))
    close(statistics, expected["statistic_per_direction"], "the statistic of a direction", 1e-5)
    close(found.detach().reshape(1), expected["sigreg"].reshape(1), "SIGReg", 1e-5)
    close(embeddings.grad, expected["gradient"], "the gradient", 1e-5)


@torch.no_grad()
def check_ac(recording: Recording) -> None:
    """The predictor of V-JEPA 2-AC: the tokens of the next frames, its released weights read and written back."""
    sizes, given, theirs = recording.sizes, recording.part("in"), recording.part("predictor")
    frames, side, reads = given["actions"].shape[1], sizes["img_size"], bool(sizes["use_extrinsics"])
    image = tuple(side) if isinstance(side, list) else (side, side)
    config = VJEPA2AC(
        frames=frames + 1, image=image, patch=sizes["patch_size"], tubelet=sizes["tubelet_size"],
        dim=sizes["embed_dim"], depth=1, heads=1, predictor_dim=sizes["predictor_embed_dim"],
        predictor_depth=sizes["depth"], predictor_heads=sizes["num_heads"], eps=sizes["eps"], positions="released",
        extrinsics=6 if reads else 0,
    )  # fmt: skip
    dynamics = config.build().dynamics.eval()
    read = theirs if reads else vjepa2_ac.without_camera(theirs)
    mapped = vjepa2_ac.predictor_map(config.predictor_depth, extrinsics=reads)
    fill(dynamics, mapped.read(read, "the predictor"), "the predictor")
    assert all(torch.equal(tensor, read[name]) for name, tensor in mapped.write(dynamics.state_dict()).items())
    dynamics.normalize = False  # as recorded, before what training does to it
    sides = (image[0] // config.patch, image[1] // config.patch)
    size = given["latents"].shape[1] // frames
    assert size == sides[0] * sides[1]
    tokens = Tokens(given["latents"], torch.zeros(len(given["latents"]), frames * size, 3), None, (frames, *sides))
    told = Conditions(given["actions"], given["states"], given["extrinsics"] if reads else None)
    close(dynamics(tokens, told).values, recording.part("out")["predicted"], "predicted")


def close(ours: Tensor, recorded: Tensor, name: str, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(ours, recorded, atol=tolerance, rtol=0, msg=lambda text: f"{name}: {text}")


CHECKS: dict[str, Callable[[Recording], None]] = {
    "ijepa": check_ijepa,
    "vjepa1": check_vjepa,
    "vjepa2": check_vjepa2,
    "v21": check_vjepa21,
    "ac": check_ac,
    "probe": check_probe,
    "sigreg": check_sigreg,
}


@pytest.mark.parametrize("path", FILES, ids=[f"{kind_of(path)}-{path.stem}" for path in FILES])
def test_golden(path: Path) -> None:
    kind = kind_of(path)
    if kind not in CHECKS:
        pytest.skip(f"{path.name} records {kind!r}, which jepakit does not have yet")
    CHECKS[kind](read_recording(path))


@pytest.mark.parametrize("kind", CHECKS)
def test_golden_of_the_project_holds_what_we_have(kind: str) -> None:
    assert kind in {kind_of(path) for path in OWN.glob("*.safetensors")}

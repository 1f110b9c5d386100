"""Against transformers.VJEPA2Model with random weights: encoder, predictor, pooler and classifier, the same numbers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModel, VJEPA2Config, VJEPA2ForVideoClassification, VJEPA2Model

from jepakit.data.clip_transform import ClipTransform
from jepakit.data.transforms import IMAGENET_MEAN
from jepakit.family import vjepa21
from jepakit.family.vjepa2 import VJEPA2
from jepakit.methods.masked import MaskedJEPA
from jepakit.pretrained import (
    convert,
    export,
    load,
    load_classifier,
    load_method,
    open_weights,
    save_backbone,
    save_classifier,
)
from jepakit.pretrained.clips import usual_transform
from jepakit.pretrained.networks import fill
from jepakit.probes.classifier import AttentiveClassifier
from jepakit.tokens import Places
from jepakit.weights import classifier, vjepa

TOLERANCE = 1e-5
MASK_TOKEN = 1  # the one that VJEPA2Model asks with
MODEL = VJEPA2(
    frames=6, image=(32, 32), patch=8, dim=48, depth=3, heads=4, mlp_ratio=128 / 48, predictor_dim=24,
    predictor_depth=2, predictor_heads=2, mask_tokens=3, positions="released",
)  # fmt: skip


def describe(model: VJEPA2, **more: object) -> VJEPA2Config:
    return VJEPA2Config(
        patch_size=model.patch, crop_size=model.image[0], frames_per_clip=model.frames, tubelet_size=model.tubelet,
        hidden_size=model.dim, num_attention_heads=model.heads, num_hidden_layers=model.depth,
        mlp_ratio=model.mlp_ratio, layer_norm_eps=model.eps, pred_hidden_size=model.predictor_dim,
        pred_num_attention_heads=model.predictor_heads, pred_num_hidden_layers=model.predictor_depth,
        pred_num_mask_tokens=model.mask_tokens, **more,
    )  # fmt: skip


@torch.no_grad()
def add_noise(module: torch.nn.Module, seed: int = 0) -> None:
    """Noise on every parameter, so that biases, norms and tokens that start at zero or one hide no error."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))


def build_reference(model: VJEPA2 = MODEL) -> VJEPA2Model:
    torch.manual_seed(0)
    reference = VJEPA2Model(describe(model)).eval()
    add_noise(reference)
    return reference


def copy_of(reference: VJEPA2Model, model: VJEPA2 = MODEL) -> MaskedJEPA:
    method, cell = model.build().eval(), (model.tubelet, model.patch, model.patch)
    encoder, predictor = vjepa.hugging_face_map(model.depth, model.predictor_depth, cell)
    state = reference.state_dict()
    for network, mapped, name in ((method.backbone, encoder, "encoder."), (method.predictor, predictor, "predictor.")):
        theirs = {key: tensor for key, tensor in state.items() if key.startswith(name)}
        fill(network, mapped.read(theirs, name), name)
    return method


def clip(frames: int = 6, side: int = 32) -> Tensor:
    """[b c t h w], as ours take it; theirs has time before the channels."""
    return torch.randn(2, 3, frames, side, side, generator=torch.Generator().manual_seed(1))


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("frames", [2, 6, 8])
@torch.no_grad()
def test_encoder_equals_hugging_face(frames: int) -> None:
    """Of any length: rotary positions go on beyond the clips of the config."""
    reference = build_reference()
    x = clip(frames)
    close(copy_of(reference).backbone(x).values, reference.encoder(x.transpose(1, 2)).last_hidden_state)


@torch.no_grad()
def test_the_correct_positions_are_not_those_of_the_release() -> None:
    reference = build_reference()
    ours = copy_of(reference).backbone
    ours.position.variant = "exact"
    off = (ours(clip()).values - reference.encoder(clip().transpose(1, 2)).last_hidden_state).abs().max()
    assert off > 100 * TOLERANCE


@torch.no_grad()
def test_predictor_equals_hugging_face() -> None:
    """Theirs encodes the whole clip before it takes the context out, and always asks with the second mask token."""
    reference = build_reference()
    method, x = copy_of(reference), clip()
    order = torch.randperm(48, generator=torch.Generator().manual_seed(2))
    context, target = (part.sort()[0].expand(2, -1) for part in (order[:20], order[20:45]))
    theirs = reference(x.transpose(1, 2), context_mask=[context], target_mask=[target])
    full = method.backbone(x)
    places = Places(full.take(target).coords.unsqueeze(1))
    close(full.values, theirs.last_hidden_state)
    close(full.take(context).values, theirs.masked_hidden_state)
    asked = method.predictor(full.take(context), places, MASK_TOKEN).places
    close(asked.values, theirs.predictor_output.last_hidden_state)
    others = [method.predictor(full.take(context), places, token).places.values for token in (0, 2)]
    assert all((other - asked.values).abs().max() > 100 * TOLERANCE for other in others)


@torch.no_grad()
def test_what_is_seen_is_encoded_alone() -> None:
    """Where theirs leaks: our context encoder sees the context only, and so says something else about it."""
    reference = build_reference()
    method, x = copy_of(reference), clip()
    context = torch.arange(0, 48, 3).expand(2, -1)
    theirs = reference(x.transpose(1, 2), context_mask=[context], target_mask=[context]).masked_hidden_state
    ours = method.backbone(x, keep=context).values
    assert (ours - theirs).abs().max() > 100 * TOLERANCE
    changed = x.clone()
    changed[:, :, :, :8, 8:16] += 1  # the pixels of token 1 and of those behind it, which are not kept
    torch.testing.assert_close(method.backbone(changed, keep=context[:, :1]).values,
                               method.backbone(x, keep=context[:, :1]).values, atol=0, rtol=0)  # fmt: skip


@pytest.mark.parametrize("layers", [0, 3])
@pytest.mark.parametrize("eps", [1e-5, 1e-6])
@torch.no_grad()
def test_pooler_and_classifier_equal_hugging_face(layers: int, eps: float) -> None:
    torch.manual_seed(0)
    described = describe(MODEL, num_pooler_layers=layers, num_labels=5)
    described.layer_norm_eps = eps
    reference = VJEPA2ForVideoClassification(described).eval()
    add_noise(reference)
    ours = AttentiveClassifier(MODEL.dim, MODEL.heads, 1 + layers, classes=5, eps=eps).eval()
    theirs = {name: tensor for name, tensor in reference.state_dict().items() if not name.startswith("vjepa2.")}
    mapped = classifier.hugging_face_map(1 + layers)
    fill(ours, mapped.read(theirs, "the classifier"), "the classifier")
    tokens = reference.vjepa2.encoder(clip().transpose(1, 2)).last_hidden_state
    close(ours.pooler(tokens).squeeze(1), reference.pooler(tokens))
    close(ours(tokens), reference(clip().transpose(1, 2)).logits)
    back = mapped.write(ours.state_dict())
    assert back.keys() == theirs.keys()
    assert all(torch.equal(back[name], theirs[name]) for name in theirs)


def test_our_networks_fit_a_live_model_of_transformers() -> None:
    """The maps are exact in the other direction, too."""
    method, cell = MODEL.build().eval(), (MODEL.tubelet, MODEL.patch, MODEL.patch)
    add_noise(method)
    encoder, predictor = vjepa.hugging_face_map(MODEL.depth, MODEL.predictor_depth, cell)
    reference = VJEPA2Model(describe(MODEL)).eval()
    written = encoder.write(method.backbone.state_dict()) | predictor.write(method.predictor.state_dict())
    reference.load_state_dict(written, strict=True)
    with torch.no_grad():
        close(method.backbone(clip()).values, reference.encoder(clip().transpose(1, 2)).last_hidden_state)


def make_source(folder: Path, model: VJEPA2, transform: ClipTransform | None = None, whole: bool = True) -> MaskedJEPA:
    """A folder of ours with random weights: a checkpoint as a run writes it, or a backbone alone."""
    torch.manual_seed(3)
    method = model.build().eval()
    add_noise(method, 3)
    save_backbone(method.kept, model, folder, transform)
    if whole:
        (folder / "backbone.safetensors").unlink()
        save_file(method.state_dict(), folder / "model.safetensors")
    return method


@torch.no_grad()
def test_a_folder_of_hugging_face_is_read(tmp_path: Path) -> None:
    reference = build_reference()
    reference.save_pretrained(tmp_path)
    weights = open_weights(tmp_path)
    assert weights.model == replace(MODEL, mlp_ratio=128 / 48)
    close(weights.backbone()(clip()).values, reference.encoder(clip().transpose(1, 2)).last_hidden_state)
    method, target = load_method(tmp_path), torch.arange(40, 48).expand(2, -1)
    assert torch.equal(method.backbone(clip()).values, method.kept(clip()).values)
    theirs = reference(clip().transpose(1, 2), context_mask=[torch.arange(48).expand(2, -1)], target_mask=[target])
    full = method.kept(clip())
    asked = method.predictor(full, Places(full.take(target).coords.unsqueeze(1)), MASK_TOKEN).places
    close(asked.values, theirs.predictor_output.last_hidden_state)


@torch.no_grad()
def test_a_classifying_folder_gives_backbone_and_classifier(tmp_path: Path) -> None:
    torch.manual_seed(0)
    described = describe(MODEL, num_pooler_layers=2, num_labels=5)
    described.id2label = dict(enumerate(("push", "pull", "open", "close", "hold")))
    reference = VJEPA2ForVideoClassification(described).eval()
    add_noise(reference)
    reference.save_pretrained(tmp_path / "hf")
    assert "jepakit.load_classifier takes" in "\n".join(open_weights(tmp_path / "hf").notes)
    convert(tmp_path / "hf", tmp_path / "ours")
    for folder in (tmp_path / "hf", tmp_path / "ours"):
        backbone, head = load(folder), load_classifier(folder)
        assert head.names == ("push", "pull", "open", "close", "hold")
        close(head(backbone(clip()).values), reference(clip().transpose(1, 2)).logits)


@pytest.mark.parametrize("whole", [True, False])
@torch.no_grad()
def test_our_export_loads_in_transformers_with_equal_output(whole: bool, tmp_path: Path) -> None:
    model = replace(MODEL, dim=88, mlp_ratio=98 / 88, eps=1e-5)  # int(88 * (98 / 88)) is 97
    method = make_source(tmp_path / "ours", model, usual_transform(6, (32, 32), 2, 3), whole)
    told = export(tmp_path / "ours", tmp_path / "hf", "hf")
    reference, report = AutoModel.from_pretrained(tmp_path / "hf", output_loading_info=True)
    assert isinstance(reference, VJEPA2Model)
    assert not report["unexpected_keys"]
    assert not report["mismatched_keys"]
    assert all(key.startswith("predictor.") for key in report["missing_keys"])
    assert bool(report["missing_keys"]) == ("there is no predictor to write" in told) == (not whole)
    close(method.kept(clip()).values, reference.encoder(clip().transpose(1, 2)).last_hidden_state)
    again = load(tmp_path / "hf")
    assert torch.equal(again(clip()).values, method.kept(clip()).values)
    assert again.transform == usual_transform(6, (32, 32), 2, 3)
    if whole:
        full, target = method.kept(clip()), torch.arange(30, 48).expand(2, -1)
        asked = method.predictor(full, Places(full.take(target).coords.unsqueeze(1)), MASK_TOKEN).places
        everything = [torch.arange(48).expand(2, -1)]
        theirs = reference(clip().transpose(1, 2), context_mask=everything, target_mask=[target])
        close(asked.values, theirs.predictor_output.last_hidden_state)


@pytest.mark.parametrize("depth", [1, 4])
@pytest.mark.parametrize("names", [("push", "pull", "open", "close", "hold"), None])
@torch.no_grad()
def test_our_export_with_a_classifier_classifies_in_transformers(
    depth: int, names: tuple[str, ...] | None, tmp_path: Path
) -> None:
    method, head = make_source(tmp_path / "ours", MODEL), AttentiveClassifier(MODEL.dim, 4, depth, 5, eps=MODEL.eps)
    add_noise(head.eval(), depth)
    head.names = names
    save_classifier(head, tmp_path / "head.safetensors")
    told = export(tmp_path / "ours", tmp_path / "hf", "hf", classifier=tmp_path / "head.safetensors")
    assert "differ" not in told
    reference, report = VJEPA2ForVideoClassification.from_pretrained(tmp_path / "hf", output_loading_info=True)
    assert not any(report.values())
    close(head(method.kept(clip()).values), reference.eval()(clip().transpose(1, 2)).logits)
    assert reference.config.id2label[4] == ("hold" if names else "LABEL_4")
    assert "pipeline_tag: video-classification" in (tmp_path / "hf/README.md").read_text()
    again = load_classifier(tmp_path / "hf")
    close(again(load(tmp_path / "hf")(clip()).values), head(method.kept(clip()).values))
    export(tmp_path / "hf", tmp_path / "again", "hf")  # that of the source, if none is named
    assert (tmp_path / "again/config.json").read_text() == (tmp_path / "hf/config.json").read_text()


@torch.no_grad()
def test_another_eps_is_told_and_changes_little(tmp_path: Path) -> None:
    method, head = make_source(tmp_path / "ours", MODEL), AttentiveClassifier(MODEL.dim, 4, 4, 5, eps=1e-5)
    add_noise(head.eval(), 4)
    save_classifier(head, tmp_path / "head.safetensors")
    told = export(tmp_path / "ours", tmp_path / "hf", "hf", classifier=tmp_path / "head.safetensors")
    assert "norms of the classifier have eps 1e-05, in transformers the 1e-06 of its backbone" in told
    reference = VJEPA2ForVideoClassification.from_pretrained(tmp_path / "hf").eval()
    off = (head(method.kept(clip()).values) - reference(clip().transpose(1, 2)).logits).abs().max()
    assert off < 1e-2


@pytest.mark.parametrize(
    ("heads", "layers", "segments", "words"),
    [
        (3, (-1,), 1, "has 3 attention heads; in transformers a classifier has those of its backbone, which are 4"),
        (4, (-2, -1), 1, r"reads levels \(-2, -1\) of 1 segments; that of transformers reads the last level"),
        (4, (-1,), 2, r"reads levels \(-1,\) of 2 segments"),
    ],
)
def test_a_classifier_that_transformers_cannot_compute_is_told(
    heads: int, layers: tuple[int, ...], segments: int, words: str, tmp_path: Path
) -> None:
    make_source(tmp_path / "ours", MODEL, whole=False)
    head = AttentiveClassifier(MODEL.dim, heads, 1, 5)
    head.layers, head.segments = layers, segments
    save_classifier(head, tmp_path / "head.safetensors")
    with pytest.raises(ValueError, match=words):
        export(tmp_path / "ours", tmp_path / "hf", "hf", classifier=tmp_path / "head.safetensors")
    assert not (tmp_path / "hf").exists()


@pytest.mark.parametrize("size", [224, 256, 384, 65])
def test_the_exported_processor_is_that_of_transformers(size: int, tmp_path: Path) -> None:
    """VJEPA2VideoProcessor itself needs torchvision; its one own rule is the shorter side, `int(crop * 256 / 224)`."""
    make_source(tmp_path / "ours", MODEL, usual_transform(6, (size, size), 2, 3), whole=False)
    export(tmp_path / "ours", tmp_path / "hf", "hf")
    written = json.loads((tmp_path / "hf/video_preprocessor_config.json").read_text())
    assert written["video_processor_type"] == "VJEPA2VideoProcessor"
    assert written["size"] == {"shortest_edge": int(size * 256 / 224)}
    assert written["crop_size"] == {"height": size, "width": size}
    assert written["image_mean"] == list(IMAGENET_MEAN)
    transform = load(tmp_path / "hf").transform
    assert isinstance(transform, ClipTransform)
    assert (transform.picture.size, transform.picture.shorter) == (size, int(size * 256 / 224))


@torch.no_grad()
def test_the_grid_is_that_of_the_pictures_it_is_given(tmp_path: Path) -> None:
    """transformers counts places on the grid of its config, and is wrong in silence for clips of another size."""
    method = make_source(tmp_path / "ours", MODEL, usual_transform(6, (48, 48), 2, 3))
    export(tmp_path / "ours", tmp_path / "hf", "hf")
    reference, x = AutoModel.from_pretrained(tmp_path / "hf"), clip(side=48)
    close(method.kept(x).values, reference.encoder(x.transpose(1, 2)).last_hidden_state)


def test_another_crop_is_not_written_as_theirs(tmp_path: Path) -> None:
    make_source(tmp_path / "ours", MODEL, ClipTransform(), whole=False)
    assert "no file of a video processor is written" in export(tmp_path / "ours", tmp_path / "hf", "hf")
    assert not (tmp_path / "hf/video_preprocessor_config.json").exists()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (replace(MODEL, positions="exact"), "trained with exact ones: export to safetensors or onnx"),
        (replace(MODEL, image=(32, 48)), r"takes square clips, this model's are \(32, 48\)"),
        (vjepa21.TINY, "transformers has no model for a VJEPA21"),
    ],
)
def test_what_transformers_cannot_compute_is_told(model: VJEPA2, words: str, tmp_path: Path) -> None:
    make_source(tmp_path / "ours", model, whole=False)
    with pytest.raises(ValueError, match=words):
        export(tmp_path / "ours", tmp_path / "hf", "hf")
    assert not (tmp_path / "hf").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_hidden_layers": 4}, "num_hidden_layers is 4, the weights are made for 3"),
        ({"mlp_ratio": 4}, "mlp_ratio is 4, the weights have 128"),
        ({"pred_num_mask_tokens": 10}, "pred_num_mask_tokens is 10, the weights are made for 3"),
        ({"pred_mlp_ratio": 2.0}, "pred_mlp_ratio is 2.0"),
        ({"hidden_act": "silu"}, "hidden_act is silu"),
        ({"crop_size": "large"}, "crop_size 'large'; whole numbers above 0"),
        ({"layer_norm_eps": 0}, "layer_norm_eps 0; a number above 0"),
        ({"model_type": "vjepa3"}, "model_type 'vjepa3'; jepakit reads ijepa and vjepa2"),
    ],
)
def test_a_config_that_lies_is_told(change: dict[str, object], words: str, tmp_path: Path) -> None:
    build_reference().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ValueError, match=words):
        load(tmp_path)

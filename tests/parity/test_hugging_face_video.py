"""Against transformers.VJEPA2Model with random weights: encoder, predictor, pooler and classifier, the same numbers."""

import pytest
import torch
from torch import Tensor
from transformers import VJEPA2Config, VJEPA2ForVideoClassification, VJEPA2Model

from jepakit.family.vjepa2 import VJEPA2
from jepakit.methods.masked import MaskedJEPA
from jepakit.pretrained.networks import fill
from jepakit.probes.attentive import AttentiveClassifier
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
    close(ours.pooler(tokens), reference.pooler(tokens))
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

"""Continued pretraining on clips: V-JEPA, V-JEPA 2 and 2.1 from released weights."""

from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from clips import V1, V2, V21, build_noisy, clip, entries, write_released

from jepakit.contracts import Rows, step_at
from jepakit.family import vjepa, vjepa2, vjepa21
from jepakit.methods.masked import MaskedJEPA
from jepakit.pretrained import adopt_networks, initialize_from

LARGER = replace(V21, patch=16)
SOURCES = {
    "1": (V1, replace(vjepa.TINY, masks="causal", momentum=(0.9, 1.0), target_scale="sample", sigreg=0.1)),
    "2": (V2, replace(vjepa2.TINY, mask_token=(3, 4), momentum=0.9, target_scale="sample")),
    "2.1": (LARGER, replace(vjepa21.TINY, context_share=0.25, picture_blocks=(2, 0.5))),
    "2.1 distilled": (replace(LARGER, distilled_from=80), replace(vjepa21.TINY, context_share=0.25)),
}


def start(path: Any, model: Any) -> tuple[MaskedJEPA, str]:
    told: list[str] = []
    torch.manual_seed(5)
    method = model.build()
    initialize_from(path, tell=told.append)(method)
    return method, "\n".join(told)


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(left, right) for left, right in pairs)


@pytest.mark.parametrize("name", SOURCES)
def test_a_task_goes_on_with_networks_of_released_weights(name: str, tmp_path) -> None:
    model, task = SOURCES[name]
    source = build_noisy(model)
    path = write_released(tmp_path / "x.pt", entries(source, model))
    both = adopt_networks(task, path)
    assert (both.dim, both.heads, both.mlp_ratio, both.predictor_dim) == (192, 3, 4.0, model.predictor_dim)
    asked = {"momentum", "target_scale", "sigreg", "picture_blocks"} & {at.name for at in fields(task)}
    assert all(getattr(both, name) == getattr(task, name) for name in asked)
    if name == "2":
        assert (both.mask_token, both.mask_tokens, both.positions) == ((3, 4), 10, "released")
    method, told = start(path, both)
    assert equal(method.backbone, source.kept)
    assert equal(method.kept, source.kept)
    if name in ("2", "2.1"):
        assert "the predictor starts from" in told
        assert equal(method.predictor, source.predictor)
    if name == "2.1 distilled":
        assert "the predictor starts anew" in told
        losses = method({"x": clip(4, 64)}, step_at(0, 1, Rows(0, 2, 2)))
        assert torch.isfinite(losses.total)


def test_rotary_positions_of_another_kind_are_refused(tmp_path) -> None:
    path = write_released(tmp_path / "x.pt", entries(build_noisy(V2), V2))
    with pytest.raises(ValueError, match="trained with released rotary positions, the model has exact rotary ones"):
        start(path, replace(V2, positions="exact"))


def test_one_member_does_not_start_another(tmp_path) -> None:
    path = write_released(tmp_path / "x.pt", entries(build_noisy(V1), V1))
    with pytest.raises(ValueError, match="holds a VJEPA, which cannot start a VJEPA2"):
        adopt_networks(vjepa2.TINY, path)

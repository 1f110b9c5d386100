"""Backbones as ONNX graphs: the one file that needs onnx, onnxscript and onnxruntime."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.parts.nn.backbone import AnyBackbone

NAME = "backbone.onnx"
TOLERANCE = 1e-4


class Values(nn.Module):
    """A backbone that returns a plain tensor."""

    def __init__(self, backbone: AnyBackbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b n d"]:
        return self.backbone(x).values


def write(folder: Path, backbone: AnyBackbone, shape: tuple[int, ...], origin: Mapping[str, str]) -> list[str]:
    """Writes backbone.onnx: "pixels" [batch c (t) h w] -> "tokens" [batch n d], for any batch and one size of input.

    The graph is run and compared before it counts as written. Raises ImportError without the extra, ValueError if the
    graph gives other numbers.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401  (so that its absence is told before the work, not after)
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(f"ONNX export needs {error.name}: pip install 'jepakit[onnx]'") from None
    example = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    with _quiet():
        program = torch.onnx.export(
            Values(backbone).eval(),
            (example,),
            input_names=["pixels"],
            output_names=["tokens"],
            dynamic_shapes={"x": {0: torch.export.Dim("batch", min=1)}},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    for key, value in {**origin, "transform": _transform(backbone)}.items():
        program.model.metadata_props[key] = value
    program.save(folder / NAME, external_data=True)
    onnx.checker.check_model(folder / NAME)
    return [f"onnxruntime differs from torch by {_difference(folder / NAME, backbone, shape):.1e} at most"]


def _difference(path: Path, backbone: AnyBackbone, shape: tuple[int, ...]) -> float:
    """The largest difference on another batch size than the one that was traced."""
    import onnxruntime

    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    tokens = torch.from_numpy(session.run(["tokens"], {"pixels": x.numpy()})[0])
    with torch.inference_mode():
        off = float((tokens - backbone(x).values).abs().max())
    if off > TOLERANCE:
        raise ValueError(f"the exported graph differs from the backbone by {off:.1e}; it was not written")
    return off


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter deprecates parts of itself while it works, and regrets that torchvision is not there."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _transform(backbone: AnyBackbone) -> str:
    return json.dumps(None if backbone.transform is None else backbone.transform.to_json())

"""Tensors as pictures inside of the page: data URIs, patches in the colors of their features, drawn masks."""

import base64
import io

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from torch import Tensor

LARGEST = 128
"""Pixels of the shorter side: twice what the page shows, for dense screens."""
SMALL = 64
"""Up to this side pixels are shown as squares, and stored without loss."""

Pixels = UInt8[Tensor, "h w c"]


def to_uri(pixels: Pixels) -> str:
    """A picture with one (gray), three or four (alpha) channels as the source of an <img>."""
    array = pixels.numpy()
    image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
    if min(image.size) > LARGEST:
        share = LARGEST / min(image.size)
        image = image.resize((max(1, round(image.width * share)), max(1, round(image.height * share))))
    stored, as_png = io.BytesIO(), image.mode == "RGBA" or max(image.size) <= SMALL
    if as_png:
        image.save(stored, "PNG", optimize=True)
    else:
        image.save(stored, "JPEG", quality=88)
    return f"data:image/{'png' if as_png else 'jpeg'};base64,{base64.b64encode(stored.getvalue()).decode('ascii')}"


def color_by_features(patches: Float[Tensor, "k t d"], extent: tuple[int, int]) -> UInt8[Tensor, "k h w c"]:
    """Patches as colors: their first three principal components over all k pictures are red, green and blue.

    Equal colors are similar features. Each component is stretched between its 2nd and 98th percentile.
    """
    flat = patches.flatten(0, 1).double()
    centered = flat - flat.mean(dim=0)
    _, vectors = torch.linalg.eigh(centered.T @ centered)
    top = vectors[:, -3:].flip(1)
    top = top * top.gather(0, top.abs().argmax(dim=0, keepdim=True)).sign()  # eigenvectors have no sign of their own
    scores = centered @ top
    if scores.shape[1] < 3:
        scores = torch.nn.functional.pad(scores, (0, 3 - scores.shape[1]))
    low, high = np.percentile(scores.numpy(), [2, 98], axis=0)
    span = torch.from_numpy(np.maximum(high - low, 1e-12))
    shares = ((scores - torch.from_numpy(low)) / span).clamp(0, 1)
    return (shares * 255).round().byte().unflatten(0, (len(patches), *extent))


def covered(index: Int[Tensor, "*m k"], count: int) -> Bool[Tensor, "*m n"]:
    """Which of `count` tokens are named by an index; -1 is padding."""
    marks = torch.zeros(*index.shape[:-1], count + 1, dtype=torch.bool)
    return marks.scatter(-1, torch.where(index < 0, count, index), True)[..., :count]


def show_only(pixels: Pixels, tokens: Bool[Tensor, "n"], extent: tuple[int, int]) -> UInt8[Tensor, "h w four"]:
    """The picture where the tokens are, and nothing (transparent) elsewhere."""
    height, width = pixels.shape[:2]
    rows = torch.arange(height) * extent[0] // height
    columns = torch.arange(width) * extent[1] // width
    seen = tokens.unflatten(0, extent)[rows][:, columns]
    return torch.cat([pixels.expand(-1, -1, 3), (seen * 255).byte().unsqueeze(-1)], dim=-1)


def nearest(pooled: Float[Tensor, "n d"], queries: Int[Tensor, "q"], count: int) -> Int[Tensor, "q k"]:
    """The rows most similar to each query by cosine, without the query itself."""
    units = torch.nn.functional.normalize(pooled, dim=1)
    similarity = units[queries] @ units.T
    similarity[torch.arange(len(queries)), queries] = -torch.inf
    return similarity.topk(min(count, len(pooled) - 1), dim=1).indices

"""Tensors as pictures inside of the page: data URIs, patches in the colors of their features, drawn masks."""

import base64
import io

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from torch import Tensor

from jepakit.data.transforms import ImageTransform

LARGEST = 128
"""Pixels of the shorter side: twice what the page shows, for dense screens."""
SMALL = 64
"""Up to this side pixels are shown as squares, and stored without loss."""

Pixels = UInt8[Tensor, "h w c"]
RAMP = ((0x2B, 0x1D, 0x4F), (0x3B, 0x5B, 0x8C), (0x2F, 0x97, 0x8E), (0x8F, 0xCB, 0x5A), (0xFB, 0xE9, 0x7A))
"""Colors from the lowest value to the highest; each is lighter than the one before, so that they read in gray, too."""


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


def to_moving_uri(frames: UInt8[Tensor, "t h w 3"], milliseconds: int) -> str:
    """Frames, so long each, as a moving picture (WebP) that begins again at its end: the source of an <img>."""
    pictures = [Image.fromarray(frame) for frame in frames.numpy()]
    stored, rest = io.BytesIO(), pictures[1:]
    pictures[0].save(stored, "WEBP", save_all=True, append_images=rest, duration=milliseconds, loop=0, quality=90)
    return f"data:image/webp;base64,{base64.b64encode(stored.getvalue()).decode('ascii')}"


def to_pixels(x: Float[Tensor, "*n c h w"], transform: ImageTransform) -> UInt8[Tensor, "*n h w 3"]:
    """Normalized pictures in colors."""
    mean, std = (torch.tensor(value).view(-1, 1, 1) for value in (transform.mean, transform.std))
    pixels = ((x * std + mean) * 255).round().clamp(0, 255).byte().movedim(-3, -1)
    return pixels.expand(*pixels.shape[:-1], 3)


def color_by_height(values: Float[Tensor, "r q"]) -> UInt8[Tensor, "r q c"]:
    """Numbers as colors: the least is dark, the largest light."""
    low, high = values.min(), values.max()
    place = (values - low) / (high - low).clamp(min=torch.finfo(values.dtype).tiny) * (len(RAMP) - 1)
    below = place.long().clamp(max=len(RAMP) - 2)
    ramp, share = torch.tensor(RAMP, dtype=torch.float32), (place - below).unsqueeze(-1)
    return (ramp[below] * (1 - share) + ramp[below + 1] * share).round().byte()


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

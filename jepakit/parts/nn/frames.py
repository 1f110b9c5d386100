"""Clips whose frames are encoded alone: what a world model sees, for its predictor is what knows of time."""

import math
from dataclasses import replace

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from jepakit.parts.nn.backbone import AnyBackbone
from jepakit.tokens import Tokens


class Frames(AnyBackbone):
    """Clips -> the tokens of every frame, which no other frame has changed; coordinates are (time, row, column).

    `network` is a backbone of pictures, or one and a head. With `copies` it is a backbone of clips, to which every
    frame is shown so many times, as a clip that stands still (V-JEPA 2-AC, 2506.09985, section 3.1). `normalize` gives
    every token mean 0 and variance 1 over its features.
    """

    def __init__(self, network: nn.Module, dim: int, copies: int | None = None, normalize: bool = False) -> None:
        super().__init__(dim)
        self.network, self.copies, self.normalize = network, copies, normalize

    def forward(
        self,
        x: Shaped[Tensor, "..."],
        keep: Int[Tensor, "b k"] | None = None,
        layers: tuple[int, ...] | None = None,
    ) -> Tokens:
        """Tokens of clips [b c t h w], frame after frame. One clip [c t h w] is a batch of one.

        Raises ValueError for `keep`, for the frames of one clip would then have different tokens.
        """
        if keep is not None:
            raise ValueError("frames are encoded whole here; give the backbone inside of it the tokens to keep")
        clips = x.unsqueeze(0) if x.ndim == 4 else x
        if clips.ndim != 5:
            raise ValueError(f"expected clips [b c t h w], got {list(x.shape)}; a picture is a clip of one frame")
        pictures = clips.transpose(1, 2).flatten(0, 1)
        shown = pictures if self.copies is None else pictures.unsqueeze(2).expand(-1, -1, self.copies, -1, -1)
        tokens: Tokens = self.network(shown, layers=layers)
        if self.normalize:
            tokens = tokens.with_values(nn.functional.layer_norm(tokens.values, tokens.values.shape[-1:]))
        return lay_behind(tokens, clips.shape[2])

    def flops(self, tokens: int) -> int:
        """Operations of a frame of so many tokens, forward."""
        return self.network.flops(tokens)  # pyright: ignore[reportCallIssue]


def lay_behind(frames: Tokens, count: int) -> Tokens:
    """Tokens of b*t frames as those of b clips of `count` frames, one behind the other."""
    if frames.extent is None:  # a vector, which has no place
        rows, columns = 1, 1
        within = frames.coords.new_zeros(*frames.values.shape[:2], 2).unflatten(0, (-1, count))
    else:
        rows, columns = frames.extent[-2:]
        within = frames.coords[..., -2:].unflatten(0, (-1, count))
    time = torch.arange(count, dtype=within.dtype, device=within.device).view(1, -1, 1, 1)
    coords = torch.cat([time.expand(*within.shape[:3], 1), within], dim=-1).flatten(1, 2)
    values = frames.values.unflatten(0, (-1, count)).flatten(1, 2)
    valid = None if frames.valid is None else frames.valid.unflatten(0, (-1, count)).flatten(1, 2)
    return Tokens(values, coords, valid, (count, rows, columns))


def by_frame(tokens: Tokens) -> Float[Tensor, "b t n d"]:
    """The values of every frame."""
    assert tokens.extent is not None, "tokens of clips know how many frames they are of"
    return tokens.values.unflatten(1, (tokens.extent[0], math.prod(tokens.extent[1:])))


def cut_frames(tokens: Tokens, first: int, last: int) -> Tokens:
    """The tokens of the frames from `first` to before `last`; their time stays counted from the first of all."""
    assert tokens.extent is not None, "tokens of clips know how many frames they are of"
    size = math.prod(tokens.extent[1:])
    part = slice(first * size, last * size)
    valid = None if tokens.valid is None else tokens.valid[:, part]
    return replace(
        tokens, values=tokens.values[:, part], coords=tokens.coords[:, part], valid=valid,
        extent=(last - first, *tokens.extent[1:]),
    )  # fmt: skip

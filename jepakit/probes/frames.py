"""A picture backbone that looks at videos frame by frame: what a video backbone has to beat."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jepakit.probes.features import Encoder
from jepakit.tokens import Tokens


class PerFrame(nn.Module):
    """Tokens of every frame by a backbone for pictures, each with sines and cosines of its moment beside it.

    The moment makes it a fair rival: a probe may compare frames and learn their order, which frames alone do not tell.
    """

    waves = 4

    def __init__(self, backbone: Encoder) -> None:
        super().__init__()
        self.backbone = backbone
        self.dim = backbone.dim + 2 * self.waves

    def forward(
        self,
        x: Float[Tensor, "b c t h w"],
        keep: Int[Tensor, "b k"] | None = None,
        layers: tuple[int, ...] | None = None,
    ) -> Tokens:
        """The tokens [b (t n) d]. Raises ValueError for several `layers`, which would lie between the moments."""
        if layers is not None and len(layers) > 1:
            raise ValueError(f"frames are read at one level, so layers={layers} cannot be given")
        count = x.shape[2]
        tokens = self.backbone(x.transpose(1, 2).flatten(0, 1), layers=layers)
        moments = torch.arange(count, device=x.device, dtype=x.dtype)
        angles = moments[:, None] / count * torch.pi * 2.0 ** torch.arange(self.waves, device=x.device)
        waves = torch.cat([angles.sin(), angles.cos()], dim=1).repeat(len(x), 1)

        def with_time(of_frames: Tensor, time: Tensor) -> Tensor:
            beside = time[:, None].expand(-1, of_frames.shape[1], -1)
            return torch.cat([of_frames, beside], dim=2).unflatten(0, (-1, count)).flatten(1, 2)

        places = with_time(tokens.coords, moments.repeat(len(x))[:, None]).roll(1, dims=-1)
        extent = None if tokens.extent is None else (count, *tokens.extent)
        valid = None if tokens.valid is None else tokens.valid.unflatten(0, (-1, count)).flatten(1, 2)
        found = Tokens(with_time(tokens.values, waves), places, valid, extent)
        return found if keep is None else found.take(keep)

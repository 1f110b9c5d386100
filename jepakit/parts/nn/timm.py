"""Networks of the timm package as backbones: the one file that needs it."""

import copy
import importlib
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from jepakit.config import Config
from jepakit.parts.nn.backbone import AnyBackbone, require_floats
from jepakit.parts.nn.convnet import lay_down, require_whole
from jepakit.tokens import Tokens


@dataclass(frozen=True, kw_only=True)
class Timm(Config):
    """A network of timm under its name there, with weights drawn at random: `Timm(name="resnet50")`."""

    name: str
    image: tuple[int, int] = (224, 224)
    """Height and width in pixels that it learns from; networks of convolutions take others, too (local views)."""
    channels: int = 3

    def build(self) -> "TimmBackbone":
        """The backbone. Raises ImportError without timm, ValueError for a name that it does not know."""
        try:
            timm = importlib.import_module("timm")
        except (ImportError, RuntimeError) as error:
            raise ImportError(f"{self.name} needs timm ({error}): pip install 'jepakit[timm]'") from None
        if not timm.is_model(self.name):
            raise ValueError(f"timm knows no network {self.name!r}; timm.list_models('*resnet*') finds names")
        network = timm.create_model(self.name, pretrained=False, num_classes=0, in_chans=self.channels)
        if hasattr(network, "set_input_size"):  # transformers are made for one size, which their names tell
            network.set_input_size(img_size=self.image)
        return TimmBackbone(network, (self.channels, *self.image))

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """What it takes: channels, height and width of a picture."""
        return ((self.channels, *self.image),)


class TimmBackbone(AnyBackbone):
    """Whatever `forward_features` gives, as tokens on a grid; class and register tokens are dropped.

    Batch normalization stays timm's own, whose batch is that of one process.
    """

    def __init__(self, network: nn.Module, sample: tuple[int, int, int]) -> None:
        super().__init__(int(network.num_features))  # pyright: ignore[reportArgumentType]
        self.network, self.sample = network, sample
        self.prefix = int(vars(network)["num_prefix_tokens"]) if "num_prefix_tokens" in vars(network) else 0

    def forward(
        self,
        x: Shaped[Tensor, "..."],
        keep: Int[Tensor, "b k"] | None = None,
        layers: tuple[int, ...] | None = None,
    ) -> Tokens:
        """Tokens of what `transform` made: float32 [b c h w]. One picture [c h w] is a batch of one.

        Raises ValueError for `keep`, for `layers` but the last, for a size that the network refuses, and for features
        that are no grid; TypeError for integers.
        """
        require_whole(keep, layers)
        require_floats(x)
        x = x.unsqueeze(0) if x.ndim == 3 else x
        try:
            features = self.network.forward_features(x)  # pyright: ignore[reportCallIssue]
        except AssertionError as error:  # so timm's transformers refuse other sizes
            raise ValueError(f"this network was made for {self.sample}, and got {list(x.shape)}: {error}") from None
        return lay_down(self._as_maps(features, x.shape[2] / x.shape[3]))

    def flops(self, tokens: int) -> int:
        """Operations of one sample of so many tokens, forward.

        Counted at the size that it learns from and in proportion for others, which is exact for convolutions.
        """
        of_all, count = self._cost
        return round(of_all * tokens / count)

    def _as_maps(self, features: Tensor, aspect: float) -> Float[Tensor, "b d h w"]:
        """[b d h w] as they are, [b h w d] turned, [b n d] without what stands before the grid laid out on it."""
        if features.ndim == 4:
            return features if features.shape[1] == self.dim else features.movedim(-1, 1)
        if features.ndim == 3:
            count = features.shape[1] - self.prefix
            rows = round((count * aspect) ** 0.5)
            if rows > 0 and count % rows == 0:
                return features[:, self.prefix :].transpose(1, 2).unflatten(2, (rows, count // rows))
        raise ValueError(f"the features {list(features.shape)} of this network lie on no grid, so they are no tokens")

    @cached_property
    def _cost(self) -> tuple[int, int]:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            tokens = copy.deepcopy(self).to("meta").eval()(torch.empty(1, *self.sample, device="meta"))
        return counter.get_total_flops(), tokens.values.shape[1]

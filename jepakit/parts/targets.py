"""Who answers the question. Which target is used is how a masked method is kept from collapsing."""

import copy
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jepakit.contracts import Step
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.tokenizers.modalities import Modalities
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.schedules import Schedule
from jepakit.tokens import Tokens

TargetName = Literal["ema", "shared", "stop_gradient", "frozen", "pixels"]
"""The targets that a config can name: "shared" lets gradients through, "stop_gradient" does not."""

Scale = Literal["token", "sample"]
"""Over what answers are normalized."""


def normalized(tokens: Tokens, levels: int = 1, scale: Scale = "token") -> Tokens:
    """Every token with mean 0 and variance 1 over its features (layer norm without parameters; I-JEPA's code).

    `levels` that stand side by side are normalized one by one (V-JEPA 2.1). With the scale of a "sample", every feature
    has then mean 0 and variance 1 over the tokens of its sample, too, as data2vec does it for speech (2202.03555,
    section 3.3): what all tokens share, such as which clip this is, is not asked for.
    """
    values = tokens.values.unflatten(-1, (levels, -1))
    values = F.layer_norm(values, values.shape[-1:]).flatten(-2)
    if scale == "sample":
        values = F.instance_norm(values.transpose(1, 2)).transpose(1, 2)
    return tokens.with_values(values)


class EMATarget(nn.Module):
    """An exponential moving average of the network answers; no gradient enters it (I-JEPA; BYOL, section 3.1).

    It answers with its last level, or with several `levels` side by side, normalized over `scale`; with
    `normalize=False` as they are.
    """

    def __init__(
        self,
        network: nn.Module,
        momentum: Schedule,
        levels: tuple[int, ...] | None = None,
        normalize: bool = True,
        scale: Scale = "token",
    ) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.momentum, self.levels, self.normalize = momentum, levels, normalize
        self.scale: Scale = scale

    @torch.no_grad()
    def forward(self, x: Tensor, network: nn.Module) -> Tokens:
        answer = self.network(x, layers=self.levels)
        return normalized(answer, len(self.levels or (0,)), self.scale) if self.normalize else answer

    @torch.no_grad()
    def after_step(self, network: nn.Module, step: Step) -> None:
        """target <- m target + (1 - m) network, with m at the progress of the step, on shards as on whole tensors."""
        averages = [_local(parameter) for parameter in self.network.parameters()]
        currents = [_local(parameter.detach()) for parameter in network.parameters()]
        torch._foreach_lerp_(averages, currents, 1 - self.momentum(step.progress))

    def kept(self, network: nn.Module) -> nn.Module:
        return self.network

    def flops(self, tokens: int, forward: int) -> int:
        """One pass forward."""
        return forward


class AveragedLevelsTarget(EMATarget):
    """The mean of several `levels` of the average answers, each normalized by itself (data2vec, 2202.03555).

    Levels come through the encoder's last norm first, as all that are read here; the paper takes them as they are.
    """

    def __init__(self, network: nn.Module, momentum: Schedule, levels: tuple[int, ...]) -> None:
        super().__init__(network, momentum, levels)

    @torch.no_grad()
    def forward(self, x: Tensor, network: nn.Module) -> Tokens:
        answer = super().forward(x, network)
        return answer.with_values(answer.values.unflatten(-1, (len(self.levels or (0,)), -1)).mean(dim=-2))


class Trusting(nn.Module):
    """Targets that answer with a network which was trained before: it begins without weights that mean anything.

    They answer only once `trust` says that it was given some. Weights and word travel in every checkpoint.
    """

    trusted: Tensor
    _is_trusted = False

    def wait(self) -> None:
        """From now on there are no answers until `trust` says so."""
        self.register_buffer("trusted", torch.zeros(()))

    def require_trust(self, who: str, option: str) -> None:
        """Raises ValueError while the network that answers has no weights."""
        if not self._is_trusted:  # looked up once: reading it from a GPU would stop that
            self._is_trusted = bool(self.trusted)
        if not self._is_trusted:
            raise ValueError(f"the {who} network that answers has no weights yet; name them, {option}")

    def trust(self) -> None:
        """Says that the network that answers was given its weights."""
        self.trusted.fill_(1)


class DistilledTarget(Trusting, EMATarget):
    """A larger network that is trained already answers with its last level; the average of the small one is kept.

    So are the small models of V-JEPA 2.1 made (2603.14482).
    """

    def __init__(self, network: nn.Module, momentum: Schedule, larger: Backbone) -> None:
        super().__init__(network, momentum)
        self.larger = larger.requires_grad_(False)
        self.wait()

    @torch.no_grad()
    def forward(self, x: Tensor, network: nn.Module) -> Tokens:
        """The answers of the larger network. Raises ValueError while it has no weights."""
        self.require_trust("larger", "--model.larger.source")
        return normalized(self.larger(x))

    def flops(self, tokens: int, forward: int) -> int:
        """One pass through the larger network."""
        return self.larger.flops(tokens)


class SharedTarget(nn.Module):
    """The network itself answers. With `stop_gradient=False` and nothing else against it, it collapses."""

    def __init__(self, stop_gradient: bool = True, normalize: bool = True, scale: Scale = "token") -> None:
        super().__init__()
        self.stop_gradient, self.normalize = stop_gradient, normalize
        self.scale: Scale = scale

    def forward(self, x: Tensor, network: nn.Module) -> Tokens:
        with torch.set_grad_enabled(not self.stop_gradient and torch.is_grad_enabled()):
            answer = network(x)
        return normalized(answer, scale=self.scale) if self.normalize else answer

    def after_step(self, network: nn.Module, step: Step) -> None:
        """Nothing to do: the network is the target."""

    def kept(self, network: nn.Module) -> nn.Module:
        return network

    def flops(self, tokens: int, forward: int) -> int:
        """One pass forward and, where a gradient flows, a backward one that costs two."""
        return forward if self.stop_gradient else 3 * forward


class FrozenTarget(nn.Module):
    """A network that learns no more answers, and stays in eval mode.

    Where no other network looks at the input, it is also what is seen with and kept: so are the predictors of
    V-JEPA 2-AC (2506.09985) and DINO-WM (2411.04983) trained. Else the one that learns is kept.
    """

    def __init__(self, network: nn.Module, normalize: bool = False) -> None:
        super().__init__()
        self.network, self.normalize = network.requires_grad_(False).eval(), normalize

    @torch.no_grad()
    def forward(self, x: Tensor, network: nn.Module) -> Tokens:
        answer = self.network(x)
        return normalized(answer) if self.normalize else answer

    def train(self, mode: bool = True) -> "FrozenTarget":
        """The network stays as it is, batch normalization and all."""
        super().train(mode)
        self.network.eval()
        return self

    def after_step(self, network: nn.Module, step: Step) -> None:
        """Nothing to do: it is done."""

    def kept(self, network: nn.Module) -> nn.Module:
        """The network that learns; the frozen one where there is none, for which an `Identity` stands."""
        return self.network if isinstance(network, nn.Identity) else network

    def flops(self, tokens: int, forward: int) -> int:
        """One pass forward."""
        return forward


class TrainedTarget(Trusting, FrozenTarget):
    """A frozen encoder that was trained before answers a masked method: SALT (2509.24317). What learns is kept.

    Nothing moves on the side of the answers, so nothing can collapse there. It may be smaller than what learns from it.
    """

    def __init__(self, network: Backbone, scale: Scale = "token") -> None:
        super().__init__(network)
        self.scale: Scale = scale
        self.wait()

    @torch.no_grad()
    def forward(self, x: Tensor, network: nn.Module) -> Tokens:
        """Normalized answers. Raises ValueError while there are no weights to answer with."""
        self.require_trust("frozen", "--model.frozen.source")
        return normalized(super().forward(x, network), scale=self.scale)

    def flops(self, tokens: int, forward: int) -> int:
        """One pass through the frozen network, which may be of another size."""
        assert isinstance(self.network, Backbone)
        return self.network.flops(tokens)


class PixelTarget(nn.Module):
    """The pixels answer: a rival, not a JEPA. With `normalize` each patch by itself has mean 0 and variance 1.

    MAE (2111.06377, section 3) is better so; pictures can be put together from patches that were left as they are.
    """

    def __init__(self, tokenizer: PatchTokenizer | Modalities, normalize: bool = True) -> None:
        super().__init__()
        self.normalize = normalize
        self._cut = tokenizer.cut  # a bound method, so that the tokenizer is not registered twice

    @torch.no_grad()
    def forward(self, x: Tensor, network: nn.Module) -> Tokens:
        pixels = self._cut(x)
        return normalized(pixels) if self.normalize else pixels

    def after_step(self, network: nn.Module, step: Step) -> None:
        """Nothing to do: pixels do not learn."""

    def kept(self, network: nn.Module) -> nn.Module:
        return network

    def flops(self, tokens: int, forward: int) -> int:
        """Pixels are there already."""
        return 0


def make_target(
    name: TargetName, backbone: Backbone, momentum: Schedule, scale: Scale = "token", frozen: Backbone | None = None
) -> EMATarget | SharedTarget | TrainedTarget | PixelTarget:
    """The target of this name for `backbone`; only an average has a `momentum`, only pixels have no `scale`.

    A frozen one answers with the network `frozen`. Raises ValueError for other names, for a scale of pixels, and for
    a network to answer that would not be asked, or is not there.
    """
    if (name == "frozen") != (frozen is not None):
        raise ValueError(f"a network that answers goes with the target frozen, and only there; the target is {name!r}")
    match name:
        case "frozen" if frozen is not None:
            return TrainedTarget(frozen, scale)
        case "ema":
            return EMATarget(backbone, momentum, scale=scale)
        case "pixels":
            if scale != "token":
                raise ValueError(f"pixels are normalized patch by patch: set target_scale to token, got {scale!r}")
            return PixelTarget(backbone.tokenizer)
        case "shared" | "stop_gradient":
            return SharedTarget(stop_gradient=name == "stop_gradient", scale=scale)
        case _:
            raise ValueError(f"target is one of {', '.join(get_args(TargetName))}, got {name!r}")


def _local(tensor: Tensor) -> Tensor:
    """This rank's part of a sharded tensor, or the tensor itself."""
    to_local = getattr(tensor, "to_local", None)
    return tensor if to_local is None else to_local()

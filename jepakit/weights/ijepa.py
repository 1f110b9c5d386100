"""I-JEPA elsewhere: the released checkpoints, and Hugging Face's IJepaModel in both of its naming schemes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from jepakit.weights.keys import KeyMap, Rule, Shapes, batched, convolution, count_blocks, joined, layer, same

Layout = Literal["official", "hf_memory", "hf_disk"]

LICENSE = "CC-BY-NC-4.0"
"""Licence of the released weights and of what is converted from them (LICENSE file of the reference repository)."""

# Heads are in no tensor's shape: those of the published sizes, by width (paper 2301.08243, appendix A; released code).
_HEADS = {192: 3, 384: 6, 768: 12, 1024: 16, 1280: 16, 1408: 16}


@dataclass(frozen=True, kw_only=True)
class BlockNames:
    """What a naming scheme calls the parts of a block; query, key and value are one name or three."""

    stem: str
    attention_norm: str
    qkv: tuple[str, ...]
    projection: str
    mlp_norm: str
    expand: str
    contract: str

    def rules(self, depth: int) -> list[Rule]:
        """All tensors of `depth` blocks."""
        return [rule for index in range(depth) for rule in self._block(index)]

    def _block(self, index: int) -> list[Rule]:
        ours, theirs = f"encoder.blocks.{index}.", f"{self.stem}{index}."
        pairs = [
            ("attention_norm", self.attention_norm),
            ("attention.projection", self.projection),
            ("mlp_norm", self.mlp_norm),
            ("mlp.expand", self.expand),
            ("mlp.contract", self.contract),
        ]
        rules = [rule for own, other in pairs for rule in layer(ours + own, theirs + other)]
        for kind in ("weight", "bias"):
            rules.append(joined(f"{ours}attention.qkv.{kind}", *(f"{theirs}{name}.{kind}" for name in self.qkv)))
        return rules


@dataclass(frozen=True, kw_only=True)
class EncoderNames:
    """What a naming scheme calls the parts of an encoder."""

    position: str
    patches: str
    blocks: BlockNames
    norm: str


OFFICIAL_BLOCK = BlockNames(
    stem="blocks.", attention_norm="norm1", qkv=("attn.qkv",), projection="attn.proj", mlp_norm="norm2",
    expand="mlp.fc1", contract="mlp.fc2",
)  # fmt: skip
OFFICIAL_PREDICTOR_BLOCK = BlockNames(
    stem="predictor_blocks.", attention_norm="norm1", qkv=("attn.qkv",), projection="attn.proj", mlp_norm="norm2",
    expand="mlp.fc1", contract="mlp.fc2",
)  # fmt: skip
# Names of live modules in transformers 5; its files, and those on the hub, still have the older names.
HF_MEMORY_BLOCK = BlockNames(
    stem="layers.", attention_norm="layernorm_before",
    qkv=("attention.q_proj", "attention.k_proj", "attention.v_proj"), projection="attention.o_proj",
    mlp_norm="layernorm_after", expand="mlp.fc1", contract="mlp.fc2",
)  # fmt: skip
HF_DISK_BLOCK = BlockNames(
    stem="encoder.layer.", attention_norm="layernorm_before",
    qkv=("attention.attention.query", "attention.attention.key", "attention.attention.value"),
    projection="attention.output.dense", mlp_norm="layernorm_after", expand="intermediate.dense",
    contract="output.dense",
)  # fmt: skip

_HF_POSITION, _HF_PATCHES = "embeddings.position_embeddings", "embeddings.patch_embeddings.projection"
ENCODERS: dict[Layout, EncoderNames] = {
    "official": EncoderNames(position="pos_embed", patches="patch_embed.proj", blocks=OFFICIAL_BLOCK, norm="norm"),
    "hf_memory": EncoderNames(position=_HF_POSITION, patches=_HF_PATCHES, blocks=HF_MEMORY_BLOCK, norm="layernorm"),
    "hf_disk": EncoderNames(position=_HF_POSITION, patches=_HF_PATCHES, blocks=HF_DISK_BLOCK, norm="layernorm"),
}


def encoder_map(layout: Layout, depth: int, patch: int) -> KeyMap:
    """Our Backbone with its position table (`position.vectors`), and theirs."""
    names = ENCODERS[layout]
    return KeyMap(
        (
            batched("position.vectors", names.position),
            convolution("tokenizer.projection.weight", f"{names.patches}.weight", (patch, patch)),
            same("tokenizer.projection.bias", f"{names.patches}.bias"),
            *names.blocks.rules(depth),
            *layer("encoder.norm", names.norm),
        )
    )


def predictor_map(depth: int) -> KeyMap:
    """Our MaskTokenPredictor with its position table (`position.vectors`), and the released one."""
    return KeyMap(
        (
            batched("mask_tokens", "mask_token"),
            batched("position.vectors", "predictor_pos_embed"),
            *layer("embedding", "predictor_embed"),
            *OFFICIAL_PREDICTOR_BLOCK.rules(depth),
            *layer("encoder.norm", "predictor_norm"),
            *layer("projection", "predictor_proj"),
        )
    )


def find_layout(shapes: Shapes) -> Layout | None:
    """Which naming scheme an encoder has; None if it has none that we know, or does not work on flat patches."""
    for layout, encoder in ENCODERS.items():
        if len(shapes.get(f"{encoder.patches}.weight", ())) == 4 and count_blocks(shapes, encoder.blocks.stem):
            return layout
    return None


@dataclass(frozen=True, kw_only=True)
class EncoderSizes:
    """What the shapes of a checkpoint say about its networks."""

    dim: int
    depth: int
    hidden: int
    channels: int
    patch: int

    @property
    def heads(self) -> int:
        """Heads of the published model of this width. Raises ValueError for any other width."""
        if self.dim not in _HEADS:
            raise ValueError(
                f"a checkpoint does not say how many attention heads it has, and no published I-JEPA is {self.dim} "
                "wide; state heads="
            )
        return _HEADS[self.dim]


@dataclass(frozen=True, kw_only=True)
class PredictorSizes:
    """What the shapes of a checkpoint say about its predictor."""

    width: int
    depth: int


def encoder_sizes(layout: Layout, shapes: Shapes, where: str) -> EncoderSizes:
    """Sizes of an encoder. Raises ValueError for what is not a vision transformer with square patches."""
    names = ENCODERS[layout]
    depth = count_blocks(shapes, names.blocks.stem)
    first = f"{names.blocks.stem}0.{names.blocks.expand}.weight"
    patches = shape_of(shapes, f"{names.patches}.weight", 4, where)
    hidden = shape_of(shapes, first, 2, where)[0]
    if patches[2] != patches[3]:
        raise ValueError(f"{where} has patches of {patches[2]} x {patches[3]}; only square ones are supported")
    return EncoderSizes(dim=patches[0], depth=depth, hidden=hidden, channels=patches[1], patch=patches[2])


def predictor_sizes(shapes: Shapes, where: str) -> PredictorSizes:
    """Sizes of a released predictor."""
    width = shape_of(shapes, "predictor_embed.weight", 2, where)[0]
    return PredictorSizes(width=width, depth=count_blocks(shapes, OFFICIAL_PREDICTOR_BLOCK.stem))


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Shapes by name."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def shape_of(shapes: Shapes, name: str, axes: int, where: str) -> tuple[int, ...]:
    """The shape of one tensor. Raises ValueError if it is not there, or has another number of axes."""
    if name not in shapes or len(shapes[name]) != axes:
        found = f"has it as {list(shapes[name])}" if name in shapes else "lacks it"
        raise ValueError(f"{where} should have {name} with {axes} axes, but {found}")
    return shapes[name]

"""Attentive classifiers elsewhere: the released probes of V-JEPA, and Hugging Face's VJEPA2ForVideoClassification."""

from dataclasses import dataclass

from jepakit.weights.ijepa import shape_of
from jepakit.weights.keys import KeyMap, Rule, Shapes, count_blocks, joined, layer, same

# The released first probe carries a projection behind its cross-attention that no forward pass reads (official code).
UNREAD = ("pooler.cross_attention_block.xattn.proj.weight", "pooler.cross_attention_block.xattn.proj.bias")


@dataclass(frozen=True, kw_only=True)
class ClassifierSizes:
    """What the shapes of a classifier say: its width, its blocks (the one of cross-attention included), its classes."""

    dim: int
    depth: int
    classes: int


def classifier_sizes(shapes: Shapes, where: str) -> ClassifierSizes:
    """Sizes of a classifier under our names, which are those of the release."""
    classes, dim = shape_of(shapes, "linear.weight", 2, where)
    return ClassifierSizes(dim=dim, depth=1 + count_blocks(shapes, "pooler.blocks."), classes=classes)


def hugging_face_map(depth: int) -> KeyMap:
    """Our AttentiveClassifier, and the pooler and classifier of `transformers.VJEPA2ForVideoClassification`."""
    return KeyMap(
        (
            same("pooler.query_tokens", "pooler.query_tokens"),
            *_cross_attention("pooler.cross_attention_block", "pooler.cross_attention_layer"),
            *(
                rule
                for index in range(depth - 1)
                for rule in _self_attention(f"pooler.blocks.{index}", f"pooler.self_attention_layers.{index}")
            ),
            *layer("linear", "classifier"),
        )
    )


def _self_attention(ours: str, theirs: str) -> list[Rule]:
    attention = f"{theirs}.self_attn"
    return [
        *_around(ours, theirs),
        *_side_by_side(f"{ours}.attn.qkv", *(f"{attention}.{name}_proj" for name in "qkv")),
        *layer(f"{ours}.attn.proj", f"{attention}.out_proj"),
    ]


def _cross_attention(ours: str, theirs: str) -> list[Rule]:
    attention = f"{theirs}.cross_attn"
    return [
        *_around(ours, theirs),
        *layer(f"{ours}.xattn.q", f"{attention}.q_proj"),
        *_side_by_side(f"{ours}.xattn.kv", *(f"{attention}.{name}_proj" for name in "kv")),
    ]


def _around(ours: str, theirs: str) -> list[Rule]:
    """Norms and MLP of a block."""
    pairs = (("norm1", "layer_norm1"), ("norm2", "layer_norm2"), ("mlp.fc1", "mlp.fc1"), ("mlp.fc2", "mlp.fc2"))
    return [rule for own, other in pairs for rule in layer(f"{ours}.{own}", f"{theirs}.{other}")]


def _side_by_side(ours: str, *theirs: str) -> list[Rule]:
    return [joined(f"{ours}.{kind}", *(f"{name}.{kind}" for name in theirs)) for kind in ("weight", "bias")]

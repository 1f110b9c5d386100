"""transformers.VJEPA2ForVideoClassification out: a backbone that is written already, and its attentive classifier."""

from jepakit.family.vjepa2 import VJEPA2
from jepakit.pretrained.classifier import Head
from jepakit.pretrained.families import Written
from jepakit.pretrained.hugging_face_vjepa2 import CONFIG
from jepakit.weights.classifier import hugging_face_map


def add_classifier(written: Written, head: Head, model: VJEPA2) -> Written:
    """The folder of a VJEPA2Model with a classifier. Raises ValueError for one that transformers cannot compute.

    There, the classifier has heads and eps of its backbone. Released ones have another eps, too, so that this is told
    and not refused.
    """
    sizes, notes = head.model, list(written.notes)
    if sizes.heads != model.heads:
        raise ValueError(
            f"{head.where} has {sizes.heads} attention heads; in transformers a classifier has those of its backbone, "
            f"which are {model.heads}: export to official or safetensors"
        )
    if (sizes.layers, sizes.segments) != ((-1,), 1):
        raise ValueError(
            f"{head.where} reads levels {sizes.layers} of {sizes.segments} segments; that of transformers reads the "
            "last level of one clip: export to official or safetensors"
        )
    if sizes.eps != model.eps:
        notes.append(
            f"norms of the classifier have eps {sizes.eps:g}, in transformers the {model.eps:g} of its backbone: "
            "logits differ a little"
        )
    names = sizes.names or tuple(f"LABEL_{index}" for index in range(sizes.classes))
    described = {
        **written.files[CONFIG],
        "architectures": ["VJEPA2ForVideoClassification"],
        "num_pooler_layers": sizes.depth - 1,
        "id2label": {str(index): name for index, name in enumerate(names)},
        "label2id": {name: index for index, name in enumerate(names)},
    }
    state = {f"vjepa2.{name}": tensor for name, tensor in written.state.items()}
    state |= hugging_face_map(sizes.depth).write(head.state)
    return Written({**written.files, CONFIG: described}, state, "video-classification", tuple(notes))

"""Released I-JEPA checkpoints (.pth.tar), and single files of tensors under the same names."""

from pathlib import Path

from jepakit.family.ijepa import from_official
from jepakit.pretrained.encoders import describe_transform, read_encoder, read_predictor, usual_transform
from jepakit.pretrained.networks import placed
from jepakit.pretrained.weights import Weights
from jepakit.weights.files import read_checkpoint, read_safetensors, tensors_in
from jepakit.weights.ijepa import LICENSE
from jepakit.weights.keys import State

# Networks of a released file, and where our method has them.
ENCODERS = {"target_encoder": "target.network", "encoder": "backbone"}


def read_file(path: Path, heads: int | None = None) -> Weights:
    """All networks of a file. Raises ValueError if one of them is not exactly I-JEPA's.

    `heads` is needed for encoders of a width that was never published.
    """
    networks, notes = _networks(path)
    encoders = {name: read_encoder(networks[name], f"{name} of {path}") for name in ENCODERS if name in networks}
    first = next(iter(encoders.values()))
    if any(encoder[1:4] != first[1:4] for encoder in encoders.values()):
        raise ValueError(f"the encoder and the target_encoder of {path} have different sizes")
    state: State = {}
    for name, encoder in encoders.items():
        state |= placed(ENCODERS[name], encoder.state)
        notes.append(encoder.note)
    predictor = None
    if "predictor" in networks:
        predictor = read_predictor(networks["predictor"], first.extent, f"predictor of {path}")
        state |= placed("predictor", predictor.state)
    model = from_official(first.sizes, predictor and predictor.sizes, first.extent, heads, first.positions)
    transform = usual_transform(model)
    notes.append(describe_transform(transform))
    # Only the release has both encoders in one file; of a single network nobody can say whose it is.
    origin = {"source": path.name} | ({"license": LICENSE} if len(encoders) == 2 else {})
    return Weights(where=str(path), model=model, transform=transform, state=state, origin=origin, notes=tuple(notes))


def _networks(path: Path) -> tuple[dict[str, State], list[str]]:
    """State dicts by name, and a note on what else there was."""
    found = read_safetensors(path) if path.suffix == ".safetensors" else read_checkpoint(path)
    names = [name for name in (*ENCODERS, "predictor") if name in found]
    if not any(name in ENCODERS for name in names):
        return {"target_encoder": tensors_in(found, str(path))}, []
    networks = {name: tensors_in(found[name], f"{name} of {path}") for name in names}
    ignored = sorted(str(name) for name in found.keys() - networks.keys())
    return networks, [f"{path}: left out: {', '.join(ignored)}"] if ignored else []

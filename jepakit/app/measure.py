"""What a backbone has learnt, as a table and a file: the probe verb."""

from pathlib import Path

import torch

from jepakit import pretrained
from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.parts.nn.backbone import Backbone
from jepakit.probes import suite
from jepakit.probes.attentive import Attentive
from jepakit.probes.duplicates import warn_of_duplicates
from jepakit.probes.finetune import FineTune
from jepakit.probes.knn import Knn
from jepakit.probes.linear import Linear
from jepakit.probes.logistic import Logistic
from jepakit.probes.lowshot import LowShot, PerClass, Share
from jepakit.probes.names import ProbeName
from jepakit.probes.result import Probe, Result, write
from jepakit.train.log import read_run


def probe_called(name: ProbeName) -> Probe:
    """The probe that a word of the command line means."""
    match name:
        case "knn":
            return Knn()
        case "logistic":
            return Logistic()
        case "linear":
            return Linear()
        case "attentive":
            return Attentive()
        case "attentive4":
            return Attentive(blocks=4)
        case "lowshot12":
            return LowShot(amount=PerClass(labels=12))
        case "lowshot1":
            return LowShot(amount=Share(share=0.01))
        case "lowshot10":
            return LowShot(amount=Share(share=0.1))
        case "finetune":
            return FineTune()


def measure(source: str, probes: tuple[ProbeName, ...], root: str | None, seed: int, out: Path | None) -> list[Result]:
    """Probes what is at `source` beside random init and raw pixels, and writes the results.

    Pictures go through the transform that the backbone was trained with. Without `root` they are those of the run;
    results go to `out`, or to probes.json in the folder of the run. Raises ValueError where either cannot be known.
    """
    weights = pretrained.open_weights(source)
    backbone = weights.backbone()
    data = _data_of(source, root, backbone)
    path = out or (Path(source) / "probes.json" if _is_run(source) else None)
    if path is None:
        raise ValueError(f"{source} is no run, so say where the results go: --out probes.json")
    if _is_run(source):
        warn_of_duplicates(read_run(Path(source)).data, data)

    def random_init(number: int) -> Backbone:
        torch.manual_seed(number)
        fresh = weights.model.build().kept
        fresh.transform = backbone.transform
        return fresh

    results = suite.measure(backbone, random_init, data, [probe_called(name) for name in probes], seed)
    write(results, path)
    return results


def _data_of(source: str, root: str | None, backbone: Backbone) -> Images:
    if not isinstance(backbone.transform, ImageTransform):
        raise ValueError(f"{source} has no transform for pictures, so it cannot be probed with them")
    trained_on = read_run(Path(source)).data if _is_run(source) else None
    augment = trained_on.augment if isinstance(trained_on, Images) else RandomResizedCrop()
    root = root or (trained_on.root if isinstance(trained_on, Images) else None)
    if root is None:
        raise ValueError(f"{source} does not say what it was trained on; name labelled pictures with --data.root")
    return Images(root=root, transform=backbone.transform, augment=augment)


def _is_run(source: str) -> bool:
    return (Path(source) / "run.json").exists()

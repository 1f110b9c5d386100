"""What a backbone has learnt, as a table and a file: the probe verb."""

from pathlib import Path

import torch

from jepakit import pretrained
from jepakit.app.device import open_device
from jepakit.app.report.wording import title_of
from jepakit.app.samples import open_samples, samples_of
from jepakit.contracts import Transform
from jepakit.data.images import Images
from jepakit.data.videos import SeveralViews, Videos
from jepakit.parts.nn.backbone import AnyBackbone
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
from jepakit.probes.splits import Labeled
from jepakit.train.log import read_run
from jepakit.train.run import Run


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


def measure(
    source: str,
    probes: tuple[ProbeName, ...],
    root: str | None,
    seed: int,
    out: Path | None,
    device: str = "cpu",
    trusted: bool = False,
    segments: int = 1,
    views: int = 1,
) -> list[Result]:
    """Probes what is at `source` beside random init and raw pixels, and writes the results.

    Samples go through the transform that the backbone was trained with. Without `root` they are those of the run;
    results go to `out`, or to probes.json in the folder of the run. Raises ValueError where either cannot be known, and
    for several `segments` or `views` of what is no video.
    """
    place = open_device(device)
    weights = pretrained.open_weights(source, trusted)
    run = read_run(Path(source), trusted) if (Path(source) / "run.json").exists() else None
    backbone = weights.backbone().to(place)
    data = _data_of(source, root, backbone.transform, run)
    seen = data if (segments, views) == (1, 1) else _in_views(data, segments, views)
    if run is None and out is None:
        raise ValueError(f"{source} is no run, so say where the results go: --out probes.json")
    if run is not None and isinstance(run.data, Images):
        warn_of_duplicates(run.data, data)

    def random_init(number: int) -> AnyBackbone:
        torch.manual_seed(number)
        fresh = weights.model.build().kept
        fresh.transform = backbone.transform
        return fresh.to(place)

    asked = [probe_called(name) for name in probes]
    results = suite.measure(backbone, random_init, seen, asked, seed, title_of(weights.model))
    write(results, out or Path(source) / "probes.json")
    return results


def _in_views(data: Labeled, segments: int, views: int) -> SeveralViews:
    if not isinstance(data, Videos):
        raise ValueError(
            f"segments and views are cut out of videos, and {type(data).__name__} are none; leave both out"
        )
    return SeveralViews(data, segments, views)


def _data_of(source: str, root: str | None, transform: Transform | None, run: Run | None) -> Labeled:
    if run is not None:
        return samples_of(run.data, root, transform, source)
    if root is None:
        raise ValueError(f"{source} does not say what it was trained on; name labelled samples with --data.root")
    return open_samples(root, transform, source)

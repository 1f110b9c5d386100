"""What a backbone has learnt, as a table and a file: the probe verb."""

from dataclasses import dataclass, replace
from pathlib import Path

from jepakit import pretrained
from jepakit.app.classifiers import KeepingProbe
from jepakit.app.device import open_device
from jepakit.app.report.wording import title_of
from jepakit.app.samples import notes_of, open_samples, samples_of
from jepakit.app.sources import AS_IT_IS, open_source
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
from jepakit.probes.names import Asked, ProbeName
from jepakit.probes.result import Probe, Result, write
from jepakit.probes.splits import Labeled
from jepakit.train.log import read_run
from jepakit.train.run import Run

ATTENTIVE = Attentive()


@dataclass(frozen=True)
class Measured:
    """What probes found, where the classifiers lie that they left behind, and sentences for the user."""

    results: list[Result]
    classifiers: tuple[Path, ...]
    notes: tuple[str, ...]


def probe_called(name: ProbeName, attentive: Attentive = ATTENTIVE) -> Probe:
    """The probe that a word of the command line means; `attentive` ones are like that but for their blocks."""
    match name:
        case "knn":
            return Knn()
        case "logistic":
            return Logistic()
        case "linear":
            return Linear()
        case "attentive":
            return replace(attentive, blocks=1)
        case "attentive4":
            return replace(attentive, blocks=4)
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
    asked: Asked,
    root: str | None,
    seed: int,
    out: Path | None,
    device: str = "cpu",
    trusted: bool = False,
    choice: pretrained.Choice = AS_IT_IS,
) -> Measured:
    """Probes what is at `source` beside random init and raw pixels, and writes the results.

    Samples go through the transform that the backbone was trained with, or that of the `choice`. Without `root` they
    are those of the run; results go to `out`, or to probes.json in the folder of the run, and the classifiers of
    attentive probes beside them. Raises ValueError where either cannot be known, and for several segments or views of
    what is no video.
    """
    place = open_device(device)
    weights = open_source(source, choice, trusted)
    run = read_run(Path(source), trusted) if (Path(source) / "run.json").exists() else None
    backbone = weights.backbone(choice.entry, choice.image).to(place)
    data = _data_of(source, root, backbone.transform, run)
    seen = data if (asked.segments, asked.views) == (1, 1) else _in_views(data, asked.segments, asked.views)
    if run is None and out is None:
        raise ValueError(f"{source} is no run, so say where the results go: --out probes.json")
    if run is not None and isinstance(run.data, Images):
        warn_of_duplicates(run.data, data)

    def random_init(number: int) -> AnyBackbone:
        fresh = pretrained.untrained(weights.model, number).kept
        fresh.transform = backbone.transform
        return fresh.to(place)

    file, title = out or Path(source) / "probes.json", title_of(weights.model)
    probes = _probes(asked, title, file)
    results = suite.measure(backbone, random_init, seen, probes, seed, title)
    write(results, file)
    kept = tuple(probe.out for probe in probes if isinstance(probe, KeepingProbe))
    return Measured(results, kept, tuple(notes_of(data)))


def _probes(asked: Asked, of: str, file: Path) -> list[Probe]:
    """The probes that are asked for; attentive ones leave the classifier of the subject `of` beside the results."""
    attentive = Attentive(samples=asked.samples, steps=asked.steps, layers=asked.layers)
    named = [probe_called(name, attentive) for name in asked.probes]
    return [
        KeepingProbe(probe, of, file.with_name(f"{file.stem}-{probe.name}.safetensors"))
        if isinstance(probe, Attentive)
        else probe
        for probe in named
    ]


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

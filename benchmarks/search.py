"""How recipes were chosen: as many trials of I-JEPA as of supervised training, without a look at the test part.

    python -m benchmarks.search [--list] [NAME ...]

A trial changes one thing of its base and trains for a short budget. Three tenths of the labeled training part judge it,
in the place of the test part, which no trial looks at; the validation part chooses the heads, as always. Raw files go
to results/search/, and `benchmarks.tables` prints them.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from benchmarks.record import ROOT, origin
from jepakit.data.images import Images
from jepakit.data.transforms import RandomResizedCrop
from jepakit.probes.finetune import FineTune
from jepakit.probes.knn import Knn
from jepakit.probes.linear import Linear
from jepakit.probes.lowshot import LowShot, Share
from jepakit.probes.splits import Splits, Subset, stratified
from jepakit.probes.subject import Subject
from jepakit.recipes import images
from jepakit.train.fit import fit
from jepakit.train.run import Keep, Run

SEED = 1_000
"""Of every trial; the runs that are reported have others."""
STEPS = 1_000
JUDGES = 0.3
PROBES = {"knn": Knn(), "linear": Linear(), "lowshot1": LowShot(amount=Share(share=0.01))}
FEW = Share(share=0.01)

Change = Callable[[Run], Run]


@dataclass(frozen=True)
class Trial:
    """One thing changed, trained and measured on validation data."""

    name: str
    """The data, the method and what is changed: "emoji.ijepa.base"."""
    measure: Callable[[], dict[str, Any]]


def trials() -> dict[str, Trial]:
    """Every trial there is, by name."""
    found = []
    for data, base, changes in (("fashion", gray(), changes_gray()), ("emoji", colored(), changes_colored())):
        for name, change in changes.items():
            found.append(Trial(out := f"{data}.ijepa.{name}", partial(pretrained, change(base), out)))
        for rate, steps in supervised_choices(len(changes)):
            out = f"{data}.supervised.rate_{rate:g}_steps_{steps}"
            found.append(Trial(out, partial(supervised, base, rate, steps)))
    return {trial.name: trial for trial in found}


def gray() -> Run:
    """Fashion-MNIST, from where the search begins."""
    return short(images.fashion())


def colored() -> Run:
    """Emoji in 16 patches, from where the search begins; Open Clip Art takes what is found here."""
    return short(model(patch=16)(images.ijepa_tiny()))


def short(run: Run) -> Run:
    return replace(run, steps=STEPS, seed=SEED, probes=(), keep=Keep(every=STEPS), sinks=())


def model(**changes: Any) -> Change:
    """The run with these settings of its model changed."""
    return lambda run: replace(run, model=replace(run.model, **changes))


def rate(peak: float) -> Change:
    return lambda run: replace(run, optimizer=replace(run.optimizer, peak=peak))


def crop(least: float) -> Change:
    return lambda run: replace(run, data=replace(run.data, augment=RandomResizedCrop(scale=(least, 1.0))))


def pictures(size: int) -> Change:
    """Pictures of another size, in as many patches."""

    def change(run: Run) -> Run:
        assert isinstance(run.data, Images)
        patch = run.model.patch * size // run.model.image[0]  # type: ignore[attr-defined]
        seen = replace(run.data.transform, size=size)
        return replace(
            run, data=replace(run.data, transform=seen), model=replace(run.model, image=(size, size), patch=patch)
        )

    return change


def centered(run: Run) -> Run:
    """Input whose mean is near 0, as drawings on white have it, in place of that of photographs."""
    assert isinstance(run.data, Images)
    return replace(run, data=replace(run.data, transform=images.DRAWINGS))


def longer(run: Run) -> Run:
    """Centered, in 16 patches, for as long as 1,000 steps in 64 patches take: which of the two is worth its time?"""
    return replace(centered(run), steps=2_700)


def changes_gray() -> Mapping[str, Change]:
    """What is tried on Fashion-MNIST: tokens, size, masks, target, schedule."""
    return {
        "base": lambda run: run,
        "patch_4": model(patch=4),
        "dim_192": model(dim=192, heads=6, predictor_dim=96),
        "depth_6": model(depth=6),
        "predictor_depth_4": model(predictor_depth=4),
        "initialization_flat": model(initialization="flat"),
        "momentum_0.996": model(momentum=(0.996, 1.0)),
        "blocks_large": model(block_scale=(0.25, 0.4)),
        "rate_3e-3": rate(3e-3),
        "crop_0.6": crop(0.6),
    }


def changes_colored() -> Mapping[str, Change]:
    """What is tried on emoji."""
    return {
        "base": lambda run: run,
        "centered": centered,
        "patch_8": model(patch=8),
        "pictures_32": pictures(32),
        "depth_6": model(depth=6),
        "momentum_0.996": model(momentum=(0.996, 1.0)),
        "momentum_0.97": model(momentum=(0.97, 1.0)),
        "rate_3e-3": rate(3e-3),
        "rate_3e-4": rate(3e-4),
        "crop_0.6": crop(0.6),
        "centered_steps_2700": longer,
    }


def supervised_choices(count: int) -> list[tuple[float, int]]:
    """As many trials of the baseline: rates and lengths."""
    grid = [(rate, steps) for steps in (300, 1_000) for rate in (3e-4, 1e-3, 3e-3, 6e-3, 1e-2)]
    return [*grid, (1e-3, 2_700)][:count]


def pretrained(run: Run, name: str) -> dict[str, Any]:
    """Trains without labels, then probes."""
    out = ROOT / "runs" / "search" / name
    backbone = fit(run, out, resume=(out / "run.json").exists()).kept
    backbone.transform = run.data.transform  # type: ignore[attr-defined]
    subject = Subject("ijepa", backbone, judged_on_training(run))
    return {"scores": {key: probe.measure(subject, SEED).value for key, probe in PROBES.items()}, "run": run.to_json()}


def supervised(base: Run, rate: float, steps: int) -> dict[str, Any]:
    """Trains the same network with labels, with all and with 1 % of them."""
    torch.manual_seed(SEED)
    subject = Subject("supervised", base.model.build().kept, judged_on_training(base))
    all_labels, few = FineTune(rates=(rate,), steps=steps), FineTune(amount=FEW, rates=(rate,), steps=steps, draws=1)
    scores = {"full": all_labels.measure(subject, SEED).value, "lowshot1": few.measure(subject, SEED).value}
    return {"scores": scores, "run": {"rate": rate, "steps": steps}}


def judged_on_training(run: Run) -> Splits:
    """Splits whose test part is cut out of the training part, so that the real one stays unseen."""
    assert isinstance(run.data, Images)
    usual = Splits.of(run.data)
    labels = torch.as_tensor(usual.train.labels)
    held = stratified(labels, JUDGES, torch.Generator().manual_seed(1)).sort()[0]
    rest = torch.arange(len(labels))[~torch.isin(torch.arange(len(labels)), held)]
    return replace(
        usual,
        train=Subset(usual.train, rest),
        test=Subset(usual.train, held),
        augmented=Subset(usual.augmented, rest),
    )


def main() -> None:
    """Runs the trials that were asked for and are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="names of trials, or how they begin; all if none is given")
    parser.add_argument("--list", action="store_true", help="say what there is and what is missing, and run nothing")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    for name, trial in trials().items():
        path = ROOT / "results" / "search" / f"{name}.json"
        if asked.names and not name.startswith(tuple(asked.names)):
            continue
        if path.exists() or asked.list:
            print(f"{'done   ' if path.exists() else 'missing'} {name}", flush=True)
            continue
        print(f"running {name}", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        body = {"claims": {}, **trial.measure(), **origin(f"python -m benchmarks.search {name}")}
        path.write_text(json.dumps(body, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""What several rooms test with."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.family.ijepa import IJEPA
from jepakit.pretrained import load
from jepakit.probes import result
from jepakit.probes.knn import Knn
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject
from jepakit.train.fit import fit
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch

DIGITS = ImageTransform(size=8, channels=1, mean=(0.3,), std=(0.38,))
TINY = IJEPA(image=(8, 8), patch=2, channels=1, dim=24, depth=2, heads=2, predictor_dim=12, predictor_depth=1)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real run on the digits of scikit-learn, trained and probed. Tests copy it before they change it."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    run = Run(
        model=replace(TINY, initialization="fan_in", min_keep=2, momentum=(0.9, 1.0)),
        data=Images(root="packaged:digits", transform=DIGITS, augment=RandomResizedCrop()),
        steps=12,
        batch=32,
        optimizer=AdamW(peak=3e-3),
        device="cpu",
        workers=0,
        log_every=1,
        sinks=(),
        keep=Keep(every=6),
        watch=Watch(every=3, samples=16, action="warn"),
        probes=(Knn(every=6, online_train=100, online_validation=50),),
    )
    fit(run, folder)
    splits = Splits.of(run.data)
    torch.manual_seed(run.seed)
    subjects = [
        Subject("I-JEPA", load(folder), splits),
        Subject("random init", run.model.build().kept, splits),
        Subject("raw pixels", None, splits),
    ]
    result.write([Knn().measure(subject, 0) for subject in subjects], folder / "probes.json")
    return folder

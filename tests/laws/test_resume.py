"""10 steps are 5, saved, loaded, and 5 more, bit for bit, for every member of the family."""

import shutil

import numpy as np
import torch
from safetensors.torch import load_file

from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.train.fit import fit
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch


def test_ten_steps_are_five_and_five(tiny, tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (24, *tiny.image, tiny.channels), dtype=np.uint8)
    np.savez(tmp_path / "pictures.npz", x=pictures)
    run = Run(
        model=tiny,
        data=Images(
            root=str(tmp_path / "pictures.npz"),
            transform=ImageTransform(size=tiny.image[0]),
            augment=RandomResizedCrop(),
        ),
        steps=10,
        batch=8,
        optimizer=AdamW(warmup=0.1),
        keep=Keep(every=5, last=2),
        watch=Watch(action="warn", every=3, samples=4, views=2),
        workers=0,
        threads=1,
        sinks=(),
    )
    fit(run, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "halves")
    shutil.rmtree(tmp_path / "halves" / "step-00000010")
    fit(run, tmp_path / "halves", resume=True)
    whole, halves = (load_file(tmp_path / name / "step-00000010" / "model.safetensors") for name in ("whole", "halves"))
    assert whole.keys() == halves.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, halves[name]), name

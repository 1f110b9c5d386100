"""Runs on images. `jepakit train images:NAME`; every number can be overridden on the command line."""

from dataclasses import replace

from jepakit.data import packaged, views
from jepakit.data.images import FASHION_MNIST, Images
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.family import ijepa, lejepa
from jepakit.probes.knn import Knn
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run

IN1K, IN22K = 1_281_167, 14_197_122
"""Pictures in ImageNet-1k and ImageNet-22k (I-JEPA 2301.08243, section 5)."""

SMALL = AdamW(peak=1e-3, start=0.0, end=1e-5, warmup=0.05, decay=(0.05, 0.05))
"""For networks of about a million parameters and runs of thousands of steps, found by trials on validation data."""

DRAWINGS = ImageTransform(size=64, mean=(0.83, 0.78, 0.74), std=(0.30, 0.31, 0.36))
"""Drawings on white are brighter than photographs: the mean and deviation of emoji and Open Clip Art, rounded."""

ONE_THREAD = 1
"""A second thread gains a small step little, and may cost it fifty times the time when another program is about."""


def demo() -> Run:
    """Minutes on two cores: a small I-JEPA on Fashion-MNIST, or on scikit-learn's digits where it is not to be had."""
    root, sentence = packaged.choose()
    print(f"data: {sentence}")
    run = fashion()
    return replace(run, data=replace(run.data, root=root), steps=3_000)


def fashion() -> Run:
    """I-JEPA on Fashion-MNIST, 16 tokens a picture: the headline run of `make learning`."""
    return Run(
        model=ijepa.SMALL_GRAY,
        data=Images(root="packaged:fashion-mnist", transform=FASHION_MNIST, augment=RandomResizedCrop()),
        steps=12_000,
        batch=64,
        threads=ONE_THREAD,
        optimizer=SMALL,
        keep=Keep(every=2_000),
        probes=(Knn(every=1_000),),
    )


def ijepa_tiny() -> Run:
    """I-JEPA of 2 million parameters on small colour pictures, 64 pixels, 16 tokens: half an hour on two cores."""
    return Run(
        model=ijepa.SMALL_COLOR,
        data=Images(root="packaged:emoji", transform=ImageTransform(size=64), augment=RandomResizedCrop()),
        steps=12_000,
        batch=64,
        threads=ONE_THREAD,
        optimizer=SMALL,
        keep=Keep(every=2_000),
        probes=(Knn(every=1_000),),
    )


def lejepa_tiny() -> Run:
    """LeJEPA of 2 million parameters on small colour pictures, 2 views of 64 and 6 of 32 pixels."""
    return Run(
        model=lejepa.SMALL_COLOR,
        data=Images(root="packaged:emoji", transform=ImageTransform(size=64), views=views.LEJEPA.at(64, 32)),
        steps=6_000,
        batch=64,
        threads=ONE_THREAD,
        optimizer=SMALL,
        keep=Keep(every=2_000),
        probes=(Knn(every=1_000),),
    )


def emoji() -> Run:
    """I-JEPA on 2,800 emoji: ten minutes, a headline run of `make learning`."""
    run = ijepa_tiny()
    return replace(run, data=replace(run.data, transform=DRAWINGS), steps=4_000)


def openclipart() -> Run:
    """I-JEPA on 5,600 drawings of Open Clip Art: ten minutes, a headline run of `make learning`."""
    run = emoji()
    return replace(run, data=replace(run.data, root="packaged:openclipart"))


def ijepa_small() -> Run:
    """I-JEPA ViT-S on pictures of 96 pixels, 144 tokens: some hours on one GPU."""
    model = replace(ijepa.VIT_S16, image=(96, 96), patch=8, predictor_dim=192, initialization="fan_in")
    return Run(
        model=model,
        data=Images(root="packaged:openclipart", transform=ImageTransform(size=96), augment=RandomResizedCrop()),
        steps=100_000,
        batch=256,
        optimizer=replace(SMALL, decay=(0.04, 0.4)),
        keep=Keep(every=5_000),
        probes=(Knn(every=5_000),),
    )


def ijepa_continued() -> Run:
    """I-JEPA that goes on from released weights (`--start-from`) on own pictures: a low peak rate and a slow target.

    Its networks are those of the weights. What each number is for stands in docs/guides/continued.md.
    """
    return Run(
        model=replace(ijepa.VIT_H14, momentum=(0.9998, 1.0)),
        data=Images(root="my/photos", transform=ImageTransform(size=224), augment=RandomResizedCrop()),
        steps=10_000,
        batch=256,
        optimizer=AdamW(start=1e-6, peak=5e-5, end=1e-6, warmup=0.1, decay=(0.04, 0.04)),
        keep=Keep(every=1_000),
        probes=(Knn(every=1_000),),
    )


def ijepa_vith14_in1k() -> Run:
    """I-JEPA ViT-H/14, ImageNet-1k at 224 pixels, 300 epochs as published: 79.3 % linear, 73.3 % with 1 % of labels."""
    return _published(ijepa.VIT_H14, IN1K, epochs=300, warmup_epochs=40)


def ijepa_vith16_448_in1k() -> Run:
    """I-JEPA ViT-H/16, ImageNet-1k at 448 pixels, 300 epochs as published: 81.1 % linear, 77.3 % with 1 % of labels."""
    return _published(ijepa.VIT_H16_448, IN1K, epochs=300, warmup_epochs=40)


def ijepa_vitl16_in1k() -> Run:
    """I-JEPA ViT-L/16, ImageNet-1k at 224 pixels, 600 epochs as published: 77.5 % linear, 69.4 % with 1 % of labels."""
    return _published(ijepa.VIT_L16, IN1K, epochs=600, warmup_epochs=40)


def ijepa_vitb16_in1k() -> Run:
    """I-JEPA ViT-B/16, ImageNet-1k at 224 pixels, 600 epochs as published: 72.9 % linear."""
    return _published(ijepa.VIT_B16, IN1K, epochs=600, warmup_epochs=40)


def ijepa_vith14_in22k() -> Run:
    """I-JEPA ViT-H/14, ImageNet-22k at 224 pixels, 66 epochs as published."""
    return _published(ijepa.VIT_H14, IN22K, epochs=66, warmup_epochs=3)


def ijepa_vitg16_in22k() -> Run:
    """I-JEPA ViT-g/16, ImageNet-22k at 224 pixels, 44 epochs as published."""
    return _published(ijepa.VIT_G16, IN22K, epochs=44, warmup_epochs=3)


def _published(model: ijepa.IJEPA, pictures: int, epochs: int, warmup_epochs: int) -> Run:
    """The released recipe: batch 2048, rate 2e-4 -> 1e-3 -> 1e-6, decay 0.04 -> 0.4, random resized crops alone."""
    batch = 2048
    return Run(
        model=model,
        data=Images(
            root="imagenet", transform=ImageTransform(size=model.image[0]), augment=RandomResizedCrop(scale=(0.3, 1.0))
        ),
        steps=pictures // batch * epochs,
        batch=batch,
        optimizer=AdamW(start=2e-4, peak=1e-3, end=1e-6, warmup=warmup_epochs / epochs, decay=(0.04, 0.4)),
        keep=Keep(every=5_000, forever=50_000),
        probes=(Knn(every=12_500),),
    )

"""Runs on images. `jepakit train images:NAME`; every number can be overridden on the command line."""

from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.family import ijepa
from jepakit.probes.knn import Knn
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run

IN1K, IN22K = 1_281_167, 14_197_122
"""Pictures in ImageNet-1k and ImageNet-22k (I-JEPA 2301.08243, section 5)."""


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



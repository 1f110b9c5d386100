"""Runs on videos. `jepakit train videos:NAME`; every number can be overridden on the command line."""

from jepakit.data.branching import Branching
from jepakit.data.clip_transform import VIDEO_CROP, ClipTransform
from jepakit.data.clip_views import ClipViews
from jepakit.data.frames import Sampling
from jepakit.data.transforms import ImageTransform
from jepakit.data.videos import Videos
from jepakit.family import lejepa, vjepa, vjepa2
from jepakit.family.lvjepa import SMALL as LVJEPA_SMALL
from jepakit.probes.knn import Knn
from jepakit.recipes.images import ONE_THREAD, SMALL
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run, Stage


def vjepa_tiny() -> Run:
    """V-JEPA of 2 million parameters on own videos, 16 frames of 64 pixels, 128 tokens: hours on two cores."""
    return Run(
        model=vjepa.SMALL_COLOR,
        data=_videos(frames=16, size=64, root="my/videos"),
        steps=12_000,
        batch=32,
        threads=ONE_THREAD,
        optimizer=SMALL,
        keep=Keep(every=1_000),
        probes=(Knn(every=2_000),),
    )


def lejepa_tiny() -> Run:
    """LeJEPA of 2 million parameters on own videos: two moments of 64 and four of 32 pixels, 16 frames each."""
    clips = _videos(frames=16, size=64, root="my/videos")
    return Run(
        model=lejepa.SMALL_CLIPS,
        data=ClipViews(clips=clips, locals=4, local_size=32),
        steps=6_000,
        batch=32,
        threads=ONE_THREAD,
        optimizer=SMALL,
        keep=Keep(every=1_000),
        probes=(Knn(every=2_000),),
    )


def lvjepa() -> Run:
    """Latent-variable JEPA on clips with three futures, made of digits: five minutes of one core."""
    return Run(
        model=LVJEPA_SMALL,
        data=Branching(sprites="digits"),
        steps=3_600,
        batch=64,
        threads=ONE_THREAD,
        optimizer=AdamW(peak=2e-3, start=0.0, end=1e-5, warmup=0.05, decay=(0.01, 0.01)),
        keep=Keep(every=1_200),
    )


def vjepa_vitl16_videomix2m() -> Run:
    """V-JEPA ViT-L/16, 16 frames of 224 pixels, 90,000 steps as published: 80.8 % on K400, 69.5 % on SSv2."""
    return _vjepa(vjepa.VIT_L16, batch=3072)


def vjepa_vith16_videomix2m() -> Run:
    """V-JEPA ViT-H/16, 16 frames of 224 pixels, 90,000 steps as published: 82.0 % on K400, 71.4 % on SSv2."""
    return _vjepa(vjepa.VIT_H16, batch=3072)


def vjepa_vith16_384_videomix2m() -> Run:
    """V-JEPA ViT-H/16, 16 frames of 384 pixels, 90,000 steps as published: 81.9 % on K400, 72.2 % on SSv2."""
    return _vjepa(vjepa.VIT_H16_384, batch=2400)


def vjepa2_vitl16() -> Run:
    """V-JEPA 2 ViT-L/16, 16 frames of 256 pixels, then 64 frames while the rate falls: 73.7 % on SSv2."""
    return _vjepa2(vjepa2.VIT_L16, late_size=256)


def vjepa2_vith16() -> Run:
    """V-JEPA 2 ViT-H/16, 16 frames of 256 pixels, then 64 frames while the rate falls: 74.0 % on SSv2."""
    return _vjepa2(vjepa2.VIT_H16, late_size=256)


def vjepa2_vitg16() -> Run:
    """V-JEPA 2 ViT-g/16, 16 frames of 256 pixels, then 64 frames while the rate falls: 75.3 % on SSv2."""
    return _vjepa2(vjepa2.VIT_G16, late_size=256)


def vjepa2_vitg16_384() -> Run:
    """V-JEPA 2 ViT-g/16, 16 frames of 256 pixels, then 64 frames of 384 while the rate falls: 77.3 % on SSv2."""
    return _vjepa2(vjepa2.VIT_G16, late_size=384)


def _vjepa(model: vjepa.VJEPA, batch: int) -> Run:
    """The released recipe: schedules of 112,500 steps, cut at 90,000, where the rate is 7.5e-5."""
    warmup, steps = 12_000, 90_000
    return Run(
        model=model,
        data=_videos(model.frames, model.image[0], root="videomix2m"),
        steps=steps,
        batch=batch,
        optimizer=AdamW(
            start=2e-4, peak=6.25e-4, end=1e-6, warmup=warmup / steps, decay=(0.04, 0.4), horizon=112_500 / steps
        ),
        clip=10.0,
        keep=Keep(every=3_000, forever=30_000),
    )


def _vjepa2(model: vjepa2.VJEPA2, late_size: int) -> Run:
    """The paper's schedule: 240,000 steps that warm up and stay, then 12,000 on long clips, which end at 1e-6.

    The released files for ViT-L and ViT-H stop in the warmup, and their cooldown ends at 1.06e-4: neither is repeated.
    """
    warmup, early, late = 12_000, 240_000, 12_000
    steps = early + late
    return Run(
        model=model,
        data=_videos(16, model.image[0], root="videomix22m", fps=4.0),
        stages=(Stage(begins=early / steps, data=_videos(64, late_size, root="videomix22m", fps=4.0)),),
        steps=steps,
        batch=3072,
        optimizer=AdamW(
            start=1e-4, peak=5.25e-4, end=1e-6, warmup=warmup / steps, decay=(0.04, 0.04), cooldown=late / steps
        ),
        checkpoint_activations=True,
        keep=Keep(every=3_000, forever=30_000),
    )


def _videos(frames: int, size: int, root: str, fps: float | None = None) -> Videos:
    """Clips with the augmentation of the released code; every fourth frame, or so many a second."""
    sampling = Sampling(frames=frames, step=4 if fps is None else None, fps=fps)
    picture = ImageTransform(size=size, resize="shorter_side")
    return Videos(root=root, transform=ClipTransform(sampling=sampling, picture=picture), augment=VIDEO_CROP)

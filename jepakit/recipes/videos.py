"""Runs on videos. `jepakit train videos:NAME`; every number can be overridden on the command line."""

from dataclasses import replace
from typing import Literal

from jepakit.config import Config
from jepakit.data.branching import Branching
from jepakit.data.clip_transform import VIDEO_CROP, ClipTransform
from jepakit.data.clip_views import ClipViews
from jepakit.data.frames import Sampling
from jepakit.data.mixture import Mixture
from jepakit.data.transforms import ImageTransform
from jepakit.data.videos import Videos
from jepakit.family import lejepa, vjepa, vjepa2, vjepa21
from jepakit.family.lvjepa import SMALL as LVJEPA_SMALL
from jepakit.probes.knn import Knn
from jepakit.recipes.images import ONE_THREAD, SMALL
from jepakit.rivals import videomae
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run, Stage

VIDEOMIX22M = {
    "videomix22m/ssv2": 0.056, "videomix22m/kinetics": 0.188, "videomix22m/howto100m": 0.318,
    "videomix22m/yt-temporal-1b": 0.188, "pictures:imagenet": 0.250,
}  # fmt: skip
"""What V-JEPA 2 learnt from (2506.09985, table of its data), and the share of each; pictures stand still for a clip."""
VISIONMIX163M = {
    "visionmix163m/ssv2": 0.170, "visionmix163m/kinetics": 0.010, "visionmix163m/howto100m": 0.100,
    "visionmix163m/yt-temporal-1b": 0.720,
}  # fmt: skip
"""The videos that V-JEPA 2.1 learnt from (2603.14482), and the share of each; pictures are apart."""

VJEPA2_SMALL = replace(
    vjepa2.VIT_L16, image=(64, 64), dim=192, depth=4, heads=6, predictor_dim=96, predictor_depth=2, predictor_heads=6,
    mask_tokens=2, mask_token=(0, 1), initialization="fan_in", momentum=0.999, target_scale="sample",
)  # fmt: skip
VJEPA21_SMALL = replace(
    vjepa21.VIT_L16, image=(64, 64), dim=192, depth=4, heads=6, predictor_dim=96, predictor_depth=2, predictor_heads=6,
    mask_tokens=2, initialization="fan_in", momentum=0.999, target_scale="sample",
)  # fmt: skip
VIDEOMAE_SMALL = replace(
    videomae.VIT_B16, image=(64, 64), dim=192, depth=4, heads=6, decoder_dim=96, decoder_depth=2, decoder_heads=6,
    initialization="fan_in",
)  # fmt: skip
SMALL_CLIPS = replace(SMALL, peak=3e-4)
"""The better of this and 1e-3 for V-JEPA on the clips of benchmarks/video.py."""


def vjepa_tiny() -> Run:
    """V-JEPA of 2 million parameters on own videos, 16 frames of 64 pixels, 128 tokens: hours on two cores."""
    return _tiny(vjepa.SMALL_COLOR, SMALL)


def vjepa2_tiny() -> Run:
    """V-JEPA 2 of 2 million parameters on own videos, 16 frames of 64 pixels, 128 tokens: hours on two cores."""
    return _tiny(VJEPA2_SMALL, SMALL_CLIPS)


def vjepa21_tiny() -> Run:
    """V-JEPA 2.1 of 2 million parameters on own videos, 16 frames of 64 pixels, 128 tokens: hours on two cores."""
    return _tiny(VJEPA21_SMALL, SMALL_CLIPS)


def videomae_tiny() -> Run:
    """VideoMAE of 2 million parameters on own videos, 16 frames of 64 pixels, 128 tokens: hours on two cores."""
    return _tiny(VIDEOMAE_SMALL, SMALL)


def lejepa_tiny() -> Run:
    """LeJEPA of 2 million parameters on own videos: two moments of 64 and four of 32 pixels, 16 frames each."""
    run = _tiny(lejepa.SMALL_CLIPS, SMALL)
    return replace(run, data=ClipViews(clips=run.data, locals=4, local_size=32), steps=6_000)


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


def vjepa21_vitl16() -> Run:
    """V-JEPA 2.1 ViT-L/16 from scratch, clips and pictures in turns; the released one was distilled from ViT-G/16."""
    return _vjepa21(vjepa21.VIT_L16)


def vjepa21_vitg16() -> Run:
    """V-JEPA 2.1 ViT-g/16, clips and pictures of 256 pixels in turns, then of 384 and 512 while the rate falls."""
    return _vjepa21(vjepa21.VIT_G16)


def vjepa21_gigantic16() -> Run:
    """V-JEPA 2.1 ViT-G/16, clips and pictures in turns, larger ones while the rate falls: 77.7 % on SSv2."""
    return _vjepa21(vjepa21.VIT_GIGANTIC16)


def _tiny(model: Config, optimizer: AdamW) -> Run:
    """One training for all small models, so that two of them can be compared."""
    return Run(
        model=model,
        data=_videos(frames=16, size=64, root="my/videos"),
        steps=12_000,
        batch=32,
        threads=ONE_THREAD,
        optimizer=optimizer,
        keep=Keep(every=1_000),
        probes=(Knn(every=2_000),),
    )


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
        data=_videomix22m(16, model.image[0]),
        stages=(Stage(begins=early / steps, data=_videomix22m(64, late_size)),),
        steps=steps,
        batch=3072,
        optimizer=AdamW(
            start=1e-4, peak=5.25e-4, end=1e-6, warmup=warmup / steps, decay=(0.04, 0.04), cooldown=late / steps
        ),
        checkpoint_activations=True,
        keep=Keep(every=3_000, forever=30_000),
    )


def _vjepa21(model: vjepa21.VJEPA21) -> Run:
    """The paper's schedule, 135,000 steps and 12,000 on larger frames, with the batch of the released files.

    A step is of clips or of pictures, and half are of each, where the release does both in one step on different
    processes: twice the steps see as much. As there, distances do not count in the cooldown.
    """
    warmup, early, late, batch = 12_000, 135_000, 12_000, 3072
    steps = early + late
    return Run(
        model=replace(model, context_ramp=(15_000 / steps, 30_000 / steps), distance_until=early / steps),
        data=_visionmix163m(256, 256, batch),
        stages=(Stage(begins=early / steps, data=_visionmix163m(384, 512, batch)),),
        steps=steps,
        batch=batch,
        optimizer=AdamW(
            start=1e-4, peak=5.25e-4, end=1e-6, warmup=warmup / steps, decay=(0.04, 0.04), cooldown=late / steps
        ),
        checkpoint_activations=True,
        keep=Keep(every=3_000, forever=30_000),
    )


def _videomix22m(frames: int, size: int) -> Mixture:
    """Clips, and pictures that are shown as long as a clip."""
    sources = tuple(_videos(frames, size, root, fps=4.0) for root in VIDEOMIX22M)
    return Mixture(sources=sources, weights=tuple(VIDEOMIX22M.values()))


def _visionmix163m(clip_size: int, picture_size: int, batch: int) -> Mixture:
    """Batches of clips and batches of single pictures, one of these for one of those."""
    clips = tuple(_videos(16, clip_size, root, fps=4.0, still="single") for root in VISIONMIX163M)
    pictures = _videos(16, picture_size, "pictures:lvd-142m", fps=4.0, still="single")
    halves = (*(share / 2 for share in VISIONMIX163M.values()), 0.5)
    return Mixture(sources=(*clips, pictures), weights=halves, together=batch)


def _videos(
    frames: int, size: int, root: str, fps: float | None = None, still: Literal["repeat", "single"] = "repeat"
) -> Videos:
    """Clips with the augmentation of the released code; every fourth frame, or so many a second."""
    sampling = Sampling(frames=frames, step=4 if fps is None else None, fps=fps)
    picture = ImageTransform(size=size, resize="shorter_side")
    return Videos(
        root=root, transform=ClipTransform(sampling=sampling, picture=picture, still=still), augment=VIDEO_CROP
    )

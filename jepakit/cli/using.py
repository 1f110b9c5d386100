"""Verbs that take what was learnt elsewhere: embed, export, convert."""

import sys
from pathlib import Path
from typing import Literal

from jepakit.cli.words import Flat, Positional, Taken


def embed(
    source: Positional[str],
    samples: Positional[str],
    out: Path,
    windows: bool = False,
    stride: float | None = None,
    frame_rate: float | None = None,
    layers: tuple[int, ...] | None = None,
    batch: int | None = None,
    classifier: str | None = None,
    taken: Flat = Taken(),  # noqa: B008
    device: str = "cpu",
    trusted: bool = False,
) -> None:
    """Features of pictures or videos as a table: one row per file, or per window of a long video.

    jepakit embed runs/x my/photos --out features.parquet
    jepakit embed runs/y my/videos --out features.parquet --windows
    jepakit embed runs/y my/videos --out classes.csv --classifier runs/y/probes-attentive1.safetensors

    Args:
        source: a run, or anything that `jepakit.load` takes
        samples: a folder, file or packaged:NAME, as for --data.root
        out: the table to write: .parquet, or .csv with one column per feature
        windows: a row for each window of each video, with start and end in seconds; so it is for a single one
        stride: seconds from window to window; end to end if not given
        frame_rate: frames a second of folders of frames and arrays, which have no clock, or of files with a wrong one
        layers: levels to put side by side, such as -4 -3 -2 -1; the last one if not given
        batch: what goes through the backbone at once; 256 pictures or 8 clips if not given
        classifier: what an attentive probe of the source left behind, or a released probe: classes, not features
        device: cpu, cuda or cuda:1
        trusted: let the config name classes outside of jepakit, which are imported
    """
    from jepakit.app import embed as table

    wanted = table.Wanted(samples, layers, batch, windows, stride, frame_rate, classifier)
    features, notes = table.embed(source, wanted, out, device, trusted, taken.choice)
    print(f"{len(features)} rows of {features.x.shape[1]} {'probabilities' if classifier else 'features'}: {out}")
    print(*notes, sep="\n", end="\n" * bool(notes), file=sys.stderr)


def export(
    source: Positional[str],
    out: Path,
    format: Literal["safetensors", "hf", "onnx", "official"] = "safetensors",
    entry: Literal["target_encoder", "ema_encoder", "encoder"] | None = None,
    classifier: str | None = None,
    heads: int | None = None,
    trusted: bool = False,
) -> None:
    """The backbone of a run as files that others load.

    jepakit export runs/x --out exported --format hf
    jepakit export runs/x --out released --format official     encoders and predictor for the reference code

    Args:
        source: a run, or anything that `jepakit.load` takes
        out: the folder to write
        format: our own folder, Hugging Face transformers, ONNX, or a .pt of the reference code
        entry: which encoder of an official file or checkpoint; the average if not given, and all for official
        classifier: an attentive classifier of the backbone to write beside it; that of the source if not given
        heads: attention heads, for a bare file of a width that was never published
        trusted: let the config name classes outside of jepakit, which are imported
    """
    from jepakit import pretrained

    print(pretrained.export(source, out, format, entry, trusted, heads, classifier))


def convert(
    source: Positional[str],
    out: Path,
    entry: Literal["target_encoder", "ema_encoder", "encoder", "all"] | None = None,
    heads: int | None = None,
) -> None:
    """Official or Hugging Face weights into our own folder.

    jepakit convert IN1K-vit.h.14-300e.pth.tar --out ijepa-h14

    Args:
        source: an official .pth.tar or .pt (a probe, too), a Hugging Face folder, or hf:org/name
        out: the folder to write
        entry: which encoder of an official file, the average if not given; "all" keeps both and the predictor
        heads: attention heads, for a bare file of a width that was never published
    """
    from jepakit import pretrained

    print(pretrained.convert(source, out, entry, heads=heads))

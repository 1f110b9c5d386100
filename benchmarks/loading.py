"""How fast a JPEG becomes a random crop in float: jepakit's way against Pillow's, at equal pixels, on one thread.

    python -m benchmarks.loading

Both sides decode the same files, cut the same boxes and end with the same normalized tensor, to within a level of
255 (tests/benchmarks/test_loading.py). The goal is a ratio of 1.5.
"""

import argparse
import io
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_sample_images
from torch import Tensor

from benchmarks.record import control_holds, interleave, ratio, record
from jepakit.data.decode import decode
from jepakit.data.transforms import Box, ImageTransform, RandomResizedCrop, cut

WIDTH, HEIGHT, QUALITY = 500, 375, 90
TRANSFORM = ImageTransform(size=224)
GOAL = 1.5
MEAN = torch.tensor(TRANSFORM.mean).view(3, 1, 1)
STD = torch.tensor(TRANSFORM.std).view(3, 1, 1)
Load = Callable[[bytes, Box], Tensor]


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/loading.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31, help="how often each side runs")
    parser.add_argument("--pictures", type=int, default=48, help="pictures in a round")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    work = make_work(arguments.pictures)
    sides = {"Pillow": load_by_pillow, "jepakit": load, "jepakit again": load}
    seconds = interleave({name: partial(load_all, side, work) for name, side in sides.items()}, arguments.rounds)
    speedup, control = ratio(seconds["Pillow"], seconds["jepakit"]), ratio(seconds["jepakit again"], seconds["jepakit"])
    rates = {name: len(work) / float(np.median(times)) for name, times in seconds.items()}
    show(rates, speedup, control)
    path = record(
        "loading",
        {
            "what": f"JPEG {WIDTH}x{HEIGHT} -> random crop {TRANSFORM.size} -> normalized float, one thread",
            "claims": {"speed.loading.ratio": {**speedup, "unit": "times"}} if control_holds(control) else {},
            "ratio": speedup,
            "control": control,
            "valid": control_holds(control),
            "goal": GOAL,
            "images_per_second": rates,
        },
    )
    print(f"written to {path}")


def make_work(count: int) -> list[tuple[bytes, Box]]:
    """`count` JPEG files, cut from scikit-learn's two photos, each with the box of a random resized crop."""
    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    generator = torch.Generator().manual_seed(0)
    crop = RandomResizedCrop(scale=(0.6, 1.0), ratio=(WIDTH / HEIGHT, WIDTH / HEIGHT))
    work = []
    for number in range(count):
        photo = photos[number % len(photos)]
        part = crop.draw(photo.height, photo.width, generator)
        edges = (part.left, part.top, part.left + part.width, part.top + part.height)
        file = io.BytesIO()
        photo.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box=edges).save(file, "JPEG", quality=QUALITY)
        box = RandomResizedCrop(flip=True).draw(HEIGHT, WIDTH, generator)
        work.append((file.getvalue(), box))
    return work


def load_all(side: Load, work: Sequence[tuple[bytes, Box]]) -> None:
    """Loads every picture, one by one."""
    for data, box in work:
        side(data, box)


def load(data: bytes, box: Box) -> Tensor:
    """jepakit's way: simplejpeg, torch's antialiased resize on bytes, one multiplication and addition."""
    return TRANSFORM.normalize(cut(decode(data, "picture"), box, TRANSFORM.size, TRANSFORM.interpolation))


def load_by_pillow(data: bytes, box: Box) -> Tensor:
    """The usual way: Pillow decodes, crops, resizes and mirrors; torch scales, subtracts and divides."""
    with Image.open(io.BytesIO(data)) as image:
        image = image.convert("RGB")
    image = image.crop((box.left, box.top, box.left + box.width, box.top + box.height))
    image = image.resize((TRANSFORM.size, TRANSFORM.size), Image.Resampling.BILINEAR)
    if box.flip:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().to(torch.float32).div_(255)
    return pixels.sub_(MEAN).div_(STD)


def show(rates: dict[str, float], speedup: dict[str, float], control: dict[str, float]) -> None:
    """Prints the table."""
    table = Table(title="JPEG -> random crop -> float, images/s on one thread")
    for column in ("side", "images/s", "times Pillow", "5 % to 95 % of rounds"):
        table.add_column(column, justify="left" if column == "side" else "right")
    table.add_row("Pillow", f"{rates['Pillow']:.0f}", "1.00", "")
    interval = f"{speedup['low']:.2f} to {speedup['high']:.2f}"
    table.add_row("jepakit", f"{rates['jepakit']:.0f}", f"{speedup['value']:.2f}", interval)
    console = Console()
    console.print(table)
    verdict = "holds" if control_holds(control) else "is off by more than 3 %: the machine is too busy, measure again"
    console.print(f"control (the same side twice): {control['value']:.3f}, {verdict}")


if __name__ == "__main__":
    main()

"""How fast a clip of 16 frames is read out of a video file: jepakit's way against every decoder that is installed.

    python -m benchmarks.decode

All sides open the same files anew, are told the same frame numbers, and end with the same bytes [16 3 h w] in RGB, on
one thread (tests/benchmarks/test_decode.py). Beside plain PyAV these are decord, OpenCV and torchcodec where they load.
The goal is to be within 10 % of the fastest of them: a ratio of at least 0.9.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import av
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_sample_images
from torch import Tensor

from benchmarks.record import control_holds, interleave, ratio, record
from jepakit.data.frames import uniform
from jepakit.data.video_decode import VideoFile

WIDTH, HEIGHT, LENGTH, RATE, KEYS_EVERY = 320, 240, 300, 30, 250
FRAMES, STEP = 16, 4
GOAL = 0.9
Read = Callable[[Path, Sequence[int]], Tensor]


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/decode.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31, help="how often each side runs")
    parser.add_argument("--films", type=int, default=6, help="films in a round, of each of which one clip is read")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    others = installed()
    with tempfile.TemporaryDirectory() as folder:
        work = make_work(Path(folder), arguments.films)
        sides = {**others, "jepakit": read, "jepakit again": read}
        seconds = interleave({name: partial(read_all, side, work) for name, side in sides.items()}, arguments.rounds)
    fastest = min(others, key=lambda name: float(np.median(seconds[name])))
    speedup, control = ratio(seconds[fastest], seconds["jepakit"]), ratio(seconds["jepakit again"], seconds["jepakit"])
    rates = {name: len(work) / float(np.median(times)) for name, times in seconds.items()}
    show(rates, fastest, speedup, control)
    path = record(
        "decode",
        {
            "what": f"H.264 {WIDTH}x{HEIGHT}, {RATE} frames/s -> {FRAMES} frames of step {STEP} as RGB, one thread",
            "claims": {"speed.decode.ratio": {**speedup, "unit": "times"}} if control_holds(control) else {},
            "ratio": speedup,
            "fastest": fastest,
            "control": control,
            "valid": control_holds(control),
            "goal": GOAL,
            "clips_per_second": rates,
        },
    )
    print(f"written to {path}")


def make_work(folder: Path, count: int, length: int = LENGTH) -> list[tuple[Path, list[int]]]:
    """Films in which scikit-learn's two photos drift by, and the frames to read of each, from anywhere in it."""
    photos = [np.asarray(photo) for photo in load_sample_images().images]
    generator = torch.Generator().manual_seed(0)
    work = []
    for number in range(count):
        path = folder / f"film-{number}.mp4"
        write_film(path, photos[number % len(photos)], length, speed=number + 1)
        share = torch.rand((), generator=generator).item()
        work.append((path, uniform(length, FRAMES, STEP, share=share).tolist()))
    return work


def write_film(path: Path, photo: np.ndarray, length: int, speed: int) -> None:
    """A film that pans over a photo, there and back, with a little grain, as x264 is used everywhere: with B-frames."""
    grain = np.random.default_rng(speed).normal(0, 2, (HEIGHT, WIDTH, 3)).round().astype(np.int16)
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=RATE, options={"preset": "medium", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = WIDTH, HEIGHT, "yuv420p", KEYS_EVERY
        room = photo.shape[1] - WIDTH
        for number in range(length):
            left = abs((number * speed) % (2 * room) - room)
            part = photo[number // 4 : number // 4 + HEIGHT, left : left + WIDTH]
            noisy = np.clip(part + np.roll(grain, 7 * number, axis=(0, 1)), 0, 255).astype(np.uint8)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, format="rgb24")))
        film.mux(stream.encode())


def read_all(side: Read, work: Sequence[tuple[Path, list[int]]]) -> None:
    """Reads the clip of every film."""
    for path, index in work:
        side(path, index)


def read(path: Path, index: Sequence[int]) -> Tensor:
    """jepakit's way: packets are listed, then decoded from the nearest key frame, without what nobody asks for."""
    with closing(VideoFile(path, path.name)) as file:
        return torch.stack(list(file.frames(index)))


def read_by_pyav(path: Path, index: Sequence[int]) -> Tensor:
    """The plain way: decode from the start, and keep the frames that are wanted."""
    wanted, found = set(index), []
    with av.open(str(path)) as film:
        film.streams.video[0].codec_context.thread_count = 1
        for number, frame in enumerate(film.decode(video=0)):
            if number in wanted:
                found.append(torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1))
            if number == index[-1]:
                break
    return torch.stack(found)


def installed() -> dict[str, Read]:
    """The decoders that load here, plain PyAV first."""
    sides: dict[str, Read] = {"PyAV": read_by_pyav}
    for name, make in (("decord", _decord), ("OpenCV", _opencv), ("torchcodec", _torchcodec)):
        try:
            sides[name] = make()
        except Exception:  # not installed, or its libraries are not: ImportError, OSError, RuntimeError
            continue
    return sides


def _decord() -> Read:
    import decord  # pyright: ignore[reportMissingImports]

    def read_by_decord(path: Path, index: Sequence[int]) -> Tensor:
        film = decord.VideoReader(str(path), num_threads=1)
        return torch.from_numpy(film.get_batch(list(index)).asnumpy()).permute(0, 3, 1, 2)

    return read_by_decord


def _opencv() -> Read:
    import cv2  # pyright: ignore[reportMissingImports]

    def read_by_opencv(path: Path, index: Sequence[int]) -> Tensor:
        film = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        film.set(cv2.CAP_PROP_POS_FRAMES, index[0])
        wanted, found = set(index), []
        for number in range(index[0], index[-1] + 1):
            film.grab()
            if number in wanted:
                found.append(torch.from_numpy(cv2.cvtColor(film.retrieve()[1], cv2.COLOR_BGR2RGB)).permute(2, 0, 1))
        film.release()
        return torch.stack(found)

    return read_by_opencv


def _torchcodec() -> Read:
    from torchcodec.decoders import VideoDecoder  # pyright: ignore[reportMissingImports]

    def read_by_torchcodec(path: Path, index: Sequence[int]) -> Tensor:
        return VideoDecoder(str(path), num_ffmpeg_threads=1).get_frames_at(list(index)).data

    return read_by_torchcodec


def show(rates: dict[str, float], fastest: str, speedup: dict[str, float], control: dict[str, float]) -> None:
    """Prints the table."""
    table = Table(title=f"{FRAMES} frames of step {STEP} out of {WIDTH}x{HEIGHT} H.264, clips/s on one thread")
    for column in ("side", "clips/s"):
        table.add_column(column, justify="left" if column == "side" else "right")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:.1f}")
    console = Console()
    console.print(table)
    interval = f"{speedup['low']:.2f} to {speedup['high']:.2f} in 5 % to 95 % of rounds"
    console.print(f"jepakit over {fastest}, the fastest of the others: {speedup['value']:.2f} ({interval})")
    verdict = "holds" if control_holds(control) else "is off by more than 3 %: the machine is too busy, measure again"
    console.print(f"control (the same side twice): {control['value']:.3f}, {verdict}")


if __name__ == "__main__":
    main()

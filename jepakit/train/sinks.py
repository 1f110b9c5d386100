"""Where the log goes besides metrics.jsonl. Each of these packages is imported only when it is asked for."""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jepakit.train.run import Run, Sink


@runtime_checkable
class Writer(Protocol):
    """Takes named numbers of a step."""

    def write(self, step: int, values: dict[str, float]) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Event files in the folder of the run: tensorboard --logdir runs."""

    def __init__(self, out: Path) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self.writer = SummaryWriter(str(out / "tensorboard"))

    def write(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


class Tracker:
    """A run of Weights & Biases or of trackio, which are called alike.

    The project is "jepakit"; a resumed run goes on in the one of the same `name`.
    """

    def __init__(self, package: Any, name: str, run: Run, resumable: dict[str, str]) -> None:
        self.package = package
        package.init(project="jepakit", name=name, config=run.to_json(), **resumable)

    def write(self, step: int, values: dict[str, float]) -> None:
        self.package.log(values, step=step)

    def close(self) -> None:
        self.package.finish()


def open_sink(sink: Sink, out: Path, name: str, run: Run) -> Writer:
    """The sink of a run that is the only one of its `name`.

    Raises ValueError, naming the extra to install, if the package is not there."""
    match sink:
        case "tensorboard":
            return TensorBoard(out)
        case "wandb":
            try:
                import wandb  # pyright: ignore[reportMissingImports]
            except ImportError:
                raise ValueError("logging to wandb needs the package: pip install 'jepakit[wandb]'") from None
            return Tracker(wandb, name, run, {"id": name, "resume": "allow", "dir": str(out)})
        case "trackio":
            try:
                import trackio  # pyright: ignore[reportMissingImports]
            except ImportError:
                raise ValueError("logging to trackio needs the package: pip install 'jepakit[trackio]'") from None
            return Tracker(trackio, name, run, {"resume": "allow"})

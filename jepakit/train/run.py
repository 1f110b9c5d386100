"""A run as one value: which model, which data, how long, on what. A recipe is a function that returns one."""

import itertools
from dataclasses import dataclass, field
from typing import Literal

from jepakit.config import Config, added
from jepakit.train.optimize import AdamW
from jepakit.train.watch import Watch

Precision = Literal["auto", "float32", "bfloat16"]
Sink = Literal["tensorboard", "wandb", "trackio"]


@dataclass(frozen=True, kw_only=True)
class Keep(Config):
    """When to write a checkpoint and which ones to keep; the last step is always written.

    The newest `last` checkpoints are kept, and for good those whose step is a multiple of `forever`.
    """

    every: int = 500
    last: int = 2
    forever: int | None = None


@dataclass(frozen=True, kw_only=True)
class Stage(Config):
    """A later part of a run that learns from other data: longer clips, or larger pictures (V-JEPA 2's cooldown)."""

    begins: float
    """The share of the run's steps after which it begins."""
    data: Config


@dataclass(frozen=True, kw_only=True)
class Run(Config):
    """Everything that a training depends on. `model.build()` gives a Method, `data.build()` a Dataset.

    `batch` counts the samples of a step over all processes and over `accumulate` micro-batches.
    """

    model: Config
    data: Config
    steps: int
    stages: tuple[Stage, ...] = added(())
    """What is learnt from later on instead of `data`."""
    batch: int = 256
    accumulate: int = 1
    """Micro-batches per step: less memory, and the same gradient where no loss has statistics of the batch."""
    seed: int = 0
    optimizer: AdamW = field(default_factory=AdamW)
    clip: float | None = None
    """The longest gradient that is applied as it is."""
    skip_spikes: float | None = None
    """Skip a step whose loss is so many standard deviations above its recent mean (as V-JEPA 2.1 does)."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Precision = "auto"
    """"auto" is bfloat16 on a GPU that has it and float32 elsewhere."""
    parallel: Literal["auto", "ddp", "fsdp"] = "auto"
    """How several processes share the work; "auto" is ddp. One process alone needs neither."""
    compile: bool = False
    """Compile each block with torch.compile."""
    checkpoint_activations: bool = False
    """Compute the inside of each block again in the backward pass instead of remembering it."""
    threads: int | None = None
    """CPU threads of a process; None leaves it to PyTorch."""
    workers: int | None = None
    """Processes that read samples; 0 reads in a thread of the run, None chooses by the number of cores."""

    start_from: str | None = None
    """Weights to begin with instead of random ones."""
    probes: tuple[Config, ...] = ()
    """What is measured on the backbone during training; each has `every` and `online(backbone, data, device)`."""
    watch: Watch = field(default_factory=Watch)
    keep: Keep = field(default_factory=Keep)
    log_every: int = 10
    sinks: tuple[Sink, ...] = ("tensorboard",)
    """Where the log goes besides metrics.jsonl."""
    max_broken_share: float = 0.1
    """Stop when more than this share of the samples cannot be read."""

    def validate(self) -> None:
        """Raises ValueError with one sentence for the first number that cannot work."""
        self.optimizer.validate()
        self.watch.validate()
        self._require_positive()
        if self.batch < self.accumulate:
            raise ValueError(
                f"a batch of {self.batch} cannot be cut into accumulate={self.accumulate} micro-batches; "
                f"give at most accumulate={self.batch}"
            )
        if not 0 <= self.max_broken_share <= 1:
            raise ValueError(f"max_broken_share is a share in [0, 1], got {self.max_broken_share}")
        if self.workers is not None and self.workers < 0:
            raise ValueError(f"workers is a number of processes, got {self.workers}; 0 reads without any")
        begins = [0.0, *(stage.begins for stage in self.stages), 1.0]
        if any(later <= earlier for earlier, later in itertools.pairwise(begins)):
            raise ValueError(f"stages begin at growing shares of the run, above 0 and below 1, got {begins[1:-1]}")
        for name, part, parts in (("data", self.data, ("transform",)), *self._probe_parts()):
            if missing := [part_name for part_name in parts if not hasattr(part, part_name)]:
                raise ValueError(f"{name} ({type(part).__name__}) has no {' and no '.join(missing)}")

    def _require_positive(self) -> None:
        numbers: dict[str, float | None] = {
            "steps": self.steps, "batch": self.batch, "accumulate": self.accumulate, "log_every": self.log_every,
            "keep.every": self.keep.every, "keep.last": self.keep.last, "keep.forever": self.keep.forever,
            "threads": self.threads, "clip": self.clip, "skip_spikes": self.skip_spikes,
        }  # fmt: skip
        for name, number in numbers.items():
            if number is not None and number <= 0:
                raise ValueError(f"{name} must be above 0, got {number}")

    def _probe_parts(self) -> list[tuple[str, Config, tuple[str, ...]]]:
        return [(f"probes[{index}]", probe, ("every", "online")) for index, probe in enumerate(self.probes)]

"""One process or many: where a process stands, and how a method is spread over all of them.

Methods are written for one device. What is spread is found by name: every `blocks: nn.ModuleList` is a stack whose
blocks are compiled, recomputed and sharded one by one.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.nn.parallel import DistributedDataParallel

from jepakit.contracts import Losses, Method, Rows, Step
from jepakit.train.run import Run

Mode = Literal["single", "ddp", "fsdp"]

LETTING_GO = 0.05
"""Seconds: more than a thread needs to free a few tensors."""


@dataclass(frozen=True)
class Place:
    """Where this process stands: number `rank` of `ranks`, on its device."""

    rank: int
    ranks: int
    device: torch.device
    mode: Mode
    dtype: torch.dtype

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def seed(self, number: int) -> None:
        """Seeds the generators that dropout and the like draw from; torch.manual_seed takes 2 ms where it looks for
        GPUs."""
        torch.default_generator.manual_seed(number)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(number)

    def gather(self, numbers: list[int]) -> list[list[int]]:
        """These few numbers of every rank, in order. Runs on the CPU, so that a GPU never has to wait for it."""
        if self.ranks == 1:
            return [numbers]
        own = torch.tensor(numbers)
        everyone = [torch.empty_like(own) for _ in range(self.ranks)]
        dist.all_gather(everyone, own)
        return [part.tolist() for part in everyone]

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the ranks."""
        if self.ranks > 1:
            values = values.to(self.device)
            dist.all_reduce(values)
        return values

    def wait(self) -> None:
        """Until every rank is here."""
        self.gather([0])


@contextmanager
def start(run: Run) -> Iterator[Place]:
    """Joins the processes that torchrun started, or stands alone; sets the number of threads.

    Raises ValueError if the device or the precision asked for is not there, or the batch is too small for the ranks.
    """
    ranks = int(os.environ["WORLD_SIZE"]) if "WORLD_SIZE" in os.environ else 1
    device = _device(run)
    place = Place(
        rank=int(os.environ["RANK"]) if ranks > 1 else 0,
        ranks=ranks,
        device=device,
        mode="single" if ranks == 1 else "fsdp" if run.parallel == "fsdp" else "ddp",
        dtype=_dtype(run, device),
    )
    if run.batch < ranks * run.accumulate:
        raise ValueError(
            f"a batch of {run.batch} is too small for {ranks} processes with accumulate={run.accumulate}; "
            f"give --batch {ranks * run.accumulate} or more"
        )
    threads = torch.get_num_threads()
    if run.threads is not None:
        torch.set_num_threads(run.threads)
    joins = ranks > 1 and not dist.is_initialized()
    if joins:
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield place
    finally:
        torch.set_num_threads(threads)
        if joins:
            # A thread of gloo that is letting go of the last collective's tensors needs Python's lock, and whoever
            # drops the last reference to the group (DDP does, at times) waits for that thread with the lock held.
            time.sleep(LETTING_GO)
            dist.destroy_process_group()


def _device(run: Run) -> torch.device:
    if run.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is cuda, but PyTorch sees no GPU here; give --device cpu or install a CUDA build")
    if run.device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]) if "LOCAL_RANK" in os.environ else 0)
    torch.cuda.set_device(device)
    return device


def _dtype(run: Run, device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        has_it = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_it = "avx512_bf16" in _cpu_flags() or "amx_bf16" in _cpu_flags()
    if run.precision == "bfloat16" and not has_it:
        raise ValueError(f"precision is bfloat16, which this {device.type} does not have; give --precision auto")
    wanted = run.precision == "bfloat16" or (run.precision == "auto" and has_it and device.type == "cuda")
    return torch.bfloat16 if wanted else torch.float32


def _cpu_flags() -> set[str]:
    return {name for name, there in torch.cpu.get_capabilities().items() if there}


class Spread:
    """A method on its device and over all ranks: called like the method, with the gradient of the global batch."""

    def __init__(self, method: nn.Module, run: Run, place: Place) -> None:
        # Sharding moves a method itself, part by part: the whole may not fit on one device.
        self.method, self.place = method if place.mode == "fsdp" else method.to(place.device), place
        self.rule = cast(Method, method)
        prepare_blocks(method, run.checkpoint_activations, run.compile)
        self.run: nn.Module = method
        if place.mode == "ddp":
            self.run = DistributedDataParallel(
                method, gradient_as_bucket_view=True, find_unused_parameters=takes_turns(method)
            )
        if place.mode == "fsdp":
            shard(method, place)

    def losses(self, batch: Mapping[str, Tensor], step: Step) -> Losses:
        """The losses of this rank's rows, with the arithmetic of the run's precision."""
        device = self.place.device
        moved = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
        half = self.place.dtype != torch.float32 and self.place.mode != "fsdp"
        with torch.autocast(device.type, self.place.dtype) if half else nullcontext():
            return self.run(moved, step)

    def backward(self, losses: Losses, rows: Rows) -> None:
        """Adds this part of the gradient of the global mean: each rank and micro-batch weighs as its share of samples.

        DDP and FSDP2 average over the ranks, which the factor takes back.
        """
        (losses.total * (rows.count / rows.total * self.place.ranks)).backward()

    @contextmanager
    def accumulating(self, last: bool) -> Iterator[None]:
        """Exchanges gradients with the other ranks only in the last micro-batch."""
        if isinstance(self.method, FSDPModule):
            self.method.set_requires_gradient_sync(last)
        quiet: AbstractContextManager[None] = nullcontext()
        if isinstance(self.run, DistributedDataParallel) and not last:
            quiet = self.run.no_sync()
        with quiet:
            yield

    @contextmanager
    def whole(self) -> Iterator[None]:
        """For calling a part of the method on its own: parameters outside of the blocks are put together meanwhile.

        All ranks have to enter it, and to call the same things. The method must have run before.
        """
        sharded = [module for module in self.method.modules() if isinstance(module, FSDPModule)]
        for module in sharded:
            module.unshard()
        try:
            yield
        finally:
            for module in sharded:
                module.reshard()


def takes_turns(method: nn.Module) -> bool:
    """Whether a step leaves some parameters out, for which DDP must not wait: a module of the method says so."""
    return any(getattr(module, "takes_turns", False) for module in method.modules())


def stacks(method: nn.Module) -> list[nn.ModuleList]:
    """Every stack of blocks inside of a method: its largest repeated parts."""
    found = [module.blocks for module in method.modules() if hasattr(module, "blocks")]
    return [blocks for blocks in found if isinstance(blocks, nn.ModuleList)]


def prepare_blocks(method: nn.Module, checkpoint_activations: bool, compile: bool) -> None:
    """Replaces each block by one that recomputes its inside, and compiles it, as asked for. Names do not change."""
    for blocks in stacks(method):
        for index, block in enumerate(blocks):
            if checkpoint_activations:
                blocks[index] = block = checkpoint_wrapper(block)
            if compile:
                block.compile()


def shard(method: nn.Module, place: Place) -> None:
    """Spreads the parameters of each block, and then of the rest, over all ranks (FSDP2)."""
    mesh = init_device_mesh(place.device.type, (place.ranks,))
    policy = MixedPrecisionPolicy()
    if place.dtype != torch.float32:
        policy = MixedPrecisionPolicy(param_dtype=place.dtype, reduce_dtype=torch.float32)
    for blocks in stacks(method):
        for block in blocks:
            fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(method, mesh=mesh, mp_policy=policy)


def plain_name(name: str) -> str:
    """The name of a parameter as it is saved, without what wrapping a block has put into it."""
    return name.replace("_checkpoint_wrapped_module.", "")

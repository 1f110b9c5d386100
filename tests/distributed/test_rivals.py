"""Rivals whose answers need the batch, on two processes: loss, gradient and centers are those of one.

python test_rivals.py OUT    one of the processes, with the environment that torchrun gives
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from jepakit.config import Config
from jepakit.contracts import Rows, step_at
from jepakit.rivals import data2vec, dino, ibot, moco, msn
from jepakit.train.parallel import Spread, start
from jepakit.train.run import Run

MEMBERS = {member.__name__.rpartition(".")[2]: member.TINY for member in (data2vec, dino, ibot, moco, msn)}
SHARES = (5, 2)
RUN = Run(model=Config(), data=Config(), steps=2, batch=7, device="cpu", threads=1)


def outcomes():
    """Of two steps of each member: losses of the global batch, the gradients of the last one, and all buffers."""
    found = {}
    with start(RUN) as place:
        shares = SHARES if place.ranks > 1 else (sum(SHARES),)
        rows = Rows(sum(shares[: place.rank]), shares[place.rank], sum(shares))
        mine = slice(rows.first, rows.first + rows.count)
        for name, config in MEMBERS.items():
            torch.manual_seed(0)
            x = torch.randn(7, 2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))[mine]
            method = config.build().double()
            spread, losses = Spread(method, RUN, place), []
            for index in range(2):
                step = step_at(index, 2, rows)
                method.zero_grad()
                total = spread.losses({"x": x[:, 0], "globals": x[:, 1:]}, step)
                spread.backward(total, rows)
                losses.append(place.sum(total.total.detach() * rows.count / rows.total))
                method.after_step(step)
            gradients = {key: value.grad for key, value in method.named_parameters() if value.requires_grad}
            found[name] = {"losses": torch.stack(losses), **gradients, **dict(method.named_buffers())}
    return found


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What one process finds here, and what each of two finds there."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = []
    for rank in range(2):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        environment = {**os.environ, **own, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "error", __file__, str(folder / f"{rank}.pt")]
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    try:
        problems = [process.communicate(timeout=240)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(problems)
    return outcomes(), [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("name", MEMBERS)
def test_two_ranks_are_one(both, name):
    expected, ranks = both
    for found in ranks:
        assert found[name].keys() == expected[name].keys()
        for key, value in expected[name].items():
            torch.testing.assert_close(
                found[name][key], value, rtol=1e-7, atol=1e-10, msg=lambda text, key=key: f"{key}: {text}"
            )
    if "target.centers" in expected[name]:
        assert expected[name]["target.centers"].abs().max() > 0.01, "the centers moved"


if __name__ == "__main__":
    torch.save(outcomes(), Path(sys.argv[1]))

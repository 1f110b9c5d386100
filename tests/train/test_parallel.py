import pytest
import torch
from tiny_engine import Points, Tiny
from torch import nn

from jepakit.train import parallel
from jepakit.train.parallel import plain_name, prepare_blocks, stacks
from jepakit.train.run import Run


def make(**changes):
    return Run(model=Tiny(), data=Points(), steps=1, device="cpu", **changes)


def test_stacks_are_found_by_their_name():
    method = Tiny(depth=3).build()
    assert [len(blocks) for blocks in stacks(method)] == [3, 3]


def test_recomputing_blocks_keeps_the_names_of_weights():
    method = Tiny().build()
    names = list(method.state_dict())
    prepare_blocks(method, checkpoint_activations=True, compile=False)
    assert list(method.state_dict()) == names
    assert [plain_name(name) for name, _ in method.named_parameters()] == names


@pytest.mark.filterwarnings("ignore")  # of the compiler about itself
@torch.no_grad()  # half of the compile time
def test_compiled_blocks_compute_the_same():
    method = Tiny(depth=1, dropout=0.0).build()
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    expected = method.backbone(x).values
    names = list(method.state_dict())
    prepare_blocks(method, checkpoint_activations=False, compile=True)
    assert list(method.state_dict()) == names
    torch.testing.assert_close(method.backbone(x).values, expected)


def test_compiling_reaches_every_block(monkeypatch):
    compiled = []

    def note(block):
        compiled.append(block)

    monkeypatch.setattr(nn.Module, "compile", note)
    method = Tiny(depth=3).build()
    prepare_blocks(method, checkpoint_activations=False, compile=True)
    assert compiled == [*method.backbone.blocks, *method.average.blocks]


def test_one_process_stands_alone_and_gives_the_threads_back():
    threads = torch.get_num_threads()
    with parallel.start(make(threads=1, parallel="fsdp")) as place:
        assert (place.rank, place.ranks, place.mode, place.first) == (0, 1, "single", True)
        assert place.gather([3, 4]) == [[3, 4]]
        assert place.sum(torch.tensor(2.0)) == 2.0
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(("has_it", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_gpu_computes_in_bfloat16_where_it_has_it(monkeypatch, has_it, dtype):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.set_device", lambda device: None)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: has_it)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with parallel.start(Run(model=Tiny(), data=Points(), steps=1)) as place:
        assert place.dtype == dtype
        assert place.device == torch.device("cuda", 1)


def test_seeding_is_that_of_torch():
    with parallel.start(make()) as place:
        place.seed(7)
        drawn = torch.rand(3)
        torch.manual_seed(7)
        assert torch.equal(drawn, torch.rand(3))

"""A device is there, or one sentence says that it is not."""

import pytest
import torch

from jepakit import cli
from jepakit.app.device import open_device


def test_a_device_is_opened_by_its_name():
    assert open_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "", "hpu"])
def test_one_sentence_says_that_it_is_not_there(name):
    with pytest.raises(ValueError, match=r"cannot be used here .*; give --device cpu") as problem:
        open_device(name)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("words", [["probe"], ["embed", "pictures", "--out", "features.parquet"]])
def test_commands_say_it_too(words, finished_run, capsys):
    verb, *rest = words
    assert cli.run([verb, str(finished_run), *rest, "--device", "cuda:99"]) == 1
    assert capsys.readouterr().err.startswith(f"jepakit {verb}: device 'cuda:99' cannot be used here")

"""Every regularizer on 2 and on 3 processes is that on one, in value and gradient, by DDP and by FSDP2."""

import pytest

from benchmarks.ranks import GOAL, MODES, NAMES, SHARES, errors


@pytest.fixture(scope="module", params=SHARES, ids=str)
def found(request):
    """Errors on these uneven shares: all regularizers and both ways to spread them in one start of the processes."""
    return errors(request.param)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_several_ranks_are_one(found, mode, name):
    assert found[mode][name] <= GOAL

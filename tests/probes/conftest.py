"""What several tests probe."""

import pytest
from probed import Parts, pictures


@pytest.fixture
def parts():
    return Parts(pictures(40, seed=1), pictures(30, seed=2, prefix="test"), pictures(20, seed=3, prefix="validation"))

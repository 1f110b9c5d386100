"""What the tests of videos share."""

from pathlib import Path

import pytest
from films import write_film


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain film: H.264 with B-frames in MP4."""
    return write_film(tmp_path_factory.mktemp("films") / "film.mp4")

"""The wheel installs into an empty environment with the pinned versions, and works there."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def call(*words: str | Path, cwd: Path) -> str:
    """What a command prints. An environment of its own must not see ours."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, check=False, capture_output=True, text=True, env=clean
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built by the commands of any user: isolated, by the backend that pyproject.toml names."""
    out = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "build", "--wheel", "--outdir", out, ROOT, cwd=out)
    (built,) = out.glob("*.whl")
    return built


def test_wheel_holds_the_library_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "jepakit").rglob("*.py")}
    assert modules <= names
    assert "jepakit/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"jepakit"}
    data = [path for path in (ROOT / "jepakit").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    assert {path.relative_to(ROOT).as_posix() for path in data} <= names, "a file that the code reads is left out"
    assert "License-Expression: Apache-2.0" in metadata
    assert "torchvision" not in metadata


@pytest.fixture
def empty(tmp_path) -> Iterator[Path]:
    """An environment with nothing in it, not even pip. It is deleted, for it grows to more than a gigabyte."""
    folder = tmp_path / "empty"
    call(sys.executable, "-m", "venv", "--without-pip", folder, cwd=tmp_path)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.timeout(900)
def test_wheel_runs_in_an_empty_environment(wheel, empty, tmp_path):
    """All of PyTorch is installed for this, nearly a minute: only so it is seen that no dependency is forgotten."""
    python = empty / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check")
    # Not compiled: torch alone has thousands of modules, of which a few hundred are read here.
    call(*pip, "--no-compile", "-c", ROOT / "constraints.txt", wheel, cwd=tmp_path)
    listed = call(empty / "bin" / "jepakit", "list", cwd=tmp_path)
    assert "images:ijepa_vith14_in1k" in listed
    script = "import sys; from jepakit import cli; code = cli.run(['show', 'images:ijepa_vitb16_in1k'])"
    shown = call(python, "-c", f"{script}; sys.exit(code or 'torchvision' in sys.modules)", cwd=tmp_path)
    assert "85,646,592" in shown


def test_constraints_pin_everything_once_and_no_build_of_torch():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    pins = dict(line.split("==") for line in lines)
    assert len(pins) == len(lines)
    assert pins["torch"] == "2.13.0"
    assert not any("+" in version for version in pins.values()), "a local version is to be had on one machine only"
    assert not {"torchvision", "torchaudio"} & pins.keys()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [
        *project["dependencies"],
        *(need for extra in ("dev", "onnx", "docs", "hub", "video") for need in extras[extra]),
    ]
    pinned = {plain(name) for name in pins}
    assert {plain(need) for need in asked} <= pinned


def plain(requirement: str) -> str:
    """The name of a package, as pip compares names."""
    for end in "[<>=!~; ":
        requirement = requirement.split(end)[0]
    return requirement.lower().replace("_", "-").replace(".", "-")

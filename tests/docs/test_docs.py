"""The pages are true: their code runs, options and sentences are those of the library, links lead somewhere."""

import contextlib
import importlib.util
import io
import itertools
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

import jepakit
from jepakit import cli
from jepakit.probes.names import ProbeName

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHORT = shlex.split("--steps 2 --batch 8 --workers 0 --threads 1 --watch.samples 4 --watch.views 2")
SMALL = shlex.split(
    "--model.image 32 32 --model.patch 8 --model.channels 3 --model.dim 48 --model.depth 4 --model.heads 4 "
    "--model.predictor-dim 24 --model.predictor-depth 1 --data.transform.size 32 --data.transform.channels 3 "
    "--data.transform.mean 0.5 0.5 0.5 --data.transform.std 0.2 0.2 0.2"
)
SMALL_CLIPS = shlex.split(
    "--model.image 32 32 --model.frames 4 --model.dim 48 --model.heads 4 --model.predictor-dim 24 "
    "--data.transform.picture.size 32 --data.transform.sampling.frames 4"
)
FOREIGN = {"--nproc-per-node", "--nnodes", "--rdzv-backend", "--rdzv-endpoint", "--index-url", "--model.columns",
           "--model.larger.source"}  # fmt: skip
"""Options that the pages name and no verb has: of torchrun, of pip, and of recipes that a page writes down."""


@dataclass(frozen=True)
class Block:
    """Code on a page; `mark` is what the comment above it says."""

    line: int
    language: str
    mark: str
    code: str


def blocks(page: Path) -> Iterator[Block]:
    """All fenced code of a page."""
    pattern = r"(?:^<!-- (?P<mark>.*?) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$"
    text = page.read_text()
    for found in re.finditer(pattern, text, re.DOTALL | re.MULTILINE):
        line = text.count("\n", 0, found.start("code")) + 1
        yield Block(line, found["language"], found["mark"] or "", found["code"])


def runnable(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language in ("python", "bash") and "not run" not in block.mark]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)], ids=name)
def test_code_of_the_page_runs(page, room, capsys):
    namespace: dict[str, object] = {"__name__": "page"}
    before = set(sys.modules)
    try:
        for block in runnable(page):
            where = f"{name(page)}:{block.line}"
            if block.language == "python":
                run_python(block, where, namespace, room)
            else:
                run_shell(block, where, room, capsys)
    finally:
        for module in set(sys.modules) - before:
            if (room / f"{module}.py").exists():
                del sys.modules[module]


def run_python(block: Block, where: str, namespace: dict[str, object], room: Path) -> None:
    if block.mark.startswith("file: "):
        (room / block.mark.removeprefix("file: ")).write_text(block.code)
        return
    exec(compile("\n" * (block.line - 1) + block.code, where, "exec"), namespace)


def run_shell(block: Block, where: str, room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in block.code.replace("\\\n", " ").split("\n"):
        for command in line.split("&&"):
            if words := shlex.split(command, comments=True):
                run_command(words, where, room, capsys)


def run_command(words: list[str], where: str, room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs what is ours, on few steps, and looks at what it names where it is another's."""
    if words[0] == "torchrun":  # the same words in one process; many are tested by tests/distributed
        words = words[words.index("-m") + 1 :]
    match words:
        case ["make", target, *_]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"{where}: make {target}"
        case ["pip", "install", *rest]:
            assert_installable(rest, where)
        case ["jepakit", verb, *rest]:
            if "--out" in rest and verb != "embed":
                shutil.rmtree(room / rest[rest.index("--out") + 1], ignore_errors=True)
            asked = [verb, *rest, *shortened(verb, rest)]
            with contextlib.suppress(SystemExit) if "--help" in rest else contextlib.nullcontext():
                assert cli.run(asked) == 0, f"{where}: jepakit {shlex.join(asked)}: {capsys.readouterr().err}"
        case _:
            pytest.fail(f"{where}: nobody knows how to run {words[0]!r}; put <!-- not run: why --> above the block")


def shortened(verb: str, words: list[str]) -> list[str]:
    """What is added to a command so that it takes no time; where an option stands twice, the last one counts."""
    if verb == "probe" and "--probes" in words:
        named = itertools.takewhile(lambda word: word[0] != "-", words[words.index("--probes") + 1 :])
        assert set(named) <= set(get_args(ProbeName)), f"there is no such probe: {words}"
    if verb == "probe":
        return ["--probes", "knn", *(["attentive", "--steps", "2"] if "attentive" in words else [])]
    if verb != "train" or "--help" in words or words[0] == "--resume":
        return []
    return SHORT + (SMALL if words[0].startswith("images:") else SMALL_CLIPS if words[0] == "videos:vjepa_tiny" else [])


def assert_installable(words: list[str], where: str) -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in words:
        for extra in re.findall(r"\[(.*?)\]", word):
            assert set(extra.split(",")) <= known.keys(), f"{where}: there is no extra {extra}"
        assert not word.endswith(".txt") or (ROOT / word).exists(), f"{where}: there is no {word}"


def test_files_on_a_page_are_told_from_the_rest():
    found = list(blocks(ROOT / "docs" / "ADDING.md"))
    assert any(block.mark == "file: strips.py" for block in found)
    assert all(block.language in ("python", "bash", "") for page in PAGES for block in blocks(page))


@pytest.fixture(scope="module")
def options() -> set[str]:
    """Every option that `--help` of any verb tells."""
    told, recipes = io.StringIO(), (["images:ijepa_tiny"], ["videos:vjepa_tiny"], ["worlds:two_rooms_planner"])
    named = {"train": recipes, "show": recipes[:1], "eval": (["arena"],)}
    for verb in cli.VERBS:
        for words in ([], *named.get(verb, ())):
            with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
                cli.run([verb, *words, "--help"])
    return set(re.findall(r"--[a-z][\w.-]*\w", told.getvalue())) | {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_options_exist(page, options):
    text = re.sub(r"`python -m benchmarks[^`]*`", "", page.read_text())
    named = set(re.findall(r"(?<![\w-])--[a-z][\w.-]*\w", text))
    unknown = {option for option in named - FOREIGN if option not in options}
    assert not unknown, f"{name(page)} names options that no verb has"


def test_sentences_of_the_library_are_quoted_as_they_are():
    """What stands in the left column under "What goes wrong" has four words in a row that the code has, too."""
    source = "\n".join(path.read_text() for path in sorted((ROOT / "jepakit").rglob("*.py")))
    joined = words_of(re.sub(r"['\"]\s*\n\s*f?['\"]", "", source))
    for page in PAGES:
        _, _, table = page.read_text().partition("## What goes wrong")
        for quoted in re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE):
            parts = [words_of(part).split() for part in re.split(r"\.\.\.", quoted)]
            runs = [" ".join(part[i : i + 4]) for part in parts for i in range(max(len(part) - 3, 1)) if part]
            assert any(run in joined for run in runs), f"{name(page)}: the library does not say {quoted!r}"


def words_of(text: str) -> str:
    """Words alone, one blank between them."""
    return " ".join(re.findall(r"[\w.-]*\w", text))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_inside_the_repository_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target) or "/api/" in f"/{path}":  # API pages are written while the site is built
            continue
        found = (page.parent / path) if path else page
        assert found.exists(), f"{name(page)} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
            assert anchor in [slug(heading) for heading in headings], f"{name(page)} links to {target}"


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


@pytest.mark.parametrize("public", [word for word in jepakit.__all__ if word != "__version__"])
def test_every_public_name_is_documented(public):
    thing = getattr(jepakit, public)
    own = thing.__dict__.get("__doc__") if isinstance(thing, type) else thing.__doc__
    assert own, f"jepakit.{public} has no docstring"
    assert not own.startswith(f"{public}("), f"jepakit.{public} has only the docstring that dataclass makes"


def test_site_builds_and_needs_no_network(tmp_path):
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("mkdocs is not installed; pip install 'jepakit[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        loaded = re.findall(r"<(?:link|script|img|iframe)\b[^>]*?(?:href|src)=\"?(https?:[^\s\">]+)", page.read_text())
        assert not loaded, f"{page.name} loads {loaded}"

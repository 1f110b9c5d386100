"""The house is built as the page says: floors, sizes, and what must not stand in a file."""

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = sorted((ROOT / "jepakit").rglob("*.py"))
OWN = sorted(path for room in ("jepakit", "tests", "benchmarks", "docs") for path in (ROOT / room).rglob("*.py"))
LINES, FUNCTION_LINES, FAMILY_LINES = 400, 40, 100
HOOKS_OF_TORCH = {"_load_from_state_dict"}
"""Methods that torch calls with arguments of its own."""
FORBIDDEN_NAMES = {"utils", "common", "helpers", "misc", "base"}


def tracked() -> list[Path]:
    """The files of the repository that hold text; those of the checkout where there is no git."""
    try:
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return OWN
    paths = [ROOT / line for line in listed.splitlines()]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8000]]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_imports_go_down_the_floors():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    checked = subprocess.run([*command, "--no-cache"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_floors_are_those_of_the_page():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in settings if contract["type"] == "layers")
    enforced = [sorted(layer.replace("jepakit.", "").split(" | ")) for layer in layers if "__main__" not in layer]
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    drawn = re.search(r"^cli > .*?^```", page, re.DOTALL | re.MULTILINE)
    assert drawn is not None
    floors = drawn[0].removesuffix("```").split(">")
    assert [sorted(word.strip() for word in floor.split("|")) for floor in floors] == enforced
    rooms = {path.stem if path.is_file() else path.name for path in (ROOT / "jepakit").iterdir()}
    rooms -= {"__init__", "__main__", "__pycache__", "py"}
    rooms = {room for room in rooms if not room.startswith(".")} - {"py.typed"}
    assert rooms == {room for floor in enforced for room in floor}, "a room stands on no floor"
    assert all(f"| `{room}/` |" in page or f"| `{room}.py` |" in page for room in rooms), "the page forgets a room"


@pytest.mark.parametrize("path", OWN, ids=name)
def test_a_file_is_not_too_long(path):
    assert len(path.read_text().splitlines()) <= LINES


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_functions_are_not_too_long(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES, f"{node.name} is too long"


@pytest.mark.parametrize("path", [path for path in LIBRARY if path.parent.name in ("family", "rivals")], ids=name)
def test_a_member_of_the_family_or_a_rival_is_short(path):
    """The list of parts that it imports, sizes as constants, blank lines, comments and docstrings are not counted."""
    tree = ast.parse(path.read_text())
    lines = set(code_lines(path.read_text()))
    for node in tree.body:
        is_size = isinstance(node, ast.Assign) and all(
            isinstance(to, ast.Name) and to.id.isupper() for to in node.targets
        )
        if is_size or isinstance(node, ast.Import | ast.ImportFrom):
            lines -= set(range(node.lineno, (node.end_lineno or 0) + 1))
    assert len(lines) <= FAMILY_LINES


def code_lines(source: str) -> set[int]:
    """Numbers of the lines that hold code: neither blank, nor a comment, nor a string that stands alone."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    alone: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            alone |= set(range(node.lineno, (node.end_lineno or 0) + 1))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    held = {line for token in tokens if token.type not in skipped for line in range(token.start[0], token.end[0] + 1)}
    return held - alone


def test_lines_of_code_are_counted_right():
    source = '"""Words."""\n\nA = 1  # why\n# why not\ndef f():\n    """For.\n\n    More."""\n    return """\n"""\n'
    assert code_lines(source) == {3, 5, 9, 10}


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_modules_say_what_they_are_for(path):
    tree = ast.parse(path.read_text())
    if not tree.body and path.name == "__init__.py":
        return
    assert ast.get_docstring(tree), "a module begins with a docstring"
    assert not FORBIDDEN_NAMES & {path.stem, path.parent.name}, "a name that says nothing"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            exempt = isinstance(node, ast.ClassDef) and any(base_of(base) == "Protocol" for base in node.bases)
            assert ast.get_docstring(node) or exempt, f"{node.name} has no docstring"


def base_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_nothing_is_passed_through_unseen(path):
    """No **kwargs, and no annotations as strings by a future import, which configs could not read."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name in HOOKS_OF_TORCH:
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            assert node.args.kwarg is None, f"line {node.lineno}: **{node.args.kwarg and node.args.kwarg.arg}"
        if isinstance(node, ast.ImportFrom):
            assert node.module != "__future__"


def test_tracked_text_is_finished_and_at_home_anywhere():
    """No notes to oneself, and no paths of one machine. The marks are put together, so that this file has none."""
    notes = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
    places = re.compile(
        r"(?<![\w.-])/(?:" + "|".join(("wo" + "rk", "ho" + "me/[a-z]", "ro" + "ot", "Us" + "ers")) + r")/"
    )
    found = []
    for path in tracked():
        text = path.read_text(errors="replace")
        for number, line in enumerate(text.splitlines(), start=1):
            if notes.search(line) or places.search(line):
                found.append(f"{name(path)}:{number}: {line.strip()[:80]}")
    assert not found, "\n".join(found)

"""Pages of API, written while the site is built: one for each package of the library, with every module in it."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

LIBRARY = "jepakit"
WORDS = ("tokens", "config", "schedules", "poses", "contracts")
"""Modules that stand alone and are read together."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages to the site (an event of mkdocs)."""
    root = Path(config.config_file_path).parent / LIBRARY
    for name, text in pages(root).items():
        files.append(File.generated(config, f"api/{name}.md", content=text))
    return files


def pages(root: Path) -> dict[str, str]:
    """The text of every page by its name."""
    alone = {path.stem for path in root.glob("*.py")} - {"__init__", "__main__", "cli", *WORDS}
    packages = {path.parent.name: modules(root, path.parent) for path in sorted(root.glob("*/__init__.py"))}
    contents = {name: [f"{LIBRARY}.{name}"] for name in sorted(alone)} | packages
    written = {name: page(name, listed) for name, listed in contents.items()}
    words = page("The words of the library", [f"{LIBRARY}.{name}" for name in WORDS])
    return {"index": index(root, list(written)), "words": words, **written}


def modules(root: Path, package: Path) -> list[str]:
    """Import paths of all modules of a package that hold more than a docstring, in the order of their paths."""
    found = []
    for path in sorted(package.rglob("*.py")):
        if path.name != "__init__.py" and path.name != "__main__.py":
            found.append(".".join([LIBRARY, *path.relative_to(root).with_suffix("").parts]))
    return found


def page(title: str, names: list[str]) -> str:
    """A page that documents the modules `names`."""
    return "\n\n".join([f"# {title}", *(f"::: {name}" for name in names)]) + "\n"


def index(root: Path, names: list[str]) -> str:
    """The page that says what stands where."""
    lines = [f"- [{name}]({name}.md): {sentence(root, name)}" for name in names]
    return "\n".join(
        [
            "# API",
            "",
            "Written from the docstrings of the code. `import jepakit` gives `load`, `fit`, `Run`, `Config`, `Tokens`,",
            "`Split` and `Places`; everything else is imported from where it stands.",
            "",
            "- [words](words.md): Tokens, Config, schedules, and what the parts may expect of each other",
            *lines,
            "",
        ]
    )


def sentence(root: Path, name: str) -> str:
    """The first line of the docstring of a module or package."""
    path = root / f"{name}.py"
    first = (path if path.exists() else root / name / "__init__.py").read_text().split("\n", 1)[0]
    return first.strip('"')

"""A picture of a run's report, for the README: `python -m benchmarks.screenshot runs/demo docs/assets/report.png`."""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from jepakit.app.report.page import write_report

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# No sandbox, because containers have none to offer; the only page that is opened is our own file.
ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")


def find_chromium() -> str | None:
    """The path of an installed Chromium, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def open_browser() -> Iterator[Any]:
    """A headless Chromium as a playwright Browser. Raises ValueError, in one sentence, if none is installed."""
    from playwright.sync_api import sync_playwright

    path = find_chromium()
    if path is None:
        raise ValueError("no Chromium is installed; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


def photograph(run: Path, out: Path, scheme: Literal["light", "dark"], height: int) -> Path:
    """The top of the report of `run` at 1280 pixels of width, twice as dense."""
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        report = write_report(run, Path(folder) / "report.html")
        look = {"color_scheme": scheme, "device_scale_factor": 2, "viewport": {"width": 1280, "height": height}}
        page = browser.new_context(**look).new_page()
        page.goto(report.as_uri())
        out.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=out)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="the folder of a run")
    parser.add_argument("out", type=Path, help="the .png file to write")
    parser.add_argument("--scheme", choices=("light", "dark"), default="light")
    parser.add_argument("--height", type=int, default=1000, help="pixels from the top of the page")
    asked = parser.parse_args()
    print(photograph(asked.run, asked.out, asked.scheme, asked.height))


if __name__ == "__main__":
    main()

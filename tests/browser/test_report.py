"""The report in a real browser, at the width of a desk and of a phone."""

from pathlib import Path

import pytest

from benchmarks.screenshot import find_chromium, open_browser
from jepakit.app.report.page import write_report

pytest.importorskip("playwright", reason="playwright is not installed; it comes with the extra dev")
if find_chromium() is None:
    pytest.skip("Chromium is not installed; on Debian: apt-get install chromium", allow_module_level=True)

SLOW = 120_000
"""Milliseconds to wait at most: continuous integration is slow."""

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module")
def report(finished_run, tmp_path_factory) -> Path:
    return write_report(finished_run, tmp_path_factory.mktemp("browser") / "report.html")


@pytest.fixture(
    scope="module",
    params=[(DESK, "light"), (DESK, "dark"), (PHONE, "light"), (PHONE, "dark")],
    ids=["desk-light", "desk-dark", "phone-light", "phone-dark"],
)
def page(request, browser, report):
    """The open report; whatever the browser complains of, or asks the network for, is an error at the end."""
    viewport, scheme = request.param
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    context.set_default_timeout(SLOW)
    page, problems = context.new_page(), []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or problems.append(asked.url))
    page.goto(report.as_uri())
    yield page
    context.close()
    assert problems == []


def test_pictures_are_loaded_and_nothing_is_wider_than_the_screen(page):
    sizes = page.evaluate("[...document.images].map((image) => image.complete && image.naturalWidth)")
    assert len(sizes) > 50
    assert all(sizes)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("[...document.querySelectorAll('section')].every((part) => part.offsetHeight > 60)")


def test_hover_shows_the_value_under_the_cursor_in_all_charts_and_leaving_hides_it(page):
    charts = page.locator('.chart[data-sync="step"]')
    loss = charts.filter(has_text="Loss").first
    latest = loss.locator("output").first.text_content()
    loss.locator(".plot").scroll_into_view_if_needed()
    loss.locator(".plot").hover(position={"x": 2, "y": 40})
    assert loss.locator(".cursor b").text_content() == "step 1"
    first = page.evaluate("JSON.parse(document.querySelector('#training .chart').dataset.points)[0].y[0]")
    assert loss.locator("output").first.text_content() == first != latest
    assert charts.locator(".cursor:not([hidden])").count() == charts.count() > 8
    page.mouse.move(1, 1)
    assert page.locator(".cursor:not([hidden])").count() == 0
    assert loss.locator("output").first.text_content() == latest


def test_arrow_keys_walk_along_a_curve(page):
    chart = page.locator("#training .chart").first
    chart.focus()
    for key, step in (("Home", "step 1"), ("ArrowRight", "step 2"), ("End", "step 12"), ("ArrowLeft", "step 11")):
        page.keyboard.press(key)
        assert chart.locator(".cursor b").text_content() == step
    page.keyboard.press("Escape")
    assert chart.locator(".cursor").is_hidden()


def test_the_switch_turns_light_into_dark_and_back_and_is_remembered(page):
    color = "getComputedStyle(document.body).backgroundColor"
    theme = "[document.documentElement.dataset.theme, localStorage.getItem('jepakit-theme')]"
    before = page.evaluate(color)
    page.click("#theme")
    assert page.evaluate(color) != before
    assert len(set(page.evaluate(theme))) == 1
    page.click("#theme")
    assert page.evaluate(color) == before
    assert len(set(page.evaluate(theme))) == 1


def test_a_remembered_choice_is_stronger_than_the_system(browser, report):
    context = browser.new_context(color_scheme="light")
    context.set_default_timeout(SLOW)
    context.add_init_script("localStorage.setItem('jepakit-theme', 'dark')")
    page = context.new_page()
    page.goto(report.as_uri())
    assert luminance(page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")) < 0.05
    context.close()


def test_text_stands_out_from_the_paper(page):
    """Contrast of at least 4.5 to 1 for every color that carries text (WCAG 2.1, 1.4.3)."""
    colors = page.evaluate("""() => {
      const of = (name) => {
        const probe = document.body.appendChild(document.createElement("i"));
        probe.style.color = `var(--${name})`;
        const color = getComputedStyle(probe).color;
        probe.remove();
        return color.match(/\\d+/g).slice(0, 3).map(Number);
      };
      return ["paper", "ink", "soft", "trained", "fresh", "raw", "other", "alarm"].map(of);
    }""")
    paper, *inks = (luminance(color) for color in colors)
    for ink in inks:
        assert (max(paper, ink) + 0.05) / (min(paper, ink) + 0.05) >= 4.5


def luminance(color: list[int]) -> float:
    parts = [value / 255 for value in color]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

"""The HTML reports in a real browser: no complaint, no overflow, no barrier, and what must be seen is seen."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from semscheck.model.report import Report
from semscheck.redaction.report import redact
from semscheck.report.comparison import html as comparison_html
from semscheck.report.html.page import render
from semscheck.report.story import story
from tests.report import reports
from tests.report.html.browser import Browser, chromium
from tests.report.html.test_page import CARDS
from tests.report.test_comparison import sites
from tests.report.test_story import told
from tests.rig.process import MissingError

pytestmark = [pytest.mark.real, pytest.mark.slow]

WIDTHS = (360, 768, 1280)


def redacted() -> Report:
    return redact(reports.round_robin(), key=b"a key of the tests")


def compared() -> str:
    """Two places with servers of their own at the same time, and a later run that went wrong."""
    return comparison_html(sites(), CARDS)


def rendered(make: Callable[[], Report]) -> Callable[[], str]:
    return lambda: render(make(), CARDS)


DOCUMENTS: dict[str, Callable[[], str]] = {make.__name__: rendered(make) for make in (*reports.ALL, redacted)}
DOCUMENTS["comparison"] = compared


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if shutil.which("chromium") is None:
        raise MissingError("chromium")
    with chromium(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture(scope="module")
def axe() -> str:
    try:
        return (resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
    except ModuleNotFoundError as missing:
        raise MissingError("axe-core-python") from missing


@pytest.fixture(params=DOCUMENTS)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param}.html"
    path.write_text(DOCUMENTS[request.param](), encoding="utf-8")
    return path


def opened_details(browser: Browser) -> None:
    browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_the_browser_has_nothing_to_say(browser: Browser, file: Path, width: int) -> None:
    browser.open(file, width=width)
    opened_details(browser)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    outside = browser.evaluate(
        """[...document.querySelectorAll('body *')].filter(one => {
             const box = one.getBoundingClientRect();
             const meant = one.closest('.skip, thead, svg.defs');
             return box.width && !meant && (box.right > innerWidth + 1 || box.left < -1);
           }).map(one => one.outerHTML.slice(0, 120))"""
    )
    assert outside == []
    assert browser.complaints() == []
    assert browser.requested() == [file.as_uri()]


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_in_a_picture_leaves_its_box(browser: Browser, file: Path, width: int) -> None:
    browser.open(file, width=width)
    outside = browser.evaluate(
        """[...document.querySelectorAll('figure, .node, figure th, figure td')]
             .filter(one => one.clientWidth && one.scrollWidth > one.clientWidth + 2)
             .map(one => one.textContent.slice(0, 80))"""
    )
    assert outside == []


@pytest.mark.parametrize("width", WIDTHS)
def test_no_address_is_broken_before_its_port(browser: Browser, file: Path, width: int) -> None:
    browser.open(file, width=width)
    broken = browser.evaluate(
        """[...document.querySelectorAll('.addr')].filter(one => one.getClientRects().length > 1)
             .map(one => one.textContent)"""
    )
    assert broken == []


@pytest.mark.parametrize(("width", "dark"), [(360, True), (1280, False)], ids=["narrow-dark", "wide-light"])
def test_axe_finds_no_barrier(browser: Browser, axe: str, file: Path, width: int, dark: bool) -> None:
    browser.open(file, width=width, dark=dark)
    opened_details(browser)
    browser.evaluate(axe + ";0")
    found: list[dict[str, Any]] = browser.evaluate(
        "axe.run(document, {resultTypes: ['violations']}).then(result => result.violations.map(one => "
        "({id: one.id, nodes: one.nodes.slice(0, 3).map(node => node.html.slice(0, 200) + node.failureSummary)})))"
    )
    assert found == []


def visible(browser: Browser, selector: str) -> bool:
    seen = "one.checkVisibility() && one.getBoundingClientRect().height > 0"
    shown: bool = browser.evaluate(f"[...document.querySelectorAll({selector!r})].some(one => {seen})")
    return shown


def test_the_headline_is_on_the_first_screen(browser: Browser, file: Path) -> None:
    browser.open(file, width=1280)
    box = browser.evaluate("document.querySelector('h1').getBoundingClientRect().toJSON()")
    assert 0 < box["top"] < 300
    assert visible(browser, "h1")
    assert browser.evaluate("document.querySelectorAll('h1').length") == 1


def test_consequences_and_evidence_open_with_the_keyboard(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render(reports.round_robin(), CARDS), encoding="utf-8")
    browser.open(path)
    assert not visible(browser, ".effects li")
    browser.evaluate("document.querySelector('details.printed > summary').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.call(
            "Input.dispatchKeyEvent",
            type=kind,
            key="Enter",
            code="Enter",
            windowsVirtualKeyCode=13,
            text="\r",
        )
    assert visible(browser, ".effects li")
    assert not visible(browser, ".obs")


def test_a_link_to_a_folded_finding_unfolds_it(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render(reports.round_robin(), CARDS), encoding="utf-8")
    browser.open(path)
    browser.evaluate("location.hash = '#finding-2'")
    assert visible(browser, "#finding-2")


def test_on_paper_consequences_are_unfolded_and_the_rest_is_left_out(
    browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text(render(reports.round_robin(), CARDS), encoding="utf-8")
    browser.open(path, width=700, dark=True, media="print")
    assert visible(browser, ".effects li")
    assert not visible(browser, "nav")
    assert not visible(browser, ".obs")
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    ink = browser.evaluate("getComputedStyle(document.querySelector('h2')).color")
    assert ink == "rgb(22, 32, 43)"
    assert browser.pdf().startswith(b"%PDF")


def test_an_ordinary_report_is_two_pages_and_the_first_can_be_handed_over(
    browser: Browser, tmp_path: Path
) -> None:
    if shutil.which("pdftotext") is None:
        raise MissingError("pdftotext")
    path, printed = tmp_path / "report.html", tmp_path / "report.pdf"
    path.write_text(render(told(), CARDS), encoding="utf-8")
    browser.open(path, media="print")
    printed.write_bytes(browser.pdf())
    text = subprocess.run(["pdftotext", printed, "-"], capture_output=True, text=True, check=True).stdout
    first, second = (" ".join(page.split()) for page in text.strip("\f").split("\f"))
    for line in story(told()):
        assert line.text in first
    for found in told().findings:
        assert found.summary in first
    assert first.index("What to do") < first.index("Seen")
    assert "The path" not in first
    assert "Who answered" in second


def test_the_policy_stops_a_script_that_slipped_through(browser: Browser, tmp_path: Path) -> None:
    """What would happen if an escape were forgotten somewhere: nothing."""
    path = tmp_path / "report.html"
    whole = render(reports.round_robin(), CARDS)
    broken = whole.replace(
        "<main", "<script>document.title = 'run'</script><img src='https://192.0.2.1/x'><main", 1
    )
    path.write_text(broken, encoding="utf-8")
    browser.open(path)
    assert browser.evaluate("document.title") != "run"
    assert any("Content Security Policy" in text for text in browser.complaints())

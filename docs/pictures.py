"""Draws the pictures of the documentation from reports that never change, or says with --check which are stale.

    python docs/pictures.py [--check]

Beside them `made-from.json` has a hash of what each was drawn from: the text of the screen, or the HTML. A picture
itself differs between versions of what draws it, and is not compared. Needs Chromium for the HTML report.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for `tests`, which is no part of what is installed

from semscheck.model.findings import Finding, ImpactKind, Owner  # noqa: E402
from semscheck.model.report import Impact, Report  # noqa: E402
from semscheck.report.html.page import render  # noqa: E402
from semscheck.tui.app import Opening  # noqa: E402
from semscheck.tui.store import Settings  # noqa: E402
from tests.report.html.browser import chromium  # noqa: E402
from tests.tui import reports  # noqa: E402
from tests.tui.play import Play  # noqa: E402
from tests.tui.reading import shows, text  # noqa: E402

IMAGES = ROOT / "docs" / "images"
MADE_FROM = IMAGES / "made-from.json"
SIZE = (120, 40)
WIDTH, HEIGHT = 1100, 1500  # of the HTML report


TITLES = {
    "BAL001": "Round robin without persistence",
    "BAL007": "Requests of one connection are split",
    "BAL009": "One server answers",
    "BAL015": "A server gets no clients",
    "CLU002": "A server does not serve",
    "CRT006": "Certificate expires soon",
    "CRT007": "Servers present different certificates",
    "NET002": "No answer",
}


def _titled(found: Finding) -> Finding:
    return replace(found, title=TITLES[found.code])


def broken() -> Report:
    """Round robin, one server that does not answer, a certificate that ends soon."""
    base = reports.broken()
    said = replace(
        base.summary,
        impact=Impact(kind=ImpactKind.SESSIONS_LOST, sentence="Users connect, but lose their session."),
        cause="keys.example.com sends every new connection to the next server and has no persistence.",
        owners=(Owner.BALANCER,),
        first_step="Set the method to failover (active/passive or ordered list).",
        also="3 warnings: no answer; certificate expires soon; servers present different certificates",
    )
    return replace(base, summary=said, findings=tuple(map(_titled, base.findings)))


def healthy() -> Report:
    base = reports.healthy()
    said = replace(
        base.summary,
        impact=Impact(kind=ImpactKind.NOTHING_NOTICED, sentence="No fault found."),
        cause="sems1.example.com answered all 32 connections.",
        owners=(),
    )
    return replace(base, summary=said, findings=tuple(map(_titled, base.findings)))


@dataclass(frozen=True)
class Screen:
    """A picture of the screens. keys: pressed before; shows: what is to be read then."""

    report: Report
    keys: tuple[str, ...]
    shows: str
    theme: str = "dark"


SCREENS = {
    "tui-round-robin.svg": Screen(broken(), (), "What to do"),
    "tui-finding.svg": Screen(broken(), ("enter",), "Finding 1 of"),
    "tui-healthy.svg": Screen(healthy(), (), "always one server", "light"),
}
HTML = "report.png"


async def drawn(screen: Screen) -> tuple[str, str]:
    """The text of the screen, and its picture as SVG."""
    with tempfile.TemporaryDirectory() as where:
        play = Play(Path(where))
        play.store.save_settings(Settings(theme=screen.theme))
        app = play.app(Opening(report=screen.report, source=Path("saved.json")))
        async with app.run_test(size=SIZE) as pilot:
            await shows(pilot, "Findings")
            await pilot.press(*screen.keys)
            await shows(pilot, screen.shows)
            return text(app), _alone(app.export_screenshot())


def _alone(svg: str) -> str:
    """The picture with nothing from outside, and the same names each time."""
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"terminal-\d+-", "t-", svg)
    return svg.replace("Fira Code, monospace", "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace")


def document() -> str:
    return render(broken())


def made_from() -> dict[str, str]:
    """What each picture has to be drawn from, as hashes."""
    sources = {name: asyncio.run(drawn(screen))[0] for name, screen in SCREENS.items()}
    return _hashes({**sources, HTML: document()})


def _hashes(sources: dict[str, str]) -> dict[str, str]:
    return {name: hashlib.sha256(source.encode()).hexdigest() for name, source in sources.items()}


def stale() -> list[str]:
    """Names of pictures that show what is no longer so, or are missing."""
    known = json.loads(MADE_FROM.read_text(encoding="utf-8")) if MADE_FROM.exists() else {}
    return [
        name
        for name, source in made_from().items()
        if known.get(name) != source or not (IMAGES / name).exists()
    ]


def draw() -> None:
    sources = {HTML: document()}
    for name, screen in SCREENS.items():
        sources[name], picture = asyncio.run(drawn(screen))
        (IMAGES / name).write_text(picture, encoding="utf-8")
    with tempfile.TemporaryDirectory() as where, chromium(Path(where) / "profile") as browser:
        page = Path(where) / "report.html"
        page.write_text(sources[HTML], encoding="utf-8")
        browser.open(page, width=WIDTH)
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT, "scale": 1}
        shot = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    (IMAGES / HTML).write_bytes(base64.b64decode(shot["data"]))
    MADE_FROM.write_text(json.dumps(_hashes(sources), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        old = stale()
        print("".join(f"{name} is stale: make pictures\n" for name in old), end="")
        sys.exit(bool(old))
    draw()

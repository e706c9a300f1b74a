"""Tries this very program on its own lab: does everything that it is made of work on this machine?

For packaged programs, where a library, a table or a screen may have been left out, and for a desktop where something
stands in the way. Real sockets on loopback, real TLS, DNS and tracing, held against what the lab knows; the screens
run without a terminal. Nothing leaves the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from semscheck.files import temporary_folder

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from semscheck.model.report import Report
    from semscheck.tui.app import SemscheckApp

# One scenario with something to trace and something to find; one with nothing wrong.
BROKEN, HEALTHY = "round-robin", "healthy"
# What is imported only where a file, a setting or a command asks for it.
LATE = ["plistlib", "shtab", "xml.parsers.expat", "xml.etree.ElementTree", "tomllib"]
# Installed from Python's packages, these are there only with the extra "exporter"; a packaged program has them.
OF_EXPORTER = frozenset({"bcrypt", "prometheus_client", "uvicorn", "yaml"})
SCREENS_DEADLINE_S = 60.0
SCREEN_SIZE = (120, 40)


class BrokenError(Exception):
    """Something does not work; the text says what."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one step. detail: what was seen, or why it does not work; one line."""

    name: str
    works: bool
    detail: str
    elapsed_s: float


@dataclass(slots=True)
class Bench:
    """What the steps hand on to later ones."""

    directory: Path
    report: Report | None = None
    members: int = 0
    expected: tuple[str, ...] = ()

    def of_lab(self) -> Report:
        """The report of the broken lab. Raises BrokenError where its check did not come to one."""
        if self.report is None:
            raise BrokenError("there is no report to try it on: the check of the lab did not end")
        return self.report


def run() -> Iterator[Outcome]:
    """Every step in order, each outcome as it comes. A step that fails does not keep the later ones from trying."""
    with temporary_folder("semscheck-selftest-") as directory:
        bench = Bench(directory)
        for name, step in STEPS:
            started = monotonic()
            try:
                works, detail = True, step(bench)
            except BrokenError as problem:
                works, detail = False, str(problem)
            except Exception as defect:  # whatever is missing shows as an exception of its own kind
                works, detail = False, f"{type(defect).__name__}: {defect}"
            yield Outcome(name, works, " ".join(detail.split()), monotonic() - started)


# --- what it is made of ------------------------------------------------------------------------------------


def _program(_: Bench) -> str:
    import platform
    import ssl

    from semscheck import __version__

    kind = "packaged" if getattr(sys, "frozen", False) else "from Python's packages"
    return (
        f"semscheck {__version__}, {kind}; Python {platform.python_version()}, {ssl.OPENSSL_VERSION}, "
        f"{platform.system()} {platform.machine()}"
    )


def _modules(_: Bench) -> str:
    """Every module of ours can be imported, and so everything that it imports is there."""
    import importlib
    import pkgutil

    import semscheck

    names = [found.name for found in pkgutil.walk_packages(semscheck.__path__, "semscheck.")]
    names = [name for name in names if not name.endswith("__main__")] + LATE
    without: set[str] = set()
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as problem:
            if problem.name not in OF_EXPORTER or getattr(sys, "frozen", False):
                raise BrokenError(f"{name}: {problem}") from problem
            without.add(str(problem.name))
    if len(names) < 50:
        raise BrokenError(f"only {len(names)} modules of semscheck are there")
    extra = f", without the exporter's libraries ({', '.join(sorted(without))})" if without else ""
    return f"{len(names)} modules and what they import{extra}"


def _trust(_: Bench) -> str:
    """The operating system's authorities. Where it has none at all, that is said, and is no fault of ours."""
    from semscheck.net.tls_contexts import trusting

    context = trusting(None)
    if sys.platform in ("win32", "darwin"):
        return f"the operating system decides ({type(context).__module__})"
    count = context.cert_store_stats()["x509_ca"]
    if count:
        return f"{count} authorities of this system"
    hashed = any(Path("/etc/ssl/certs").glob("*.0"))
    if hashed:
        return "the system's directory of authorities is read as it is needed"
    return "this system has no authorities installed: every certificate will count as untrusted"


def _suffixes(_: Bench) -> str:
    """The list of public suffixes, a file of its own: what keeps a search for members within a name's own domain."""
    from semscheck.model.target import Target
    from semscheck.probes.discovery import own_domain

    domains = [own_domain(Target(fqdn=f"keys.{domain}")) for domain in ("example.com", "co.uk")]
    if domains != ["example.com", None]:
        raise BrokenError(f"example.com and co.uk, of which the second is public, are taken for {domains}")
    return "read"


# --- the lab -----------------------------------------------------------------------------------------------


def _check(name: str) -> tuple[Report, tuple[str, ...], int]:
    from semscheck.cli.commands.lab import playing
    from semscheck.lab.scenarios import SCENARIOS
    from semscheck.pipeline import check

    with playing(name) as (lab, target):
        report = asyncio.run(check(target, origin="lab", options={"scenario": name}))
        return report, SCENARIOS[name].expect, len(lab.world.members)


def _lab(bench: Bench) -> str:
    report, expected, members = _check(BROKEN)
    bench.report, bench.members, bench.expected = report, members, expected
    codes = {found.code for found in report.findings}
    _no_defects(report)
    if missing := set(expected) - codes:
        raise BrokenError(f"{', '.join(sorted(missing))} should have been found; found: {_listed(codes)}")
    return f"{report.summary.verdict}: {', '.join(expected)} found in {report.run.duration_s or 0:.1f} s"


def _healthy(_: Bench) -> str:
    report, expected, _members = _check(HEALTHY)
    _no_defects(report)
    if report.summary.exit_code:
        wrong = sorted({found.code for found in report.findings} - set(expected))
        raise BrokenError(f"the healthy cluster is called {report.summary.verdict}: {', '.join(wrong)}")
    return f"{report.summary.verdict}, {len(report.observations)} observations"


def _no_defects(report: Report) -> None:
    crashes = [found.summary for found in report.findings if found.code.startswith("SEM")]
    if crashes:
        raise BrokenError(crashes[0])
    crashed = [entry.code for entry in report.verdicts if entry.state == "crashed"]
    if crashed:
        raise BrokenError(f"rules that crashed: {', '.join(crashed)}")


def _dns(bench: Bench) -> str:
    report = bench.of_lab()
    answers = _of_kind(report, "dns.answer")
    if not answers or not report.analysis.dns.addresses:
        raise BrokenError("the lab's name server was not understood")
    return f"{len(answers)} answers, {', '.join(report.analysis.dns.addresses)}"


def _tls(bench: Bench) -> str:
    handshakes = [it for it in _of_kind(bench.of_lab(), "tls.handshake") if it.failure is None]
    protocols = sorted({str(it.version) for it in handshakes if it.version})
    if not protocols:
        raise BrokenError("no handshake succeeded")
    trusted = [it for it in handshakes if it.trust is not None and it.trust.trusted]
    if not trusted:
        raise BrokenError("no chain could be verified, although the lab's authority was given")
    return f"{len(handshakes)} handshakes, {', '.join(protocols)}; {len(trusted)} chains verified"


def _http(bench: Bench) -> str:
    exchanges = [it for it in _of_kind(bench.of_lab(), "http.exchange") if it.failure is None]
    if not exchanges:
        raise BrokenError("no HTTP answer was read")
    return f"{len(exchanges)} answers"


def _tracing(bench: Bench) -> str:
    path = bench.of_lab().analysis.balancing
    if path is None or not path.identified:
        raise BrokenError("no connection was traced to a member")
    if path.members_seen != bench.members:
        raise BrokenError(f"{path.members_seen} of the lab's {bench.members} members were seen")
    return f"{path.identified} of {path.samples} connections traced by {path.identified_by}, {path.method}"


def _of_kind(report: Report, kind: str) -> list[Any]:
    return [it for it in report.observations if it.kind == kind]


def _listed(codes: set[str]) -> str:
    return ", ".join(sorted(codes)) or "nothing"


# --- what is made of it ------------------------------------------------------------------------------------


def _explain(_: Bench) -> str:
    """The printed cards are those of the rules themselves, and every one becomes words and a page."""
    from semscheck.report.text.cards import explain, pages
    from semscheck.rules.printed import cards
    from semscheck.rules.rule import cards as of_rules

    printed, registered = {card.code for card in cards()}, {card.code for card in of_rules()}
    if printed != registered:
        raise BrokenError(f"cards and rules differ: {_listed(printed ^ registered)}")
    for card in cards():
        if card.code not in explain(card):
            raise BrokenError(f"{card.code} explains nothing")
    return f"{len(printed)} rules, {len(pages(cards()))} pages"


def _export(bench: Bench) -> str:
    """Every format is written; the saved report is read back and judged the same again."""
    from semscheck.cli.output import FORMATS
    from semscheck.cli.output.formats import encode, redacted
    from semscheck.cli.output.saved import read_report
    from semscheck.cli.output.streams import Face
    from semscheck.pipeline import replay

    report = bench.of_lab()
    for form in FORMATS:
        data = encode(report, form, Face())
        if not data.strip():
            raise BrokenError(f"{form} is empty")
        (bench.directory / f"report.{form}").write_bytes(data)
    again = replay(read_report(str(bench.directory / "report.json")))
    if (before := _codes(report)) != (after := _codes(again)):
        raise BrokenError(
            f"judged again, the saved report gives {_listed(after)} in place of {_listed(before)}"
        )
    if report.target.fqdn.encode() in encode(redacted(report), "json", Face()):
        raise BrokenError("the redacted report has the name in it")
    return f"{', '.join(FORMATS)}; saved, read and judged again; redacted"


def _codes(report: Report) -> set[str]:
    return {found.code for found in report.findings}


# --- the screens -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Seen:
    screens: list[str] = field(default_factory=list)
    painted: int = 0


def _screens(bench: Bench) -> str:
    """The screens on a run of the lab, without a terminal: views, help, palette, export, and out again."""
    seen = _Seen()
    try:
        asyncio.run(asyncio.wait_for(_visit(bench.directory, seen), SCREENS_DEADLINE_S))
    except TimeoutError:
        raise BrokenError(f"the screens hung after {', '.join(seen.screens) or 'nothing'}") from None
    return f"{', '.join(seen.screens)}; {seen.painted} lines painted"


async def _visit(directory: Path, seen: _Seen) -> None:
    from semscheck.cli.commands.tui import doors
    from semscheck.tui.app import Opening, SemscheckApp
    from semscheck.tui.store import Store

    store = Store(directory / "config", directory / "state")
    app = SemscheckApp(doors(), Opening(scenario=HEALTHY), store=store)
    async with app.run_test(size=SCREEN_SIZE) as pilot:
        await _until(pilot, partial(_ended, app))
        seen.screens.append("a run")
        for key, name in (("3", "views"), ("question_mark", "help"), ("ctrl+p", "commands"), ("e", "export")):
            before = app.screen
            await pilot.press(key)
            if name != "views":
                await _until(pilot, partial(_left, app, before))
            seen.painted += _lines(app)
            seen.screens.append(name)
            if name == "export":
                await _export_there(pilot, directory / "screens.html")
            elif name != "views":
                await pilot.press("escape")
                await _until(pilot, partial(_back, app, before))
    if app.crash_log is not None:
        raise BrokenError(f"the screens crashed. {app.crash_log}")


def _ended(app: SemscheckApp) -> bool:
    """Is there a report? Raises BrokenError where the run ended without one."""
    from semscheck.tui.screens.check import CheckScreen

    screen = app.screen
    if not isinstance(screen, CheckScreen):
        return False
    if screen.stopped is not None:
        raise BrokenError(screen.stopped)
    return screen.report is not None


def _left(app: SemscheckApp, screen: object) -> bool:
    return app.screen is not screen


def _back(app: SemscheckApp, screen: object) -> bool:
    return app.screen is screen


async def _export_there(pilot: Pilot[Any], path: Path) -> None:
    from textual.widgets import Input

    screen = pilot.app.screen
    screen.query_one(Input).value = str(path)
    await pilot.press("enter")  # on the button, which has the focus
    await _until(pilot, lambda: path.is_file() and pilot.app.screen is not screen)


def _lines(app: SemscheckApp) -> int:
    """Lines of the screen that have something on them. Raises BrokenError for a screen that stayed empty."""
    rows = app.screen._compositor.render_strips()
    filled = sum(bool(row.text.strip()) for row in rows)
    if not filled:
        raise BrokenError(f"{type(app.screen).__name__} painted nothing")
    return filled


async def _until(pilot: Pilot[Any], there: Callable[[], bool]) -> None:
    """Waits for what must come; the deadline is that of the whole visit."""
    while not there():
        with contextlib.suppress(asyncio.TimeoutError):
            await pilot.pause(0.02)


STEPS: tuple[tuple[str, Callable[[Bench], str]], ...] = (
    ("program", _program),
    ("modules", _modules),
    ("trust", _trust),
    ("suffixes", _suffixes),
    ("lab", _lab),
    ("DNS", _dns),
    ("TLS", _tls),
    ("HTTP", _http),
    ("tracing", _tracing),
    ("healthy", _healthy),
    ("explain", _explain),
    ("export", _export),
    ("screens", _screens),
)

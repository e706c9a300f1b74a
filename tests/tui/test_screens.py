"""Each key and each way through the screens, as a person goes them."""

import asyncio
import base64
import re
from dataclasses import replace
from pathlib import Path

import pytest

from semscheck.model.findings import ImpactKind, Owner, Status
from semscheck.model.report import Impact
from semscheck.report import json
from semscheck.tui.app import Opening
from semscheck.tui.runners import DoorError
from semscheck.tui.screens.check import CheckScreen
from semscheck.tui.screens.start import Offers, StartScreen
from semscheck.tui.store import Recent, Settings
from tests.report.poison import POISONS, UNSEEN, poisoned
from tests.tui import reports
from tests.tui.reading import lines, shows, text, until

pytestmark = pytest.mark.slow  # a hundred ways through the screens; together most of a minute

SMALL, LARGE = (80, 24), (120, 40)
SAVED = Path("saved.json")


# --- start -------------------------------------------------------------------------------------------------


async def test_enter_runs_the_server_this_desktop_is_enrolled_with(play):
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled with keys.example.com", "Run")
        assert app.focused is not None
        assert app.focused.id == "run"
        await pilot.press("enter")
        await shows(pilot, "CRITICAL", "round robin", "load balancer administrator")
    assert ("target", (reports.FQDN, None)) in play.asked


async def test_enter_before_the_enrolment_is_known_runs_when_it_is(play):
    doors = play.doors(enrolled=lambda: play.go.wait() and reports.FQDN)
    app = play.app(doors=doors)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "Looking for the server")
        await pilot.press("enter")
        play.go.set()
        await shows(pilot, "CRITICAL")


async def test_without_enrolment_enter_asks_for_a_name(play):
    play.enrolled = None
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "not enrolled")
        await pilot.press("enter")
        assert app.focused is not None
        assert app.focused.id == "fqdn"
        await pilot.press(*"keys2.example.org", "enter")
        await shows(pilot, "CRITICAL")
    assert ("target", ("keys2.example.org", None)) in play.asked


async def test_an_enrolment_that_breaks_is_no_reason_to_stop(play):
    def broken():
        raise ZeroDivisionError

    app = play.app(doors=play.doors(enrolled=broken))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "not enrolled")
    assert "ZeroDivisionError" in play.store.log_file.read_text()


async def test_a_name_that_cannot_be_used_is_said_in_words(play):
    play.enrolled = None
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "not enrolled")
        await pilot.press("enter", *"a b", "enter")
        await shows(pilot, "is no server name")
        assert not app._notifications
        assert isinstance(app.screen, StartScreen)


async def test_letters_are_text_in_a_field_and_keys_elsewhere(play):
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("shift+tab", "end", "q", "o")
        assert app.is_running
        assert app.screen.query_one("#fqdn").value == "keys.example.comqo"
        await pilot.press("tab", "q")
        await until(pilot, lambda: not app.is_running, "quit")


async def test_the_first_letter_that_is_typed_goes_into_the_field(play):
    """A name that begins with the letters of keys: p opens the settings, o a report, q quits."""
    play.enrolled = None
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await pilot.press(*"pgpq.corpo.example")
        assert isinstance(app.screen, StartScreen)
        assert app.screen.query_one("#fqdn").value == "pgpq.corpo.example"
        await pilot.press("f1")
        seen = await shows(pilot, "Keys")
        assert "None" not in seen


async def test_results_are_kept_shown_as_they_were_and_forgotten(play):
    doors = play.doors(keep=json.encode, recall=lambda path: json.decode(path.read_bytes()))
    app = play.app(doors=doors)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("enter")
        await shows(pilot, "CRITICAL")
        await until(pilot, lambda: app.recent, "remembered")
    (entry,) = play.store.load_recent()
    path = play.store.kept_report(entry)
    assert path is not None
    assert path.stat().st_mode & 0o077 == 0
    play.asked.clear()
    app = play.app(doors=doors)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "Checked before", "enrolled")
        app.screen.query_one(Offers).focus()
        await pilot.press("home", "enter")
        await shows(pilot, "CRITICAL")
        assert play.asked == []
        await pilot.press("escape")
        app.screen.query_one(Offers).focus()
        await pilot.press("home", "delete")
        await until(pilot, lambda: not app.recent, "forgotten")
    assert play.store.load_recent() == ()
    assert not path.exists()


async def test_results_are_not_kept_where_that_is_turned_off(play):
    play.store.save_settings(Settings(keep_results=False))
    app = play.app(doors=play.doors(keep=json.encode))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("enter")
        await shows(pilot, "CRITICAL")
        await until(pilot, lambda: app.recent, "remembered")
    assert play.store.load_recent()[0].report is None
    assert not play.store.results.exists()


async def test_what_was_typed_is_not_replaced_by_the_enrolment(play):
    app = play.app(doors=play.doors(enrolled=lambda: play.go.wait() and "late.example.com"))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await pilot.press(*"mine.example.com", "tab")
        play.go.set()
        await shows(pilot, "enrolled with late.example.com")
        assert app.screen.query_one("#fqdn").value == "mine.example.com"


async def test_recent_targets_profiles_and_scenarios_are_offered_and_run(play):
    play.store.add_recent(Recent(fqdn="old.example.com", at=reports.STARTED, verdict=Status.WARNING))
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        seen = await shows(pilot, "Checked before", "Profiles found", "Try the lab", "Saved reports")
        assert "▲ old.example.com" in seen
        assert "warning, 3 days ago" in seen
        await pilot.press("tab", "down", "enter")
        await shows(pilot, "CRITICAL")
        assert ("target", ("old.example.com", None)) in play.asked


async def test_a_profile_found_is_used(play):
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "cluster.toml")
        await pilot.press("tab", "down", "enter")
        await shows(pilot, "CRITICAL")
    assert ("target", (None, Path("/etc/semscheck/cluster.toml"))) in play.asked


async def test_the_lab_runs_a_scenario_and_is_not_remembered(play):
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "round-robin")
        await pilot.press("tab", "end", "enter")
        await shows(pilot, "CRITICAL", "lab")
    assert ("lab", "round-robin") in play.asked
    assert play.store.load_recent() == ()


async def test_without_a_lab_none_is_offered(play):
    app = play.app(doors=play.doors(check_lab=None))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        assert "lab" not in await shows(pilot, "enrolled")


async def test_a_live_target_is_remembered(play):
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("enter")
        await shows(pilot, "CRITICAL")
        await pilot.press("escape")
        await shows(pilot, "Checked before", "✖ keys.example.com")
    assert play.store.load_recent()[0].verdict is Status.CRITICAL


async def test_opening_a_saved_report(play, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.json").write_text('{"schema": "semscheck/report/1"}')
    (tmp_path / "other.json").write_text("{}")
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("o")
        seen = await shows(pilot, "Open a saved report", "one.json")
        assert "other.json" not in seen
        await pilot.press("tab", "enter")
        await shows(pilot, "CRITICAL", "saved report, 2 days ago")
    assert ("load", tmp_path / "one.json") in play.asked


async def test_a_file_that_is_no_report_is_said_in_words(play):
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("o", *"bad.json", "enter")
        await shows(pilot, "bad.json: not a report", "Open a saved report")
        assert not app._notifications
        await pilot.press("escape")
        await shows(pilot, "enrolled")


async def test_folders_can_be_walked_through(play, tmp_path, monkeypatch):
    (tmp_path / "cases" / "old").mkdir(parents=True)
    (tmp_path / "cases" / "one.json").write_text('{"schema": "semscheck/report/1"}')
    monkeypatch.chdir(tmp_path)
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("o")
        await shows(pilot, "..", "cases/")
        await pilot.press("tab", "down", "enter")
        await shows(pilot, "old/", "one.json")
        await pilot.press("backspace")
        await shows(pilot, "cases/")
        await pilot.press("down", "enter")
        await shows(pilot, "one.json")
        await pilot.press("end", "enter")
        await shows(pilot, "CRITICAL")
    assert ("load", tmp_path / "cases" / "one.json") in play.asked


async def test_the_lists_of_the_start_are_filtered(play):
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled", "healthy", "round-robin")
        await pilot.press("tab", "slash", *"next server")
        await until(pilot, lambda: "healthy" not in text(app), "filtered")
        assert "round-robin" in text(app)
        await pilot.press("escape")
        await shows(pilot, "healthy", "round-robin")


async def test_control_c_says_how_to_quit(play):
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("ctrl+c")
        seen = await shows(pilot, "Ctrl+Q quits.")
        assert "Do you want" not in seen


async def test_without_colour_the_cursor_of_a_field_is_seen(play, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    play.enrolled = None
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "not enrolled")
        await pilot.press("a")
        style = app.screen.query_one("#fqdn").get_component_rich_style("input--cursor")
        assert style.reverse


# --- running -----------------------------------------------------------------------------------------------


async def test_the_pictures_fill_while_it_runs(play):
    play.hold = True
    app = play.app()
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("enter")
        seen = await shows(pilot, "RUNNING", "12 of 32", "new connections", "s left")
        assert "ABABAB" in seen
        assert "days left" in seen
        assert "Copy ticket" not in seen
        play.go.set()
        await shows(pilot, "CRITICAL", "Findings", "Copy ticket")


async def test_escape_ends_early_and_keeps_what_there_is(play):
    play.hold = True
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("enter")
        await shows(pilot, "RUNNING", "End early")
        await pilot.press("escape")
        await shows(pilot, "CRITICAL", "Findings")
    assert ("cancelled", None) in play.asked


async def test_views_can_be_changed_while_it_runs(play):
    play.hold = True
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("enter")
        await shows(pilot, "RUNNING")
        for key, wanted in (
            ("2", "load balancer"),
            ("4", "Time to live"),
            ("5", "Interface 1"),
            ("6", "run has"),
        ):
            await pilot.press(key)
            await shows(pilot, wanted, "RUNNING")
        play.go.set()
        await shows(pilot, "CRITICAL", "not tested: services")


async def test_quitting_does_not_wait_for_the_check(play):
    play.hold = True
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("enter")
        await shows(pilot, "RUNNING")
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not app.is_running, "quit")
    assert not play.go.is_set()
    play.go.set()


async def test_wrong_input_found_only_by_the_run_is_said(play):
    play.error = DoorError("corp-root.pem: no certificate in it")
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("enter")
        await shows(pilot, "STOPPED", "corp-root.pem: no certificate in it")
        play.error = None
        await pilot.press("r")
        await shows(pilot, "CRITICAL")


async def test_a_defect_of_the_check_is_said_with_its_log_and_the_screen_lives(play):
    play.error = ZeroDivisionError("division by zero")
    app = play.app()
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("enter")
        await shows(pilot, "STOPPED", "ZeroDivisionError", "crash.log")
        await pilot.press("escape")
        await shows(pilot, "enrolled")
    assert "ZeroDivisionError" in play.store.log_file.read_text()


async def test_settings_reach_the_target(play):
    play.store.save_settings(Settings(timeout_s=2.0, deadline_s=30.0, connections=8, services=True))
    app = play.app(Opening(fqdn="keys.example.com", run=True))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
    target = dict(play.asked)["check"]
    assert (target.limits.timeout_s, target.limits.deadline_s) == (2.0, 30.0)
    assert (target.connections, target.connections_given, target.ask_services) == (8, True, True)


async def test_without_settings_the_profile_decides(play):
    app = play.app(Opening(fqdn="keys.example.com", run=True))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
    assert dict(play.asked)["check"] == replace(reports.TARGET, fqdn_shown="keys.example.com")


# --- report ------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(play):
    return play.app(Opening(report=play.report, source=SAVED))


async def test_verdict_first_then_path_then_findings(opened):
    async with opened.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        rows = lines(opened)
    order = [
        next(number for number, row in enumerate(rows) if wanted in row)
        for wanted in ("CRITICAL", "load balancer ─", "Findings", "BAL001", "Owner")
    ]
    assert order == sorted(order)


@pytest.mark.parametrize(("rows", "cut"), [(14, True), (24, False)])
async def test_in_low_windows_the_first_lines_leave_room_for_the_findings(play, rows, cut):
    said = replace(
        play.report.summary,
        impact=Impact(kind=ImpactKind.SESSIONS_LOST, sentence="Users lose their session."),
        cause="keys.example.com sends every new connection to the next server. " * 3,
        owners=(Owner.BALANCER,),
        first_step="Set the method to failover.",
        also="2 warnings",
    )
    app = play.app(Opening(report=replace(play.report, summary=said)))
    async with app.run_test(size=(80, rows), notifications=True) as pilot:
        seen = await shows(
            pilot, "CRITICAL  Users lose their session.", "Cause", "Owner", "round robin  BAL001"
        )
        assert ("First step" not in seen) is cut
        assert ("2 warnings" not in seen.split("Findings")[0]) is cut


async def test_nothing_is_wider_or_higher_than_the_screen(opened):
    async with opened.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        rows = lines(opened)
    assert len(rows) == 24
    assert max(len(row) for row in rows) <= 80


async def test_moving_in_the_list_changes_the_detail(opened):
    async with opened.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "load balancer administrator")
        await pilot.press("down")
        await shows(pilot, "network administrator")


async def test_consequences_are_folded_under_their_cause(opened):
    async with opened.run_test(size=LARGE, notifications=True) as pilot:
        seen = await shows(pilot, "▸1 round robin", "BAL001")
        assert "└" not in seen
        await pilot.press("space")
        await shows(pilot, "└ ✖ per request")
        await pilot.press("left")
        await until(pilot, lambda: "└" not in text(opened), "folded")
        await pilot.press("right")
        await shows(pilot, "└ ✖ per request")


async def test_filtering_by_text_and_clearing(opened):
    async with opened.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "BAL001", "CRT006")
        await pilot.press("slash", *"expires")
        await shows(pilot, "filtered: 1 of 7 shown", "CRT006")
        await until(pilot, lambda: "BAL001" not in text(opened), "filtered")
        await pilot.press("enter", "escape")
        await shows(pilot, "BAL001", "CRT006", "NET002")


async def test_filtering_by_severity_owner_and_member(opened):
    async with opened.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "BAL001")
        await pilot.press("slash", "shift+tab", "right")
        await shows(pilot, "member ‹ sems2.example.com ›", "filtered: 1 of 7 shown", "CRT006")
        await pilot.press("left", "shift+tab", "right", "right")
        await shows(pilot, "owner ‹ network ›", "filtered: 1 of 7 shown", "NET002")
        await pilot.press("left", "left", "shift+tab", "right")
        await shows(pilot, "severity ‹ critical ›", "filtered: 2 of 7 shown")
        await pilot.press("escape")
        await shows(pilot, "NET002", "CRT006")


async def test_nothing_passes_the_filter(opened):
    async with opened.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "BAL001")
        await pilot.press("slash", *"zzz")
        await shows(pilot, "Nothing passes the filter", "filtered: 0 of 7 shown")


async def test_sorting_goes_round(opened):
    def first() -> str:
        found = re.search(r"^ [✖▲i] .*  ((?:BAL|NET|CRT|CLU)\d{3})  ", text(opened), re.MULTILINE)
        return found[1] if found else ""

    async with opened.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "BAL001")
        for order, code in (
            ("owner", "NET002"),
            ("about", "CRT007"),
            ("code", "BAL001"),
            ("severity", "BAL001"),
        ):
            await pilot.press("s")
            if order != "severity":
                await shows(pilot, f"sorted by {order}")
            await until(pilot, lambda code=code: first() == code, order)


async def test_down_to_the_raw_observation(opened):
    async with opened.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "BAL001")
        await pilot.press("enter")
        await shows(pilot, "Finding 1 of 5", "Evidence", "192.0.2.100:443 → TLSv1.3")
        await pilot.press("tab", "home", "down", "down", "enter")
        await shows(pilot, "-----BEGIN CERTIFICATE-----", "CN=keys.example.com")
        await pilot.press("escape", "down", "enter")
        await shows(pilot, "< HTTP/1.1 200", "< Server: Apache")
        await pilot.press("escape", "down", "enter")
        await shows(pilot, "IN CNAME", "IN A 192.0.2.100")
        await pilot.press("escape", "escape")
        await shows(pilot, "Findings")


async def test_a_server_that_nobody_told_of_is_marked(play):
    members = tuple(replace(member, found=True) for member in play.report.target.members)
    app = play.app(Opening(report=replace(play.report, target=replace(play.report.target, members=members))))
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "A sems1.example.com (found)", "the check found it by itself")
        await pilot.press("down", "enter")
        await shows(pilot, "About        sems3.example.com (found)")


async def test_next_and_previous_finding(opened):
    async with opened.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "BAL001")
        await pilot.press("enter", "n")
        await shows(pilot, "Finding 2 of 5", "NET002")
        await pilot.press("p", "p")
        await shows(pilot, "Finding 5 of 5", "BAL015")


async def test_all_views_and_their_numbers(opened):
    async with opened.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        for key, wanted in (
            ("2", ("Interface 2", "198.51.100.13")),
            ("3", ("round robin: each new connection", "cookie kept", "12 of 24")),
            ("4", ("one address, always the same", "203.0.113.54:53", "11111111")),
            ("5", ("200 days left", "12 days left", "Issued by")),
            ("6", ("TLS005", "crashed: ZeroDivisionError", "CRT001", "nothing found")),
            ("7", ("name servers: 203.0.113.53:53", "new connection 1 to")),
            ("1", ("Findings",)),
        ):
            await pilot.press(key)
            await shows(pilot, *wanted)


async def test_a_click_on_a_view_and_on_a_finding(opened):
    async with opened.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.click("ViewBar", offset=(41, 0))
        await shows(pilot, "Time to live")
        await pilot.click("ViewBar", offset=(4, 0))
        await shows(pilot, "Findings")
        await pilot.click("#findings", offset=(10, 4))
        await shows(pilot, "expires soon (CRT006)")
        assert isinstance(opened.screen, CheckScreen)
        await pilot.click("#findings", offset=(10, 4))
        await shows(pilot, "Finding 3 of 5")


async def test_a_click_on_a_key(opened):
    async with opened.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "? Help")
        at = lines(opened)[-1].index("Help")
        await pilot.click("KeyBar", offset=(at, 0))
        await shows(pilot, "At the top the verdict")


async def test_facts_have_their_whole_text(opened):
    async with opened.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("7", "down", "enter")
        await shows(pilot, "DNS answer", "server: 203.0.113.53:53")


async def test_checks_are_explained(opened):
    async with opened.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("6")
        await shows(pilot, "✖ BAL001 round robin", "✔ CRT001", "· SVC001")
        await pilot.press("down", "enter")
        await shows(pilot, "BAL001 round-robin", "How semscheck can tell")


async def test_the_chosen_finding_is_explained(opened):
    async with opened.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("i")
        await shows(pilot, "Fresh connections cycle through the members", "Severity")
        await pilot.press("escape", "down", "i")
        await shows(pilot, "NET002 is not in the catalogue")


async def test_the_ticket_goes_to_the_clipboard_and_to_a_file(opened, play):
    async with opened.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        sent = []
        opened._driver.write = sent.append
        await pilot.press("c")
        await shows(pilot, "Ticket copied")
        # Where the temporary folder's name is long, the toast breaks the file's name over two lines.
        assert str(play.store.ticket_file) in " ".join(it.message for it in opened._notifications)
    expected = f"## {play.report.summary.headline}\nTarget: {reports.FQDN}\n"
    assert play.store.ticket_file.read_text() == expected
    osc = next(it for it in sent if it.startswith("\x1b]52;c;"))
    assert base64.b64decode(osc.removeprefix("\x1b]52;c;").removesuffix("\a")).decode() == expected


async def test_the_ticket_can_be_read(opened):
    async with opened.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("t")
        await shows(pilot, "Text for the ticket", "Target: keys.example.com")


@pytest.mark.parametrize(
    ("steps", "format_", "suffix"), [(0, "html", "html"), (1, "json", "json"), (2, "markdown", "md")]
)
async def test_exporting(play, tmp_path, monkeypatch, steps, format_, suffix):
    monkeypatch.chdir(tmp_path)
    app = play.app(Opening(report=play.report))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("e")
        await shows(pilot, "Export this report")
        await pilot.press(*["shift+tab"] * 4, *["right"] * steps, *["tab"] * 4, "enter")
        await shows(pilot, "Written to")
    name = f"semscheck-keys.example.com-20261122-0930.{suffix}"
    assert (tmp_path / name).read_text().startswith(f"{format_} False ")


async def test_exporting_over_a_file_asks_and_redacts(play, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "semscheck-keys.example.com-20261122-0930.html"
    path.write_text("mine")
    app = play.app(Opening(report=play.report))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("e")
        await shows(pilot, "Export this report")
        await pilot.press(*["shift+tab"] * 3, "right", *["tab"] * 3, "enter")
        await shows(pilot, "exists")
        assert path.read_text() == "mine"
        button = app.screen.query_one("#export-go")
        await until(pilot, lambda: not button.has_class("-active"), "ready for another press")
        await pilot.press("enter")
        await shows(pilot, "Written to")
    assert path.read_text().startswith("html True ")


async def test_a_failed_export_is_said_and_the_window_stays(play, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    app = play.app(Opening(report=play.report), doors=play.doors(export=full))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("e", "enter")
        await shows(pilot, "could not be written", "space left", "Export this report")


async def test_running_again_what_a_saved_report_is_about(opened, play):
    async with opened.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "saved report")
        await pilot.press("r")
        await until(pilot, lambda: play.asked, "asked")
        await until(pilot, lambda: "saved report" not in text(opened) and "CRITICAL" in text(opened), "live")
    assert play.asked == [("check", reports.TARGET)]


@pytest.mark.parametrize("change", [{"origin": "lab"}, {"redacted": True}])
async def test_what_cannot_be_run_again_is_not_offered(play, change):
    report = replace(play.report, run=replace(play.report.run, **change))
    app = play.app(Opening(report=report, source=SAVED))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        assert "Again" not in await shows(pilot, "CRITICAL")
        await pilot.press("r")
        await pilot.pause()
    assert play.asked == []


async def test_checks_and_facts_are_filtered(opened):
    async with opened.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("6")
        await shows(pilot, "CRT001", "SVC001")
        await pilot.press("slash", *"not tested")
        await until(pilot, lambda: "CRT001" not in text(opened), "filtered")
        assert "SVC001" in text(opened)
        await pilot.press("escape")
        await shows(pilot, "CRT001")
        await pilot.press("7", "slash", *"AAAA keys", "enter")
        await until(pilot, lambda: "new connection 1" not in text(opened), "filtered")
        await pilot.press("escape")
        await shows(pilot, "new connection 1")


async def test_what_to_do_next(play):
    kept = []

    def keep(target):
        kept.append(target.fqdn)
        return "Servers: sems4.example.com.\nCompleted /home/user/keys.toml."

    app = play.app(
        Opening(report=play.report), doors=play.doors(save_profile=keep, compare=lambda *_: "same")
    )
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("enter")
        await shows(pilot, "Finding 1 of 5")
        await pilot.press("N")
        await shows(pilot, "Find the servers", "Check again", "Compare with another", "look at in the client")
        await pilot.press("enter")
        await shows(pilot, "Servers: sems4.example.com.", "r checks again")
        assert kept == ["keys.example.com"]
        await pilot.press("escape", "n", "end", "enter")
        await shows(pilot, "Whose network")
        await pilot.press("escape", "n", "down", "enter")
        await until(pilot, lambda: ("check", reports.TARGET) in play.asked, "checked again")


async def test_a_profile_that_cannot_be_kept_is_said(play):
    def keep(target):
        raise DoorError("--save: this user has no folder for profiles")

    app = play.app(Opening(report=play.report), doors=play.doors(save_profile=keep))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("n", "enter")
        await shows(pilot, "no folder for profiles")


@pytest.mark.parametrize("change", [{"origin": "lab"}, {"redacted": True}])
async def test_no_profile_is_made_of_what_is_not_real(play, change):
    report = replace(play.report, run=replace(play.report.run, **change))
    app = play.app(Opening(report=report), doors=play.doors(save_profile=str))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("n")
        assert "Find the servers" not in await shows(pilot, "look at in the client")


async def test_compare_and_watch_are_not_offered_without_their_doors(opened):
    async with opened.run_test(size=(140, 40), notifications=True) as pilot:
        seen = await shows(pilot, "CRITICAL", "Esc Back")
        assert "Compare" not in seen
        assert "Watch" not in seen
        await pilot.press("x", "w")
        await pilot.pause()
        assert isinstance(opened.screen, CheckScreen)


async def test_comparing_with_another_report(play):
    app = play.app(
        Opening(report=play.report),
        doors=play.doors(compare=lambda report, path: f"{path.name}: sites differ"),
    )
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("x")
        await shows(pilot, "Compare with a saved report")
        await pilot.press(*"other.json", "enter")
        await shows(pilot, "Compared with other.json", "sites differ")


async def test_a_healthy_report_says_so(play):
    app = play.app(Opening(report=replace(reports.healthy(), findings=())))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "✔ OK", "works", "Nothing was found. 2 checks passed.")


async def test_a_report_without_anything_is_shown(play):
    empty = replace(
        play.report,
        analysis=type(play.report.analysis)(),
        findings=(),
        verdicts=(),
        observations=(),
        target=replace(play.report.target, members=(), balancers=()),
    )
    app = play.app(Opening(report=empty))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        for key in "234567":
            await pilot.press(key)
            await pilot.pause()
        await shows(pilot, "The facts are listed")


async def test_causes_that_go_in_a_circle_or_nowhere_are_shown(play):
    findings = (
        replace(play.report.findings[0], caused_by=1),
        replace(play.report.findings[1], caused_by=0),
        replace(play.report.findings[2], caused_by=99),
        replace(play.report.findings[3], caused_by=3),
    )
    app = play.app(Opening(report=replace(play.report, findings=findings)))
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "BAL001", "NET002", "CLU002", "CRT006")


# --- help, palette, settings, size, colours ----------------------------------------------------------------


@pytest.mark.parametrize("key", ["question_mark", "f1"])
async def test_help_of_the_screen_and_of_the_focused_part(opened, key):
    async with opened.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press(key)
        await shows(
            pilot, "At the top the verdict", "Here: The findings", "Copy the text for the ticket", "Signs"
        )
        await pilot.press("escape")
        await shows(pilot, "Findings")


async def test_f1_helps_inside_a_field_too(play):
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("shift+tab", "f1")
        await shows(pilot, "Enter runs the check of the server above")


async def test_the_palette_does_what_the_keys_do(opened):
    async with opened.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("ctrl+p")
        await shows(pilot, "Search")
        await pilot.press(*"view: names")
        await shows(pilot, "View: Names")
        await pilot.press("down", "enter")
        await shows(pilot, "Time to live")


async def test_the_palette_explains_any_rule(play):
    app = play.app()
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("ctrl+p")
        await shows(pilot, "Search")
        await pilot.press(*"clu002")
        await shows(pilot, "Explain CLU002")
        await pilot.press("down", "enter")
        await shows(pilot, "The next failure takes the service down")


async def test_settings_are_saved_and_used(play):
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("p")
        await shows(pilot, "Settings", "Colors")
        await pilot.press("right")
        await until(pilot, lambda: app.theme == "light", "theme")
        await pilot.press("tab", "tab", *"2.5", "enter")
        await until(pilot, play.store.settings_file.exists, "saved")
    assert play.store.load_settings() == Settings(theme="light", timeout_s=2.5)


async def test_settings_out_of_range_are_not_saved(play):
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("p", "tab", "tab", "tab", "tab", *"500", "enter")
        await shows(pilot, "Not saved", "from 1 to 200")
        await pilot.press("escape")
        await shows(pilot, "enrolled")
    assert not play.store.settings_file.exists()


async def test_leaving_the_settings_puts_the_colours_back(play):
    app = play.app()
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")
        await pilot.press("p", "right", "escape")
        await until(pilot, lambda: app.theme == "dark", "back")


async def test_damaged_settings_are_told_and_do_not_stop(play):
    play.store.config.mkdir(parents=True)
    play.store.settings_file.write_text("{")
    app = play.app()
    assert any("damaged" in it for it in play.told)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled")


async def test_any_size_at_any_moment(opened):
    async with opened.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        for view in "2345671":
            await pilot.press(view)
            for size in ((200, 60), (40, 10), (20, 5), (1, 1), (120, 40), (80, 24)):
                await pilot.resize_terminal(*size)
                await pilot.pause()
            await shows(pilot, "CRITICAL")


async def test_ascii_only_where_the_terminal_has_no_more(play):
    app = play.app(Opening(report=play.report), ascii_only=True)
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "CRITICAL", "Findings")
        for key in ("1", "2", "3", "4", "5", "6", "7"):
            await pilot.press(key)
            await pilot.pause()
            drawn = [
                segment.text
                for strip in app.screen._compositor.render_strips()
                for segment in strip.apply_filter(app.get_line_filters()[-1], app.screen.background_colors[1])
            ]
            assert all(it.isascii() for it in drawn), [it for it in drawn if not it.isascii()]


async def test_no_color_means_no_colour_and_states_stay_readable(play, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app = play.app(Opening(report=play.report))
    assert app.no_color
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "✖ CRITICAL", "▲ expires soon")
        ground = app.screen.background_colors[1]
        for strip in app.screen._compositor.render_strips():
            segments = list(strip)
            for one in app.get_line_filters():
                segments = one.apply(segments, ground)
            for segment in segments:
                colours = (segment.style.color, segment.style.bgcolor) if segment.style else ()
                assert all(it is None or it.is_default for it in colours)


async def test_a_defect_of_the_screens_leaves_a_log_with_no_values_in_it(play):
    secret = "do-not-log-me"
    app = play.app()

    async def crash():
        local = secret  # noqa: F841 - what a traceback with locals would show
        raise ZeroDivisionError("oops")

    async def use():
        async with app.run_test(size=SMALL, notifications=True) as pilot:
            await shows(pilot, "enrolled")
            app.call_later(crash)
            await until(pilot, lambda: app.crash_log, "crash")

    with pytest.raises(ZeroDivisionError):
        await use()
    assert str(play.store.log_file) in app.crash_log
    log = play.store.log_file.read_text()
    assert "ZeroDivisionError: oops" in log
    assert secret not in log.replace("local = secret", "")


# --- hostile text ------------------------------------------------------------------------------------------


async def test_hostile_text_is_shown_harmless(play):
    app = play.app(Opening(report=reports.hostile()))
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        for view in "1234567":
            await pilot.press(view)
            await pilot.pause()
            rows = lines(app)
            assert not set("".join(rows)) & set("\x1b\x07\u202e\u2066\u200b\x00")
            assert len(rows) == 40
            assert max(len(row) for row in rows) <= 120
        assert app.is_running


async def test_hostile_text_in_detail_evidence_and_notifications(play):
    play.report = reports.hostile()
    app = play.app(Opening(report=play.report, source=SAVED))
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await until(pilot, lambda: "CRITICAL" in text(app), "shown")
        await pilot.press("enter", "tab", "end", "up", "enter")
        await pilot.pause()
        await pilot.press("escape", "escape")
        app.tell(reports.NASTY)
        await pilot.pause()
        assert "[bold]" in text(app)
        await pilot.press("question_mark", "escape", "c", "t", "escape")
        await until(pilot, lambda: "CRITICAL" in text(app), "still there")


async def test_markup_in_names_does_not_run_actions(play):
    app = play.app(Opening(report=reports.hostile()))
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await until(pilot, lambda: "CRITICAL" in text(app), "shown")
        for row in range(1, 39, 4):
            for column in (20, 70):
                await pilot.click(offset=(column, row))
        await asyncio.sleep(0)
        assert app.is_running


async def test_the_title_has_a_name_in_another_script_both_ways(play):
    report = reports.healthy()
    target = replace(report.target, fqdn="xn--schlssel-95a.example.com", fqdn_shown="schlüssel.example.com")
    app = play.app(opening=Opening(report=replace(report, target=target)))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "schlüssel.example.com (xn--schlssel-95a.example.com)")


@pytest.mark.parametrize("poison", ["terminal", "direction", "markup"])
async def test_no_text_of_a_report_drives_the_terminal(play, poison):
    """Every text of a report has something behind it, and every view is looked at, as it goes to the terminal."""
    play.report = poisoned(reports.broken(), POISONS[poison])
    app = play.app(Opening(report=play.report, source=SAVED))
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await until(pilot, lambda: len(app.screen_stack) > 1, "opened")
        for keys in (
            ("1",),
            ("2",),
            ("3",),
            ("4",),
            ("5",),
            ("6",),
            ("7",),
            ("1", "enter"),
            ("end", "enter"),
        ):
            await pilot.press(*keys)
            await pilot.pause()
            rows = lines(app)
            assert not set("".join(rows)) & UNSEEN
            assert max(len(row) for row in rows) <= 120
        assert app.is_running

"""Comparing runs: what counts as a change, as a difference between places, and as not comparable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from semscheck.comparison.compare import compare
from semscheck.comparison.sides import SAME_TIME_S
from semscheck.model.analysis import DnsAnalysis, Method, Persistence, Reach, Rotation, Share
from semscheck.model.comparison import Change, Comparison, Contrast, Direction, Outcome
from semscheck.model.findings import (
    EXIT_CODES,
    Card,
    Confidence,
    Owner,
    Reference,
    Role,
    State,
    Status,
    Subject,
    Verdict,
)
from semscheck.model.labels import labels_among
from semscheck.model.observations import Cut
from semscheck.model.report import Report
from semscheck.model.target import Endpoint, Member, Severity
from semscheck.redaction.report import redact
from tests.report import reports

DAY = timedelta(days=1)


# --- runs ------------------------------------------------------------------------------------------------------


def steady(member: int = 0, *, members: int = 3) -> Report:
    """A healthy cluster in which one member answers all."""
    base = reports.healthy()
    path = reports.balancing([member] * 32, members, Method.SINGLE, Persistence.NOT_SEPARABLE)
    return replace(base, analysis=replace(base.analysis, paths=(path,), balancing=path))


def at(
    report: Report, host: str = "desk-17", *, later: timedelta = timedelta(0), identity: str | None = None
) -> Report:
    """The same run, made elsewhere or at another time."""
    run = report.run
    finished = run.finished + later if run.finished else None
    return replace(
        report,
        run=replace(
            run,
            id=identity or f"{host}-{later.total_seconds():.0f}",
            started=run.started + later,
            finished=finished,
            vantage=replace(run.vantage, host=host),
        ),
    )


def judged(report: Report, status: Status) -> Report:
    return replace(report, summary=replace(report.summary, verdict=status, exit_code=EXIT_CODES[status]))


def blocked(report: Report, address: str, cause: str = "timed-out") -> Report:
    places = tuple(
        replace(
            place, reach=Reach.NO_CONNECTION, failure_cause=cause, failure_phase="connect", certificate=None
        )
        if place.address == address
        else place
        for place in report.analysis.places
    )
    return replace(report, analysis=replace(report.analysis, places=places))


def resolving(report: Report, *addresses: str) -> Report:
    return replace(
        report, analysis=replace(report.analysis, dns=replace(report.analysis.dns, addresses=addresses))
    )


def kinds(things: Sequence[Change] | Sequence[Contrast]) -> set[str]:
    return {thing.kind for thing in things}


def only(things: Sequence[Change], kind: str) -> Change:
    (found,) = [thing for thing in things if thing.kind == kind]
    return found


# --- the same ------------------------------------------------------------------------------------------------


def test_two_runs_that_saw_the_same_are_the_same() -> None:
    found = compare([at(steady()), at(steady(), later=DAY)])
    assert (found.outcome, found.exit_code) == (Outcome.SAME, 0)
    assert found.changes == ()
    assert found.contrasts == ()
    assert "nothing that was measured differs" in found.headline
    assert [side.label for side in found.sides] == ["run 1", "run 2"]


def test_timings_ids_and_seeds_are_no_change() -> None:
    other = at(steady(), later=DAY)
    slower = tuple(replace(place, connect_s=0.5, handshake_s=0.9) for place in other.analysis.places)
    other = replace(
        other,
        run=replace(other.run, seed=1, duration_s=60.0),
        analysis=replace(other.analysis, places=slower),
        observations=tuple(replace(seen, id=f"x{seen.id}") for seen in other.observations),
    )
    assert compare([at(steady()), other]).outcome is Outcome.SAME


def test_what_was_not_measured_is_no_change() -> None:
    full = at(steady())
    bare = at(steady(), later=DAY)
    analysis = replace(
        bare.analysis,
        dns=DnsAnalysis(),
        places=tuple(
            replace(place, reach=Reach.NOT_TRIED, certificate=None) for place in bare.analysis.places
        ),
        paths=(
            replace(
                bare.analysis.paths[0], method=Method.UNKNOWN, persistence=Persistence.UNKNOWN, members=()
            ),
        ),
    )
    for runs in (
        [full, replace(bare, analysis=analysis)],
        [replace(at(bare), analysis=analysis), at(steady(), later=DAY)],
    ):
        assert compare(runs).outcome is Outcome.SAME


# --- changes ---------------------------------------------------------------------------------------------------


def test_a_fail_over_is_a_change_and_not_a_worse_one() -> None:
    found = compare([at(steady(0)), at(steady(1), later=DAY)])
    assert (found.outcome, found.exit_code) == (Outcome.CHANGED, 1)
    change = only(found.changes, "member")
    assert (change.before, change.after) == ("sems1.example.com", "sems2.example.com")
    assert change.direction is Direction.OTHER
    assert "now served by sems2.example.com" in found.headline
    assert (change.earlier, change.later) == ("run 1", "run 2")


def test_the_order_of_time_decides_and_not_the_order_of_giving() -> None:
    found = compare([at(steady(1), later=DAY), at(steady(0))])
    change = only(found.changes, "member")
    assert (change.earlier, change.later) == ("run 2", "run 1")
    assert change.after == "sems2.example.com"


def test_becoming_critical_is_worse() -> None:
    found = compare([at(steady()), at(reports.round_robin(), later=DAY)])
    assert (found.outcome, found.exit_code) == (Outcome.WORSE, 2)
    assert {"verdict", "finding", "method", "reach", "member"} <= kinds(found.changes)
    assert only(found.changes, "verdict").direction is Direction.WORSE
    assert "New: keys.example.com sends each new connection" in found.headline
    codes = {change.code for change in found.changes if change.kind == "finding"}
    assert "BAL001" in codes
    assert found.changes[0].direction is Direction.WORSE


def test_being_mended_is_a_change_for_the_better() -> None:
    found = compare([at(reports.round_robin()), at(steady(), later=DAY)])
    assert (found.outcome, found.exit_code) == (Outcome.CHANGED, 1)
    gone = [change for change in found.changes if change.code == "BAL001"]
    assert [change.direction for change in gone] == [Direction.BETTER]
    assert gone[0].summary.startswith("No longer so:")
    assert only(found.changes, "reach").summary.endswith("serves again.")


def test_another_critical_finding_in_a_critical_run_is_worse() -> None:
    before = reports.round_robin()
    more = reports.finding(
        "CRT004", name="expired", subject=Subject("address", reports.FQDN, reports.BALANCER, 443)
    )
    after = replace(before, findings=(*before.findings, more))
    assert compare([at(before), at(after, later=DAY)]).exit_code == 2
    assert compare([at(after), at(before, later=DAY)]).exit_code == 1


def test_a_finding_that_is_no_longer_tested_is_not_called_mended() -> None:
    before, after = reports.round_robin(), at(steady(), later=DAY)
    verdicts = tuple(
        Verdict(verdict.code, State.NOT_OBSERVED, "not asked") if verdict.code == "BAL001" else verdict
        for verdict in after.verdicts
    )
    found = compare([at(before), replace(after, verdicts=verdicts)])
    change = next(change for change in found.changes if change.code == "BAL001")
    assert change.direction is Direction.OTHER
    assert "may still be so" in change.summary


def test_a_new_certificate_is_told_from_a_renewed_one() -> None:
    before = at(steady())
    old = next(seen for seen in before.observations if seen.kind == "certificate")

    def renewed(spki: str) -> Report:
        new = replace(old, id="crt-new", fingerprint="ab" * 32, spki=spki)
        places = tuple(
            replace(place, certificate=new.fingerprint) if place.fqdn else place
            for place in before.analysis.places
        )
        changed = replace(
            before, analysis=replace(before.analysis, places=places), observations=(*before.observations, new)
        )
        return at(changed, later=DAY, identity="new")

    for spki, words in ((old.spki, "with the same key"), ("cd" * 32, "with another key")):
        assert spki is not None
        change = only(compare([before, renewed(spki)]).changes, "certificate")
        assert words in change.summary
        assert "abababababababab" in (change.after or "")


def test_addresses_and_rotation() -> None:
    before = at(resolving(steady(), "192.0.2.100"))
    after = at(resolving(steady(), "192.0.2.100", "192.0.2.101"), later=DAY)
    dns = replace(after.analysis.dns, rotation=Rotation.ORDER)
    found = compare([before, replace(after, analysis=replace(after.analysis, dns=dns))])
    assert "new: 192.0.2.101" in only(found.changes, "address").summary
    assert only(found.changes, "rotation").direction is Direction.WORSE


def test_three_times_are_compared_one_after_another() -> None:
    runs = [at(steady(member), later=DAY * day) for day, member in enumerate((0, 1, 0))]
    found = compare(runs)
    assert [(c.earlier, c.later, c.after) for c in found.changes if c.kind == "member"] == [
        ("run 1", "run 2", "sems2.example.com"),
        ("run 2", "run 3", "sems1.example.com"),
    ]


def test_another_place_at_another_time_says_that_it_may_be_either() -> None:
    found = compare([at(steady(0)), at(steady(1), "desk-18", later=DAY)])
    assert only(found.changes, "member").place_differs
    assert any("may be due to either" in note for note in found.notes)
    assert found.sites_verdict.state is State.NOT_OBSERVED
    assert found.sites is None


# --- places ----------------------------------------------------------------------------------------------------

CARD = Card(
    code="BAL014",
    name="sites-differ",
    severity=Severity.WARNING,
    owner=Owner.BALANCER,
    summary="Vantage points are served by different members at the same time.",
    why="Sites depend on different servers.",
    remedy="Set fail-over.",
    seen_by="compare",
    references=(Reference("Broadcom KB 156803"),),
)


def places(first: int, second: int, *, gap: timedelta = timedelta(seconds=2)) -> Comparison:
    return compare([at(steady(first)), at(steady(second), "desk-18", later=gap)], card=CARD)


def test_two_places_with_two_servers_are_sites_that_differ() -> None:
    found = places(0, 1)
    assert found.sites is not None
    assert (found.sites.code, found.sites.severity) == ("BAL014", Severity.WARNING)
    assert found.sites.remedy == CARD.remedy
    assert found.sites.references == CARD.references
    assert found.sites.confidence is Confidence.CERTAIN
    assert "run 1 (desk-17): sems1.example.com; run 2 (desk-18): sems2.example.com" in found.sites.summary
    assert found.sites_verdict.state is State.FOUND
    assert found.sites.args["run 1"] == "sems1.example.com"
    assert (found.outcome, found.exit_code) == (Outcome.CHANGED, 1)
    assert found.changes == ()
    assert "different servers in different places" in found.headline


def keyed(*keys: str) -> Report:
    """One end of TLS answers all, by the key of its tickets; no member is known."""
    base = steady()
    path = replace(base.analysis.paths[0], method=Method.UNKNOWN, members=(), identified=0, ticket_keys=keys)
    return replace(
        base,
        target=replace(base.target, members=()),
        analysis=replace(base.analysis, paths=(path,), balancing=path),
    )


def test_without_members_the_key_of_tickets_says_whether_two_places_meet_the_same_server() -> None:
    same = compare([at(keyed("aa11")), at(keyed("aa11"), "desk-18")], card=CARD)
    assert same.sites_verdict == Verdict("BAL014", State.PASS)
    other = compare([at(keyed("aa11")), at(keyed("bb22"), "desk-18")], card=CARD)
    assert other.sites is not None
    assert other.sites.confidence is Confidence.LIKELY
    assert "the server with ticket key bb22" in other.sites.summary


def test_letters_of_two_runs_are_never_held_against_each_other() -> None:
    first = replace(
        steady().analysis.paths[0],
        members=(Share(name="server A", count=32, share=1.0, share_low=0.9, share_high=1.0),),
    )
    base = keyed()
    labels = labels_among(("server A",), base.target)
    run = replace(base, analysis=replace(base.analysis, paths=(first,), balancing=first, labels=labels))
    assert compare([at(run), at(run, "desk-18")], card=CARD).sites_verdict.state is State.NOT_OBSERVED


def test_two_places_with_one_server_speak_for_fail_over() -> None:
    found = places(1, 1)
    assert found.sites is None
    assert found.sites_verdict == Verdict("BAL014", State.PASS)
    assert found.outcome is Outcome.SAME
    assert any("consistent with failover" in note for note in found.notes)


def test_runs_that_only_lie_near_each_other_make_it_likely() -> None:
    found = places(0, 1, gap=timedelta(seconds=120))
    assert found.sites is not None
    assert found.sites.confidence is Confidence.LIKELY
    assert found.gatherings[0].gap_s == pytest.approx(115.8, abs=0.1)
    assert any("116 s apart" in note for note in found.notes)


def test_runs_too_far_apart_say_nothing_about_places() -> None:
    found = places(0, 1, gap=timedelta(seconds=SAME_TIME_S + 60))
    assert found.sites is None
    assert found.sites_verdict.state is State.NOT_OBSERVED
    assert "within 5 minutes" in (found.sites_verdict.why or "")


def test_one_place_twice_at_the_same_time_is_one_place() -> None:
    found = compare([at(steady(0)), at(steady(1), later=timedelta(seconds=2))])
    assert found.sites is None
    assert found.gatherings == ()
    assert only(found.changes, "member").after == "sems2.example.com"


def test_spreading_at_both_places_is_no_difference_of_sites() -> None:
    spread = reports.round_robin()
    found = compare([at(spread), at(spread, "desk-18")], card=CARD)
    assert found.sites is None
    assert found.sites_verdict.state is State.PASS
    assert found.outcome is Outcome.SAME


def test_labels_that_a_run_made_up_are_never_held_against_each_other() -> None:
    def unnamed(report: Report, letter: str) -> Report:
        share = replace(report.analysis.paths[0].members[0], name=f"member {letter}")
        path = replace(report.analysis.paths[0], members=(share,), identified_by="pairs")
        target = replace(report.target, members=())
        labels = labels_among((share.name,), target)
        analysis = replace(report.analysis, paths=(path,), balancing=path, labels=labels)
        return replace(report, target=target, analysis=analysis)

    found = compare([at(unnamed(steady(), "A")), at(unnamed(steady(), "B"), "desk-18")])
    assert found.sites is None
    assert found.sites_verdict.state is State.NOT_OBSERVED
    assert "names that mean the same" in (found.sites_verdict.why or "")


def test_a_label_of_a_cookie_is_not_held_against_a_name_of_a_profile() -> None:
    share = replace(steady().analysis.paths[0].members[0], name="node-1")
    path = replace(steady().analysis.paths[0], members=(share,), identified_by="balancer-cookie")
    labelled = replace(steady(), analysis=replace(steady().analysis, paths=(path,), balancing=path))
    found = compare([at(steady()), at(labelled, "desk-18")])
    assert found.sites is None


def test_a_server_that_two_profiles_call_differently_is_one() -> None:
    base = steady(0)
    renamed = replace(
        base.target,
        members=(
            Member("one", (), (Endpoint("198.51.100.11"),)),
            Member("two", (), (Endpoint("198.51.100.12"),)),
        ),
    )
    share = replace(base.analysis.paths[0].members[0], name="one")
    path = replace(base.analysis.paths[0], members=(share,))
    other = replace(base, target=renamed, analysis=replace(base.analysis, paths=(path,), balancing=path))
    found = compare([at(base), at(other, "desk-18")])
    assert found.sites is None
    assert found.sites_verdict.state is State.PASS


def test_a_profile_may_make_it_critical() -> None:
    first = at(steady(0))
    strict = replace(first, target=replace(first.target, severities={"BAL014": Severity.CRITICAL}))
    found = compare([strict, at(steady(1), "desk-18")], card=CARD)
    assert found.sites is not None
    assert found.sites.severity is Severity.CRITICAL
    assert found.exit_code == 2


def test_split_horizon_dns_is_told_and_named_as_the_cause() -> None:
    one = at(resolving(steady(0), "192.0.2.100"))
    other = at(resolving(steady(1), "203.0.113.100"), "branch-3")
    found = compare([one, other], card=CARD)
    (answers,) = [contrast for contrast in found.contrasts if contrast.kind == "answers"]
    assert "split-horizon DNS" in answers.summary
    assert {seen.value for seen in answers.seen} == {"192.0.2.100", "203.0.113.100"}
    assert found.sites is not None
    assert found.sites.owner is Owner.DNS
    assert not answers.critical


def test_a_blocked_site_is_told_and_is_critical_where_the_fqdn_leads() -> None:
    ok = at(steady())
    found = compare([ok, at(blocked(steady(), reports.BALANCER), "branch-3")])
    (contrast,) = [contrast for contrast in found.contrasts if contrast.kind == "reach"]
    assert "serves run 1 (desk-17) and not run 2 (branch-3)" in contrast.summary
    assert contrast.critical
    assert found.exit_code == 2
    other = compare([ok, at(blocked(steady(), "198.51.100.12"), "branch-3")])
    assert [contrast.critical for contrast in other.contrasts if contrast.kind == "reach"] == [False]
    assert other.exit_code == 1


def test_another_certificate_at_one_place_hints_at_inspection() -> None:
    base = steady()
    inspected = tuple(replace(place, certificate="ab" * 32) for place in base.analysis.places)
    other = replace(base, analysis=replace(base.analysis, places=inspected))
    found = compare([at(base), at(other, "branch-3")])
    assert "something in between opens the connection" in next(
        contrast.summary for contrast in found.contrasts if contrast.kind == "certificate"
    )


def test_a_finding_at_one_place_only() -> None:
    clock = reports.finding(
        "CLT004", Severity.WARNING, name="clock-skew", owner=Owner.DESKTOP, subject=Subject("desktop", "branch-3"),
        summary="The clock of branch-3 is 9 minutes late.",
    )  # fmt: skip
    other = judged(replace(steady(), findings=(*steady().findings, clock)), Status.WARNING)
    found = compare([at(steady()), at(other, "branch-3")])
    (contrast,) = [contrast for contrast in found.contrasts if contrast.kind == "finding"]
    assert contrast.summary == "Only at run 2 (branch-3): The clock of branch-3 is 9 minutes late."
    assert contrast.code == "CLT004"
    assert {(seen.label, seen.value) for seen in contrast.seen} == {("run 1", "not so"), ("run 2", "warning")}
    assert found.exit_code == 1


def test_critical_at_one_place_only_is_worse_whichever_comes_first() -> None:
    fine, broken = at(steady()), at(reports.round_robin(), "branch-3")
    assert compare([fine, broken]).exit_code == compare([broken, fine]).exit_code == 2


def test_many_places_are_held_against_each_other_at_once() -> None:
    runs = [at(steady(index % 2), f"desk-{index}") for index in range(30)]
    found = compare(runs, card=CARD)
    assert len(found.gatherings) == 1
    assert found.sides[26].label == "run 27"
    assert found.sites is not None


# --- not comparable ----------------------------------------------------------------------------------------


def refused(*runs: Report) -> str:
    found = compare(runs)
    assert (found.outcome, found.exit_code) == (Outcome.NOT_COMPARABLE, 3)
    assert found.headline.startswith("These reports cannot be compared: ")
    assert found.changes == ()
    assert found.contrasts == ()
    assert found.sites_verdict.state is State.NOT_OBSERVED
    return found.headline


def test_reports_about_different_names_or_ports() -> None:
    one = at(steady())
    assert "different names" in refused(
        one, replace(one, target=replace(one.target, fqdn="mail.example.com"))
    )
    assert "different ports" in refused(one, replace(one, target=replace(one.target, port=8443)))
    assert "schema" in refused(one, replace(one, schema="semscheck/report/2"))


def test_redaction_needs_one_key() -> None:
    one, other = at(steady(0)), at(steady(1), later=DAY)
    key = b"a key of the tests"
    assert "one is redacted" in refused(one, redact(other, key=key))
    assert "different keys" in refused(redact(one), redact(other))
    assert compare([redact(one, key=key), redact(other, key=key)]).outcome is Outcome.CHANGED


def test_redacted_and_plain_comparisons_come_to_the_same() -> None:
    key = b"a key of the tests"
    runs = [at(steady(0)), at(reports.round_robin(), "desk-18"), at(steady(1), "desk-18", later=DAY)]
    plain, hidden = compare(runs), compare([redact(run, key=key) for run in runs])
    assert plain.outcome is hidden.outcome
    assert [(c.kind, c.direction) for c in plain.changes] == [(c.kind, c.direction) for c in hidden.changes]
    assert [(c.kind, c.critical) for c in plain.contrasts] == [(c.kind, c.critical) for c in hidden.contrasts]
    assert plain.sites_verdict.state is hidden.sites_verdict.state


def test_a_run_that_measured_nothing() -> None:
    failed = at(steady(), later=DAY)
    nothing = replace(failed, observations=(Cut(id="run-1", at_s=0.0, reason="cancelled"),))
    assert "run 2 measured nothing" in refused(at(steady()), nothing)
    no_network = reports.finding(
        "SEM003", Severity.UNKNOWN, role=Role.NO_NETWORK, subject=Subject("run", "run")
    )
    assert "run 2 measured nothing" in refused(at(steady()), replace(failed, findings=(no_network,)))


def test_a_run_that_was_cut_is_compared_as_far_as_it_went() -> None:
    cut = at(steady(1), later=DAY)
    cut = replace(cut, run=replace(cut.run, finished=None))
    found = compare([at(steady(0)), cut])
    assert found.outcome is Outcome.CHANGED
    assert any("was not complete" in note for note in found.notes)


def test_one_report_is_not_enough() -> None:
    with pytest.raises(ValueError, match="two reports"):
        compare([steady()])


def test_the_same_report_twice_says_so() -> None:
    found = compare([steady(), steady()])
    assert found.outcome is Outcome.SAME
    assert any("one and the same run" in note for note in found.notes)


def test_hostile_reports_are_compared_like_others() -> None:
    hostile = reports.hostile()
    assert compare([hostile, at(hostile, "desk-18", later=DAY)]).outcome is Outcome.SAME
    named = replace(at(steady()), target=hostile.target)
    assert compare([hostile, named]).outcome in (Outcome.WORSE, Outcome.CHANGED)


@pytest.mark.parametrize(("severity", "changes"), [(Severity.WARNING, 0), (Severity.CRITICAL, 1)])
def test_the_same_finding_under_another_address_is_not_new(severity: Severity, changes: int) -> None:
    def refused(address: str, severity: Severity) -> Report:
        found = reports.finding(
            "NET001", severity, name="refused", owner=Owner.SERVER,
            subject=Subject("address", "keys.example.com", address, 443), summary=f"{address} refuses connections.",
        )  # fmt: skip
        return judged(replace(steady(), findings=(found,)), Status.WARNING)

    found = compare(
        [at(refused("192.0.2.7", Severity.WARNING)), at(refused("192.0.2.8", severity), later=DAY)]
    )
    assert [change.direction for change in found.changes if change.kind == "finding"] == [
        Direction.WORSE
    ] * changes

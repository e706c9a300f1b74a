"""CLT001–CLT005: each fires, stays silent, and says when it could not see; exactly these codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.model.analysis import Analysis, EndpointStatus, Reach
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.findings import Confidence, Owner, State
from semscheck.model.observations import (
    AnyObservation,
    Certificate,
    Enrolment,
    Exchange,
    HostsEntry,
    HostsFile,
    ProxySettings,
)
from semscheck.model.report import Run, Snapshot
from semscheck.model.target import Member, Severity, Target
from semscheck.rules.evaluate import evaluate
from semscheck.rules.rule import catalogue
from tests.rules.dnsscene import BALANCER, BARE, CLUSTER, FQDN, NOW, Scene, new_id, said

ALL = [f"CLT{n:03}" for n in range(1, 6)]
DENIED = Failure(Phase.READ, Cause.DENIED, "Permission denied", errno=13)
ABSENT = Failure(Phase.READ, Cause.NOT_FOUND, "No such file or directory", errno=2)


def enrolled(*servers: str, failure: Failure | None = None, source: str = "PGPSTAMP") -> Enrolment:
    return Enrolment(id=new_id(), at_s=0, source=source, value="x", servers=servers, failure=failure)


def hosts(*lines: tuple[str, str], failure: Failure | None = None) -> HostsFile:
    entries = tuple(HostsEntry(n, address, (name,)) for n, (address, name) in enumerate(lines, start=1))
    return HostsFile(id=new_id(), at_s=0, path="/etc/hosts", entries=entries, failure=failure)


def proxy(covers: bool | None, **more: object) -> ProxySettings:
    return ProxySettings(id=new_id(), at_s=0, source="environment", covers=covers, **more)  # type: ignore[arg-type]


def exchange(skew_s: float, address: str = BALANCER, *, age: bool = False, at_s: float = 1.0) -> Exchange:
    """A server whose clock is ahead of ours by skew_s."""
    date = format_datetime(NOW + timedelta(seconds=at_s + 0.5 + skew_s), usegmt=False)
    headers = (("Server", "Apache"), ("Date", date)) + ((("Age", "9"),) if age else ())
    return Exchange(
        id=new_id(),
        at_s=at_s,
        elapsed_s=0.5,
        address=address,
        port=443,
        host=FQDN,
        status=200,
        headers=headers,
    )


QUIET = (enrolled(FQDN), hosts(), proxy(False), exchange(0))


def test_every_rule_has_a_full_card() -> None:
    cards = {one.card.code: one.card for one in catalogue() if one.card.code in ALL}
    assert sorted(cards) == ALL
    for card in cards.values():
        assert all(len(text) > 40 for text in (card.summary, card.why, card.remedy, card.seen_by))
        assert card.references


def test_a_healthy_desktop_is_silent() -> None:
    scene = Scene(CLUSTER, said(BALANCER), *QUIET)
    assert scene.codes("CLT") == set()
    assert {code: scene.state(code) for code in ALL} == dict.fromkeys(ALL, State.PASS)


def test_nothing_seen_is_not_health() -> None:
    scene = Scene(BARE)
    assert scene.codes("CLT") == set()
    assert {scene.state(code) for code in ALL} == {State.NOT_OBSERVED}


def test_an_address_has_no_name_to_be_bound_or_overridden() -> None:
    scene = Scene(Target("192.0.2.1", fqdn_is_address=True), *QUIET)
    assert {scene.state(code) for code in ("CLT001", "CLT003")} == {State.NOT_OBSERVED}


# --- CLT001 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "cname", "by"),
    [
        (CLUSTER, (), None),
        (replace(CLUSTER, fqdn="sems1.example.com"), (), "name"),
        (replace(CLUSTER, fqdn="sems1.example.com", members=(Member("SEMS1.example.com."),)), (), "name"),
        (CLUSTER, ("sems2.example.com",), "alias"),
        (CLUSTER, ("vip.example.com", "sems2.example.com"), "alias"),
        (CLUSTER, ("vip.example.com",), None),
    ],
)
def test_bound_to_member(target: Target, cname: Sequence[str], by: str | None) -> None:
    answers = said(BALANCER, name=target.fqdn, cname=cname)
    scene = Scene(target, answers, *QUIET)
    assert [one.args["by"] for one in scene.every("CLT001")] == ([by] if by else [])
    assert [one.evidence for one in scene.every("CLT001")] == ([tuple(a.id for a in answers)] if by else [])


# --- CLT002 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("observations", "codes", "state"),
    [
        ([], set(), State.NOT_OBSERVED),
        ([enrolled(failure=ABSENT)], set(), State.NOT_OBSERVED),
        ([enrolled(failure=DENIED)], set(), State.NOT_OBSERVED),
        ([enrolled(FQDN)], set(), State.PASS),
        ([enrolled(failure=ABSENT), enrolled(FQDN)], set(), State.PASS),
        ([enrolled("other.example.com", FQDN)], set(), State.PASS),
        ([enrolled("sems1.example.com")], {"CLT002"}, State.FOUND),
        ([enrolled("a.example.com"), enrolled("b.example.com")], {"CLT002"}, State.FOUND),
    ],
)
def test_enrolled_elsewhere(observations: list[Enrolment], codes: set[str], state: State) -> None:
    scene = Scene(BARE, *observations)
    assert scene.codes("CLT") == codes
    assert scene.state("CLT002") is state


def test_an_enrolment_that_could_not_be_read_is_not_called_absent() -> None:
    assert "could not be read" in Scene(BARE, enrolled(failure=DENIED)).why("CLT002")
    assert "no enrollment was found" in Scene(BARE, enrolled(failure=ABSENT)).why("CLT002")


def test_an_internationalised_name_is_known_in_both_spellings() -> None:
    target = Target("xn--schlssel-95a.example.com", fqdn_shown="schlüssel.example.com")
    assert Scene(target, enrolled("schlüssel.example.com")).state("CLT002") is State.PASS
    pinned = Scene(target, hosts(("192.0.2.1", "Schlüssel.example.com")))
    assert pinned.codes("CLT") == {"CLT003"}


# --- CLT003 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("observation", "state"),
    [
        (hosts(), State.PASS),
        (hosts(("192.0.2.11", "sems1.example.com")), State.PASS),
        (hosts(("192.0.2.77", FQDN)), State.FOUND),
        (hosts(("192.0.2.77", FQDN.upper() + ".")), State.FOUND),
        (hosts(failure=DENIED), State.NOT_OBSERVED),
        (hosts(failure=ABSENT), State.PASS),
        (hosts(("192.0.2.77", FQDN), failure=Failure(Phase.READ, Cause.TOO_LARGE, "x")), State.FOUND),
    ],
)
def test_hosts_override(observation: HostsFile, state: State) -> None:
    assert Scene(BARE, observation).state("CLT003") is state


def test_hosts_override_says_where() -> None:
    found = Scene(BARE, hosts(("192.0.2.1", "x"), ("192.0.2.77", FQDN))).finding("CLT003")
    assert found.summary == (
        f"The hosts file of this desktop fixes {FQDN} to 192.0.2.77 (/etc/hosts, line 2); DNS is not asked."
    )
    assert (found.subject.kind, found.subject.name, found.owner) == ("desktop", "desk1", Owner.DESKTOP)


# --- CLT004 ------------------------------------------------------------------------------------------------


def certificate(begins_h: float, ends_h: float) -> Certificate:
    return Certificate(
        id=new_id(),
        at_s=0,
        fingerprint="f" * 64,
        common_names=(FQDN,),
        not_before=NOW + timedelta(hours=begins_h),
        not_after=NOW + timedelta(hours=ends_h),
    )


def clocks(*observations: AnyObservation, shown: bool = True) -> tuple[dict[str, Severity], State]:
    run = Run(id="r", started=NOW)
    serving = EndpointStatus(
        address=BALANCER, port=443, fqdn=True, reach=Reach.SERVES, certificate="f" * 64 if shown else None
    )
    snapshot = Snapshot(target=BARE, run=run, observations=observations)
    findings, verdicts, _ = evaluate(snapshot, Analysis(places=(serving,)))
    found = {
        one.subject.address or one.subject.kind: one.severity for one in findings if one.code == "CLT004"
    }
    return found, next(one.state for one in verdicts if one.code == "CLT004")


@pytest.mark.parametrize(
    ("observations", "found", "state"),
    [
        ([], {}, State.NOT_OBSERVED),
        ([exchange(0)], {}, State.PASS),
        ([exchange(299)], {}, State.PASS),
        ([exchange(-299)], {}, State.PASS),
        ([exchange(302)], {"desktop": Severity.WARNING}, State.FOUND),
        ([exchange(-3600)], {"desktop": Severity.WARNING}, State.FOUND),
        ([exchange(3600, age=True)], {}, State.NOT_OBSERVED),
        ([exchange(3600), exchange(3601, "192.0.2.2")], {"desktop": Severity.WARNING}, State.FOUND),
        # one server alone is wrong: its own fault
        ([exchange(0), exchange(3600, "192.0.2.2")], {"192.0.2.2": Severity.WARNING}, State.FOUND),
        # one odd answer among others from the same place
        ([exchange(0), exchange(9999), exchange(0)], {}, State.PASS),
        # a certificate that began an hour from now, by our clock
        ([exchange(7200), certificate(1, 48)], {"desktop": Severity.CRITICAL}, State.FOUND),
        ([exchange(-7200), certificate(-48, -1)], {"desktop": Severity.CRITICAL}, State.FOUND),
        ([exchange(7200), certificate(-48, 48)], {"desktop": Severity.WARNING}, State.FOUND),
        ([exchange(7200), certificate(-48, -1)], {"desktop": Severity.WARNING}, State.FOUND),
    ],
)
def test_clock_skew(observations: list[AnyObservation], found: dict[str, Severity], state: State) -> None:
    assert clocks(*observations) == (found, state)


def test_one_server_alone_is_likely_two_are_certain() -> None:
    alone = Scene(BARE, exchange(3600)).finding("CLT004")
    both = Scene(BARE, exchange(3600), exchange(3600, "192.0.2.2")).finding("CLT004")
    assert (alone.confidence, both.confidence) == (Confidence.LIKELY, Confidence.CERTAIN)
    assert "60 minutes behind" in alone.summary


@given(st.text(max_size=60))
def test_any_text_may_stand_for_a_date(text: str) -> None:
    odd = replace(exchange(0), headers=(("date", text),))
    assert Scene(BARE, odd).state("CLT004") in (State.NOT_OBSERVED, State.PASS, State.FOUND)


@pytest.mark.parametrize(
    "date",
    ["Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 +2359", "Mon, 01 Jan 0001 00:00:00 GMT"],
)
def test_dates_at_the_end_of_time_do_not_crash(date: str) -> None:
    odd = replace(exchange(0), headers=(("Date", date),))
    assert clocks(odd, certificate(-1, 1))[1] in (State.NOT_OBSERVED, State.FOUND)


# --- CLT005 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "findings", "state"),
    [
        ([proxy(False)], 0, State.PASS),
        ([proxy(False, url="http://proxy.example.com:8080")], 0, State.PASS),
        ([proxy(True, url="http://proxy.example.com:8080")], 1, State.FOUND),
        ([proxy(None, pac_url="http://wpad.example.com/p.pac")], 1, State.FOUND),
        ([proxy(False), proxy(None, failure=DENIED)], 0, State.NOT_OBSERVED),
        ([proxy(True, url="http://a:1"), proxy(True, url="http://b:1")], 2, State.FOUND),
    ],
)
def test_proxy(settings: list[ProxySettings], findings: int, state: State) -> None:
    scene = Scene(BARE, *settings)
    assert (len(scene.every("CLT005")), scene.state("CLT005")) == (findings, state)
    assert {one.severity for one in scene.every("CLT005")} <= {Severity.INFO}

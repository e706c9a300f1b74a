"""By symptom: what users say, what it often is, and the codes that find it. Standard library only, for `explain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from semscheck.model.findings import Card
from semscheck.report.text.lines import wrap


class Symptom(NamedTuple):
    """said: as users say it; where: what it often is, and what to try; codes: of the rules that find it."""

    said: str
    where: str
    codes: tuple[str, ...]


SYMPTOMS = (
    Symptom(
        "Users are logged out at random, or Web Email Protection asks for the password again and again",
        "A load balancer or DNS sends each connection to another server and nothing keeps a user on one.",
        ("BAL001", "BAL002", "BAL003", "BAL006", "BAL007", "BAL013", "CLU013", "DNS004", "DNS006"),
    ),
    Symptom(
        "Messages or keys are there for one user and not yet for another",
        "Two people are served by different servers, and replication takes its time. Compare two desktops: "
        "semscheck compare A.json B.json.",
        ("BAL001", "BAL002", "BAL014", "DNS007"),
    ),
    Symptom(
        "Nobody can connect",
        "No server, no network on the way, or a name that leads nowhere. Try from a second network.",
        ("CLU005", "NET001", "NET002", "NET008", "DNS001", "DNS002", "DNS003", "CRT004", "TLS001", "TLS003"),
    ),
    Symptom(
        "One in a few connections fails",
        "One server of several is down or wrong and still gets connections.",
        ("BAL012", "NET006", "CLU002", "CRT007", "TLS005"),
    ),
    Symptom(
        "It works in the office and not at home, or the other way round",
        "VPN, proxy, a captive portal, or a resolver that withholds private addresses.",
        (
            "NET002",
            "NET008",
            "NET013",
            "NET016",
            "DNS001",
            "DNS007",
            "DNS011",
            "DNS018",
            "CLT003",
            "CLT005",
            "NET011",
        ),
    ),
    Symptom(
        "Only Macs fail, or only browsers, or only old desktops",
        "A certificate or a TLS setting that some clients refuse. "
        "semscheck check NAME --verbose shows who can connect, from any desktop.",
        ("CRT003", "CRT011", "CRT017", "CRT019", "CRT020", "CRT021", "CRT023", "TLS004", "TLS008", "TLS009"),
    ),
    Symptom(
        "It began after a certificate was renewed",
        "The new one is not on every server, its intermediate is missing, or it names something else.",
        (
            "CRT001",
            "CRT002",
            "CRT003",
            "CRT004",
            "CRT005",
            "CRT007",
            "CRT008",
            "CRT010",
            "CRT015",
            "CRT017",
            "CRT018",
            "CRT019",
            "CRT020",
            "CRT021",
        ),
    ),
    Symptom(
        "It began after a server was moved or its address changed",
        "A resolver, the hosts file or the pool still has the old address.",
        ("DNS007", "DNS008", "DNS010", "DNS013", "DNS016", "CLT003", "CLU005"),
    ),
    Symptom(
        "Encryption Desktop shows a certificate warning, or refuses the server",
        "The certificate does not fit the name, is not trusted here, or something on the way replaces it.",
        ("CRT001", "CRT004", "CRT008", "CRT009", "CRT010", "CLT006", "DNS009"),
    ),
    Symptom(
        "Everything is slow, or the first connection takes seconds",
        "Name look-ups, a dead IPv6 address, or a server that takes its time.",
        ("DNS015", "DNS021", "DNS022", "NET005", "NET015", "CLU009"),
    ),
    Symptom(
        "After a server was taken down, users could not work for a long time",
        "There is no failover, or it is a change of DNS whose time to live is long.",
        ("CLU001", "CLU002", "CLT001", "DNS008", "BAL015"),
    ),
    Symptom(
        "One user cannot connect, everybody else can",
        "This desktop: another server enrolled, a hosts file, its clock, a proxy, its network.",
        ("CLT001", "CLT002", "CLT003", "CLT004", "CLT005", "DNS013", "DNS021", "NET011", "NET012"),
    ),
)


def text(cards: Mapping[str, Card], width: int) -> str:
    """For a terminal. cards: the catalogue by code."""
    lines: list[str] = []
    for symptom in SYMPTOMS:
        lines += wrap(symptom.said, width)
        lines += [f"  {part}" for part in wrap(symptom.where, width - 2)]
        lines += [
            f"  {code}  {part}" if number == 0 else f"          {part}"
            for code in symptom.codes
            for number, part in enumerate(wrap(cards[code].summary, width - 10))
        ]
        lines.append("")
    return "\n".join(
        [*lines, "semscheck explain CODE says more; semscheck check NAME finds which it is.", ""]
    )


def page(cards: Mapping[str, Card]) -> str:
    """The same as a page of the documentation."""
    head = (
        "# By symptom\n\n"
        "What users of Symantec Encryption Management Server (PGP Universal, PGP Encryption Server) and of its\n"
        "clients (Encryption Desktop, PGP Encryption Desktop, Web Email Protection) say, and what it often is.\n"
        "`semscheck check NAME` finds which it is; `semscheck explain --symptoms` shows this page. Generated by\n"
        "`make docs`.\n"
    )
    parts = [
        f"\n## {symptom.said}\n\n{symptom.where}\n\n"
        + "".join(f"- [{code}](rules/{code}.md): {cards[code].summary}\n" for code in symptom.codes)
        for symptom in SYMPTOMS
    ]
    return head + "".join(parts)

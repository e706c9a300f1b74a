"""A first profile from what can be found: the addresses behind the name, names in certificates, and members whose
names resolve. Everything that is a guess stands in the profile as a comment that says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from semscheck.model.analysis import Reach
from semscheck.model.names import covers
from semscheck.model.observations import Certificate, DnsAnswer, Handshake
from semscheck.model.report import Report
from semscheck.model.target import Endpoint, Member, Target

USUAL = "sems"  # the vendor's own example names its members sems1, sems2, sems3 (Broadcom KB 156803)
NUMBERED = 6  # the vendor supports at most six members (Broadcom KB 153476)
MOST_NAMES = 16
MOST_ADDRESSES = 4  # of one member
STRANGER = "semscheck-no-such-name"
_NUMBER = re.compile(r"^(.*?)(\d{1,2})$")


@dataclass(frozen=True, slots=True)
class FoundMember:
    """A member whose own name resolves. presents_name: a certificate there covers that name; None: not seen."""

    name: str
    addresses: tuple[str, ...]
    presents_name: bool | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What was found. addresses: of the FQDN. told: names in the certificate that clients see."""

    target: Target
    addresses: tuple[str, ...]
    members: tuple[FoundMember, ...]
    told: tuple[str, ...] = ()
    reachable: bool = False


async def find(target: Target) -> Found:
    """Look twice: at the name itself, then at members whose names it suggests. Network trouble finds less.

    target: with the FQDN, resolvers and limits; members in it are looked at as well. Sends what a check sends,
    without repeated connections.
    """
    from semscheck.pipeline import check

    quiet = replace(target, connections=0)
    first = await check(quiet)
    told = _certificate_names(first)
    guesses = () if target.fqdn_is_address else candidates(target.fqdn, told)
    names = (_stranger(target), *(member.name for member in target.members), *guesses)
    asked = tuple(Member(name) for name in dict.fromkeys(names) if covers(name, name))[:MOST_NAMES]
    second = await check(replace(quiet, members=asked))
    resolved = _resolved(second, asked)
    third = await check(
        replace(quiet, members=tuple(Member(n, tuple(map(Endpoint, a))) for n, a in resolved.items()))
    )
    return Found(
        target=target,
        addresses=first.analysis.dns.addresses,
        members=tuple(
            FoundMember(name, addresses, _presents(third, name)) for name, addresses in resolved.items()
        ),
        told=told,
        reachable=any(place.fqdn and place.reach is Reach.SERVES for place in first.analysis.places),
    )


def _stranger(target: Target) -> str:
    """A name that nobody gave to anything: where it resolves, every name of the domain does."""
    return f"{STRANGER}.{target.fqdn.partition('.')[2]}"


def candidates(fqdn: str, told: Iterable[str]) -> tuple[str, ...]:
    """Names that members may have: those in the certificate, their neighbours by number, and the usual ones."""
    label, _, domain = fqdn.partition(".")
    found: dict[str, None] = {}
    for name in told:
        if name != fqdn and covers(name, name) and "*" not in name:
            found[name] = None
    for name in tuple(found):
        first, _, rest = name.partition(".")
        numbered = _NUMBER.match(first)
        if numbered is not None and rest:
            found |= dict.fromkeys(f"{numbered[1]}{at}.{rest}" for at in range(1, NUMBERED + 1))
    if domain:
        for stem in (USUAL, label):
            found |= dict.fromkeys(f"{stem}{at}.{domain}" for at in range(1, NUMBERED + 1))
    found.pop(fqdn, None)
    return tuple(found)


def _certificate_names(report: Report) -> tuple[str, ...]:
    """DNS names in the leaf certificates that were presented for the FQDN."""
    leaves = {
        shake.chain[0]
        for shake in report.observations
        if isinstance(shake, Handshake) and shake.chain and shake.sni == report.target.fqdn
    }
    names: dict[str, None] = {}
    for seen in report.observations:
        if isinstance(seen, Certificate) and seen.fingerprint in leaves:
            names |= dict.fromkeys(name.lower() for name in seen.dns_names or ())
    return tuple(names)[:MOST_NAMES]


def _resolved(report: Report, asked: Iterable[Member]) -> dict[str, tuple[str, ...]]:
    """Names that resolve, with a few of their addresses each, no address twice.

    Left out, since it says nothing: where every name of the domain leads (a wildcard), where the FQDN leads, and
    where three names or more lead.
    """
    found: dict[str, dict[str, None]] = {member.name: {} for member in asked}
    for seen in report.observations:
        if isinstance(seen, DnsAnswer) and seen.purpose == "member" and seen.name in found:
            found[seen.name] |= dict.fromkeys(seen.records)
    stranger = found.pop(_stranger(report.target), {})
    led = Counter(address for addresses in found.values() for address in addresses)
    taken = {*stranger, *report.analysis.dns.addresses, *(a for a, names in led.items() if names > 2)}
    kept: dict[str, tuple[str, ...]] = {}
    for name, addresses in found.items():
        own = [address for address in addresses if address not in taken][:MOST_ADDRESSES]
        if own:
            kept[name] = tuple(own)
            taken.update(own)
    return kept


def _presents(report: Report, name: str) -> bool | None:
    """Whether a certificate that covers the name was presented where it leads."""
    leaves = {
        shake.chain[0]
        for shake in report.observations
        if isinstance(shake, Handshake) and shake.chain and shake.sni == name
    }
    if not leaves:
        return None
    return any(
        covers(presented, name)
        for seen in report.observations
        if isinstance(seen, Certificate) and seen.fingerprint in leaves
        for presented in (*(seen.dns_names or ()), *seen.common_names)
    )


# --- the profile as text -----------------------------------------------------------------------------------


def profile_text(found: Found) -> str:
    """The profile in TOML, with comments that say what was seen, what is a guess, and what to fill in."""
    target = found.target
    lines = [
        f"# A profile for {_comment(target.fqdn_shown or target.fqdn)}, written by semscheck init.",
        "# Look at every line, fill in what is missing, and run: semscheck check --profile THIS-FILE",
        "",
        "[target]",
        f"fqdn = {_text(target.fqdn)}",
        f"port = {target.port}",
        "# Who moves clients when a member dies: the balancer, or somebody who changes the DNS record.",
        'failover = "balancer"            # or "dns"',
    ]
    lines += _balancers(found)
    if target.ca_file:
        lines.append(f"ca_file = {_text(str(Path(target.ca_file).absolute()))}")
    else:
        lines.append('# ca_file = "corp-root.pem"      # if the certificates come from your own authority')
    lines += ["", *_members(found), "", *_rest()]
    return "\n".join(lines) + "\n"


def _balancers(found: Found) -> list[str]:
    if not found.addresses:
        return [
            "# The name has no address here. Addresses that it may resolve to (the load balancer's):",
            '# balancers = ["192.0.2.100"]',
        ]
    taken = {address for member in found.members for address in member.addresses}
    free = [address for address in found.addresses if address not in taken]
    state = "answers" if found.reachable else "does not answer from here"
    listed = ", ".join(_text(address) for address in free)
    return [
        f"# What the name leads to ({state}). If it is a member's own Interface 2 and no balancer, move it to that",
        "# member's `client` below.",
        f"balancers = [{listed}]",
    ]


def _members(found: Found) -> list[str]:
    if not found.members:
        return [
            "# No member was found by name. Ask the server's administrator for each member's own name and addresses:",
            "# Interface 1 (replication) has a certificate of its own, Interface 2 serves clients.",
            "# [[member]]",
            f'# name = "{USUAL}1.example.com"',
            '# replication = "192.0.2.11"',
            '# client = "198.51.100.11"',
        ]
    lines: list[str] = []
    for member in found.members:
        words = {
            True: "its certificate has this name, so this is Interface 1",
            False: "the certificate there has another name: is this a member at all?",
            None: "no certificate could be seen there",
        }[member.presents_name]
        addresses = ", ".join(_text(address) for address in member.addresses)
        value = addresses if len(member.addresses) == 1 else f"[{addresses}]"
        lines += [
            "[[member]]",
            f"name = {_text(member.name)}",
            f"replication = {value}    # found by name; {words}",
            '# client = "198.51.100.11"       # Interface 2: without it this member cannot be told from the others',
            "",
        ]
    return lines[:-1]


def _rest() -> list[str]:
    return [
        "# [sampling]",
        "# connections = 32",
        "# [services]",
        "# check = [389, 636]              # asked without --services too",
        "# require = []                    # closed is critical",
    ]


def _text(value: str) -> str:
    """A TOML basic string; whatever came from the network cannot leave it."""
    return f'"{"".join(map(_escaped, value))}"'


def _escaped(character: str) -> str:
    if character.isprintable() and character not in '"\\':
        return character
    if "\ud800" <= character <= "\udfff":
        return "?"  # half of a pair is no character, and has no escape in TOML
    return f"\\U{ord(character):08X}"


def _comment(value: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in value)

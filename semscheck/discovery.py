"""A first profile from what a check with only the name finds. What is a guess stands in it as a comment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from semscheck.model.analysis import Reach
from semscheck.model.target import Member, Target


@dataclass(frozen=True, slots=True)
class Found:
    """What was found. addresses: of the FQDN; members: that nobody told of. reachable: something serves the name."""

    target: Target
    addresses: tuple[str, ...]
    members: tuple[Member, ...] = ()
    reachable: bool = False


async def find(target: Target) -> Found:
    """One check of the name alone, without repeated connections. Network trouble finds less."""
    from semscheck.pipeline import check

    alone = replace(target, members=(), balancers=(), profile=None, connections=0, discovery=True)
    report = await check(alone)
    return Found(
        target=target,
        addresses=report.analysis.dns.addresses,
        members=report.target.members,
        reachable=any(place.fqdn and place.reach is Reach.SERVES for place in report.analysis.places),
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
    taken = {end.address for member in found.members for end in (*member.client, *member.replication)}
    free = [address for address in found.addresses if address not in taken]
    state = "answers" if found.reachable else "does not answer from here"
    listed = ", ".join(_text(address) for address in free)
    return [
        f"# What the name leads to ({state}). If it is a server's own Interface 2 and no load balancer, move it to",
        "# that server's `client` below.",
        f"balancers = [{listed}]",
    ]


def _members(found: Found) -> list[str]:
    if not found.members:
        return [
            "# No server was found by name. Ask the server administrator for each server's own name and addresses:",
            "# Interface 1 (replication) has a certificate of its own, Interface 2 serves clients.",
            "# [[member]]",
            '# name = "sems1.example.com"',
            '# replication = "192.0.2.11"',
            '# client = "198.51.100.11"',
        ]
    return member_tables(found.members)[:-1]


def member_tables(members: Iterable[Member]) -> list[str]:
    """Lines of [[member]] tables, with what was seen as comments."""
    lines: list[str] = []
    for member in members:
        lines += ["[[member]]", f"name = {_text(member.name)}"]
        if member.replication:
            lines += [
                f"replication = {_text(member.replication[0].address)}    # found by name; its certificate has this "
                "name, so this is Interface 1",
                '# client = "198.51.100.11"       # Interface 2: needed to see which server answers',
            ]
        if member.client:
            lines += [
                f"client = {_text(member.client[0].address)}    # found by name; it has the clients' certificate, so "
                "this is Interface 2",
            ]
        lines.append("")
    return lines


def merged(text: str, found: Found, known: Iterable[str]) -> str:
    """A profile's text with the servers that it does not have yet behind it; nothing of it is changed.

    known: names of the members that it has.
    """
    names = set(known)
    new = [member for member in found.members if member.name not in names]
    if not new:
        return text
    return "\n".join([text.rstrip("\n"), "", *member_tables(new)[:-1]]) + "\n"


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

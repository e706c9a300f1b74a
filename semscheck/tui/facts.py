"""Observations as people read them: a line in the list of evidence, and everything there is. Pure.

All text is made safe here; the lines may be drawn as they are.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from textwrap import wrap
from typing import Any

from semscheck.model import observations as facts
from semscheck.model.failure import Failure
from semscheck.report import wording as words
from semscheck.report.escape import block, one_line, terminal

MAX_LINES = 2000  # of one observation: a chain of ten certificates has some hundreds
_LINE_LIMIT = 400


def one(it: facts.AnyObservation) -> str:
    """A fact in one line."""
    said = _SAY[type(it)][1](it) if type(it) in _SAY else type(it).__name__
    failure = getattr(it, "failure", None)
    if isinstance(failure, Failure):
        said = f"{said}: {_failure(failure)}"
    if it.elapsed_s is not None:
        said = f"{said} ({words.duration(it.elapsed_s)})"
    return one_line(said, _LINE_LIMIT)


def all_of(it: facts.AnyObservation, certificates: Mapping[str, facts.Certificate]) -> list[str]:
    """Everything about a fact: first as its own tools would print it, then field by field."""
    parts: list[str] = []
    match it:
        case facts.DnsAnswer():
            parts = _as_dig(it)
        case facts.Exchange() | facts.Sample():
            parts = _as_http(it)
        case facts.Handshake():
            parts = _as_chain(it.chain, certificates)
        case facts.Certificate():
            parts = _pem(it)
        case facts.Crash():
            parts = it.trace.splitlines()
    lines = [safe for part in parts for safe in block(part, 2000)]
    if lines:
        lines.append("")
    lines += [f"{name}: {value}" for name, value in _fields(it)]
    if len(lines) > MAX_LINES:
        lines = [*lines[:MAX_LINES], f"… {len(lines) - MAX_LINES} more lines"]
    return lines


def subject_of(it: facts.AnyObservation) -> str:
    """What kind of fact it is, for a heading."""
    return _SAY[type(it)][0] if type(it) in _SAY else it.kind


def _failure(it: Failure) -> str:
    words_ = words.failure(it.cause)
    if it.alert:
        words_ = f"{words_} (alert {it.alert})"
    return words_


def _where(it: Any) -> str:
    return words.place(it.address, it.port)


def _answer(it: facts.DnsAnswer) -> str:
    said = ", ".join(it.records) or (it.rcode if it.rcode not in (None, "NOERROR") else "no record")
    ttl = f", TTL {it.ttl_s} s" if it.ttl_s is not None else ""
    head = f"{it.server_name or it.server} on {it.name} {it.record_type}"
    return head if it.failure else f"{head}: {said}{ttl}"


def _handshake(it: facts.Handshake) -> str:
    trust = {True: ", trusted", False: ", not trusted", None: ""}[it.trust.trusted if it.trust else None]
    chain = f", {words.count(len(it.chain), 'certificate')}" if it.chain else ""
    return f"{_where(it)} {it.version or 'TLS'}{chain}{trust}"


def _certificate(it: facts.Certificate) -> str:
    name = words.listed(it.common_names) or it.subject
    return f"certificate {name}, issued by {words.listed(it.issuer_common_names) or it.issuer}"


def _exchange(it: facts.Exchange) -> str:
    title = f" “{it.title}”" if it.title else ""
    return f"{it.method} https://{it.host}{it.path} at {_where(it)}: {it.status or 'no answer'}{title}"


_ONE_OF = {
    "fresh": "new connection",
    "cookie": "connection with cookies kept,",
    "resume": "connection with the TLS session kept,",
    "keep-alive": "request on one connection,",
    "source": "connection from another address,",
    "pause": "connection after a pause,",
}


def _sample(it: facts.Sample) -> str:
    status = f": {it.status}" if it.status is not None else ""
    resumed = {True: ", session taken up", False: ", session not taken up", None: ""}[it.resumed]
    return f"{_ONE_OF.get(it.arm, it.arm)} {it.index + 1} to {_where(it)}{status}{resumed}"


def _recognised(value: bool | None) -> str:
    return {True: "recognized", False: "not recognized", None: "could not be determined"}[value]


_SAY: dict[type, tuple[str, Callable[[Any], str]]] = {  # a heading, and a line
    facts.ResolverConfig: (
        "Name servers of this desktop",
        lambda it: f"name servers: {words.listed(it.servers) or 'none'}",
    ),
    facts.DnsAnswer: ("DNS answer", _answer),
    facts.SystemResolution: (
        "Name resolution by the system",
        lambda it: f"the system resolves {it.name}: {words.listed(it.addresses) or 'nothing'}",
    ),
    facts.Delegation: (
        "Name servers of the zone",
        lambda it: (
            f"zone {it.zone or words.NOT_MEASURED}: {words.listed([server.name for server in it.servers])}"
        ),
    ),
    facts.HostsFile: (
        "Hosts file",
        lambda it: (
            f"{it.path}: "
            + (words.listed([f"line {entry.line} {entry.address}" for entry in it.entries]) or "no entry")
        ),
    ),
    facts.Enrolment: (
        "Enrollment of this desktop",
        lambda it: f"{it.source}: {words.listed(it.servers) or 'no server'}",
    ),
    facts.ProxySettings: (
        "Proxy settings",
        lambda it: f"proxy ({it.source}): {it.url or it.pac_url or 'none'}",
    ),
    facts.Route: ("Route", lambda it: f"route to {it.address} from {it.source_address or 'nowhere'}"),
    facts.Connection: (
        "Connection",
        lambda it: f"connection to {_where(it)}" + ("" if it.failure else " made"),
    ),
    facts.Handshake: ("TLS handshake and chain", _handshake),
    facts.Certificate: ("Certificate", _certificate),
    facts.Exchange: ("HTTP answer", _exchange),
    facts.ServiceProbe: ("Service", lambda it: f"{it.service} at {_where(it)}: {it.state}"),
    facts.Sample: ("Connection through the FQDN", _sample),
    facts.Trace: (
        "Whose session it is",
        lambda it: f"session of {it.sample} shown to {it.member}: {_recognised(it.recognised)}",
    ),
    facts.Control: (
        "Control",
        lambda it: (
            f"control: session of {it.issuer or it.issuer_address} shown to {it.shown_to or it.address}: "
            + _recognised(it.recognised)
        ),
    ),
    facts.Crash: ("Defect of semscheck", lambda it: f"{it.where}: {it.error}"),
    facts.Cut: ("Ended early", lambda it: f"ended early ({it.reason}): {words.listed(it.unfinished)}"),
    facts.Bound: ("Left out", lambda it: f"{it.what}: {it.used} of {it.seen}"),
    facts.WatchPlan: ("Watch", lambda it: f"a connection every {it.every_s} s, for {it.for_s} s at most"),
    facts.Mark: ("Mark", lambda it: it.text),
}


# --- as their own tools print them -------------------------------------------------------------------------


def _as_dig(it: facts.DnsAnswer) -> list[str]:
    """The way of dig, which DNS administrators read."""
    lines = [
        f";; {it.rcode or 'no answer'}, flags: {' '.join(it.flags).lower()}",
        f";; server {it.server}, {it.transport}",
    ]
    lines += [f"{hop.name}. {hop.ttl_s} IN CNAME {hop.target}." for hop in it.cname]
    owner = it.cname[-1].target if it.cname else it.name
    lines += [f"{owner}. {it.ttl_s} IN {it.record_type} {record}" for record in it.records]
    return lines


def _as_http(it: facts.Exchange | facts.Sample) -> list[str]:
    if it.status is None:
        return []
    lines = []
    if isinstance(it, facts.Exchange):
        lines += [f"> {it.method} {it.path} {it.http_version or 'HTTP'}", f"> Host: {it.host}", ""]
    version = it.http_version if isinstance(it, facts.Exchange) else "HTTP"
    lines += [f"< {version or 'HTTP'} {it.status}"]
    return lines + [f"< {name}: {value}" for name, value in it.headers]


def _as_chain(chain: Iterable[str], certificates: Mapping[str, facts.Certificate]) -> list[str]:
    lines: list[str] = []
    for number, fingerprint in enumerate(chain):
        seen = certificates.get(fingerprint)
        if seen is None:
            lines += [f"{number} certificate {fingerprint} was not kept"]
            continue
        until = words.stamp(seen.not_after)
        lines += [f"{number} s:{seen.subject}", f"  i:{seen.issuer}", f"  until {until}", *_pem(seen)]
    return lines


def _pem(it: facts.Certificate) -> list[str]:
    """RFC 7468 section 5.1."""
    if it.der is None:
        return ["(the certificate itself was not kept)"]
    body = wrap(base64.b64encode(it.der).decode("ascii"), 64)
    return ["-----BEGIN CERTIFICATE-----", *body, "-----END CERTIFICATE-----"]


# --- field by field ----------------------------------------------------------------------------------------


def _fields(it: Any) -> list[tuple[str, str]]:
    return [
        (_title(entry.name), _value(getattr(it, entry.name)))
        for entry in fields(it)
        if entry.name not in {"der", "trace"}
    ]


def _title(name: str) -> str:
    return name.removesuffix("_s").replace("_", " ") + (" (s)" if name.endswith("_s") else "")


def _value(value: Any) -> str:
    """None is "not measured"; nested values in brackets."""
    match value:
        case None:
            return words.NOT_MEASURED
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}" if value < 1000 else f"{value:.1f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S} UTC"
        case tuple():
            return ", ".join(_value(part) for part in value[:100]) or "none"
        case _ if is_dataclass(value):
            inner = "; ".join(f"{name} {text}" for name, text in _fields(value))
            return f"({inner})"
    return terminal(str(value), 1000)

"""Redaction: a report in which names, addresses, users and subjects are stable pseudonyms.

The same original has the same pseudonym everywhere in the document, networks stay networks, suffixes and
wildcards keep matching, and addresses inside balancer cookies still decode, so that a replay gives the same
codes. What becomes of each field is written in one table; a text field that is not in it loses every unknown
word, so a new one cannot slip through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any

from semscheck.model.report import Report
from semscheck.redaction.cookies import CookieScrubber
from semscheck.redaction.pseudonyms import Pseudonyms
from semscheck.redaction.text import Scrubber, is_address

KEY_BYTES = 32
KEY_OPTION = "redaction_key"  # in `run.options`: tells which documents share a key, gives nothing of it away


class Part(StrEnum):
    """What kind of text a field holds, and so what becomes of it."""

    KEEP = "keep"  # closed lists, numbers as text, our own constants
    OWN = "own"  # semscheck's words: what the rest of the report gave away is replaced
    FOREIGN = "foreign"  # from the network or the desktop: only known words stay
    SPEECH = "speech"  # foreign, and its unknown words are an organisation's: titles, banners
    ADDRESS = "address"
    ADDRESSES = "addresses"  # a sorted list; sorted again
    ENDPOINT = "endpoint"  # "address:port", IPv6 in brackets
    NAME = "name"
    MEMBER = "member"  # a member's name, or a label of ours such as "server A"
    HOST = "host"  # this desktop's own name
    COMMON_NAME = "common-name"
    SUBJECT = "subject"  # a distinguished name as text
    HEX = "hex"  # fingerprints and key ids: public logs find a host by them
    SERIAL = "serial"
    VERSION = "version"
    HEADERS = "headers"
    COOKIE_NAME = "cookie-name"
    RECORD = "record"  # an address, a name, or text
    DETAIL = "detail"  # an error's own words, with foreign parts in quotes
    TRACE = "trace"
    OPTIONS = "options"
    ARGS = "args"
    DROP = "drop"


K, W, F = Part.KEEP, Part.OWN, Part.FOREIGN
A, N, M, H = Part.ADDRESS, Part.NAME, Part.MEMBER, Part.HEX

# By class and field. Fields whose values are numbers, dates, truth values, enums or other dataclasses need
# no line; every field that can hold text does (a test goes through the model).
TABLE: dict[str, dict[str, Part]] = {
    "Report": {"schema": K},
    "Tool": {"name": K, "version": K},
    "Run": {"id": W, "options": Part.OPTIONS, "origin": K},
    "Vantage": {"host": Part.HOST, "platform": W, "source_addresses": Part.ADDRESSES},
    "Target": {
        "fqdn": N, "fqdn_shown": N, "balancers": A, "ca_file": F, "profile": F, "severities": K,
        "balancer_vendor": K,
    },
    "Thresholds": {"written": K},
    "Endpoint": {"address": A},
    "Member": {"name": M},
    "Summary": {"headline": W, "counts": K, "cause": W, "first_step": W, "also": W},
    "Impact": {"sentence": W},
    "Reference": {"title": K, "url": K},
    "Subject": {"kind": K, "name": W, "address": A},
    "Finding": {
        "code": K, "name": K, "summary": W, "remedy": W, "evidence": W, "args": Part.ARGS, "title": W,
    },
    "Verdict": {"code": K, "why": Part.DETAIL},
    "AnswerSet": {"addresses": A},
    "ResolverAnalysis": {"server": Part.ENDPOINT, "server_name": N, "rcode": K},
    "DnsAnalysis": {"addresses": Part.ADDRESSES, "cname": N, "system": A},
    "EndpointStatus": {
        "address": A, "client_of": M, "replication_of": M, "sni": N, "failure_phase": K, "failure_cause": K,
        "certificate": H, "version": K, "evidence": W,
    },
    "InterfaceAnalysis": {
        "name": M, "interface": K, "address": A, "failure": W, "fingerprint": H, "protocol": K,
    },
    "Obstacle": {"kind": K, "words": K},
    "ClientAccess": {"address": A, "certificate": H},
    "Share": {"name": M, "keys": H},
    "ArmSequence": {"arm": K, "members": M, "evidence": W},
    "Signal": {"name": W, "verdict": K, "why": Part.DETAIL, "strength": K},
    "BalancingPath": {
        "address": A, "identified_by": K, "termination_evidence": W, "vendor": K, "vendor_hint": W,
        "vendor_evidence": W,
        "cycle": M, "ticket_keys": H, "kept_by": W, "why_unknown": W, "cookies": W, "discloses": W, "evidence": W,
    },
    "Contrast": {"fails": A, "works": A, "by": W, "evidence": W},
    "Failure": {"detail": Part.DETAIL, "alert": K, "said": Part.SPEECH},
    "ResolverConfig": {"source": K, "servers": Part.ENDPOINT, "search": N},
    "CnameHop": {"name": N, "target": N},
    "DnsAnswer": {
        "server": Part.ENDPOINT, "server_name": N, "role": K, "purpose": K, "name": N, "record_type": K,
        "transport": K, "rcode": K, "flags": K, "records": Part.RECORD,
    },
    "SystemResolution": {"name": N, "purpose": K, "addresses": A},
    "NameServer": {"name": N, "addresses": A},
    "Delegation": {"name": N, "zone": N},
    "HostsEntry": {"address": A, "names": N},
    "HostsFile": {"path": F},
    "Enrolment": {"source": F, "value": F, "servers": N},
    "ProxySettings": {"source": K, "url": F, "bypass": F, "pac_url": F},
    "Route": {"address": A, "source_address": A},
    "Connection": {"address": A, "local_address": A},
    "Trust": {"reason": Part.DETAIL, "store": K, "chain": H},
    "Ticket": {"whole": H, "prefixes": H},
    "Handshake": {
        "address": A, "sni": N, "policy": K, "offered": K, "version": K, "cipher": K, "key_exchange": K,
        "alpn": K, "chain": H,
    },
    "Certificate": {
        "fingerprint": H, "spki": H, "subject": Part.SUBJECT, "common_names": Part.COMMON_NAME,
        "dns_names": N, "ip_names": A, "issuer": Part.SUBJECT, "issuer_common_names": Part.COMMON_NAME,
        "serial": Part.SERIAL, "key_type": K, "curve": K, "signature_hash": K,
        "signature_oid": K, "key_usage": K,
        "extended_key_usage": K, "subject_key_id": H, "authority_key_id": H, "ca_issuers": F,
        "der": Part.DROP, "problems": Part.DETAIL,
    },
    "Exchange": {
        "address": A, "host": Part.RECORD, "method": K, "path": F, "http_version": W,
        "headers": Part.HEADERS, "title": Part.SPEECH, "body_sha256": H, "follows": W,
    },
    "ServiceProbe": {
        "address": A, "service": K, "state": K, "banner": Part.SPEECH, "software": F, "version": Part.VERSION,
    },
    "Sample": {
        "arm": K, "address": A, "source_address": A, "version": K, "certificate": H, "offered": W,
        "headers": Part.HEADERS, "cookies_sent": Part.COOKIE_NAME,
    },
    "Trace": {"sample": W, "token": K, "name": Part.COOKIE_NAME, "member": M, "address": A},
    "Control": {
        "token": K, "name": Part.COOKIE_NAME, "version": K, "issuer": M, "issuer_address": A, "shown_to": M,
        "address": A,
    },
    "Crash": {"where": W, "error": Part.DETAIL, "trace": Part.TRACE},
    "Cut": {"reason": K, "unfinished": W},
    "Bound": {"what": W, "samples": W},
    "Mark": {"text": F},
    "Outage": {"before": M, "after": M, "by": K, "cause": K, "evidence": W},
    "Answerer": {"name": M},
    "RecordChange": {"addresses": A},
    "WatchMark": {"text": F},
}  # fmt: skip
# Every observation has these two, and no observation's kind or id gives anything away by itself.
OBSERVATION_FIELDS: dict[str, Part] = {"id": W, "kind": K}

_VERSION = re.compile(
    r"\d{1,5}(\.\d{1,5}){0,3}([ .+-]?(MP|HF|SP|RC|alpha|beta|a|b|p)\d{0,4})*( ?\(Build \d{1,8}\))?",
    re.IGNORECASE,
)
# Long numbers in these are lengths and ages (RFC 9110, 9111, 6797), not serial numbers of something.
_NUMERIC_HEADERS = frozenset(("content-length", "age", "cache-control", "strict-transport-security"))
_ENDPOINT = re.compile(r"\[?([^\]]*?)\]?(?::(\d{1,5}))?")
_RDN = re.compile(r"((?:^|[,+/;]\s*)[A-Za-z][\w.\-]*\s*=\s*)")
_CN_TYPES = ("cn", "commonname", "2.5.4.3")


def part_of(owner: type, field_name: str) -> Part | None:
    """What the table says of a field; None for one that it does not name."""
    return TABLE.get(owner.__name__, {}).get(field_name) or OBSERVATION_FIELDS.get(field_name)


_Plan = tuple[tuple[str, Part | None], ...]
_plans: dict[type, _Plan] = {}


def _plan(owner: type) -> _Plan:
    """The fields of a class that have to be looked at, in order."""
    plan = _plans.get(owner)
    if plan is None:
        parts = ((field.name, part_of(owner, field.name)) for field in fields(owner))
        plan = _plans[owner] = tuple((name, part) for name, part in parts if part is not Part.KEEP)
    return plan


def redact(report: Report, *, key: bytes | None = None, keep_words: Iterable[str] = ()) -> Report:
    """The report with pseudonyms for names, addresses, machines, users, subjects, fingerprints and cookies.

    key: 1 to 64 bytes; reports redacted with one key have the same pseudonyms and can be compared. None: a
    random key, which is thrown away. keep_words: words in lower case that stay in semscheck's own sentences
    even if a host is called so; the words of the rules' cards are meant. DER is dropped. A report that is
    redacted already comes back as it is.
    """
    if report.run.redacted:
        return report
    if key is None:
        import secrets

        key = secrets.token_bytes(KEY_BYTES)
    pseudonyms = Pseudonyms(key)
    walker = _Walker(Scrubber(pseudonyms, keep_words), report)
    walker.learn()
    redacted: Report = walker.rewritten(report)
    options = {**redacted.run.options, KEY_OPTION: pseudonyms.check}
    return replace(redacted, run=replace(redacted.run, redacted=True, options=options))


class _Walker:
    def __init__(self, scrubber: Scrubber, report: Report) -> None:
        self._scrubber = scrubber
        self._cookies = CookieScrubber(scrubber)
        self._report = report
        self._members = {member.name for member in report.target.members}
        self._shown: dict[str, str] = {}
        self._done: dict[tuple[Part, str], str] = {}
        self._headers: dict[tuple[str, str], tuple[str, str]] = {}
        self._rewriters: dict[Part, Callable[[str], str]] = {
            Part.OWN: scrubber.own,
            Part.FOREIGN: scrubber.foreign,
            Part.SPEECH: scrubber.foreign,
            Part.ADDRESS: self._address,
            Part.ADDRESSES: self._address,
            Part.ENDPOINT: self._endpoint,
            Part.NAME: self._name,
            Part.MEMBER: self._member,
            Part.HOST: self._name,
            Part.COMMON_NAME: scrubber.common_name,
            Part.SUBJECT: self._subject,
            Part.HEX: scrubber.hexadecimal,
            Part.SERIAL: self._serial,
            Part.VERSION: self._version,
            Part.COOKIE_NAME: self._cookies.name,
            Part.RECORD: self._record,
            Part.DETAIL: scrubber.detail,
            Part.TRACE: scrubber.trace,
        }

    # --- learning: what the report gives away, before any sentence is cleaned -----------------------------

    def learn(self) -> None:
        """Names first, since foreign text is read in their light; then whole foreign texts, for quoting."""
        for member in self._members:
            if "." not in member:
                self._scrubber.keep_label(member)
        texts = tuple(dict.fromkeys(_texts(self._report)))  # the same few texts come hundreds of times
        for part, text in texts:
            self._learn_names(part, text)
        target = self._report.target
        if target.fqdn_shown and target.fqdn_shown != target.fqdn:
            self._shown[target.fqdn_shown] = self._name(target.fqdn)
            self._scrubber.learn_alias(target.fqdn_shown, self._name(target.fqdn))
        for part, text in texts:
            self._learn_phrases(part, text)

    def _learn_names(self, part: Part, text: str) -> None:
        learn = self._scrubber
        if part in (Part.NAME, Part.HOST):
            learn.learn_name(text)
        elif part is Part.MEMBER:
            if text in self._members:
                learn.learn_name(text)
        elif part in (Part.COMMON_NAME, Part.RECORD):
            if not is_address(text) and "." in text:
                learn.learn_name(text)
            learn.learn_address(text)
        elif part in (Part.ADDRESS, Part.ADDRESSES):
            learn.learn_address(text)
        elif part is Part.HEX:
            learn.learn_hex(text)
        elif part is Part.SUBJECT:
            for value in _RDN.split(text)[::2]:
                learn.learn_foreign(value, words=True)
        elif part in (Part.FOREIGN, Part.HEADERS, Part.OPTIONS, Part.DETAIL):
            learn.learn_foreign(text)
        elif part is Part.SPEECH:
            learn.learn_foreign(text, words=True)
        elif part is Part.TRACE:
            learn.learn_users(text)

    def _learn_phrases(self, part: Part, text: str) -> None:
        rewriter = self._rewriters.get(part)
        quoted = (Part.FOREIGN, Part.SPEECH, Part.SUBJECT, Part.COMMON_NAME, Part.RECORD, Part.SERIAL)
        if rewriter is not None and part in quoted:
            self._scrubber.learn_phrase(text, rewriter(text))
        elif part is Part.COOKIE_NAME:
            self._scrubber.learn_phrase(text, self._cookies.name(text))
        elif part is Part.HEADERS:
            name, _, value = text.partition(": ")
            self._learn_header(name, value)

    def _learn_header(self, name: str, value: str) -> None:
        learn = self._scrubber.learn_phrase
        if name.lower() == "set-cookie":
            cookie, _, content = value.partition(";")[0].partition("=")
            cookie, content = cookie.strip(), content.strip()
            learn(cookie, self._cookies.name(cookie))
            learn(content, self._cookies.value(cookie, content))
            pair = f"{self._cookies.name(cookie)}={self._cookies.value(cookie, content)}"
            learn(f"{cookie}={content}", pair)
            for piece in re.split(r"[.~!|]", content)[-1:]:  # a jvmRoute, which names the member alone
                if piece != content and not piece.isdigit():
                    learn(piece, self._scrubber.token(piece))
        elif name.lower() not in ("cookie", *_NUMERIC_HEADERS):
            learn(value, self._scrubber.foreign(value))

    # --- rewriting ---------------------------------------------------------------------------------------

    def rewritten(self, value: Any) -> Any:
        """A copy of a dataclass in which each text became what the table says; the rest is as it was."""
        changes: dict[str, Any] = {}
        for name, part in _plan(type(value)):
            content = getattr(value, name)
            changed = self._field(part, content)
            if changed is not content:
                changes[name] = changed
        return replace(value, **changes) if changes else value

    def _field(self, part: Part | None, content: Any) -> Any:
        if part is Part.KEEP or content is None:
            return content
        if part is Part.DROP:
            return None
        if part is Part.HEADERS:
            return tuple(self._cached_header(name, value) for name, value in content)
        if part is Part.OPTIONS:
            return {name: self._scrubber.foreign(value) for name, value in content.items()}
        if part is Part.ARGS:
            return {name: self._scrubber.own(value) for name, value in content.items()}
        if part is Part.ADDRESSES:
            return tuple(sorted((self._address(text) for text in content), key=_by_number))
        return self._content(part, content)

    def _content(self, part: Part | None, content: Any) -> Any:
        if isinstance(content, tuple):
            return tuple(self._content(part, item) for item in content)
        if is_dataclass(content):
            return self.rewritten(content)
        if isinstance(content, str) and not isinstance(content, Enum):
            chosen = part or Part.FOREIGN  # a field that was forgotten in the table gives nothing away
            known = self._done.get((chosen, content))
            if known is None:
                known = self._done[chosen, content] = self._rewriters[chosen](content)
            return known
        return content

    def _cached_header(self, name: str, value: str) -> tuple[str, str]:
        known = self._headers.get((name, value))
        if known is None:
            known = self._headers[name, value] = self._header(name, value)
        return known

    def _header(self, name: str, value: str) -> tuple[str, str]:
        lower = name.lower()
        if lower in _NUMERIC_HEADERS:
            return name, self._scrubber.counted(value)
        if lower == "set-cookie":
            return name, self._cookies.set_cookie(value)
        if lower == "cookie":
            return name, self._cookies.cookie(value)
        return self._scrubber.foreign(name), self._scrubber.foreign(value)

    def _address(self, text: str) -> str:
        return self._scrubber.pseudonyms.address(text) if is_address(text) else self._record(text)

    def _endpoint(self, text: str) -> str:
        if is_address(text):
            return self._scrubber.pseudonyms.address(text)
        found = _ENDPOINT.fullmatch(text)
        if not found or not is_address(found.group(1)):
            return self._record(text)
        address, port = self._scrubber.pseudonyms.address(found.group(1)), found.group(2)
        shown = f"[{address}]" if text.startswith("[") else address
        return f"{shown}:{port}" if port else shown

    def _name(self, text: str) -> str:
        return self._shown.get(text) or self._scrubber.name(text)

    def _member(self, text: str) -> str:
        return self._scrubber.name(text) if text in self._members else self._scrubber.own(text)

    def _record(self, text: str) -> str:
        if is_address(text):
            return self._scrubber.pseudonyms.address(text)
        return self._scrubber.name(text) if re.fullmatch(r"[\w.*\-]+", text) else self._scrubber.foreign(text)

    def _subject(self, text: str) -> str:
        """A distinguished name: attribute types stay, values become what they would be by themselves."""
        pieces = _RDN.split(text)
        kind = ""
        for index, piece in enumerate(pieces):
            if index % 2:
                kind = piece.strip(" ,+/;=").lower()
            elif kind in _CN_TYPES:
                pieces[index] = self._scrubber.common_name(piece)
            elif piece:
                pieces[index] = self._scrubber.foreign(piece)
        return "".join(pieces)

    def _serial(self, text: str) -> str:
        bare = text.removeprefix("0x")
        if text.isdecimal():
            return self._scrubber.pseudonyms.digits(text)
        if re.fullmatch(r"[0-9a-fA-F]+", bare):
            return text[: len(text) - len(bare)] + self._scrubber.pseudonyms.hexadecimal(bare)
        return self._scrubber.foreign(text)

    def _version(self, text: str) -> str:
        return text if _VERSION.fullmatch(text) and not is_address(text) else self._scrubber.foreign(text)


def _by_number(text: str) -> tuple[int, int, str]:
    import ipaddress

    if not is_address(text):
        return 9, 0, text
    address = ipaddress.ip_address(text)
    return address.version, int(address), text


def _texts(value: Any) -> Iterable[tuple[Part, str]]:
    """Every text of a report with what it is; headers as "name: value"."""
    for name, part in _plan(type(value)):
        yield from _field_texts(part, getattr(value, name))


def _field_texts(part: Part | None, content: Any) -> Iterable[tuple[Part, str]]:
    if part is Part.HEADERS:
        for name, value in content:
            yield part, f"{name}: {value}"
    elif isinstance(content, str) and not isinstance(content, Enum):
        if part is not None:
            yield part, content
    elif isinstance(content, dict):
        for value in content.values():
            yield from _field_texts(part, value)
    elif isinstance(content, tuple):
        for item in content:
            yield from _field_texts(part, item)
    elif is_dataclass(content) and not isinstance(content, (type, datetime)):
        yield from _texts(content)

"""Redaction: a report in which names, addresses, users and subjects are stable pseudonyms.

The same original has the same pseudonym everywhere in the document, networks stay networks, suffixes and
wildcards keep matching, and addresses inside balancer cookies still decode, so that a replay gives the same
codes. What becomes of each field is said beside it in the model (`model/text.py`); a text field of which nothing
is said loses every unknown word, so a new one cannot slip through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, get_args, get_type_hints

from semscheck.model.report import Report
from semscheck.model.text import TextKind
from semscheck.redaction.cookies import CookieScrubber
from semscheck.redaction.pseudonyms import Pseudonyms
from semscheck.redaction.text import Scrubber, is_address

KEY_BYTES = 32
KEY_OPTION = "redaction_key"  # in `run.options`: tells which documents share a key, gives nothing of it away


_VERSION = re.compile(
    r"\d{1,5}(\.\d{1,5}){0,3}([ .+-]?(MP|HF|SP|RC|alpha|beta|a|b|p)\d{0,4})*( ?\(Build \d{1,8}\))?",
    re.IGNORECASE,
)
# Long numbers in these are lengths and ages (RFC 9110, 9111, 6797), not serial numbers of something.
_NUMERIC_HEADERS = frozenset(("content-length", "age", "cache-control", "strict-transport-security"))
_ENDPOINT = re.compile(r"\[?([^\]]*?)\]?(?::(\d{1,5}))?")
_RDN = re.compile(r"((?:^|[,+/;]\s*)[A-Za-z][\w.\-]*\s*=\s*)")
_CN_TYPES = ("cn", "commonname", "2.5.4.3")


def _kind(hint: Any) -> TextKind | None:
    """What a field's annotation says of the text in it; a closed list of words stays. None where it says nothing."""
    said = getattr(hint, "__metadata__", ())
    if said and isinstance(said[0], TextKind):
        return said[0]
    parts = get_args(hint)
    if parts and all(isinstance(part, str) for part in parts):
        return TextKind.KEEP  # a Literal
    return next((kind for part in parts if (kind := _kind(part)) is not None), None)


@cache
def text_kinds(owner: type) -> dict[str, TextKind | None]:
    """The fields of a class, in order, and what their texts are."""
    hints = get_type_hints(owner, include_extras=True)
    return {field.name: _kind(hints[field.name]) for field in fields(owner)}


@cache
def _plan(owner: type) -> tuple[tuple[str, TextKind | None], ...]:
    """The fields of a class that have to be looked at, in order."""
    return tuple((name, kind) for name, kind in text_kinds(owner).items() if kind is not TextKind.KEEP)


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
        self._done: dict[tuple[TextKind, str], str] = {}
        self._headers: dict[tuple[str, str], tuple[str, str]] = {}
        self._rewriters: dict[TextKind, Callable[[str], str]] = {
            TextKind.OWN: scrubber.own,
            TextKind.FOREIGN: scrubber.foreign,
            TextKind.SPEECH: scrubber.foreign,
            TextKind.ADDRESS: self._address,
            TextKind.ADDRESSES: self._address,
            TextKind.ENDPOINT: self._endpoint,
            TextKind.NAME: self._name,
            TextKind.MEMBER: self._member,
            TextKind.HOST: self._name,
            TextKind.COMMON_NAME: scrubber.common_name,
            TextKind.SUBJECT: self._subject,
            TextKind.HEX: scrubber.hexadecimal,
            TextKind.SERIAL: self._serial,
            TextKind.VERSION: self._version,
            TextKind.COOKIE_NAME: self._cookies.name,
            TextKind.RECORD: self._record,
            TextKind.DETAIL: scrubber.detail,
            TextKind.TRACE: scrubber.trace,
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

    def _learn_names(self, part: TextKind, text: str) -> None:
        learn = self._scrubber
        if part in (TextKind.NAME, TextKind.HOST):
            learn.learn_name(text)
        elif part is TextKind.MEMBER:
            if text in self._members:
                learn.learn_name(text)
        elif part in (TextKind.COMMON_NAME, TextKind.RECORD):
            if not is_address(text) and "." in text:
                learn.learn_name(text)
            learn.learn_address(text)
        elif part in (TextKind.ADDRESS, TextKind.ADDRESSES):
            learn.learn_address(text)
        elif part is TextKind.HEX:
            learn.learn_hex(text)
        elif part is TextKind.SUBJECT:
            for value in _RDN.split(text)[::2]:
                learn.learn_foreign(value, words=True)
        elif part in (TextKind.FOREIGN, TextKind.HEADERS, TextKind.OPTIONS, TextKind.DETAIL):
            learn.learn_foreign(text)
        elif part is TextKind.SPEECH:
            learn.learn_foreign(text, words=True)
        elif part is TextKind.TRACE:
            learn.learn_users(text)

    def _learn_phrases(self, part: TextKind, text: str) -> None:
        rewriter = self._rewriters.get(part)
        quoted = (
            TextKind.FOREIGN,
            TextKind.SPEECH,
            TextKind.SUBJECT,
            TextKind.COMMON_NAME,
            TextKind.RECORD,
            TextKind.SERIAL,
        )
        if rewriter is not None and part in quoted:
            self._scrubber.learn_phrase(text, rewriter(text))
        elif part is TextKind.COOKIE_NAME:
            self._scrubber.learn_phrase(text, self._cookies.name(text))
        elif part is TextKind.HEADERS:
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
        """A copy of a dataclass in which each text became what its kind says; the rest is as it was."""
        changes: dict[str, Any] = {}
        owner: type = type(value)
        for name, part in _plan(owner):
            content = getattr(value, name)
            changed = self._field(part, content)
            if changed is not content:
                changes[name] = changed
        return replace(value, **changes) if changes else value

    def _field(self, part: TextKind | None, content: Any) -> Any:
        if part is TextKind.KEEP or content is None:
            return content
        if part is TextKind.DROP:
            return None
        if part is TextKind.HEADERS:
            return tuple(self._cached_header(name, value) for name, value in content)
        if part is TextKind.OPTIONS:
            return {name: self._scrubber.foreign(value) for name, value in content.items()}
        if part is TextKind.ARGS:
            return {name: self._scrubber.own(value) for name, value in content.items()}
        if part is TextKind.ADDRESSES:
            return tuple(sorted((self._address(text) for text in content), key=_by_number))
        return self._content(part, content)

    def _content(self, part: TextKind | None, content: Any) -> Any:
        if isinstance(content, tuple):
            return tuple(self._content(part, item) for item in content)
        if is_dataclass(content):
            return self.rewritten(content)
        if isinstance(content, str) and not isinstance(content, Enum):
            chosen = part or TextKind.FOREIGN  # a field of which nothing is said gives nothing away
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


def _texts(value: Any) -> Iterable[tuple[TextKind, str]]:
    """Every text of a report with what it is; headers as "name: value"."""
    owner: type = type(value)
    for name, part in _plan(owner):
        yield from _field_texts(part, getattr(value, name))


def _field_texts(part: TextKind | None, content: Any) -> Iterable[tuple[TextKind, str]]:
    if part is TextKind.HEADERS:
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

"""Cookies as a browser keeps them, as far as it matters here (RFC 6265): name, value, path, domain, end of life.

Values are kept exactly as they came: they are what is compared, decoded and shown to members.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from semscheck.model.names import is_address

MAX_COOKIES = 50
MAX_VALUE = 4096
_MAX_AGE = re.compile(r"-?[0-9]+")  # RFC 6265 section 5.2.2; anything else is as if it were not there
_MAX_AGE_OVER = re.compile(r"-[0-9]+|0+")  # zero or less ends it at once

# RFC 6265 section 5.1.1: a date is read token by token, whatever the order and the words between.
_DATE_DELIMITER = re.compile(r"[\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[^0-9].*)?", re.DOTALL)
_DAY = re.compile(r"([0-9]{1,2})(?:[^0-9].*)?", re.DOTALL)
_YEAR = re.compile(r"([0-9]{2,4})(?:[^0-9].*)?", re.DOTALL)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FIRST_YEAR = 1601


@dataclass(frozen=True, slots=True)
class Cookie:
    """dead: its end has come when it is set, so that the server takes it back. domain: as given, in lower case and
    without a leading dot; empty where none was, so that it is for the host alone that set it."""

    name: str
    value: str
    path: str = "/"
    dead: bool = False
    domain: str = ""


def set_by(headers: Iterable[tuple[str, str]], now: datetime) -> tuple[Cookie, ...]:
    """The cookies that an answer's Set-Cookie headers set at `now` (UTC), in order; malformed ones are left out.

    Those for other hosts are among them: they say who answered as well as any other. A `Jar` leaves them out.
    """
    found: list[Cookie] = []
    for header in _set_cookie(headers):
        cookie = _parse(header, now)
        if cookie is not None and len(found) < MAX_COOKIES:
            found.append(cookie)
    return tuple(found)


def pairs_set(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Name and value of what an answer's Set-Cookie headers set, or take back."""
    pairs = (_pair(header.partition(";")[0]) for header in _set_cookie(headers))
    return tuple(pair for pair in pairs if pair is not None)


def _set_cookie(headers: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (value for name, value in headers if name.lower() == "set-cookie")


def _pair(first: str) -> tuple[str, str] | None:
    name, equals, value = first.partition("=")
    name, value = name.strip(), value.strip()
    return (name, value) if equals and name and len(value) <= MAX_VALUE else None


def _parse(header: str, now: datetime) -> Cookie | None:
    """RFC 6265 section 5.2: of each attribute the last one that can be read counts, and Max-Age before Expires."""
    first, *attributes = header.split(";")
    pair = _pair(first)
    if pair is None:
        return None
    path, domain = "/", ""
    over: bool | None = None
    ends: datetime | None = None
    for attribute in attributes:
        key, _, setting = attribute.partition("=")
        setting = setting.strip()
        match key.strip().lower():
            case "path" if setting.startswith("/"):
                path = setting
            case "max-age" if _MAX_AGE.fullmatch(setting):
                over = _MAX_AGE_OVER.fullmatch(setting) is not None
            case "expires":
                ends = _date(setting) or ends
            case "domain" if setting:
                domain = setting.removeprefix(".").lower()
            case _:
                pass
    dead = over if over is not None else ends is not None and ends <= now
    return Cookie(*pair, path, dead, domain)


def _date(text: str) -> datetime | None:
    """RFC 6265 section 5.1.1. None for what is no date; the attribute is then as if it were not there."""
    time: tuple[int, int, int] | None = None
    day = month = year = None
    for token in _DATE_DELIMITER.split(text):
        if time is None and (found := _TIME.fullmatch(token)):
            time = int(found[1]), int(found[2]), int(found[3])
        elif day is None and (found := _DAY.fullmatch(token)):
            day = int(found[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (found := _YEAR.fullmatch(token)):
            year = int(found[1])
    if time is None or day is None or month is None or year is None:
        return None
    year += 1900 if 70 <= year <= 99 else 2000 if year < 70 else 0
    try:
        return datetime(year, month, day, *time, tzinfo=UTC) if year >= _FIRST_YEAR else None
    except ValueError:
        return None


class Jar:
    """What one browser holds for one host. host: the name that it asks for, without a port."""

    def __init__(self, host: str = "", cookies: Iterable[Cookie] = ()) -> None:
        self._host = host.lower().rstrip(".")
        self._cookies: dict[tuple[str, str, str], Cookie] = {}
        self.keep(cookies)

    def keep(self, cookies: Iterable[Cookie]) -> None:
        for cookie in cookies:
            if not _is_for(cookie.domain, self._host):
                continue
            # RFC 6265 section 5.3 step 11; a domain that is the host's own name reaches no further from here.
            key = (cookie.name, cookie.domain, cookie.path)
            if cookie.dead:
                self._cookies.pop(key, None)
            elif key in self._cookies or len(self._cookies) < MAX_COOKIES:
                self._cookies[key] = cookie

    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cookie.name for cookie in self._cookies.values()))

    def sent(self, path: str) -> tuple[str, ...]:
        """The names of what goes with a request to `path`."""
        return tuple(dict.fromkeys(cookie.name for cookie in self._for(path)))

    def header(self, path: str) -> str:
        """The Cookie header for a request to `path`; empty where nothing applies (RFC 6265 section 5.4)."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._for(path))

    def _for(self, path: str) -> list[Cookie]:
        """Longer paths first, then as they came."""
        found = [cookie for cookie in self._cookies.values() if _matches(path, cookie.path)]
        return sorted(found, key=lambda cookie: -len(cookie.path))


def _matches(path: str, cookie_path: str) -> bool:
    """RFC 6265 section 5.1.4: the same, or below it."""
    path = path.partition("?")[0]
    return path == cookie_path or path.startswith(cookie_path.rstrip("/") + "/")


def _is_for(domain: str, host: str) -> bool:
    """RFC 6265 section 5.3 steps 4 to 6, and domain-match in 5.1.3: the host itself, or a domain that it lies in.

    Of the public suffixes only the rule for names that no list has is known here: one label alone is one
    (publicsuffix.org, "if no rules match, the prevailing rule is *").
    """
    if not domain or domain == host:
        return True
    return "." in domain and host.endswith("." + domain) and not is_address(host)

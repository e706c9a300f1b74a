"""Cookies as a browser keeps them, in the little that is needed here (RFC 6265): name, value, path, end of life.

Values are kept exactly as they came: they are what is compared, decoded and shown to members.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_COOKIES = 50
MAX_VALUE = 4096
_MAX_AGE_OVER = re.compile(r"-[0-9]+|0+")  # RFC 6265 section 5.2.2: zero or less ends it at once


@dataclass(frozen=True, slots=True)
class Cookie:
    name: str
    value: str
    path: str = "/"
    dead: bool = False  # Max-Age of 0 or less: the server takes it back


def set_by(headers: Iterable[tuple[str, str]]) -> tuple[Cookie, ...]:
    """The cookies that an answer's Set-Cookie headers set, in order; malformed ones are left out."""
    found: list[Cookie] = []
    for name, value in headers:
        if name.lower() != "set-cookie":
            continue
        cookie = _parse(value)
        if cookie is not None and len(found) < MAX_COOKIES:
            found.append(cookie)
    return tuple(found)


def _parse(header: str) -> Cookie | None:
    first, *attributes = header.split(";")
    name, equals, value = first.partition("=")
    name, value = name.strip(), value.strip()
    if not equals or not name or len(value) > MAX_VALUE:
        return None
    path, dead = "/", False
    for attribute in attributes:
        key, _, setting = attribute.partition("=")
        match key.strip().lower():
            case "path" if setting.strip().startswith("/"):
                path = setting.strip()
            case "max-age":
                dead = _MAX_AGE_OVER.fullmatch(setting.strip()) is not None
            case _:
                pass
    return Cookie(name, value, path, dead)


class Jar:
    """What one browser holds for one host."""

    def __init__(self, cookies: Iterable[Cookie] = ()) -> None:
        self._cookies: dict[str, Cookie] = {}
        self.keep(cookies)

    def keep(self, cookies: Iterable[Cookie]) -> None:
        for cookie in cookies:
            if cookie.dead:
                self._cookies.pop(cookie.name, None)
            elif cookie.name in self._cookies or len(self._cookies) < MAX_COOKIES:
                self._cookies[cookie.name] = cookie

    def names(self) -> tuple[str, ...]:
        return tuple(self._cookies)

    def header(self, path: str) -> str:
        """The Cookie header for a request to `path`; empty where nothing applies (RFC 6265 section 5.4)."""
        return "; ".join(
            f"{cookie.name}={cookie.value}"
            for cookie in self._cookies.values()
            if _matches(path, cookie.path)
        )


def _matches(path: str, cookie_path: str) -> bool:
    """RFC 6265 section 5.1.4: the same, or below it."""
    return path == cookie_path or path.startswith(cookie_path.rstrip("/") + "/")

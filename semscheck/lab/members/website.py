"""The web application of one member: pages that are the same on all members, sessions that are its own.

Titles, paths and shapes of the answers: docs/domain.md section 3.2 (nuclei, recog and nmap).
"""

from __future__ import annotations

import random
import re
from collections import OrderedDict
from email.utils import formatdate

from semscheck.lab.members import http
from semscheck.lab.world import Behaviour, Root, Web

LOGIN_PATH = "/b/l.e"
_TITLE = "Symantec Encryption Server"
_LOGIN_FORM = (
    '<form method="post" action="/b/l.e">'
    '<input name="username"><input name="password" type="password"></form>'
)
_HOST = re.compile(r"(?P<name>[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\])(?P<port>:[0-9]{1,5})?")
_PAGES_THAT_START_A_SESSION = (LOGIN_PATH,)
_LAST_MODIFIED = "Tue, 06 May 2025 09:12:44 GMT"
_STYLE = b"body { font-family: sans-serif }\n"


class Sessions:
    """Server-side sessions: known ids only, the oldest dropped when there are too many."""

    def __init__(self, randomness: random.Random, limit: int) -> None:
        self._randomness = randomness
        self._limit = limit
        self._known: OrderedDict[str, None] = OrderedDict()

    def recognises(self, value: str) -> bool:
        """Whether this id was given out here and is still known."""
        if value not in self._known:
            return False
        self._known.move_to_end(value)
        return True

    def start(self, route: str | None) -> str:
        """Return a new id in Tomcat's form: 32 hexadecimal digits, with the route after a dot."""
        value = f"{self._randomness.getrandbits(128):032X}" + (f".{route}" if route else "")
        self._known[value] = None
        while len(self._known) > self._limit:
            self._known.popitem(last=False)
        return value


class Website:
    """Answers requests as one member's web server would."""

    def __init__(self, web: Web, fqdn: str, member_name: str, sessions: Sessions) -> None:
        self.web = web
        self._fqdn = fqdn
        self._member_name = member_name
        self._sessions = sessions

    def answer(self, request: http.Message, behaviour: Behaviour, now: float) -> bytes:
        """Return the response to a request, as bytes for the wire. `now`: seconds since the epoch."""
        method, target, _ = request.start
        head_only = method == "HEAD"
        status, fields, body = self._choose(request, method, target.partition("?")[0], behaviour)
        return http.response(status, self._with_usual(fields, request, now), body, head_only=head_only)

    def _choose(
        self, request: http.Message, method: str, path: str, behaviour: Behaviour
    ) -> tuple[int, http.Fields, bytes]:
        match behaviour:
            case Behaviour.ERROR_PAGE:
                return 200, (), _page("Error", "The server encountered an internal error. Try again later.")
            case Behaviour.UNAVAILABLE:
                return 503, (), _page("503 Service Unavailable", "The service is not available.")
            case Behaviour.BAD_GATEWAY:
                return 502, (), _page("502 Bad Gateway", "The application did not answer.")
            case Behaviour.OTHER_PRODUCT:
                return 200, (), _page("Welcome to nginx!", "If you see this page, the web server works.")
            case _:
                return self._page(request, method, path)

    def _page(self, request: http.Message, method: str, path: str) -> tuple[int, http.Fields, bytes]:
        if path == "/pgpuniversaldesktop":  # the desktop client's SOAP address takes POST only
            return 405, (("Allow", "POST"),), _page(f"{_TITLE} - Error", "Method not allowed.")
        if method not in ("GET", "HEAD", "POST"):
            return 405, (("Allow", "GET, HEAD, POST"),), _page(f"{_TITLE} - Error", "Method not allowed.")
        if path == "/" and self.web.root is Root.REDIRECT:
            return 302, (("Location", f"https://{self._own_host(request)}{LOGIN_PATH}"),), b""
        if path == "/" and self.web.root is Root.OLD_NOT_FOUND:
            return 200, (), _page("PGP Universal - Page Not Found", "The page was not found.")
        if path in ("/", *_PAGES_THAT_START_A_SESSION):
            body = _page(f"{_TITLE}: Web Email Protection - Login", _LOGIN_FORM)
            return 200, self._session_fields(request), body
        if path == "/b/style.css":
            return 200, (("ETag", self.web.etag), ("Last-Modified", _LAST_MODIFIED)), _STYLE
        return 404, (), _page(f"{_TITLE} - Page Not Found", "The page was not found.")

    def _own_host(self, request: http.Message) -> str:
        """Return how a redirect names this server: as the client did (Apache's default), or the member."""
        asked = _HOST.fullmatch(request.field("Host") or "")
        name = asked["name"] if asked else self._fqdn
        port = (asked["port"] or "") if asked else ""
        return (self._member_name if self.web.own_name_in_location else name) + port

    def _session_fields(self, request: http.Message) -> http.Fields:
        name = self.web.cookie
        if name is None:
            return ()
        if any(key == name and self._sessions.recognises(value) for key, value in request.cookies()):
            return ()
        value = self._sessions.start(self.web.route)
        return (("Set-Cookie", f"{name}={value}; Path=/; Secure; HttpOnly"),)

    def _with_usual(self, fields: http.Fields, request: http.Message, now: float) -> http.Fields:
        before: list[tuple[str, str]] = []
        if self.web.date:
            before.append(("Date", formatdate(now + self.web.date_skew_s, usegmt=True)))
        if self.web.server_header is not None:
            before.append(("Server", self.web.server_header))
        before.append(("X-Frame-Options", "SAMEORIGIN"))
        if not any(name == "ETag" for name, _ in fields):
            before.append(("Content-Type", "text/html;charset=UTF-8"))
        after = (("Connection", "Keep-Alive" if request.keeps_alive else "close"),)
        ordered = (*before, *fields, *after)
        return tuple(reversed(ordered)) if self.web.other_header_order else ordered


def _page(title: str, body: str) -> bytes:
    return (
        f"<!DOCTYPE html>\n<HTML><HEAD><TITLE>{title}</TITLE>"
        f'<link rel="stylesheet" href="/b/style.css"></HEAD>\n<BODY>{body}</BODY></HTML>\n'
    ).encode()

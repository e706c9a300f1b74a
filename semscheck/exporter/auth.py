"""What stands before the routes, as the web configuration says: who may come in, and headers for every answer."""

from __future__ import annotations

from typing import Any

from semscheck.exporter.app import Answer, App, Receive, Request, Scope, Send, respond
from semscheck.exporter.metrics import OwnMetrics
from semscheck.exporter.passwords import BusyError, Passwords
from semscheck.exporter.web_config import WebConfig

_UNAUTHORIZED = Answer(
    401,
    b"a user name and its password are needed\n",
    headers=(("WWW-Authenticate", 'Basic realm="semscheck"'),),
)
_BUSY = Answer(503, b"too many passwords are being tried\n", headers=(("Retry-After", "10"),))


class Gate:
    """An ASGI application in front of `App`; `admit` replaces what it asks for."""

    def __init__(self, app: App, metrics: OwnMetrics, web: WebConfig) -> None:
        self._app = app
        self._metrics = metrics
        self.admit(web)

    def admit(self, web: WebConfig) -> None:
        """Ask for these users from now on."""
        self._passwords = Passwords(web.users)
        self._headers = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in web.headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._turned_away(scope)
        sender = self._with_headers(send) if self._headers else send
        if answer is None:
            await self._app(scope, receive, sender)
            return
        self._metrics.requests.labels("gate", answer.status).inc()
        await respond(sender, Request(scope["method"], scope["path"], b""), answer)

    async def _turned_away(self, scope: Scope) -> Answer | None:
        if not self._passwords.wanted:
            return None
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        try:
            allowed = len(given) == 1 and await self._passwords.allow(given[0])
        except BusyError:
            return _BUSY
        return None if allowed else _UNAUTHORIZED

    def _with_headers(self, send: Send) -> Send:
        names = {name for name, _ in self._headers}

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = [header for header in message["headers"] if header[0] not in names]
                message = {**message, "headers": [*own, *self._headers]}
            await send(message)

        return sending

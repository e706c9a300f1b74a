"""Tokens that only their issuer recognises: taking one, showing it, and the controls that give it a meaning.

The idea: a server that gave a TLS session (or an HTTP session cookie) recognises it later; any other server does
not, unless they share keys or state. Shown to each member directly, a token names the member that issued it.
Nothing here judges trust, and a member that cannot be reached has simply not recognised anything.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.observations import Control, Handshake
from semscheck.net.concurrency import gather_or_cancel
from semscheck.net.connection_limit import dial
from semscheck.net.cookies import Cookie, pairs_set, set_by
from semscheck.net.errors import failure_from
from semscheck.net.tls import Tls
from semscheck.net.tls_contexts import seeing
from semscheck.probes.endpoint import Destination, ProbeContext

if TYPE_CHECKING:
    from semscheck.net.http import Answer, Conversation

TICKET_WAIT_S = 0.05  # a ticket follows the handshake by one round trip; this is the least waited for it
TICKET_WAIT_MOST_S = 1.0
# Times that a member is shown its own session; of two processes that share none, all know it in 1/8
OWN_SHOWN = 3
STORED_AFTER_S = 0.03  # a server may need a moment before it knows a session that it has just given
ATTEMPTS = 2  # a control that fails for a network's reason is tried once more


@dataclass(frozen=True, slots=True)
class MemberEndpoint:
    """A known member's client interface, where tokens can be shown to it. found: by the check itself, so that
    there may well be others."""

    name: str
    destination: Destination
    found: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection that got through TLS, or the failure. connect_s, handshake_s: None for steps not reached.

    local: this desktop's address and port, None where nothing was connected.
    """

    tls: Tls | None
    connect_s: float | None = None
    handshake_s: float | None = None
    failure: Failure | None = None
    local: tuple[str, int] | None = None


class Sessions:
    """The contexts that sessions are taken and offered with: one per newest TLS version, never judging trust.

    Python offers a session only with the context that it was taken with, so FQDN and members share them.
    """

    def __init__(self) -> None:
        self._contexts: dict[str | None, ssl.SSLContext] = {}

    def context(self, newest: str | None) -> ssl.SSLContext:
        """newest: "TLSv1.2" to offer nothing newer; None for all that this Python speaks."""
        if newest not in self._contexts:
            limit = ssl.TLSVersion.TLSv1_2 if newest == "TLSv1.2" else ssl.TLSVersion.MAXIMUM_SUPPORTED
            self._contexts[newest] = seeing(limit)
        return self._contexts[newest]


async def open_tls(
    probe: ProbeContext,
    destination: Destination,
    context: ssl.SSLContext,
    *,
    session: ssl.SSLSession | None = None,
    source_address: str | None = None,
) -> Opened:
    """Connect and shake hands, offering `session` where one is given. Network trouble is in `failure`."""
    dialled = await dial(probe, destination.address, destination.port, source_address=source_address)
    if dialled.stream is None:
        return Opened(None, failure=dialled.failure)
    connected = probe.record.now()
    local = (dialled.stream.local_address, dialled.stream.local_port)
    tls = Tls(dialled.stream, context, destination.server_name, session=session)
    try:
        async with probe.patience.step(destination.address, Phase.TLS, probe.timeout_s):
            await tls.handshake()
    except (OSError, EOFError, ValueError, TimeoutError) as error:
        tls.close()
        return Opened(None, dialled.took_s, failure=tls.failure_from(error), local=local)
    except BaseException:
        tls.close()
        raise
    return Opened(tls, dialled.took_s, probe.record.now() - connected, local=local)


async def receive_ticket(opened: Opened) -> bool:
    """Whether a session came that can be offered another time, waiting for it as long as is due."""
    wait_s = ticket_wait_s(opened.connect_s, opened.handshake_s)
    return opened.tls is not None and await opened.tls.receive_ticket(wait_s)


async def ask_for_key(
    probe: ProbeContext, door: MemberEndpoint, context: ssl.SSLContext, page: str | None
) -> Handshake | None:
    """A handshake with a member for the key of its ticket, as an observation; None where it failed, of which others
    tell. page: where tickets come with the first answer."""
    began = probe.record.now()
    opened = await open_tls(probe, door.destination, context)
    if opened.tls is None:
        return None
    try:
        if not await receive_ticket(opened) and page is not None:
            await ask(probe, door.destination, opened.tls, page)
        chain = opened.tls.chain
        return probe.record.add(
            Handshake,
            began,
            elapsed_s=opened.handshake_s,
            address=door.destination.address,
            port=door.destination.port,
            sni=door.destination.server_name,
            policy="unverified",
            version=opened.tls.version,
            cipher=opened.tls.cipher,
            key_exchange=opened.tls.watch.key_exchange,
            alpn=opened.tls.alpn,
            chain=probe.record_chain(probe.record, chain, began) if chain else (),
            client_certificate_requested=opened.tls.watch.certificate_requested,
            ticket=opened.tls.ticket,
        )
    finally:
        opened.tls.close()


def ticket_wait_s(connect_s: float | None, handshake_s: float | None = None) -> float:
    """How long to wait for a ticket: three round trips as connecting took them, or three times the handshake, since a
    server that is busy is so for the ticket too; within fixed bounds."""
    steps = 3 * max(connect_s or 0.0, handshake_s or 0.0) + 0.02
    return min(TICKET_WAIT_MOST_S, max(TICKET_WAIT_S, steps))


async def show_session(
    probe: ProbeContext,
    destination: Destination,
    context: ssl.SSLContext,
    session: ssl.SSLSession,
) -> tuple[bool | None, Failure | None]:
    """Offer a session: True resumed, False refused (a full handshake), None with the failure if neither."""
    opened = await open_tls(probe, destination, context, session=session)
    if opened.tls is None:
        return None, opened.failure
    recognised = opened.tls.resumed
    opened.tls.close()
    return recognised, None


async def show_cookie(
    probe: ProbeContext,
    destination: Destination,
    context: ssl.SSLContext,
    path: str,
    cookie: Cookie,
) -> tuple[bool | None, Failure | None]:
    """Send one cookie: whether it is known, see `recognised`."""
    opened = await open_tls(probe, destination, context)
    if opened.tls is None:
        return None, opened.failure
    try:
        answer, trouble = await ask(probe, destination, opened.tls, path, f"{cookie.name}={cookie.value}")
    finally:
        opened.tls.close()
    if answer is None:
        return None, trouble
    return recognised(answer, cookie), None


def recognised(answer: Answer, cookie: Cookie) -> bool | None:
    """Whether a session cookie that was sent is known: not set anew, but for the same value whose time is extended.
    None where the answer is an error of the balancer or the server (5xx), which says nothing of the session."""
    if answer.status >= 500:
        return None
    return all(value == cookie.value for name, value in pairs_set(answer.headers) if name == cookie.name)


async def ask(
    probe: ProbeContext,
    destination: Destination,
    tls: Tls,
    path: str,
    cookie: str | None = None,
) -> tuple[Answer | None, Failure | None]:
    """One GET on a connection of its own."""
    from semscheck.net.http import Conversation

    talk = Conversation(tls, destination.host, destination.port, probe.agent)
    return await ask_again(probe, destination, talk, path, cookie)


async def ask_again(
    probe: ProbeContext,
    destination: Destination,
    talk: Conversation,
    path: str,
    cookie: str | None = None,
) -> tuple[Answer | None, Failure | None]:
    """One GET on a conversation that goes on."""
    try:
        async with probe.patience.step(destination.address, Phase.HTTP, probe.timeout_s):
            return await talk.get(path, cookie), None
    except (OSError, EOFError, ValueError, TimeoutError) as error:
        return None, failure_from(Phase.HTTP, error)


# --- controls ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taken:
    """A member's own token, fresh from it."""

    door: MemberEndpoint
    session: ssl.SSLSession | None = None
    version: str | None = None
    unused: bool = True
    cookies: tuple[Cookie, ...] = ()


async def session_controls(
    probe: ProbeContext,
    doors: Iterable[MemberEndpoint],
    context: ssl.SSLContext,
    newest: str | None,
    later: Callable[[Coroutine[Any, Any, None]], object] | None = None,
) -> tuple[Control, ...]:
    """Each member's session shown to itself, then to the others: does recognition name the issuer?

    One direction of each pair is enough, since sharing keys or a cache is mutual. A member of several processes that
    share nothing knows its own only where the same one answers, so that once is not enough. later: starts what need
    not be waited for: each member's own shown to itself again, observed like the others.
    """
    doors = tuple(doors)
    own = await gather_or_cancel(_own_session(probe, door, context, newest) for door in doors)
    controls = [control for control, _ in own]
    ready = [taken for _, taken in own if taken.session is not None]
    pairs = [(one, other.door) for at, one in enumerate(ready) for other in ready[at + 1 :]]
    shown = await gather_or_cancel(_foreign_session(probe, taken, door, context) for taken, door in pairs)
    shared = {control.issuer for control in shown if control.recognised}
    if later is not None:
        later(_own_again(probe, [one for one in ready if one.door.name not in shared], context))
    return (*controls, *shown)


async def _own_again(probe: ProbeContext, own: Iterable[Taken], context: ssl.SSLContext) -> None:
    async def one(taken: Taken) -> None:
        for _ in range(OWN_SHOWN - 1):
            if taken.session is None or not taken.unused:
                return
            began = probe.record.now()
            opened = await open_tls(probe, taken.door.destination, context, session=taken.session)
            if opened.tls is None:
                return
            seen = opened.tls.resumed
            taken = await _renewed(probe, taken, opened)
            _write_down_session(probe, began, taken, taken.door, seen, None)
            if not seen:
                return

    await gather_or_cancel(one(taken) for taken in own)


async def _renewed(probe: ProbeContext, taken: Taken, opened: Opened) -> Taken:
    """The session to show next, and closes the connection. Some servers take a ticket of TLS 1.3 only once (RFC 8446
    section 8.1), so that one that was used and not followed by another says nothing any more."""
    assert opened.tls is not None
    newer = opened.tls.session if await receive_ticket(opened) else None
    unused = newer is not None or opened.tls.version != "TLSv1.3"
    opened.tls.close()
    await probe.backend.clock.sleep(STORED_AFTER_S)
    return replace(taken, session=newer or taken.session, unused=unused)


def _write_down_session(
    probe: ProbeContext,
    began: float,
    taken: Taken,
    door: MemberEndpoint,
    seen: bool | None,
    trouble: Failure | None,
) -> Control:
    return probe.record.add(
        Control,
        began,
        token="tls",
        version=taken.version,
        issuer=taken.door.name,
        issuer_address=taken.door.destination.address,
        shown_to=door.name,
        address=door.destination.address,
        port=door.destination.port,
        recognised=seen,
        failure=trouble,
    )


async def _own_session(
    probe: ProbeContext, door: MemberEndpoint, context: ssl.SSLContext, newest: str | None
) -> tuple[Control, Taken]:
    began = probe.record.now()
    seen: bool | None = None
    trouble: Failure | None = None
    taken = Taken(door, version=newest)
    for _ in range(ATTEMPTS):
        first = await open_tls(probe, door.destination, context)
        if first.tls is None:
            trouble = first.failure
            if is_silence(trouble):
                break
            continue
        taken = await _renewed(probe, replace(taken, version=first.tls.version), first)
        if taken.session is None:
            seen, trouble = False, None
            break
        again = await open_tls(probe, door.destination, context, session=taken.session)
        if again.tls is None:
            trouble = again.failure
            if is_silence(trouble):
                break
            continue
        seen, trouble = again.tls.resumed, None
        taken = await _renewed(probe, taken, again)
        break
    control = _write_down_session(probe, began, taken, door, seen, trouble)
    return control, taken if seen else replace(taken, session=None)


def refuses_older(usual: Iterable[Control], older: Iterable[Control]) -> bool:
    """Whether a member that answers does not in the older version of TLS alone. usual, older: its own controls with
    all versions on offer, and with the older one."""
    answers = {c.issuer for c in usual if c.issuer == c.shown_to and c.recognised is not None}
    refused = (c for c in older if c.issuer == c.shown_to and c.recognised is None and c.issuer in answers)
    return any(
        c.failure is not None and c.failure.phase is Phase.TLS and not is_silence(c.failure) for c in refused
    )


def is_silence(trouble: Failure | None) -> bool:
    """A server that does not answer is not waited for twice."""
    return trouble is not None and trouble.cause in (Cause.TIMED_OUT, Cause.STALLED)


async def _foreign_session(
    probe: ProbeContext, taken: Taken, door: MemberEndpoint, context: ssl.SSLContext
) -> Control:
    began = probe.record.now()
    assert taken.session is not None
    seen, trouble = None, None
    for _ in range(ATTEMPTS):
        seen, trouble = await show_session(probe, door.destination, context, taken.session)
        if seen is not None or is_silence(trouble):
            break
    return _write_down_session(probe, began, taken, door, seen, trouble)


async def cookie_controls(
    probe: ProbeContext, doors: Iterable[MemberEndpoint], context: ssl.SSLContext, path: str
) -> tuple[Control, ...]:
    """The same with HTTP session cookies: each member's own, shown to itself and then to the others."""
    doors = tuple(doors)
    own = await gather_or_cancel(_own_cookies(probe, door, context, path) for door in doors)
    controls = [control for made, _ in own for control in made]
    ready = [taken for _, taken in own if taken.cookies]
    pairs = [
        (one.door, cookie, other.door)
        for at, one in enumerate(ready)
        for cookie in one.cookies
        for other in ready[at + 1 :]
    ]
    shown = await gather_or_cancel(
        _show_cookie_control(probe, issuer, cookie, door, context, path) for issuer, cookie, door in pairs
    )
    return (*controls, *shown)


MAX_SESSION_COOKIES = 3


async def _own_cookies(
    probe: ProbeContext, door: MemberEndpoint, context: ssl.SSLContext, path: str
) -> tuple[tuple[Control, ...], Taken]:
    opened = await open_tls(probe, door.destination, context)
    if opened.tls is None:
        return (), Taken(door)
    try:
        answer, _ = await ask(probe, door.destination, opened.tls, path)
    finally:
        opened.tls.close()
    set_now = set_by(answer.headers, probe.backend.clock.utc()) if answer is not None else ()
    given = tuple(cookie for cookie in set_now if not cookie.dead)[:MAX_SESSION_COOKIES]
    made = [await _show_cookie_control(probe, door, cookie, door, context, path) for cookie in given]
    known = tuple(cookie for cookie, control in zip(given, made, strict=True) if control.recognised)
    return tuple(made), Taken(door, cookies=known)


async def _show_cookie_control(
    probe: ProbeContext,
    issuer: MemberEndpoint,
    cookie: Cookie,
    door: MemberEndpoint,
    context: ssl.SSLContext,
    path: str,
) -> Control:
    began = probe.record.now()
    seen, trouble = None, None
    for _ in range(ATTEMPTS):
        seen, trouble = await show_cookie(probe, door.destination, context, path, cookie)
        if seen is not None or is_silence(trouble):
            break
    return probe.record.add(
        Control,
        began,
        token="cookie",
        name=cookie.name,
        issuer=issuer.name,
        issuer_address=issuer.destination.address,
        shown_to=door.name,
        address=door.destination.address,
        port=door.destination.port,
        recognised=seen,
        failure=trouble,
    )

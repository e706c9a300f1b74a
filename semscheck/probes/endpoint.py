"""One address and port, looked at as a client would use it: connect, TLS, one HTTP exchange; each step timed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from semscheck.model.failure import NO_SECURE_RENEGOTIATION, Cause, Failure, Phase
from semscheck.model.names import is_address
from semscheck.model.observations import Connection, Exchange, Handshake, Trust
from semscheck.net.backend import NetworkBackend, Stream
from semscheck.net.concurrency import gather_or_cancel
from semscheck.net.connection_limit import ConnectionLimiter, Patience, dial
from semscheck.net.der import key_kind, must_staple
from semscheck.net.errors import failure_from
from semscheck.net.staple import is_stapled
from semscheck.net.tls import Tls, Watch
from semscheck.net.tls_contexts import Contexts, offering
from semscheck.probes.recorder import Recorder
from semscheck.sampling.rate_limit import RateLimit

if TYPE_CHECKING:
    from semscheck.net.http import Conversation

LOGIN_PATH = "/b/l.e"  # Web Email Protection's login page, in every version that sources name
RETRY_PAUSES_S = (0.02, 0.1)
# Without an answer to the first TLS message, after which a client's address is asked once more
SILENT_S = 1.0
SILENT_TRIES = 3
OLDER = ("TLSv1.1", "TLSv1.2")
STAPLE = "TLSv1.2 with status_request"
STAPLE_PAUSES_S = (0.0, 1.0)
LADDER = ("TLSv1.2", "no-alpn", "no-name", "small", "RSA")
_WORTH_ANOTHER = frozenset({Cause.LOCAL_POLICY, Cause.ALERT, Cause.UNTRUSTED})
_UNEXPLAINED = frozenset({Cause.ALERT, Cause.CLOSED, Cause.RESET, Cause.STALLED, Cause.MALFORMED})
_REDIRECTS = (301, 302, 303, 307, 308)

ChainRecorder = Callable[[Recorder, Sequence[bytes], float], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Destination:
    """What to look at. host: the name for SNI and for HTTP. web: whether an HTTP exchange is wanted.

    fallback: where the port was not given for Interface 1, so that 444 is tried if nothing is there.
    """

    address: str
    port: int
    host: str
    web: bool = True
    fallback: bool = False

    @property
    def server_name(self) -> str | None:
        """SNI carries no IP addresses (RFC 6066 section 3)."""
        return None if is_address(self.host) else self.host


@dataclass(frozen=True, slots=True)
class ProbeContext:
    """What probes of one run share. agent: the User-Agent header; record_chain: parses and keeps chains."""

    backend: NetworkBackend
    record: Recorder
    contexts: Contexts
    timeout_s: float
    agent: str
    record_chain: ChainRecorder
    places: ConnectionLimiter = field(default_factory=ConnectionLimiter)
    patience: Patience = field(default_factory=Patience)
    haste: RateLimit = field(default_factory=RateLimit)
    laddered: set[tuple[str, int]] = field(
        default_factory=set
    )  # addresses that were shown other ClientHellos


@dataclass(frozen=True, slots=True)
class EndpointResult:
    """What came of a look, for those who go on from here. version: as negotiated. exchanges: that were made.

    leaf: the server's certificate, DER.
    """

    destination: Destination
    connected: bool = False
    version: str | None = None
    connect_s: float | None = None
    handshake_s: float | None = None
    exchanges: tuple[Exchange, ...] = ()
    leaf: bytes | None = None


async def connect(probe: ProbeContext, destination: Destination) -> tuple[Connection, Stream | None]:
    """A TCP connection and its observation. The stream is None where it failed."""
    dialled = await dial(probe, destination.address, destination.port)
    seen = probe.record.add(
        Connection,
        dialled.began_s,
        elapsed_s=dialled.took_s,
        address=destination.address,
        port=destination.port,
        local_address=dialled.stream.local_address if dialled.stream is not None else None,
        local_port=dialled.stream.local_port if dialled.stream is not None else None,
        failure=dialled.failure,
    )
    return seen, dialled.stream


async def handshake(
    probe: ProbeContext,
    destination: Destination,
    stream: Stream,
    policy: str,
    *,
    send_name: bool = True,
    context: ssl.SSLContext | None = None,
    offered: str | None = None,
    hurried: bool = False,
) -> tuple[Handshake, Tls | None]:
    """A handshake on a connection that was made, and its observation. The connection is None where it failed.

    context, offered: for a probe of one protocol version; else the policy's own.
    """
    watch = Watch()
    name = destination.server_name if send_name else None
    began = probe.record.now()
    trouble: Failure | None = None
    error: BaseException | None = None
    tls: Tls | None = None
    try:
        chosen = probe.contexts.get(policy) if context is None else context
        tls = Tls(stream, chosen, name, watch=watch)
        began = probe.record.now()
        async with probe.patience.step(destination.address, Phase.TLS, probe.timeout_s, hurried):
            await tls.handshake()
    except (OSError, EOFError, ValueError, TimeoutError) as caught:
        if tls is None:
            stream.close()
            raise
        error, trouble = caught, tls.failure_from(caught)
    except BaseException:
        stream.close()
        raise
    took = probe.record.now() - began
    chain = tls.chain
    fingerprints = probe.record_chain(probe.record, chain, began) if chain else ()
    seen = probe.record.add(
        Handshake,
        began,
        elapsed_s=took,
        address=destination.address,
        port=destination.port,
        sni=name,
        policy=policy,
        offered=offered,
        version=tls.version,
        cipher=tls.cipher,
        key_exchange=watch.key_exchange,
        alpn=tls.alpn if trouble is None else None,
        chain=fingerprints,
        trust=_trust(probe, tls, error, trouble, began) if policy in ("default", "forgiving") else None,
        client_certificate_requested=_asked(watch, trouble),
        ticket=tls.ticket if trouble is None else None,
        failure=trouble,
    )
    if trouble is not None:
        tls.close()
        return seen, None
    return seen, tls


def _asked(watch: Watch, trouble: Failure | None) -> bool | None:
    if watch.certificate_requested:
        return True
    return False if trouble is None else None


def _trust(
    probe: ProbeContext, tls: Tls, error: BaseException | None, trouble: Failure | None, began: float
) -> Trust | None:
    """The verifier's answer; None where the handshake ended before there was one."""
    store = probe.contexts.store
    if trouble is None:
        path = tls.verified_chain
        return Trust(True, store=store, chain=probe.record_chain(probe.record, path, began) if path else ())
    if not isinstance(error, ssl.SSLCertVerificationError):
        return None
    judged = None if trouble.cause is Cause.LOCAL_POLICY else False
    code = error.verify_code or None
    return Trust(judged, code=code, reason=error.verify_message, store=store)


async def _second_try(probe: ProbeContext, destination: Destination, seen: Handshake) -> Tls | None:
    """After a refusal by our own side, or for an old version: once more, without judging, to see what is there."""
    cause = seen.failure.cause if seen.failure else None
    if seen.failure is not None and seen.failure.detail == NO_SECURE_RENEGOTIATION:
        policies: tuple[str, ...] = ("forgiving", "unverified", "legacy")
    elif cause is Cause.UNTRUSTED:
        policies = ("unverified", "legacy")
    elif cause in (Cause.LOCAL_POLICY, Cause.ALERT, Cause.MALFORMED, Cause.CLOSED, Cause.RESET):
        policies = ("legacy",)
    else:
        return None
    for policy in policies:
        _, stream = await connect(probe, destination)
        if stream is None:
            return None
        again, tls = await handshake(probe, destination, stream, policy)
        if tls is not None:
            return tls
        if again.cause not in _WORTH_ANOTHER:
            return None
    return None


async def probe_endpoint(
    probe: ProbeContext, destination: Destination, closely: bool = False
) -> EndpointResult:
    """Connect, shake hands, and (where wanted) ask for the front page; every step an observation.

    closely: what a second look tells is seen beside the pages, once a handshake has shown that TLS is there.
    What fails at once is tried again, since one lost connection in fifty says nothing of an address. A connection
    that is never made is not, since TCP itself has asked several times; for one that is made and then silent see
    `_greet`.
    """
    for pause_s in RETRY_PAUSES_S:
        sight, again = await _look_once(probe, destination, closely, last=False)
        if not again:
            return sight
        await probe.backend.clock.sleep(pause_s)
    sight, _ = await _look_once(probe, destination, closely, last=True)
    return sight


async def _look_once(
    probe: ProbeContext, destination: Destination, closely: bool, last: bool
) -> tuple[EndpointResult, bool]:
    """One look, and whether it failed in a way that another attempt may not meet again.

    An older policy is tried only where the modern one was refused for a reason, or every time.
    """
    reached, stream = await connect(probe, destination)
    if stream is None:
        return EndpointResult(destination), _is_quick(reached.failure)
    if destination.web:
        seen, tls = await _greet(probe, destination, stream)
    else:
        seen, tls = await handshake(probe, destination, stream, "default")
    if tls is None and _is_quick(seen.failure) and not last:
        return EndpointResult(destination, connected=True, connect_s=reached.elapsed_s), True
    if tls is None:
        tls = await _second_try(probe, destination, seen)
    if tls is None:
        await _other_hellos(probe, destination, seen)
        return EndpointResult(destination, connected=True, connect_s=reached.elapsed_s), False
    leaf = tls.leaf
    try:
        policy = "unverified" if seen.failure is None else "legacy"
        work: list[Coroutine[Any, Any, tuple[Exchange, ...]]] = []
        if destination.web:
            work.append(converse(probe, destination, tls, policy))
        if closely:
            work.append(_look_closer(probe, destination, leaf))
        exchanges = tuple(each for made in await gather_or_cancel(work) for each in made)
    finally:
        tls.close()
    sight = EndpointResult(
        destination,
        connected=True,
        version=tls.version,
        connect_s=reached.elapsed_s,
        handshake_s=seen.elapsed_s,
        exchanges=exchanges,
        leaf=leaf,
    )
    return sight, False


async def _other_hellos(probe: ProbeContext, destination: Destination, seen: Handshake) -> None:
    """After a handshake that failed for no reason that our library named: what is it that is refused?

    Other ClientHellos side by side, once for each address; see `Separation.HELLO`.
    """
    cause = seen.cause
    place = (destination.address, destination.port)
    if cause not in _UNEXPLAINED or not destination.web or place in probe.laddered:
        return
    probe.laddered.add(place)
    named = destination.server_name is not None
    rungs = [what for what in LADDER if named or what != "no-name"]
    await gather_or_cancel([offer(probe, destination, what) for what in rungs])


async def _greet(
    probe: ProbeContext, destination: Destination, stream: Stream
) -> tuple[Handshake, Tls | None]:
    """The handshake with an address that clients use. Where nothing comes, it is asked again on connections beside
    the first: one silent connection may be a frozen server in a pool whose others serve.
    """
    tries: list[asyncio.Task[Shaken]] = [asyncio.create_task(_shake(probe, destination, stream))]
    chosen = tries[0]
    try:
        waiting = {chosen}
        while waiting:
            limit = SILENT_S if len(tries) < SILENT_TRIES else None
            done, waiting = await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            heard = next((task for task in tries if task in done and not _was_silent(task)), None)
            if heard is not None:
                chosen = heard
                break
            if not done:
                tries.append(asyncio.create_task(_shake(probe, destination, None)))
                waiting.add(tries[-1])
    finally:
        await _drop([task for task in tries if task is not chosen or not task.done()])
    seen, tls = chosen.result()
    assert seen is not None  # the first was given its connection, and no other is chosen without an answer
    return seen, tls


Shaken = tuple[Handshake | None, Tls | None]


async def _shake(probe: ProbeContext, destination: Destination, stream: Stream | None) -> Shaken:
    """A handshake on this connection, or on one of its own; nothing where that is not made."""
    if stream is None:
        _, stream = await connect(probe, destination)
    return await handshake(probe, destination, stream, "default") if stream is not None else (None, None)


def _was_silent(task: asyncio.Task[Shaken]) -> bool:
    seen, _ = task.result()
    return seen is None or seen.cause is Cause.STALLED


async def _drop(tasks: Sequence[asyncio.Task[Shaken]]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(result, BaseException) and result[1] is not None:
            result[1].close()


def _is_quick(trouble: Failure | None) -> bool:
    return trouble is not None and trouble.cause in (Cause.REFUSED, Cause.RESET, Cause.CLOSED)


async def _look_closer(
    probe: ProbeContext, destination: Destination, leaf: bytes | None
) -> tuple[Exchange, ...]:
    """What a second look tells: without a server name, and with each older protocol alone. No exchanges."""
    looks = [_nameless(probe, destination), *(offer(probe, destination, what) for what in OLDER)]
    if leaf is not None and must_staple(leaf):
        looks.append(ask_for_staple(probe, destination))
    await gather_or_cancel(looks)
    return ()


async def _nameless(probe: ProbeContext, destination: Destination) -> None:
    if destination.server_name is None:
        return
    _, stream = await connect(probe, destination)
    if stream is not None:
        _, tls = await handshake(probe, destination, stream, "unverified", send_name=False, hurried=True)
        if tls is not None:
            tls.close()


async def offer(probe: ProbeContext, destination: Destination, what: str) -> None:
    """A handshake that offers one thing alone: see `offering`."""
    _, stream = await connect(probe, destination)
    if stream is not None:
        context = offering(what)
        policy = "legacy" if what in (*OLDER, "RSA") else "unverified"
        named = what != "no-name"
        _, tls = await handshake(
            probe, destination, stream, policy, send_name=named, context=context, offered=what, hurried=True
        )
        if tls is not None:
            tls.close()


async def second_certificate(probe: ProbeContext, destination: Destination, leaf: bytes) -> None:
    """The certificate that clients of RSA are shown, where the usual one has another kind of key."""
    if key_kind(leaf) not in (None, "RSA"):
        await offer(probe, destination, "RSA")


async def ask_for_staple(probe: ProbeContext, destination: Destination) -> None:
    """Twice where nothing is stapled: some servers fetch the answer only when they are first asked for it."""
    for pause_s in STAPLE_PAUSES_S:
        await probe.backend.clock.sleep(pause_s)
        _, stream = await connect(probe, destination)
        if stream is None:
            return
        began = probe.record.now()
        stapled: bool | None = None
        trouble: Failure | None = None
        try:
            async with probe.patience.step(destination.address, Phase.TLS, probe.timeout_s, hurried=True):
                stapled = await is_stapled(stream, destination.server_name)
        except (OSError, TimeoutError) as error:
            trouble = failure_from(Phase.TLS, error)
        finally:
            stream.close()
        probe.record.add(
            Handshake,
            began,
            elapsed_s=probe.record.now() - began,
            address=destination.address,
            port=destination.port,
            sni=destination.server_name,
            policy="legacy",
            offered=STAPLE,
            version="TLSv1.2" if stapled is not None else None,
            stapled=stapled,
            failure=trouble,
        )
        if stapled is not False:
            return


async def converse(
    probe: ProbeContext, destination: Destination, tls: Tls, policy: str
) -> tuple[Exchange, ...]:
    """GET /, then where it leads on the same host, else the product's login page.

    On one connection; on a second one, made under `policy`, where the server closes after each answer.
    """
    from semscheck.net.http import Conversation

    talk = Conversation(tls, destination.host, destination.port, probe.agent)
    first = await exchange(probe, destination, talk, "/")
    if _was_closed(first):
        again = await _on_a_new_one(probe, destination, policy, "/", None)
        return (again,) if again is not None and again.failure is None else (first,)
    if first.failure is not None or first.status is None:
        return (first,)
    onward = _same_host(first, destination)
    path = onward or LOGIN_PATH
    follows = first.id if onward else None
    if talk.is_open:
        second = await exchange(probe, destination, talk, path, follows)
        if not _was_closed(second):
            return first, second
    last = await _on_a_new_one(probe, destination, policy, path, follows)
    return (first,) if last is None else (first, last)


def _was_closed(seen: Exchange) -> bool:
    """A server may close an idle connection whenever it likes (RFC 9112 section 9.5)."""
    return seen.cause in (Cause.CLOSED, Cause.RESET)


async def _on_a_new_one(
    probe: ProbeContext, destination: Destination, policy: str, path: str, follows: str | None
) -> Exchange | None:
    """One request on a connection of its own. None where that was not to be had."""
    from semscheck.net.http import Conversation

    _, stream = await connect(probe, destination)
    if stream is None:
        return None
    _, tls = await handshake(probe, destination, stream, policy)
    if tls is None:
        return None
    try:
        talk = Conversation(tls, destination.host, destination.port, probe.agent)
        return await exchange(probe, destination, talk, path, follows)
    finally:
        tls.close()


async def exchange(
    probe: ProbeContext, destination: Destination, talk: Conversation, path: str, follows: str | None = None
) -> Exchange:
    """One GET on a conversation, as an observation."""
    began = probe.record.now()
    common: dict[str, Any] = {
        "address": destination.address,
        "port": destination.port,
        "host": destination.host,
        "path": path,
    }
    try:
        async with probe.patience.step(destination.address, Phase.HTTP, probe.timeout_s):
            answer = await talk.get(path)
    except (OSError, EOFError, ValueError, TimeoutError) as error:
        return probe.record.add(
            Exchange, began, **common, follows=follows, failure=failure_from(Phase.HTTP, error)
        )
    return probe.record.add(
        Exchange,
        began,
        **common,
        follows=follows,
        status=answer.status,
        http_version=answer.http_version,
        headers=answer.headers,
        title=answer.title,
        body_sha256=answer.body_sha256,
        body_bytes=answer.body_bytes,
        truncated=answer.truncated,
        ticket=talk.tls.ticket,
    )


def _same_host(first: Exchange, destination: Destination) -> str | None:
    """The path that a redirect leads to, None where there is none or it leads to another host or port."""
    from urllib.parse import urlsplit

    if first.status not in _REDIRECTS:
        return None
    location = next((value for name, value in first.headers if name.lower() == "location"), "")
    try:
        parts = urlsplit(location)
        port = parts.port or (destination.port if not parts.scheme or not parts.netloc else 443)
    except ValueError:
        return None
    if parts.scheme not in ("", "https") or (parts.hostname or destination.host) != destination.host:
        return None
    if port != destination.port or not parts.path.startswith("/"):
        return None
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return target if target.isascii() and target.isprintable() and len(target) <= 1000 else None

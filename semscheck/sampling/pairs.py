"""Members unknown: what earlier connections were given is shown to later ones through the FQDN.

TLS sessions first, which leave nothing behind on the servers; then HTTP session cookies. A balancer may keep clients
by what is shown, and then every token leads back to its issuer. So a session cookie is also shown in ways that a
balancer reads otherwise than an application does: beside a made-up value of the same name, before it or after it (an
application takes the first, the last, or as Tomcat does the one that it knows, CoyoteAdapter.parseSessionCookiesId);
in quotes, or with one character encoded, which balancers compare as they are and many applications undo.
"""

from __future__ import annotations

import ssl
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from semscheck.model.labels import LabelKind
from semscheck.model.observations import Arm, Control, ShownAs
from semscheck.net.cookies import Cookie, set_by
from semscheck.sampling.series import Attempt, ConnectionSeries, Issued, SentCookies
from semscheck.sampling.tokens import MemberEndpoint, open_tls, recognised
from semscheck.sampling.tracing import Tracer, bare_values

if TYPE_CHECKING:
    from semscheck.net.http import Conversation

LAGS = 6  # the vendor supports six members (KB 153476): a cycle is no longer than that
LEFT_UNUSED = 4  # connections that are offered nothing: then 12 more reach every distance up to LAGS
MAX_FOUND = 12  # members that can be told apart without addresses
MAX_SESSION_COOKIES = 3
OWN_ATTEMPTS = 3
OWN_SHOWN = 3  # times that a connection is shown its own cookie
WAYS: tuple[ShownAs, ...] = ("before", "after", "quoted", "encoded")
# Times that a way of showing a session was never recognised: the application does not read it
UNREAD_AFTER = 3
ONE_SHOWN = 24  # connections that one session is shown to, where its server may have most of them
# Each letter and digit for another one of its kind (hexadecimal stays so): a value of the same form that nobody gave.
_OTHERS = str.maketrans(
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "9876543210fedcbazyxwvutsrqponmlkjihgFEDCBAZYXWVUTSRQPONMLKJIHG",
)


@dataclass(frozen=True, slots=True)
class OwnCookies:
    """What a connection did with the cookies that it had just given.

    controls: as observed. sessions: cookies of which a made-up value was not accepted, known again or not. naming:
    whether there are others, or parts of these, that may name the server by themselves.
    """

    controls: tuple[Control, ...] = ()
    sessions: tuple[str, ...] = ()
    given: bool = False
    naming: bool = False


class Pairs:
    """The arms without members, on the same series."""

    def __init__(self, line: ConnectionSeries, tracer: Tracer) -> None:
        self._line = line
        self._tracer = tracer
        self._unused: dict[int, Issued] = {}  # connections whose session was not offered yet, by their number
        self._used = dict.fromkeys(range(1, LAGS + 1), 0)
        self._made = 0
        self._known: list[
            Issued
        ] = []  # connections whose session was recognised by a later one, and those whose was not
        self._refused: list[Issued] = []
        self._found: dict[str, Cookie] = {}

    # --- TLS sessions --------------------------------------------------------------------------------------

    def go_on_from(self, issued: Iterable[Issued]) -> None:
        """Connections that were made already and offered nothing are the first ones."""
        for each in issued:
            self._keep(each)

    def _keep(self, issued: Issued) -> None:
        if issued.has_session:
            self._unused[self._made] = issued
        self._made += 1

    async def by_session(self, context: ssl.SSLContext, connections: int) -> bool:
        """Each connection offers the session of an earlier one, at changing distances; each session once.

        Called again it goes on. Returns whether some were refused, as far as that was seen: more may then tell how
        many servers there are, even where none was recognised yet (a cycle of six meets its own one time in six).
        """
        line = self._line
        for _ in range(connections):
            lag = _next_lag(self._made, self._unused, self._used)
            earlier = self._unused.pop(self._made - lag) if lag else None
            arm: Arm = "pairs" if earlier is not None else "fresh"
            issued = await line.connect(Attempt(arm, context, session=earlier, index=self._made))
            if earlier is not None and issued.sample.resumed is not None:
                (self._known if issued.sample.resumed else self._refused).append(earlier)
            self._keep(issued)
            if not line.gives_tokens and not self._unused:
                break
            await line.pause()
        return bool(self._refused)

    async def one_to_many(self, context: ssl.SSLContext) -> None:
        """Where one server may have most of the connections, the session of one is offered to many."""
        for _ in range(ONE_SHOWN if _may_have_most(self._known, self._refused) else 0):
            attempt = Attempt("pairs", context, session=self._known[0], index=self._made)
            self._keep(await self._line.connect(attempt))
            await self._line.pause()

    # --- session cookies -----------------------------------------------------------------------------------

    async def own_cookies(self, context: ssl.SSLContext, page: str) -> OwnCookies:
        """A session cookie should be known on the connection that gave it, and a made-up value should not. Tried
        again where no page came, as from a dead server of a pool."""
        line = self._line
        elsewhere = await line.connect(Attempt("resume", context, page))
        for _ in range(OWN_ATTEMPTS):
            opened = await open_tls(line.probe, line.destination, context)
            if opened.tls is None:
                continue
            try:
                talk = line.talk(opened.tls)
                answer, _failure = await line.ask(talk, page, None)
                if answer is not None and answer.status < 500:
                    given = set_by(answer.headers, line.probe.backend.clock.utc())
                    return await self._judged(talk, page, given, elsewhere.cookies)
            finally:
                opened.tls.close()
        return OwnCookies()

    async def _judged(
        self, talk: Conversation, page: str, given: Sequence[Cookie], elsewhere: Sequence[Cookie]
    ) -> OwnCookies:
        """elsewhere: what another connection was given: a session has another value there."""
        live = [cookie for cookie in given if not cookie.dead]
        same = {(cookie.name, cookie.value) for cookie in elsewhere}
        controls: list[Control] = []
        known, unknown = list[str](), list[str]()
        sessions = [
            cookie
            for cookie in live
            if (cookie.name, cookie.value) not in same
            and self._line.decide.may_be_session(cookie.name, cookie.value)
        ]
        for cookie in sessions[:MAX_SESSION_COOKIES]:
            bare = Cookie(cookie.name, bare_values(cookie.value)[0])
            controls.append(await self._show_own(talk, page, _made_up(bare), made_up=True))
            if controls[-1].recognised is not False:
                continue
            for _ in range(OWN_SHOWN):
                controls.append(await self._show_own(talk, page, bare))
                if not controls[-1].recognised:
                    break
            (known if controls[-1].recognised else unknown).append(cookie.name)
        # One that its own connection does not know is none, but where requests go each their own way.
        names = tuple(known or unknown)
        naming = any(cookie.name not in names or set(cookie.value) & set(".!~") for cookie in live)
        return OwnCookies(tuple(controls), names, bool(live), naming)

    async def _show_own(
        self, talk: Conversation, page: str, cookie: Cookie, made_up: bool = False
    ) -> Control:
        """Show a connection a cookie that it gave itself, or one made up from it, and write down the answer."""
        line = self._line
        began = line.probe.record.now()
        answer, trouble = await line.ask(talk, page, f"{cookie.name}={cookie.value}")
        return line.probe.record.add(
            Control,
            began,
            token="cookie",
            name="made up" if made_up else cookie.name,
            made_up_of=cookie.name if made_up else None,
            issuer="",
            issuer_address=line.destination.address,
            shown_to="",
            address=line.destination.address,
            port=line.destination.port,
            recognised=recognised(answer, cookie) if answer is not None else None,
            failure=trouble,
        )

    async def exchange(self, attempt: Attempt, names: frozenset[str]) -> Issued:
        """A connection with a request that sends nothing; then one session cookie of each member found so far is
        shown on it: the one that is recognised says who is there; if none is, it is a new one. Its own comes first:
        where that is not known, requests go each their own way."""
        async with self._line.connected(attempt) as made:
            mine = next((cookie for cookie in made.issued.cookies if cookie.name in names), None)
            if made.talk is None or made.page is None or mine is None:
                return made.issued
            bare = Cookie(mine.name, bare_values(mine.value)[0])
            own = await self._show_own(made.talk, made.page, bare)
            self._line.seen.append(own)
            if own.recognised and await self._is_new(made.issued, made.talk, made.page):
                self._name(made.issued, bare)
        return made.issued

    async def _is_new(self, issued: Issued, talk: Conversation, page: str) -> bool:
        """Whether the members found so far do not know the connection: none of their cookies is recognised on it."""
        line = self._line
        for label, cookie in tuple(self._found.items()):
            began = line.probe.record.now()
            answer, trouble = await line.ask(talk, page, f"{cookie.name}={cookie.value}")
            known = recognised(answer, cookie) if answer is not None else None
            door = MemberEndpoint(label, line.destination)
            self._tracer.write_down(began, issued.sample, door, "cookie", known, trouble, cookie.name)
            if known or known is None:
                return False
        return len(self._found) < MAX_FOUND

    def _name(self, issued: Issued, cookie: Cookie) -> None:
        label = LabelKind.SERVER.name_of(len(self._found))
        self._found[label] = cookie
        now, door = self._line.probe.record.now(), MemberEndpoint(label, self._line.destination)
        self._tracer.write_down(now, issued.sample, door, "cookie", True, None, cookie.name)

    async def by_cookie(self, context: ssl.SSLContext, page: str, name: str, connections: int) -> bool:
        """Each connection shows one session cookie of an earlier one, at changing distances and in several ways in
        turn. It goes on from the fresh arm, whose cookies are the first to be shown. Where some are refused, and one
        server may have most of the connections, one session is shown to many. Returns whether any was known."""
        line, ways, made = self._line, [_Way(how) for how in WAYS], Attempt("pairs", context, page)
        given = {at: _named(name, issued.cookies) for at, issued in enumerate(line.issued)}
        left = {at: _Token(line.issued[at].sample.id, cookie) for at, cookie in given.items() if cookie}
        fresh = len(line.issued)
        for at in range(fresh, fresh + connections):
            read = ways if any(way.unsure for way in ways) else [way for way in ways if not way.unread]
            way = read[at % len(read)] if read else ways[0]
            lag = 0 if all(way.unread for way in ways) else _next_lag(at, left, way.lags)
            if not lag:
                break
            issued = await self._show(replace(made, index=at), way, left[at - lag])
            cookie = _named(name, issued.cookies)
            if cookie is not None or issued.sample.cookie_recognised:
                left[at] = _Token(issued.sample.id, cookie or left[at - lag].cookie)
        for way in [way for way in ways if way.has_most][:1]:
            for at in range(fresh + connections, fresh + connections + ONE_SHOWN):
                await self._show(replace(made, index=at), way, way.known[0])
        return any(way.known for way in ways)

    async def _show(self, attempt: Attempt, way: _Way, token: _Token) -> Issued:
        """One connection that shows a session cookie in one of the ways."""
        sent = _shown_as(way.how, token)
        issued = await self._line.connect(replace(attempt, cookies=sent))
        if issued.sample.failure is None:
            (way.known if issued.sample.cookie_recognised else way.refused).append(token)
        await self._line.pause()
        return issued


@dataclass(frozen=True, slots=True)
class _Token:
    """A session cookie, and the connection that it stands for: one that it was given to, or that knew it."""

    origin: str
    cookie: Cookie


@dataclass(slots=True)
class _Way:
    """One way to show a session, and what came of it: tokens that were recognised and that were not, and how often
    each distance was used."""

    how: ShownAs
    known: list[_Token] = field(default_factory=list)
    refused: list[_Token] = field(default_factory=list)
    lags: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(1, LAGS + 1), 0))

    @property
    def unread(self) -> bool:
        return len(self.refused) >= UNREAD_AFTER and not self.known

    @property
    def unsure(self) -> bool:
        """Whether it is read, and several servers answer, so that other ways may be read as well."""
        return bool(self.known and self.refused)

    @property
    def has_most(self) -> bool:
        return _may_have_most(self.known, self.refused)


def _may_have_most(known: Sequence[object], refused: Sequence[object]) -> bool:
    """Whether several servers answer, of which one may have most of the connections."""
    return bool(refused) and len(known) * 3 > len(refused) * 2


def _named(name: str, cookies: Iterable[Cookie]) -> Cookie | None:
    """The live cookie of a name, without a prefix of a balancer's."""
    given = next((cookie for cookie in cookies if cookie.name == name and not cookie.dead), None)
    return Cookie(name, bare_values(given.value)[0]) if given is not None else None


def _made_up(cookie: Cookie) -> Cookie:
    """A value of the same form that nobody issued: what is accepted only for its form names nobody."""
    return Cookie(cookie.name, cookie.value.translate(_OTHERS)[::-1])


def _shown_as(how: ShownAs, token: _Token) -> SentCookies:
    """One of the `WAYS` to show a session cookie."""
    name, value, other = token.cookie.name, token.cookie.value, _made_up(token.cookie).value
    shown = {
        "before": (value, other),
        "after": (other, value),
        "quoted": (f'"{value}"',),
        "encoded": (f"%{ord(value[:1] or ' '):02X}{value[1:]}",),
    }[how]
    header = "; ".join(f"{name}={each}" for each in shown)
    return SentCookies(token.origin, header, (name,) * len(shown), (token.cookie,), how)


def _next_lag(index: int, kept: Container[int], used: dict[int, int]) -> int:
    """The least used distance at which an unused token lies, of several the longest; 0 where there is none yet.

    Each connection gives one token and takes one, so how far back they reach is how many lie unused. Begun at once,
    short distances would use them up, and a cycle of four or more members would never meet its own token.
    """
    possible = [lag for lag in used if index - lag in kept]
    if index < LEFT_UNUSED or not possible:
        return 0
    lag = min(possible, key=lambda each: (used[each], -each))
    used[lag] += 1
    return lag

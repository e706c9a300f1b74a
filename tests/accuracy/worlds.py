"""Seeded worlds, and for each the truth about its balancing, taken from its own declaration.

Everything that may tell a checker something it must not use is drawn too: names, the order of the pool, the order
of the profile. The lab itself chooses addresses and ports at random.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import StrEnum

from semscheck.lab.world import (
    Balancer,
    CookieStyle,
    Interface,
    Member,
    Method,
    OtherTraffic,
    Persistence,
    Resumption,
    Tls,
    TlsEnd,
    Version,
    Web,
    World,
)

MOST_LOST = 0.02
WORDS = """
amber birch cedar delta ember fjord grove heron iris jade kestrel lark maple north onyx pine quartz raven sable
tern umber violet willow xenon yarrow zephyr alpha bravo lima oscar
""".split()  # noqa: SIM905, thirty quoted words are no easier to read


class Truth(StrEnum):
    """What a world's balancing really is, for the clients that it serves."""

    STEADY = "one member"
    WEIGHTED_KEPT = "strong weights, kept"
    MILD_KEPT = "mild weights, kept"
    BY_SOURCE = "spread, kept by source address"
    ONE_APPLICATION = "spread, but all sessions shared and members unknown"
    EVEN_KEPT = "even, kept by cookie"
    SESSION_KEPT = "spread, kept by TLS session id"
    SESSION_PARTLY = "spread, kept in part by TLS session"
    WEIGHTED = "strong weights, not kept"
    MILD = "mild weights, not kept"
    EVEN = "even, not kept"
    FLAPPING = "one after another, in and out of service"
    LOST = "even, cookie not honoured"


# The verdict that the catalogue gives where everything can be seen, and those that are wrong. `unknown` never is.
RIGHT: dict[Truth, tuple[str, ...]] = {
    Truth.STEADY: ("ok",),
    Truth.WEIGHTED_KEPT: ("ok",),
    Truth.MILD_KEPT: ("ok", "warning"),  # 32 connections do not tell 2:1 from even: BAL005 or BAL004
    Truth.BY_SOURCE: ("ok", "warning"),  # steady for one client: BAL009; a warning from several addresses
    # Without members there is no second one to ask. That one application answers is true, and `likely` one member.
    Truth.ONE_APPLICATION: ("ok",),
    Truth.EVEN_KEPT: ("warning",),
    Truth.SESSION_KEPT: ("warning",),
    Truth.SESSION_PARTLY: ("critical", "warning"),
    Truth.WEIGHTED: ("warning",),
    Truth.MILD: ("warning", "critical"),
    Truth.EVEN: ("critical",),
    Truth.FLAPPING: ("critical", "warning"),
    Truth.LOST: ("critical",),
}
HEALTHY = (Truth.STEADY, Truth.WEIGHTED_KEPT)
NEITHER = (Truth.MILD_KEPT, Truth.BY_SOURCE, Truth.ONE_APPLICATION)
BROKEN = tuple(truth for truth in Truth if truth not in (*HEALTHY, *NEITHER))
WRONG: dict[Truth, tuple[str, ...]] = {
    **dict.fromkeys(HEALTHY, ("warning", "critical")),
    **dict.fromkeys(NEITHER, ("critical",)),
    **dict.fromkeys(BROKEN, ("ok",)),
}

STEADY = (Method.FAIL_OVER, Method.FIRST_ALIVE)
SPREADING = (Method.ROUND_ROBIN, Method.RANDOM, Method.LEAST_CONNECTIONS)
WEIGHTING = (Method.WEIGHTED, Method.WEIGHTED_RANDOM)
ENDED = (TlsEnd.RE_ENCRYPTED, TlsEnd.PLAIN)


@dataclass(frozen=True, slots=True)
class Site:
    """One world with what the checker is told of it, and the truth.

    names: of the members, in the order in which the profile lists them; empty: members are not known. sources:
    further addresses of the desktop. other_share: of new connections that do not go to the main member.
    flaps: after so many connections the first of the pool goes out of service, and after as many comes back.
    telling: the signals of this world by which who answered can be seen at all, best first. one_application: none,
    and the members share their sessions: "who answers" can mean no more than that.
    """

    seed: int
    number: int
    world: World
    names: tuple[str, ...]
    sources: tuple[str, ...]
    truth: Truth
    other_share: float
    telling: tuple[str, ...]
    one_application: bool = False
    flaps: int = 0

    @property
    def axes(self) -> dict[str, str]:
        """The dimensions of the issue, in words, for the tables."""
        balancer = self.world.balancer
        assert balancer is not None
        lost = balancer.reset_share + balancer.close_share + balancer.drop_share
        others = balancer.others
        shared = self.world.members[0].client.tls.ticket_group is not None
        renewed = self.world.members[0].client.tls.new_key_after is not None
        busy = "none"
        if others.advance:
            busy = f"{others.advance:g} others before each of ours, on average"
        elif others.rate_per_s:
            busy = f"{others.rate_per_s:g} real connections per second"
        return {
            "method": balancer.method.value,
            "persistence": _persistence_words(balancer),
            "termination": balancer.tls_end.value,
            "members": str(len(self.world.members)),
            "other clients": busy,
            "ticket keys": "shared" if shared else "own",
            "members known": "yes" if self.names else "no",
            "over time": "a server flaps" if self.flaps else "keys renewed" if renewed else "nothing",
            "lost": "none" if not lost else "up to 1 %" if lost <= MOST_LOST / 2 else "1 to 2 %",
        }


def _persistence_words(balancer: Balancer) -> str:
    lost = balancer.persistence is Persistence.COOKIE and balancer.persistence_honoured < 1
    return "cookie, not honoured" if lost else balancer.persistence.value


def site(seed: int, number: int) -> Site:
    """World `number` of a run with this seed; the same each time."""
    rng = random.Random(f"{seed} accuracy {number}")
    words = rng.sample(WORDS, 8)
    zone = f"{words.pop()}.test"
    names = tuple(f"{word}.{zone}" for word in words[: rng.randint(2, 6)])
    web, tls = _web(rng), _tls(rng)
    balancer = _balancer(rng, names, web)
    tls, balancer, flaps = _over_time(random.Random(f"{seed} over time {number}"), tls, balancer)
    if balancer.persistence is Persistence.TLS_SESSION and rng.random() < 0.7:
        tls = replace(tls, newest=Version.TLS1_2, resumption=Resumption.SESSION_IDS)
    routed = web.cookie is not None and rng.random() < 0.15
    members = tuple(
        Member(
            name, client=Interface(tls=tls), web=replace(web, route=name.split(".")[0] if routed else None)
        )
        for name in names
    )
    world = World(
        name=f"accuracy {seed} {number}",
        sentence="drawn",
        fqdn=f"{words[-1]}.{zone}",
        members=members,
        balancer=balancer,
        seed=rng.randrange(2**31),
    )
    known = rng.random() < 0.7
    truth = Truth.FLAPPING if flaps else truth_of(balancer, tls)
    telling = _telling(truth, balancer, members[0], known)
    # Ticket keys name the ends of TLS, behind which a session that is known at each shows one application.
    by_keys = tls.resumption is Resumption.TICKETS and telling == ("pairs of TLS sessions",)
    one = not known and web.session_group is not None and web.cookie is not None and (not telling or by_keys)
    if one and truth in (*BROKEN, Truth.MILD_KEPT) and not flaps:
        truth = Truth.ONE_APPLICATION
    several = balancer.persistence is Persistence.SOURCE and rng.random() < 0.3
    return Site(
        seed=seed,
        number=number,
        world=world,
        names=tuple(rng.sample(names, len(names))) if known else (),
        sources=("127.0.0.1", "127.0.0.9", "127.0.0.77") if several else (),
        truth=truth,
        other_share=_other_share(balancer),
        telling=telling,
        one_application=one,
        flaps=flaps,
    )


def _over_time(rng: random.Random, tls: Tls, balancer: Balancer) -> tuple[Tls, Balancer, int]:
    """In some worlds the keys of tickets are renewed, as by a reload, or the first server goes and comes."""
    if tls.resumption is Resumption.TICKETS and rng.random() < 0.2:
        after = rng.randint(8, 40)
        ending = replace(balancer, tls=replace(balancer.tls, new_key_after=after))
        return replace(tls, new_key_after=after), ending, 0
    kept = balancer.method not in STEADY or balancer.persistence is not Persistence.NONE
    return tls, balancer, rng.randint(3, 6) if not kept and rng.random() < 0.3 else 0


def _web(rng: random.Random) -> Web:
    cookie = rng.choices(("JSESSIONID", "PGPSESSION", None), (50, 25, 25))[0]
    shared = rng.random() < 0.2
    return Web(cookie=cookie, session_group="all" if shared else None)


def _tls(rng: random.Random) -> Tls:
    kinds = (Resumption.TICKETS, Resumption.SESSION_IDS, Resumption.NONE)
    return Tls(
        newest=rng.choices((Version.TLS1_3, Version.TLS1_2), (70, 30))[0],
        resumption=rng.choices(kinds, (60, 25, 15))[0],
        ticket_group="all" if rng.random() < 0.25 else None,
    )


def _balancer(rng: random.Random, names: tuple[str, ...], web: Web) -> Balancer:
    end = rng.choices((TlsEnd.PASSED, *ENDED), (50, 30, 20))[0]
    method = rng.choice(tuple(Method))
    kinds = (Persistence.NONE, Persistence.SOURCE)
    persistence = rng.choice(
        (*kinds, Persistence.TLS_SESSION if end is TlsEnd.PASSED else Persistence.COOKIE)
    )
    honoured = (
        0.3 if persistence is Persistence.COOKIE and method in SPREADING and rng.random() < 0.2 else 1.0
    )
    resumption = rng.choices((Resumption.TICKETS, Resumption.SESSION_IDS, Resumption.NONE), (60, 25, 15))[0]
    lost = rng.uniform(0.0, MOST_LOST) if rng.random() < 0.5 else 0.0
    parts = [rng.random() for _ in range(3)]
    resets, closes, drops = (lost * part / sum(parts) for part in parts)
    return Balancer(
        method=method,
        weights=_weights(rng, len(names)) if method in WEIGHTING else (),
        persistence=persistence,
        persistence_honoured=honoured,
        cookie_style=_style(rng, web),
        tls_end=end,
        tls=Tls(resumption=resumption),
        per_request=end is not TlsEnd.PASSED and persistence is Persistence.NONE and rng.random() < 0.3,
        pool=tuple(rng.sample(names, len(names))),
        reset_share=resets,
        close_share=closes,
        drop_share=drops,
        others=_others(rng),
    )


def _style(rng: random.Random, web: Web) -> CookieStyle:
    """Any style; one that is put before the application's own cookie only where there is such a cookie."""
    styles = [s for s in CookieStyle if s is not CookieStyle.HAPROXY_PREFIX or web.cookie == "JSESSIONID"]
    return rng.choice(styles)


def _others(rng: random.Random) -> OtherTraffic:
    quiet = OtherTraffic()
    turns = [OtherTraffic(advance=mean) for mean in (0.3, 1.0, 3.0)]
    real = [OtherTraffic(rate_per_s=rate) for rate in (20.0, 60.0)]
    return rng.choices((quiet, *turns, *real), (40, 14, 13, 13, 10, 10))[0]


def _weights(rng: random.Random, count: int) -> tuple[int, ...]:
    """Strong ones, 10 or 20 to 1, as the vendor names; or mild ones, 2:1 to 4:3:2:1."""
    if rng.random() < 0.6:
        return (rng.choice((10, 20)), *(1,) * (count - 1))
    mild = [2, *(1,) * (count - 1)] if rng.random() < 0.5 else list(range(count, 0, -1))
    return tuple(mild)


def strong(balancer: Balancer) -> bool:
    """Whether one member has at least ten times the weight of each other one."""
    return bool(balancer.weights) and max(balancer.weights) >= 10


def truth_of(balancer: Balancer, tls: Tls) -> Truth:
    """The truth by the declaration alone."""
    if balancer.method in STEADY:
        return Truth.STEADY
    weighted = balancer.method in WEIGHTING
    match balancer.persistence:
        case Persistence.SOURCE:
            return Truth.BY_SOURCE
        case Persistence.COOKIE if balancer.persistence_honoured < 1:
            return Truth.LOST
        case Persistence.COOKIE:
            kept = Truth.WEIGHTED_KEPT if strong(balancer) else Truth.MILD_KEPT
            return kept if weighted else Truth.EVEN_KEPT
        case Persistence.TLS_SESSION:
            # The balancer learns the session id from the ServerHello: in TLS 1.3 it is the client's own (RFC 8446
            # section 4.1.3), and with a ticket in TLS 1.2 the client makes one up (RFC 5077 section 3.4). A member
            # that gives ids and forgets them does not resume, and its clients are led back all the same.
            if tls.newest is Version.TLS1_2 and tls.resumption is not Resumption.TICKETS:
                return Truth.SESSION_KEPT
            if tls.resumption is not Resumption.NONE:
                return Truth.SESSION_PARTLY
    if weighted:
        return Truth.WEIGHTED if strong(balancer) else Truth.MILD
    return Truth.EVEN


def _other_share(balancer: Balancer) -> float:
    if not balancer.weights:
        return 0.0
    return 1 - max(balancer.weights) / sum(balancer.weights)


# One member for each client: a TLS session that is always recognised says nothing then, where members are unknown.
STEADY_FOR_ONE = (Truth.STEADY, Truth.BY_SOURCE, Truth.SESSION_KEPT)


def _telling(truth: Truth, balancer: Balancer, member: Member, known: bool) -> tuple[str, ...]:
    """The signals that exist in this world, by its declaration."""
    tls, web, passed = member.client.tls, member.web, balancer.tls_end is TlsEnd.PASSED
    found = []
    if passed and tls.ticket_group is None and tls.resumption is not Resumption.NONE:
        if known:
            found.append("TLS session")
        elif truth not in STEADY_FOR_ONE:
            found.append("pairs of TLS sessions")
    if web.cookie is not None and web.session_group is None:
        found.append("session cookie")
    if web.route is not None and web.cookie == "JSESSIONID":  # the name by which a route is known as one
        found.append("route in the session id")
    if balancer.persistence is Persistence.COOKIE and balancer.cookie_style is not CookieStyle.AWS:
        found.append("balancer's cookie")  # AWS's is another one with every answer
    return tuple(found)

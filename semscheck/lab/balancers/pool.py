"""How a balancer chooses a member, how it keeps clients, and how it finds out who is up.

The same for both ways of working (`relay`, `proxy`). Everything random comes from the world's seed.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from semscheck.lab import loop_time
from semscheck.lab.balancers.outgoing import open_to_member
from semscheck.lab.members.tls import TlsStream
from semscheck.lab.place import Endpoint
from semscheck.lab.truth import Ledger
from semscheck.lab.world import Balancer, HealthCheck, Method, Persistence

TABLE_LIMIT = 10000  # clients remembered; the oldest go first
FIRST_CHECK_S = 0.5  # before the doors open
CHECK_S = 1.0
FALL = 2  # time-outs in a row that take a member out; a refusal takes it out at once
Key = str | bytes  # a source address, or a TLS session id


class Picker:
    """Chooses among the members of a pool by one method, without regard to who asks."""

    def __init__(
        self, method: Method, names: tuple[str, ...], weights: tuple[int, ...], rng: random.Random
    ) -> None:
        self._method = method
        self._names = names
        self._weights = dict(zip(names, weights or (1,) * len(names), strict=True))
        self._random = rng
        self._turn = 0
        self._owed = dict.fromkeys(names, 0)
        self._active_member: str | None = None

    def pick(self, alive: Collection[str], busy: Mapping[str, int]) -> str | None:
        """Return the next member, None where nobody is alive. `busy`: open connections per member."""
        able = tuple(name for name in self._names if name in alive)
        if not able:
            return None
        match self._method:
            case Method.FIRST_ALIVE:
                return able[0]
            case Method.FAIL_OVER:
                return self._fail_over(able)
            case Method.ROUND_ROBIN:
                return self._next(able)
            case Method.RANDOM:
                return self._random.choice(able)
            case Method.WEIGHTED:
                return self._smooth(able)
            case Method.WEIGHTED_RANDOM:
                return self._random.choices(able, [self._weights[name] for name in able])[0]
            case Method.LEAST_CONNECTIONS:
                fewest = min(busy.get(name, 0) for name in able)
                return self._next(tuple(name for name in able if busy.get(name, 0) == fewest))

    def _fail_over(self, able: tuple[str, ...]) -> str:
        if self._active_member not in able:
            self._active_member = able[0]
        return self._active_member

    def _next(self, able: Collection[str]) -> str:
        """Go round the whole pool, leaving out who cannot, so that a return finds its place again."""
        while True:
            name = self._names[self._turn % len(self._names)]
            self._turn += 1
            if name in able:
                return name

    def _smooth(self, able: tuple[str, ...]) -> str:
        """Smooth weighted round robin: each gains its weight, the richest pays the total (nginx since 1.3.1)."""
        for name in able:
            self._owed[name] += self._weights[name]
        chosen = max(able, key=self._owed.__getitem__)
        self._owed[chosen] -= sum(self._weights[name] for name in able)
        return chosen


class Pool:
    """The members behind a balancer: who is up, who is busy, who is kept for whom."""

    def __init__(self, declared: Balancer, members: Mapping[str, Endpoint], seed: int) -> None:
        self.busy: dict[str, int] = {}
        self.enlist(members)
        self._random = random.Random(f"{seed} balancer")
        self._kept: OrderedDict[Key, str] = OrderedDict()
        self.declare(declared)

    def enlist(self, members: Mapping[str, Endpoint]) -> None:
        """Have these members from now on, all taken for alive until they are asked."""
        self.members = members
        self.alive: set[str] = set(members)
        for name in members:
            self.busy.setdefault(name, 0)

    def declare(self, declared: Balancer) -> None:
        """Work by this declaration from now on; what is remembered of clients is forgotten."""
        self.declared = declared
        self._kept.clear()
        names = declared.pool if declared.pool is not None else tuple(self.members)
        self._picker = Picker(declared.method, names, declared.weights, self._random)

    def chance(self) -> float:
        """Return a number from the seed, for the shares that get lost."""
        return self._random.random()

    def choose(
        self, key: Key | None, *, named: str | None = None, without: Collection[str] = ()
    ) -> str | None:
        """Return the member for a client, None where there is none.

        key: what the client is remembered by (source address or TLS session id). named: the member that its cookie
        names. without: members that were tried and did not answer.
        """
        able = self.alive - set(without)
        kept = named if named is not None else self._kept.get(key) if key is not None else None
        if kept is not None and kept in able and self._honours():
            return kept
        for _ in range(self._others_before()):
            self._picker.pick(able, self.busy)
        chosen = self._picker.pick(able, self.busy)
        if chosen is not None and key is not None and self.declared.persistence is Persistence.SOURCE:
            self.remember(key, chosen)
        return chosen

    def remember(self, key: Key, name: str) -> None:
        """Keep this client on this member."""
        self._kept[key] = name
        self._kept.move_to_end(key)
        while len(self._kept) > TABLE_LIMIT:
            self._kept.popitem(last=False)

    def let_go(self, name: str) -> None:
        """A connection to this member is over."""
        self.busy[name] -= 1

    def _honours(self) -> bool:
        share = self.declared.persistence_honoured
        return share >= 1 or self._random.random() < share

    def _others_before(self) -> int:
        """Return how many other clients took their turn since: geometric with the declared mean."""
        mean, count = self.declared.others.advance, 0
        while mean > 0 and self._random.random() < mean / (1 + mean):
            count += 1
        return count


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """Asks every member of a pool in turns whether it is up, as the balancer is set to."""

    pool: Pool
    ledger: Ledger
    source: str
    context: ssl.SSLContext
    timeouts: dict[str, int] = field(default_factory=dict)

    async def once(self, *, first: bool = False) -> None:
        """Ask everybody, and take the answers into the pool. first: one time-out is enough to be left out."""
        if self.pool.declared.health_check is HealthCheck.NONE:
            self.pool.alive = set(self.pool.members)
            return
        timeout_s = FIRST_CHECK_S if first else CHECK_S
        names = tuple(self.pool.members)
        answers = await asyncio.gather(*(self._up(name, timeout_s) for name in names))
        for name, up in zip(names, answers, strict=True):
            self.timeouts[name] = 0 if up is not None else self.timeouts.get(name, 0) + 1
            if up:
                self.pool.alive.add(name)
            elif up is False or first or self.timeouts[name] >= FALL:
                self.pool.alive.discard(name)

    async def forever(self) -> None:
        """Ask again and again until cancelled."""
        while True:
            await asyncio.sleep(self.pool.declared.check_interval_s)
            await self.once()

    async def _up(self, name: str, timeout_s: float) -> bool | None:
        """Whether a member is up; None where it did not answer in time."""
        try:
            async with (
                loop_time.timeout(timeout_s),
                open_to_member(self.pool.members[name], self.source, self.ledger) as (reader, writer),
            ):
                if self.pool.declared.health_check is HealthCheck.TLS:
                    stream = TlsStream(reader, writer, self.context)
                    await stream.handshake()
                    await stream.say_goodbye()
        except TimeoutError:
            return None
        except OSError:
            return False
        return True

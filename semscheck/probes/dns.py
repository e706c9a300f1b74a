"""What DNS says of the FQDN: every resolver by itself in a burst, the zone's own servers, the system beside.

A server that hands out a record set in turn moves on with every query, ours too, so that queries to several
servers or of several kinds, mixed, hide a rotation. Hence: first answers from all resolvers at once (so that
connecting can begin), then one server at a time in a burst of one kind of query after another, then the zone's
own servers, which may be behind the same addresses.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from semscheck.model.addresses import LOOPBACK, is_contacted, no_server
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.observations import (
    Bound,
    Delegation,
    DnsAnswer,
    NameServer,
    ResolverConfig,
    SystemResolution,
)
from semscheck.model.target import Target
from semscheck.net.backend import NetworkBackend
from semscheck.net.dns_message import KEPT_RECORDS, Answer, Reading, make_query, read
from semscheck.net.errors import failure_from
from semscheck.probes.nameservers import Configuration, Place, configuration
from semscheck.probes.recorder import Kind, Recorder
from semscheck.probes.routes import named_addresses, see_routes

Heard = Callable[[tuple[str, ...]], None]


@dataclass(frozen=True, slots=True)
class Question:
    """What one server is asked. unchecked: a resolver is not to validate the answer by DNSSEC."""

    name: str
    kind: str
    repetition: int = 0
    recurse: bool = True
    unchecked: bool = False

    def query(self, edns: bool) -> bytes:
        """A query with an id of its own."""
        return make_query(
            self.name,
            self.kind,
            recurse=self.recurse,
            repetition=self.repetition,
            edns=edns,
            unchecked=self.unchecked,
        )


Purpose = Literal["fqdn", "member", "suffix", "probe"]

BURST = 7  # with two records, one order seven times running by chance: 1.6 %; a cycle shows at once
HUGE_BURST = 2  # an answer with more addresses than are kept has shown enough
SPACING_S = 0.004
SIBLING_S = 0.02  # the other family's first answer is usually right behind
TRIES_S = (
    1.0,
    1.5,
)  # a lost datagram is sent again after these, and the last waits for what is left of the step
SILENT_TRIES = 2  # a query that stayed without any answer counts so much: the resolver is not asked again
PATIENCE_S = 0.5  # how long the zone's servers are put off for resolvers that have not answered yet
AGAIN_S = 0.3
BESIDE = 4  # addresses that only the zone's own servers give
AUTHORITIES = 4
AUTHORITY_TIMEOUT_S = 2.0
MAX_MEMBER_NAMES = 16
MAX_ZONE_CUTS = 6
MAX_HEARD = 512
ROUTES_PER_ANSWER = 8

_ANSWERED = ("NOERROR", "NXDOMAIN")
NOBODY = "semscheck-no-such-name.invalid"  # a domain that nobody can have (RFC 6761 section 6.4)
_EDNS_REFUSED = ("FORMERR", "NOTIMP", "BADVERS")  # RFC 6891 section 7: servers that do not know EDNS


async def look_up(
    backend: NetworkBackend, record: Recorder, target: Target, heard: Heard, beside: Heard | None = None
) -> None:
    """Record everything that DNS and the system say of the FQDN and of the members' names.

    heard: called with addresses of the FQDN as soon as they are known, each address once. beside: with those that
    only the zone's own servers give, and no resolver. Network trouble is recorded, never raised. Takes at most the
    step's time-out for each of: first answers, burst, the zone's servers, and twice that for the system; the
    time-out itself is `target.limits.timeout_s`.
    """
    if target.fqdn_is_address:
        heard((target.fqdn,))
        return
    await _Look(backend, record, target, heard, beside).everything()


class _CutShortError(Exception):
    """The answer does not fit into a datagram, and none came over TCP."""

    def __init__(self, why: OSError) -> None:
        super().__init__(str(why))
        self.why = why


class _Look:
    """One look-up under way: what is known so far, and whose turn it is."""

    def __init__(
        self,
        backend: NetworkBackend,
        record: Recorder,
        target: Target,
        heard: Heard,
        beside: Heard | None = None,
    ) -> None:
        self._seam = backend
        self._record = record
        self._target = target
        self._heard = heard
        self._beside = beside or (lambda _: None)
        self._types = tuple(kind for family, kind in ((4, "A"), (6, "AAAA")) if family in target.families)
        self._timeout_s = target.limits.timeout_s
        self._known: set[str] = set()
        self._routed = set(named_addresses(target))  # seen to with the desktop's own facts
        self._silent: Counter[Place] = Counter()
        self._no_edns: set[Place] = set()
        self._with_edns: set[Place] = set()  # answered a query that had it
        self._turn = asyncio.Lock()  # one server's burst at a time
        self._sending = asyncio.Lock()  # nothing of ours between the queries of a burst
        self._first: dict[Place, list[DnsAnswer]] = {}
        self._guide: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        self._said_too_many = False

    async def everything(self) -> None:
        began = self._record.now()
        settings = configuration(self._target, self._seam.desktop)
        self._note_configuration(settings, began)
        async with asyncio.TaskGroup() as group:
            looks = [group.create_task(self._see_resolver(place)) for place in settings.resolvers]
            if settings.source == "system":
                group.create_task(self._see_system(looks))
            if looks:
                group.create_task(self._then_the_rest(looks, settings))

    def _note_configuration(self, settings: Configuration, began: float) -> None:
        self._record.add(
            ResolverConfig,
            began,
            source=settings.source,
            servers=tuple(place.shown for place in settings.resolvers),
            search=settings.search,
            ndots=settings.ndots,
            failure=settings.failure,
        )
        if settings.left_out:
            used = len(settings.resolvers)
            self._bound("resolvers asked", used + settings.left_out, used)

    def _bound(self, what: str, seen: int, used: int) -> None:
        self._record.add(Bound, self._record.now(), elapsed_s=None, what=what, seen=seen, used=used)

    # --- addresses that become known ---------------------------------------------------------------------

    def _tell(self, addresses: Iterable[str]) -> None:
        wanted = self._usable(addresses)
        new = tuple(a for a in dict.fromkeys(wanted) if a not in self._known)
        new = new[: max(0, MAX_HEARD - len(self._known))]
        if new:
            unseen = [a for a in new[:ROUTES_PER_ANSWER] if a not in self._routed]
            self._routed.update(unseen)
            see_routes(self._seam, self._record, unseen, self._target.port)
            self._known.update(new)
            self._heard(new)

    def _usable(self, addresses: Iterable[str]) -> list[str]:
        """Those that are asked for and may be a server's."""
        families = self._target.families
        asked = (a for a in addresses if (6 if ":" in a else 4) in families)
        return [address for address in asked if is_contacted(address, self._target)]

    async def _see_system(self, looks: list[asyncio.Task[None]]) -> None:
        """What programs get here; once more where no name server gave it, since the first answer may have been the
        last of an old one (RFC 8767)."""
        first = await self._ask_system()
        if looks and first.addresses:
            await asyncio.wait(looks)
        by_dns = {address for answers in self._first.values() for a in answers for address in a.records}
        if by_dns and first.addresses and by_dns.isdisjoint(first.addresses):
            await self._seam.clock.sleep(AGAIN_S)
            await self._ask_system()

    async def _ask_system(self) -> SystemResolution:
        began = self._record.now()
        addresses: tuple[str, ...] = ()
        trouble: Failure | None = None
        try:
            # The C library's own second try comes after five seconds (resolv.conf(5)): slow is not silent.
            async with asyncio.timeout(2 * self._timeout_s):
                addresses = await self._seam.resolver.system(self._target.fqdn)
        except socket.gaierror as error:  # its numbers are EAI_*, not errno
            trouble = Failure(Phase.RESOLVE, Cause.NO_ADDRESS, error.strerror or str(error), error.errno)
        except (OSError, ValueError) as error:
            trouble = failure_from(Phase.RESOLVE, error)
        if len(addresses) > KEPT_RECORDS:
            self._note_too_many(len(addresses))
        seen = self._record.add(
            SystemResolution,
            began,
            name=self._target.fqdn,
            addresses=addresses[:KEPT_RECORDS],
            failure=trouble,
        )
        self._tell(addresses[:KEPT_RECORDS])
        return seen

    # --- one resolver ------------------------------------------------------------------------------------

    async def _see_resolver(self, place: Place) -> None:
        """First answers, then a burst for each family as its first answer is there."""
        async with asyncio.TaskGroup() as group:
            waiting = {kind: group.create_task(self._ask_first(place, kind)) for kind in self._types}
            while waiting:
                await asyncio.wait(waiting.values(), return_when=asyncio.FIRST_COMPLETED)
                if len(waiting) > 1:
                    await asyncio.wait(waiting.values(), timeout=SIBLING_S)
                ready = [
                    waiting.pop(kind) for kind in self._types if kind in waiting and waiting[kind].done()
                ]
                await self._seam.clock.sleep(SPACING_S)  # what else is to be asked of it now goes first
                async with self._turn:
                    await self._burst(place, [task.result() for task in ready], "resolver")
        if all(answer.rcode == "SERVFAIL" for answer in self._first.get(place, ())):
            # Without validation (RFC 4035 section 3.2.2): does DNSSEC stand in the way?
            await self._ask(place, self._target.fqdn, self._types[0], purpose="probe", unchecked=True)

    async def _ask_first(self, place: Place, kind: str) -> DnsAnswer:
        answer = await self._ask(place, self._target.fqdn, kind)
        self._tell(answer.records)
        self._first.setdefault(place, []).append(answer)
        if answer.rcode in _ANSWERED and not self._guide.done():
            self._guide.set_result(place)
        return answer

    async def _burst(
        self, place: Place, firsts: Sequence[DnsAnswer], role: Literal["resolver", "authority"]
    ) -> list[DnsAnswer]:
        """The rest of the repetitions, families one after another, without waiting for each answer."""
        pending: list[asyncio.Task[DnsAnswer]] = []
        alone = self._sending if role == "resolver" else asyncio.Lock()
        async with asyncio.TaskGroup() as group, alone:  # the lock ends with the last query sent
            for first in firsts:
                if self._is_silent(place):
                    break
                for repetition in range(1, 1 + _repeats(first)):
                    work = self._ask(
                        place,
                        first.name,
                        first.record_type,
                        repetition=repetition,
                        role=role,
                        purpose=first.purpose,
                    )
                    pending.append(group.create_task(work))
                    await self._seam.clock.sleep(SPACING_S)
        answers = [task.result() for task in pending]
        if role == "resolver":
            self._tell(address for answer in answers for address in answer.records)
        return answers

    def _is_silent(self, place: Place) -> bool:
        return self._silent[place] >= SILENT_TRIES

    # --- one query ---------------------------------------------------------------------------------------

    async def _ask(
        self,
        place: Place,
        name: str,
        kind: str,
        *,
        repetition: int = 0,
        role: Literal["resolver", "authority"] = "resolver",
        purpose: Purpose = "fqdn",
        unchecked: bool = False,
    ) -> DnsAnswer:
        """One query, recorded: asked again where a datagram was lost, over TCP where it was cut short.

        Its time is that of the datagram that was answered, so that a slow server is slow and a lost one is not.
        """
        began = self._record.now()
        data: dict[str, Any] = {}
        question = Question(name, kind, repetition, role == "resolver", unchecked)
        try:
            reading, transport, began = await self._exchange(place, question)
            data = _as_data(reading, transport)
            if reading.seen > KEPT_RECORDS:
                self._note_too_many(reading.seen)
        except _CutShortError as error:
            data = {"transport": "tcp", "flags": ("TC",), "failure": failure_from(Phase.RESOLVE, error.why)}
            self._silent[place] += SILENT_TRIES
        except (OSError, ValueError) as error:
            data["failure"] = failure_from(Phase.RESOLVE, error)
            if isinstance(error, TimeoutError):
                self._silent[place] += SILENT_TRIES
        return self._record.add(
            DnsAnswer,
            began,
            server=place.shown,
            server_name=place.name,
            role=role,
            purpose=purpose,
            name=name,
            record_type=kind,
            repetition=repetition,
            **data,
        )

    def _note_too_many(self, seen: int) -> None:
        if not self._said_too_many:
            self._said_too_many = True
            self._bound("addresses kept of one DNS answer", seen, KEPT_RECORDS)

    async def _exchange(
        self, place: Place, question: Question
    ) -> tuple[Reading, Literal["udp", "tcp"], float]:
        """The answer, over what it came, and when it was asked for. Raises OSError (TimeoutError among them) or
        ValueError (malformed)."""
        limit_s = self._timeout_s if question.recurse else min(self._timeout_s, AUTHORITY_TIMEOUT_S)
        async with asyncio.timeout(limit_s):
            edns = place not in self._no_edns
            answer, began = await self._over_udp(place, question, edns, limit_s)
            if edns and answer.rcode in _EDNS_REFUSED:
                edns = False
                self._no_edns.add(place)
                answer, began = await self._over_udp(place, question, edns, limit_s)
            reading = read(answer, question.name, question.kind)
            if "TC" not in reading.flags:
                return reading, "udp", began
        try:
            async with asyncio.timeout(limit_s):
                query = question.query(edns)
                whole = await self._seam.resolver.ask(query, place.address, place.port, tcp=True)
        except OSError as error:
            raise _CutShortError(error) from error
        reading = read(whole, question.name, question.kind)
        if "TC" in reading.flags:
            raise ValueError("the answer is cut short over TCP as well")
        return reading, "tcp", began

    async def _over_udp(
        self, place: Place, question: Question, edns: bool, limit_s: float
    ) -> tuple[Answer, float]:
        """One datagram, and up to two more with other ids if nothing came; the zone's own servers get one.

        An answer to any of them counts, however late: a slow server would never be heard otherwise. The second goes
        without EDNS to a server that never answered it, since some firewalls drop it (RFC 6891 section 6.2.2).
        """
        tries: dict[asyncio.Task[Answer], tuple[float, bool]] = {}
        try:
            for wait_s in _tries(limit_s) if question.recurse else (limit_s,):
                extended = edns and (len(tries) != 1 or place in self._with_edns)
                ask = self._seam.resolver.ask(question.query(extended), place.address, place.port, tcp=False)
                tries[asyncio.ensure_future(ask)] = (self._record.now(), extended)
                done, _ = await asyncio.wait(tries, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
                if done:
                    first = min(done, key=tries.__getitem__)
                    began, extended = tries[first]
                    if extended:
                        self._with_edns.add(place)
                    return first.result(), began
        finally:
            for one in tries:
                one.cancel()
            await asyncio.gather(*tries, return_exceptions=True)
        raise TimeoutError

    # --- what comes after the resolvers ------------------------------------------------------------------

    async def _then_the_rest(self, looks: list[asyncio.Task[None]], settings: Configuration) -> None:
        """The zone's servers, the members' names and the search suffixes, with the first resolver that knows."""
        finished = asyncio.ensure_future(_all(looks))
        try:
            await asyncio.wait((finished, self._guide), return_when=asyncio.FIRST_COMPLETED)
            guide = self._guide.result() if self._guide.done() else self._any_that_speaks()
            if guide is None:
                self._note_no_delegation()
                return
            async with asyncio.TaskGroup() as group:
                group.create_task(self._see_zone(guide, looks))
                group.create_task(self._see_member_names(guide, looks[settings.resolvers.index(guide)]))
                group.create_task(self._try_suffixes(guide, finished, settings.search))
        finally:
            finished.cancel()

    def _any_that_speaks(self) -> Place | None:
        """A resolver that answers with errors about the FQDN may still know a suffix, or the members."""
        speaking = [p for p, answers in self._first.items() if any(a.rcode is not None for a in answers)]
        return speaking[0] if speaking else None

    def _note_no_delegation(self) -> None:
        trouble = Failure(Phase.RESOLVE, Cause.OTHER, "no resolver answered that could tell the zone")
        self._record.add(
            Delegation, self._record.now(), elapsed_s=None, name=self._target.fqdn, failure=trouble
        )

    async def _quietly(self, place: Place, name: str, kind: str) -> Reading | None:
        """A question on the way to something else; not recorded by itself. None: no answer."""
        try:
            reading, _, _ = await self._exchange(place, Question(name, kind))
        except (OSError, ValueError):
            return None
        return reading

    async def _side_by_side(self, work: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
        """Start all at once, not between the queries of a burst, and wait for all."""
        if not work:
            return []
        try:
            async with asyncio.TaskGroup() as group, self._sending:
                tasks = [group.create_task(one) for one in work]
                await asyncio.sleep(0)
        finally:
            for one in work:
                one.close()  # one that never began, since the run was ended first: Python would complain
        return [task.result() for task in tasks]

    async def _see_zone(self, guide: Place, looks: list[asyncio.Task[None]]) -> None:
        name = _last_name(self._first[guide], self._target.fqdn)
        began = self._record.now()
        zone, servers = await self._delegation(guide, name)
        trouble = None if zone else Failure(Phase.RESOLVE, Cause.NOT_FOUND, "no NS record was given")
        self._record.add(Delegation, began, name=name, zone=zone, servers=servers, failure=trouble)
        asked = self._authorities_to_ask(servers)
        if len(servers) > AUTHORITIES:
            self._bound("name servers of the zone asked", len(servers), AUTHORITIES)
        if not asked:
            return
        await asyncio.wait(looks, timeout=PATIENCE_S)
        async with self._turn:
            bursts = await asyncio.gather(*(self._see_authority(place, name) for place in asked))
        self._tell_of_authorities([answer for burst in bursts for answer in burst])

    async def _delegation(self, guide: Place, name: str) -> tuple[str | None, tuple[NameServer, ...]]:
        """The nearest zone cut at or above the name, and its servers with addresses (RFC 1034 section 4.2)."""
        labels = name.split(".")
        # A top-level domain is asked about only where the name stands right below it, as in an intranet.
        ends = max(1, len(labels) - 1) if len(labels) > 2 else len(labels)
        cuts = [".".join(labels[start:]) for start in range(ends)][-MAX_ZONE_CUTS:]
        readings = await self._side_by_side([self._quietly(guide, cut, "NS") for cut in cuts])
        for cut, reading in zip(cuts, readings, strict=True):
            if reading is None:
                break  # a nearer zone cut may be here: a farther one would be the wrong servers
            if reading.records and not reading.chain:
                names = sorted(reading.records)[: 4 * AUTHORITIES]
                return cut, await self._with_addresses(guide, names, reading)
        return None, ()

    async def _with_addresses(
        self, guide: Place, names: list[str], reading: Reading
    ) -> tuple[NameServer, ...]:
        found: dict[str, list[str]] = {name: [] for name in names}
        for name, address in reading.nearby:
            if name in found:
                found[name].append(address)
        missing = [name for name in names[:AUTHORITIES] if not found[name]]
        questions = [(name, kind) for name in missing for kind in self._types]
        answers = await self._side_by_side([self._quietly(guide, name, kind) for name, kind in questions])
        for (name, _), answer in zip(questions, answers, strict=True):
            if answer is not None:
                found[name].extend(answer.records[:AUTHORITIES])
        return tuple(NameServer(name, tuple(dict.fromkeys(found[name]))) for name in names)

    def _authorities_to_ask(self, servers: tuple[NameServer, ...]) -> list[Place]:
        """One address for each server, none that was asked as a resolver and answered as the authority."""
        own = {
            place.address
            for place, answers in self._first.items()
            if any("AA" in answer.flags for answer in answers)
        }
        chosen = []
        for server in servers[:AUTHORITIES]:
            usable = [
                one
                for one in server.addresses
                if (6 if ":" in one else 4) in self._target.families and no_server(one) in (None, LOOPBACK)
            ]
            if usable and not own.intersection(usable):
                chosen.append(Place(min(usable, key=lambda a: ":" in a), name=server.name))
        return list({place.address: place for place in chosen}.values())

    async def _see_authority(self, place: Place, name: str) -> list[DnsAnswer]:
        """First answers of both families, and their bursts; one that cannot be reached costs one time-out."""
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(self._ask(place, name, kind, role="authority")) for kind in self._types
            ]
        firsts = [task.result() for task in asked]
        more = await self._burst(place, [f for f in firsts if f.failure is None], "authority")
        return firsts + more

    def _tell_of_authorities(self, answers: list[DnsAnswer]) -> None:
        """Worth connecting to where they share an address with what resolvers gave, or change by themselves (a
        cache then holds one of many); else it is another view of the zone."""
        given = [address for answer in answers for address in answer.records]
        sets: dict[tuple[str, str], set[tuple[str, ...]]] = {}
        for answer in answers:
            if answer.records:
                sets.setdefault((answer.server, answer.record_type), set()).add(answer.records)
        changing = any(len(one) > 1 for one in sets.values())
        told = any(answer.records for some in self._first.values() for answer in some)
        if changing or not told or self._known.intersection(given):
            self._tell(given)
        else:
            self._beside(tuple(dict.fromkeys(self._usable(given)))[:BESIDE])

    async def _see_member_names(self, guide: Place, its_look: asyncio.Task[None]) -> None:
        names = list(dict.fromkeys(m.name for m in self._target.members if m.name != self._target.fqdn))
        if len(names) > MAX_MEMBER_NAMES:
            self._bound("members' names looked up", len(names), MAX_MEMBER_NAMES)
        if not names:
            return
        await asyncio.wait((its_look,), timeout=PATIENCE_S)  # the FQDN's burst goes first
        if self._is_silent(guide):
            return
        await self._side_by_side(
            [
                self._ask(guide, name, kind, purpose="member")
                for name in names[:MAX_MEMBER_NAMES]
                for kind in self._types
            ]
        )

    async def _try_suffixes(
        self, guide: Place, finished: asyncio.Future[None], search: tuple[str, ...]
    ) -> None:
        """What the system's search list makes of a name that does not stand for itself (resolv.conf(5))."""
        dotted = "." in self._target.fqdn
        # Windows leaves names of several labels as they are (its policy to append suffixes to them is off).
        if not search or (dotted and self._seam.desktop.platform == "win32"):
            return
        if dotted:
            await asyncio.wait((finished,))
            answers = [answer for answers in self._first.values() for answer in answers]
            if any(answer.rcode == "NOERROR" for answer in answers):
                return
        if self._is_silent(guide):
            return
        found = await self._side_by_side(
            [
                self._ask(guide, f"{self._target.fqdn}.{suffix}", kind, purpose="suffix")
                for suffix in search
                for kind in self._types
            ]
        )
        name = next((answer.name for answer in found if answer.records), None)
        if name is not None:
            await self._ask(guide, self._made_up(name), self._types[0], purpose="probe")
        firsts = [answer for answer in found if answer.name == name]
        self._tell(address for answer in firsts for address in answer.records)
        async with self._turn:
            await self._burst(guide, firsts, "resolver")

    def _made_up(self, name: str) -> str:
        """A name in the same place that nobody has: where it has an address, a wildcard answers for all."""
        suffix = name.removeprefix(f"{self._target.fqdn}.")
        return f"{self._seam.random.getrandbits(48):012x}.{suffix}"


async def ask_for_nobody(backend: NetworkBackend, record: Recorder, target: Target, place: Place) -> None:
    """Record what the resolver says of a name that cannot exist: with an address, it answers every name itself."""
    await _Look(backend, record, target, lambda _: None)._ask(place, NOBODY, "A", purpose="probe")


class Resolution:
    """What the name leads to, asked again and again as programs on this desktop ask. Recorded where it changes."""

    def __init__(self, backend: NetworkBackend, record: Recorder, target: Target) -> None:
        self._target = target
        self._settings = configuration(target, backend.desktop)
        self._look = _Look(backend, _Changes(record), target, lambda _: None)

    async def now(self) -> tuple[str, ...]:
        """The addresses, as the system gives them, or the first name server that answers; empty where none does."""
        if self._target.fqdn_is_address:
            return (self._target.fqdn,)
        given: tuple[str, ...] = ()
        if self._settings.source == "system":
            given = (await self._look._ask_system()).addresses
        for place in self._settings.resolvers:
            if given:
                break
            asked = [self._look._ask(place, self._target.fqdn, kind) for kind in self._look._types]
            answers = await asyncio.gather(*asked)
            given = tuple(address for answer in answers for address in answer.records)
            if any(answer.rcode in _ANSWERED for answer in answers):
                break
        return tuple(dict.fromkeys(self._look._usable(given)))


class _Changes(Recorder):
    """Keeps what differs from the last observation of its kind and place; the rest is made and not kept."""

    def __init__(self, inner: Recorder) -> None:
        self._inner = inner
        self._last: dict[tuple[object, ...], object] = {}

    def now(self) -> float:
        return self._inner.now()

    def add(self, kind: type[Kind], began_s: float, *, elapsed_s: float | None = -1.0, **data: Any) -> Kind:
        place = kind, data.get("server"), data.get("record_type"), data.get("address")
        cause = getattr(data.get("failure"), "cause", None)
        said = data.get("rcode"), sorted(data.get("records", data.get("addresses", ()))), cause
        if self._last.get(place) == said:
            return kind(id="", at_s=began_s, **data)
        self._last[place] = said
        return self._inner.add(kind, began_s, elapsed_s=elapsed_s, **data)


async def _all(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


def _tries(limit_s: float) -> tuple[float, ...]:
    """How long to wait after each datagram of one query: together the step's time-out; two of them if it is short."""
    first_s, second_s = TRIES_S
    if limit_s < 2 * (first_s + second_s):
        return min(first_s, limit_s / 2), limit_s - min(first_s, limit_s / 2)
    return first_s, second_s, limit_s - first_s - second_s


def _repeats(first: DnsAnswer) -> int:
    """How many more times: addresses may change, an error or nothing is only confirmed."""
    if not first.records:
        return 1
    return HUGE_BURST if len(first.records) >= KEPT_RECORDS else BURST


def _last_name(answers: Sequence[DnsAnswer], name: str) -> str:
    """Where the aliases lead: the zone that holds the addresses is the one that rotates them."""
    chains = [answer.cname for answer in answers if answer.cname]
    return chains[0][-1].target if chains else name


def _as_data(reading: Reading, transport: str) -> dict[str, Any]:
    return {
        "transport": transport,
        "rcode": reading.rcode,
        "flags": reading.flags,
        "cname": reading.chain,
        "records": reading.records,
        "ttl_s": reading.ttl_s,
    }

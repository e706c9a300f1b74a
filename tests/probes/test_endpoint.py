"""One look at everything that a network may hold in place of a server: the failure, the code, and its bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from semscheck.analysis.endpoints import places
from semscheck.model.analysis import Analysis, DnsAnalysis
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.observations import AnyObservation, Connection, DnsAnswer, Exchange, Handshake
from semscheck.model.report import Run, Snapshot
from semscheck.model.target import Target
from semscheck.net.backend import real_backend
from semscheck.net.tls_contexts import Contexts
from semscheck.probes.certificates import record_chain
from semscheck.probes.endpoint import LADDER, Destination, EndpointResult, ProbeContext, probe_endpoint
from semscheck.probes.recorder import Recorder
from semscheck.rules.evaluate import evaluate
from tests.rig.hostile import NASTY_PAGE, PLAIN_HTTP, SSH_BANNER, Hostile, Lie
from tests.rig.net import Namespaces, Rejection
from tests.rig.rig import open_rig

pytestmark = pytest.mark.real

FQDN = "keys.example.test"
STEP_S = 3.0  # everything here answers at once, or never
ALL_S = 120.0  # far more than all of it takes; a look that hangs fails the tests

PAGE = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"


def page(title: bytes, more: bytes = b"") -> bytes:
    body = b"<html><head><title>" + title + b"</title></head>" + more + b"</html>"
    return PAGE % (len(body), body)


def redirect(location: bytes) -> bytes:
    return (
        b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )


@dataclass(frozen=True, slots=True)
class Row:
    """What stands at an address, the first failure that a look must meet there (None: none), and the codes."""

    case: str
    how: str  # a lie; "nothing"; "hole"; or the kind of a firewall's rejection
    phase: Phase | None  # None: no failure, or any
    cause: Cause | None
    codes: set[str]
    payload: bytes = b""
    over_tls: bool = False
    alert: int = 40
    more: dict[str, object] = field(default_factory=dict)  # further fields of the failure
    either: tuple[set[str], ...] = (set(),)  # and one of these, as it happens


DOWN = {"CLU005"}
AWAY = {"CLU006", "CLU008"}
PRODUCT = b"Symantec Encryption Management Server"

ROWS = (
    Row("refused", "nothing", Phase.CONNECT, Cause.REFUSED, DOWN | {"NET001"}),
    Row("filtered", "hole", Phase.CONNECT, Cause.TIMED_OUT, DOWN | {"NET002"}, more={"errno": None}),
    Row("rejected as closed", "tcp-reset", Phase.CONNECT, Cause.REFUSED, DOWN | {"NET001"}),
    Row("rejected, port", "port-unreachable", Phase.CONNECT, Cause.REFUSED, DOWN | {"NET001"}),
    Row("rejected, host", "host-unreachable", Phase.CONNECT, Cause.NO_ROUTE, DOWN | {"NET003"}),
    Row("rejected, net", "net-unreachable", Phase.CONNECT, Cause.NO_ROUTE, DOWN | {"NET003"}),
    Row("rejected, policy", "admin-prohibited", Phase.CONNECT, Cause.NO_ROUTE, DOWN | {"NET003"}),
    # Seen while connecting or while saying hello, as it happens: it is one thing.
    Row("reset at once", "reset", None, Cause.RESET, DOWN | {"NET004"}),
    Row("reset after hello", "reset-after-hello", Phase.TLS, Cause.RESET, DOWN | {"NET004"}),
    # What is sent to a closed socket is answered by a reset, which may overtake the close.
    Row("closed at once", "close", Phase.TLS, None, DOWN, either=({"TLS002"}, {"NET004"})),
    Row("closed after hello", "close-after-hello", Phase.TLS, Cause.CLOSED, DOWN | {"TLS002"}),
    Row(
        "alert",
        "alert",
        Phase.TLS,
        Cause.ALERT,
        DOWN | {"TLS002"},
        more={"alert": "handshake_failure"},
    ),
    Row(
        "name not served",
        "alert",
        Phase.TLS,
        Cause.ALERT,
        DOWN | {"TLS002"},
        alert=112,
        more={"alert": "unrecognized_name"},
    ),
    Row(
        "alert that nobody knows",
        "alert",
        Phase.TLS,
        Cause.ALERT,
        DOWN | {"TLS002"},
        alert=233,
        more={"alert": "alert 233"},
    ),
    Row("TLS stalls", "stall", Phase.TLS, Cause.STALLED, DOWN | {"TLS003"}),
    Row("plain HTTP", "answer", Phase.TLS, Cause.NOT_TLS, DOWN | {"TLS001"}, PLAIN_HTTP),
    Row(
        "SSH",
        "banner",
        Phase.TLS,
        Cause.NOT_TLS,
        DOWN | {"TLS001"},
        SSH_BANNER,
        more={"said": "SSH-2.0-PGP\r\n"},
    ),
    Row("all bytes", "banner", Phase.TLS, Cause.NOT_TLS, DOWN | {"TLS001"}, bytes(range(256)) * 9),
    Row("one byte", "answer", Phase.TLS, Cause.NOT_TLS, DOWN | {"TLS001"}, b"\x00"),
    Row("TLS garbage", "garbage", Phase.TLS, Cause.MALFORMED, DOWN | {"TLS001"}),
    Row(
        "half a hello",
        "answer-and-stall",
        Phase.TLS,
        Cause.STALLED,
        DOWN | {"TLS003"},
        bytes([22, 3, 3, 1, 0]),
    ),
    Row(
        "reset in the middle",
        "answer-and-reset",
        Phase.TLS,
        Cause.RESET,
        DOWN | {"TLS002"},
        bytes([22, 3, 3, 1, 0]),
    ),
    Row("HTTP stalls", "stall", Phase.HTTP, Cause.STALLED, DOWN | {"CLU007"}, over_tls=True),
    Row("HTTP closes", "close-after-hello", Phase.HTTP, Cause.CLOSED, DOWN | {"CLU007"}, over_tls=True),
    Row("HTTP is reset", "reset-after-hello", Phase.HTTP, Cause.RESET, DOWN | {"CLU007"}, over_tls=True),
    Row("no HTTP", "answer", Phase.HTTP, Cause.MALFORMED, DOWN | {"CLU007"}, b"220 mail\r\n\r\n", True),
    Row(
        "half an answer",
        "answer",
        Phase.HTTP,
        Cause.CLOSED,
        DOWN | {"CLU007"},
        b"HTTP/1.1 200 OK\r\nSer",
        True,
    ),
    Row("half a body", "answer", Phase.HTTP, Cause.CLOSED, DOWN | {"CLU007"}, PAGE % (99, b"<title>"), True),
    Row("endless headers", "endless-header", Phase.HTTP, Cause.MALFORMED, DOWN | {"CLU007"}, over_tls=True),
    Row(
        "endless interim answers",
        "endless-continue",
        Phase.HTTP,
        Cause.STALLED,
        DOWN | {"CLU007"},
        over_tls=True,
    ),
    Row("slow drip", "slow-drip", Phase.HTTP, Cause.STALLED, DOWN | {"CLU007"}, over_tls=True),
    Row("huge body", "huge-body", None, None, {"CLU006"}, over_tls=True),
    Row("endless chunks", "endless-chunks", None, None, {"CLU006"}, over_tls=True),
    Row("nasty page", "answer", None, None, {"CLU006"}, NASTY_PAGE, True),
    Row("another product", "answer", None, None, {"CLU006"}, page(b"It works!"), True),
    Row("the product, one answer for each connection", "answer", None, None, set(), page(PRODUCT), True),
    Row("a title of 10 kB", "answer", None, None, set(), page(PRODUCT + b"x" * 10_000), True),
    Row("a title that opens for ever", "answer", None, None, {"CLU006"}, page(b"", b"<title" * 30_000), True),
    Row("elsewhere", "answer", None, None, AWAY, redirect(b"https://sso.example.test/login"), True),
    Row("elsewhere, unwritten", "answer", None, None, AWAY, redirect(b"//sso.example.test/"), True),
    Row("another port", "answer", None, None, {"CLU006"}, redirect(f"https://{FQDN}:8443/".encode()), True),
    Row("a path that is none", "answer", None, None, {"CLU006"}, redirect(b"/%zz \xff{}|\\^`<>"), True),
    Row("a path of the product", "answer", None, None, set(), redirect(b"/omc/Start.event"), True),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look left behind."""

    address: str
    observations: tuple[AnyObservation, ...]
    codes: set[str]
    sight: EndpointResult

    @property
    def failure(self) -> Failure | None:
        """Of the first step that failed in the order of steps, in the first attempt."""
        failed = [
            seen.failure
            for seen in self.observations
            if isinstance(seen, Connection | Handshake | Exchange) and seen.failure is not None
        ]
        return failed[0] if failed else None

    @property
    def exchanges(self) -> list[Exchange]:
        return [seen for seen in self.observations if isinstance(seen, Exchange)]


async def _look(address: str, port: int, ca_file: str) -> Seen:
    backend = real_backend(1)
    record = Recorder(backend.clock)
    probe = ProbeContext(backend, record, Contexts(ca_file), STEP_S, "test", record_chain)
    sight = await probe_endpoint(probe, Destination(address, port, FQDN))
    assert all(room._value == 8 for room in probe.places._rooms.values()), "a connection was not given back"
    aim = Target(FQDN, port=port, ca_file=ca_file)
    # The name server's answer, without which silence would be a desktop with no network (SEM003).
    record.add(DnsAnswer, 0.0, server="192.0.2.53:53", name=FQDN, record_type="A", rcode="NOERROR")
    snapshot = Snapshot(
        target=aim, run=Run(id="t", started=backend.clock.utc()), observations=record.observations
    )
    dns = DnsAnalysis(addresses=(address,))
    findings, _, _ = evaluate(snapshot, Analysis(dns=dns, places=places(snapshot, dns)))
    # A busy machine is slow (NET005), and that is not what is looked at here.
    own = {f.code for f in findings if f.code.startswith(("NET", "TLS", "CLU"))} - {"NET005"}
    return Seen(address, record.observations, own, sight)


async def _look_at_all(places: dict[str, str], port: int, ca_file: str) -> dict[str, Seen]:
    """The silent ones all the while, those that keep a core busy one after another, the others a few at a time."""
    greedy = {row.case for row in ROWS if row.how.startswith(("endless", "huge"))}
    silent = {row.case for row in ROWS if row.cause in (Cause.TIMED_OUT, Cause.STALLED)} - greedy
    room = asyncio.Semaphore(4)

    async def one(case: str) -> Seen:
        if case in silent:
            return await _look(places[case], port, ca_file)
        async with room:
            return await _look(places[case], port, ca_file)

    async with asyncio.timeout(ALL_S):
        calm = [case for case in places if case not in greedy]
        found = dict(zip(calm, await asyncio.gather(*map(one, calm)), strict=True))
        for case in greedy & set(places):
            found[case] = await _look(places[case], port, ca_file)
        return found


@pytest.fixture(scope="module")
def looks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    """Every row looked at, all at once; what loopback cannot show is left out."""
    directory: Path = tmp_path_factory.mktemp("endpoint")
    with open_rig(directory) as rig:
        namespaced = isinstance(rig.network, Namespaces)
        port = rig.port(443)
        certificate = rig.authority.issue(FQDN)
        places_of: dict[str, str] = {}
        lies = []
        for number, row in enumerate(ROWS, start=11):
            address = rig.address(f"192.0.2.{number}")
            if row.how == "hole":
                rig.network.blackhole(address, port)
            elif row.how in Rejection.__args__:  # type: ignore[attr-defined]
                if not namespaced:
                    continue
                rig.network.reject(address, row.how, port)  # type: ignore[arg-type]
            elif row.how != "nothing":
                shown = certificate if row.over_tls else None
                lie = Lie(address, port, row.how, row.payload, shown, row.alert)  # type: ignore[arg-type]
                lies.append(replace(lie, pace_s=0.01))
            places_of[row.case] = address
        rig.start(Hostile(tuple(lies)))
        yield rig.client.call(lambda: asyncio.run(_look_at_all(places_of, port, str(rig.ca_file))))


@pytest.fixture
def seen(looks: dict[str, Seen], row: Row) -> Seen:
    if row.case not in looks:
        pytest.skip("this needs network namespaces")
    return looks[row.case]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_what_stopped_a_look_is_told_apart(row: Row, seen: Seen) -> None:
    failure = seen.failure
    if len(row.either) > 1:
        assert failure is not None
        assert failure.cause in (Cause.CLOSED, Cause.RESET)
        return
    assert (failure.cause if failure is not None else None) == row.cause, failure
    if row.phase is not None:
        assert failure is not None
        assert failure.phase == row.phase
    for name, value in row.more.items():
        assert getattr(failure, name) == value


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_each_has_exactly_its_codes(row: Row, seen: Seen) -> None:
    assert seen.codes in [row.codes | each for each in row.either]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_what_is_kept_is_bounded(row: Row, seen: Seen) -> None:
    assert len(seen.observations) < 20 + 2 * len(LADDER)
    for each in seen.observations:
        failure = getattr(each, "failure", None)
        if failure is not None:
            assert len(failure.said or "") <= 256
            assert len(failure.detail) <= 500
        if isinstance(each, Exchange):
            assert len(each.headers) <= 100
            assert all(len(name) <= 200 and len(value) <= 4096 for name, value in each.headers)
            assert len(each.title or "") <= 2000
            assert (each.body_bytes or 0) <= 256 * 1024


@pytest.mark.parametrize(
    "row", [r for r in ROWS if r.how in ("huge-body", "endless-chunks")], ids=lambda r: r.case
)
def test_a_body_without_end_is_cut(row: Row, seen: Seen) -> None:
    first = seen.exchanges[0]
    assert (first.status, first.truncated, first.body_bytes) == (200, True, 256 * 1024)
    assert seen.sight.version is not None, "a page that is cut for its size is still an answer"


@pytest.mark.parametrize("row", [r for r in ROWS if r.case == "nasty page"], ids=lambda r: r.case)
def test_bytes_stay_as_they_came(row: Row, seen: Seen) -> None:
    headers = dict(seen.exchanges[0].headers)
    assert headers["Server"] == "\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>"
    assert "\x1b[31m" in (seen.exchanges[0].title or "")


@pytest.mark.parametrize("row", [r for r in ROWS if r.case == "a title of 10 kB"], ids=lambda r: r.case)
def test_a_long_title_is_cut_not_lost(row: Row, seen: Seen) -> None:
    assert seen.exchanges[0].title == (PRODUCT.decode() + "x" * 10_000)[:2000]


@pytest.mark.parametrize(
    ("case", "path", "follows"),
    [
        ("elsewhere", "/b/l.e", False),
        ("elsewhere, unwritten", "/b/l.e", False),
        ("another port", "/b/l.e", False),
        ("a path that is none", "/b/l.e", False),
        ("a path of the product", "/omc/Start.event", True),
    ],
)
def test_a_redirect_is_followed_once_and_on_the_same_host(
    looks: dict[str, Seen], case: str, path: str, follows: bool
) -> None:
    exchanges = looks[case].exchanges
    assert [each.path for each in exchanges] == ["/", path]
    assert (exchanges[1].follows == exchanges[0].id) is follows


def test_a_server_that_closes_after_each_answer_is_asked_on_another_connection(
    looks: dict[str, Seen],
) -> None:
    seen = looks["the product, one answer for each connection"]
    assert [(each.path, each.status) for each in seen.exchanges] == [("/", 200), ("/b/l.e", 200)]
    assert sum(isinstance(each, Connection) for each in seen.observations) == 2


def test_quick_failures_and_silence_after_connecting_are_tried_again(looks: dict[str, Seen]) -> None:
    def attempts(case: str) -> int:
        return sum(isinstance(each, Connection) for each in looks[case].observations)

    assert attempts("refused") == 3
    assert attempts("filtered") == 1
    assert attempts("TLS stalls") == 3 + len(
        LADDER
    )  # a pool may have servers that answer, or mind what is offered

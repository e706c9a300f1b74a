"""Places at an address: eight at most, in turn, and given back whatever happens."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from semscheck.model.failure import Cause, Phase
from semscheck.net.backend import Stream
from semscheck.net.connection_limit import ConnectionLimiter, dial
from semscheck.net.tls_contexts import Contexts
from semscheck.probes.certificates import record_chain
from semscheck.probes.endpoint import ProbeContext
from semscheck.probes.recorder import Recorder
from tests.scripted import ScriptedDialler, ScriptedStream, refusal, scripted_seam, silence

HERE = "192.0.2.1"


class Doorman:
    """Lets connections in when told, and counts who is inside."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.waiting = 0
        self.inside = 0
        self.most = 0

    async def connect(self, address: str, port: int) -> Stream:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.waiting += 1
        await self.open.wait()
        self.waiting -= 1
        return ScriptedStream()


def probe(root: Path, how: object, *, timeout_s: float = 0.2, most: int = 8) -> ProbeContext:
    backend = scripted_seam(root, dialler=ScriptedDialler({}, how))  # type: ignore[arg-type]
    return ProbeContext(
        backend,
        Recorder(backend.clock),
        Contexts(None),
        timeout_s,
        "t",
        record_chain,
        ConnectionLimiter(most),
    )


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_eight_are_let_in_and_the_next_waits_for_a_place(tmp_path: Path) -> None:
    doorman = Doorman()
    able = probe(tmp_path, doorman.connect, timeout_s=20)
    dialling = [asyncio.create_task(dial(able, HERE, 443)) for _ in range(20)]
    await settled()
    assert doorman.most == 8
    doorman.open.set()
    await settled()
    done = [task for task in dialling if task.done()]
    assert len(done) == 8
    for _ in range(2):
        for task in [task for task in dialling if task.done()]:
            stream = task.result().stream
            assert stream is not None
            stream.close()
            stream.close()  # twice gives back one place
        await settled()
    assert all(task.done() for task in dialling)
    assert doorman.most <= 20
    for task in dialling:
        (await task).stream.close()  # type: ignore[union-attr]


async def test_other_addresses_have_places_of_their_own(tmp_path: Path) -> None:
    doorman = Doorman()
    able = probe(tmp_path, doorman.connect, timeout_s=20, most=1)
    dialling = [asyncio.create_task(dial(able, f"192.0.2.{n}", 443)) for n in range(5)]
    await settled()
    assert doorman.inside == 5
    doorman.open.set()
    for task in dialling:
        (await task).stream.close()  # type: ignore[union-attr]


async def test_waiting_for_a_place_is_no_part_of_the_time_out(tmp_path: Path) -> None:
    """One place, five silent connections of 0.05 s each: each has its whole time, none fails for waiting."""
    able = probe(tmp_path, silence, timeout_s=0.05, most=1)
    async with asyncio.timeout(60):
        dialled = await asyncio.gather(*(dial(able, HERE, 443) for _ in range(5)))
    assert [each.failure.cause for each in dialled if each.failure is not None] == [Cause.TIMED_OUT] * 5
    assert {each.failure.phase for each in dialled if each.failure is not None} == {Phase.CONNECT}
    assert able.places.at(HERE)._value == 1


@pytest.mark.parametrize("how", [refusal, silence])
async def test_what_fails_gives_its_place_back(tmp_path: Path, how: object) -> None:
    able = probe(tmp_path, how, timeout_s=0.02, most=1)
    for _ in range(3):
        assert (await dial(able, HERE, 443)).stream is None
    assert able.places.at(HERE)._value == 1


async def test_what_is_cancelled_gives_its_place_back(tmp_path: Path) -> None:
    able = probe(tmp_path, silence, timeout_s=20, most=1)
    first, second = (asyncio.create_task(dial(able, HERE, 443)) for _ in range(2))
    await settled()
    for task in (second, first):  # the one that waits for a place, then the one that has it
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert able.places.at(HERE)._value == 1


async def test_a_crash_gives_its_place_back(tmp_path: Path) -> None:
    async def explode(address: str, port: int) -> Stream:
        raise ZeroDivisionError

    able = probe(tmp_path, explode, most=1)
    with pytest.raises(ZeroDivisionError):
        await dial(able, HERE, 443)
    assert able.places.at(HERE)._value == 1


async def test_a_stream_whose_close_fails_gives_its_place_back_too(tmp_path: Path) -> None:
    class Bad(ScriptedStream):
        def close(self, last: bytes = b"") -> None:
            raise OSError(9, "Bad file descriptor")

    async def connect(address: str, port: int) -> Stream:
        return Bad()

    able = probe(tmp_path, connect, most=1)
    stream = (await dial(able, HERE, 443)).stream
    assert stream is not None
    with pytest.raises(OSError):
        stream.close()
    assert able.places.at(HERE)._value == 1


async def test_what_was_left_open_is_closed_at_the_end(tmp_path: Path) -> None:
    made: list[ScriptedStream] = []

    async def connect(address: str, port: int) -> Stream:
        made.append(ScriptedStream())
        return made[-1]

    able = probe(tmp_path, connect)
    kept = [(await dial(able, HERE, 443)).stream for _ in range(3)]
    kept[0].close()  # type: ignore[union-attr]
    able.places.close_all()
    able.places.close_all()
    assert [stream.closed for stream in made] == [1, 1, 1]
    assert able.places.at(HERE)._value == 8

"""The real backend: sockets, threads that cannot be cancelled, and floods that must not stop the clock."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading

import pytest

from semscheck.net.backend import NetworkResolver, SocketDialler, SocketStream, real_backend
from semscheck.net.concurrency import gather_or_cancel
from semscheck.net.dns_message import make_query
from semscheck.threads import off_loop

HERE = "127.0.0.1"


async def _server(handler):  # type: ignore[no-untyped-def]
    server = await asyncio.start_server(handler, HERE, 0)
    return server, server.sockets[0].getsockname()[1]


async def test_a_stream_sends_receives_ends_and_closes() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        writer.close()

    server, port = await _server(echo)
    async with server:
        stream = await SocketDialler().connect(HERE, port)
        assert stream.local_address == HERE
        await stream.send(b"hello")
        assert await stream.receive() == b"hello"
        assert await stream.receive() == b""
        stream.close(b"late")
        stream.close()


async def test_a_port_that_is_closed_and_a_source_that_is_not_ours() -> None:
    with socket.socket() as taken:
        taken.bind((HERE, 0))
        port = taken.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            await SocketDialler().connect(HERE, port)
    with pytest.raises(OSError) as caught:
        await SocketDialler().connect(HERE, port, source_address="192.0.2.77")
    assert caught.value.errno == errno.EADDRNOTAVAIL


async def test_another_source_address_is_used() -> None:
    came: list[str] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer.get_extra_info("peername")[0])
        writer.close()

    server, port = await _server(note)
    async with server:
        stream = await SocketDialler().connect(HERE, port, source_address="127.0.0.77")
        assert stream.local_address == "127.0.0.77"
        assert await stream.receive() == b""
        stream.close()
    assert came == ["127.0.0.77"]


def test_a_route_is_asked_for_and_nothing_is_sent() -> None:
    assert SocketDialler().source_for(HERE, 443) == HERE
    with pytest.raises(OSError):
        SocketDialler().source_for("not an address", 443)


class Full:
    """A loop whose sockets always hold something, so that receiving never suspends."""

    def __init__(self) -> None:
        self.received = 0

    async def sock_recv(self, connected: socket.socket, size: int) -> bytes:
        self.received += 1
        assert self.received < 1_000_000, "the clock was stopped"
        return b"x" * size


async def test_a_server_that_sends_without_end_does_not_stop_the_clock() -> None:
    """sock_recv does not suspend while there is something: without a break no time-out would ever run."""
    with socket.socket() as never_used:
        never_used.bind((HERE, 0))
        stream = SocketStream(never_used, Full())  # type: ignore[arg-type]

        async def drain() -> None:
            async with asyncio.timeout(0.05):
                while True:
                    await stream.receive()

        with pytest.raises(TimeoutError):
            await drain()


async def test_a_flood_of_wrong_answers_does_not_stop_the_clock() -> None:
    """A name server's address from which forged datagrams come as fast as they can be sent (RFC 5452)."""
    liar = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    liar.bind((HERE, 0))
    stop = threading.Event()

    def flood() -> None:
        _, client = liar.recvfrom(4096)
        with contextlib.suppress(OSError):
            while not stop.is_set():
                liar.sendto(b"\x00\x00" + b"x" * 40, client)

    thread = threading.Thread(target=flood)
    thread.start()
    query = b"\0\7" + make_query("keys.example.com", "A", recurse=True)[2:]
    try:
        with pytest.raises(ValueError):
            async with asyncio.timeout(60):
                await NetworkResolver().ask(query, HERE, liar.getsockname()[1], tcp=False)
    finally:
        stop.set()
        liar.close()
        thread.join()


# --- threads that cannot be cancelled ----------------------------------------------------------------------


async def test_the_result_and_the_error_of_a_blocking_call() -> None:
    assert await off_loop("a".upper) == "A"
    with pytest.raises(ValueError):
        await off_loop(lambda: int("x"))
    assert await off_loop(lambda: None) is None


async def test_a_blocking_call_that_hangs_holds_nobody() -> None:
    release = threading.Event()
    waiting = asyncio.create_task(off_loop(lambda: release.wait(20)))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    mine = [thread for thread in threading.enumerate() if thread.name == "semscheck-work"]
    assert mine
    assert all(thread.daemon for thread in mine)
    release.set()


async def test_a_name_that_does_not_resolve_is_the_systems_own_error() -> None:
    with pytest.raises(OSError):
        await real_backend(1).resolver.system("name.invalid.")


# --- several things at once --------------------------------------------------------------------------------


async def test_together_gives_results_in_order() -> None:
    async def after(turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        return turns

    assert await gather_or_cancel(after(n) for n in (3, 1, 2)) == (3, 1, 2)
    assert await gather_or_cancel([]) == ()


async def test_one_that_fails_ends_the_others_and_its_own_error_is_raised() -> None:
    ended: list[bool] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError, match="a defect"):
        await gather_or_cancel((forever(), fails(), forever()))
    assert ended == [True, True]


async def test_who_cancels_it_cancels_all() -> None:
    started = asyncio.Event()

    async def forever() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(gather_or_cancel((forever(), forever())))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}

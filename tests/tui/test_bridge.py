"""The bridge: nothing lost, nothing waits, whatever the threads do."""

import asyncio
import threading

import pytest

from semscheck.model.analysis import Analysis, DnsAnalysis
from semscheck.model.events import Finished, Inferred, Listener, Observed, Progressed, Started
from semscheck.model.observations import Connection
from semscheck.model.report import Report
from semscheck.threads import off_loop
from semscheck.tui.bridge import Inbox, in_thread
from tests.tui.reports import healthy


def fact(number: int) -> Observed:
    return Observed(Connection(id=f"c{number}", at_s=number / 10, address="192.0.2.1", port=443))


def test_an_empty_inbox_gives_an_empty_batch():
    assert not Inbox().take()


def test_everything_comes_once_and_only_the_newest_of_progress_and_analysis():
    inbox, report = Inbox(), healthy()
    newest = Analysis(dns=DnsAnalysis(min_ttl_s=5))
    inbox.put(Started(report.target, report.run))
    for number in range(3):
        inbox.put(fact(number))
        inbox.put(Progressed("connections", number, 3, 10.0))
    inbox.put(Inferred(Analysis()))
    inbox.put(Inferred(newest))
    inbox.put(Finished(report))
    batch = inbox.take()
    assert [it.id for it in batch.observations] == ["c0", "c1", "c2"]
    assert batch.progress == (Progressed("connections", 2, 3, 10.0),)
    assert batch.analysis is newest
    assert batch.report is report
    assert not inbox.take()


def test_many_threads_lose_nothing():
    inbox, seen = Inbox(), []
    threads = [
        threading.Thread(target=lambda base=base: [inbox.put(fact(base + it)) for it in range(500)])
        for base in range(0, 4000, 500)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen += inbox.take().observations
    seen += inbox.take().observations
    assert sorted(it.id for it in seen) == sorted(f"c{it}" for it in range(4000))


def test_when_nobody_looks_the_oldest_go_and_it_is_told():
    inbox = Inbox(limit=10)
    for number in range(25):
        inbox.put(fact(number))
    batch = inbox.take()
    assert [it.id for it in batch.observations] == [f"c{it}" for it in range(15, 25)]
    assert batch.dropped == 15
    assert inbox.take().dropped == 0


async def test_the_check_runs_in_another_thread_on_its_own_loop_and_gives_the_report():
    report, where = healthy(), []

    async def run(subject: str, listener: Listener, cancel: asyncio.Event) -> Report:
        where.append((subject, threading.get_ident(), asyncio.get_running_loop()))
        listener(fact(1))
        await asyncio.sleep(0)
        return report

    inbox = Inbox()
    assert await in_thread(run)("a", inbox.put, asyncio.Event()) is report
    subject, thread, loop = where[0]
    assert subject == "a"
    assert thread != threading.get_ident()
    assert loop is not asyncio.get_running_loop()
    assert [it.id for it in inbox.take().observations] == ["c1"]


@pytest.mark.parametrize("before", [True, False])
async def test_cancelling_reaches_the_other_loop(before):
    report, running = healthy(), threading.Event()

    async def run(_: str, listener: Listener, cancel: asyncio.Event) -> Report:
        running.set()
        await cancel.wait()
        return report

    cancel = asyncio.Event()
    if before:
        cancel.set()
    task = asyncio.ensure_future(in_thread(run)("a", Inbox().put, cancel))
    if not before:
        await off_loop(running.wait)
        cancel.set()
    assert await asyncio.wait_for(task, 30) is report


async def test_a_blocking_check_does_not_block_the_caller_and_is_not_waited_for():
    go = threading.Event()

    async def run(_: str, listener: Listener, cancel: asyncio.Event) -> Report:
        go.wait()
        return healthy()

    task = asyncio.ensure_future(in_thread(run)("a", Inbox().put, asyncio.Event()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go.set()


async def test_when_the_caller_is_cancelled_the_check_is_told_to_end():
    running, ended = threading.Event(), threading.Event()

    async def run(_: str, listener: Listener, cancel: asyncio.Event) -> Report:
        running.set()
        await cancel.wait()
        ended.set()
        return healthy()

    task = asyncio.ensure_future(in_thread(run)("a", Inbox().put, asyncio.Event()))
    await off_loop(running.wait)
    task.cancel()
    assert await off_loop(lambda: ended.wait(30))


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), StopIteration()])
async def test_an_error_in_the_thread_arrives_as_an_error(error):
    async def run(_: str, listener: Listener, cancel: asyncio.Event) -> Report:
        raise error

    with pytest.raises((ValueError, RuntimeError)):
        await in_thread(run)("a", Inbox().put, asyncio.Event())


async def test_the_result_does_not_wait_for_a_resolver_that_hangs_in_an_executor():
    """asyncio.run waits at its end for its executor's threads; the report must not."""
    go = threading.Event()

    async def run(_: str, listener: Listener, cancel: asyncio.Event) -> Report:
        asyncio.get_running_loop().run_in_executor(None, go.wait)
        return healthy()

    try:
        assert await asyncio.wait_for(in_thread(run)("a", Inbox().put, asyncio.Event()), 30)
    finally:
        go.set()


def test_a_loop_that_has_ended_is_no_harm():
    go, done = threading.Event(), threading.Event()

    async def run(_: str, listener: Listener, cancel: asyncio.Event) -> Report:
        go.wait()
        done.set()
        return healthy()

    async def leave() -> None:
        task = asyncio.ensure_future(in_thread(run)("a", Inbox().put, asyncio.Event()))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    go.set()
    assert done.wait(30)


async def test_off_loop_gives_results_and_errors():
    assert await off_loop(lambda: 7) == 7
    with pytest.raises(KeyError):
        await off_loop(lambda: {}["a"])

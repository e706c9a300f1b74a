"""Clients that are hostile, slow or many; configurations and files that break. The exporter lives through all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from semscheck.cli.main import main
from semscheck.exporter.service import LEAST_RUNS, serve
from semscheck.lab.cluster import LabThread
from semscheck.lab.scenarios import SCENARIOS
from tests.exporter.stand import COMMAND, Client, Play, refused, reply, serving, until, write_config
from tests.exporter.test_web_config import write_web

pytestmark = pytest.mark.slow

MEGABYTE = b"a" * 1_000_000


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /probe?target=" + MEGABYTE + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /probe?target=keys HTTP/1.1\r\nHost: x\r\nX: " + MEGABYTE + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", 400),
        (MEGABYTE, 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400),  # TLS on a plain port
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"\r\n" * 50_000, 400),
    ],
)
async def test_requests_that_are_too_large_or_none(tmp_path: Path, request_bytes: bytes, status: int) -> None:
    play = Play()
    async with serving(write_config(tmp_path), play) as (_, client):
        answer = await client.raw(request_bytes)
        healthy = await client.get("/-/healthy")
    assert (answer.status, healthy.status) == (status, 200)
    assert answer.headers["connection"] == "close"
    assert not play.runs


async def test_a_body_that_nobody_asked_for_is_not_kept(tmp_path: Path) -> None:
    async with serving(write_config(tmp_path, web="idle_timeout_s = 0.3"), Play()) as (exporter, client):
        head = b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
        reader, writer = await client.connect()
        writer.write(head + MEGABYTE)
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert answer.startswith(b"HTTP/1.1 405")
        writer.close()
        await until(lambda: exporter._server.connections == 0)


@pytest.mark.parametrize("sent", [b"", b"GET /probe?tar", b"GET / HTTP/1.1\r\nX: y\r\n"])
async def test_a_request_that_does_not_come_to_its_end_is_closed(tmp_path: Path, sent: bytes) -> None:
    config = write_config(tmp_path, web="request_timeout_s = 0.3")
    async with serving(config, Play()) as (exporter, client):
        reader, writer = await client.connect()
        writer.write(sent)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 10)
        writer.close()
        assert refused(exporter, "slow") == 1
        assert (await client.get("/-/healthy")).status == 200


async def test_a_client_that_drips_its_request_is_closed(tmp_path: Path) -> None:
    """Each byte in time, the whole never: the time counts for the whole request."""
    config = write_config(tmp_path, web="request_timeout_s = 0.5")
    async with serving(config, Play()) as (exporter, client):
        _, writer = await client.connect()
        writer.write(b"GET / HTTP/1.1\r\nX: ")
        async with asyncio.timeout(10):
            while not refused(exporter, "slow"):
                writer.write(b"a")
                await asyncio.sleep(0.05)
        writer.close()
        await until(lambda: exporter._server.connections == 0)


async def test_a_client_that_does_not_take_its_answer_is_closed(tmp_path: Path) -> None:
    config = write_config(tmp_path, web="answer_timeout_s = 0.5\nidle_timeout_s = 0.5")
    async with serving(config, Play()) as (exporter, client):
        await client.probe()
        _, writer = await client.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        # More answers than the kernel's buffers hold, on one connection.
        writer.write(b"GET /reports/0001.json HTTP/1.1\r\nHost: x\r\n\r\n" * 2_000)
        await until(lambda: refused(exporter, "slow"))
        await until(lambda: exporter._server.connections == 0)
        assert (await client.get("/-/healthy")).status == 200
        writer.transport.abort()


async def test_an_idle_connection_is_closed_and_is_no_offence(tmp_path: Path) -> None:
    async with serving(write_config(tmp_path, web="idle_timeout_s = 0.2"), Play()) as (exporter, client):
        reader, writer = await client.connect()
        for _ in range(2):
            writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"healthy.\n")).startswith(b"HTTP/1.1 200")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 10)
        writer.close()
    assert refused(exporter, "slow") == 0


async def test_five_hundred_connections_at_once(tmp_path: Path) -> None:
    play = Play(hold=True)
    async with serving(write_config(tmp_path), play) as (exporter, client):
        silent = [await client.connect() for _ in range(250)]
        probes = [asyncio.create_task(client.probe(timeout_s=15)) for _ in range(250)]
        await until(lambda: exporter._server.connections == 500)
        healthy = await client.get("/-/healthy")
        play.go.set()
        answers = await asyncio.gather(*probes)
        for _, writer in silent:
            writer.close()
    assert healthy.status == 200
    assert {answer.status for answer in answers} == {200}
    assert len(play.runs) == 1


async def test_more_connections_than_allowed_are_told_so(tmp_path: Path) -> None:
    async with serving(write_config(tmp_path, web="max_connections = 20"), Play()) as (exporter, client):
        silent = [await client.connect() for _ in range(20)]
        await until(lambda: exporter._server.connections == 20)
        turned_away = await client.get("/metrics")
        flood = [await client.connect() for _ in range(200)]
        await until(lambda: refused(exporter, "full") == 201)
        assert exporter._server.connections <= 20 + 64 + 1
        for _, writer in (*silent, *flood):
            writer.transport.abort()
        await until(lambda: exporter._server.connections == 0)
        healthy = await client.get("/metrics")
    assert (turned_away.status, healthy.status) == (503, 200)
    assert turned_away.headers["retry-after"] == "10"
    assert healthy.value('semscheck_exporter_http_connections_refused_total{reason="full"}') == 201


async def test_requests_in_a_row_on_one_connection(tmp_path: Path) -> None:
    async with serving(write_config(tmp_path), Play()) as (_, client):
        one = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
        last = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        reader, writer = await client.connect()
        writer.write(one * 50 + last)
        data = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert data.count(b"HTTP/1.1 200") == 51


# --- configurations ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("no toml at all [", "not TOML"),
        ("[targets]\nkeys = 7", "targets[...]"),
        ('[targets]\nkeys = "missing.toml"', "missing.toml: no such file"),
        ('[targets]\nkeys = "keys.toml"\n[probe]\nmax_runs = 1', "probe.max_runs: 1 is out of range"),
        ('[targets]\nkeys = "keys.toml"\n[prob]\n', "unknown key `prob`"),
        ('[targets]\nkeys = "keys.toml"\n[web]\nconfig_file = "gone.yml"', "gone.yml: no such file"),
        ("", "no targets"),
        (None, "no such file"),
    ],
)
async def test_a_broken_configuration_leaves_the_old_one_in_use(
    tmp_path: Path, broken: str | None, words: str
) -> None:
    play = Play()
    config = write_config(tmp_path, web="reload = true")
    async with serving(config, play) as (_, client):
        good = config.read_text()
        config.unlink() if broken is None else config.write_text(broken)
        answer = await client.get("/-/reload", method="POST")
        failed = await client.get("/metrics")
        probe = await client.probe()
        config.write_text(good)
        mended = await client.get("/-/reload", method="POST")
        after = await client.get("/metrics")
    assert answer.status == 500
    assert words in answer.text.replace("'", "`")
    assert failed.value("semscheck_exporter_config_last_reload_successful") == 0
    assert probe.status == 200
    assert mended.status == 200
    assert after.value("semscheck_exporter_config_last_reload_successful") == 1
    at = "semscheck_exporter_config_last_reload_success_timestamp_seconds"
    assert (after.value(at) or 0) >= (failed.value(at) or 0)
    assert any(words in said.replace("'", "`") for said in play.said)


async def test_a_reload_brings_new_targets_and_takes_old_ones(tmp_path: Path) -> None:
    play = Play()
    config = write_config(tmp_path, web="reload = true", names=("keys", "old"))
    async with serving(config, play) as (_, client):
        await client.probe("old")
        write_config(tmp_path, web="reload = true", names=("keys", "new"))
        assert (await client.probe("new")).status == 404
        assert (await client.get("/-/reload", method="POST")).status == 200
        assert (await client.probe("new")).status == 200
        assert (await client.probe("old")).status == 404
        assert (await client.get("/metrics")).value("semscheck_exporter_targets") == 2


async def test_a_run_of_the_old_profile_does_not_answer_for_the_new_one(tmp_path: Path) -> None:
    play = Play(hold=True)
    config = write_config(tmp_path, web="reload = true")
    async with serving(config, play) as (_, client):
        before = asyncio.create_task(client.probe(timeout_s=15))
        await until(lambda: len(play.runs) == 1)
        (tmp_path / "keys.toml").write_text('[target]\nfqdn = "other.example.com"\n')
        assert (await client.get("/-/reload", method="POST")).status == 200
        after = asyncio.create_task(client.probe(timeout_s=15))
        await until(lambda: len(play.runs) == 2)
        play.go.set()
        await asyncio.gather(before, after)
    assert [target.fqdn for target in play.runs] == ["keys.example.com", "other.example.com"]


async def test_reloading_over_http_must_be_allowed(tmp_path: Path) -> None:
    async with serving(write_config(tmp_path), Play()) as (_, client):
        forbidden = await client.get("/-/reload", method="POST")
        wrong = await client.get("/-/reload")
    assert (forbidden.status, wrong.status) == (403, 405)
    async with serving(write_config(tmp_path, web="reload = true"), Play()) as (_, client):
        foreign = await client.get("/-/reload", {"Sec-Fetch-Site": "cross-site"}, method="POST")
        allowed = await client.get("/-/reload", {"Content-Length": "0"}, method="POST")
    assert (foreign.status, allowed.status) == (403, 200)


async def test_sighup_reloads_and_sigterm_ends_the_command(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--config", str(config), stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        first = (await asyncio.wait_for(process.stderr.readline(), 60)).decode()
        port = int(first.partition("http://127.0.0.1:")[2].partition("/")[0])
        client = Client("127.0.0.1", port)
        write_config(tmp_path, names=("keys", "new"))
        process.send_signal(signal.SIGHUP)
        assert b"2 targets" in await asyncio.wait_for(process.stderr.readline(), 60)
        assert (await client.get("/metrics")).value("semscheck_exporter_targets") == 2
        config.write_text("broken [")
        process.send_signal(signal.SIGHUP)
        assert b"not TOML" in await asyncio.wait_for(process.stderr.readline(), 60)
        metrics = await client.get("/metrics")
        assert metrics.value("semscheck_exporter_config_last_reload_successful") == 0
        process.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert (process.returncode, out, err) == (0, b"", b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read on Linux")
async def test_an_exporter_that_has_grown_starts_anew_without_missing_a_scrape(tmp_path: Path) -> None:
    with LabThread(SCENARIOS["round-robin"].world) as lab:
        config = write_config(
            tmp_path,
            "[process]\nmax_mebibytes = 1",
            names=("lab",),
            probe=f'reuse_s = 0\nconnections = 2\nresolvers = ["{lab.lab.resolver}"]',
        )
        (tmp_path / "lab.toml").write_text(lab.lab.profile_toml())
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "--config", str(config), stderr=asyncio.subprocess.PIPE
        )
        assert process.stderr is not None
        try:
            first = await asyncio.wait_for(process.stderr.readline(), 60)
            client = Client(
                "127.0.0.1", int(first.decode().partition("http://127.0.0.1:")[2].partition("/")[0])
            )
            again = asyncio.create_task(process.stderr.readline())
            status, scrapes, evidence = 200, 0, ""
            while not (again.done() and scrapes > LEAST_RUNS) and status == 200:
                status, scrapes = (await client.probe("lab", timeout_s=20)).status, scrapes + 1
                if scrapes == 1:
                    evidence = re.findall(r"reports/[0-9a-f]+\.json", (await client.get("/")).text)[0]
            assert status == 200
            assert b"more than 1 MiB of memory: starting anew" in await again
            assert await asyncio.wait_for(process.stderr.readline(), 60) == first
            runs = (await client.get("/metrics")).value("semscheck_exporter_run_seconds_count")
            assert runs is not None
            assert runs < scrapes  # those of the new process alone
            assert (await client.get(f"/{evidence}")).status == 200
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 60) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--config", "gone.toml"), "gone.toml: no such file or directory"),
        (("--config", "exporter.toml", "--listen", "localhost"), "--listen: 'localhost' is not IP:PORT"),
        (("--config", "exporter.toml", "--listen", "192.0.2.1:9797"), "192.0.2.1:9797: cannot assign"),
    ],
)
async def test_what_cannot_start_says_why_and_exits_3(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    write_config(tmp_path)
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        cwd=tmp_path,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 3
    assert words in err.decode()
    assert "Traceback" not in err.decode()


async def test_a_taken_port_is_an_error_not_a_crash(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    async with serving(config, Play()) as (exporter, _):
        with pytest.raises(OSError, match="address already in use"):
            await serve(config, Play().doors(), exporter.addresses)


async def test_the_raw_reply_reader_of_these_tests_reads_nothing_as_status_0() -> None:
    assert reply(b"").status == 0


def test_the_command_says_where_it_cannot_listen_in_plain_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, profile = tmp_path / "exporter.toml", tmp_path / "keys.toml"
    profile.write_text('[target]\nfqdn = "keys.example.com"\n')
    config.write_text('[targets]\nkeys = "keys.toml"\n')
    assert main(["exporter", "--config", str(config), "--check-config"]) == 0
    assert capsys.readouterr().err == f"{config}: 1 target, everything can be read\n"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main(["exporter", "--config", str(config), "--listen", at]) == 3
    assert capsys.readouterr().err == f"semscheck: {at}: address already in use\n"


async def test_silent_tcp_connections_to_a_tls_exporter_cost_nothing(tmp_path: Path) -> None:
    """They never begin a handshake: each took 300 kB, and did not count for max_connections."""
    config = write_web(tmp_path)
    config.write_text(config.read_text().replace("[web]", "[web]\nmax_connections = 300"))
    async with serving(config, Play()) as (exporter, _):
        [at] = exporter.addresses
        before = resident()
        silent = [await asyncio.open_connection(at.host, at.port) for _ in range(400)]
        await until(lambda: refused(exporter, "full") == 100)
        assert exporter._server.connections == 300
        assert resident() - before < 30 * 2**20
        for _, writer in silent:
            writer.transport.abort()
        await until(lambda: exporter._server.connections == 0)


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    "body", [b"zz\r\n", b"5\r\nabcdefgh", b"ffffffffffffffffffff\r\n", b"0\r\n\r\nGET", b"\x00" * 9]
)
async def test_a_bad_body_is_no_line_in_the_log(
    tmp_path: Path, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    play = Play()
    config = write_config(tmp_path, web="idle_timeout_s = 0.3\nrequest_timeout_s = 0.3")
    async with serving(config, play) as (_, client):
        head = b"PUT /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for wait_s in (0, 0.05):
            reader, writer = await client.connect()
            writer.write(head)
            await asyncio.sleep(wait_s)
            writer.write(body)
            with contextlib.suppress(ConnectionError):
                assert (await asyncio.wait_for(reader.read(), 10))[:12] in (
                    b"",
                    b"HTTP/1.1 405",
                    b"HTTP/1.1 400",
                )
            writer.close()
        assert (await client.get("/-/healthy")).status == 200
    assert [record.getMessage() for record in caplog.records] == []
    assert not any("Traceback" in said for said in play.said)


async def test_an_escape_in_a_path_is_shown_and_not_sent(tmp_path: Path) -> None:
    async with serving(write_config(tmp_path), Play()) as (_, client):
        for request in (b"PUT /metrics%1b]0;x%07", b"PUT /reports/%1b[2J", b"GET /%1b%0d%0aX:y"):
            answer = await client.raw(request + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert answer.status in (404, 405)
            assert "\x1b" not in answer.text
            assert "x" not in answer.headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9797", 200), ("localhost", 200), ("[::1]:1", 200), ("exporter", 200),
        ("metrics.example.com", 200),
        ("rebound.example.org", 421), ("127.0.0.1.example.org", 421), ("localhost.example.org:9797", 421),
        ("METRICS.EXAMPLE.COM.", 200), ("1.2.3", 421),
    ],
)  # fmt: skip
async def test_a_name_that_was_rebound_to_loopback_is_not_answered(
    tmp_path: Path, host: str, status: int
) -> None:
    """A page of somebody's site that makes its own name lead to this machine reads nothing (DNS rebinding)."""
    config = write_config(tmp_path, web='hosts = ["metrics.example.com"]')
    async with serving(config, Play()) as (_, client):
        for path in ("/-/healthy", "/metrics", "/"):
            assert (await client.get(path, {"Host": host})).status == status

"""Server processes: started somewhere, ready when asked, explained when they fail, gone afterwards."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

LOG_TAIL_BYTES = 16_384
_POLL_S = 0.01
_LISTEN = "0A"  # TCP_LISTEN, include/net/tcp_states.h
_UDP_OPEN = "07"  # an unconnected UDP socket shows TCP_CLOSE


class MissingError(Exception):
    """A program or a privilege that the rig needs is not here; the `rig` fixture skips the test."""


class ServerError(Exception):
    """A server ended, or did not become ready in time. The text carries the end of its log."""


@dataclass(frozen=True, slots=True)
class Listening:
    """An address and port on which a server is expected to listen before it counts as ready."""

    address: str
    port: int
    protocol: Literal["tcp", "udp"] = "tcp"


class Place(Protocol):
    """A place that commands run in: this machine, or a network namespace."""

    def argv(self, *command: str) -> list[str]: ...

    def holds(self, pid: int) -> bool:
        """Say whether a process has arrived here; `ip netns exec` enters first and then becomes it."""


_running: weakref.WeakSet[Server] = weakref.WeakSet()
_ended: deque[tuple[float, Server]] = deque(maxlen=12)


def running_since(begun_s: float) -> tuple[Server, ...]:
    """Give the servers that run now or ended after a time (of `time.time`), for failure messages."""
    lately = (server for ended_s, server in _ended if ended_s >= begun_s)
    return tuple(sorted({*_running, *lately}, key=lambda server: server.name))


def program(name: str) -> str:
    """Give the path of a program, or raise `MissingError`. Debian keeps servers out of users' PATH; some servers
    come as Python packages, and these before what else a machine has, which may be of another age."""
    places = (str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        raise MissingError(
            f"the program {name} is not installed; tests/rig/debian-packages.txt names the packages"
        )
    return found


class Server:
    """A process that serves. Use it as a context manager, or `stop` it.

    `directory` takes the log. It is ready when every item of `listening` is open in the process's own network
    namespace (read from /proc, so that no connection disturbs a balancer's turn) and `log_line`, a regular
    expression, if given, has been logged. The process dies with the thread that started it, so that a killed
    test run leaves nothing behind.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        place: Place,
        directory: Path,
        name: str = "",
        listening: Sequence[Listening] = (),
        log_line: str | None = None,
        deadline_s: float = 120.0,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name or Path(argv[0]).name
        self.directory = directory
        self.argv = tuple(argv)
        self.log_path = directory / f"{self.name}.log"
        self._frozen = False
        directory.mkdir(parents=True, exist_ok=True)
        command = place.argv(program("setpriv"), "--pdeathsig", "KILL", "--", *argv)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=None if env is None else {**os.environ, **env},
                start_new_session=True,
            )
        _running.add(self)
        try:
            self._wait(place, listening, log_line, deadline_s)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def log(self, limit_bytes: int = LOG_TAIL_BYTES) -> str:
        """Give the end of what the server wrote."""
        with contextlib.suppress(FileNotFoundError), self.log_path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - limit_bytes))
            return log.read(limit_bytes).decode("utf-8", "replace")
        return ""

    def await_log(self, pattern: str, *, times: int = 1, deadline_s: float = 120.0) -> None:
        """Wait until a regular expression has matched so often in the log."""
        ends = time.monotonic() + deadline_s
        while len(re.findall(pattern, self.log(10_000_000), re.MULTILINE)) < times:
            if time.monotonic() > ends:
                raise ServerError(f"{self.name} has not logged {pattern!r} {times} times\n{self.log()}")
            time.sleep(_POLL_S)

    def freeze(self) -> None:
        """Stop the process where it is: the kernel still accepts connections, nobody answers them."""
        self._signal(signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)
        self._frozen = False

    def kill(self) -> None:
        """End the server at once, as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the server; nothing happens when it has ended already."""
        if self._frozen and self.alive:
            self.thaw()
        self._end(signal.SIGTERM)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        if self.alive:
            self._signal(number)
            try:
                self._process.wait(10.0)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                self._process.wait(60.0)
        if self in _running:
            _running.discard(self)
            _ended.append((time.time(), self))

    def _wait(
        self, place: Place, listening: Sequence[Listening], log_line: str | None, deadline_s: float
    ) -> None:
        ends = time.monotonic() + deadline_s
        awaited = list(listening)
        while True:
            if not self.alive:
                raise ServerError(f"{self._title()} ended with {self._process.returncode}\n{self.log()}")
            if place.holds(self.pid):
                awaited = [one for one in awaited if not is_listening(self.pid, one)]
            if not awaited and (log_line is None or re.search(log_line, self.log(), re.MULTILINE)):
                return
            if time.monotonic() > ends:
                lacking = awaited or f"the log line {log_line!r}"
                raise ServerError(f"{self._title()}: no {lacking} after {deadline_s:g} s\n{self.log()}")
            time.sleep(_POLL_S)

    def _title(self) -> str:
        return f"{self.name} ({' '.join(self.argv)})"


def is_listening(pid: int, wanted: Listening) -> bool:
    """Say whether a socket is open on an address and port in the network namespace of a process.

    Reads /proc/PID/net (proc(5)). A socket on the unspecified address counts for every address, and an IPv6
    socket on a mapped IPv4 address, as Java opens them, for that address.
    """
    address = ipaddress.ip_address(wanted.address)
    state = _LISTEN if wanted.protocol == "tcp" else _UDP_OPEN
    own, anywhere = _kernel_form(address), "0" * 32
    forms = {"6": {own, anywhere}}
    if address.version == 4:
        forms = {"": {own, "0" * 8}, "6": {_kernel_form(ipaddress.ip_address(f"::ffff:{address}")), anywhere}}
    return any(
        host in hosts and port == wanted.port and found == state
        for family, hosts in forms.items()
        for host, port, found in _sockets(Path(f"/proc/{pid}/net/{wanted.protocol}{family}"))
    )


def _sockets(table: Path) -> list[tuple[str, int, str]]:
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
    return [(*_endpoint(row[1]), row[3]) for row in rows]


def _kernel_form(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Write an address as /proc/net/tcp does on a little-endian machine: words of 32 bits, reversed."""
    packed = address.packed
    return "".join(packed[at : at + 4][::-1].hex() for at in range(0, len(packed), 4)).upper()


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    return host, int(port, 16)

"""Networks for tests: a client and servers in namespaces of their own, or on loopback where root is missing.

Both kinds take the same example addresses (RFC 5737 and RFC 3849) and give back what to use instead: the same
in namespaces, an address of 127.0.0.0/8 on loopback. Likewise ports. A test that asks `address` and `port`
for everything runs on both; what only namespaces can do raises `MissingError` on loopback.

    client namespace                                  servers namespace
    203.0.113.10, 2001:db8:ff::10   --- up0 --- up0   203.0.113.1, 2001:db8:ff::1
    default route over up0                            every server address, as a host address on up0
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import ipaddress
import itertools
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, ParamSpec, Protocol, TypeVar

from tests.rig.process import MissingError, Server, program

P = ParamSpec("P")
T = TypeVar("T")
Rejection = Literal[
    "tcp-reset", "host-unreachable", "admin-prohibited", "port-unreachable", "net-unreachable"
]
Spread = Literal["cycle", "random", "source"]

CLIENT_IPV4, CLIENT_IPV6 = "203.0.113.10", "2001:db8:ff::10"
GATEWAY_IPV4, GATEWAY_IPV6 = "203.0.113.1", "2001:db8:ff::1"
_PREFIX = "semsrig"
_count = itertools.count()

_CLONE_NEWNET, _CLONE_NEWNS = 0x40000000, 0x00020000
_MS_BIND, _MS_REC, _MS_SLAVE = 4096, 16384, 1 << 19
_REJECTIONS_IPV4: dict[str, str] = {
    "tcp-reset": "tcp reset",
    "host-unreachable": "icmp type host-unreachable",
    "admin-prohibited": "icmp type admin-prohibited",
    "port-unreachable": "icmp type port-unreachable",
    "net-unreachable": "icmp type net-unreachable",
}
_REJECTIONS_IPV6: dict[str, str] = {
    "tcp-reset": "tcp reset",
    "host-unreachable": "icmpv6 type addr-unreachable",
    "admin-prohibited": "icmpv6 type admin-prohibited",
    "port-unreachable": "icmpv6 type port-unreachable",
    "net-unreachable": "icmpv6 type no-route",
}


class Place:
    """This machine as it is, or one network namespace: where processes and code of a test run."""

    def __init__(self, namespace: str | None = None) -> None:
        self.namespace = namespace

    def argv(self, *command: str) -> list[str]:
        """Give the command line that runs a command here."""
        if self.namespace is None:
            return list(command)
        return [program("ip"), "netns", "exec", self.namespace, *command]

    def holds(self, pid: int) -> bool:
        if self.namespace is None:
            return True
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/ns/net").stat().st_ino == self._file().stat().st_ino
        return False

    def run(
        self,
        *command: str,
        timeout_s: float = 60.0,
        check: bool = False,
        env: dict[str, str] | None = None,
        stdin: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command here and wait for it. `env` adds to the environment."""
        done = subprocess.run(
            self.argv(*command),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            env=None if env is None else {**os.environ, **env},
            input=stdin or "",
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)} gave {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def python(
        self, *arguments: str, timeout_s: float = 60.0, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run this interpreter here, for example `python("-m", "semscheck", "check", …)`."""
        return self.run(sys.executable, *arguments, timeout_s=timeout_s, env=env)

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function here, in a thread of its own, and give its result or raise its exception.

        The thread, the threads it starts and an event loop that it runs see the namespace's network and its
        /etc/resolv.conf and /etc/hosts. Do not start servers in it: they would end with the thread.
        """
        results: list[T] = []
        errors: list[BaseException] = []

        def inside() -> None:
            try:
                self._enter()
                results.append(function(*args, **kwargs))
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=inside, name=f"in {self.namespace or 'place'}")
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    def _file(self) -> Path:
        return Path("/run/netns") / (self.namespace or "")

    def _enter(self) -> None:
        """Move the calling thread, and no other, into the namespace; see setns(2), unshare(2), mount(2)."""
        if self.namespace is None:
            return
        libc = ctypes.CDLL(None, use_errno=True)

        def done(result: int, what: str) -> None:
            if result != 0:
                raise OSError(ctypes.get_errno(), what)

        with self._file().open() as handle:
            done(libc.setns(handle.fileno(), _CLONE_NEWNET), f"cannot enter {self.namespace}")
        settings = Path("/etc/netns") / self.namespace
        if not settings.is_dir():
            return
        done(libc.unshare(_CLONE_NEWNS), "cannot have mounts of its own")
        done(libc.mount(None, b"/", None, _MS_REC | _MS_SLAVE, None), "cannot keep mounts to itself")
        for file in settings.iterdir():
            target = Path("/etc") / file.name
            done(libc.mount(bytes(file), bytes(target), None, _MS_BIND, None), f"cannot replace {target}")


class Network(Protocol):
    """What both kinds of network do. The checker runs in `client`, everything else in `servers`."""

    client: Place
    servers: Place

    def address(self, wanted: str) -> str:
        """Make a server address usable, and give it as it is to be used."""

    def port(self, wanted: int) -> int:
        """Give the port to use for a well-known one; the same one each time."""

    def nameserver(self, wanted: str) -> tuple[str, int]:
        """Give address and port for a name server that would have an address, and port 53."""

    def source(self, wanted: str) -> str:
        """Give the client one more address of its own."""

    def blackhole(self, address: str, port: int | None = None, *, from_client_only: bool = False) -> None:
        """Let packets to an address vanish, or those to one of its ports."""

    def reject(
        self, address: str, kind: Rejection, port: int | None = None, *, from_client_only: bool = False
    ) -> None:
        """Let a firewall refuse packets to an address, or to one of its ports; UDP is refused, not reset."""

    def clear(self) -> None:
        """Forget all black holes and rejections."""

    def balance(self, address: str, port: int, members: Sequence[str], spread: Spread = "cycle") -> None:
        """Let the kernel spread connections to an address over members (packet rewriting, as LVS does).

        A member named twice gets twice the share.
        """

    def absent(self, address: str) -> None:
        """Let an address be a missing neighbour on the client's own link (EHOSTUNREACH after 3 s)."""

    def no_route(self, prefix: str) -> None:
        """Take the client's route to a prefix away (ENETUNREACH at once)."""

    def resolvers(self, *addresses: str, search: Sequence[str] = (), options: Sequence[str] = ()) -> None:
        """Set the name servers of the client's system resolver."""

    def hosts(self, text: str) -> None:
        """Set the client's /etc/hosts."""

    def close(self) -> None:
        """Take everything down."""


@functools.cache
def can_have_namespaces() -> bool:
    """Say whether this process may make network namespaces: root on Linux, with ip and nft."""
    if sys.platform != "linux" or os.geteuid() != 0 or os.environ.get("RIG_NETWORK") == "loopback":
        return False
    try:
        ip = program("ip")
        program("nft")
    except MissingError:
        return False
    name = f"{_PREFIX}-{os.getpid()}-probe"
    made = subprocess.run([ip, "netns", "add", name], capture_output=True, check=False)
    subprocess.run([ip, "netns", "del", name], capture_output=True, check=False)
    return made.returncode == 0


def open_network(
    directory: Path, *, delay_ms: float = 0.0, loss: float = 0.0, namespaces_only: bool = False
) -> Namespaces | Loopback:
    """Open the best network that is possible here.

    A delay, a loss or `namespaces_only` raises `MissingError` where only loopback is possible.

    `delay_ms` is one way, so that a round trip takes twice as long.
    """
    if can_have_namespaces():
        return Namespaces(directory, delay_ms=delay_ms, loss=loss)
    if delay_ms or loss or namespaces_only:
        raise MissingError("this needs network namespaces, so root on Linux with iproute2 and nftables")
    return Loopback()


class Namespaces:
    """A client namespace and a servers namespace, joined by a link that may delay and lose."""

    def __init__(self, directory: Path, *, delay_ms: float = 0.0, loss: float = 0.0, seed: int = 0) -> None:
        _remove_orphans()
        stem = f"{_PREFIX}-{os.getpid()}-{next(_count)}"
        self.client = Place(f"{stem}-c")
        self.servers = Place(f"{stem}-s")
        self._link: Server | None = None
        self._addresses: set[str] = set()
        self._rules: list[str] = []
        self._balanced: list[tuple[str, int, tuple[str, ...], Spread]] = []
        try:
            for place in (self.client, self.servers):
                _add(place.namespace or "")
                self._sysctl(place)
            self._join(directory, delay_ms, loss, seed)
        except BaseException:
            self.close()
            raise

    def address(self, wanted: str) -> str:
        if wanted not in self._addresses:
            _batch(self.servers, f"address add {_host(wanted)} dev up0 nodad")
            self._addresses.add(wanted)
        return wanted

    def port(self, wanted: int) -> int:
        return wanted

    def nameserver(self, wanted: str) -> tuple[str, int]:
        return self.address(wanted), 53

    def source(self, wanted: str) -> str:
        _batch(self.client, f"address replace {_host(wanted)} dev up0 nodad")
        _batch(self.servers, f"route replace {_host(wanted)} dev up0")
        return wanted

    def blackhole(self, address: str, port: int | None = None, *, from_client_only: bool = False) -> None:
        self._rules.append(f"{_match(address, port, from_client_only)} drop")
        self._filter()

    def reject(
        self, address: str, kind: Rejection, port: int | None = None, *, from_client_only: bool = False
    ) -> None:
        self.address(address)
        words = _REJECTIONS_IPV4 if ipaddress.ip_address(address).version == 4 else _REJECTIONS_IPV6
        match = _match(address, port, from_client_only)
        only_tcp = " meta l4proto tcp" if kind == "tcp-reset" and port is None else ""
        self._rules.append(f"{match}{only_tcp} reject with {words[kind]}")
        if kind == "tcp-reset" and port is None:
            self._rules.append(f"{match} reject with {words['port-unreachable']}")
        self._filter()

    def clear(self) -> None:
        self._rules.clear()
        self._filter()

    def balance(self, address: str, port: int, members: Sequence[str], spread: Spread = "cycle") -> None:
        self.address(address)
        self._balanced = [one for one in self._balanced if one[:2] != (address, port)]
        self._balanced.append((address, port, tuple(members), spread))
        rules = [_balancing(*one) for one in self._balanced]
        for family in ("ip", "ip6"):
            mine = [rule for rule in rules if rule.startswith(f"{family} ")]
            chain = "type nat hook prerouting priority dstnat; policy accept;"
            self._nft(family, "balance", {"prerouting": [chain, *mine]})

    def absent(self, address: str) -> None:
        _batch(self.client, f"route replace {_host(address)} dev up0")

    def no_route(self, prefix: str) -> None:
        # Without the default route, what stays reachable needs a route of its own.
        gone = ipaddress.ip_network(prefix)
        lines = []
        for address in sorted(self._addresses):
            one = ipaddress.ip_address(address)
            if one.version == gone.version and one not in gone:
                gateway = GATEWAY_IPV4 if one.version == 4 else GATEWAY_IPV6
                lines.append(f"route replace {_host(address)} via {gateway}")
        _batch(self.client, *lines, f"route delete {'0.0.0.0/0' if gone.version == 4 else '::/0'}")

    def resolvers(self, *addresses: str, search: Sequence[str] = (), options: Sequence[str] = ()) -> None:
        lines = [f"nameserver {one}" for one in addresses]
        lines += [f"search {' '.join(search)}"] if search else []
        lines += [f"options {' '.join(options)}"] if options else []
        self._settings("resolv.conf", "\n".join(lines) + "\n")

    def hosts(self, text: str) -> None:
        self._settings("hosts", text)

    def close(self) -> None:
        if self._link is not None:
            self._link.stop()
        for place in (self.client, self.servers):
            if place.namespace is not None:
                _remove(place.namespace)

    def _sysctl(self, place: Place) -> None:
        # Kernels limit the rate of ICMP errors; the second rejected packet of a second would get no answer.
        # Duplicate address detection would make new IPv6 addresses unusable for a second.
        settings = (
            "net.ipv4.icmp_ratelimit=0",
            "net.ipv6.icmp.ratelimit=0",
            "net.ipv6.conf.default.accept_dad=0",
            "net.ipv6.conf.all.disable_ipv6=0",
            "net.ipv6.conf.default.disable_ipv6=0",
            "net.ipv4.ip_nonlocal_bind=1",
            "net.ipv6.ip_nonlocal_bind=1",
        )
        for setting in settings:
            name, _, value = setting.partition("=")
            path = "/proc/sys/" + name.replace(".", "/")
            place.call(_write, path, value)

    def _join(self, directory: Path, delay_ms: float, loss: float, seed: int) -> None:
        client, servers = self.client.namespace or "", self.servers.namespace or ""
        if delay_ms or loss:
            self._link = delayed_link(
                directory, client, servers, delay_ms=delay_ms, loss=loss, seed=seed, interface="up0"
            )
        else:
            _ip(
                "link", "add", "up0", "netns", client, "type", "veth", "peer", "name", "up0", "netns", servers
            )
        _batch(
            self.client,
            "link set lo up",
            "link set up0 address 02:00:00:00:00:0a",
            f"address add {CLIENT_IPV4}/24 dev up0",
            f"address add {CLIENT_IPV6}/64 dev up0 nodad",
            "link set up0 up",
            f"route add default via {GATEWAY_IPV4}",
            f"route add default via {GATEWAY_IPV6}",
            # The neighbours are known, so that the first connection takes no longer than the next.
            f"neigh replace {GATEWAY_IPV4} lladdr 02:00:00:00:00:01 dev up0 nud permanent",
            f"neigh replace {GATEWAY_IPV6} lladdr 02:00:00:00:00:01 dev up0 nud permanent",
        )
        _batch(
            self.servers,
            "link set lo up",
            "link set up0 address 02:00:00:00:00:01",
            f"address add {GATEWAY_IPV4}/24 dev up0",
            f"address add {GATEWAY_IPV6}/64 dev up0 nodad",
            "link set up0 up",
            f"neigh replace {CLIENT_IPV4} lladdr 02:00:00:00:00:0a dev up0 nud permanent",
            f"neigh replace {CLIENT_IPV6} lladdr 02:00:00:00:00:0a dev up0 nud permanent",
        )
        self.resolvers()
        self.hosts("127.0.0.1 localhost\n::1 localhost\n")

    def _filter(self) -> None:
        # After the kernel's own balancing, so that a member in trouble is so for balanced connections too.
        chain = "type filter hook input priority filter; policy accept;"
        self._nft("inet", "trouble", {"input": [chain, *self._rules]})

    def _nft(self, family: str, table: str, chains: dict[str, list[str]]) -> None:
        # Declaring before deleting makes the replacement one transaction that also works the first time.
        lines = [f"table {family} {table}", f"delete table {family} {table}", f"table {family} {table} {{"]
        for name, body in chains.items():
            lines += [f"chain {name} {{", *body, "}"]
        text = "\n".join([*lines, "}"]) + "\n"
        done = self.servers.run(program("nft"), "-f", "-", stdin=text)
        if done.returncode != 0:
            raise RuntimeError(f"nft refused:\n{text}{done.stderr}")

    def _settings(self, name: str, text: str) -> None:
        folder = Path("/etc/netns") / (self.client.namespace or "")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


class Loopback:
    """Addresses of 127.0.0.0/8 and free ports on this machine, for where root is missing.

    Each instance has a /16 of its own on the machine, so that test workers do not meet.
    """

    def __init__(self) -> None:
        self.client = Place()
        self.servers = Place()
        self._claim, self._net = _claim_loopback()
        # The same claim covers a range of ports below that from which the kernel picks client ports.
        self._candidates = iter(range(10_000 + self._net * 80, 10_080 + self._net * 80))
        self._ports: dict[int, int] = {}
        self._nameservers: dict[str, int] = {}
        self._holes: list[socket.socket] = []

    def address(self, wanted: str) -> str:
        """Map 192.0.2.N, 198.51.100.N, 203.0.113.N to 127.NET.1.N, 127.NET.2.N, 127.NET.3.N."""
        address = ipaddress.ip_address(wanted)
        if address.version == 6:
            raise MissingError("IPv6 has one loopback address only; this needs network namespaces")
        for third, example in enumerate(("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"), start=1):
            if address in ipaddress.ip_network(example):
                return f"127.{self._net}.{third}.{address.packed[3]}"
        raise ValueError(f"{wanted} is not an example address (RFC 5737)")

    def port(self, wanted: int) -> int:
        if wanted not in self._ports:
            self._ports[wanted] = self._free_port()
        return self._ports[wanted]

    def nameserver(self, wanted: str) -> tuple[str, int]:
        """Map every name server to 127.0.0.1 and a port of its own: named listens on no other loopback address."""
        if wanted not in self._nameservers:
            self._nameservers[wanted] = self._free_port()
        return "127.0.0.1", self._nameservers[wanted]

    def source(self, wanted: str) -> str:
        return self.address(wanted)

    def blackhole(self, address: str, port: int | None = None, *, from_client_only: bool = False) -> None:
        """Let a port take no new connection: its queue is full, so that the kernel drops what else comes."""
        if port is None or from_client_only:
            raise MissingError("a black hole on loopback is one port; this needs network namespaces")
        listener = socket.socket()
        # Connections of a server that was here before may still be in TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(0)
        self._holes.append(listener)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect((address, port))
            self._holes.append(filler)

    def reject(
        self, address: str, kind: Rejection, port: int | None = None, *, from_client_only: bool = False
    ) -> None:
        if kind != "tcp-reset" or from_client_only:
            raise MissingError(f"{kind} needs network namespaces")

    def clear(self) -> None:
        while self._holes:
            self._holes.pop().close()

    def balance(self, address: str, port: int, members: Sequence[str], spread: Spread = "cycle") -> None:
        raise MissingError("spreading packets needs network namespaces")

    def absent(self, address: str) -> None:
        raise MissingError("an absent neighbour needs network namespaces")

    def no_route(self, prefix: str) -> None:
        raise MissingError("taking routes away needs network namespaces")

    def resolvers(self, *addresses: str, search: Sequence[str] = (), options: Sequence[str] = ()) -> None:
        raise MissingError("changing the system's name servers needs network namespaces")

    def hosts(self, text: str) -> None:
        raise MissingError("changing the system's hosts file needs network namespaces")

    def close(self) -> None:
        self.clear()
        self._claim.close()

    def _free_port(self) -> int:
        for port in self._candidates:
            if all(_is_free(address, port) for address in ("127.0.0.1", f"127.{self._net}.1.1")):
                return port
        raise MissingError("no free port")


def delayed_link(
    directory: Path,
    namespace_a: str,
    namespace_b: str,
    *,
    delay_ms: float,
    loss: float = 0.0,
    seed: int = 0,
    interface: str = "slow0",
) -> Server:
    """Join two namespaces by a pair of TAP devices named `interface`, with a one-way delay and a loss (0–1).

    The devices are down and have no address yet. They are gone when the returned server is stopped.
    """
    wires = [namespace_a, interface, namespace_b, interface]
    return Server(
        [
            sys.executable,
            str(Path(__file__).with_name("delay.py")),
            *wires,
            str(delay_ms),
            str(loss),
            str(seed),
        ],
        place=Place(),
        directory=directory,
        name=f"link-{namespace_a}",
        log_line="^ready",
    )


def _host(address: str) -> str:
    return f"{address}/{ipaddress.ip_address(address).max_prefixlen}"


def _match(address: str, port: int | None, from_client_only: bool) -> str:
    words = ["iifname up0"] if from_client_only else []
    words.append(f"{'ip' if ipaddress.ip_address(address).version == 4 else 'ip6'} daddr {address}")
    words += [f"tcp dport {port}"] if port is not None else []
    return " ".join(words)


def _balancing(address: str, port: int, members: tuple[str, ...], spread: Spread) -> str:
    family = "ip" if ipaddress.ip_address(address).version == 4 else "ip6"
    how = {"cycle": "numgen inc", "random": "numgen random", "source": f"jhash {family} saddr"}[spread]
    mapped = ", ".join(f"{number} : {member}" for number, member in enumerate(members))
    return f"{family} daddr {address} tcp dport {port} dnat to {how} mod {len(members)} map {{ {mapped} }}"


def _write(path: str, value: str) -> None:
    # A kernel without one of these settings does not have what it limits either.
    with contextlib.suppress(FileNotFoundError):
        Path(path).write_text(value)


def _ip(*arguments: str) -> None:
    done = subprocess.run([program("ip"), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _batch(place: Place, *lines: str) -> None:
    text = "\n".join(lines) + "\n"
    command = [program("ip"), "-n", place.namespace or "", "-batch", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip -batch refused:\n{text}{done.stderr.strip()}")


def _add(namespace: str) -> None:
    # The first two of a machine that are made at once may meet while /run/netns is being set up.
    with contextlib.suppress(RuntimeError):
        _ip("netns", "add", namespace)
        return
    _ip("netns", "add", namespace)


def _remove(namespace: str) -> None:
    pids = subprocess.run(
        [program("ip"), "netns", "pids", namespace], capture_output=True, text=True, check=False
    ).stdout.split()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), 9)
    subprocess.run([program("ip"), "netns", "del", namespace], capture_output=True, check=False)
    shutil.rmtree(Path("/etc/netns") / namespace, ignore_errors=True)


def _remove_orphans() -> None:
    """Remove what killed test runs left behind: namespaces named after a process that is gone."""
    folder = Path("/run/netns")
    for file in folder.iterdir() if folder.is_dir() else ():
        found = re.match(rf"{_PREFIX}-(\d+)-", file.name)
        if found and not Path(f"/proc/{found[1]}").exists():
            _remove(file.name)


def _claim_loopback() -> tuple[socket.socket, int]:
    # An abstract socket name is held by one process on the machine, and is free again when that ends.
    first = os.getpid() + next(_count)
    for net in (16 + (first + step) % 234 for step in range(234)):
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0{_PREFIX}-127.{net}")
        except OSError:
            claim.close()
            continue
        return claim, net
    raise MissingError("all loopback networks are taken")


def unused_port() -> int:
    """A port of this machine for a server that has to be told one: none that the kernel gives to a connection
    meanwhile (ip_local_port_range begins at 32768), and none of a loopback rig."""
    ports = range(30_600, 32_700)
    return next(port for port in random.sample(ports, len(ports)) if _is_free("", port))


def _is_free(address: str, port: int) -> bool:
    with contextlib.ExitStack() as stack:
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                stack.enter_context(socket.socket(socket.AF_INET, kind)).bind((address, port))
        except OSError:
            return False
    return True

"""What real servers give to resume with, as it is written down: which of them name the key, and in how many bytes."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import pytest

from semscheck.model.observations import Ticket
from semscheck.net.backend import SocketDialler
from semscheck.net.http import Conversation
from semscheck.net.tls import Tls
from semscheck.net.tls_contexts import seeing
from tests.rig.certs import Authority, Files
from tests.rig.members import Interface, NginxMember
from tests.rig.net import Loopback
from tests.rig.process import Listening, Server, program
from tests.rig.tomcat import Tomcat, TomcatMember

pytestmark = [pytest.mark.real, pytest.mark.slow]

FQDN = "keys.example.test"
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.MAXIMUM_SUPPORTED
Command = Callable[[str, int, Files, Path], Sequence[str]]


def openssl(address: str, port: int, files: Files, directory: Path) -> Sequence[str]:
    where = f"{address}:{port}"
    return [program("openssl"), "s_server", "-accept", where, "-cert", files.chain, "-key", files.key, "-www"]


def gnutls(address: str, port: int, files: Files, directory: Path) -> Sequence[str]:
    pair = (f"--x509keyfile={files.key}", f"--x509certfile={files.chain}")
    return [program("gnutls-serv"), "--http", "--quiet", f"--port={port}", *pair]


def haproxy(address: str, port: int, files: Files, directory: Path) -> Sequence[str]:
    both = directory / "both.pem"
    both.write_bytes(Path(files.chain).read_bytes() + Path(files.key).read_bytes())
    config = directory / "haproxy.cfg"
    config.write_text(
        "defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\n"
        f"frontend f\n bind {address}:{port} ssl crt {both}\n http-request return status 200\n"
    )
    return [program("haproxy"), "-db", "-f", str(config)]


def apache(address: str, port: int, files: Files, directory: Path) -> Sequence[str]:
    modules = Path("/usr/lib/apache2/modules")
    config = directory / "apache.conf"
    loaded = ("mpm_event", "authz_core", "ssl", "socache_shmcb")
    config.write_text(
        "".join(f"LoadModule {name}_module {modules}/mod_{name}.so\n" for name in loaded)
        + f"ServerName {FQDN}\nListen {address}:{port}\nPidFile {directory}/pid\nErrorLog {directory}/error.log\n"
        f"DefaultRuntimeDir {directory}\nDocumentRoot {directory}\nSSLEngine on\n"
        f"SSLCertificateFile {files.chain}\nSSLCertificateKeyFile {files.key}\n"
    )
    return [program("apache2"), "-DFOREGROUND", "-f", str(config)]


def caddy(address: str, port: int, files: Files, directory: Path) -> Sequence[str]:
    config = directory / "Caddyfile"
    config.write_text(
        "{\n admin off\n auto_https off\n storage file_system " + str(directory) + "\n}\n"
        f"https://{FQDN}:{port} {{\n bind {address}\n tls {files.chain} {files.key}\n respond ok\n}}\n"
    )
    return [program("caddy"), "run", "--config", str(config), "--adapter", "caddyfile"]


def traefik(address: str, port: int, files: Files, directory: Path) -> Sequence[str]:
    dynamic = directory / "dynamic.yml"
    dynamic.write_text(
        f"tls:\n  certificates:\n  - certFile: {files.chain}\n    keyFile: {files.key}\n"
        f"http:\n  routers:\n    all:\n      rule: PathPrefix(`/`)\n      service: noop@internal\n      tls: {{}}\n"
    )
    options = (f"--entrypoints.web.address={address}:{port}", f"--providers.file.filename={dynamic}")
    return [program("traefik"), *options, "--global.checknewversion=false"]


def envoy(address: str, port: int, files: Files, directory: Path) -> Sequence[str]:
    connections = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    routes = [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]
    manager = {
        "@type": f"type.googleapis.com/{connections}",
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": router}}],
    }
    pair = {"certificate_chain": {"filename": str(files.chain)}, "private_key": {"filename": str(files.key)}}
    context = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    secured = {"@type": context, "common_tls_context": {"tls_certificates": [pair]}}
    listener = {
        "address": {"socket_address": {"address": address, "port_value": port}},
        "filter_chains": [
            {
                "filters": [{"name": "http", "typed_config": manager}],
                "transport_socket": {"name": "tls", "typed_config": secured},
            }
        ],
    }
    config = directory / "envoy.json"
    config.write_text(json.dumps({"static_resources": {"listeners": [listener]}}))
    return [program("envoy"), "-c", str(config), "--concurrency", "1", "--disable-hot-restart"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Loopback, Path]]:
    network = Loopback()
    try:
        yield network, tmp_path_factory.mktemp("ticket-servers")
    finally:
        network.close()


def issued_files(directory: Path) -> Files:
    return Authority.root("Example Test Root").issue(FQDN).write(directory)


async def one_connection(address: str, port: int, newest: ssl.TLSVersion, page: bool) -> Ticket:
    stream = await SocketDialler().connect(address, port)
    tls = Tls(stream, seeing(newest), FQDN)
    try:
        async with asyncio.timeout(60):
            await tls.handshake()
            if page:
                await Conversation(tls, FQDN, port, "test").get("/")
            else:
                await tls.receive_ticket(0.5)
        assert tls.ticket is not None
        return tls.ticket
    finally:
        tls.close()


async def until_served(address: str, port: int) -> None:
    """Traefik listens before it has read what to serve."""
    async with asyncio.timeout(60):
        while True:
            try:
                await one_connection(address, port, TLS_1_2, page=False)
            except (OSError, EOFError):
                await asyncio.sleep(0.05)
            else:
                return


def tickets(
    address: str, port: int, newest: ssl.TLSVersion, page: bool = True, count: int = 3
) -> tuple[Ticket, ...]:
    async def all_of_them() -> tuple[Ticket, ...]:
        await until_served(address, port)
        return tuple([await one_connection(address, port, newest, page) for _ in range(count)])

    return asyncio.run(all_of_them())


def named_by(here: Sequence[Ticket], there: Sequence[Ticket]) -> int | None:
    """How many prefixes (of 4, 8, 12, 16 bytes) all tickets of a server share, where two servers' differ; None: none
    does. Fails where one ticket came twice: then nothing was issued separately."""
    wholes = [ticket.whole for ticket in (*here, *there)]
    assert None not in wholes
    assert len(set(wholes)) == len(wholes)
    alike = 0
    for index in range(4):
        ours = {ticket.prefixes[index] for ticket in here}
        theirs = {ticket.prefixes[index] for ticket in there}
        if len(ours) == len(theirs) == 1 and ours != theirs:
            alike = index + 1
    return alike or None


@pytest.mark.parametrize("newest", [TLS_1_2, TLS_1_3], ids=["TLS 1.2", "TLS 1.3"])
@pytest.mark.parametrize(
    ("command", "expected"),
    [(openssl, 4), (gnutls, 4), (haproxy, 4), (apache, 4), (envoy, 4), (caddy, None), (traefik, None)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_key_name_of_a_server(
    command: Command, expected: int | None, newest: ssl.TLSVersion, place: tuple[Loopback, Path]
) -> None:
    network, root = place
    seen = []
    for number in (11, 12):
        directory = root / f"{command.__name__}-{newest.name}-{number}"
        directory.mkdir()
        address = "0.0.0.0" if command is gnutls else network.address(f"198.51.100.{number}")
        port = network.port(number)
        argv = [str(part) for part in command(address, port, issued_files(directory), directory)]
        listening = [] if command is gnutls else [Listening(address, port)]
        ready = "listening" if command is gnutls else None
        with Server(argv, place=network.servers, directory=directory, listening=listening, log_line=ready):
            seen.append(tickets("127.0.0.1" if command is gnutls else address, port, newest))
    assert named_by(*seen) == expected


def test_envoy_gives_its_ticket_of_tls_1_3_with_the_first_answer(place: tuple[Loopback, Path]) -> None:
    network, root = place
    directory = root / "envoy-late"
    directory.mkdir()
    address, port = network.address("198.51.100.13"), network.port(13)
    argv = [str(part) for part in envoy(address, port, issued_files(directory), directory)]
    with Server(argv, place=network.servers, directory=directory, listening=[Listening(address, port)]):
        assert {ticket.count for ticket in tickets(address, port, TLS_1_3, page=False)} == {0}
        assert 0 not in {ticket.count for ticket in tickets(address, port, TLS_1_3)}
        assert 0 not in {ticket.count for ticket in tickets(address, port, TLS_1_2, page=False)}


@pytest.mark.parametrize("newest", [TLS_1_2, TLS_1_3], ids=["TLS 1.2", "TLS 1.3"])
def test_nginx_members_that_share_a_key_show_it(newest: ssl.TLSVersion, place: tuple[Loopback, Path]) -> None:
    network, root = place
    certificate = Authority.root("Example Test Root").issue(FQDN)
    seen = {}
    for number, key in ((14, None), (15, None), (16, b"k" * 80), (17, b"k" * 80)):
        address, port = network.address(f"198.51.100.{number}"), network.port(443)
        member = NginxMember(f"nginx{number}", (Interface(address, port, certificate),), ticket_key=key)
        with member.launch(network.servers, root / f"nginx-{newest.name}-{number}"):
            seen[number] = tickets(address, port, newest, page=False)
    assert named_by(seen[14], seen[15]) == 4
    assert {ticket.prefixes for ticket in chain(seen[16], seen[17])} == {seen[16][0].prefixes}


def test_javas_own_tls_names_the_key_in_four_bytes(place: tuple[Loopback, Path]) -> None:
    network, root = place
    certificate = Authority.root("Example Test Root").issue(FQDN)
    port = network.port(443)
    where = [network.address(f"198.51.100.{number}") for number in (21, 22)]
    members = tuple(TomcatMember(f"sems{n}", address, port, certificate) for n, address in enumerate(where))
    with Tomcat(members).launch(network.servers, root / "tomcat"):
        for newest in (TLS_1_2, TLS_1_3):
            here, there = (tickets(address, port, newest) for address in where)
            # Java before stateless tickets sends session ids in TLS 1.2.
            if any(ticket.count for ticket in (*here, *there)):
                assert named_by(here, there) == 1


def test_nginx_with_session_ids_alone_gives_no_ticket_that_names_it(place: tuple[Loopback, Path]) -> None:
    network, root = place
    certificate = Authority.root("Example Test Root").issue(FQDN)
    address, port = network.address("198.51.100.23"), network.port(443)
    member = NginxMember("ids", (Interface(address, port, certificate),), tickets=False, cache=True)
    with member.launch(network.servers, root / "ids"):
        assert {ticket.count for ticket in tickets(address, port, TLS_1_2)} == {0}
        stateful = tickets(address, port, TLS_1_3)
    assert len({ticket.prefixes[:1] for ticket in stateful}) == len(stateful)

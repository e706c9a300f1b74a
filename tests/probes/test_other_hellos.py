"""Handshakes beside the usual one: the second certificate, and the stapled OCSP answer, of real servers."""

from __future__ import annotations

import asyncio
import shutil
import socketserver
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from semscheck.analysis import analyse
from semscheck.model.findings import Finding
from semscheck.model.observations import DnsAnswer, Handshake
from semscheck.model.report import Run, Snapshot
from semscheck.model.target import Severity, Target
from semscheck.net.backend import real_backend
from semscheck.net.tls_contexts import Contexts
from semscheck.probes import endpoint
from semscheck.probes.certificates import record_chain
from semscheck.probes.endpoint import Destination, ProbeContext, probe_endpoint, second_certificate
from semscheck.probes.recorder import Recorder
from semscheck.rules.evaluate import evaluate
from tests.rig.certs import Authority, Issued
from tests.rig.net import Place, unused_port
from tests.rig.process import Server, program

FQDN = "keys.example.test"
HERE = "127.0.0.1"
ROOT = Authority.root("Example Root", key="rsa2048")
MUST_STAPLE = x509.TLSFeature([x509.TLSFeatureType.status_request])
GOOD = ROOT.issue(FQDN)
OLD_RSA = ROOT.issue(FQDN, key="rsa2048", days=-2, starts_days=-90)


@contextmanager
def served(
    tmp_path: Path,
    shown: Sequence[Issued],
    oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    choose: Callable[[ssl.SSLSocket, str | None, ssl.SSLContext], int | None] | None = None,
) -> Iterator[int]:
    """The port of a server with these certificates, one of each kind of key; it sends its alerts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = oldest
    context.sni_callback = choose  # type: ignore[assignment]
    for number, issued in enumerate(shown):
        files = issued.write(tmp_path, f"server{number}")
        context.load_cert_chain(files.chain, files.key)

    class Serve(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                context.wrap_socket(self.request, server_side=True).close()

    with socketserver.ThreadingTCPServer((HERE, 0), Serve) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


async def look(tmp_path: Path, port: int) -> tuple[tuple[Handshake, ...], dict[str, Finding]]:
    """All handshakes of one look, and what the rules find in them."""
    backend = real_backend(1)
    record = Recorder(backend.clock)
    ca_file = str(ROOT.write(tmp_path))
    probe = ProbeContext(backend, record, Contexts(ca_file), 5.0, "test", record_chain)
    aim = Target(FQDN, port=port, balancers=(HERE,), ca_file=ca_file)
    record.add(DnsAnswer, 0.0, server="192.0.2.53:53", name=FQDN, record_type="A", records=(HERE,))
    sight = await probe_endpoint(probe, Destination(HERE, port, FQDN), closely=True)
    if sight.leaf is not None:
        await second_certificate(probe, sight.destination, sight.leaf)
    run = Run(id="t", started=backend.clock.utc())
    snapshot = Snapshot(target=aim, run=run, observations=record.observations)
    findings, _, _ = evaluate(snapshot, analyse(snapshot))
    shaken = tuple(each for each in record.observations if isinstance(each, Handshake))
    return shaken, {found.code: found for found in findings}


@pytest.mark.parametrize("secure", [True, False])
async def test_a_server_without_secure_renegotiation(tmp_path: Path, secure: bool) -> None:
    """GnuTLS as a server of before 2010: OpenSSL 3 refuses it, browsers and Windows do not."""
    files = GOOD.write(tmp_path, "server")
    port = unused_port()
    offer = "NORMAL:-VERS-TLS1.3" + ("" if secure else ":%DISABLE_SAFE_RENEGOTIATION")
    command = [program("gnutls-serv"), "--http", "--quiet", "-a", f"--port={port}", f"--priority={offer}"]
    command += [f"--x509certfile={files.chain}", f"--x509keyfile={files.key}"]
    with Server(command, place=Place(), directory=tmp_path, log_line="IPv4.*done"):
        shaken, found = await look(tmp_path, port)
    if secure:
        assert "TLS010" not in found
        assert all(shake.failure is None for shake in shaken if shake.offered is None)
        return
    assert {code for code in found if code.startswith(("TLS", "CRT"))} == {"TLS010"}
    assert found["TLS010"].args == {"clients": "openssl-3"}
    (forgiving,) = [shake for shake in shaken if shake.policy == "forgiving"]
    assert forgiving.trust is not None
    assert forgiving.trust.trusted  # trust is judged all the same


async def test_an_expired_second_certificate_is_seen_though_the_first_is_good(tmp_path: Path) -> None:
    with served(tmp_path, (GOOD, OLD_RSA)) as port:
        shaken, found = await look(tmp_path, port)
    (asked,) = [shake for shake in shaken if shake.offered == "RSA"]
    assert asked.chain == (OLD_RSA.sha256,)
    assert "for clients that use RSA, expired on" in found["CRT004"].summary
    assert asked.id in found["CRT004"].evidence


async def test_no_second_certificate_is_a_refusal_that_nothing_is_made_of(tmp_path: Path) -> None:
    with served(tmp_path, (GOOD,)) as port:
        shaken, found = await look(tmp_path, port)
    (asked,) = [shake for shake in shaken if shake.offered == "RSA"]
    assert asked.failure is not None
    assert not [code for code in found if code.startswith(("CRT", "TLS"))]


async def test_where_the_usual_certificate_is_an_rsa_one_no_other_is_asked_for(tmp_path: Path) -> None:
    with served(tmp_path, (ROOT.issue(FQDN, key="rsa2048"),)) as port:
        shaken, _ = await look(tmp_path, port)
    assert "RSA" not in [shake.offered for shake in shaken]


async def test_a_server_that_is_strict_about_names_is_no_warning(tmp_path: Path) -> None:
    """As Caddy, Traefik and sniproxy do: a handshake without a name ends in an alert."""

    def strict(_socket: object, name: str | None, _context: object) -> int | None:
        return None if name == FQDN else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    with served(tmp_path, (GOOD,), choose=strict) as port:
        shaken, found = await look(tmp_path, port)
    (bare,) = [shake for shake in shaken if shake.sni is None]
    assert bare.failure is not None
    assert bare.failure.alert == "unrecognized_name"
    assert found["TLS007"].severity is Severity.INFO


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "STAPLE_PAUSES_S", (0.0, 0.0))


@pytest.mark.usefixtures("_soon")
async def test_a_staple_that_is_demanded_and_not_sent_is_for_firefox(tmp_path: Path) -> None:
    with served(tmp_path, (ROOT.issue(FQDN, more=(MUST_STAPLE,)),)) as port:
        shaken, found = await look(tmp_path, port)
    assert [shake.stapled for shake in shaken if shake.offered == endpoint.STAPLE] == [False, False]
    assert found["CRT023"].args["clients"] == "firefox"


async def test_nobody_is_asked_for_a_staple_that_the_certificate_does_not_demand(tmp_path: Path) -> None:
    with served(tmp_path, (GOOD,)) as port:
        shaken, found = await look(tmp_path, port)
    assert endpoint.STAPLE not in [shake.offered for shake in shaken]
    assert "CRT023" not in found


async def test_a_server_of_tls_1_3_alone_cannot_be_asked(tmp_path: Path) -> None:
    issued = ROOT.issue(FQDN, more=(MUST_STAPLE,))
    with served(tmp_path, (issued,), ssl.TLSVersion.TLSv1_3) as port:
        shaken, found = await look(tmp_path, port)
    assert [shake.stapled for shake in shaken if shake.offered == endpoint.STAPLE] == [None]
    assert "CRT023" not in found
    assert "TLS009" in found


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")
async def test_a_staple_that_is_sent_is_seen(tmp_path: Path) -> None:
    issued = ROOT.issue(FQDN, more=(MUST_STAPLE,))
    files = issued.write(tmp_path)
    answer = tmp_path / "ocsp.der"
    answer.write_bytes(ocsp_answer(issued))
    command = ("s_server", "-accept", f"{HERE}:0", "-cert", files.certificate, "-key", files.key)
    server = await asyncio.create_subprocess_exec(
        "openssl", *command, "-status_file", answer, stdin=-1, stdout=-1, stderr=-1
    )
    try:
        assert server.stdout is not None
        async with asyncio.timeout(30):
            while not (line := (await server.stdout.readline()).decode()).startswith("ACCEPT"):
                assert line, "openssl s_server ended"
        record = Recorder(real_backend(1).clock)
        probe = ProbeContext(real_backend(1), record, Contexts(None), 20.0, "test", record_chain)
        await endpoint.ask_for_staple(probe, Destination(HERE, int(line.rpartition(":")[2]), FQDN))
    finally:
        server.kill()
        await server.wait()
    asked = [shake.stapled for shake in record.observations if isinstance(shake, Handshake)]
    assert asked == [True]


def ocsp_answer(issued: Issued) -> bytes:
    """The authority's word that the certificate is good."""
    now = datetime.now(UTC)
    built = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=issued.certificate,
            issuer=ROOT.certificate,
            algorithm=hashes.SHA256(),
            cert_status=ocsp.OCSPCertStatus.GOOD,
            this_update=now - timedelta(hours=1),
            next_update=now + timedelta(days=1),
            revocation_time=None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.NAME, ROOT.certificate)
    )
    assert not isinstance(ROOT.key, str)
    signed = built.sign(ROOT.key, hashes.SHA256())  # type: ignore[arg-type]
    return signed.public_bytes(serialization.Encoding.DER)

"""From a real handshake to the codes: what OpenSSL says of a chain is what the rules take it for."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest

from semscheck.analysis.endpoints import places
from semscheck.model.analysis import Analysis, DnsAnalysis
from semscheck.model.report import Run, Snapshot
from semscheck.model.target import Endpoint, Member, Target
from semscheck.net.backend import real_backend
from semscheck.net.tls_contexts import Contexts
from semscheck.probes.certificates import record_chain
from semscheck.probes.endpoint import Destination, ProbeContext, probe_endpoint
from semscheck.probes.recorder import Recorder
from semscheck.rules.evaluate import evaluate
from tests.rig.certs import Authority, Issued, self_signed

FQDN = "keys.example.com"
HERE = "127.0.0.1"
ROOT = Authority.root("Example Root")
ISSUING = ROOT.intermediate("Example Issuing")
UPPER = ROOT.intermediate("Upper")
RSA_ROOT = Authority.root("RSA Root", key="rsa2048")
STRANGER = Authority.root("Somebody Else")
OLD_ROOT = Authority.root("Expired Root", days=-1)
SELF = self_signed(FQDN)
EXPIRED_ISSUING = ROOT.intermediate("Old Issuing", days=-2, starts_days=-400)


@dataclass(frozen=True, slots=True)
class Row:
    """What the server sends, which anchors the desktop was given, and the codes that come of it."""

    case: str
    shown: Issued
    anchors: tuple[Authority, ...]
    codes: set[str]
    roots: set[str]


def row(case: str, shown: Issued, codes: set[str], *anchors: Authority, roots: set[str] | None = None) -> Row:
    return Row(case, shown, anchors or (ROOT,), codes, codes if roots is None else roots)


ROWS = [
    row("whole", ISSUING.issue(FQDN), set()),
    row("two intermediates", UPPER.intermediate("Lower").issue(FQDN), set()),
    row("by the root itself", ROOT.issue(FQDN), set()),
    row("with the root", ISSUING.issue(FQDN).sending(ISSUING.certificate, ROOT.certificate), set()),
    row("intermediate not sent", ISSUING.issue(FQDN).sending(), {"CRT008", "CRT010"}),
    row("intermediate known here", ISSUING.issue(FQDN).sending(), {"CRT010"}, ROOT, ISSUING),
    row("stranger", STRANGER.issue(FQDN).sending(STRANGER.certificate), {"CRT008"}),
    row("self-signed", SELF, {"CRT008", "CRT009"}, roots={"CRT009"}),
    row("self-signed, trusted", SELF, set(), Authority(SELF.certificate, SELF.key)),
    row("expired", ISSUING.issue(FQDN, days=-1), {"CRT004"}),
    row("not yet valid", ISSUING.issue(FQDN, starts_days=2), {"CRT005"}),
    row("expired intermediate", EXPIRED_ISSUING.issue(FQDN), {"CRT004"}),
    row("expired root", OLD_ROOT.issue(FQDN, starts_days=-9), {"CRT004"}, OLD_ROOT),
    row(
        "expired stranger", STRANGER.issue(FQDN, days=-1).sending(STRANGER.certificate), {"CRT004", "CRT008"}
    ),
    row("weak key", ROOT.issue(FQDN, key="rsa1024"), {"CRT011"}),
    row("weak signature", RSA_ROOT.issue(FQDN, digest="sha1"), {"CRT011"}, RSA_ROOT),
    row("for clients", ISSUING.issue(FQDN, eku=("clientAuth",)), {"CRT017"}),
    row("another name", ISSUING.issue("mail.example.com"), {"CRT001"}),
]


async def _seen(shown: Issued, anchors: tuple[Authority, ...], directory: Path) -> Snapshot:
    """One look at a server on loopback that sends this chain."""
    files = shown.write(directory)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_ciphers("ALL:@SECLEVEL=0")
    server.load_cert_chain(files.chain, files.key)
    anchor_file = directory / "anchors.pem"
    anchor_file.write_bytes(b"".join(anchor.pem for anchor in anchors))
    backend = real_backend(1)
    record = Recorder(backend.clock)
    probe = ProbeContext(backend, record, Contexts(str(anchor_file)), 10.0, "test", record_chain)
    listening = await asyncio.start_server(lambda _, writer: writer.close(), HERE, 0, ssl=server)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        await probe_endpoint(probe, Destination(HERE, port, FQDN, web=False))
    member = Member("sems1.example.com", client=(Endpoint(HERE, port),))
    aim = Target(FQDN, port=port, members=(member,), ca_file=str(anchor_file))
    return Snapshot(
        target=aim, run=Run(id="t", started=backend.clock.utc()), observations=record.observations
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
async def test_what_openssl_says_is_judged_right(row: Row, tmp_path: Path) -> None:
    snapshot = await _seen(row.shown, row.anchors, tmp_path)
    dns = DnsAnalysis(addresses=(HERE,))
    findings, _, _ = evaluate(snapshot, Analysis(dns=dns, places=places(snapshot, dns)))
    own = [finding for finding in findings if finding.code.startswith(("TLS", "CRT"))]
    assert {finding.code for finding in own} == row.codes
    assert {finding.code for finding in own if finding.caused_by is None} == row.roots

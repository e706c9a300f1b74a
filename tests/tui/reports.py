"""Reports that never change, as a real run would leave them: one healthy, one broken in several ways.

The broken one: a balancer that cycles through three members and keeps nobody, sems3 down on Interface 2, and
an old certificate on sems2.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from semscheck.model.analysis import (
    Analysis,
    AnswerSet,
    ArmSequence,
    BalancingPath,
    DnsAnalysis,
    EndpointStatus,
    InterfaceAnalysis,
    Method,
    Persistence,
    Reach,
    ResolverAnalysis,
    Rotation,
    Share,
    Signal,
    Termination,
)
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.findings import (
    Card,
    Confidence,
    Finding,
    Owner,
    Reference,
    State,
    Status,
    Subject,
    Verdict,
)
from semscheck.model.observations import (
    AnyObservation,
    Certificate,
    CnameHop,
    Connection,
    DnsAnswer,
    Exchange,
    Handshake,
    ResolverConfig,
    Sample,
    Trust,
)
from semscheck.model.report import Report, Run, Summary, Tool, Vantage
from semscheck.model.target import Endpoint, Member, Severity, Target

STARTED = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
FQDN = "keys.example.com"
BALANCER = "192.0.2.100"
NAMES = ("sems1.example.com", "sems2.example.com", "sems3.example.com")
KB = Reference("Broadcom KB 156803", "https://knowledge.broadcom.com/external/article/156803")

TARGET = Target(
    fqdn=FQDN,
    fqdn_shown=FQDN,
    balancers=(BALANCER,),
    members=tuple(
        Member(name, (Endpoint(f"192.0.2.1{it}"),), (Endpoint(f"198.51.100.1{it}"),))
        for it, name in enumerate(NAMES, 1)
    ),
)
RUN = Run(
    id="5f0c",
    started=STARTED,
    finished=STARTED + timedelta(seconds=14),
    duration_s=14.2,
    vantage=Vantage(host="desk-17", platform="Windows 11", source_addresses=("203.0.113.7",)),
    seed=7,
)
CARDS = {
    it.code: it
    for it in (
        Card(
            code="BAL001",
            name="round-robin",
            severity=Severity.CRITICAL,
            owner=Owner.BALANCER,
            summary="Fresh connections cycle through the members and nothing keeps a client on one.",
            why="A client's login belongs to one member. When its next connection reaches another member, "
            "the login is unknown there: policies are not fetched, keys are not found, users are asked again.",
            remedy="1. Set failover or an ordered list as the method.\n2. Switch persistence on.",
            seen_by="The TLS session of each connection was offered to every member.",
            references=(KB,),
        ),
        Card(
            code="CLU002",
            name="redundancy-lost",
            severity=Severity.WARNING,
            owner=Owner.SERVER,
            summary="A member does not serve clients while another does.",
            why="The next failure takes the service down.",
            remedy="Start the member, or open its Interface 2.",
            seen_by="A connection to each member's Interface 2.",
            references=(KB,),
        ),
    )
}


def fingerprint(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def certificate(name: str, cn: str, days: float, **more: object) -> Certificate:
    values: dict[str, object] = {
        "id": f"crt-{name}",
        "at_s": 1.0,
        "fingerprint": fingerprint(name),
        "spki": fingerprint("key " + name),
        "subject": f"CN={cn},O=Example",
        "common_names": (cn,),
        "dns_names": (cn,),
        "issuer": "CN=Example Issuing CA,O=Example",
        "issuer_common_names": ("Example Issuing CA",),
        "serial": "1f2e",
        "not_before": STARTED - timedelta(days=300),
        "not_after": STARTED + timedelta(days=days),
        "key_type": "RSA",
        "key_bits": 2048,
        "signature_hash": "sha256",
        "is_ca": False,
        "self_issued": False,
        "extended_key_usage": ("serverAuth",),
        "der": b"0\x03\x02\x01\x01" + name.encode(),
    }
    return Certificate(**{**values, **more})  # type: ignore[arg-type]


def finding(
    title: str, severity: Severity, owner: Owner, subject: Subject, summary: str, **more: object
) -> Finding:
    code, name = title.split()
    values: dict[str, object] = {
        "confidence": Confidence.CERTAIN,
        "remedy": "Do what the card says.",
        "references": (KB,),
    }
    return Finding(
        code=code,
        name=name,
        severity=severity,
        owner=owner,
        subject=subject,
        summary=summary,
        **{**values, **more},  # type: ignore[arg-type]
    )


def resolver(server: str, ttl_s: int = 300) -> ResolverAnalysis:
    return ResolverAnalysis(
        server=server,
        rotation=Rotation.NONE,
        rcode="NOERROR",
        ttl_s=ttl_s,
        answers_v4=(AnswerSet(addresses=(BALANCER,), count=8),),
        sequence_v4=(0,) * 8,
    )


def interface(
    number: int, kind: str, cert: str | None, failure: str | None = None, reach: Reach = Reach.SERVES
) -> InterfaceAnalysis:
    address = f"198.51.100.1{number}" if kind == "client" else f"192.0.2.1{number}"
    return InterfaceAnalysis(
        name=NAMES[number - 1],
        interface=kind,
        address=address,
        port=443,
        reach=reach,
        failure=failure,
        fingerprint=fingerprint(cert) if cert else None,
        protocol="TLSv1.3" if cert else None,
        connect_s=0.004 if cert else None,
        handshake_s=0.021 if cert else None,
    )


def place(address: str, cert: str | None, **more: object) -> EndpointStatus:
    values: dict[str, object] = {
        "reach": Reach.SERVES,
        "certificate": fingerprint(cert) if cert else None,
        "version": "TLSv1.3" if cert else None,
        "connect_s": 0.004 if cert else None,
        "status": 200 if cert else None,
    }
    return EndpointStatus(address=address, port=443, **{**values, **more})  # type: ignore[arg-type]


def observations() -> tuple[AnyObservation, ...]:
    return (
        ResolverConfig(id="cfg-1", at_s=0.0, source="system", servers=("203.0.113.53:53",)),
        DnsAnswer(
            id="dns-1",
            at_s=0.1,
            elapsed_s=0.012,
            server="203.0.113.53:53",
            name=FQDN,
            record_type="A",
            rcode="NOERROR",
            flags=("RD", "RA"),
            cname=(CnameHop(FQDN, "vip.example.com", 300),),
            records=(BALANCER,),
            ttl_s=300,
        ),
        certificate("shared", FQDN, 200, dns_names=(FQDN, *NAMES)),
        certificate("old", FQDN, 12),
        *(certificate(f"own{it}", name, 150) for it, name in enumerate(NAMES, 1)),
        Handshake(
            id="tls-1",
            at_s=1.2,
            elapsed_s=0.021,
            address=BALANCER,
            port=443,
            sni=FQDN,
            version="TLSv1.3",
            cipher="TLS_AES_256_GCM_SHA384",
            key_exchange="X25519",
            chain=(fingerprint("shared"), fingerprint("issuing")),
            trust=Trust(trusted=True, chain=(fingerprint("shared"),)),
        ),
        certificate("issuing", "Example Issuing CA", 2000, is_ca=True),
        Exchange(
            id="http-1",
            at_s=1.4,
            elapsed_s=0.05,
            address=BALANCER,
            port=443,
            host=FQDN,
            status=200,
            http_version="HTTP/1.1",
            headers=(("Server", "Apache"), ("Date", "Sun, 22 Nov 2026 09:30:02 GMT")),
            title="Symantec Encryption Server - Login",
            body_sha256=fingerprint("body"),
            body_bytes=2048,
        ),
        Connection(
            id="tcp-3",
            at_s=2.0,
            elapsed_s=5.0,
            address="198.51.100.13",
            port=443,
            failure=Failure(Phase.CONNECT, Cause.TIMED_OUT, "timed out"),
        ),
        *(
            Sample(
                id=f"s{it}",
                at_s=3 + it / 10,
                elapsed_s=0.08,
                arm="fresh",
                index=it,
                address=BALANCER,
                port=443,
                version="TLSv1.3",
                certificate=fingerprint("shared"),
                token=True,
                status=200,
            )
            for it in range(24)
        ),
    )


def _share(name: str, count: int, of: int, low: float, high: float) -> Share:
    return Share(name=name, count=count, share=count / of, share_low=low, share_high=high)


def path_rotating() -> BalancingPath:
    cycle = (NAMES[0], NAMES[1])
    fresh = tuple(cycle[it % 2] for it in range(24))
    return BalancingPath(
        address=BALANCER,
        method=Method.ROTATING,
        persistence=Persistence.NONE,
        samples=24,
        identified=24,
        identified_by="tls-session",
        members=(
            _share(NAMES[0], 12, 24, 0.29, 0.71),
            _share(NAMES[1], 12, 24, 0.29, 0.71),
            _share(NAMES[2], 0, 24, 0.0, 0.18),
        ),
        members_seen=2,
        confidence=0.95,
        termination=Termination.PASS_THROUGH,
        cycle=cycle,
        chance=0.0001,
        cookie_offered=8,
        cookie_returned=4,
        session_offered=8,
        session_returned=4,
        requests=6,
        requests_moved=0,
        kept_by=None,
        signals=(
            Signal(
                name="tls-session",
                verdict="used",
                why="members take up only their own sessions",
                strength="certain",
            ),
            Signal(name="certificate", verdict="void", why="the members present one certificate"),
        ),
        arms=(
            ArmSequence(arm="fresh", members=fresh, evidence=tuple(f"s{it}" for it in range(24))),
            ArmSequence(arm="cookie", members=tuple(cycle[it % 2] for it in range(8))),
            ArmSequence(arm="resume", members=(*tuple(cycle[it % 2] for it in range(7)), None), failed=(7,)),
            ArmSequence(arm="keep-alive", members=(NAMES[0],) * 6),
        ),
        evidence=("s0", "s1", "s2"),
    )


def path_steady() -> BalancingPath:
    return BalancingPath(
        address=BALANCER,
        method=Method.SINGLE,
        persistence=Persistence.NOT_SEPARABLE,
        samples=32,
        identified=32,
        identified_by="tls-session",
        members=(_share(NAMES[0], 32, 32, 0.89, 1.0),),
        members_seen=1,
        other_share_at_most=0.089,
        confidence=0.95,
        termination=Termination.PASS_THROUGH,
        arms=(ArmSequence(arm="fresh", members=(NAMES[0],) * 32),),
    )


def healthy() -> Report:
    path = path_steady()
    return Report(
        tool=Tool(name="semscheck", version="0.1.0"),
        run=RUN,
        target=TARGET,
        summary=Summary(
            verdict=Status.OK,
            exit_code=0,
            headline="keys.example.com works: sems1.example.com answered all 32 connections.",
            counts={"info": 1, "warning": 0, "critical": 0, "unknown": 0},
        ),
        analysis=Analysis(
            dns=DnsAnalysis(
                addresses=(BALANCER,),
                rotation=Rotation.NONE,
                rotation_v4=Rotation.NONE,
                min_ttl_s=300,
                max_ttl_s=300,
                system=(BALANCER,),
                resolvers=(resolver("203.0.113.53:53"), resolver("203.0.113.54:53")),
            ),
            places=(
                place(BALANCER, "shared", fqdn=True, balancer=True, sni=FQDN),
                *(
                    place(f"198.51.100.1{it}", "shared", client_of=(NAMES[it - 1],), sni=FQDN)
                    for it in (1, 2, 3)
                ),
                *(place(f"192.0.2.1{it}", f"own{it}", replication_of=(NAMES[it - 1],)) for it in (1, 2, 3)),
            ),
            members=tuple(
                interface(it, kind, "shared" if kind == "client" else f"own{it}")
                for it in (1, 2, 3)
                for kind in ("client", "replication")
            ),
            paths=(path,),
            balancing=path,
        ),
        findings=(
            finding(
                "BAL009 steady",
                Severity.INFO,
                Owner.BALANCER,
                Subject("address", FQDN, BALANCER, 443),
                "sems1.example.com answered all 32 connections; another member's share is at most 8.9 %.",
                evidence=("s0",),
            ),
        ),
        verdicts=(
            Verdict("BAL001", State.PASS),
            Verdict("BAL009", State.FOUND),
            Verdict("SVC001", State.NOT_OBSERVED, "services are asked with --services"),
            Verdict("CRT001", State.PASS),
        ),
        observations=observations(),
    )


def broken() -> Report:
    path, base = path_rotating(), healthy()
    at_balancer = Subject("address", FQDN, BALANCER, 443)
    sems3 = Subject("member", NAMES[2], "198.51.100.13", 443)
    findings = (
        finding(
            "BAL001 round-robin",
            Severity.CRITICAL,
            Owner.BALANCER,
            at_balancer,
            "Fresh connections to keys.example.com cycle through sems1 and sems2, "
            "and nothing keeps a client on one.",
            remedy="1. Set failover or an ordered list.\n2. Switch persistence on.",
            evidence=("s0", "s1", "tls-1", "http-1", "dns-1", "crt-shared"),
        ),
        finding(
            "NET002 timed-out",
            Severity.WARNING,
            Owner.NETWORK,
            sems3,
            "sems3.example.com does not answer connection requests at 198.51.100.13, port 443.",
            remedy="Find out whether the server is down or a firewall drops the packets.",
            evidence=("tcp-3",),
        ),
        finding(
            "CLU002 redundancy-lost",
            Severity.WARNING,
            Owner.SERVER,
            sems3,
            "sems3.example.com does not serve clients while other members do.",
            caused_by=1,
        ),
        finding(
            "CRT006 expires-soon",
            Severity.WARNING,
            Owner.SERVER,
            Subject("certificate", FQDN, "198.51.100.12", 443),
            "The certificate on sems2.example.com, Interface 2, expires in 12 days.",
            evidence=("crt-old",),
        ),
        finding(
            "CRT007 members-differ",
            Severity.WARNING,
            Owner.SERVER,
            Subject("cluster", FQDN),
            "sems2.example.com presents another certificate to clients than sems1.example.com.",
            confidence=Confidence.LIKELY,
            evidence=("crt-old", "crt-shared"),
        ),
        finding(
            "BAL007 per-request",
            Severity.CRITICAL,
            Owner.BALANCER,
            at_balancer,
            "Requests on one connection are answered by different members.",
            caused_by=0,
        ),
        finding(
            "BAL015 not-in-pool",
            Severity.INFO,
            Owner.BALANCER,
            sems3,
            "sems3.example.com was never chosen.",
        ),
    )
    down = {
        "reach": Reach.NO_CONNECTION,
        "failure_phase": "connect",
        "failure_cause": "timed-out",
        "certificate": None,
        "version": None,
        "connect_s": None,
        "status": None,
    }
    places = tuple(
        replace(it, **down)
        if it.address == "198.51.100.13"
        else replace(it, certificate=fingerprint("old"))
        if it.address == "198.51.100.12"
        else it
        for it in base.analysis.places
    )
    members = (
        interface(1, "client", "shared"),
        interface(1, "replication", "own1"),
        interface(2, "client", "old"),
        interface(2, "replication", "own2"),
        interface(3, "client", None, "timed-out", Reach.NO_CONNECTION),
        interface(3, "replication", "own3"),
    )
    return replace(
        base,
        summary=Summary(
            verdict=Status.CRITICAL,
            exit_code=2,
            headline="keys.example.com sends each new connection to another server (round robin). "
            "The load balancer's administrator should set failover or persistence.",
            counts={"info": 1, "warning": 4, "critical": 2, "unknown": 0},
        ),
        analysis=replace(base.analysis, places=places, members=members, paths=(path,), balancing=path),
        findings=findings,
        verdicts=(
            Verdict("BAL001", State.FOUND),
            Verdict("CRT001", State.PASS),
            Verdict("SVC001", State.NOT_OBSERVED, "services are asked with --services"),
            Verdict("TLS005", State.CRASHED, "ZeroDivisionError: division by zero"),
        ),
    )


NASTY = (
    "\x1b[31mred\x1b]0;owned\x07 [bold]x[/bold] [@click=app.quit]y[/] \u202eabc\u2066 \u200b" + "A" * 10_000
)


def hostile() -> Report:
    """Names, fields and banners that try to break the screen."""
    base = broken()
    findings = tuple(
        replace(
            it,
            summary=NASTY,
            remedy=NASTY,
            subject=replace(it.subject, name=NASTY),
            references=(Reference(NASTY, "javascript:x"), Reference("[link]", "https://a.example/[b]")),
        )
        for it in base.findings
    )
    facts = (
        certificate("shared", NASTY, 5, subject=NASTY, issuer=NASTY, dns_names=(NASTY,), problems=(NASTY,)),
        Exchange(
            id="http-1",
            at_s=1.0,
            address=BALANCER,
            port=443,
            host=NASTY,
            status=200,
            headers=((NASTY, NASTY),),
            title=NASTY,
        ),
        *(it for it in base.observations if it.id not in {"crt-shared", "http-1"}),
    )
    names = {name: f"{name}{NASTY}" for name in NAMES}
    path = base.analysis.paths[0]
    path = replace(
        path,
        members=tuple(replace(it, name=names[it.name]) for it in path.members),
        arms=tuple(
            replace(arm, members=tuple(names.get(it or "") for it in arm.members)) for arm in path.arms
        ),
    )
    return replace(
        base,
        summary=replace(base.summary, headline=NASTY),
        target=replace(base.target, fqdn=NASTY, fqdn_shown=NASTY),
        analysis=replace(
            base.analysis,
            paths=(path,),
            balancing=path,
            members=tuple(replace(it, name=names[it.name]) for it in base.analysis.members),
        ),
        findings=findings,
        verdicts=(Verdict(NASTY, State.CRASHED, NASTY),),
        observations=facts,
    )

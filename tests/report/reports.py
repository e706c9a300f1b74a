"""Whole reports as a run would leave them, of any size: healthy, broken, failed, hostile, half done.

Built from values alone, so that every output can be tested without a network and without judging.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    EXIT_CODES,
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
    Bound,
    Certificate,
    CnameHop,
    Connection,
    Control,
    Crash,
    Cut,
    Delegation,
    DnsAnswer,
    Enrolment,
    Exchange,
    Handshake,
    HostsEntry,
    HostsFile,
    NameServer,
    ProxySettings,
    ResolverConfig,
    Route,
    Sample,
    ServiceProbe,
    SystemResolution,
    Trace,
    Trust,
)
from semscheck.model.report import Report, Run, Summary, Tool, Vantage
from semscheck.model.target import Endpoint, Member, Severity, Target

STARTED = datetime(2026, 3, 1, 12, 30, 0, 123456, tzinfo=UTC)
FQDN = "keys.example.com"
BALANCER = "192.0.2.100"
RESOLVERS = ("192.0.2.53:53", "192.0.2.54:53")
CLUSTER_PRINT = sha256(b"cluster").hexdigest()
VENDOR = Reference("Broadcom KB 153476", "https://knowledge.broadcom.com/external/article/153476")
HEADERS = (
    ("Server", "Apache-Coyote/1.1"),
    ("Set-Cookie", "JSESSIONID=0123456789ABCDEF0123456789ABCDEF; Path=/; Secure; HttpOnly"),
    ("Content-Type", "text/html;charset=UTF-8"),
    ("Content-Length", "4711"),
    ("Date", "Sun, 01 Mar 2026 12:30:01 GMT"),
    ("Strict-Transport-Security", "max-age=31536000"),
)

# A rule of each family is enough for most outputs, and none depends on the catalogue being there.
CODES = tuple(
    f"{family}{number:03}"
    for family, last in (
        ("CLT", 6),
        ("DNS", 15),
        ("NET", 7),
        ("TLS", 7),
        ("CRT", 18),
        ("BAL", 15),
        ("CLU", 7),
        ("SVC", 2),
        ("SEM", 3),
    )
    for number in range(1, last + 1)
)


def member_name(index: int) -> str:
    return f"sems{index + 1}.example.com"


def target(members: int = 3, connections: int = 32) -> Target:
    return Target(
        fqdn=FQDN,
        fqdn_shown=FQDN,
        balancers=(BALANCER,),
        members=tuple(
            Member(
                member_name(index),
                (Endpoint(f"192.0.2.{11 + index}", 444),),
                (Endpoint(f"198.51.100.{11 + index}"),),
            )
            for index in range(members)
        ),
        connections=connections,
        severities={"CRT016": Severity.WARNING},
        profile="profile.toml",
    )


def certificate(number: int, name: str, *, days: int = 200, fingerprint: str | None = None) -> Certificate:
    return Certificate(
        id=f"crt-{number}",
        at_s=0.08,
        fingerprint=fingerprint or sha256(name.encode()).hexdigest(),
        spki=sha256(b"key of " + name.encode()).hexdigest(),
        subject=f"CN={name},O=Example,C=CH",
        common_names=(name,),
        dns_names=(name,),
        issuer="CN=Example Issuing CA 1,O=Example,C=CH",
        issuer_common_names=("Example Issuing CA 1",),
        serial=f"{number:032x}",
        not_before=STARTED - timedelta(days=100),
        not_after=STARTED + timedelta(days=days, hours=1),
        key_type="RSA",
        key_bits=2048,
        signature_hash="sha256",
        is_ca=False,
        self_issued=False,
        self_signed=False,
        key_usage=("digital_signature", "key_encipherment"),
        extended_key_usage=("serverAuth",),
        der=bytes(range(256)) * 4,
    )


def run(**changes: object) -> Run:
    values: dict[str, object] = {
        "id": "7f3a2c9e51d04b6f",
        "started": STARTED,
        "finished": STARTED + timedelta(seconds=4.2),
        "duration_s": 4.2,
        "vantage": Vantage(host="desk-17", platform="Linux 6.1 (x86_64)", source_addresses=("203.0.113.77",)),
        "options": {"profile": "profile.toml", "connections": "32"},
        "seed": 20260301,
    }
    return Run(**{**values, **changes})  # type: ignore[arg-type]


# --- what was seen -----------------------------------------------------------------------------------------


def dns_observations() -> list[AnyObservation]:
    seen: list[AnyObservation] = [
        ResolverConfig(
            id="dns-1", at_s=0.0, source="system", servers=RESOLVERS, search=("example.com",), ndots=1
        ),
        Delegation(
            id="dns-2",
            at_s=0.01,
            elapsed_s=0.002,
            name=FQDN,
            zone="example.com",
            servers=(NameServer("ns1.example.com", ("192.0.2.60",)),),
        ),
        SystemResolution(id="dns-3", at_s=0.01, elapsed_s=0.004, name=FQDN, addresses=(BALANCER,)),
    ]
    for server in RESOLVERS:
        for repetition in range(8):
            seen.append(
                DnsAnswer(
                    id=f"dns-{len(seen) + 1}",
                    at_s=0.02 + repetition / 1000,
                    elapsed_s=0.0009,
                    server=server,
                    name=FQDN,
                    record_type="A",
                    repetition=repetition,
                    rcode="NOERROR",
                    flags=("RD", "RA"),
                    cname=(CnameHop(FQDN, "vip.example.com", 300),),
                    records=(BALANCER,),
                    ttl_s=300,
                )
            )
    return seen


def desktop_observations() -> list[AnyObservation]:
    return [
        HostsFile(id="dsk-1", at_s=0.0, path="/etc/hosts", entries=(HostsEntry(3, "192.0.2.9", ("other",)),)),
        Enrolment(id="dsk-2", at_s=0.0, source="PGPprefs.xml", value=f"{FQDN}:443", servers=(FQDN,)),
        ProxySettings(
            id="dsk-3", at_s=0.0, source="environment", url="http://proxy.example.com:3128", covers=False
        ),
        Route(id="dsk-4", at_s=0.0, address=BALANCER, source_address="203.0.113.77"),
    ]


def place_observations(address: str, port: int, sni: str, leaf: str, number: int) -> list[AnyObservation]:
    return [
        Connection(id=f"net-{number}", at_s=0.05, elapsed_s=0.012, address=address, port=port),
        Handshake(
            id=f"tls-{number}",
            at_s=0.06,
            elapsed_s=0.021,
            address=address,
            port=port,
            sni=sni,
            version="TLSv1.3",
            cipher="TLS_AES_256_GCM_SHA384",
            key_exchange="X25519",
            alpn="http/1.1",
            chain=(leaf,),
            trust=Trust(True, store="system+ca-file", chain=(leaf,)),
            client_certificate_requested=False,
        ),
        Exchange(
            id=f"web-{number}",
            at_s=0.09,
            elapsed_s=0.03,
            address=address,
            port=port,
            host=sni,
            status=200,
            http_version="HTTP/1.1",
            headers=HEADERS,
            title="Symantec Encryption Web Email Protection",
            body_sha256=sha256(b"page").hexdigest(),
            body_bytes=4711,
        ),
    ]


def sample_observations(answered: Sequence[int], members: int, arm: str = "fresh") -> list[AnyObservation]:
    """A sample for each connection and its traces to the members, up to the one that recognised it."""
    seen: list[AnyObservation] = []
    for index, member in enumerate(answered):
        sample = f"smp-{arm}-{index}"
        seen.append(
            Sample(
                id=sample,
                at_s=0.2 + index * 0.02,
                elapsed_s=0.018,
                arm=arm,  # type: ignore[arg-type]
                index=index,
                address=BALANCER,
                port=443,
                source_address="203.0.113.77",
                connect_s=0.004,
                handshake_s=0.011,
                version="TLSv1.3",
                certificate=CLUSTER_PRINT,
                token=True,
                offered=f"smp-fresh-{index}" if arm in ("cookie", "resume") else None,
                resumed=True if arm == "resume" else None,
                status=200,
                headers=HEADERS,
                cookies_sent=("JSESSIONID",) if arm == "cookie" else (),
                cookie_recognised=True if arm == "cookie" else None,
            )
        )
        seen.extend(
            Trace(
                id=f"trc-{arm}-{index}-{shown}",
                at_s=0.21 + index * 0.02,
                elapsed_s=0.012,
                sample=sample,
                token="tls",
                member=member_name(shown),
                address=f"198.51.100.{11 + shown}",
                port=443,
                recognised=shown == member,
            )
            for shown in range(member + 1)
        )
    return seen[: len(answered) * (members + 1)]


def control_observations(members: int) -> list[AnyObservation]:
    return [
        Control(
            id=f"ctl-{issuer}-{shown}",
            at_s=0.15,
            elapsed_s=0.02,
            token="tls",
            version="TLSv1.3",
            issuer=member_name(issuer),
            issuer_address=f"198.51.100.{11 + issuer}",
            shown_to=member_name(shown),
            address=f"198.51.100.{11 + shown}",
            port=443,
            recognised=issuer == shown,
        )
        for issuer in range(members)
        for shown in range(members)
    ]


def all_observations(members: int, answered: Sequence[int]) -> tuple[AnyObservation, ...]:
    seen = dns_observations() + desktop_observations()
    seen += place_observations(BALANCER, 443, FQDN, CLUSTER_PRINT, 0)
    seen.append(certificate(0, FQDN, fingerprint=CLUSTER_PRINT))
    for index in range(members):
        name = member_name(index)
        own = certificate(index + 1, name)
        seen += place_observations(f"198.51.100.{11 + index}", 443, FQDN, CLUSTER_PRINT, 2 * index + 1)
        seen += place_observations(f"192.0.2.{11 + index}", 444, name, own.fingerprint, 2 * index + 2)
        seen.append(own)
    seen += control_observations(members)
    seen += sample_observations(answered, members)
    for arm in ("cookie", "resume", "keep-alive"):
        seen += sample_observations(answered[:20], members, arm)
    seen.append(
        ServiceProbe(
            id="svc-1",
            at_s=1.0,
            elapsed_s=0.004,
            address="198.51.100.11",
            port=389,
            service="LDAP",
            state="open",
        )
    )
    return tuple(seen)


# --- what was inferred -------------------------------------------------------------------------------------


def dns_analysis(rotation: Rotation = Rotation.NONE, addresses: tuple[str, ...] = (BALANCER,)) -> DnsAnalysis:
    orders = (
        (addresses,)
        if rotation in (Rotation.NONE, Rotation.FIXED)
        else tuple(addresses[turn:] + addresses[:turn] for turn in range(len(addresses)))
    )
    sequence = tuple(turn % len(orders) for turn in range(8))
    return DnsAnalysis(
        addresses=tuple(sorted(addresses)),
        rotation=rotation,
        rotation_v4=rotation,
        rotation_v6=Rotation.UNKNOWN,
        min_ttl_s=300,
        max_ttl_s=300,
        system=addresses,
        resolvers=tuple(
            ResolverAnalysis(
                server=server,
                rcode="NOERROR",
                rotation=rotation,
                ttl_s=300,
                answers_v4=tuple(
                    AnswerSet(addresses=order, count=sequence.count(i)) for i, order in enumerate(orders)
                ),
                sequence_v4=sequence,
            )
            for server in RESOLVERS
        ),
    )


def places(members: int) -> tuple[EndpointStatus, ...]:
    front = EndpointStatus(
        address=BALANCER,
        port=443,
        fqdn=True,
        balancer=True,
        sni=FQDN,
        reach=Reach.SERVES,
        certificate=CLUSTER_PRINT,
        version="TLSv1.3",
        connect_s=0.0042,
        handshake_s=0.011,
        status=200,
        evidence=("net-0", "tls-0", "web-0"),
    )
    rest = []
    for index in range(members):
        name = member_name(index)
        rest.append(
            replace(front, address=f"198.51.100.{11 + index}", fqdn=False, balancer=False, client_of=(name,))
        )
        rest.append(
            replace(
                rest[-1],
                address=f"192.0.2.{11 + index}",
                port=444,
                client_of=(),
                replication_of=(name,),
                sni=name,
                certificate=sha256(name.encode()).hexdigest(),
            )
        )
    return (front, *rest)


def interfaces(seen: Sequence[EndpointStatus]) -> tuple[InterfaceAnalysis, ...]:
    return tuple(
        InterfaceAnalysis(
            name=name,
            interface=interface,
            address=place.address,
            port=place.port,
            reach=place.reach,
            failure=place.failure_cause,
            fingerprint=place.certificate,
            protocol=place.version,
            connect_s=place.connect_s,
            handshake_s=place.handshake_s,
        )
        for place in seen
        for interface, names in (("client", place.client_of), ("replication", place.replication_of))
        for name in names
    )


def balancing(
    answered: Sequence[int], members: int, method: Method, persistence: Persistence
) -> BalancingPath:
    names = [member_name(index) for index in range(members)]
    counts = {name: sum(member_name(index) == name for index in answered) for name in names}
    total = max(1, len(answered))
    one = sum(1 for number in counts.values() if number) == 1
    return BalancingPath(
        address=BALANCER,
        method=method,
        persistence=persistence,
        samples=len(answered),
        identified=len(answered),
        identified_by="tls-session",
        members=tuple(
            Share(
                name=name,
                count=number,
                share=number / total,
                share_low=max(0.0, number / total - 0.1),
                share_high=min(1.0, number / total + 0.1),
            )
            for name, number in counts.items()
        ),
        members_seen=sum(1 for number in counts.values() if number),
        other_share_at_most=1 - 0.05 ** (1 / total) if one else None,
        confidence=0.95,
        termination=Termination.PASS_THROUGH,
        termination_evidence=("a member took up the TLS session that the FQDN gave",),
        cycle=tuple(names) if method is Method.ROTATING else (),
        chance=0.0001 if method is Method.ROTATING else None,
        cookie_offered=20,
        cookie_returned=7,
        session_offered=20,
        session_returned=6,
        requests=20,
        requests_moved=0,
        persistence_lost=None,
        signals=(
            Signal(
                name="TLS session",
                verdict="used",
                why="each member recognises its own and no other's",
                strength="strong",
            ),
        ),
        arms=(
            ArmSequence(
                arm="fresh",
                members=tuple(member_name(index) for index in answered),
                evidence=tuple(f"smp-fresh-{index}" for index in range(len(answered))),
            ),
            ArmSequence(arm="cookie", members=tuple(member_name(index) for index in answered[:20])),
            ArmSequence(arm="resume", members=tuple(member_name(index) for index in answered[:20])),
            ArmSequence(arm="keep-alive", members=tuple(member_name(answered[0]) for _ in answered[:20])),
        ),
        cookies=("JSESSIONID",),
        evidence=tuple(f"smp-fresh-{index}" for index in range(len(answered))),
    )


def analysis(answered: Sequence[int], members: int, method: Method, persistence: Persistence) -> Analysis:
    seen = places(members)
    path = balancing(answered, members, method, persistence)
    return Analysis(dns=dns_analysis(), places=seen, members=interfaces(seen), paths=(path,), balancing=path)


# --- what was judged ---------------------------------------------------------------------------------------


def finding(code: str = "BAL001", severity: Severity = Severity.CRITICAL, **changes: object) -> Finding:
    values: dict[str, object] = {
        "code": code,
        "name": {"BAL001": "round-robin", "BAL007": "per-request", "CLU002": "redundancy-lost"}.get(
            code, "named"
        ),
        "severity": severity,
        "confidence": Confidence.CERTAIN,
        "owner": Owner.BALANCER,
        "subject": Subject("address", FQDN, BALANCER, 443),
        "summary": f"{FQDN} sends each new connection to another server (round robin).",
        "remedy": "Set the load balancer to fail-over, or to weights with persistence.\n"
        "Then run this check again.",
        "references": (VENDOR,),
        "evidence": ("smp-fresh-0", "smp-fresh-1", "smp-fresh-2"),
        "args": {"members": "3", "period": "3"},
    }
    return Finding(**{**values, **changes})  # type: ignore[arg-type]


def verdicts(found: Sequence[Finding]) -> tuple[Verdict, ...]:
    codes = {entry.code for entry in found}
    missing = {
        "BAL014": "needs reports from several desktops",
        "SVC001": "services were not asked (--services)",
    }
    return tuple(
        Verdict(code, State.FOUND)
        if code in codes
        else Verdict(code, State.NOT_OBSERVED, missing[code])
        if code in missing
        else Verdict(code, State.PASS)
        for code in dict.fromkeys((*CODES, *codes))
    )


def report(
    found: Sequence[Finding],
    inferred: Analysis,
    observations: tuple[AnyObservation, ...],
    status: Status,
    headline: str,
    *,
    members: int = 3,
) -> Report:
    return Report(
        tool=Tool(name="semscheck", version="1.0.0"),
        run=run(),
        target=target(members),
        summary=Summary(
            verdict=status,
            exit_code=EXIT_CODES[status],
            headline=headline,
            counts={level.value: sum(entry.severity is level for entry in found) for level in Severity},
        ),
        analysis=inferred,
        findings=tuple(found),
        verdicts=verdicts(found),
        observations=observations,
    )


def healthy(members: int = 3, connections: int = 32) -> Report:
    """Fail-over: everything serves, one member answers all connections."""
    answered = [0] * connections
    steady = finding(
        "BAL009",
        Severity.INFO,
        name="steady",
        summary=f"All {connections} new connections were answered by {member_name(0)}.",
        remedy="Nothing to do. A drill shows whether another server takes over.",
    )
    return report(
        [steady],
        analysis(answered, members, Method.SINGLE, Persistence.NOT_SEPARABLE),
        all_observations(members, answered),
        Status.OK,
        f"{FQDN} is healthy: all {connections} new connections went to {member_name(0)}.",
        members=members,
    )


def round_robin(members: int = 3, connections: int = 30) -> Report:
    """A round robin that nothing holds, a consequence of it, and a member that refuses."""
    answered = [index % members for index in range(connections)]
    last = member_name(members - 1)
    found = [
        finding(),
        finding(
            "BAL007", summary="Requests on one connection are answered by different servers.", caused_by=0
        ),
        finding(
            "CLU002",
            Severity.WARNING,
            owner=Owner.SERVER,
            subject=Subject("member", last, f"198.51.100.{10 + members}", 443),
            summary=f"{last} does not serve clients on Interface 2 while others do (connection refused).",
            remedy="Start the services on this server, or open its port 443.",
            references=(),
        ),
        finding("NET001", Severity.WARNING, caused_by=2, summary=f"{last} refuses connections."),
    ]
    inferred = analysis(answered, members, Method.ROTATING, Persistence.NONE)
    down = f"198.51.100.{10 + members}"
    seen = tuple(
        replace(
            place,
            reach=Reach.NO_CONNECTION,
            failure_phase="connect",
            failure_cause="refused",
            certificate=None,
            version=None,
            connect_s=None,
            handshake_s=None,
            status=None,
        )
        if place.address == down
        else place
        for place in inferred.places
    )
    refused = Connection(
        id="net-refused",
        at_s=0.05,
        elapsed_s=0.001,
        address=down,
        port=443,
        failure=Failure(Phase.CONNECT, Cause.REFUSED, "Connection refused", 111),
    )
    return report(
        found,
        replace(inferred, places=seen, members=interfaces(seen)),
        (*all_observations(members, answered), refused),
        Status.CRITICAL,
        f"{FQDN} sends each new connection to another server (round robin). "
        "The load balancer's administrator should set fail-over or persistence.",
        members=members,
    )


def big() -> Report:
    """The size that the figures are stated for: 6 members, 200 connections."""
    return round_robin(6, 200)


def failed() -> Report:
    """No name server knows the name: nothing further was measured, and the run was cut short."""
    found = [
        finding(
            "DNS001",
            name="no-such-name",
            owner=Owner.DNS,
            subject=Subject("fqdn", FQDN),
            summary=f"The name {FQDN} does not exist (NXDOMAIN).",
            remedy="Correct the name, or publish an address for it.",
        ),
        finding(
            "SEM002",
            Severity.UNKNOWN,
            name="incomplete",
            owner=Owner.SEMSCHECK,
            subject=Subject("run", "run"),
            summary="The check was cancelled before everything was measured.",
            caused_by=None,
        ),
    ]
    seen: tuple[AnyObservation, ...] = (
        ResolverConfig(id="dns-1", at_s=0.0, source="option", servers=RESOLVERS[:1]),
        DnsAnswer(id="dns-2", at_s=0.0, server=RESOLVERS[0], name=FQDN, record_type="A", rcode="NXDOMAIN"),
        Cut(id="run-1", at_s=1.5, reason="cancelled", unfinished=("connections",)),
        Crash(id="run-2", at_s=1.5, where="probes.http", error="ValueError: odd", trace="Traceback ..."),
        Bound(id="run-3", at_s=0.5, what="addresses", seen=3000, used=8),
    )
    inferred = Analysis(
        dns=DnsAnalysis(
            resolvers=(ResolverAnalysis(server=RESOLVERS[0], rcode="NXDOMAIN", sequence_v4=(None,)),)
        )
    )
    whole = report(found, inferred, seen, Status.CRITICAL, f"The name {FQDN} does not exist.", members=0)
    missing = "the FQDN has no address"
    return replace(
        whole,
        run=replace(whole.run, finished=None, duration_s=None),
        verdicts=tuple(
            Verdict("SEM001", State.CRASHED, "ValueError: odd")
            if verdict.code == "SEM001"
            else Verdict(verdict.code, State.NOT_OBSERVED, missing)
            if verdict.code[:3] in ("BAL", "CLU", "CRT", "TLS", "NET")
            else verdict
            for verdict in whole.verdicts
        ),
    )


EVIL = (
    "\x1b]52;c;ZXZpbA==\x07\x1b[31m<script>alert(1)</script>|`$(id)`\u202egpj\r\nOK - fine | x=1 [/bold] \x00"
)


def hostile() -> Report:
    """Every text that a server, a file or a name server could choose carries what hurts some output."""
    base = round_robin()
    name = f"sems3{EVIL}" + "a" * 10_000
    found = tuple(
        replace(
            entry,
            summary=entry.summary + EVIL,
            remedy=entry.remedy + EVIL,
            name="named",
            subject=Subject("member", name, EVIL, 443),
            references=(Reference(EVIL, "javascript:alert(1)"), Reference("]](x", f"https://x.test/{EVIL}")),
            args={EVIL: EVIL},
            evidence=(*entry.evidence, EVIL),
        )
        for entry in base.findings
    )
    path = base.analysis.paths[0]
    path = replace(
        path,
        members=(*path.members, Share(name=name, count=1, share=0.01, share_low=0.0, share_high=0.1)),
        arms=(ArmSequence(arm=EVIL, members=(name, None, name), failed=(1,)), *path.arms),
        vendor=EVIL,
        kept_by=EVIL,
        why_unknown=EVIL,
        discloses=(f"{EVIL}: 10.0.0.1",),
        signals=(Signal(name=EVIL, verdict=EVIL, why=EVIL, strength=EVIL),),
    )
    server = replace(base.analysis.dns.resolvers[0], server=EVIL, server_name=name)
    seen = certificate(99, name, fingerprint="f" * 64)
    inferred = replace(
        base.analysis,
        paths=(path,),
        balancing=path,
        dns=replace(base.analysis.dns, resolvers=(server,), cname=(EVIL,)),
        places=(
            replace(base.analysis.places[0], certificate="f" * 64, address=EVIL),
            *base.analysis.places[1:],
        ),
    )
    return replace(
        base,
        run=replace(base.run, vantage=Vantage(host=name, platform=EVIL, source_addresses=(EVIL,))),
        target=replace(base.target, fqdn=name, fqdn_shown=name, profile=EVIL),
        summary=replace(base.summary, headline=f"{name} is broken{EVIL}"),
        analysis=inferred,
        findings=found,
        verdicts=(*base.verdicts, Verdict("SEM003", State.NOT_OBSERVED, EVIL)),
        observations=(*base.observations, seen),
    )


def half_done() -> Analysis:
    """A live run after a few connections: no shares yet, one interface not looked at."""
    whole = round_robin().analysis
    path = replace(
        whole.paths[0],
        method=Method.UNKNOWN,
        persistence=Persistence.UNKNOWN,
        members=(),
        samples=3,
        identified=1,
        failed=1,
        confidence=None,
        arms=(ArmSequence(arm="fresh", members=(member_name(1), None, None), failed=(2,)),),
    )
    return Analysis(dns=whole.dns, places=whole.places[:3], paths=(path,))


def watched() -> Report:
    """A failover that was watched, with names and marks that do harm where they are not made safe."""
    from semscheck.pipeline import judge_snapshot
    from tests.analysis.watches import MEMBERS, OTHER, TARGET, watch_of

    how = {
        "shown": {MEMBERS[0].name: "A", MEMBERS[1].name: "B"},
        "marks": ((5.5, f"{MEMBERS[0].name} <b>stopped\x1b[2J"),),
    }
    ticks = "A" * 70 + "---" + "B" * 20 + "A" * 10
    records = ((0.0, ("192.0.2.100",)), (40.0, (OTHER,)))
    return judge_snapshot(watch_of(ticks, target=replace(TARGET, members=MEMBERS), records=records, **how))


ALL = (healthy, round_robin, failed, hostile, big, watched)

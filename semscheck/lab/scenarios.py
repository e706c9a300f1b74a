"""Named worlds: one healthy, and one for each thing that can be wrong.

`expect` and `verdict` document what a checker should say, for people and for tests; nothing at run time reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from semscheck.lab.world import (
    IMAP_BANNER,
    POP_BANNER,
    SMTP_BANNER,
    Answer,
    Balancer,
    Behaviour,
    Certificate,
    CookieStyle,
    Dns,
    HealthCheck,
    Interface,
    Ipv6,
    Issuer,
    Key,
    Member,
    Method,
    Order,
    OtherTraffic,
    Persistence,
    Resumption,
    Root,
    Service,
    ServiceKind,
    Signature,
    Tls,
    TlsEnd,
    Usage,
    Version,
    Web,
    World,
)

FQDN = "keys.example.test"
_STANDBY = "sems2.example.test"  # the member that is wrong, where only one is
_ALL = ("sems1.example.test", _STANDBY, "sems3.example.test")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A world with the findings that it is there to show: codes that appear at least, and the verdict.

    verdict: None where it depends on the machine, for example on whether it has IPv6. expect_with_services: further
    codes with `--services`.
    """

    world: World
    expect: tuple[str, ...]
    verdict: str | None
    expect_with_services: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name on the command line."""
        return self.world.name

    @property
    def sentence(self) -> str:
        """What the scenario shows, in one sentence."""
        return self.world.sentence


def members(count: int = 3) -> tuple[Member, ...]:
    """Return so many members that follow the vendor's advice."""
    return tuple(Member(f"sems{number}.example.test") for number in range(1, count + 1))


def _scene(
    name: str,
    sentence: str,
    told: str,
    *changed: Member,
    expect_with_services: tuple[str, ...] = (),
    **world: object,
) -> Scenario:
    """Return a scenario of three members behind a balancer, with some members in place of the usual ones.

    told: the verdict ("any" where it depends on the machine) and the codes that appear at least. world: other fields
    of the world.
    """
    verdict, *codes = told.split()
    fields = {"members": members(), "balancer": Balancer(), **world}
    made = World(name, sentence, FQDN, **fields)  # type: ignore[arg-type]
    for member in changed:
        made = made.with_member(member)
    return Scenario(made, tuple(codes), None if verdict == "any" else verdict, expect_with_services)


def _client(**interface: object) -> Member:
    """Return the second member with another client interface."""
    return Member(_STANDBY, client=replace(Interface(), **interface))  # type: ignore[arg-type]


def _presenting(**certificate: object) -> Member:
    """Return the second member with another certificate on its client interface."""
    return _client(certificate=replace(Certificate(FQDN), **certificate))  # type: ignore[arg-type]


def _everywhere(certificate: Certificate) -> tuple[Member, ...]:
    """Return all members with this certificate on their client interfaces."""
    return tuple(replace(member, client=Interface(certificate=certificate)) for member in members())


def _healthy() -> tuple[Scenario, ...]:
    terminated = Balancer(
        Method.FAIL_OVER,
        persistence=Persistence.COOKIE,
        cookie_style=CookieStyle.OPAQUE,
        tls_end=TlsEnd.RE_ENCRYPTED,
    )
    return (
        _scene(
            "healthy",
            "Three members behind a failover balancer that passes TLS through: as the vendor advises.",
            "ok BAL009",
        ),
        _scene(
            "healthy-terminated",
            "As healthy, with TLS ending at the balancer, which keeps clients by a cookie of its own.",
            "ok BAL009 BAL010",
            balancer=terminated,
        ),
        _scene(
            "healthy-weighted",
            "One member has most of the weight, and the balancer keeps each client by a cookie: as accepted.",
            "ok BAL005 BAL010",
            balancer=replace(terminated, method=Method.WEIGHTED, weights=(10, 1, 1)),
        ),
        _scene(
            "healthy-manual",
            "No balancer: the name leads to one member's client interface and is changed by hand.",
            "ok CLU001",
            balancer=None,
            dns=Dns(points_to=_ALL[:1]),
            failover="dns",
        ),
    )


def _names() -> tuple[Scenario, ...]:
    rotating = Dns(points_to=_ALL, order=Order.CYCLIC)
    return (
        _scene(
            "dns-round-robin",
            "No balancer: the name has the members' three addresses, and the name server rotates them.",
            "critical DNS004",
            balancer=None,
            dns=rotating,
        ),
        _scene(
            "dns-several-addresses",
            "No balancer: the name has three addresses, always in one order.",
            "warning DNS005",
            balancer=None,
            dns=replace(rotating, order=Order.FIXED),
        ),
        _scene(
            "dns-flips",
            "The name server gives one address at a time, and not always the same one.",
            "critical DNS006",
            balancer=None,
            dns=replace(rotating, at_a_time=1),
        ),
        _scene(
            "dns-subset",
            "The name server gives two of the three addresses at a time.",
            "critical DNS004",
            balancer=None,
            dns=replace(rotating, at_a_time=2),
        ),
        _scene(
            "dns-no-such-name", "The name does not exist.", "critical DNS001", dns=Dns(answer=Answer.NXDOMAIN)
        ),
        _scene(
            "dns-no-address",
            "The name exists and has no address.",
            "critical DNS002",
            dns=Dns(answer=Answer.NO_DATA),
        ),
        _scene(
            "dns-server-fails",
            "The name server answers SERVFAIL.",
            "critical DNS003",
            dns=Dns(answer=Answer.SERVFAIL),
        ),
        _scene(
            "dns-servers-disagree",
            "Of two name servers, one has the balancer and the other an old address.",
            "warning DNS007",
            other_dns=(Dns(points_to=_ALL[:1]),),
        ),
        _scene(
            "dns-slow-failover",
            "Failover is by changing the record, whose TTL of a day keeps clients on a dead member.",
            "warning CLU001 DNS008",
            balancer=None,
            dns=Dns(points_to=_ALL[:1], ttl_s=86400),
            failover="dns",
        ),
        _scene(
            "dns-to-replication",
            "The name leads to a member's Interface 1, which has the member's own certificate.",
            "critical DNS009 CRT015",
            balancer=None,
            dns=Dns(points_to=(f"{_ALL[0]}/replication",)),
        ),
        _scene(
            "dns-dangling-alias",
            "The name is an alias of a name that does not exist.",
            "critical DNS012",
            dns=Dns(aliases=("pool.example.test", "retired.example.test"), dangling=True),
        ),
        _scene(
            "dns-dead-ipv6",
            "The name has an IPv6 address too, where nothing serves.",
            "warning DNS015",
            dns=Dns(ipv6=Ipv6.DEAD),
        ),
        _scene(
            "dns-member-name-differs",
            "One member's own name leads to neither of its interfaces.",
            "warning DNS014",
            dns=Dns(swapped_member_names=(_STANDBY,)),
        ),
        _scene(
            "dns-to-stranger",
            "The name leads to an address that the profile does not know.",
            "warning DNS010",
            profile_balancers=False,
        ),
        _scene(
            "bound-to-member",
            "The name is an alias of one member's own name: no failover for this client.",
            "warning CLT001",
            balancer=None,
            dns=Dns(points_to=_ALL[:1], aliases=_ALL[:1]),
        ),
        _scene(
            "dns-truncated",
            "The name server answers over TCP only; everything else is well.",
            "ok BAL009",
            dns=Dns(truncated=True),
        ),
    )


def _balancing() -> tuple[Scenario, ...]:
    ended = Balancer(Method.ROUND_ROBIN, persistence=Persistence.COOKIE, tls_end=TlsEnd.RE_ENCRYPTED)
    by_tls_session = tuple(
        replace(member, client=Interface(tls=Tls(newest=Version.TLS1_2, resumption=Resumption.SESSION_IDS)))
        for member in members()
    )
    one_key = tuple(
        replace(member, client=Interface(tls=Tls(ticket_group="pool")), web=Web(session_group="pool"))
        for member in members()
    )
    return (
        _scene(
            "round-robin",
            "The balancer sends each new connection to the next member, and nothing keeps a client on one.",
            "critical BAL001",
            balancer=Balancer(Method.ROUND_ROBIN),
        ),
        _scene(
            "round-robin-busy",
            "As round-robin, while other clients use the balancer: the cycle cannot be seen any more.",
            "critical",
            balancer=Balancer(Method.ROUND_ROBIN, others=OtherTraffic(advance=1.5)),
        ),
        _scene(
            "random",
            "The balancer chooses at random, and nothing keeps a client on one member.",
            "critical BAL002",
            balancer=Balancer(Method.RANDOM),
        ),
        _scene(
            "least-connections",
            "The balancer chooses the least busy member, and nothing keeps a client on one.",
            "critical",
            balancer=Balancer(Method.LEAST_CONNECTIONS),
        ),
        _scene(
            "weighted-unsticky",
            "One member has most of the weight, and nothing keeps a client on one.",
            "warning BAL003",
            balancer=Balancer(Method.WEIGHTED, weights=(6, 1, 1)),
        ),
        _scene(
            "round-robin-sticky",
            "The balancer goes round the members, and a cookie that names the member keeps each client there.",
            "warning BAL004 BAL010 BAL011",
            balancer=replace(ended, cookie_style=CookieStyle.BIGIP),
        ),
        _scene(
            "cookie-lost",
            "The balancer gives a cookie and mostly does not honor it.",
            "critical BAL006",
            balancer=replace(ended, persistence_honoured=0.3),
        ),
        _scene(
            "per-request",
            "The balancer chooses anew for every request of one connection.",
            "critical BAL010",
            balancer=replace(
                ended, method=Method.ROUND_ROBIN, persistence=Persistence.NONE, per_request=True
            ),
        ),
        _scene(
            "tls-session-sticky",
            "The balancer goes round the members and keeps clients by their TLS session only.",
            "warning BAL004 BAL013",
            members=by_tls_session,
            balancer=Balancer(Method.ROUND_ROBIN, persistence=Persistence.TLS_SESSION),
        ),
        _scene(
            "source-sticky",
            "The balancer goes round the members by source address: from one desktop it looks like failover.",
            "ok BAL009",
            balancer=Balancer(Method.ROUND_ROBIN, persistence=Persistence.SOURCE),
        ),
        _scene(
            "indistinguishable",
            "The members share TLS ticket keys and sessions: who answers cannot be determined from here.",
            "unknown BAL008",
            members=one_key,
            balancer=Balancer(Method.ROUND_ROBIN),
        ),
        _scene(
            "frozen-member",
            "One member is frozen; the balancer's TCP check keeps it in the pool.",
            "warning BAL012 CLU002",
            members=(*members()[:1], _client(behaviour=Behaviour.FROZEN), *members()[2:]),
            balancer=replace(ended, health_check=HealthCheck.TCP, connect_timeout_s=0.5),
        ),
        _scene(
            "dead-member-in-pool",
            "One member is down, and the balancer has no health check: some clients get an error.",
            "any BAL012 CLU002",
            members=(*members()[:1], _client(behaviour=Behaviour.REFUSED), *members()[2:]),
            balancer=replace(ended, health_check=HealthCheck.NONE),
        ),
        _scene(
            "not-in-pool",
            "The balancer spreads over two of the three members and keeps clients by a cookie.",
            "warning BAL004 BAL015",
            balancer=replace(ended, pool=_ALL[:2]),
        ),
    )


def _reaching() -> tuple[Scenario, ...]:
    return (
        _scene(
            "member-refuses",
            "One member's client interface refuses connections.",
            "warning NET001 CLU002",
            _client(behaviour=Behaviour.REFUSED),
        ),
        _scene(
            "member-silent",
            "One member's client interface does not answer.",
            "warning NET002 CLU002",
            _client(behaviour=Behaviour.BLACKHOLE),
        ),
        _scene(
            "member-resets",
            "One member's client interface resets connections.",
            "warning NET004 CLU002",
            _client(behaviour=Behaviour.RESET),
        ),
        _scene(
            "member-plain-http",
            "One member speaks plain HTTP where TLS is due.",
            "warning TLS001 CLU002",
            _client(behaviour=Behaviour.PLAIN_HTTP),
        ),
        _scene(
            "member-alerts",
            "One member refuses every TLS handshake with an alert.",
            "warning TLS002 CLU002",
            _client(behaviour=Behaviour.ALERT),
        ),
        _scene(
            "member-stalls",
            "One member accepts and never answers the ClientHello.",
            "warning TLS003 CLU002",
            _client(behaviour=Behaviour.STALLED),
        ),
        _scene(
            "member-http-silent",
            "One member finishes TLS and answers no request.",
            "warning CLU007",
            _client(behaviour=Behaviour.HTTP_SILENT),
        ),
        _scene(
            "member-error-page",
            "One member answers everything with an error page, and status 200.",
            "warning CLU006",
            _client(behaviour=Behaviour.ERROR_PAGE),
        ),
        _scene(
            "balancer-refuses",
            "Nothing listens at the balancer's address.",
            "critical NET001 CLU005",
            balancer=Balancer(behaviour=Behaviour.REFUSED),
        ),
        _scene(
            "balancer-silent",
            "The balancer's address does not answer.",
            "critical NET002 CLU005",
            balancer=Balancer(behaviour=Behaviour.BLACKHOLE),
        ),
        _scene(
            "balancer-stalls",
            "The balancer accepts and then nothing comes.",
            "critical TLS003 CLU005",
            balancer=Balancer(behaviour=Behaviour.STALLED),
        ),
        _scene(
            "other-product",
            "What answers is another web server.",
            "warning CLU006",
            *(replace(m, client=Interface(behaviour=Behaviour.OTHER_PRODUCT)) for m in members()),
        ),
        _scene(
            "flaky",
            "The balancer resets one connection in five.",
            "warning NET006",
            balancer=Balancer(reset_share=0.2),
        ),
        _scene(
            "clock-skew",
            "The members' clocks are ten minutes ahead of this desktop's.",
            "warning CLT004",
            *(replace(m, web=Web(date_skew_s=600.0)) for m in members()),
        ),
        _scene(
            "management-exposed",
            "Replication and administration ports answer from a desktop (needs ports under 1024).",
            "ok",
            *(replace(m, replication=Interface(management_ports=(444, 9000))) for m in members()),
            expect_with_services=("NET007",),
        ),
        _scene(
            "service-required",
            "The profile requires LDAPS, which no member offers.",
            "critical SVC001",
            profile_services=(636,),
            profile_require=(636,),
        ),
        _scene(
            "old-pages",
            "Members of an old version, whose start page says that it was not found; nothing is wrong.",
            "ok BAL009",
            *(replace(m, web=Web(root=Root.OLD_NOT_FOUND)) for m in members()),
        ),
        _scene(
            "legacy-tls",
            "One member speaks nothing newer than TLS 1.1.",
            "warning TLS004 TLS005",
            _client(tls=Tls(oldest=Version.TLS1_0, newest=Version.TLS1_1)),
        ),
        _scene(
            "client-certificates",
            "The members ask for a client certificate.",
            "ok TLS006",
            *(replace(m, client=Interface(tls=Tls(asks_client_certificate=True))) for m in members()),
        ),
        _scene(
            "needs-sni",
            "A client that names no server gets another certificate.",
            "warning TLS007",
            *(
                replace(m, client=Interface(tls=Tls(without_sni=Certificate("default.example.test"))))
                for m in members()
            ),
        ),
        _scene(
            "too-many-members",
            "Seven members, one more than the vendor supports.",
            "warning CLU003",
            members=members(7),
        ),
        _services(),
    )


def _services() -> Scenario:
    def services(name: str, version: str, *, mail: bool) -> Member:
        spoken = (
            Service(389, ServiceKind.LDAP),
            Service(80, ServiceKind.HTTP_REDIRECT),
            *(
                (
                    Service(25, ServiceKind.BANNER, SMTP_BANNER),
                    Service(110, ServiceKind.BANNER, POP_BANNER),
                    Service(143, ServiceKind.BANNER, IMAP_BANNER),
                )
                if mail
                else ()
            ),
        )
        return Member(name, services=spoken, version=version)

    world = World(
        "versions-differ",
        "The members tell different versions over LDAP, and only one takes mail (needs ports under 1024).",
        FQDN,
        (
            services(_ALL[0], "10.5.1 (Build 2120)", mail=True),
            services(_ALL[1], "10.5.0 (Build 1180)", mail=False),
        ),
        profile_services=(389, 25),
    )
    return Scenario(world, ("CLU004", "SVC002"), "warning")


def _certificates() -> tuple[Scenario, ...]:
    other = Certificate("www.example.test")
    return (
        _scene(
            "certificate-other-name",
            "One member's client interface presents a certificate for another name.",
            "warning CRT001 CRT007",
            _client(certificate=other),
        ),
        _scene(
            "certificate-expired",
            "One member's certificate has expired: the renewal was forgotten there.",
            "warning CRT004 CRT007",
            _presenting(not_before_days=-400.0, not_after_days=-5.0),
        ),
        _scene(
            "certificate-expires-soon",
            "The members' certificate expires in 20 days.",
            "warning CRT006",
            *_everywhere(Certificate(FQDN, not_before_days=-344.5, not_after_days=20.5)),
        ),
        _scene(
            "certificate-renewed-on-one",
            "The certificate was renewed, with the same key, on one member only.",
            "warning CRT007",
            _presenting(not_before_days=-1.0, not_after_days=700.0),
        ),
        _scene(
            "certificate-not-yet-valid",
            "The members' certificate becomes valid in two days.",
            "critical CRT005",
            *_everywhere(Certificate(FQDN, not_before_days=2.0)),
        ),
        _scene(
            "certificate-self-signed",
            "One member presents a self-signed certificate.",
            "warning CRT007 CRT009",
            _presenting(issuer=Issuer.SELF),
        ),
        _scene(
            "certificate-unknown-ca",
            "The members' certificate comes from a CA that this desktop does not trust.",
            "critical CRT008",
            *_everywhere(Certificate(FQDN, issuer=Issuer.UNKNOWN_CA)),
        ),
        _scene(
            "certificate-incomplete-chain",
            "The members do not send the intermediate certificate.",
            "any CRT010",
            *_everywhere(Certificate(FQDN, issuer=Issuer.INTERMEDIATE_NOT_SENT)),
        ),
        _scene(
            "certificate-weak",
            "The members' certificate has an RSA key of 1024 bits and a SHA-1 signature.",
            "any CRT011",
            *_everywhere(Certificate(FQDN, key=Key.RSA_1024, signature=Signature.SHA1)),
        ),
        _scene(
            "certificate-no-alternative-name",
            "The members' certificate has a Common Name and no subjectAltName.",
            "warning CRT003",
            *_everywhere(Certificate(FQDN, alternative_names=())),
        ),
        _scene(
            "certificate-other-common-name",
            "The subjectAltName covers the name, the Common Name is another.",
            "warning CRT002",
            *_everywhere(Certificate("keys-secure.example.test", ("keys-secure.example.test", FQDN))),
        ),
        _scene(
            "certificate-wildcard",
            "The members' certificate is a wildcard.",
            "ok CRT016",
            *_everywhere(Certificate("*.example.test")),
        ),
        _scene(
            "certificate-wrong-usage",
            "The members' certificate is for clients, not for servers.",
            "any CRT017",
            *_everywhere(Certificate(FQDN, usage=Usage.CLIENT)),
        ),
        _scene(
            "interfaces-swapped",
            "One member presents its certificates on the wrong interfaces.",
            "warning CRT015",
            Member(
                _STANDBY,
                replication=Interface(certificate=Certificate(FQDN)),
                client=Interface(certificate=Certificate(_STANDBY)),
            ),
        ),
        _scene(
            "replication-other-name",
            "One member's Interface 1 presents a certificate for another name.",
            "warning CRT013",
            Member(_STANDBY, replication=Interface(certificate=Certificate("old-name.example.test"))),
        ),
        _scene(
            "interfaces-share",
            "One certificate that covers every name is on both interfaces of all members.",
            "warning CRT012 CRT014",
            *(
                Member(member.name, Interface(certificate=shared), Interface(certificate=shared))
                for member in members()
                for shared in (Certificate(FQDN, (FQDN, *_ALL)),)
            ),
        ),
        _scene(
            "balancer-other-certificate",
            "TLS ends at the balancer, with a certificate that is on no member.",
            "warning BAL010 CRT018",
            balancer=Balancer(
                tls_end=TlsEnd.RE_ENCRYPTED, certificate=Certificate(FQDN, key_name="balancer")
            ),
        ),
        _scene(
            "tls-inspected",
            "A gateway on the way replaces every certificate by one that it has just made.",
            "critical CLT006",
            *(
                Member(
                    member.name,
                    Interface(certificate=Certificate(member.name, issuer=Issuer.INSPECTION)),
                    Interface(certificate=Certificate(FQDN, issuer=Issuer.INSPECTION, key_name=member.name)),
                )
                for member in members()
            ),
        ),
    )


def _all() -> tuple[Scenario, ...]:
    return (*_healthy(), *_names(), *_balancing(), *_reaching(), *_certificates())


SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _all()}

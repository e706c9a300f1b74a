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


def _with(name: str, sentence: str, *changed: Member, balancer: Balancer | None = None) -> World:
    """Return a world of three members behind a balancer, with some members in place of the usual ones."""
    world = World(name, sentence, FQDN, members(), balancer or Balancer())
    for member in changed:
        world = world.with_member(member)
    return world


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
        Scenario(
            _with(
                "healthy",
                "Three members behind a failover balancer that passes TLS through: as the vendor advises.",
            ),
            ("BAL009",),
            "ok",
        ),
        Scenario(
            _with(
                "healthy-terminated",
                "As healthy, with TLS ending at the balancer, which keeps clients by a cookie of its own.",
                balancer=terminated,
            ),
            ("BAL009", "BAL010"),
            "ok",
        ),
        Scenario(
            _with(
                "healthy-weighted",
                "One member has most of the weight, and the balancer keeps each client by a cookie: as accepted.",
                balancer=replace(terminated, method=Method.WEIGHTED, weights=(10, 1, 1)),
            ),
            ("BAL005", "BAL010"),
            "ok",
        ),
        Scenario(
            World(
                "healthy-manual",
                "No balancer: the name leads to one member's client interface and is changed by hand.",
                FQDN,
                members(),
                balancer=None,
                dns=Dns(points_to=_ALL[:1]),
                failover="dns",
            ),
            ("CLU001",),
            "ok",
        ),
    )


def _names() -> tuple[Scenario, ...]:
    def dns(
        name: str, sentence: str, declared: Dns, *, balancer: bool = True, failover: str = "balancer"
    ) -> World:
        front = Balancer() if balancer else None
        return World(name, sentence, FQDN, members(), front, declared, failover=failover)

    rotating = Dns(points_to=_ALL, order=Order.CYCLIC)
    return (
        Scenario(
            dns(
                "dns-round-robin",
                "No balancer: the name has the members' three addresses, and the name server rotates them.",
                rotating,
                balancer=False,
            ),
            ("DNS004",),
            "critical",
        ),
        Scenario(
            dns(
                "dns-several-addresses",
                "No balancer: the name has three addresses, always in one order.",
                replace(rotating, order=Order.FIXED),
                balancer=False,
            ),
            ("DNS005",),
            "warning",
        ),
        Scenario(
            dns(
                "dns-flips",
                "The name server gives one address at a time, and not always the same one.",
                replace(rotating, at_a_time=1),
                balancer=False,
            ),
            ("DNS006",),
            "critical",
        ),
        Scenario(
            dns(
                "dns-subset",
                "The name server gives two of the three addresses at a time.",
                replace(rotating, at_a_time=2),
                balancer=False,
            ),
            ("DNS004",),
            "critical",
        ),
        Scenario(
            dns("dns-no-such-name", "The name does not exist.", Dns(answer=Answer.NXDOMAIN)),
            ("DNS001",),
            "critical",
        ),
        Scenario(
            dns("dns-no-address", "The name exists and has no address.", Dns(answer=Answer.NO_DATA)),
            ("DNS002",),
            "critical",
        ),
        Scenario(
            dns("dns-server-fails", "The name server answers SERVFAIL.", Dns(answer=Answer.SERVFAIL)),
            ("DNS003",),
            "critical",
        ),
        Scenario(
            World(
                "dns-servers-disagree",
                "Of two name servers, one has the balancer and the other an old address.",
                FQDN,
                members(),
                Balancer(),
                Dns(),
                other_dns=(Dns(points_to=_ALL[:1]),),
            ),
            ("DNS007",),
            "warning",
        ),
        Scenario(
            dns(
                "dns-slow-failover",
                "Failover is by changing the record, whose TTL of a day keeps clients on a dead member.",
                Dns(points_to=_ALL[:1], ttl_s=86400),
                balancer=False,
                failover="dns",
            ),
            ("CLU001", "DNS008"),
            "warning",
        ),
        Scenario(
            dns(
                "dns-to-replication",
                "The name leads to a member's Interface 1, which has the member's own certificate.",
                Dns(points_to=(f"{_ALL[0]}/replication",)),
                balancer=False,
            ),
            ("DNS009", "CRT015"),
            "critical",
        ),
        Scenario(
            dns(
                "dns-dangling-alias",
                "The name is an alias of a name that does not exist.",
                Dns(aliases=("pool.example.test", "retired.example.test"), dangling=True),
            ),
            ("DNS012",),
            "critical",
        ),
        Scenario(
            dns(
                "dns-dead-ipv6",
                "The name has an IPv6 address too, where nothing serves.",
                Dns(ipv6=Ipv6.DEAD),
            ),
            ("DNS015",),
            "warning",
        ),
        Scenario(
            dns(
                "dns-member-name-differs",
                "One member's own name leads to neither of its interfaces.",
                Dns(swapped_member_names=(_STANDBY,)),
            ),
            ("DNS014",),
            "warning",
        ),
        Scenario(
            replace(
                dns("dns-to-stranger", "The name leads to an address that the profile does not know.", Dns()),
                profile_balancers=False,
            ),
            ("DNS010",),
            "warning",
        ),
        Scenario(
            dns(
                "bound-to-member",
                "The name is an alias of one member's own name: no failover for this client.",
                Dns(points_to=_ALL[:1], aliases=_ALL[:1]),
                balancer=False,
            ),
            ("CLT001",),
            "warning",
        ),
        Scenario(
            dns(
                "dns-truncated",
                "The name server answers over TCP only; everything else is well.",
                Dns(truncated=True),
            ),
            ("BAL009",),
            "ok",
        ),
    )


def _balancing() -> tuple[Scenario, ...]:
    def world(name: str, sentence: str, balancer: Balancer) -> World:
        return World(name, sentence, FQDN, members(), balancer)

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
        Scenario(
            world(
                "round-robin",
                "The balancer sends each new connection to the next member, and nothing keeps a client on one.",
                Balancer(Method.ROUND_ROBIN),
            ),
            ("BAL001",),
            "critical",
        ),
        Scenario(
            world(
                "round-robin-busy",
                "As round-robin, while other clients use the balancer: the cycle cannot be seen any more.",
                Balancer(Method.ROUND_ROBIN, others=OtherTraffic(advance=1.5)),
            ),
            (),
            "critical",
        ),
        Scenario(
            world(
                "random",
                "The balancer chooses at random, and nothing keeps a client on one member.",
                Balancer(Method.RANDOM),
            ),
            ("BAL002",),
            "critical",
        ),
        Scenario(
            world(
                "least-connections",
                "The balancer chooses the least busy member, and nothing keeps a client on one.",
                Balancer(Method.LEAST_CONNECTIONS),
            ),
            (),
            "critical",
        ),
        Scenario(
            world(
                "weighted-unsticky",
                "One member has most of the weight, and nothing keeps a client on one.",
                Balancer(Method.WEIGHTED, weights=(6, 1, 1)),
            ),
            ("BAL003",),
            "warning",
        ),
        Scenario(
            world(
                "round-robin-sticky",
                "The balancer goes round the members, and a cookie that names the member keeps each client there.",
                replace(ended, cookie_style=CookieStyle.BIGIP),
            ),
            ("BAL004", "BAL010", "BAL011"),
            "warning",
        ),
        Scenario(
            world(
                "cookie-lost",
                "The balancer gives a cookie and mostly does not honour it.",
                replace(ended, persistence_honoured=0.3),
            ),
            ("BAL006",),
            "critical",
        ),
        Scenario(
            world(
                "per-request",
                "The balancer chooses anew for every request of one connection.",
                replace(ended, method=Method.ROUND_ROBIN, persistence=Persistence.NONE, per_request=True),
            ),
            ("BAL010",),
            "critical",
        ),
        Scenario(
            World(
                "tls-session-sticky",
                "The balancer goes round the members and keeps clients by their TLS session only.",
                FQDN,
                by_tls_session,
                Balancer(Method.ROUND_ROBIN, persistence=Persistence.TLS_SESSION),
            ),
            ("BAL004", "BAL013"),
            "warning",
        ),
        Scenario(
            world(
                "source-sticky",
                "The balancer goes round the members by source address: from one desktop it looks like failover.",
                Balancer(Method.ROUND_ROBIN, persistence=Persistence.SOURCE),
            ),
            ("BAL009",),
            "ok",
        ),
        Scenario(
            World(
                "indistinguishable",
                "The members share TLS ticket keys and sessions: who answers cannot be determined from here.",
                FQDN,
                one_key,
                Balancer(Method.ROUND_ROBIN),
            ),
            ("BAL008",),
            "unknown",
        ),
        Scenario(
            World(
                "frozen-member",
                "One member is frozen; the balancer's TCP check keeps it in the pool.",
                FQDN,
                (*members()[:1], _client(behaviour=Behaviour.FROZEN), *members()[2:]),
                replace(ended, health_check=HealthCheck.TCP, connect_timeout_s=0.5),
            ),
            ("BAL012", "CLU002"),
            "warning",
        ),
        Scenario(
            World(
                "dead-member-in-pool",
                "One member is down, and the balancer has no health check: some clients get an error.",
                FQDN,
                (*members()[:1], _client(behaviour=Behaviour.REFUSED), *members()[2:]),
                replace(ended, health_check=HealthCheck.NONE),
            ),
            ("BAL012", "CLU002"),
            None,
        ),
        Scenario(
            world(
                "not-in-pool",
                "The balancer spreads over two of the three members and keeps clients by a cookie.",
                replace(ended, pool=_ALL[:2]),
            ),
            ("BAL004", "BAL015"),
            "warning",
        ),
    )


def _reaching() -> tuple[Scenario, ...]:
    def member(name: str, sentence: str, behaviour: Behaviour) -> World:
        return _with(name, sentence, _client(behaviour=behaviour))

    def front(name: str, sentence: str, behaviour: Behaviour, reset_share: float = 0.0) -> World:
        return _with(name, sentence, balancer=Balancer(behaviour=behaviour, reset_share=reset_share))

    return (
        Scenario(
            member("member-refuses", "One member's client interface refuses connections.", Behaviour.REFUSED),
            ("NET001", "CLU002"),
            "warning",
        ),
        Scenario(
            member("member-silent", "One member's client interface does not answer.", Behaviour.BLACKHOLE),
            ("NET002", "CLU002"),
            "warning",
        ),
        Scenario(
            member("member-resets", "One member's client interface resets connections.", Behaviour.RESET),
            ("NET004", "CLU002"),
            "warning",
        ),
        Scenario(
            member(
                "member-plain-http", "One member speaks plain HTTP where TLS is due.", Behaviour.PLAIN_HTTP
            ),
            ("TLS001", "CLU002"),
            "warning",
        ),
        Scenario(
            member("member-alerts", "One member refuses every TLS handshake with an alert.", Behaviour.ALERT),
            ("TLS002", "CLU002"),
            "warning",
        ),
        Scenario(
            member(
                "member-stalls", "One member accepts and never answers the ClientHello.", Behaviour.STALLED
            ),
            ("TLS003", "CLU002"),
            "warning",
        ),
        Scenario(
            member(
                "member-http-silent", "One member finishes TLS and answers no request.", Behaviour.HTTP_SILENT
            ),
            ("CLU007",),
            "warning",
        ),
        Scenario(
            member(
                "member-error-page",
                "One member answers everything with an error page, and status 200.",
                Behaviour.ERROR_PAGE,
            ),
            ("CLU006",),
            "warning",
        ),
        Scenario(
            front("balancer-refuses", "Nothing listens at the balancer's address.", Behaviour.REFUSED),
            ("NET001", "CLU005"),
            "critical",
        ),
        Scenario(
            front("balancer-silent", "The balancer's address does not answer.", Behaviour.BLACKHOLE),
            ("NET002", "CLU005"),
            "critical",
        ),
        Scenario(
            front("balancer-stalls", "The balancer accepts and then nothing comes.", Behaviour.STALLED),
            ("TLS003", "CLU005"),
            "critical",
        ),
        Scenario(
            _with(
                "other-product",
                "What answers is another web server.",
                *(replace(m, client=Interface(behaviour=Behaviour.OTHER_PRODUCT)) for m in members()),
            ),
            ("CLU006",),
            "warning",
        ),
        Scenario(
            front("flaky", "The balancer resets one connection in five.", Behaviour.SERVING, reset_share=0.2),
            ("NET006",),
            "warning",
        ),
        Scenario(
            _with(
                "clock-skew",
                "The members' clocks are ten minutes ahead of this desktop's.",
                *(replace(m, web=Web(date_skew_s=600.0)) for m in members()),
            ),
            ("CLT004",),
            "warning",
        ),
        Scenario(
            _with(
                "management-exposed",
                "Replication and administration ports answer from a desktop (needs ports under 1024).",
                *(replace(m, replication=Interface(management_ports=(444, 9000))) for m in members()),
            ),
            (),
            "ok",
            expect_with_services=("NET007",),
        ),
        Scenario(
            replace(
                _with("service-required", "The profile requires LDAPS, which no member offers."),
                profile_services=(636,),
                profile_require=(636,),
            ),
            ("SVC001",),
            "critical",
        ),
        Scenario(
            _with(
                "old-pages",
                "Members of an old version, whose start page says that it was not found; nothing is wrong.",
                *(replace(m, web=Web(root=Root.OLD_NOT_FOUND)) for m in members()),
            ),
            ("BAL009",),
            "ok",
        ),
        Scenario(
            _with(
                "legacy-tls",
                "One member speaks nothing newer than TLS 1.1.",
                _client(tls=Tls(oldest=Version.TLS1_0, newest=Version.TLS1_1)),
            ),
            ("TLS004", "TLS005"),
            "warning",
        ),
        Scenario(
            _with(
                "client-certificates",
                "The members ask for a client certificate.",
                *(replace(m, client=Interface(tls=Tls(asks_client_certificate=True))) for m in members()),
            ),
            ("TLS006",),
            "ok",
        ),
        Scenario(
            _with(
                "needs-sni",
                "A client that names no server gets another certificate.",
                *(
                    replace(m, client=Interface(tls=Tls(without_sni=Certificate("default.example.test"))))
                    for m in members()
                ),
            ),
            ("TLS007",),
            "warning",
        ),
        Scenario(
            World(
                "too-many-members",
                "Seven members, one more than the vendor supports.",
                FQDN,
                members(7),
            ),
            ("CLU003",),
            "warning",
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
        Scenario(
            _with(
                "certificate-other-name",
                "One member's client interface presents a certificate for another name.",
                _client(certificate=other),
            ),
            ("CRT001", "CRT007"),
            "warning",
        ),
        Scenario(
            _with(
                "certificate-expired",
                "One member's certificate has expired: the renewal was forgotten there.",
                _presenting(not_before_days=-400.0, not_after_days=-5.0),
            ),
            ("CRT004", "CRT007"),
            "warning",
        ),
        Scenario(
            _with(
                "certificate-expires-soon",
                "The members' certificate expires in 20 days.",
                *_everywhere(Certificate(FQDN, not_before_days=-344.5, not_after_days=20.5)),
            ),
            ("CRT006",),
            "warning",
        ),
        Scenario(
            _with(
                "certificate-renewed-on-one",
                "The certificate was renewed, with the same key, on one member only.",
                _presenting(not_before_days=-1.0, not_after_days=700.0),
            ),
            ("CRT007",),
            "warning",
        ),
        Scenario(
            _with(
                "certificate-not-yet-valid",
                "The members' certificate becomes valid in two days.",
                *_everywhere(Certificate(FQDN, not_before_days=2.0)),
            ),
            ("CRT005",),
            "critical",
        ),
        Scenario(
            _with(
                "certificate-self-signed",
                "One member presents a self-signed certificate.",
                _presenting(issuer=Issuer.SELF),
            ),
            ("CRT007", "CRT009"),
            "warning",
        ),
        Scenario(
            _with(
                "certificate-unknown-ca",
                "The members' certificate comes from a CA that this desktop does not trust.",
                *_everywhere(Certificate(FQDN, issuer=Issuer.UNKNOWN_CA)),
            ),
            ("CRT008",),
            "critical",
        ),
        Scenario(
            _with(
                "certificate-incomplete-chain",
                "The members do not send the intermediate certificate.",
                *_everywhere(Certificate(FQDN, issuer=Issuer.INTERMEDIATE_NOT_SENT)),
            ),
            ("CRT010",),
            None,
        ),
        Scenario(
            _with(
                "certificate-weak",
                "The members' certificate has an RSA key of 1024 bits and a SHA-1 signature.",
                *_everywhere(Certificate(FQDN, key=Key.RSA_1024, signature=Signature.SHA1)),
            ),
            ("CRT011",),
            None,
        ),
        Scenario(
            _with(
                "certificate-no-alternative-name",
                "The members' certificate has a Common Name and no subjectAltName.",
                *_everywhere(Certificate(FQDN, alternative_names=())),
            ),
            ("CRT003",),
            "warning",
        ),
        Scenario(
            _with(
                "certificate-other-common-name",
                "The subjectAltName covers the name, the Common Name is another.",
                *_everywhere(Certificate("keys-secure.example.test", ("keys-secure.example.test", FQDN))),
            ),
            ("CRT002",),
            "warning",
        ),
        Scenario(
            _with(
                "certificate-wildcard",
                "The members' certificate is a wildcard.",
                *_everywhere(Certificate("*.example.test")),
            ),
            ("CRT016",),
            "ok",
        ),
        Scenario(
            _with(
                "certificate-wrong-usage",
                "The members' certificate is for clients, not for servers.",
                *_everywhere(Certificate(FQDN, usage=Usage.CLIENT)),
            ),
            ("CRT017",),
            None,
        ),
        Scenario(
            _with(
                "interfaces-swapped",
                "One member presents its certificates on the wrong interfaces.",
                Member(
                    _STANDBY,
                    replication=Interface(certificate=Certificate(FQDN)),
                    client=Interface(certificate=Certificate(_STANDBY)),
                ),
            ),
            ("CRT015",),
            "warning",
        ),
        Scenario(
            _with(
                "replication-other-name",
                "One member's Interface 1 presents a certificate for another name.",
                Member(_STANDBY, replication=Interface(certificate=Certificate("old-name.example.test"))),
            ),
            ("CRT013",),
            "warning",
        ),
        Scenario(
            _with(
                "interfaces-share",
                "One certificate that covers every name is on both interfaces of all members.",
                *(
                    Member(member.name, Interface(certificate=shared), Interface(certificate=shared))
                    for member in members()
                    for shared in (Certificate(FQDN, (FQDN, *_ALL)),)
                ),
            ),
            ("CRT012", "CRT014"),
            "warning",
        ),
        Scenario(
            _with(
                "balancer-other-certificate",
                "TLS ends at the balancer, with a certificate that is on no member.",
                balancer=Balancer(
                    tls_end=TlsEnd.RE_ENCRYPTED,
                    certificate=Certificate(FQDN, key_name="balancer"),
                ),
            ),
            ("BAL010", "CRT018"),
            "warning",
        ),
        Scenario(
            _with(
                "tls-inspected",
                "A gateway on the way replaces every certificate by one that it has just made.",
                *(
                    Member(
                        member.name,
                        Interface(certificate=Certificate(member.name, issuer=Issuer.INSPECTION)),
                        Interface(
                            certificate=Certificate(FQDN, issuer=Issuer.INSPECTION, key_name=member.name)
                        ),
                    )
                    for member in members()
                ),
            ),
            ("CLT006",),
            "critical",
        ),
    )


def _all() -> tuple[Scenario, ...]:
    return (*_healthy(), *_names(), *_balancing(), *_reaching(), *_certificates())


SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _all()}

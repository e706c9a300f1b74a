"""Declares a world: a cluster, its balancer and its name servers, as plain frozen values.

A world says what is there and how it behaves; `semscheck.lab.cluster.Lab` makes it real on sockets. Nothing here
opens anything, and importing this module costs nothing but the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

MAX_MEMBERS = 12  # the vendor supports 6 (KB 153476); more can be declared, to be found out


class Behaviour(StrEnum):
    """How an address behaves when somebody connects to it."""

    SERVING = "serving"
    REFUSED = "refused"  # nothing listens
    BLACKHOLE = "blackhole"  # the connection request is never answered (a full backlog; Linux and macOS)
    FROZEN = "frozen"  # a stopped process: the kernel accepts, nobody ever reads
    RESET = "reset"  # RST right after accepting
    RESET_AFTER_HELLO = "reset-after-hello"  # RST once the ClientHello is there
    CLOSE_AFTER_HELLO = "close-after-hello"  # an orderly close in its place
    STALLED = "stalled"  # reads the ClientHello and never answers it
    ALERT = "alert"  # a fatal TLS alert
    PLAIN_HTTP = "plain-http"  # speaks HTTP on the TLS port
    BANNER = "banner"  # speaks first, and not TLS
    HTTP_SILENT = "http-silent"  # TLS is fine, a request is never answered
    HTTP_GARBAGE = "http-garbage"  # TLS is fine, the answer is no HTTP
    HTTP_BROKEN = "http-broken"  # the answer breaks off in its middle
    ERROR_PAGE = "error-page"  # an internal error, sent with status 200, whatever was asked
    UNAVAILABLE = "unavailable"  # 503 whatever was asked
    BAD_GATEWAY = "bad-gateway"  # 502 whatever was asked
    OTHER_PRODUCT = "other-product"  # the welcome page of another server


class Issuer(StrEnum):
    """Who signed a certificate, and what is sent along."""

    INTERMEDIATE = "intermediate"  # lab root -> lab intermediate -> leaf; the intermediate is sent
    INTERMEDIATE_NOT_SENT = "intermediate-not-sent"
    ROOT = "root"  # signed by the lab root itself
    SELF = "self"
    UNKNOWN_CA = "unknown-ca"  # a private CA that nobody was told about
    INSPECTION = "inspection"  # freshly made by a gateway that inspects TLS


class Key(StrEnum):
    """Kind and size of a private key."""

    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    EC_P192 = "ec-p192"
    RSA_1024 = "rsa-1024"
    RSA_2048 = "rsa-2048"


class Signature(StrEnum):
    """The hash under a certificate's signature."""

    SHA256 = "sha256"
    SHA1 = "sha1"


class Usage(StrEnum):
    """What a certificate says it may be used for."""

    SERVER = "server"
    CLIENT = "client"  # extended key usage names client authentication only
    CA = "ca"  # a CA certificate used as a server's
    ANY = "any"  # no extended key usage at all


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate to be made. Equal declarations give the same certificate, byte for byte, within one lab."""

    common_name: str
    alternative_names: tuple[str, ...] | None = None  # None: the common name alone; (): no extension at all
    not_before_days: float = -30.0  # from the lab's start
    not_after_days: float = 365.0
    key: Key = Key.EC_P256
    key_name: str = ""  # equal kind and name: the same private key; empty: one key per common name
    signature: Signature = Signature.SHA256
    issuer: Issuer = Issuer.INTERMEDIATE
    usage: Usage = Usage.SERVER


class Resumption(StrEnum):
    """What a TLS end does about sessions."""

    TICKETS = "tickets"
    SESSION_IDS = "session-ids"  # a server-side cache, no stateless tickets
    NONE = "none"  # nothing is ever resumed


class Version(StrEnum):
    """A version of TLS."""

    TLS1_0 = "TLSv1"
    TLS1_1 = "TLSv1.1"
    TLS1_2 = "TLSv1.2"
    TLS1_3 = "TLSv1.3"


@dataclass(frozen=True, slots=True)
class Tls:
    """The TLS settings of one end."""

    oldest: Version = Version.TLS1_2
    newest: Version = Version.TLS1_3
    resumption: Resumption = Resumption.TICKETS
    # Ends with one group share ticket keys and session cache (one SSLContext)
    ticket_group: str | None = None
    new_key_after: int | None = None  # connections, after which the key of tickets is a new one; None: never
    late_tickets: bool = False  # in TLS 1.3 they come with the first answer, as BoringSSL sends them
    alpn: tuple[str, ...] = ()
    asks_client_certificate: bool = False
    groups: str | None = None  # one key-exchange group, by OpenSSL's name; None: the library's list
    without_sni: Certificate | None = None  # presented to a client that names no server


@dataclass(frozen=True, slots=True)
class Interface:
    """One address of a member. `certificate` None: made from the role (the FQDN's, or the member's own name)."""

    behaviour: Behaviour = Behaviour.SERVING
    certificate: Certificate | None = None
    tls: Tls = Tls()
    alert: int = 40  # handshake_failure (RFC 8446 section 6); for Behaviour.ALERT
    on_replication_port: bool = False  # answers on 444 in place of the target's port
    management_ports: tuple[int, ...] = ()  # further TLS ports that answer, such as 444 and 9000


class Root(StrEnum):
    """What `GET /` gives. Titles and shapes: docs/domain.md section 3.2."""

    REDIRECT = "redirect"  # 302 to the login page
    OLD_NOT_FOUND = "old-not-found"  # 200 "PGP Universal - Page Not Found", as old builds do


@dataclass(frozen=True, slots=True)
class Web:
    """The web application of one member. Equal values give identical pages on all members."""

    root: Root = Root.REDIRECT
    cookie: str | None = "JSESSIONID"  # the server-side session; None: the application keeps none
    route: str | None = None  # jvmRoute, appended to the session id after a dot (Tomcat)
    session_group: str | None = None  # members with one group recognise each other's sessions
    sessions_limit: int = 4096
    own_name_in_location: bool = False  # the redirect names the member, not the FQDN
    date: bool = True
    date_skew_s: float = 0.0
    server_header: str | None = None
    other_header_order: bool = False
    etag: str = '"5f2a-5c6d1c3a4b000"'


class ServiceKind(StrEnum):
    """What speaks on a further port."""

    LDAP = "ldap"
    BANNER = "banner"
    HTTP_REDIRECT = "http-redirect"


# What the product's proxies say (nmap's service probes; docs/domain.md section 3.3)
SMTP_BANNER = "220 {host} PGP Universal service ready (proxied server greeted us with: ready)"
IMAP_BANNER = "* OK PGP Universal IMAP4rev1 service ready (proxied server greeted us with: ready)"
POP_BANNER = "+OK ready (PGP Universal service is proxying this connection)"


@dataclass(frozen=True, slots=True)
class Service:
    """A further port of a member's client interface. `text`: the banner, `{host}` is the member's name."""

    port: int
    kind: ServiceKind
    text: str = ""
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """One cluster member with its two interfaces, its web application and its optional services."""

    name: str
    replication: Interface = Interface()
    client: Interface = Interface()
    web: Web = Web()
    services: tuple[Service, ...] = ()
    version: str = "10.5.1 (Build 2120)"  # as the LDAP entry cn=PGPServerInfo tells it
    shares_address: bool = False  # both roles on one address


class Method(StrEnum):
    """How a balancer chooses a member for a client that it does not know."""

    FIRST_ALIVE = "first-alive"  # an ordered list: the first that is up, and back to it at once
    FAIL_OVER = "fail-over"  # active and backups: stays where it is until that one is down
    ROUND_ROBIN = "round-robin"
    RANDOM = "random"
    WEIGHTED = "weighted"  # smooth weighted round robin, as nginx and HAProxy do it
    WEIGHTED_RANDOM = "weighted-random"
    LEAST_CONNECTIONS = "least-connections"


class Persistence(StrEnum):
    """How a balancer keeps a client on its member."""

    NONE = "none"
    SOURCE = "source"
    COOKIE = "cookie"
    TLS_SESSION = "tls-session"


class TlsEnd(StrEnum):
    """Where TLS ends."""

    PASSED = "passed"  # at the members
    RE_ENCRYPTED = "re-encrypted"  # at the balancer, which opens TLS of its own to the member
    PLAIN = "plain"  # at the balancer, plain HTTP behind it


class CookieStyle(StrEnum):
    """The forms of balancer cookie of docs/domain.md section 4, made from the member's name or address."""

    HAPROXY = "haproxy"  # the server's keyword
    HAPROXY_PREFIX = "haproxy-prefix"  # put before the application's own cookie: <server>~<value>
    BIGIP = "bigip"
    BIGIP_ROUTE_DOMAIN = "bigip-route-domain"
    NETSCALER = "netscaler"
    A10 = "a10"
    BARRACUDA = "barracuda"
    AZURE = "azure"  # two cookies with one hash
    AWS = "aws"  # changes with every response
    NGINX = "nginx"  # route=<hash>
    OPAQUE = "opaque"


class OnDead(StrEnum):
    """What a balancer does when the member that it chose does not answer."""

    ERROR = "error"  # 503, 502 or 504 where it ends TLS, a close where it passes it through
    NEXT = "next"  # asks the next one


class HealthCheck(StrEnum):
    """How a balancer finds out which members are up."""

    NONE = "none"  # the pool stays as it was declared
    TCP = "tcp"  # a connection is accepted: a frozen member passes
    TLS = "tls"  # a handshake is completed


@dataclass(frozen=True, slots=True)
class OtherTraffic:
    """Other clients of the same balancer.

    `advance`: before each connection of ours, so many others on average (geometric) have taken their turn without
    being made: cheap and seeded. `rate_per_s`: real connections from an address of their own.
    """

    advance: float = 0.0
    rate_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Balancer:
    """The device in front. Shares are probabilities per connection, drawn from the world's seed."""

    method: Method = Method.FAIL_OVER
    weights: tuple[int, ...] = ()  # one per member of the pool; empty: all equal
    persistence: Persistence = Persistence.NONE
    persistence_honoured: float = 1.0  # share of returning clients that are really kept
    cookie_style: CookieStyle = CookieStyle.HAPROXY
    cookie_name: str | None = None  # None: the style's usual name
    tls_end: TlsEnd = TlsEnd.PASSED
    tls: Tls = Tls()
    certificate: Certificate | None = None  # None: the same as the members' client interfaces
    per_request: bool = False  # every request of a connection is balanced anew (only where TLS ends here)
    pool: tuple[str, ...] | None = None  # member names; None: all
    health_check: HealthCheck = HealthCheck.TCP
    check_interval_s: float = 0.25
    on_dead: OnDead = OnDead.ERROR
    connect_timeout_s: float = 1.0
    answer_timeout_s: float = 2.0
    behaviour: Behaviour = Behaviour.SERVING
    alert: int = 40
    reset_share: float = 0.0  # RST in place of an answer
    close_share: float = 0.0  # an orderly close in place of an answer
    drop_share: float = 0.0  # accepted and never answered
    others: OtherTraffic = OtherTraffic()
    addresses: int = 1  # virtual addresses with one pool behind them: "balancer", "balancer2", …


class Order(StrEnum):
    """How a name server orders several records."""

    FIXED = "fixed"
    CYCLIC = "cyclic"
    RANDOM = "random"


class Answer(StrEnum):
    """What a name server does when it is asked for the FQDN."""

    RECORDS = "records"
    NXDOMAIN = "nxdomain"
    NO_DATA = "no-data"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    SILENT = "silent"


class Ipv6(StrEnum):
    """Whether the FQDN has an AAAA record, and what is behind it."""

    NONE = "none"
    DEAD = "dead"
    BALANCER = "balancer"  # the balancer listens on ::1 too; only where this machine has IPv6


@dataclass(frozen=True, slots=True)
class Dns:
    """One name server's view. `points_to`: "balancer", "balancer2", a member's name (its client interface),
    "NAME/replication", or "stranger" (an address where nothing is)."""

    points_to: tuple[str, ...] = ("balancer",)
    order: Order = Order.CYCLIC
    at_a_time: int | None = None  # so many of the records in an answer; None: all
    answer: Answer = Answer.RECORDS
    ttl_s: int = 60
    aliases: tuple[str, ...] = ()  # a chain of CNAMEs: the FQDN -> first -> … -> the addresses
    dangling: bool = False  # the last alias does not exist
    ipv6: Ipv6 = Ipv6.NONE
    truncated: bool = False  # over UDP only TC=1, the answer over TCP
    member_names: bool = True  # members' names lead to their Interface 1
    names_of_clients: bool = False  # they lead to their Interface 2 instead
    swapped_member_names: tuple[str, ...] = ()  # these names lead nowhere of theirs
    delay_s: float = 0.0
    lost_share: float = 0.0  # queries over UDP that are never answered


@dataclass(frozen=True, slots=True)
class World:
    """A cluster and everything around it. `seed` decides all that is random."""

    name: str
    sentence: str
    fqdn: str
    members: tuple[Member, ...]
    balancer: Balancer | None = Balancer()
    dns: Dns = Dns()
    other_dns: tuple[Dns, ...] = ()  # further name servers, asked beside the first
    seed: int = 1
    failover: str = "balancer"  # or "dns": goes into the profile
    profile_members: bool = True  # whether the profile lists the members
    profile_balancers: bool = True  # whether it lists the balancer's addresses
    profile_services: tuple[int, ...] = ()  # [services] check
    profile_require: tuple[int, ...] = ()  # [services] require

    def __post_init__(self) -> None:
        """Raise ValueError where the declaration contradicts itself."""
        names = tuple(member.name for member in self.members)
        if not names or len(names) > MAX_MEMBERS or len(set(names)) != len(names):
            raise ValueError(f"world {self.name}: one to {MAX_MEMBERS} members with names of their own")
        if self.balancer is not None:
            _check_balancer(self.name, self.balancer, names)
        known = {
            "stranger",
            *names,
            *(f"{name}/replication" for name in names),
            *balancer_labels(self.balancer),
        }
        for dns in (self.dns, *self.other_dns):
            if unknown := sorted(set(dns.points_to) - known):
                raise ValueError(
                    f"world {self.name}: the name leads to {unknown[0]!r}, which is not declared"
                )

    @property
    def zone(self) -> str:
        """The zone that holds the FQDN: the name without its first label."""
        return self.fqdn.partition(".")[2]

    def client_certificate(self, member: Member) -> Certificate:
        """What the member presents on Interface 2."""
        return member.client.certificate or Certificate(self.fqdn)

    def replication_certificate(self, member: Member) -> Certificate:
        """What the member presents on Interface 1."""
        return member.replication.certificate or Certificate(member.name)

    def with_member(self, member: Member) -> World:
        """Return the world with this member in place of the one of the same name."""
        return replace(self, members=tuple(member if m.name == member.name else m for m in self.members))


def balancer_labels(balancer: Balancer | None) -> tuple[str, ...]:
    """Return the names by which `Dns.points_to` may name the balancer's addresses."""
    if balancer is None:
        return ()
    return ("balancer", *(f"balancer{n}" for n in range(2, balancer.addresses + 1)))


_MEMBERS_ONLY = frozenset({Behaviour.ERROR_PAGE, Behaviour.OTHER_PRODUCT})
_AFTER_TLS = frozenset(
    {
        Behaviour.HTTP_SILENT,
        Behaviour.HTTP_GARBAGE,
        Behaviour.HTTP_BROKEN,
        Behaviour.UNAVAILABLE,
        Behaviour.BAD_GATEWAY,
    }
)


def _check_balancer(world: str, balancer: Balancer, members: tuple[str, ...]) -> None:
    pool = balancer.pool if balancer.pool is not None else members
    if not pool or set(pool) - set(members):
        raise ValueError(f"world {world}: the pool names members that are not there")
    if balancer.weights and (len(balancer.weights) != len(pool) or min(balancer.weights) < 1):
        raise ValueError(f"world {world}: one weight of at least 1 for each member of the pool")
    passed = balancer.tls_end is TlsEnd.PASSED
    if balancer.behaviour in _MEMBERS_ONLY:
        raise ValueError(f"world {world}: {balancer.behaviour} is a member's behavior, not a balancer's")
    if passed and balancer.behaviour in _AFTER_TLS:
        raise ValueError(f"world {world}: {balancer.behaviour} needs TLS to end at the balancer")
    if passed and (balancer.persistence is Persistence.COOKIE or balancer.per_request):
        raise ValueError(f"world {world}: cookies and requests are seen only where TLS ends at the balancer")
    if not passed and balancer.persistence is Persistence.TLS_SESSION:
        raise ValueError(
            f"world {world}: the TLS session is read from the wire only where TLS is passed through"
        )

"""What is to be checked: the profile and the command line, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from semscheck.model.text import Address, Foreign, HostName, Kept, MemberName

DEFAULT_PORT = 443
REPLICATION_PORT = 444  # Broadcom KB 154069: 444/tcp between the members
MAX_CONNECTIONS = 200
MAX_MEMBERS_SUPPORTED = 6  # Broadcom KB 153476


class Severity(StrEnum):
    """How bad a finding is; `unknown` is for what could not be told, and nothing is mapped to or from it."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


class Failover(StrEnum):
    """Who moves clients when a member dies; decides how the record's TTL is judged."""

    BALANCER = "balancer"
    DNS = "dns"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address with an optional port of its own. address: IPv4 or IPv6 text in canonical form.

    port: None means "the target's port" (Interface 1 is then also tried on 444).
    """

    address: Address
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One server of the cluster.

    name: its own name, the Common Name expected on Interface 1.
    replication: Interface 1; client: Interface 2. Empty: not known, so not tested.
    found: nobody told of it, the check found it by itself. It can say who answered, and decides no verdict.
    """

    name: MemberName
    replication: tuple[Endpoint, ...] = ()
    client: tuple[Endpoint, ...] = ()
    found: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    timeout_s: float = 5.0
    deadline_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """written: names of those that the profile itself sets; the rest are the defaults."""

    expiry_warning_days: float = 30
    expiry_critical_days: float = 7
    ttl_warning_s: int = 300
    lookup_slow_s: float = 1
    connect_slow_s: float = 1
    handshake_slow_s: float = 2
    page_slow_s: float = 3
    outage_s: float = 30
    written: tuple[Kept, ...] = ()

    def expiry_days(self, whole_days: float | None) -> tuple[float, float]:
        """Under how many days left a certificate is a warning, and critical; whole_days: of its validity.

        The defaults are bounded by a quarter and a tenth of the validity, so that one of six days is not red all its
        life; days that the profile writes are used as they are.
        """
        warning, critical = self.expiry_warning_days, self.expiry_critical_days
        if whole_days is not None and "expiry_warning_days" not in self.written:
            warning = min(warning, whole_days / 4)
        if whole_days is not None and "expiry_critical_days" not in self.written:
            critical = min(critical, whole_days / 10)
        return warning, critical


@dataclass(frozen=True, slots=True)
class Services:
    """check: ports asked without --services too; require: ports whose being closed is critical."""

    check: tuple[int, ...] = ()
    require: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Everything that one run is told.

    fqdn: the name clients use, in its A-label form (RFC 5890), lower case, no trailing dot; or an IP address.
    fqdn_shown: the same name as people write it (U-labels); equal to fqdn when there is no difference.
    fqdn_is_address: an IP address was given; DNS and names can then not be checked.
    balancers: addresses that the FQDN may resolve to; empty: not known.
    balancer_vendor: a key of `vendors.VENDORS`, whose words remedies use; empty: not known.
    ca_file: path of extra trust anchors in PEM, None: the operating system's store alone.
    resolvers: name servers to ask instead of the system's; empty: the system's.
    families: address families asked for, 4 and 6.
    connections: fresh connections to sample with, 1 to 200; connections_given: asked for by the user,
    so sampling does not stop early. spread_s: the time over which they are spread, 0: one right after another.
    discovery: whether servers that nobody told of are looked for where only the name is known.
    severities: by code, what replaces a rule's default.
    profile: path of the profile that was read, None if there was none.
    """

    fqdn: HostName
    fqdn_shown: HostName = ""
    fqdn_is_address: bool = False
    balancer_vendor: Kept = ""
    port: int = DEFAULT_PORT
    failover: Failover = Failover.BALANCER
    balancers: tuple[Address, ...] = ()
    members: tuple[Member, ...] = ()
    ca_file: Foreign | None = None
    resolvers: tuple[Endpoint, ...] = ()
    families: tuple[int, ...] = (4, 6)
    connections: int = 32
    connections_given: bool = False
    spread_s: float = 0.0
    limits: Limits = field(default_factory=Limits)
    thresholds: Thresholds = field(default_factory=Thresholds)
    services: Services = field(default_factory=Services)
    ask_services: bool = False
    discovery: bool = True
    severities: dict[Kept, Severity] = field(default_factory=dict)
    profile: Foreign | None = None

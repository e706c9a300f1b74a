"""What a user may set about a check, declared once.

The command line's parser and its completions, the profile's reader, the report's `options` and the tables in the
documentation are all made from `SETTINGS`. A new one is a row here and a field of `model.target.Target`.

Tuples and names of functions only, no import of the model: `semscheck --help` must start at once.
"""

from __future__ import annotations

from typing import NamedTuple


class Setting(NamedTuple):
    """One thing that a user may set.

    place: where its value stands in a `Target`, dotted: "limits.timeout_s".
    kind: what is typed or stands in TOML: str, int, float, bool (a switch), or a list of str or int.
    read: the function of `profile.values` that turns what was typed into the value, or a list's entry into one.
    key: in a profile, dotted; empty where it stands in none. flag: on the command line; empty where it has none.
    metavar, help: of the command line. group: of options in the help; a command takes whole groups.
    note: for the table of keys in the documentation, where `help` does not say it.
    """

    place: str
    kind: str
    read: str
    key: str = ""
    flag: str = ""
    metavar: str = ""
    help: str = ""
    group: str = ""
    note: str = ""

    @property
    def many(self) -> bool:
        """A list, whose flag may be repeated."""
        return self.kind.startswith("list")

    @property
    def name(self) -> str:
        """As the report's `options` call it: the flag without its dashes."""
        return self.flag.lstrip("-").replace("-", "_") or self.place


TARGET, SAMPLING, LIMITS = "what to check", "how to check", "how long"

SETTINGS = (
    Setting("fqdn", "str", "server_name", key="target.fqdn"),
    Setting("port", "int", "port", "target.port", "--port", "N", "the clients' port (default 443)", TARGET),
    Setting("failover", "str", "failover", "target.failover",
            note='"balancer", or "dns": the record is changed by hand; decides how its TTL is judged'),
    Setting("members", "list[str]", "member", "", "--member", "NAME=REPLICATION_IP,CLIENT_IP",
            "a member with its Interface 1 and 2, either address may be empty; repeatable", TARGET),
    Setting("balancers", "list[str]", "address", "target.balancers", "--balancer", "IP",
            "an address of the balancer; repeatable", TARGET, note="addresses that the FQDN may resolve to"),
    Setting("balancer_vendor", "str", "balancer_vendor", "target.balancer_vendor",
            note="f5, citrix, haproxy, nginx, kemp, cisco, a10, aws, azure, ibm, barracuda or "
                 "fortinet: remedies use its words"),
    Setting("ca_file", "str", "ca_file", "target.ca_file", "--ca-file", "FILE",
            "PEM, added to the operating system's trust store", TARGET, note="relative to the profile"),
    Setting("resolvers", "list[str]", "endpoint", "", "--resolver", "IP[:PORT]",
            "a name server to ask in place of the system's; repeatable", TARGET),
    Setting("connections", "int", "connections", "sampling.connections", "--connections", "N",
            "fresh connections to make, 1 to 200 (default 32)", SAMPLING),
    Setting("spread_s", "float", "spread", "sampling.spread_s", "--spread", "SECONDS",
            "time over which the fresh connections are spread (default 4; 0: one right after another)", SAMPLING,
            note="the exporter's default is 0"),
    Setting("ask_services", "bool", "switch", "", "--services", "",
            "also ask the product's other ports (LDAP, SMTP, ...)", SAMPLING),
    Setting("discovery", "bool", "leave_out", "", "--no-discovery", "",
            "do not look for servers that nobody told of (only the name is known)", SAMPLING),
    Setting("severities", "list[str]", "severity", "", "--severity", "CODE=LEVEL",
            "another severity for a rule: info, warning or critical; repeatable", SAMPLING),
    Setting("limits.deadline_s", "float", "deadline", "limits.deadline_s", "--deadline", "SECONDS",
            "for the whole run (default 60)", LIMITS),
    Setting("limits.timeout_s", "float", "timeout", "limits.timeout_s", "--timeout", "SECONDS",
            "for one step (default 5)", LIMITS),
    Setting("thresholds.expiry_warning_days", "float", "days", "thresholds.expiry_warning_days", note="CRT006"),
    Setting("thresholds.expiry_critical_days", "float", "days", "thresholds.expiry_critical_days"),
    Setting("thresholds.ttl_warning_s", "int", "ttl", "thresholds.ttl_warning_s",
            note="DNS008, where failover is by DNS"),
    Setting("thresholds.lookup_slow_s", "float", "timeout", "thresholds.lookup_slow_s", note="DNS022"),
    Setting("thresholds.connect_slow_s", "float", "timeout", "thresholds.connect_slow_s", note="NET005"),
    Setting("thresholds.handshake_slow_s", "float", "timeout", "thresholds.handshake_slow_s", note="NET015"),
    Setting("thresholds.page_slow_s", "float", "timeout", "thresholds.page_slow_s", note="CLU009"),
    Setting("thresholds.outage_s", "float", "outage", "thresholds.outage_s",
            note="WAT001: how long clients may fail in a watch"),
    Setting("services.check", "list[int]", "port", "services.check",
            note="ports of the product that are asked without --services too"),
    Setting("services.require", "list[int]", "port", "services.require", note="ports whose being closed is critical"),
)  # fmt: skip

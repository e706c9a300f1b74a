"""Reads a profile (TOML) and the options of the command line into a `Target`.

Everything wrong raises `ProfileError` with one line that names the file and the key's path, or the option. Paths are
written as people count: `member[2].client` is the second member's. msgspec is imported only where there is a file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from semscheck.model.target import (
    MAX_CONNECTIONS,
    Endpoint,
    Failover,
    Limits,
    Member,
    Services,
    Severity,
    Target,
    Thresholds,
)
from semscheck.profile import values as entries
from semscheck.profile.values import EntryError

if TYPE_CHECKING:
    from semscheck.profile.shape import ProfileShape

MAX_BYTES = 1024 * 1024
MAX_CA_BYTES = 16 * 1024 * 1024  # a whole operating system's store is about 250 kB
MAX_MEMBERS = 100  # of one cluster; the vendor supports 6, and CLU003 says so
MAX_ADDRESSES = 50  # of one member's interface, and of balancers
MAX_TIMEOUT_S = 600.0
MAX_DEADLINE_S = 3600.0
MAX_DAYS = 36500.0
MAX_TTL_S = 2**31 - 1  # RFC 2181 section 8

# The catalogue's default severities by code; asked for only where a severity is to be changed.
Severities = Callable[[], Mapping[str, Severity]]
T = TypeVar("T")


class ProfileError(ValueError):
    """A profile or an option that cannot be used, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line may say about a target; None and empty: nothing, the profile or a default decides.

    members: "NAME=REPLICATION_IP,CLIENT_IP"; resolvers: "IP[:PORT]"; severities: "CODE=LEVEL". Members, balancers
    and resolvers that are given replace all of the profile's. families: 4, 6, or both.
    """

    fqdn: str | None = None
    port: int | None = None
    members: tuple[str, ...] = ()
    balancers: tuple[str, ...] = ()
    ca_file: str | None = None
    resolvers: tuple[str, ...] = ()
    connections: int | None = None
    deadline_s: float | None = None
    timeout_s: float | None = None
    services: bool = False
    families: tuple[int, ...] = ()
    severities: tuple[str, ...] = ()


def read_target(profile: Path | None, options: Options, severities: Severities) -> Target:
    """The target that a profile and the command line describe together; the command line wins.

    Raises ProfileError. Without a profile `options.fqdn` must be set.
    """
    target = _from_profile(profile, options, severities) if profile is not None else None
    if target is None:
        if options.fqdn is None:
            raise ProfileError("no server name was given")
        target = Target(fqdn="")
    return _check_whole(_with_options(target, options, severities), profile)


# --- the file ----------------------------------------------------------------------------------------------


def _from_profile(path: Path, options: Options, severities: Severities) -> Target:
    shape = _parse(path)
    name = _shown_path(path)
    target = _Reader(name, severities).target(shape, path)
    if not target.fqdn and options.fqdn is None:
        raise ProfileError(f"{name}: target.fqdn: missing, and no server name was given")
    return target


def _parse(path: Path) -> ProfileShape:
    import tomllib

    from semscheck.profile.shape import shaped

    name = _shown_path(path)
    text = _text(path, name)
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError) as problem:  # ValueError: a date that does not exist
        raise ProfileError(f"{name}: not TOML: {problem}") from problem
    except RecursionError as problem:
        raise ProfileError(f"{name}: not TOML that can be read: nested too deeply") from problem
    try:
        return shaped(table)
    except ValueError as problem:
        raise ProfileError(f"{name}: {problem}") from problem


def _text(path: Path, name: str) -> str:
    data = _bytes(path, name, MAX_BYTES)
    try:
        return data.decode("utf-8-sig")  # Windows' editors put a byte order mark first
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise ProfileError(f"{name}: not UTF-8 (line {line}); save the file as UTF-8") from problem


def _bytes(path: Path, name: str, limit: int) -> bytes:
    """The content of a file, read up to a bound so that no device or huge file is read to its end."""
    if path.is_dir():
        raise ProfileError(f"{name}: is a directory, not a file")
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as problem:
        raise ProfileError(f"{name}: {(problem.strerror or str(problem)).lower()}") from problem
    except ValueError as problem:  # a zero byte in the name
        raise ProfileError(f"{name}: {problem}") from problem
    if len(data) > limit:
        raise ProfileError(f"{name}: larger than {limit // (1024 * 1024)} MiB, that is no such file")
    return data


def _shown_path(path: Path) -> str:
    return str(path)


class _Reader:
    """Turns the shape of a file into values; every error names the file and the key's path."""

    def __init__(self, name: str, severities: Severities) -> None:
        self._name = name
        self._severities = severities

    def target(self, shape: ProfileShape, path: Path) -> Target:
        given = shape.target
        server = self._at("target.fqdn", entries.server_name, given.fqdn) if given.fqdn is not None else None
        port = self._at("target.port", entries.port, given.port)
        return Target(
            fqdn=server.name if server else "",
            fqdn_shown=server.shown if server else "",
            fqdn_is_address=server.is_address if server else False,
            port=port,
            failover=self._failover(given.failover),
            balancers=self._balancers(given.balancers),
            members=self._members(shape, port),
            ca_file=self._ca_file(given.ca_file, path),
            connections=self._at("sampling.connections", _connections, shape.sampling.connections),
            limits=Limits(
                timeout_s=self._at("limits.timeout_s", _timeout, shape.limits.timeout_s),
                deadline_s=self._at("limits.deadline_s", _deadline, shape.limits.deadline_s),
            ),
            thresholds=self._thresholds(shape),
            services=self._services(shape),
            severities=self._severity_table(shape.severity),
            profile=str(path),
        )

    def _at(self, key: str, read: Callable[[Any], T], value: Any, note: str = "") -> T:
        try:
            return read(value)
        except EntryError as problem:
            raise self._error(key, f"{problem}{note}") from problem

    def _error(self, key: str, words: str) -> ProfileError:
        return ProfileError(f"{self._name}: {key}: {words}")

    def _failover(self, text: str) -> Failover:
        try:
            return Failover(text)
        except ValueError as problem:
            raise self._error("target.failover", f'{text!r} is neither "balancer" nor "dns"') from problem

    def _balancers(self, given: list[str]) -> tuple[str, ...]:
        key = "target.balancers"
        found = tuple(
            self._at(f"{key}[{number}]", entries.address, text) for number, text in enumerate(given, 1)
        )
        self._refuse_many(key, found)
        self._refuse_repeated(key, found)
        return found

    def _members(self, shape: ProfileShape, port: int) -> tuple[Member, ...]:
        if len(shape.member) > MAX_MEMBERS:
            raise self._error("member", f"{len(shape.member)} members, at most {MAX_MEMBERS} are read")
        found = []
        for number, given in enumerate(shape.member, 1):
            key = f"member[{number}]"
            name = self._at(f"{key}.name", entries.host_name, given.name)
            note = f" (member {name})"
            found.append(
                Member(
                    name,
                    replication=self._endpoints(f"{key}.replication", given.replication, note),
                    client=self._endpoints(f"{key}.client", given.client, note),
                )
            )
        return tuple(found)

    def _endpoints(self, key: str, given: str | list[str], note: str) -> tuple[Endpoint, ...]:
        if isinstance(given, str):
            return (self._at(key, entries.endpoint, given, note),) if given.strip() else ()
        found = tuple(
            self._at(f"{key}[{number}]", entries.endpoint, text, note) for number, text in enumerate(given, 1)
        )
        self._refuse_many(key, found)
        self._refuse_repeated(key, found)
        return found

    def _refuse_many(self, key: str, found: tuple[object, ...]) -> None:
        if len(found) > MAX_ADDRESSES:
            raise self._error(key, f"{len(found)} addresses, at most {MAX_ADDRESSES} are read")

    def _refuse_repeated(self, key: str, found: Iterable[str | Endpoint]) -> None:
        seen: set[str | Endpoint] = set()
        for entry in found:
            if entry in seen:
                raise self._error(key, f"{_endpoint_text(entry)} is there twice")
            seen.add(entry)

    def _ca_file(self, given: str | None, profile: Path) -> str | None:
        if given is None:
            return None
        if not given.strip():
            raise self._error("target.ca_file", "is empty; leave the key out to use the system's trust alone")
        path = profile.parent / given
        try:
            check_ca_file(path)
        except ProfileError as problem:
            raise self._error("target.ca_file", str(problem)) from problem
        return str(path)

    def _thresholds(self, shape: ProfileShape) -> Thresholds:
        given = shape.thresholds
        found = Thresholds(
            expiry_warning_days=self._at("thresholds.expiry_warning_days", _days, given.expiry_warning_days),
            expiry_critical_days=self._at(
                "thresholds.expiry_critical_days", _days, given.expiry_critical_days
            ),
            ttl_warning_s=self._at("thresholds.ttl_warning_s", _ttl, given.ttl_warning_s),
        )
        if found.expiry_critical_days > found.expiry_warning_days:
            raise self._error(
                "thresholds.expiry_critical_days",
                f"{found.expiry_critical_days:g} is more than expiry_warning_days ({found.expiry_warning_days:g}); "
                "the warning must come first",
            )
        return found

    def _services(self, shape: ProfileShape) -> Services:
        return Services(
            check=self._ports("services.check", shape.services.check),
            require=self._ports("services.require", shape.services.require),
        )

    def _ports(self, key: str, given: list[int]) -> tuple[int, ...]:
        found = tuple(
            self._at(f"{key}[{number}]", entries.port, port) for number, port in enumerate(given, 1)
        )
        return tuple(dict.fromkeys(found))

    def _severity_table(self, given: dict[str, str]) -> dict[str, Severity]:
        if not given:
            return {}
        known = self._severities()
        found = {}
        for code, level in given.items():
            try:
                found[code] = _severity(code, level, known)
            except EntryError as problem:
                raise self._error(f"severity.{code}", str(problem)) from problem
        return found


# --- the command line --------------------------------------------------------------------------------------


def _with_options(target: Target, options: Options, severities: Severities) -> Target:
    """The target with what the command line says in place of what it says itself."""
    if options.fqdn is not None:
        server = _option("FQDN", entries.server_name, options.fqdn)
        target = replace(target, fqdn=server.name, fqdn_shown=server.shown, fqdn_is_address=server.is_address)
    if options.port is not None:
        target = replace(target, port=_option("--port", entries.port, options.port))
    if options.members:
        target = replace(
            target, members=tuple(_option("--member", _member, text) for text in options.members)
        )
    if options.balancers:
        found = (_option("--balancer", entries.address, text) for text in options.balancers)
        target = replace(target, balancers=tuple(dict.fromkeys(found)))
    if options.resolvers:
        asked = (_option("--resolver", entries.endpoint, text) for text in options.resolvers)
        target = replace(target, resolvers=tuple(dict.fromkeys(asked)))
    if options.ca_file is not None:
        _option("--ca-file", check_ca_file, Path(options.ca_file))
        target = replace(target, ca_file=options.ca_file)
    if options.connections is not None:
        number = _option("--connections", _connections, options.connections)
        target = replace(target, connections=number, connections_given=True)
    if options.families:
        target = _of_families(replace(target, families=tuple(sorted(set(options.families)))))
    if options.severities:
        changed = _severity_options(options.severities, severities())
        target = replace(target, severities={**target.severities, **changed})
    limits = target.limits
    if options.timeout_s is not None:
        limits = replace(limits, timeout_s=_option("--timeout", _timeout, options.timeout_s))
    if options.deadline_s is not None:
        limits = replace(limits, deadline_s=_option("--deadline", _deadline, options.deadline_s))
    return replace(target, limits=limits, ask_services=target.ask_services or options.services)


def _option(name: str, read: Callable[[Any], T], value: Any) -> T:
    try:
        return read(value)
    except (EntryError, ProfileError) as problem:
        raise ProfileError(f"{name}: {problem}") from problem


def _member(text: str) -> Member:
    """NAME=REPLICATION_IP,CLIENT_IP, where either address may be empty."""
    name, equals, rest = text.partition("=")
    addresses = rest.split(",")
    if not equals or len(addresses) != 2:
        raise EntryError(f"{text[:200]!r} is not NAME=REPLICATION_IP,CLIENT_IP (either address may be empty)")
    replication, client = ((entries.endpoint(typed),) if typed.strip() else () for typed in addresses)
    return Member(entries.host_name(name), replication=replication, client=client)


def _severity_options(given: Iterable[str], known: Mapping[str, Severity]) -> dict[str, Severity]:
    found = {}
    for text in given:
        code, equals, level = text.partition("=")
        if not equals:
            raise ProfileError(f"--severity: {text[:80]!r} is not CODE=LEVEL, for example CRT016=warning")
        code = code.strip().upper()
        try:
            found[code] = _severity(code, level.strip(), known)
        except EntryError as problem:
            raise ProfileError(f"--severity: {problem}") from problem
    return found


def _of_families(target: Target) -> Target:
    """The target without the addresses of a family that is not asked for: nothing is sent to them."""

    def kept(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        return tuple(end for end in endpoints if _family(end.address) in target.families)

    members = (replace(it, replication=kept(it.replication), client=kept(it.client)) for it in target.members)
    balancers = (address for address in target.balancers if _family(address) in target.families)
    return replace(target, members=tuple(members), balancers=tuple(balancers))


# --- single values -----------------------------------------------------------------------------------------


def _severity(code: str, level: str, known: Mapping[str, Severity]) -> Severity:
    """A rule's new severity; nothing is changed to or from `unknown`, which no opinion can turn into knowledge."""
    if code not in known:
        from difflib import get_close_matches

        near = get_close_matches(code.upper(), known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise EntryError(f"no rule has the code {code[:80]!r}{hint} (semscheck rules shows all)")
    if level == Severity.UNKNOWN:
        raise EntryError("no finding can be made unknown; choose info, warning or critical")
    if known[code] is Severity.UNKNOWN:
        raise EntryError(f"{code} says that something could not be told; its severity cannot be changed")
    try:
        return Severity(level)
    except ValueError as problem:
        raise EntryError(f"{level[:80]!r} is no severity; choose info, warning or critical") from problem


def _connections(number: int) -> int:
    if not 1 <= number <= MAX_CONNECTIONS:
        raise EntryError(f"{number} is out of range (1 to {MAX_CONNECTIONS})")
    return number


def _between(value: float, least: float, most: float, unit: str) -> float:
    if not math.isfinite(value) or not least <= value <= most:
        raise EntryError(f"{value:g} is out of range ({least:g} to {most:g} {unit})")
    return float(value)


def _timeout(value: float) -> float:
    return _between(value, 0.05, MAX_TIMEOUT_S, "seconds")


def _deadline(value: float) -> float:
    return _between(value, 0.1, MAX_DEADLINE_S, "seconds")


def _days(value: float) -> float:
    return _between(value, 0, MAX_DAYS, "days")


def _ttl(value: int) -> int:
    if not 0 <= value <= MAX_TTL_S:
        raise EntryError(f"{value} is out of range (0 to {MAX_TTL_S} seconds)")
    return value


_PEM = re.compile(rb"-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----")


def check_ca_file(path: Path) -> None:
    """Is there at least one certificate in it that OpenSSL can read? Raises ProfileError with the reason."""
    import ssl

    name = str(path)
    data = _bytes(path, name, MAX_CA_BYTES)
    if not data.strip():
        raise ProfileError(f"{name}: is empty, there is no certificate in it")
    if _PEM.search(data) is None:
        if data[:1] == b"\x30":
            raise ProfileError(
                f"{name}: looks like DER; PEM is needed: openssl x509 -inform der -in FILE -out FILE.pem"
            )
        raise ProfileError(f"{name}: there is no certificate in it (PEM, -----BEGIN CERTIFICATE-----)")
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=name)
        found = context.cert_store_stats()["x509"]
    except (OSError, ValueError) as problem:
        # OpenSSL's own words, "PEM lib (_ssl.c:4154)", tell nobody which certificate, or what is wrong with it.
        raise ProfileError(
            f"{name}: a certificate in it cannot be read; it is damaged or cut off"
        ) from problem
    if not found:
        raise ProfileError(f"{name}: there is no certificate in it that can be read")


# --- the whole ---------------------------------------------------------------------------------------------


def _check_whole(target: Target, profile: Path | None) -> Target:
    """What only the whole can tell: names and addresses that two members cannot share. Raises ProfileError."""
    where = f"{_shown_path(profile)}: " if profile is not None else ""
    if target.fqdn_is_address and _family(target.fqdn) not in target.families:
        raise ProfileError(
            f"-{target.families[0]}: {target.fqdn} is an IPv{_family(target.fqdn)} address, and only "
            f"IPv{target.families[0]} is asked for"
        )
    names: dict[str, int] = {}
    owners: dict[tuple[str, int], str] = {}
    for number, member in enumerate(target.members, 1):
        if member.name in names:
            raise ProfileError(
                f"{where}member[{number}].name: {member.name} is member[{names[member.name]}] already"
            )
        names[member.name] = number
        for role, ends in (("replication", member.replication), ("client", member.client)):
            for end in ends:
                place = (end.address, end.port or target.port)
                owner = owners.setdefault(place, member.name)
                if owner != member.name:
                    raise ProfileError(
                        f"{where}member[{number}].{role}: {_endpoint_text(end)} is an address of {owner} already "
                        f"(member {member.name})"
                    )
    return target


def _family(address: str) -> int:
    return 6 if ":" in address else 4


def _endpoint_text(end: str | Endpoint) -> str:
    if isinstance(end, str) or end.port is None:
        return end if isinstance(end, str) else end.address
    return f"[{end.address}]:{end.port}" if ":" in end.address else f"{end.address}:{end.port}"

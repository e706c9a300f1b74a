"""Reads a profile (TOML) and the options of the command line into a `Target`.

Everything wrong raises `ProfileError` with one line that names the file and the key's path, or the option. Paths are
written as people count: `member[2].client` is the second member's. What there is to set stands in `settings`; msgspec
is imported only where there is a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from semscheck.files import content
from semscheck.model.names import host_and_port
from semscheck.model.target import Endpoint, Member, Severity, Target
from semscheck.profile import values
from semscheck.profile.settings import SETTINGS, Setting
from semscheck.profile.values import EntryError

MAX_BYTES = 1024 * 1024
MAX_MEMBERS = 100  # of one cluster; the vendor supports 6, and CLU003 says so
SPREAD_S = 4.0  # long enough to meet what changes within seconds, short enough to wait for
MAX_ADDRESSES = 50  # of one member's interface, and of balancers

# The catalogue's default severities by code; asked for only where a severity is to be changed.
Severities = Callable[[], Mapping[str, Severity]]
# What was given, by `Setting.name`, and `families` (4, 6). What is None, False or empty was not given.
Given = Mapping[str, Any]


class ProfileError(ValueError):
    """A profile or an option that cannot be used, in one line."""


def read_target(
    profile: Path | None, given: Given, severities: Severities, spread_s: float = SPREAD_S
) -> Target:
    """The target that a profile and the command line describe together; the command line wins.

    Lists that are given replace those of the profile. Without a profile `given["fqdn"]` is needed. spread_s: where
    neither says over which time connections are spread. Raises ProfileError.
    """
    target = Target(fqdn="", spread_s=spread_s)
    if profile is not None:
        target = _from_profile(profile, target, severities)
    if not target.fqdn and given.get("fqdn") is None:
        if profile is None:
            raise ProfileError("no server name was given")
        raise ProfileError(f"{profile}: target.fqdn: missing, and no server name was given")
    return _check_whole(_with_options(target, given, severities), profile)


def _put(target: Any, place: str, value: Any) -> Any:
    """A value with another one at a dotted place in it."""
    head, _, rest = place.partition(".")
    return replace(target, **{head: _put(getattr(target, head), rest, value) if rest else value})


def _apply(target: Target, setting: Setting, value: Any) -> Target:
    if setting.place == "fqdn":
        return replace(target, fqdn=value.name, fqdn_shown=value.shown, fqdn_is_address=value.is_address)
    found: Target = _put(target, setting.place, value)
    return found


# --- the file ----------------------------------------------------------------------------------------------


def _from_profile(path: Path, target: Target, severities: Severities) -> Target:
    shape = _parse(path)
    file = _File(path)
    target = replace(target, profile=str(path))
    written: list[str] = []
    for setting in SETTINGS:
        if setting.key:
            table, _, key = setting.key.partition(".")
            value = getattr(getattr(shape, table), key)
            if type(value).__name__ != "UnsetType":
                target = _apply(target, setting, file.value(setting, value))
                written += [key] if table == "thresholds" else []
    target = replace(target, thresholds=replace(target.thresholds, written=tuple(written)))
    file.check_thresholds(target)
    return replace(
        target, members=file.members(shape.member), severities=file.severities(shape.severity, severities)
    )


def _parse(path: Path) -> Any:
    from semscheck import toml
    from semscheck.profile.shape import shaped

    try:
        table = toml.loads(_text(path))
    except ValueError as problem:  # a date that does not exist, too
        if isinstance(problem, ProfileError):
            raise
        raise ProfileError(f"{path}: not TOML: {problem}") from problem
    except RecursionError as problem:
        raise ProfileError(f"{path}: not TOML that can be read: nested too deeply") from problem
    try:
        return shaped(table)
    except ValueError as problem:
        raise ProfileError(f"{path}: {problem}") from problem


def _text(path: Path) -> str:
    try:
        data = content(path, MAX_BYTES)
    except ValueError as problem:
        raise ProfileError(str(problem)) from problem
    try:
        return data.decode("utf-8-sig")  # Windows' editors put a byte order mark first
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise ProfileError(f"{path}: not UTF-8 (line {line}); save the file as UTF-8") from problem


class _File:
    """Turns what a file says into values; every error names the file and the key's path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def value(self, setting: Setting, given: Any) -> Any:
        """A key's value."""
        read = getattr(values, setting.read)
        if not setting.many:
            if setting.place == "ca_file" and given.strip():
                given = str(self._path.parent / given)
            return self._at(setting.key, read, given)
        return self._list(setting.key, read, given)

    def _list(
        self, key: str, read: Callable[[Any], Any], given: list[Any], note: str = ""
    ) -> tuple[Any, ...]:
        found = tuple(
            self._at(f"{key}[{number}]", read, entry, note) for number, entry in enumerate(given, 1)
        )
        if read is values.port:
            return tuple(dict.fromkeys(found))
        if len(found) > MAX_ADDRESSES:
            raise self._error(key, f"{len(found)} addresses, at most {MAX_ADDRESSES} are read")
        for number, entry in enumerate(found):
            if entry in found[:number]:
                raise self._error(key, f"{_endpoint_text(entry)} is there twice")
        return found

    def _at(self, key: str, read: Callable[[Any], Any], value: Any, note: str = "") -> Any:
        try:
            return read(value)
        except EntryError as problem:
            raise self._error(key, f"{problem}{note}") from problem

    def _error(self, key: str, words: str) -> ProfileError:
        return ProfileError(f"{self._path}: {key}: {words}")

    def members(self, given: list[Any]) -> tuple[Member, ...]:
        """The [[member]] tables."""
        if len(given) > MAX_MEMBERS:
            raise self._error("member", f"{len(given)} members, at most {MAX_MEMBERS} are read")
        return tuple(self._member(f"member[{number}]", shape) for number, shape in enumerate(given, 1))

    def _member(self, key: str, shape: Any) -> Member:
        name = self._at(f"{key}.name", values.host_name, shape.name)
        note = f" (member {name})"
        return Member(
            name,
            replication=self._endpoints(f"{key}.replication", shape.replication, note),
            client=self._endpoints(f"{key}.client", shape.client, note),
        )

    def _endpoints(self, key: str, given: str | list[str], note: str) -> tuple[Endpoint, ...]:
        if isinstance(given, str):
            return (self._at(key, values.endpoint, given, note),) if given.strip() else ()
        return self._list(key, values.endpoint, given, note)

    def check_thresholds(self, target: Target) -> None:
        """The warning must come first. Raises ProfileError."""
        warning, critical = target.thresholds.expiry_warning_days, target.thresholds.expiry_critical_days
        if critical > warning:
            raise self._error(
                "thresholds.expiry_critical_days",
                f"{critical:g} is more than expiry_warning_days ({warning:g}); the warning must come first",
            )

    def severities(self, given: dict[str, str], known: Severities) -> dict[str, Severity]:
        """The [severity] table."""
        catalogue = known() if given else {}
        return {
            code: self._at(f"severity.{code}", partial(_severity, code, catalogue), level)
            for code, level in given.items()
        }


# --- the command line --------------------------------------------------------------------------------------


def _with_options(target: Target, given: Given, severities: Severities) -> Target:
    """The target with what the command line says in place of what it says itself."""
    for setting in SETTINGS:
        value = given.get(setting.name)
        if value is None or value is False or (setting.many and not value):
            continue
        if setting.place == "fqdn":
            target = _named(target, value, given)
            continue
        value = _option(setting, value)
        if setting.place == "severities":
            value = {**target.severities, **_severity_options(value, severities())}
        if setting.place == "connections":
            target = replace(target, connections_given=True)
        target = _apply(target, setting, value)
    if families := given.get("families"):
        target = _of_families(replace(target, families=tuple(sorted(set(families)))))
    return target


def _named(target: Target, typed: str, given: Given) -> Target:
    """The target with the name that was typed, and the port that stood with it unless --port says another."""
    try:
        server, port = values.pasted_server(typed)
    except EntryError as problem:
        raise ProfileError(f"FQDN: {problem}") from problem
    if port is not None and given.get("port") is None:
        target = replace(target, port=port)
    return replace(target, fqdn=server.name, fqdn_shown=server.shown, fqdn_is_address=server.is_address)


def _option(setting: Setting, value: Any) -> Any:
    """An option's value, or a list's, each entry once."""
    read = getattr(values, setting.read)
    try:
        if not setting.many:
            return read(value)
        found = (read(entry) for entry in value)
        return tuple(found) if setting.place == "members" else tuple(dict.fromkeys(found))
    except EntryError as problem:
        raise ProfileError(f"{setting.flag}: {problem}") from problem


def _severity_options(given: Iterable[tuple[str, str]], known: Mapping[str, Severity]) -> dict[str, Severity]:
    try:
        return {code: _severity(code, known, level) for code, level in given}
    except EntryError as problem:
        raise ProfileError(f"--severity: {problem}") from problem


def _of_families(target: Target) -> Target:
    """The target without the addresses of a family that is not asked for: nothing is sent to them."""

    def kept(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        return tuple(end for end in endpoints if _family(end.address) in target.families)

    members = (replace(it, replication=kept(it.replication), client=kept(it.client)) for it in target.members)
    balancers = (address for address in target.balancers if _family(address) in target.families)
    return replace(target, members=tuple(members), balancers=tuple(balancers))


def _severity(code: str, known: Mapping[str, Severity], level: str) -> Severity:
    """A rule's new severity; nothing is changed to or from `unknown`, which no opinion can turn into knowledge."""
    if code not in known:
        from difflib import get_close_matches

        near = get_close_matches(code.upper(), known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise EntryError(f"no rule has the code {code[:80]!r}{hint} (semscheck rules shows all)")
    if level == Severity.UNKNOWN:
        raise EntryError("no finding can be made unknown; choose info, warning or critical")
    if known[code] is Severity.UNKNOWN:
        raise EntryError(
            f"{code} says that something could not be determined; its severity cannot be changed"
        )
    try:
        return Severity(level)
    except ValueError as problem:
        raise EntryError(f"{level[:80]!r} is no severity; choose info, warning or critical") from problem


# --- the whole ---------------------------------------------------------------------------------------------


def _check_whole(target: Target, profile: Path | None) -> Target:
    """What only the whole can tell: names and addresses that two members cannot share. Raises ProfileError."""
    where = f"{profile}: " if profile is not None else ""
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
    return host_and_port(end.address, end.port)

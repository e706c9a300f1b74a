"""The exporter's configuration file (TOML): targets by name, where to listen, and every bound.

Read whole or not at all: what is wrong raises SettingsError with one line that names the file and the key.
"""

from __future__ import annotations

import glob
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import msgspec
from msgspec import field

from semscheck import toml
from semscheck.files import content
from semscheck.model.names import host_and_port
from semscheck.model.target import MAX_CONNECTIONS, Target

MAX_BYTES = 1024 * 1024
MAX_TARGETS = 10_000  # of one exporter; docs/monitoring.md says how many it carries
DEFAULT_LISTEN = "127.0.0.1:9797"
# A target is named in URLs and labels: what needs no escape in either.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)

ReadTarget = Callable[[Path, tuple[str, ...], int | None], Target]


class SettingsError(ValueError):
    """A configuration that cannot be used, in one line."""


class Web(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """listen: "IP:PORT", "[IPv6]:PORT". config_file: TLS and passwords, as Prometheus' exporters have it.

    hosts: names of this exporter, for requests to loopback that name it (DNS rebinding).
    reload: whether POST /-/reload is answered. A request must be whole within request_timeout_s, its answer taken
    within answer_timeout_s; a connection without a request is closed after idle_timeout_s.
    """

    listen: list[str] = field(default_factory=lambda: [DEFAULT_LISTEN])
    config_file: str | None = None
    hosts: list[str] = field(default_factory=list)
    reload: bool = False
    max_connections: int = 1024
    request_timeout_s: float = 5.0
    answer_timeout_s: float = 15.0
    idle_timeout_s: float = 15.0
    shutdown_s: float = 5.0


class Probe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """max_runs: at once, over all targets; targets that are slow get half of them at most.

    slow_s: a target whose last run took longer is slow. margin_s: what a run leaves of the scrape's time-out for
    judging and sending. reuse_s: a finished run answers the scrapes of its target for so long. resolvers,
    connections: in place of the system's and of the profiles'.
    """

    max_runs: int = 12
    slow_s: float = 5.0
    margin_s: float = 1.0
    reuse_s: float = 5.0
    resolvers: list[str] = field(default_factory=list)
    connections: int | None = None


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much evidence is kept for the status page: so many reports, and never more than this compressed."""

    reports: int = 500
    mebibytes: float = 64.0


class Process(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """max_mebibytes: an exporter that has grown beyond starts anew in its place; 0 for never."""

    max_mebibytes: float = 512.0


class TargetShape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    profile: str
    resolvers: list[str] | None = None
    connections: int | None = None


class _Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    profiles: list[str] = field(default_factory=list)
    targets: dict[str, str | TargetShape] = field(default_factory=dict)
    web: Web = field(default_factory=Web)
    probe: Probe = field(default_factory=Probe)
    history: Kept = field(default_factory=Kept)
    process: Process = field(default_factory=Process)


@dataclass(frozen=True, slots=True)
class Listen:
    """host: an IP address as text. port: 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return host_and_port(self.host, self.port)

    @property
    def is_loopback(self) -> bool:
        return ipaddress.ip_address(self.host).is_loopback


@dataclass(frozen=True, slots=True)
class Settings:
    """A configuration that was read whole, every profile in it included. targets: by name, sorted."""

    path: Path
    listen: tuple[Listen, ...]
    web: Web
    web_config: Path | None
    probe: Probe
    kept: Kept
    process: Process
    targets: Mapping[str, Target]


def read_settings(path: Path, read_target: ReadTarget) -> Settings:
    """The configuration with all its profiles. Raises SettingsError; blocks, so not for an event loop."""
    shape = _parse(path)
    _check_bounds(path, shape)
    listen = tuple(listen_address(text, f"{path}: web.listen") for text in shape.web.listen)
    if not listen:
        raise SettingsError(f"{path}: web.listen: an address and port is needed, such as {DEFAULT_LISTEN!r}")
    web_config = path.parent / shape.web.config_file if shape.web.config_file is not None else None
    return Settings(
        path=path,
        listen=listen,
        web=shape.web,
        web_config=web_config,
        probe=shape.probe,
        kept=shape.history,
        process=shape.process,
        targets=MappingProxyType(_targets(path, shape, read_target)),
    )


def listen_address(text: str, where: str) -> Listen:
    """IP:PORT, [IPv6]:PORT. Raises SettingsError."""
    host, colon, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1
    except ValueError:
        number = -1
    if not colon or not 0 <= number <= 65535 or (address.version == 6) != host.startswith("["):
        raise SettingsError(f"{where}: {text[:80]!r} is not IP:PORT or [IPv6]:PORT")
    return Listen(str(address), number)


def read_bounded(path: Path) -> bytes:
    """A file's content up to a bound. Raises SettingsError."""
    try:
        return content(path, MAX_BYTES)
    except ValueError as problem:
        raise SettingsError(str(problem)) from problem


def _parse(path: Path) -> _Shape:
    data = read_bounded(path)
    try:
        table = toml.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as problem:
        raise SettingsError(f"{path}: not TOML: {str(problem)[:200]}") from problem
    try:
        return msgspec.convert(table, _Shape, strict=True)
    except msgspec.ValidationError as problem:
        raise SettingsError(f"{path}: {key_words(str(problem))}") from problem


_AT = re.compile(r" - at `(?:key in )?\$\.?(?P<path>.*)`$", re.DOTALL)


def key_words(text: str) -> str:
    """msgspec's message as "the.key: what is wrong"."""
    at = _AT.search(text)
    words = text[: at.start()] if at else text
    words = words.replace("Object contains unknown field", "unknown key").replace(
        "Object missing required field", "missing key"
    )
    return f"{at['path']}: {words}" if at and at["path"] else words


def _check_bounds(path: Path, shape: _Shape) -> None:
    web, probe, kept = shape.web, shape.probe, shape.history
    for key, value, least, most in (
        ("web.max_connections", web.max_connections, 1, 65_536),
        ("web.request_timeout_s", web.request_timeout_s, 0.1, 600),
        ("web.answer_timeout_s", web.answer_timeout_s, 0.1, 600),
        ("web.idle_timeout_s", web.idle_timeout_s, 0.1, 3600),
        ("web.shutdown_s", web.shutdown_s, 0, 600),
        ("probe.max_runs", probe.max_runs, 2, 256),
        ("probe.slow_s", probe.slow_s, 0.1, 3600),
        ("probe.margin_s", probe.margin_s, 0.1, 60),
        ("probe.reuse_s", probe.reuse_s, 0, 3600),
        ("probe.connections", probe.connections or 1, 1, MAX_CONNECTIONS),
        ("history.reports", kept.reports, 0, 100_000),
        ("history.mebibytes", kept.mebibytes, 0, 16_384),
        ("process.max_mebibytes", shape.process.max_mebibytes, 0, 1_048_576),
    ):
        if not least <= value <= most:
            raise SettingsError(f"{path}: {key}: {value:g} is out of range ({least:g} to {most:g})")


def _targets(path: Path, shape: _Shape, read_target: ReadTarget) -> dict[str, Target]:
    wanted = {
        name: one if isinstance(one, TargetShape) else TargetShape(one) for name, one in shape.targets.items()
    }
    for pattern in shape.profiles:
        for profile in _matching(path, pattern):
            if profile.stem in wanted and path.parent / wanted[profile.stem].profile != profile:
                raise SettingsError(f"{path}: profiles: two targets are called {profile.stem}")
            wanted.setdefault(profile.stem, TargetShape(str(profile)))
    if not wanted:
        raise SettingsError(f'{path}: no targets; [targets] needs a line such as keys = "keys.toml"')
    if len(wanted) > MAX_TARGETS:
        raise SettingsError(f"{path}: {len(wanted)} targets, at most {MAX_TARGETS} are read")
    return {name: _target(path, name, wanted[name], shape.probe, read_target) for name in sorted(wanted)}


def _matching(path: Path, pattern: str) -> list[Path]:
    try:
        found = [Path(name) for name in sorted(glob.glob(str(path.parent / pattern)))]
    except (ValueError, OSError, re.error) as problem:
        raise SettingsError(f"{path}: profiles: {pattern[:200]!r}: {problem}") from problem
    if len(found) > MAX_TARGETS:
        raise SettingsError(
            f"{path}: profiles: {pattern!r} matches {len(found)} files, at most {MAX_TARGETS}"
        )
    return found


def _target(path: Path, name: str, given: TargetShape, probe: Probe, read_target: ReadTarget) -> Target:
    if _NAME.fullmatch(name) is None:
        raise SettingsError(f"{path}: targets: {name[:80]!r}: a name has letters, digits and . _ : - only")
    resolvers = tuple(probe.resolvers if given.resolvers is None else given.resolvers)
    connections = probe.connections if given.connections is None else given.connections
    if connections is not None and not 1 <= connections <= MAX_CONNECTIONS:
        raise SettingsError(
            f"{path}: targets.{name}.connections: {connections} is out of range (1 to {MAX_CONNECTIONS})"
        )
    try:
        return read_target(path.parent / given.profile, resolvers, connections)
    except ValueError as problem:
        raise SettingsError(f"{path}: targets.{name}: {problem}") from problem

"""What the screens remember between two starts: settings, and the last results, in the platform's directories.

Results are kept without the values of cookies, the last 20, unless the person turned that off. Files are replaced
atomically and are readable by their owner only. A file that cannot be understood is set aside under another name and
reported; it never stops the program.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from semscheck.files import user_folder, write_atomically
from semscheck.model.findings import Status
from semscheck.model.target import MAX_CONNECTIONS

THEMES = ("dark", "light", "contrast")
MAX_RECENT = 20
_MAX_BYTES = 256 * 1024  # of a file of ours; more is not ours
_MAX_LISTED = 500  # names looked at in one directory
_RUN = re.compile(r"[0-9A-Za-z-]{1,64}")  # a run's id

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the person chose. None: as the profile says.

    timeout_s: one step; deadline_s: the whole run; connections: fresh ones. services: ask other ports too.
    redact: exports carry pseudonyms. ascii: no characters beyond ASCII even where the terminal has them.
    keep_results: finished runs are kept and shown at the next start.
    """

    theme: str = "dark"
    timeout_s: float | None = None
    deadline_s: float | None = None
    connections: int | None = None
    services: bool = False
    redact: bool = False
    ascii: bool = False
    keep_results: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """A target that was checked. fqdn: as people write it; profile: path of the profile used, None without.

    at: when, UTC. verdict: of that run. report: the file's name of the result that was kept, None without.
    """

    fqdn: str
    profile: str | None = None
    at: datetime
    verdict: Status
    report: str | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """Settings, the list of targets, and the results that are kept.

    `trouble` is told, in a sentence, what could not be read or written.
    """

    config: Path
    state: Path
    trouble: Callable[[str], None] = field(default=lambda _: None)

    @property
    def settings_file(self) -> Path:
        return self.config / "settings.json"

    @property
    def recent_file(self) -> Path:
        return self.state / "recent.json"

    @property
    def results(self) -> Path:
        """The folder of the results that are kept."""
        return self.state / "results"

    @property
    def ticket_file(self) -> Path:
        return self.state / "ticket.md"

    @property
    def log_file(self) -> Path:
        return self.state / "crash.log"

    def load_settings(self) -> Settings:
        return self._read(self.settings_file, _settings_from) or Settings()

    def save_settings(self, settings: Settings) -> None:
        self._write(self.settings_file, asdict(settings))

    def load_recent(self) -> tuple[Recent, ...]:
        return self._read(self.recent_file, _recent_from) or ()

    def add_recent(self, entry: Recent, report: bytes | None = None, run: str = "") -> tuple[Recent, ...]:
        """Puts the entry first; gives the list as it now is. Without a kept result an older one for the same target
        goes. report: the result to keep, under a name made of the run's id.
        """
        if report is not None and _RUN.fullmatch(run):
            name = f"{run}.json"
            try:
                write_atomically(self.results / name, report)
                entry = replace(entry, report=name)
            except OSError as error:
                self.trouble(f"{self.results / name} could not be written: {error.strerror}.")
        same = (entry.fqdn, entry.profile)
        others = (it for it in self.load_recent() if it.report or (it.fqdn, it.profile) != same)
        return self._write_recent((entry, *others)[:MAX_RECENT])

    def forget(self, entry: Recent) -> tuple[Recent, ...]:
        """Takes an entry off the list, and its result off the disk; gives the list as it now is."""
        return self._write_recent(tuple(it for it in self.load_recent() if it != entry))

    def kept_report(self, entry: Recent) -> Path | None:
        """Where the entry's result is; None where there is none any more."""
        path = self.results / entry.report if entry.report else None
        return path if path is not None and path.is_file() else None

    def _write_recent(self, entries: tuple[Recent, ...]) -> tuple[Recent, ...]:
        """The list, and no result that it does not name."""
        rows = [{**asdict(it), "at": it.at.isoformat()} for it in entries]
        self._write(self.recent_file, {"recent": rows})
        kept = {it.report for it in entries}
        with contextlib.suppress(OSError):
            for path in self.results.iterdir():
                if path.name not in kept and _RUN.fullmatch(path.stem) and path.suffix == ".json":
                    path.unlink()
        return entries

    def _read(self, path: Path, parse: Callable[[dict[str, Any]], T]) -> T | None:
        import json

        try:
            with path.open("rb") as file:
                raw = file.read(_MAX_BYTES + 1)
            if len(raw) > _MAX_BYTES:
                raise ValueError("too large")
            data = json.loads(raw)
            if not isinstance(data, dict):
                raise ValueError("no object")
            return parse(data)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.trouble(f"{path} could not be read: {error.strerror}.")
        except (ValueError, TypeError, KeyError, RecursionError):
            self._set_aside(path)
        return None

    def _set_aside(self, path: Path) -> None:
        aside = path.with_name(path.name + ".broken")
        try:
            os.replace(path, aside)
        except OSError as error:
            self.trouble(f"{path} is damaged and could not be set aside: {error.strerror}.")
        else:
            self.trouble(f"{path.name} was damaged; it is kept as {aside} and starts afresh.")

    def _write(self, path: Path, data: dict[str, Any]) -> None:
        import json

        try:
            write_atomically(path, json.dumps(data, indent=2) + "\n")
        except OSError as error:
            self.trouble(f"{path} could not be written: {error.strerror}.")


def open_store(trouble: Callable[[str], None] = lambda _: None) -> Store:
    """The store in the platform's directories. Nothing is created before something is written."""
    from platformdirs import user_config_path, user_state_path

    return Store(user_folder(user_config_path), user_folder(user_state_path), trouble)


def _listed(directory: Path) -> list[Path]:
    """What is in a folder, so many at most; nothing of one that cannot be read."""
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        return [directory / it.name for it, _ in zip(entries, range(_MAX_LISTED), strict=False)]
    return []


def _settings_from(data: dict[str, Any]) -> Settings:
    """Keys of a newer version are left aside; a wrong type or range is damage."""
    known = {it.name for it in fields(Settings)}
    settings = replace(Settings(), **{key: value for key, value in data.items() if key in known})
    check_settings(settings)
    return settings


def check_settings(settings: Settings) -> None:
    """Raises ValueError, in words, for what is out of range."""
    if settings.theme not in THEMES:
        raise ValueError(f"theme: one of {', '.join(THEMES)}")
    for name, low, high in (
        ("timeout_s", 0.1, 120.0),
        ("deadline_s", 1.0, 3600.0),
        ("connections", 1, MAX_CONNECTIONS),
    ):
        value = getattr(settings, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"{name}: a number")
        if value is not None and not low <= value <= high:
            raise ValueError(f"{name}: from {low:g} to {high:g}")
    if settings.connections is not None and not isinstance(settings.connections, int):
        raise ValueError("connections: a whole number")
    switches = (settings.services, settings.redact, settings.ascii, settings.keep_results)
    if not all(isinstance(it, bool) for it in switches):
        raise ValueError("services, redact, ascii, keep_results: true or false")


def _recent_from(data: dict[str, Any]) -> tuple[Recent, ...]:
    entries = []
    for row in data["recent"][:MAX_RECENT]:
        fqdn, profile, at = row["fqdn"], row.get("profile"), datetime.fromisoformat(row["at"])
        report = row.get("report")
        if not isinstance(fqdn, str) or not isinstance(profile, str | None):
            raise ValueError("recent: text expected")
        if report is not None and not _RUN.fullmatch(str(report).removesuffix(".json")):
            raise ValueError("recent: not the name of a result")
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        entries.append(
            Recent(fqdn=fqdn, profile=profile, at=at, verdict=Status(row["verdict"]), report=report)
        )
    return tuple(entries)


def find_folders(directory: Path) -> tuple[Path, ...]:
    """The folders in this one that are not hidden, by name."""
    return tuple(sorted(it for it in _listed(directory) if not it.name.startswith(".") and it.is_dir()))


def find_reports(directory: Path, limit: int = 30) -> tuple[tuple[Path, datetime], ...]:
    """Files *.json of ours, the newest first, with the time of their last change (UTC).

    Ours are those whose beginning names the report's schema; nothing more is read.
    """
    found: list[tuple[Path, datetime]] = []
    for path in _listed(directory):
        with contextlib.suppress(OSError):
            if path.suffix == ".json" and path.is_file() and _is_report(path):
                found.append((path, datetime.fromtimestamp(path.stat().st_mtime, UTC)))
    return tuple(sorted(found, key=lambda it: it[1], reverse=True)[:limit])


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return b"semscheck/report/" in file.read(4096)

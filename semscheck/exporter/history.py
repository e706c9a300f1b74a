"""Recent runs and their evidence, compressed and bounded in number and bytes; the oldest go first."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from semscheck.model.findings import Status
from semscheck.model.report import Report
from semscheck.report import json
from semscheck.report.story import StoryLine

# Level 1 shrinks a report to about a tenth in 2 ms; level 6 takes four times as long for a fifth less.
LEVEL = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One run. status: None where it failed without a report. id: of the run; None where no evidence was kept.

    headline: what users notice. more: the other first lines of the report."""

    target: str
    fqdn: str
    at: datetime
    took_s: float
    status: Status | None
    headline: str
    id: str | None = None
    more: tuple[StoryLine, ...] = ()


_Dumped = tuple[dict[str, Entry], tuple[Entry, ...], dict[str, bytes]]


class History:
    """Evidence by run id, the last run of each target, and the most recent runs over all targets."""

    def __init__(self, reports: int, mebibytes: float, recent: int = 100) -> None:
        self._evidence: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._last: dict[str, Entry] = {}
        self._recent: OrderedDict[int, Entry] = OrderedDict()
        self._count = 0
        self._most_recent = recent
        self.resize(reports, mebibytes)

    def resize(self, reports: int, mebibytes: float) -> None:
        self._most_reports = reports
        self._most_bytes = int(mebibytes * 1024 * 1024)
        self._evict()

    @property
    def reports(self) -> int:
        return len(self._evidence)

    @property
    def kept_bytes(self) -> int:
        """Compressed, as they are kept."""
        return self._bytes

    def forget_targets(self, names: frozenset[str]) -> None:
        """Keep the last runs of these targets only."""
        self._last = {name: entry for name, entry in self._last.items() if name in names}

    def add(self, entry: Entry, report: Report | None) -> None:
        """Keep a run; its evidence too where there is a report and room."""
        self._last[entry.target] = entry
        self._count += 1
        self._recent[self._count] = entry
        while len(self._recent) > self._most_recent:
            self._recent.popitem(last=False)
        if report is not None and entry.id is not None and self._most_reports > 0:
            data = zlib.compress(json.encode(report), LEVEL)
            self._bytes += len(data) - len(self._evidence.pop(entry.id, b""))
            self._evidence[entry.id] = data
            self._evict()

    def recent(self) -> tuple[Entry, ...]:
        """The newest first."""
        return tuple(reversed(self._recent.values()))

    def last(self, names: Iterable[str]) -> tuple[tuple[str, Entry | None], ...]:
        """The last run of each of these targets, None where there was none yet."""
        return tuple((name, self._last.get(name)) for name in names)

    def last_report(self, name: str) -> bytes | None:
        """The report of a target's last run as JSON, None if it is not kept."""
        last = self._last.get(name)
        return None if last is None or last.id is None else self.evidence(last.id)

    def has(self, run_id: str | None) -> bool:
        return run_id in self._evidence

    def evidence(self, run_id: str) -> bytes | None:
        """The report as JSON, None if it is not kept any more."""
        data = self._evidence.get(run_id)
        return None if data is None else zlib.decompress(data)

    def dump(self) -> bytes:
        """Everything, for the process that replaces this one."""
        return msgspec.msgpack.encode((self._last, tuple(self._recent.values()), self._evidence))

    def load(self, data: bytes) -> None:
        """What another process dumped; nothing where that was another version with other fields."""
        try:
            last, recent, evidence = msgspec.msgpack.decode(data, type=_Dumped)
        except msgspec.MsgspecError:
            return
        self._last.update(last)
        self._recent.update(enumerate(recent, 1))
        self._count = len(recent)
        self._evidence.update(evidence)
        self._bytes = sum(map(len, evidence.values()))
        self._evict()

    def _evict(self) -> None:
        while self._evidence and (len(self._evidence) > self._most_reports or self._bytes > self._most_bytes):
            _, data = self._evidence.popitem(last=False)
            self._bytes -= len(data)

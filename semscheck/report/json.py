"""The report as JSON, both ways: the contract's shape out, and only what has that shape back in.

The shape differs from the model in two places: `schema` comes first, and the analyses of all paths stand
inside `analysis.balancing`, which is itself the worst of them. Readers ignore fields they do not know, and
observations of kinds they do not know; a newer major version is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

import msgspec

from semscheck.model import earlier
from semscheck.model.analysis import (
    Analysis,
    BalancingPath,
    ClientAccess,
    Contrast,
    DnsAnalysis,
    EndpointStatus,
    InterfaceAnalysis,
    Outage,
    OutageKind,
    WatchAnalysis,
)
from semscheck.model.findings import Finding, Verdict
from semscheck.model.labels import Label, labels_among
from semscheck.model.observations import KINDS, AnyObservation, Certificate, Observation, Sample
from semscheck.model.report import SCHEMA, SCHEMA_MAJOR, Report, Run, Summary, Tool
from semscheck.model.target import Target
from semscheck.report.escape import one_line

MAX_BYTES = 64 * 1024 * 1024
# What no run writes more of; what comes after reading is quick within these.
MAX_OBSERVATIONS = 20_000  # as many as a run records
MAX_SAMPLES = 6_400  # 200 connections, and as many again of other kinds, to each of 16 addresses
MAX_FINDINGS = 5_000
MAX_VERDICTS = 1_000
MAX_MEMBERS = 100  # of a profile
MAX_ADDRESSES = 5_000  # of all of them together
RUN_YEARS = range(
    2000, 9000
)  # certificates may be of any: what is reckoned from a run and from them is then a date
MAX_CAUSES = 32  # findings in a row, each of which explains the one before


class ReportError(ValueError):
    """What was read is no report that this version can use; the message is one clear, safe line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancingShape(BalancingPath):
    """`analysis.balancing` of the contract: the worst path, and all paths."""

    paths: tuple[BalancingPath, ...] = ()


class OutageShape(msgspec.Struct, kw_only=True, rename={"began": "from", "ended": "to"}):
    """A time in which connections of a watch failed, or a moment at which other servers answered with none that
    failed.

    kind: "take-over", "fail-back", "same-servers", "unknown", or "lasting" where it had not ended. from: when the
    first connection failed; to: when one was answered again, null where none was. before, after: who answered.
    certain: it is beyond doubt that those are different servers. by: "balancer", or "dns" where other addresses
    answer since.
    """

    kind: OutageKind
    began: datetime
    ended: datetime | None
    length_s: float
    failed: int = 0
    ticks: int = 0
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    certain: bool = True
    by: str | None = None
    cause: str | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchShape(WatchAnalysis):
    """`analysis.watch` of the contract."""

    outages: tuple[OutageShape, ...] = ()  # type: ignore[assignment]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisShape:
    """`analysis` of the contract. balancing: null if nothing was sampled."""

    dns: DnsAnalysis = field(default_factory=DnsAnalysis)
    balancing: BalancingShape | None = None
    places: tuple[EndpointStatus, ...] = ()
    members: tuple[InterfaceAnalysis, ...] = ()
    clients: tuple[ClientAccess, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    watch: WatchShape | None = None
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportShape:
    """The document of the contract, but for its observations, which are read one by one by their kind."""

    schema: str
    tool: Tool
    run: Run
    target: Target
    summary: Summary
    analysis: AnalysisShape
    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...]
    observations: tuple[msgspec.Raw, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A report as read. ignored: observations of kinds that this version does not know, by kind."""

    report: Report
    ignored: dict[str, int] = field(default_factory=dict)


# --- writing -----------------------------------------------------------------------------------------------


def encode(report: Report, indent: int | None = None) -> bytes:
    """The document in UTF-8. indent: blanks per level; None for one line with no blanks at all."""
    data = dumps(shape(report))
    return msgspec.json.format(data, indent=indent) + b"\n" if indent is not None else data


def dumps(value: object) -> bytes:
    """Any value of the model as JSON. What no UTF-8 can carry (a lone surrogate, from a file's name) is
    shown as an escape. Control characters and those that change the order of text are JSON's own escapes, which
    read back as they were, so that a report is safe to look at as well."""
    try:
        data = msgspec.json.encode(value)
    except UnicodeEncodeError:
        data = msgspec.json.encode(_encodable(msgspec.to_builtins(value)))
    if data.isascii() and b"\x7f" not in data:
        return data
    return _UNSEEN.sub(_escaped, data.decode()).encode()


# Beyond those below U+0020, which JSON itself forbids (RFC 8259 section 7): DEL and C1, marks of direction, zero
# width, line and paragraph separators, fillers, interlinear marks, tags. They stand inside strings only.
_UNSEEN = re.compile(
    "[\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def _escaped(match: re.Match[str]) -> str:
    pairs = match.group().encode("utf-16-be")
    return "".join(f"\\u{int.from_bytes(pairs[at : at + 2]):04x}" for at in range(0, len(pairs), 2))


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(entry) for entry in value]
    return value


def shape(report: Report) -> dict[str, object]:
    """The document as a mapping in the contract's order; its values are values of the model."""
    return {**_fields(ReportShape, report), "analysis": analysis_shape(report.analysis)}


def analysis_shape(analysis: Analysis) -> dict[str, object]:
    """The analysis with its paths where the contract has them."""
    worst = analysis.balancing or (analysis.paths[0] if analysis.paths else None)
    balancing = None if worst is None else {**msgspec.to_builtins(worst), "paths": analysis.paths}
    watch = None if analysis.watch is None else _recast(WatchShape, OutageShape, analysis.watch)
    return {**_fields(AnalysisShape, analysis), "balancing": balancing, "watch": watch}


def _recast(watch_type: Any, outage_type: Any, watch: WatchAnalysis) -> Any:
    """A watch with its outages as the contract names their fields, or the other way round."""

    outages = tuple(outage_type(**_fields(Outage, each)) for each in watch.outages)
    return watch_type(**{**_fields(WatchAnalysis, watch), "outages": outages})


def _fields(of: Any, value: object) -> dict[str, Any]:
    return {name: getattr(value, name) for name in of.__dataclass_fields__}


# --- reading -----------------------------------------------------------------------------------------------


def decode(data: bytes) -> Report:
    """The report in a document. Raises ReportError where it is none, or none that can be used."""
    return read(data).report


def read(data: bytes) -> Reading:
    """The report, and what was left out of it. Raises ReportError like `decode`."""
    if len(data) > MAX_BYTES:
        raise ReportError(f"too large for a report: {len(data):,} bytes, at most {MAX_BYTES:,}")
    _check_schema(data)
    document = _shaped(data)
    observations, ignored = _observations(document.observations)
    _check(document, observations)
    return Reading(_report(document, observations), ignored)


_TOO_DEEP = "not a report: nested too deeply"


def _shaped(data: bytes) -> ReportShape:
    try:
        return msgspec.json.decode(data, type=ReportShape)
    except RecursionError:
        raise ReportError(_TOO_DEEP) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ReportError(f"not a valid report: {one_line(str(error))}") from None


def _syntax(error: Exception) -> str:
    text = one_line(str(error))
    if "truncated" in text:
        return "it ends in the middle (truncated)"
    return f"it is no JSON ({text})"


_NAMED = re.compile(r"semscheck/(?P<what>[a-z]+)/(?P<major>\d{1,9})(?:\.\d{1,9})?", re.ASCII)


class _Head(msgspec.Struct):
    """The rest of the document is checked to be JSON and skipped, so that a huge one costs no memory."""

    schema: object = None


def _check_schema(data: bytes) -> None:
    """Which document it says it is, before anything else is read of it."""
    try:
        name = msgspec.json.decode(data, type=_Head).schema
    except msgspec.ValidationError:  # JSON, and no object
        name = None
    except RecursionError:
        raise ReportError(_TOO_DEEP) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ReportError(f"not a report: {_syntax(error)}") from None
    if not isinstance(name, str):
        raise ReportError('not a semscheck report: it has no "schema"')
    named = _NAMED.fullmatch(name)
    if named is None or named["what"] != "report":
        raise ReportError(f'not a semscheck report: its schema is "{one_line(name, 60)}"')
    if int(named["major"]) != SCHEMA_MAJOR:
        raise ReportError(
            f'its schema is "{name}", and this version reads "{SCHEMA}" only; a newer semscheck wrote it'
            if int(named["major"]) > SCHEMA_MAJOR
            else f'its schema is "{name}", and this version reads "{SCHEMA}" only'
        )


class _Kind(msgspec.Struct):
    kind: str


def _observations(raw: Sequence[msgspec.Raw]) -> tuple[tuple[AnyObservation, ...], dict[str, int]]:
    """msgspec reads no tagged unions of dataclasses, so `kind` is read first."""
    seen: list[AnyObservation] = []
    ignored: Counter[str] = Counter()
    decoders = {kind: msgspec.json.Decoder(known) for kind, known in KINDS.items()}
    head = msgspec.json.Decoder(_Kind)
    for index, data in enumerate(raw):
        try:
            kind = head.decode(data).kind
            decoder = decoders.get(kind)
            if decoder is None:
                ignored[one_line(kind, 60)] += 1
            else:
                seen.append(earlier.observation(cast(AnyObservation, decoder.decode(data))))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ReportError(f"not a valid report: observation {index}: {one_line(str(error))}") from None
    return tuple(seen), dict(ignored)


def _check(document: ReportShape, observations: Sequence[Observation]) -> None:
    """What types cannot say: unique ids, times with a zone, causes that lead to an end."""
    _check_sizes(document, observations)
    if len({seen.id for seen in observations}) != len(observations):
        raise ReportError("not a valid report: two observations have one id")
    for name, when in (("started", document.run.started), ("finished", document.run.finished)):
        if when is not None and when.tzinfo is None:
            raise ReportError(f"not a valid report: run.{name} has no time zone")
        if when is not None and when.year not in RUN_YEARS:
            raise ReportError(f"not a valid report: run.{name} is in the year {when.year}")
    for seen in observations:
        if isinstance(seen, Certificate) and any(
            when is not None and when.tzinfo is None for when in (seen.not_before, seen.not_after)
        ):
            raise ReportError(f"not a valid report: {one_line(seen.id, 60)} has a time without a zone")
    _check_causes([finding.caused_by for finding in document.findings])


def _check_sizes(document: ReportShape, observations: Sequence[Observation]) -> None:
    members = document.target.members
    for what, number, most in (
        ("observations", len(document.observations), MAX_OBSERVATIONS),
        ("connections", sum(isinstance(seen, Sample) for seen in observations), MAX_SAMPLES),
        ("findings", len(document.findings), MAX_FINDINGS),
        ("verdicts", len(document.verdicts), MAX_VERDICTS),
        ("members", len(members), MAX_MEMBERS),
        ("addresses", sum(len(one.replication) + len(one.client) for one in members), MAX_ADDRESSES),
    ):
        if number > most:
            raise ReportError(f"not a report that a run writes: {number:,} {what}, at most {most:,}")


def _check_causes(causes: Sequence[int | None]) -> None:
    """Each cause is a finding, and leads in a few steps to one without: every chain is walked once."""
    depths: dict[int, int] = {}
    for index in range(len(causes)):
        way: list[int] = []
        cause: int | None = index
        while cause is not None and cause not in depths:
            if not 0 <= cause < len(causes) or len(way) > MAX_CAUSES:
                raise ReportError(f"not a valid report: findings[{index}].caused_by leads nowhere")
            way.append(cause)
            cause = causes[cause]
        behind = 0 if cause is None else depths[cause]
        if behind + len(way) > MAX_CAUSES:
            raise ReportError(f"not a valid report: findings[{index}].caused_by leads nowhere")
        depths.update({one: behind + step for step, one in enumerate(reversed(way), 1)})


def _report(document: ReportShape, observations: tuple[AnyObservation, ...]) -> Report:
    shaped = document.analysis
    balancing = shaped.balancing
    parts = {
        **_fields(AnalysisShape, shaped),
        "watch": None if shaped.watch is None else _recast(WatchAnalysis, Outage, shaped.watch),
        "paths": tuple(map(earlier.path, balancing.paths)) if balancing else (),
        "balancing": _worst(balancing) if balancing else None,
    }
    analysis = Analysis(**parts)
    labels = shaped.labels or labels_among(analysis.answered_by, document.target)
    changed = {
        "analysis": replace(analysis, labels=labels),
        "findings": tuple(map(earlier.finding, document.findings)),
        "observations": observations,
    }
    return Report(**{**_fields(ReportShape, document), **changed})


def _worst(balancing: BalancingShape) -> BalancingPath:
    """The worst path by itself; where it is one of the paths, as it always is when we wrote it, that one."""
    fields = BalancingPath.__dataclass_fields__
    worst = earlier.path(BalancingPath(**{name: getattr(balancing, name) for name in fields}))
    return next((path for path in map(earlier.path, balancing.paths) if path == worst), worst)

"""The report's JSON Schema (draft 2020-12), generated from the model that writes and reads the report.

Fields that a reader does not know are allowed everywhere, and so are observations of kinds it does not know:
within schema 1 the report only grows. Required is what the model cannot do without, and what the contract
names.
"""

from __future__ import annotations

from collections.abc import Iterable
from inspect import cleandoc
from typing import Any

import msgspec

from semscheck.model.observations import KINDS
from semscheck.model.report import SCHEMA
from semscheck.report.json import AnalysisShape, BalancingShape, ReportShape

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# What the contract promises beyond the fields that have no default in the model; null where not measured.
PROMISED: dict[str, tuple[str, ...]] = {
    "Run": ("finished", "duration_s", "vantage", "options", "seed", "redacted", "origin"),
    "Vantage": ("source_addresses",),
    "Target": ("fqdn", "port", "failover", "balancers", "members", "ca_file"),
    "Summary": ("counts",),
    "Analysis": ("dns", "balancing", "members"),
    "DnsAnalysis": ("addresses", "rotation", "min_ttl_s", "resolvers"),
    "ResolverAnalysis": ("rotation", "answers_v4", "answers_v6"),
    "InterfaceAnalysis": ("reach", "fingerprint", "protocol", "connect_s", "handshake_s"),
    "Finding": ("references", "evidence", "caused_by", "args"),
    "Verdict": ("why",),
}
_PATH = (
    "method",
    "persistence",
    "samples",
    "identified_by",
    "members",
    "other_share_at_most",
    "confidence",
    "termination",
    "vendor",
)
PROMISED["BalancingPath"] = _PATH
PROMISED["Balancing"] = (*_PATH, "paths")
_OBSERVATION = ("id", "kind", "at_s", "elapsed_s")
_NAMES = {"ReportShape": "Report", "AnalysisShape": "Analysis", "BalancingShape": "Balancing"}


def document() -> dict[str, Any]:
    """The schema as a mapping, the same in every run of one version."""
    kinds = tuple(KINDS.values())
    _, components = msgspec.json.schema_components(
        (ReportShape, AnalysisShape, BalancingShape, *kinds), ref_template="#/$defs/{name}"
    )
    definitions = {_NAMES.get(name, name): _renamed(value) for name, value in sorted(components.items())}
    for name, fields in PROMISED.items():
        _require(definitions[name], fields)
    for known in kinds:
        _require(definitions[known.__name__], _OBSERVATION)
    report = definitions.pop("Report")
    report["properties"]["schema"] = {"const": SCHEMA}
    report["properties"]["observations"] = {"type": "array", "items": {"$ref": "#/$defs/AnyObservation"}}
    definitions["AnyObservation"] = _observation()
    return {
        "$schema": DIALECT,
        "$id": "urn:semscheck:report:1",
        "title": "semscheck report, schema 1",
        "description": "What `semscheck check --format json` writes. Null means: not measured.",
        **{key: value for key, value in report.items() if key not in ("title", "description")},
        "$defs": dict(sorted(definitions.items())),
    }


def encode() -> bytes:
    """The schema as indented JSON with a line's end, as it stands in docs/report.schema.json."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2) + b"\n"


def _require(definition: dict[str, Any], fields: Iterable[str]) -> None:
    required = [*definition.get("required", ()), *fields]
    definition["required"] = [name for name in definition["properties"] if name in required]


def _renamed(value: Any) -> Any:
    """References to the shapes under the names they have for readers; bytes as JSON Schema says them."""
    if isinstance(value, dict):
        if (reference := value.get("$ref")) is not None:
            name = str(reference).removeprefix("#/$defs/")
            return {**value, "$ref": f"#/$defs/{_NAMES.get(name, name)}"}
        return {key: _words(entry) if key in _WORDS else _renamed(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_renamed(entry) for entry in value]
    return value


_WORDS = ("title", "description")


def _words(text: Any) -> Any:
    """A name as readers know it; a docstring without the indentation of the source."""
    return _NAMES.get(text, cleandoc(text)) if isinstance(text, str) else _renamed(text)


def _observation() -> dict[str, Any]:
    """Any observation; those of a known kind have that kind's shape."""
    return {
        "type": "object",
        "required": list(_OBSERVATION),
        "properties": {"id": {"type": "string"}, "kind": {"type": "string"}, "at_s": {"type": "number"}},
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}},
                "then": {"$ref": f"#/$defs/{known.__name__}"},
            }
            for kind, known in KINDS.items()
        ],
    }


if __name__ == "__main__":
    import sys

    sys.stdout.buffer.write(encode())

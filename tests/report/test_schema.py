"""The JSON Schema: up to date in docs/, true of every document, and strict where the contract promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta

from semscheck.model.observations import KINDS
from semscheck.model.report import Report
from semscheck.report import schema
from semscheck.report.json import encode
from tests.report import reports

STORED = Path(__file__).parents[2] / "docs" / "report.schema.json"


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    document = json.loads(schema.encode())
    meta.validate(document)
    return Draft202012Validator(document)


def test_the_stored_schema_is_not_stale() -> None:
    assert STORED.read_bytes() == schema.encode(), (
        "write it anew: python -m semscheck.report.schema > docs/report.schema.json"
    )


@pytest.mark.parametrize("make", reports.ALL, ids=lambda make: make.__name__)
def test_documents_are_valid(make: Callable[[], Report], validator: Draft202012Validator) -> None:
    assert [error.message for error in validator.iter_errors(json.loads(encode(make())))] == []


def _document() -> dict[str, Any]:
    """A valid one with few observations, since each is held against every kind."""
    document: dict[str, Any] = json.loads(encode(reports.round_robin()))
    return document | {"observations": document["observations"][:4]}


def _without(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


def _with(value: object, *path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _without("schema"),
        _without("analysis", "balancing", "paths"),
        _without("analysis", "balancing", "other_share_at_most"),
        _without("analysis", "dns", "min_ttl_s"),
        _without("analysis", "members", 0, "fingerprint"),
        _without("findings", 0, "caused_by"),
        _without("verdicts", 0, "why"),
        _without("run", "duration_s"),
        _without("observations", 0, "kind"),
        _without("observations", 0, "elapsed_s"),
        _with("semscheck/report/2", "schema"),
        _with("psychic", "analysis", "balancing", "method"),
        _with("0", "summary", "exit_code"),
        _with("odd", "findings", 0, "severity"),
        _with(17, "observations", 0, "servers"),
    ],
)
def test_what_breaks_the_contract_is_not_valid(
    change: Callable[[dict[str, Any]], None], validator: Draft202012Validator
) -> None:
    document = _document()
    change(document)
    assert not validator.is_valid(document)


def test_what_a_later_version_adds_is_valid(validator: Draft202012Validator) -> None:
    document = _document()
    document["later"] = document["run"]["later"] = document["observations"][0]["later"] = 1
    document["observations"].append({"id": "q-1", "kind": "quic.handshake", "at_s": 0.0, "elapsed_s": None})
    assert validator.is_valid(document)


def test_every_kind_of_observation_is_described_and_tried() -> None:
    document = schema.document()
    kinds = [
        rule["if"]["properties"]["kind"]["const"] for rule in document["$defs"]["AnyObservation"]["allOf"]
    ]
    assert kinds == list(KINDS)
    tried = {seen.kind for make in reports.ALL for seen in make().observations}
    assert tried == set(KINDS)

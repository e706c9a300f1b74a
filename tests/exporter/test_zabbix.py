"""The packaged Zabbix template is held to the report, to the agent's parameter, and to itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from semscheck.model.findings import EXIT_CODES, State, Status
from semscheck.model.report import Report
from semscheck.model.target import Severity
from semscheck.report.json import encode
from tests.exporter import zabbix
from tests.exporter.prometheus import PACKAGED
from tests.report import reports

TRIGGERS = [trigger for item in zabbix.TEMPLATE["items"] for trigger in item.get("triggers", ())]
PROTOTYPE = zabbix.RULE["item_prototypes"][0]


def entities(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in the template."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from entities(inner)


@pytest.mark.parametrize("make", reports.ALL, ids=lambda make: make.__name__)
def test_every_report_has_what_the_items_take(make: Callable[[], Report]) -> None:
    report = json.loads(encode(make()))
    assert zabbix.items(report)["semscheck.exit_code"] == report["summary"]["exit_code"]
    for found in zabbix.discovered(report):
        assert all(isinstance(value, str) for value in found.values())
        assert zabbix.state_of(found["{#CODE}"], report) == State.FOUND


def test_the_scripts_read_fields_that_are_there() -> None:
    report = json.loads(encode(reports.round_robin()))
    rows = {"summary": report["summary"], "one": report["findings"][0], "value": report}
    scripts = [
        text for one in entities(zabbix.TEMPLATE) if "uuid" in one for text in zabbix.steps(one, "JAVASCRIPT")
    ]
    read = [pair for text in scripts for pair in re.findall(r"\b(summary|one)\.(\w+)", text)]
    read += [("value", name) for text in scripts for name in re.findall(r"parse\(value\)\.(\w+)", text)]
    assert {name for _, name in read} >= {"verdict", "headline", "code", "severity", "caused_by", "findings"}
    assert all(name in rows[row] for row, name in read)


def test_the_triggers_speak_the_reports_words() -> None:
    prototype = PROTOTYPE["trigger_prototypes"][0]
    assert re.findall('"(.*?)"', prototype["expression"]) == [State.FOUND]
    assert re.findall('"(.*?)"', prototype["recovery_expression"]) == [State.PASS]
    verdicts = re.findall(r"\^\(?([a-z|]+)\)?:", str(TRIGGERS))
    assert {word for words in verdicts for word in words.split("|")} == set(Status) - {Status.UNKNOWN}
    shown = zabbix.TEMPLATE["valuemaps"][0]["mappings"]
    assert {one["newvalue"]: int(one["value"]) for one in shown} == EXIT_CODES
    [script] = zabbix.steps(zabbix.RULE, "JAVASCRIPT")
    [severities] = re.findall(r"/([a-z|]+)/\.test", script)
    assert severities.split("|") == [Severity.CRITICAL, Severity.WARNING]


def test_the_agent_has_the_parameter_and_every_item_depends_on_it() -> None:
    [key] = re.findall(
        r"^UserParameter=([\w.]+)\[\*\],", (PACKAGED / "zabbix-agent.conf").read_text("utf-8"), re.MULTILINE
    )
    master, *dependent = zabbix.TEMPLATE["items"]
    assert master["key"] == f"{key}[{{$SEMSCHECK.PROFILE}}]"
    for one in (*dependent, zabbix.RULE, PROTOTYPE):
        assert (one["type"], one["master_item"]["key"]) == ("DEPENDENT", master["key"])


def test_what_is_referred_to_is_in_the_template_once() -> None:
    ids = [one["uuid"] for one in entities(zabbix.TEMPLATE) if "uuid" in one]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", one) for one in ids)
    text = (PACKAGED / "zabbix-template.yaml").read_text("utf-8")
    macros = {one["macro"] for one in zabbix.TEMPLATE["macros"]}
    assert set(re.findall(r"\{\$[A-Z.]+\}", text)) == macros
    found = {one["lld_macro"] for one in zabbix.RULE["lld_macro_paths"]}
    assert set(re.findall(r"\{#[A-Z]+\}", text)) == found
    keys = {one["key"] for one in (*zabbix.TEMPLATE["items"], PROTOTYPE)}
    named = re.findall(rf"\(/{re.escape(zabbix.TEMPLATE['template'])}/([^,)]+)", text)
    assert named
    assert set(named) <= keys

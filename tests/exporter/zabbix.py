"""The packaged Zabbix template, and what a server takes by it from a report."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.exporter.prometheus import PACKAGED

TEMPLATE: dict[str, Any] = yaml.safe_load((PACKAGED / "zabbix-template.yaml").read_text("utf-8"))[
    "zabbix_export"
]["templates"][0]
RULE: dict[str, Any] = TEMPLATE["discovery_rules"][0]


def at(path: str, value: Any) -> Any:
    """A JSONPath of names alone."""
    for key in path.removeprefix("$.").split("."):
        value = value[key]
    return value


def steps(entity: dict[str, Any], kind: str) -> list[str]:
    """The parameters of an item's preprocessing of one kind."""
    return [step["parameters"][0] for step in entity.get("preprocessing", ()) if step["type"] == kind]


def items(report: dict[str, Any]) -> dict[str, Any]:
    """The value of every item that is a JSONPath, by key."""
    return {item["key"]: at(path, report) for item in TEMPLATE["items"] for path in steps(item, "JSONPATH")}


def discovered(report: dict[str, Any]) -> list[dict[str, str]]:
    """The macros of every finding."""
    paths = {entry["lld_macro"]: entry["path"] for entry in RULE["lld_macro_paths"]}
    return [{macro: at(path, one) for macro, path in paths.items()} for one in report["findings"]]


def state_of(code: str, report: dict[str, Any]) -> str:
    """The value of the item that is discovered for a rule."""
    [path] = steps(RULE["item_prototypes"][0], "JSONPATH")
    read = re.fullmatch(r'\$\.(\w+)\[\?\(@\.(\w+) == "\{#CODE\}"\)\]\.(\w+)\.first\(\)', path)
    assert read, path
    listed, key, wanted = read.groups()
    return next(str(one[wanted]) for one in report[listed] if one[key] == code)

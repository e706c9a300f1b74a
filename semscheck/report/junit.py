"""The report as a JUnit test suite: a case per rule of the catalogue.

Found critical or warning: a failure. Crashed, or found that it could not be determined: an error. Not observed:
skipped. Passed, or found something only worth knowing: passed, with what was found as output.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET  # only writes here; nothing from outside is parsed
from collections.abc import Mapping, Sequence

from semscheck.model.findings import Finding, State, Verdict
from semscheck.model.report import Report
from semscheck.model.target import Severity
from semscheck.report.escape import one_line, visible, xml_text
from semscheck.report.story import story


def render(report: Report, names: Mapping[str, str] | None = None) -> str:
    """An XML document with one test suite, as JUnit's Ant task writes it and CI systems read it.

    names: of the rules by code, from the catalogue; a case has one name whether it fails or not, so that CI
    systems follow it from run to run.
    """
    cases = [
        _case(verdict, [found for found in report.findings if found.code == verdict.code], names or {})
        for verdict in report.verdicts
    ]
    suite = ET.Element("testsuite", _attributes(report, cases))
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(report):
        ET.SubElement(properties, "property", name=name, value=xml_text(one_line(value, 500)))
    suite.extend(cases)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    document = ET.tostring(root, encoding="unicode", xml_declaration=False)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{visible(document, chr(10))}\n'


def _attributes(report: Report, cases: Sequence[ET.Element]) -> dict[str, str]:
    def having(kind: str) -> str:
        return str(sum(case.find(kind) is not None for case in cases))

    duration = report.run.duration_s
    return {
        "name": xml_text(one_line(f"semscheck {report.target.fqdn}", 300)),
        "tests": str(len(cases)),
        "failures": having("failure"),
        "errors": having("error"),
        "skipped": having("skipped"),
        "timestamp": f"{report.run.started:%Y-%m-%dT%H:%M:%S}",
        "hostname": xml_text(one_line(report.run.vantage.host, 200)),
        **({} if duration is None else {"time": f"{duration:.3f}"}),
    }


def _properties(report: Report) -> list[tuple[str, str]]:
    return [
        ("version", f"{report.tool.name} {report.tool.version}"),
        ("run", report.run.id),
        ("verdict", report.summary.verdict.value),
        ("headline", report.summary.headline),
        *((line.label.lower(), line.text) for line in story(report) if line.label),
        ("finished", "no" if report.run.finished is None else "yes"),
    ]


def _case(verdict: Verdict, found: Sequence[Finding], names: Mapping[str, str]) -> ET.Element:
    code = xml_text(one_line(verdict.code, 20))
    name = f"{code} {xml_text(one_line(names.get(verdict.code, ''), 60))}".strip()
    case = ET.Element("testcase", classname=f"semscheck.{code[:3]}", name=name)
    if verdict.state is State.CRASHED:
        _outcome(case, "error", "crashed", verdict.why or "crashed")
    elif verdict.state is State.NOT_OBSERVED:
        ET.SubElement(case, "skipped", message=_message(verdict.why or "not observed"))
    elif found:
        _found(case, found)
    return case


def _found(case: ET.Element, found: Sequence[Finding]) -> None:
    severities = {entry.severity for entry in found}
    text = "\n\n".join(_words(entry) for entry in found)
    worst = next((entry for level in _BAD for entry in found if entry.severity is level), None)
    if worst is not None:
        _outcome(case, "failure", worst.severity.value, worst.summary, text)
    elif Severity.UNKNOWN in severities:
        _outcome(case, "error", "unknown", found[0].summary, text)
    else:
        ET.SubElement(case, "system-out").text = xml_text(text)


_BAD = (Severity.CRITICAL, Severity.WARNING)


def _outcome(case: ET.Element, kind: str, type_: str, message: str, text: str = "") -> None:
    element = ET.SubElement(case, kind, type=type_, message=_message(message))
    element.text = xml_text(text) if text else None


def _message(text: str) -> str:
    return xml_text(one_line(text, 500))


def _words(found: Finding) -> str:
    where = (
        found.subject.name
        if found.subject.address is None
        else f"{found.subject.name} {found.subject.address}"
    )
    return (
        f"{found.severity.value}, {found.confidence.value}, {found.owner.value}: {one_line(where, 300)}\n"
        f"{one_line(found.summary, 1000)}\nWhat to do: {one_line(found.remedy, 1000)}"
    )

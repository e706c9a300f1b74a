"""Names that a run made up, told from those of servers."""

from __future__ import annotations

import json
from dataclasses import replace

from semscheck.model.labels import Label, LabelKind, labels_among
from semscheck.model.target import Member, Target
from semscheck.report.json import decode, encode
from tests.report import reports

TARGET = Target(fqdn="keys.example.com", members=(Member("sems1.example.com"), Member("server B")))


def test_names_by_number() -> None:
    assert [LabelKind.SERVER.name_of(at) for at in (0, 25, 26)] == ["server A", "server Z", "server AA"]


def test_a_label_has_a_kind_and_a_letter_and_a_servers_name_is_none() -> None:
    names = [
        "server A",
        "server B",
        "page C",
        "sems1.example.com",
        "server a",
        "server",
        "rack A",
        "server A",
    ]
    assert labels_among(names, TARGET) == (
        Label("server A", LabelKind.SERVER, "A"),
        Label("page C", LabelKind.PAGE, "C"),
    )


def test_a_report_that_lists_no_labels_is_read_with_them() -> None:
    report = reports.round_robin()
    path = report.analysis.paths[0]
    share = replace(path.members[0], name="member A")
    path = replace(path, members=(share,))
    report = replace(report, analysis=replace(report.analysis, paths=(path,), balancing=path))
    document = json.loads(encode(report))
    del document["analysis"]["labels"]
    assert Label("member A", LabelKind.MEMBER, "A") in decode(json.dumps(document).encode()).analysis.labels

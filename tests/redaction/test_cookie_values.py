"""Results that are kept hold no value of a cookie."""

from __future__ import annotations

from dataclasses import replace

from semscheck.model.observations import Exchange
from semscheck.redaction.cookie_values import without_cookie_values
from semscheck.report import json
from tests.report import reports

SECRET, OTHER = "3f9a-session-of-somebody", "B7E1-another"


def test_values_go_and_equality_stays() -> None:
    report = reports.round_robin()
    page = next(seen for seen in report.observations if isinstance(seen, Exchange))
    pages = tuple(
        replace(
            page,
            id=f"x{number}",
            headers=(("Set-Cookie", f"JSESSIONID={value}; Path=/"), ("Server", "nginx")),
        )
        for number, value in enumerate((SECRET, SECRET, OTHER))
    )
    kept = without_cookie_values(replace(report, observations=(*report.observations, *pages)))
    one, two, three = (seen.headers for seen in kept.observations[-3:] if isinstance(seen, Exchange))
    assert one == two != three
    assert one[0][1].startswith("JSESSIONID=")
    assert one[0][1].endswith("; Path=/")
    assert one[1] == ("Server", "nginx")
    text = json.encode(kept).decode()
    assert SECRET not in text
    assert OTHER not in text

"""The self-test: it passes where everything is there, and says what is not."""

from __future__ import annotations

import sys

import pytest

from semscheck import selftest
from semscheck.cli.main import main


@pytest.fixture(autouse=True)
def own_trust(monkeypatch):
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.slow
def test_everything_works_here(capsys):
    code = main(["selftest"])
    said = capsys.readouterr()
    assert code == 0, said.out
    lines = said.out.splitlines()
    assert lines[-1] == "everything works"
    assert [line.split()[1] for line in lines[:-1]] == [name for name, _ in selftest.STEPS]


def test_a_missing_part_is_named_and_the_rest_is_tried(monkeypatch, capsys, tmp_path):
    """As in a package that lacks a module and a library."""
    monkeypatch.setitem(sys.modules, "semscheck.report.text.cards", None)
    steps = [step for step in selftest.STEPS if step[0] in ("program", "explain", "trust")]
    monkeypatch.setattr(selftest, "STEPS", tuple(steps))
    assert main(["selftest"]) == 2
    said = capsys.readouterr()
    marks = {line.split()[1]: line.split()[0] for line in said.out.splitlines()}
    assert marks == {"program": "ok", "trust": "ok", "explain": "BROKEN"}
    assert "semscheck.report.text.cards" in said.out
    assert "explain" in said.err


def test_a_lab_that_did_not_end_breaks_what_builds_on_it(tmp_path):
    bench = selftest.Bench(tmp_path)
    for name in ("DNS", "TLS", "HTTP", "tracing", "export"):
        step = dict(selftest.STEPS)[name]
        with pytest.raises(selftest.BrokenError, match="there is no report"):
            step(bench)


def test_the_exporters_libraries_may_be_absent_only_from_source(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for name in [name for name in sys.modules if name.startswith("semscheck.exporter")]:
        monkeypatch.delitem(sys.modules, name)
    bench = selftest.Bench(None)  # type: ignore[arg-type]
    assert "without the exporter's libraries (uvicorn)" in dict(selftest.STEPS)["modules"](bench)
    for name in [name for name in sys.modules if name.startswith("semscheck.exporter")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(selftest.BrokenError, match="uvicorn"):
        dict(selftest.STEPS)["modules"](bench)


def test_quiet_says_only_what_does_not_work(monkeypatch, capsys):
    monkeypatch.setattr(selftest, "STEPS", (("program", selftest.STEPS[0][1]),))
    assert main(["selftest", "--quiet"]) == 0
    assert capsys.readouterr().out == ""

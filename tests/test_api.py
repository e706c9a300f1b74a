"""The Python API, and the examples of its page."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import semscheck
from semscheck.lab.cluster import LabThread
from semscheck.lab.scenarios import SCENARIOS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A healthy lab with its profile, and the settings that a lab needs: its name server."""
    folder = tmp_path_factory.mktemp("api")
    with LabThread(SCENARIOS["healthy"].world) as thread:
        path = thread.lab.ca_file.with_name("profile.toml")
        path.write_text(thread.lab.profile_toml(ca_file="ca.pem"), encoding="utf-8")
        yield SimpleNamespace(path=path, resolvers=thread.lab.resolvers, fqdn=thread.lab.fqdn, folder=folder)


def test_importing_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, semscheck; print(sorted(name for name in sys.modules if name.startswith('semscheck')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "['semscheck']"
    assert set(semscheck.__all__) <= set(dir(semscheck))
    with pytest.raises(AttributeError, match="no_such_name"):
        semscheck.no_such_name  # noqa: B018


@pytest.mark.slow
def test_a_check_saved_replayed_and_compared(profile: SimpleNamespace) -> None:
    report = semscheck.check(profile=profile.path, resolver=profile.resolvers, spread=0)
    assert report.summary.verdict == semscheck.Status.OK
    path = profile.folder / "report.json"
    semscheck.save(report, path)
    assert semscheck.load(path).summary == report.summary
    assert semscheck.replay(path).summary.verdict == report.summary.verdict
    assert semscheck.compare([report, path]).exit_code == 0


@pytest.mark.slow
async def test_inside_a_running_loop_both_ways(profile: SimpleNamespace) -> None:
    asyncio.get_running_loop()
    aim = semscheck.target(profile=profile.path, resolver=profile.resolvers, connections=1, spread=0)
    events: list[object] = []
    report = await semscheck.check_async(aim, listener=events.append)
    assert events
    assert semscheck.check(aim).target == report.target


def test_a_check_that_fails_is_a_report() -> None:
    report = semscheck.check("keys.example.test", resolver=["127.0.0.1:9"], deadline=2, timeout=0.3)
    assert report.summary.exit_code in (2, 3)


def test_members_are_text_or_values() -> None:
    value = semscheck.Member("sems2.example.com")
    aim = semscheck.target("https://keys.example.com:8443/", members=["sems1.example.com=192.0.2.11,", value])
    assert (aim.fqdn, aim.port) == ("keys.example.com", 8443)
    assert [member.name for member in aim.members] == ["sems1.example.com", "sems2.example.com"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"fqdn": "keys..example"}, "no host name"),
        ({"fqdn": "keys.example.com", "prot": 1}, "prot: there is no such setting"),
        ({"fqdn": "keys.example.com", "port": 0}, "0 is no port"),
        ({"profile": "/nonexistent.toml"}, "no such file"),
        ({}, "no server name was given"),
    ],
)
def test_bad_input_is_an_error_in_one_sentence(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(semscheck.Error, match=words) as caught:
        semscheck.check(**arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_saved_reports_that_are_none() -> None:
    with pytest.raises(semscheck.Error, match="no such file"):
        semscheck.replay("/nonexistent.json")
    with pytest.raises(semscheck.Error, match="two reports"):
        semscheck.compare([])


def _examples() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


@pytest.mark.slow
def test_the_examples_of_the_page_run(profile: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand, but for the lab's profile and name server in place of a real cluster's."""
    real = semscheck.check

    def in_the_lab(*_: object, **__: object) -> semscheck.Report:
        return real(profile=profile.path, resolver=profile.resolvers, spread=0, connections=4)

    monkeypatch.setattr(semscheck, "check", in_the_lab, raising=False)
    monkeypatch.setattr(semscheck, "save", lambda report, path: None, raising=False)
    first, cron, cell, own_test = _examples()
    exec(first, {})
    with pytest.raises(SystemExit) as ended:
        exec(cron, {})
    assert ended.value.code in (0, 3)
    exec(cell, {"semscheck": semscheck})
    names: dict[str, object] = {}
    exec(own_test, names)
    test = names["test_the_key_servers_fail_over_and_do_not_rotate"]
    assert callable(test)
    test()

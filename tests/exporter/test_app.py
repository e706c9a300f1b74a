"""The routes over real connections; the runs are played."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from semscheck.report import json as report_json
from tests.exporter.stand import Play, serving, until, write_config
from tests.report import reports

HEALTHY = {"/-/healthy": 200, "/-/ready": 200}


async def test_a_probe_gives_the_targets_metrics(tmp_path: Path) -> None:
    play = Play()
    async with serving(write_config(tmp_path), play) as (_, client):
        answer = await client.probe()
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.value('semscheck_verdict{verdict="critical"}') == 1
    assert answer.value('semscheck_run_cut{cause="deadline"}') == 0
    assert answer.value("semscheck_probe_shared") == 0
    assert [target.fqdn for target in play.runs] == ["keys.example.com"]
    assert "target=" not in answer.text  # Prometheus sets that label


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("?target=other", 404, 'no target is called "other"'),
        ("?target=127.0.0.1:22", 404, "no target"),
        ("?target=keys&target=keys", 400, "more than once"),
        ("?target=keys&target=other", 400, "more than once"),
        ("?target=", 400, "empty"),
        ("?target", 400, "not /probe?target=NAME"),
        ("", 400, "a target is needed"),
        ("?target=keys&module=http", 400, 'unknown parameter "module"'),
        ("?" + "&".join(["target=keys"] * 20), 400, "not /probe?target=NAME"),
        ("?target=%ff%fe", 400, "not /probe?target=NAME"),
        ("?target=%00", 404, "\\x00"),
        ("?target=%1b%5b31m", 404, "\\x1b"),
        ("?target=keys%0aother", 404, "no target"),
    ],
)
async def test_what_is_no_target_is_refused(tmp_path: Path, query: str, status: int, words: str) -> None:
    play = Play()
    async with serving(write_config(tmp_path), play) as (_, client):
        answer = await client.get(f"/probe{query}")
        healthy = await client.get("/-/healthy")
    assert (answer.status, healthy.status) == (status, 200)
    assert words in answer.text
    assert "\x1b" not in answer.text
    assert not play.runs


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf", "ten", "", "1" * 60])
async def test_a_scrape_time_out_that_is_none_is_refused(tmp_path: Path, given: str) -> None:
    play = Play()
    async with serving(write_config(tmp_path), play) as (_, client):
        answer = await client.get("/probe?target=keys", {"X-Prometheus-Scrape-Timeout-Seconds": given})
    assert answer.status == 400
    assert not play.runs


async def test_methods_and_unknown_paths(tmp_path: Path) -> None:
    async with serving(write_config(tmp_path), Play()) as (exporter, client):
        for path in ("/probe?target=keys", "/metrics", "/", "/-/healthy", "/-/ready"):
            assert (await client.get(path, method="DELETE")).status == 405, path
            head = await client.get(path, method="HEAD")
            assert (head.status, head.body) == (200, b""), path
        assert (await client.get("/etc/passwd")).status == 404
        assert (await client.get("/reports/../exporter.toml")).status == 404
        metrics = await client.get("/metrics")
    assert metrics.value('semscheck_exporter_http_requests_total{code="404",route="other"}') == 1
    assert exporter.metrics.value("semscheck_exporter_http_requests_total", route="/probe", code="405") == 1


async def test_health_and_readiness(tmp_path: Path) -> None:
    async with serving(write_config(tmp_path), Play()) as (_, client):
        assert {path: (await client.get(path)).status for path in HEALTHY} == HEALTHY


async def test_the_status_page_shows_the_last_run_with_its_evidence(tmp_path: Path) -> None:
    play = Play()
    async with serving(write_config(tmp_path, names=("keys", "quiet")), play) as (_, client):
        before = await client.get("/")
        await client.probe()
        page = await client.get("/")
        evidence = await client.get("/reports/0001.json")
        html = await client.get("/reports/0001.html")
        gone = await client.get("/reports/0002.json")
        latest = await client.get("/report?target=keys")
        never = await client.get("/report?target=quiet")
    assert "no run yet" in before.text
    assert play.report.summary.headline[:40] in page.text.replace("&#39;", "'")
    assert latest.text == html.text
    assert never.status == 404
    assert 'href="reports/0001.html"' in page.text
    assert page.text.index(">keys<") < page.text.index(">quiet<")  # the worst comes first
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert evidence.headers["content-type"] == "application/json"
    assert json.loads(evidence.body)["run"]["id"] == "0001"
    assert report_json.decode(evidence.body).target.fqdn == "keys.example.com"
    assert html.status == 200
    assert "<h1" in html.text
    assert gone.status == 404


async def test_hostile_names_do_nothing_to_the_page(tmp_path: Path) -> None:
    play = Play(report=reports.hostile())
    async with serving(write_config(tmp_path), play) as (_, client):
        await client.probe()
        page = await client.get("/")
        html = await client.get("/reports/0001.html")
    for text in (page.text, html.text):
        assert "<script" not in text
        assert "\x1b" not in text


async def test_answers_are_compressed_for_who_takes_that(tmp_path: Path) -> None:
    async with serving(write_config(tmp_path), Play()) as (_, client):
        plain = await client.probe()
        packed = await client.get("/probe?target=keys", {"Accept-Encoding": "deflate, gzip;q=0.5"})
        refused = await client.get("/probe?target=keys", {"Accept-Encoding": "gzip;q=0"})
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in refused.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.value("semscheck_up") == plain.value("semscheck_up")
    assert int(packed.headers["content-length"]) < len(plain.body) / 3


async def test_a_target_that_cannot_be_used_any_more_is_an_error(tmp_path: Path) -> None:
    play = Play(error=FileNotFoundError(2, "No such file or directory", "corp-root.pem"))
    async with serving(write_config(tmp_path), play) as (_, client):
        answer = await client.probe()
        metrics = await client.get("/metrics")
        page = await client.get("/")
    assert answer.status == 500
    assert "corp-root.pem" in answer.text
    assert metrics.value('semscheck_exporter_runs_total{result="failed"}') == 1
    assert metrics.value('semscheck_exporter_scrapes_total{result="error"}') == 1
    assert "corp-root.pem" in page.text


async def test_a_defect_of_ours_is_an_error_and_said(tmp_path: Path) -> None:
    play = Play(error=ZeroDivisionError("division by zero"))
    async with serving(write_config(tmp_path), play) as (_, client):
        answer = await client.probe()
        assert (await client.get("/-/healthy")).status == 200
    assert answer.status == 500
    assert "ZeroDivisionError" in answer.text
    assert any("Traceback" in words for words in play.said)


async def test_the_exporters_own_metrics_count(tmp_path: Path) -> None:
    async with serving(write_config(tmp_path), Play()) as (_, client):
        await client.probe()
        await client.probe()
        await client.probe("other")
        metrics = await client.get("/metrics")
    assert metrics.value('semscheck_exporter_runs_total{result="whole"}') == 2
    assert metrics.value("semscheck_exporter_run_seconds_count") == 2
    assert metrics.value('semscheck_exporter_run_seconds_bucket{le="+Inf"}') == 2
    assert metrics.value("semscheck_exporter_runs_in_flight") == 0
    assert metrics.value("semscheck_exporter_kept_reports") == 2
    assert metrics.value('semscheck_exporter_http_requests_total{code="404",route="/probe"}') == 1
    assert (metrics.value("process_cpu_seconds_total") or 0) > 0
    rule = 'semscheck_rule_info{code="BAL001",name="round-robin",owner="balancer",severity="critical"}'
    assert metrics.value(rule) == 1


async def test_while_it_ends_it_is_not_ready_and_takes_no_probe(tmp_path: Path) -> None:
    play = Play(hold=True)
    async with serving(write_config(tmp_path), play) as (exporter, client):
        probe = asyncio.create_task(client.probe())
        await until(lambda: play.runs)
        await exporter.__aexit__(None, None, None)
        answer = await probe
    assert answer.status == 200  # what was measured until then
    assert answer.value("semscheck_up") == 0
    assert answer.value('semscheck_run_cut{cause="cancelled"}') == 1


async def test_a_name_in_another_script_stands_both_ways_on_the_status_page(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    (tmp_path / "keys.toml").write_text('[target]\nfqdn = "schlüssel.example.com"\n', encoding="utf-8")
    async with serving(config, Play()) as (_, client):
        await client.probe()
        page = await client.get("/")
    assert page.text.count("schlüssel.example.com (xn--schlssel-95a.example.com)") == 2

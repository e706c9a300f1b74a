"""Rules that hold for every test, as a pytest plugin; `tests/conftest.py` loads it.

- Nothing in the environment redirects trust or traffic.
- A test that meets `MissingError`, a program or privilege that is not here, is skipped.
- With CI=true a test on real parts must run: skipping it is a failure.
- A failed test shows the logs of the servers that ran meanwhile.
- What was imported and collected is no garbage, and is not looked through for any again and again.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from typing import Any

import hypothesis
import pytest

from semscheck.model.target import Thresholds
from tests.rig.process import MissingError, running_since

# SSL_CERT_FILE and its like make tests of trust pass for the wrong reason; proxies send traffic elsewhere.
REDIRECTING = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSLKEYLOGFILE",
    "OPENSSL_CONF",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "LOCALDOMAIN",
    "RES_OPTIONS",
    "HOSTALIASES",
)
for _name in REDIRECTING:
    os.environ.pop(_name, None)

# A busy machine is slow, not wrong: what is found slow has tests of its own, on times that are written down.
PATIENT = Thresholds(lookup_slow_s=600, connect_slow_s=600, handshake_slow_s=600, page_slow_s=600)
PATIENT_TOML = """
[limits]
deadline_s = 300

[thresholds]
lookup_slow_s = 600
connect_slow_s = 600
handshake_slow_s = 600
page_slow_s = 600
"""

# For the same reason no example has a deadline; the example database would be a file in the repository.
hypothesis.settings.register_profile("semscheck", deadline=None, max_examples=60, database=None)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=2_000, database=None)
hypothesis.settings.register_profile("quick", deadline=None, max_examples=25, database=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "semscheck"))


def examples(number: int) -> int:
    """So many examples of a property that takes more than usual; as few as of any other in `make quick`."""
    return min(number, 25) if os.environ.get("HYPOTHESIS_PROFILE") == "quick" else number


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _is_real_run() -> bool:
    return os.environ.get("CI", "").lower() == "true"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.excinfo is not None and call.excinfo.errisinstance(MissingError):
        path, line, _ = item.location
        report.outcome = "skipped"
        report.longrepr = (path, (line or 0) + 1, f"Skipped: {call.excinfo.value}")
    if report.failed:
        report.sections += [(f"log of {server.name}", server.log()) for server in running_since(call.start)]
    if (
        report.skipped
        and not hasattr(report, "wasxfail")
        and item.get_closest_marker("real")
        and _is_real_run()
    ):
        report.outcome = "failed"
        report.longrepr = f"skipped, though CI=true wants every test on real parts to run: {_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if not (report.skipped and _is_real_run() and isinstance(collector, pytest.Module)):
        return report
    # The whole file left itself out, so that its markers were never seen; its text still shows them.
    if "mark.real" in collector.path.read_text(encoding="utf-8"):
        report.outcome = "failed"
        report.longrepr = f"left out, though CI=true wants every test on real parts to run: {_reason(report)}"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)

"""Every kind of fact can be read, in a line and whole, whatever is in it."""

from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.observations import KINDS, Certificate, Exchange, Handshake
from semscheck.tui import facts
from tests.tui import reports

BY_ID = {it.id: it for it in reports.observations()}
CERTIFICATES = {it.fingerprint: it for it in reports.observations() if isinstance(it, Certificate)}
FILLED = {
    "at_s": 1.5,
    "port": 443,
    "index": 0,
    "seen": 3,
    "used": 2,
    "state": "open",
    "arm": "fresh",
    "reason": "deadline",
}


def made(kind: type) -> object:
    """An observation of this kind with nothing in it but what it must have."""
    needed = [it.name for it in fields(kind) if it.default is MISSING and it.default_factory is MISSING]
    return kind(**{name: FILLED.get(name, f"{name}-value") for name in needed})


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_has_a_line_a_title_and_a_whole(kind):
    it = made(kind)
    line = facts.one(it)
    assert line
    assert "\n" not in line
    assert line != kind.__name__, "said in words, not by its type"
    assert facts.subject_of(it) != it.kind
    whole = facts.all_of(it, {})
    assert f"id: {it.id}" in whole
    for entry in fields(kind):
        if entry.default is None and entry.name not in {"der", "failure"}:
            assert any(row.endswith(": not measured") for row in whole)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_failure_is_said(kind):
    if "failure" in {it.name for it in fields(kind)}:
        it = replace(made(kind), failure=Failure(Phase.CONNECT, Cause.REFUSED, "Connection refused", 111))
        assert "connection refused" in facts.one(it)
        assert any("errno 111" in row for row in facts.all_of(it, {}))


def test_a_chain_is_shown_as_pem_and_what_is_missing_is_said():
    whole = facts.all_of(replace(BY_ID["tls-1"], chain=(*BY_ID["tls-1"].chain, "00" * 32)), CERTIFICATES)
    assert whole.count("-----BEGIN CERTIFICATE-----") == 2
    assert "0 s:CN=keys.example.com,O=Example" in whole
    assert any("was not kept" in row for row in whole)


def test_the_pem_is_the_certificate():
    import base64

    it = BY_ID["crt-shared"]
    whole = facts.all_of(it, {})
    body = "".join(whole[1 : whole.index("-----END CERTIFICATE-----")])
    assert base64.b64decode(body) == it.der


def test_a_redacted_certificate_says_so():
    assert "(the certificate itself was not kept)" in facts.all_of(replace(BY_ID["crt-shared"], der=None), {})


def test_an_answer_reads_like_digs():
    whole = facts.all_of(BY_ID["dns-1"], {})
    assert "keys.example.com. 300 IN CNAME vip.example.com." in whole
    assert "vip.example.com. 300 IN A 192.0.2.100" in whole


def test_headers_are_shown_in_their_order():
    whole = facts.all_of(BY_ID["http-1"], {})
    assert whole.index("< Server: Apache") < whole.index("< Date: Sun, 22 Nov 2026 09:30:02 GMT")


def test_times_are_utc():
    it = replace(BY_ID["crt-shared"], not_after=datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert "not after: 2027-01-02 03:04:05 UTC" in facts.all_of(it, {})


@given(st.text(max_size=300))
def test_hostile_text_is_harmless(text):
    it = Exchange(
        id="x", at_s=0.0, address=text, port=1, host=text, status=200, headers=((text, text),), title=text
    )
    shown = Handshake(id="y", at_s=0.0, address=text, port=1, version=text, chain=(text,))
    for rows in ([facts.one(it)], facts.all_of(it, {}), [facts.one(shown)], facts.all_of(shown, {})):
        assert all(row.isprintable() for row in rows)


def test_an_endless_fact_ends():
    it = replace(BY_ID["http-1"], headers=(("a", "b" * 10_000),) * 5000)
    whole = facts.all_of(it, {})
    assert len(whole) == facts.MAX_LINES + 1
    assert whole[-1].startswith("…")
    assert max(map(len, whole)) <= 2000

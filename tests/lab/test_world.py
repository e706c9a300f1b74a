"""Declarations that contradict themselves are refused; scenarios say what they are."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from semscheck.lab.balancers.cookies import value
from semscheck.lab.balancers.hello import CLIENT_HELLO, SERVER_HELLO, session_id, whole
from semscheck.lab.place import Endpoint
from semscheck.lab.scenarios import FQDN, SCENARIOS, members
from semscheck.lab.world import Balancer, Behaviour, CookieStyle, Dns, Persistence, TlsEnd, World


@pytest.mark.parametrize(
    "fields",
    [
        {"members": ()},
        {"members": (*members(1), *members(1))},
        {"members": members(13)},
        {"dns": Dns(points_to=("nobody",))},
        {"dns": Dns(points_to=("balancer2",))},
        {"balancer": None},
        {"balancer": Balancer(pool=("nobody",))},
        {"balancer": Balancer(weights=(1, 2))},
        {"balancer": Balancer(weights=(1, 2, 0))},
        {"balancer": Balancer(persistence=Persistence.COOKIE)},
        {"balancer": Balancer(per_request=True)},
        {"balancer": Balancer(behaviour=Behaviour.HTTP_SILENT)},
        {"balancer": Balancer(behaviour=Behaviour.OTHER_PRODUCT, tls_end=TlsEnd.PLAIN)},
        {"balancer": Balancer(tls_end=TlsEnd.PLAIN, persistence=Persistence.TLS_SESSION)},
    ],
)
def test_contradictions_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="world w:"):
        replace(World("w", "s", FQDN, members(3)), **fields)  # type: ignore[arg-type]


def test_scenarios_have_a_name_a_sentence_and_codes() -> None:
    assert len(SCENARIOS) >= 35
    for name, scenario in SCENARIOS.items():
        assert re.fullmatch(r"[a-z0-9-]{3,40}", name)
        assert scenario.sentence[0].isupper()
        assert scenario.sentence.endswith(".")
        assert len(scenario.sentence) <= 110
        assert all(re.fullmatch(r"[A-Z]{3}[0-9]{3}", code) for code in scenario.expect)
        assert scenario.verdict in ("ok", "warning", "critical", "unknown", None)
        assert scenario.world.name == name


def test_listing_scenarios_loads_nothing_heavy() -> None:
    program = (
        "import sys, semscheck.lab.scenarios;"
        "print([n for n in ('ssl', 'cryptography', 'dns', 'asyncio', 'httpx') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=20
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("style", "address", "port", "expected"),
    [  # vectors of docs/domain.md section 4
        (CookieStyle.BIGIP, "10.1.1.100", 8080, "1677787402.36895.0000"),
        (CookieStyle.BIGIP, "172.18.234.134", 50443, "2263487148.3013.0000"),
        (CookieStyle.BIGIP, "192.0.2.11", 443, "184680640.47873.0000"),
        (CookieStyle.NETSCALER, "192.0.2.11", 443, "ffffffffc3081c1a45525d5f4f58455e445a4a42378b"),
        (CookieStyle.A10, "192.0.2.11", 443, "ALACAAMALLAB"),
        (CookieStyle.A10, "172.18.9.130", 8443, "ICAJBCKMPLCA"),
        (CookieStyle.BARRACUDA, "10.65.198.34", 443, "00000000000000000000000022c6410a0000bb01"),
    ],
)
def test_cookies_are_made_as_their_vendors_make_them(
    style: CookieStyle, address: str, port: int, expected: str
) -> None:
    assert value(style, "any", Endpoint(address, port)) == expected


def test_session_ids_are_read_from_the_first_message() -> None:
    sid = bytes(range(32))
    body = b"\x03\x03" + b"R" * 32 + b"\x20" + sid + b"\x00\x02\x13\x01"
    for kind in (CLIENT_HELLO, SERVER_HELLO):
        record = b"\x16\x03\x01" + (len(body) + 4).to_bytes(2, "big") + bytes([kind, 0, 0, len(body)]) + body
        assert session_id(record, kind) == sid
        assert session_id(record, 3 - kind) is None
        assert whole(record)
        assert not whole(record[:-1])
        assert not whole(record[:3])
        for cut in range(len(record)):
            session_id(record[:cut], kind)
    assert whole(b"GET / HTTP/1.1")
    assert session_id(b"", CLIENT_HELLO) is None

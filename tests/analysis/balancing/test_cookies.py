"""Balancer cookies: the published vectors, vectors made with documentation addresses, and hostile values."""

from __future__ import annotations

import random
import uuid
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.analysis.balancing.cookies import (
    BalancerCookie,
    BalancerVendor,
    Basis,
    CookieKind,
    Strength,
    classify_cookie,
    decode_cookie,
    haproxy_prefix,
    jvm_route,
)


def decoded(name: str, value: str) -> BalancerCookie:
    cookie = decode_cookie(name, value)
    assert cookie is not None
    return cookie


# --- values that decode to an address --------------------------------------------------------------------

# name, value, vendor, identity
EXACT = [
    # F5 K6917, and the tests of published decoders
    ("BIGipServersems", "1677787402.36895.0000", BalancerVendor.F5, "10.1.1.100:8080"),
    ("BIGipServersems", "2263487148.3013.0000", BalancerVendor.F5, "172.18.234.134:50443"),
    ("BIGipServersems", "4225695754.20480.0000", BalancerVendor.F5, "10.0.223.251:80"),
    ("BIGipServersems", "2064452106.47873.0000", BalancerVendor.F5, "10.10.13.123:443"),
    ("BIGipServersems", "rd5o00000000000000000000ffffc0000201o80", BalancerVendor.F5, "192.0.2.1%5:80"),
    (
        "BIGipServersems",
        "vi20010112000000000000000000000030.20480",
        BalancerVendor.F5,
        "[2001:112::30]:80",
    ),
    (
        "BIGipServersems",
        "rd3o20010112000000000000000000000030o80",
        BalancerVendor.F5,
        "[2001:112::30]%3:80",
    ),
    # made with documentation addresses
    ("BIGipServersems", "184680640.47873.0000", BalancerVendor.F5, "192.0.2.11:443"),
    ("BIGipServersems", "201457856.47873.0000", BalancerVendor.F5, "192.0.2.12:443"),
    ("BIGipServersems", "358888390.47873.0000", BalancerVendor.F5, "198.51.100.21:443"),
    ("BIGipServersems", '"184680640.47873.0000"', BalancerVendor.F5, "192.0.2.11:443"),
    # a name of the administrator's choice
    ("LBSESSIONID", "184680640.47873.0000", BalancerVendor.F5, "192.0.2.11:443"),
    # published with the NetScaler decoder
    (
        "NSC_Qspe-xxx.bwjwb.dp.vl-IUUQ",
        "ffffffff50effd8445525d5f4f58455e445a4a423660",
        BalancerVendor.CITRIX,
        "83.231.227.149:80",
    ),
    (
        "NSC_TFNT-lfzt-iuuqt",
        "ffffffffc3081c1a45525d5f4f58455e445a4a42378b",
        BalancerVendor.CITRIX,
        "192.0.2.11:443",
    ),
    (
        "NSC_TFNT-lfzt-iuuqt",
        "ffffffffc3081c1d45525d5f4f58455e445a4a42378b",
        BalancerVendor.CITRIX,
        "192.0.2.12:443",
    ),
    # public samples, whose group names carry the port
    ("sto-id-47873-finprd_8443", "ICAJBCKMPLCA", BalancerVendor.A10, "172.18.9.130:8443"),
    ("sto-id-47873-icsprd_8510", "CLAJBCKMDOCB", BalancerVendor.A10, "172.18.9.43:8510"),
    ("sto-id-20480", "CBAKBAKMJABP", BalancerVendor.A10, "172.16.10.33:8080"),
    ("sto-id-47873-sems_443", "ALACAAMALLAB", BalancerVendor.A10, "192.0.2.11:443"),
    (
        "BNI_persistence",
        "00000000000000000000000022c6410a0000bb01",
        BalancerVendor.BARRACUDA,
        "10.65.198.34:443",
    ),
    (
        "BNI__BARRACUDA_LB_COOKIE",
        "0000000000000000000000006902c80a00008223",
        BalancerVendor.BARRACUDA,
        "10.200.2.105:9090",
    ),
]


@pytest.mark.parametrize(("name", "value", "vendor", "identity"), EXACT)
def test_values_that_hold_an_address(name: str, value: str, vendor: BalancerVendor, identity: str) -> None:
    cookie = decoded(name, value)
    assert cookie.vendor is vendor
    assert cookie.identity == identity
    assert cookie.strength is Strength.EXACT
    assert cookie.kind is CookieKind.PERSISTENCE
    assert cookie.strength is not Strength.NONE
    assert cookie.discloses_address
    assert cookie.set_in_front


def test_the_port_in_the_a10_group_name_confirms_the_inferred_form() -> None:
    cookie = decoded("sto-id-47873-pcrmweb_8530", "BIAJBCKMFCCB")
    assert cookie.backend_port == 8530
    assert cookie.basis is Basis.INFERRED


def test_the_default_route_domain_is_not_shown_but_known() -> None:
    cookie = decoded("BIGipServersems", "rd0o00000000000000000000ffffc000020bo443")
    assert cookie.route_domain == 0
    assert cookie.identity == "192.0.2.11:443"


@given(address=st.ip_addresses(v=4), port=st.integers(1, 65535), domain=st.integers(0, 65534))
def test_ipv4_forms_encoded_here_decode_to_what_went_in(address: IPv4Address, port: int, domain: int) -> None:
    usable = not (address.is_unspecified or address.is_multicast)
    swapped = int.from_bytes(port.to_bytes(2, "big"), "little")
    packed = address.packed
    letters = "".join(
        chr(ord("A") + int(digit, 16)) for digit in (packed[::-1] + port.to_bytes(2, "little")).hex()
    )
    values = (
        ("BIGipServerp", f"{int.from_bytes(packed, 'little')}.{swapped}.0000"),
        ("BIGipServerp", f"rd{domain}o{'0' * 20}ffff{packed.hex()}o{port}"),
        ("sto-id-47873-p", letters),
        ("BNI_persistence", f"{'0' * 24}{packed[::-1].hex()}0000{port.to_bytes(2, 'little').hex()}"),
        ("NSC_q", f"ffffffff{int(address) ^ 0x03081E11:08x}45525d5f4f58455e445a4a42{port ^ 0x3630:04x}"),
    )
    for name, value in values:
        cookie = decoded(name, value)
        assert (cookie.backend_address, cookie.backend_port) == ((address, port) if usable else (None, None))


@given(address=st.ip_addresses(v=6), port=st.integers(1, 65535))
def test_ipv6_forms_encoded_here_decode_to_what_went_in(address: IPv6Address, port: int) -> None:
    usable = not (address.is_unspecified or address.is_multicast or address.ipv4_mapped)
    if not usable:
        return
    swapped = int.from_bytes(port.to_bytes(2, "big"), "little")
    for value in (f"vi{address.packed.hex()}.{swapped}", f"rd7o{address.packed.hex()}o{port}"):
        cookie = decoded("BIGipServerp", value)
        assert (cookie.backend_address, cookie.backend_port) == (address, port)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BIGipServerp", "4294967296.20480.0000"),  # one above the largest address
        ("BIGipServerp", "9999999999.20480.0000"),
        ("BIGipServerp", "184680640.65536.0000"),  # no port
        ("BIGipServerp", "184680640.0.0000"),
        ("BIGipServerp", "0.20480.0000"),  # no address
        ("BIGipServerp", "3758096384.20480.0000".replace("3758096384", str(0x010000E0))),  # multicast
        ("BIGipServerp", "184680640.47873"),
        ("BIGipServerp", "184680640.47873.00000"),
        ("BIGipServerp", "rd5o00000000000000000000ffffc0000201o80000"),
        ("BIGipServerp", "rd5o00000000000000000000ffffc00002o80"),
        ("BIGipServerp", "vi2001011200000000000000000000003.20480"),
        ("BIGipServerp", "١٨٤٦٨٠٦٤٠.47873.0000"),  # digits, but not ASCII ones
        ("NSC_p", "ffffffffc3081c1a45525d5f4f58455e445a4a42"),  # decodes to port 31858... but is cut
        ("sto-id-443-x", "ALACAAMALLAZ"),
        ("sto-id-443-x", "ALACAAMALLA"),
        ("BNI_persistence", "00000000000000000000000122c6410a0000bb01"),
        ("AlteonP", "zz03b7f2000000000000"),
    ],
)
def test_a_broken_value_under_a_vendors_own_name_still_names_the_vendor(name: str, value: str) -> None:
    cookie = decoded(name, value)
    assert cookie.vendor is not None
    if name != "NSC_p":
        assert cookie.backend_address is None
        assert cookie.strength is not Strength.EXACT


# --- values that do not decode ---------------------------------------------------------------------------

OPAQUE = [
    ("BIGipServersems", "!Wr1bTZmgfPxVTlmI2oaq9S6X1aFKDg==", BalancerVendor.F5, Strength.EQUAL_ONLY),
    (
        "ApplicationGatewayAffinity",
        "0af5d1a0b6a9c4b2e93bd2a5d0e8f1c3",
        BalancerVendor.AZURE_GATEWAY,
        Strength.COMPARABLE,
    ),
    (
        "ApplicationGatewayAffinityCORS",
        "0af5d1a0b6a9c4b2e93bd2a5d0e8f1c3",
        BalancerVendor.AZURE_GATEWAY,
        Strength.COMPARABLE,
    ),
    (
        "ARRAffinity",
        "0af5d1a0b6a9c4b2e93bd2a5d0e8f1c3" * 2,
        BalancerVendor.AZURE_APP_SERVICE,
        Strength.COMPARABLE,
    ),
    (
        "ARRAffinitySameSite",
        "0af5d1a0b6a9c4b2e93bd2a5d0e8f1c3" * 2,
        BalancerVendor.AZURE_APP_SERVICE,
        Strength.COMPARABLE,
    ),
    ("route", "0af5d1a0b6a9c4b2e93bd2a5d0e8f1c3", BalancerVendor.NGINX, Strength.COMPARABLE),
    ("FGTServer", "0AF5D1A0B6A9C4B2E93BD2A5D0E8F1C3" * 3, BalancerVendor.FORTINET, Strength.EQUAL_ONLY),
    ("X-Mapping-fjhppofk", "0AF5D1A0B6A9C4B2E93BD2A5D0E8F1C3", BalancerVendor.PULSE, Strength.EQUAL_ONLY),
    (
        "X-Oracle-BMC-LBS-Route",
        "0af5d1a0b6a9c4b2e93bd2a5d0e8f1c30af5d1a0",
        BalancerVendor.ORACLE,
        Strength.EQUAL_ONLY,
    ),
    ("AlteonP", "Aq1bTZmgfPxVTlmI2oaq9S$$", BalancerVendor.RADWARE, Strength.EQUAL_ONLY),
    ("IBMCBR", "12345:678", BalancerVendor.IBM, Strength.EQUAL_ONLY),
]


@pytest.mark.parametrize(("name", "value", "vendor", "strength"), OPAQUE)
def test_values_to_compare_only(name: str, value: str, vendor: BalancerVendor, strength: Strength) -> None:
    cookie = decoded(name, value)
    assert (cookie.vendor, cookie.strength) == (vendor, strength)
    assert cookie.strength is not Strength.NONE
    assert cookie.identity == value
    assert not cookie.discloses_address


def test_the_two_affinity_cookies_of_azure_agree() -> None:
    value = "0af5d1a0b6a9c4b2e93bd2a5d0e8f1c3"
    assert (
        decoded("ApplicationGatewayAffinity", value).identity
        == decoded("ApplicationGatewayAffinityCORS", value).identity
    )


def test_radwares_old_form_holds_an_address_without_a_port() -> None:
    cookie = decoded("AlteonP", "0a03b7f2000000000000")
    assert cookie.backend_address == IPv4Address("10.3.183.242")
    assert cookie.backend_port is None
    assert cookie.strength is Strength.EQUAL_ONLY  # one sample only
    assert cookie.basis is Basis.INFERRED


NEVER = [
    ("AWSALB", BalancerVendor.AWS),
    ("AWSALBCORS", BalancerVendor.AWS),
    ("AWSALBTG", BalancerVendor.AWS),
    ("AWSALBTGCORS", BalancerVendor.AWS),
    ("AWSALBAPP-0", BalancerVendor.AWS),
    ("AWSELB", BalancerVendor.AWS),
    ("AWSELBCORS", BalancerVendor.AWS),
    ("MRHSession", BalancerVendor.F5),
    ("LastMRH_Session", BalancerVendor.F5),
    ("TS01a2b3c4", BalancerVendor.F5),
    ("TS01a2b3c4_77", BalancerVendor.F5),
    ("NSC_AAAC", BalancerVendor.CITRIX),
    ("NSC_TMAS", BalancerVendor.CITRIX),
    ("NSC_USER", BalancerVendor.CITRIX),
    ("NSC_PERS", BalancerVendor.CITRIX),
    ("BNES_JSESSIONID", BalancerVendor.BARRACUDA),
    ("barra_counter_session", BalancerVendor.BARRACUDA),
    ("FORTIWAFSID", BalancerVendor.FORTINET),
    ("PD-S-SESSION-ID", BalancerVendor.IBM),
    ("PD-H-SESSION-ID", BalancerVendor.IBM),
    ("AMWEBJCT!%2Fjct!JSESSIONID", BalancerVendor.IBM),
    ("visid_incap_1234567", BalancerVendor.IMPERVA),
    ("incap_ses_123_1234567", BalancerVendor.IMPERVA),
    ("nlbi_1234567", BalancerVendor.IMPERVA),
]


@pytest.mark.parametrize("value", ["", "abc", "ffffffffc3081c1a45525d5f4f58455e445a4a42378b", "é" * 20])
def test_cookies_that_name_the_vendor_and_are_never_compared(value: str) -> None:
    for name, vendor in NEVER:
        cookie = decoded(name, value)
        assert (name, cookie.vendor) == (name, vendor)
        assert (name, cookie.strength, cookie.identity) == (name, Strength.NONE, None)
        assert cookie.set_in_front, name


def test_a_virtual_server_whose_name_begins_like_a_device_cookie_is_decoded() -> None:
    value = "ffffffffc3081c1a45525d5f4f58455e445a4a42378b"
    assert decoded("NSC_USER-qppm", value).identity == "192.0.2.11:443"


APPLICATION = [
    ("JSESSIONID", "0A1B2C3D4E5F60718293A4B5C6D7E8F9"),
    ("PHPSESSID", "l3c0k9m2o1q5r7t8u4v6w0x2y4"),
    ("JSESSIONID", "a~b~c d"),
    ("lang", "en"),
    ("lang", "srv1~en"),
    ("route", "start"),
    ("route", "1700000000.123.45.678901|0af5d1a0b6a9c4b2e93bd2a5d0e8f1c3"),
    ("SERVERID", "not a keyword"),
    ("SERVERID", ""),
    ("_ga", "GA1.2.1234567890.1700000000"),
    ("_ga", "1234567890.1700000000"),
    ("TSession", "0a1b2c3d"),
    ("AWSALBUM", "x"),
    ("nlbi_", "x"),
    ("X-Mapping-zzzzzzzz", "0AF5D1A0B6A9C4B2E93BD2A5D0E8F1C3"),
    ("sto-id-", "ALACAAMALLAB"),
    ("BNI", "x"),
    ("", "184680640.47873.0000"),
    ("n" * 300, "184680640.47873.0000"),
    ("PGPUniversal", str(uuid.UUID(int=7))),
]


@pytest.mark.parametrize(("name", "value"), APPLICATION)
def test_an_applications_cookie_is_not_a_balancers(name: str, value: str) -> None:
    assert decode_cookie(name, value) is None


# --- HAProxy and jvmRoute --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "label"),
    [
        ("SERVERID", "sems1", "sems1"),
        ("SRV", "s1", "s1"),
        ("WEBSVR", "1", "1"),
        ("SERVERID", "sems1.example.com", "sems1.example.com"),
        ("SERVERID", "7d3c1f5a9b2e4f60", "7d3c1f5a9b2e4f60"),  # "dynamic"
        ("SERVERID", "sems1|Z1abc|Z1abc", "sems1"),  # "maxidle" and "maxlife" append dates
        ("SERVERID", "sems1|Z1abd|Z1abc", "sems1"),
    ],
)
def test_haproxys_customary_names(name: str, value: str, label: str) -> None:
    cookie = decoded(name, value)
    assert (cookie.vendor, cookie.kind) == (BalancerVendor.HAPROXY, CookieKind.PERSISTENCE)
    assert cookie.identity == cookie.server_label == label
    assert cookie.strength is Strength.COMPARABLE
    assert cookie.basis is Basis.INFERRED


def test_haproxys_prefix_mode_and_what_is_left_behind_it() -> None:
    session = "0A1B2C3D4E5F60718293A4B5C6D7E8F9"
    cookie = decoded("JSESSIONID", f"srv1~{session}.node1")
    assert (cookie.vendor, cookie.kind, cookie.identity) == (
        BalancerVendor.HAPROXY,
        CookieKind.PREFIX,
        "srv1",
    )
    assert haproxy_prefix("JSESSIONID", f"srv1~{session}") == "srv1"
    assert haproxy_prefix("JSESSIONID", session) is None
    assert haproxy_prefix("theme", f"srv1~{session}") is None
    assert jvm_route("JSESSIONID", f"srv1~{session}.node1") == "node1"
    assert jvm_route("JSESSIONID", f"srv1~{session}") is None


@pytest.mark.parametrize(
    ("name", "value", "route"),
    [
        ("JSESSIONID", "0A1B2C3D4E5F60718293A4B5C6D7E8F9.node1", "node1"),
        ("JSESSIONID", "0A1B2C3D4E5F60718293A4B5C6D7E8F9.tomcat1DCS105", "tomcat1DCS105"),
        ("jsessionid", '"0A1B2C3D4E5F60718293A4B5C6D7E8F9.sems1.example.com"', "sems1.example.com"),
        ("JSESSIONID", "node01x8k2j5h3g7f1d0s9a.node0", "node0"),
        ("JSESSIONID", "0A1B2C3D4E5F60718293A4B5C6D7E8F9", None),
        ("JSESSIONID", "0A1B2C3D4E5F60718293A4B5C6D7E8F9.", None),
        ("JSESSIONID", "0A1B.node1", None),
        ("JSESSIONID", "0A1B2C3D4E5F60718293A4B5C6D7E8F9.no de", None),
        ("JSESSIONID", "0A1B2C3D4E5F60718293A4B5C6D7E8F9." + "n" * 5000, None),
        ("PHPSESSID", "0A1B2C3D4E5F60718293A4B5C6D7E8F9.node1", None),
    ],
)
def test_jvm_route(name: str, value: str, route: str | None) -> None:
    assert jvm_route(name, value) == route
    cookie = decode_cookie(name, value)
    assert (cookie.server_label if cookie else None) == route
    if cookie is not None:
        assert (cookie.kind, cookie.vendor) == (CookieKind.ROUTE, None)
        assert not cookie.set_in_front  # the member sets it: it does not show that TLS ends in front


# --- by behaviour ----------------------------------------------------------------------------------------


def test_few_values_that_come_again_are_a_candidate_and_not_more() -> None:
    values = ["s1", "s2", "s3"] * 4
    cookie = classify_cookie("farm", "s2", values)
    assert cookie is not None
    assert (cookie.kind, cookie.vendor, cookie.basis) == (CookieKind.CANDIDATE, None, Basis.INFERRED)
    assert cookie.identity == "s2"
    assert not cookie.set_in_front


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["s1"] * 32,  # a constant tells nothing
        ["s1", "s2", "s1"],  # too few connections
        ["s1"] * 31 + ["s2"],  # once is no repetition
        [f"session{i}" for i in range(32)],
        [f"s{i % 16}" for i in range(32)],  # more values than members can be
        ["s1", "s 2"] * 16,
        ["s1", "é"] * 16,
        ["s1", "s" * 65] * 16,
        ["s3", "s2"] * 16,  # not the value in question
        ["s1", ""] * 16,
    ],
)
def test_what_does_not_behave_as_a_balancers_cookie(values: list[str]) -> None:
    assert classify_cookie("farm", "s1", values) is None


def test_dates_after_the_keyword_do_not_make_values_many() -> None:
    # As HAProxy 2.6 sends it with "maxidle" and "maxlife".
    values = [f"s{i % 3}|awM{i:02}|awM{i:02}" for i in range(12)]
    cookie = classify_cookie("farm", values[4], values)
    assert cookie is not None
    assert (cookie.kind, cookie.identity) == (CookieKind.CANDIDATE, "s1")


def test_a_known_form_needs_no_behaviour() -> None:
    cookie = classify_cookie("BIGipServersems", "184680640.47873.0000", [])
    assert cookie is not None
    assert cookie.vendor is BalancerVendor.F5


def test_random_session_identifiers_never_become_candidates() -> None:
    source = random.Random("sessions")
    for _ in range(200):
        values = [f"{source.getrandbits(64):016x}" for _ in range(32)]
        assert classify_cookie("sid", values[0], values) is None


# --- hostile ---------------------------------------------------------------------------------------------

KNOWN_NAMES = st.sampled_from(
    [name for name, *_ in (*EXACT, *OPAQUE, *NEVER)]
    + ["SERVERID", "JSESSIONID", "BIGipServer", "NSC_", "sto-id-٣"]
)
NEAR_VALUES = st.one_of(
    st.text(max_size=60),
    st.from_regex(r"\A\d{1,12}\.\d{1,7}\.\d{3,5}\Z"),
    st.from_regex(r"\A(rd|vi)\d{0,8}o?[0-9a-f]{28,36}[o.]\d{1,7}\Z"),
    st.text("0123456789abcdefABCDEF", max_size=60),
    st.text("ABCDEFGHIJKLMNOPQ", max_size=14),
)


@given(
    name=st.one_of(KNOWN_NAMES, st.text(max_size=40)),
    value=NEAR_VALUES,
    seen=st.lists(NEAR_VALUES, max_size=12),
)
def test_nothing_raises_whatever_the_network_sends(name: str, value: str, seen: list[str]) -> None:
    cookie = classify_cookie(name, value, seen)
    jvm_route(name, value)
    haproxy_prefix(name, value)
    if cookie is None:
        return
    assert (cookie.strength is not Strength.NONE) == (cookie.identity is not None)
    if cookie.backend_port is not None:
        assert 0 < cookie.backend_port <= 65535
        assert cookie.backend_address is not None
    if cookie.strength is Strength.EXACT:
        assert cookie.backend_address is not None


@pytest.mark.parametrize(
    "value", ["1" * 10_240, "A" * 10_240, "s~" * 5_120, "\x00\x1b[31m", "۱" * 44, "0" * 100_000]
)
def test_absurd_values_are_no_evidence(value: str) -> None:
    for name in (*(name for name, *_ in (*EXACT, *OPAQUE)), "JSESSIONID", "x"):
        cookie = classify_cookie(name, value, [value] * 40)
        if cookie is not None:
            assert (name, cookie.backend_address, cookie.identity) == (name, None, None)


def test_a_very_long_value_costs_nothing_to_refuse() -> None:
    # Forms that could backtrack, at the longest length that is read.
    for value in ("a." * 2048, "a" * 4096, "a-" * 2048, "1" * 4095 + "~", "A" * 4095 + "."):
        for name in ("JSESSIONID", "SERVERID", "NSC_x", "BIGipServerx", "AlteonP"):
            decode_cookie(name, value)

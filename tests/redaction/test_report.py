"""Redaction: nothing that names a host, a network, a user or a company is left, and the report still holds."""

from __future__ import annotations

import base64
import dataclasses
import ipaddress
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import replace
from enum import Enum
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semscheck.analysis.balancing.cookies import classify_cookie
from semscheck.analysis.balancing.vendors import fingerprint
from semscheck.model import analysis as analysis_module
from semscheck.model import findings as findings_module
from semscheck.model import observations as observations_module
from semscheck.model import report as report_module
from semscheck.model import target as target_module
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.findings import Finding, Subject
from semscheck.model.names import matches_alternative_names
from semscheck.model.observations import (
    Certificate,
    Crash,
    DnsAnswer,
    Enrolment,
    Exchange,
    HostsEntry,
    HostsFile,
    ProxySettings,
    Sample,
    ServiceProbe,
    SystemResolution,
)
from semscheck.model.report import Report
from semscheck.model.target import Endpoint, Member
from semscheck.redaction.cookies import CookieScrubber
from semscheck.redaction.pseudonyms import Pseudonyms
from semscheck.redaction.report import KEY_OPTION, redact, text_kinds
from semscheck.redaction.text import Scrubber
from tests.report import reports
from tests.rig.policy import examples

KEY = b"a key of the tests"
COOKIE = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"


def bigip(address: str, port: int = 443) -> str:
    packed = ipaddress.IPv4Address(address).packed
    return f"{int.from_bytes(packed, 'little')}.{(port & 255) << 8 | port >> 8}.0000"


def netscaler(address: str) -> str:
    return f"ffffffff{int(ipaddress.IPv4Address(address)) ^ 0x03081E11:08x}45525d5f4f58455e445a4a42378b"


def a10(address: str, port: int = 443) -> str:
    packed = ipaddress.IPv4Address(address).packed[::-1] + port.to_bytes(2, "little")
    return "".join(chr(65 + (byte >> 4)) + chr(65 + (byte & 15)) for byte in packed)


def barracuda(address: str) -> str:
    return "0" * 24 + ipaddress.IPv4Address(address).packed[::-1].hex() + "0000bb01"


# --- a report that gives away as much as one can -------------------------------------------------------------

TELLING_HEADERS = (
    ("Server", "Apache/2.4.57 (Debian) acme-patched"),
    ("Location", "https://sems1.acme-keys.de:9000/omc/GetLoginScreen.uevent?user=jdoe&back=192.0.2.11"),
    ("Set-Cookie", f"BIGipServeracme_keys_pool={bigip('192.0.2.11')}; path=/; Domain=.acme-keys.de"),
    ("Set-Cookie", f"NSC_{''.join(chr(ord(c) + 1) for c in 'acmekeys')}={netscaler('192.0.2.12')}; Secure"),
    ("Set-Cookie", f"sto-id-47873-acme_443={a10('192.0.2.13')}"),
    ("Set-Cookie", f"BNI_persistence={barracuda('192.0.2.14')}"),
    ("Set-Cookie", f"JSESSIONID={COOKIE}.sems2; Path=/acme; HttpOnly; Expires=Sun, 01 Mar 2026 12:30:01 GMT"),
    ("Set-Cookie", "SERVERID=sems1; path=/"),
    ("X-Acme-Node", "ip-192-0-2-11 sems1"),
    ("X-Backend", "::ffff:192.0.2.11, 2001:db8:aa::7, 192.0.2.11:8443"),
    ("Set-Cookie", f"blob={base64.b64encode(b'sems1.acme-keys.de').decode()}"),
    ("Content-Length", "1234567"),
)
TELLING = (
    "sems1", "sems2", "acme", "ACME", "Acme", "jdoe", "desk-17", "desk", "helpdesk-hh", "keysvip", "frankfurt",
    "Frankfurt", "192.0.2.1", "192-0-2-1", "198.51.100", "203.0.113", "2001:db8", "10.20.30", "0210", COOKIE,
)  # fmt: skip


@cache
def acme() -> Report:
    """The round robin of the other tests, at a company with a name."""
    base = reports.round_robin()
    observations = (
        Exchange(
            id="web-t1", at_s=0.1, address="192.0.2.11", port=443, host="keysvip.acme-keys.de",
            path="/acme/login?u=jdoe", status=302, headers=TELLING_HEADERS, title="ACME Key Portal Frankfurt - Login",
        ),
        Sample(
            id="smp-t1", arm="cookie", index=40, at_s=0.1, address="192.0.2.100", port=443, headers=TELLING_HEADERS,
            cookies_sent=("BIGipServeracme_keys_pool", "JSESSIONID"), source_address="10.20.30.40",
        ),
        ServiceProbe(
            id="svc-t1", at_s=0.2, address="192.0.2.11", port=25, service="SMTP", state="open",
            banner="220 sems1.acme-keys.de PGP Universal service ready (proxied server greeted us with: "
            "220 mx.acme-keys.de ESMTP Postfix)\r\n", version="3.4.2 (Build 1500)",
            software="PGP Universal Server",
        ),
        Certificate(
            id="crt-t1", at_s=0.1, fingerprint="ab" * 32, spki="cd" * 32,
            subject="CN=*.acme-keys.de,OU=Key Services,O=Acme Werke GmbH,L=Frankfurt,C=DE",
            common_names=("*.acme-keys.de",), dns_names=("*.acme-keys.de", "sems1.acme-keys.de"),
            ip_names=("192.0.2.11",), issuer="CN=Acme Issuing CA 2,O=Acme Werke GmbH,C=DE",
            issuer_common_names=("Acme Issuing CA 2",), serial="12ab34cd56ef7890aa",
            subject_key_id="11" * 20, authority_key_id="22" * 20, der=b"sems1.acme-keys.de",
            ca_issuers=("http://pki.acme-keys.de/acme-ca2.crt",),
        ),
        Certificate(
            id="crt-t2", at_s=0.1, fingerprint="ef" * 32, subject="CN=Acme Issuing CA 2,O=Acme Werke GmbH,C=DE",
            common_names=("Acme Issuing CA 2",), issuer="CN=DigiCert Global Root G2,O=DigiCert Inc,C=US",
            issuer_common_names=("DigiCert Global Root G2",), subject_key_id="22" * 20, is_ca=True,
        ),
        Enrolment(
            id="dsk-t1", at_s=0.0, source=r"C:\Users\jdoe\AppData\Roaming\PGP Corporation\PGP\PGPprefs.xml",
            value="ovid=keysvip.acme-keys.de&mail=*&admin=1", servers=("keysvip.acme-keys.de",),
        ),
        HostsFile(
            id="dsk-t2", at_s=0.0, path="/etc/hosts",
            entries=(HostsEntry(7, "192.0.2.11", ("sems1.acme-keys.de", "sems1", "localhost")),),
        ),
        ProxySettings(
            id="dsk-t3", at_s=0.0, source="windows", url="http://jdoe:secret7@proxy.acme-keys.de:3128",
            bypass=("*.acme-keys.de", "10.20.30.*", "<local>", "192.0.2.0/24"),
            pac_url="http://wpad.acme-keys.de/wpad.dat",
        ),
        DnsAnswer(
            id="dns-t1", at_s=0.0, server="[2001:db8:aa::53]:53", server_name="ns1.acme-keys.de",
            name="11.2.0.192.in-addr.arpa", record_type="PTR", purpose="probe", rcode="NOERROR",
            records=("sems1.acme-keys.de.",),
        ),
        SystemResolution(
            id="dns-t2", at_s=0.0, name="keysvip.acme-keys.de",
            failure=Failure(Phase.RESOLVE, Cause.OTHER, "cannot read '/home/jdoe/.resolv/acme.conf' (192.0.2.11)"),
        ),
        Crash(
            id="run-t1", at_s=0.3, where="probes.http", error="ValueError: bad name 'sems1.acme-keys.de'",
            trace='Traceback:\n'
            '  File "/home/jdoe/venv/lib/python3.11/site-packages/semscheck/net/http.py", line 3\n'
            '  File "/home/jdoe/acme/run.py", line 1\nValueError: sems1.acme-keys.de',
        ),
    )  # fmt: skip
    findings = (
        replace(
            base.findings[0],
            summary='sems1.acme-keys.de (192.0.2.11:443) and sems2 answer; the page is "ACME Key Portal Frankfurt '
            f'- Login", the certificate abababababababab, the cookie {COOKIE}.sems2 of Acme, 10.20.30.40.',
            remedy="Ask the administrator of keysvip.acme-keys.de. "
            "See knowledge.broadcom.com for keys and www pages.",
            subject=Subject("member", "sems1.acme-keys.de", "192.0.2.11", 443),
            args={"member": "sems1", "issuer": "CN=Acme Issuing CA 2,O=Acme Werke GmbH,C=DE"},
        ),
        *base.findings[1:],
    )
    target = replace(
        base.target,
        fqdn="keysvip.acme-keys.de",
        fqdn_shown="keysvip.acme-keys.de",
        members=(
            Member("sems1.acme-keys.de", (Endpoint("192.0.2.11"),), (Endpoint("192.0.2.21"),)),
            Member("sems2", (), (Endpoint("192.0.2.22"),)),
        ),
        ca_file="/home/jdoe/acme-root.pem",
        profile=r"C:\Users\jdoe\acme\profile.toml",
    )
    run = replace(
        base.run,
        vantage=replace(base.run.vantage, host="helpdesk-hh"),
        options={
            "ca-file": "/home/jdoe/acme-root.pem",
            "member": "sems1=192.0.2.11,192.0.2.21",
            "timeout": "5",
        },
    )
    return replace(
        base,
        run=run,
        target=target,
        findings=findings,
        summary=replace(base.summary, headline="keysvip.acme-keys.de leads to sems2 and sems1.acme-keys.de."),
        observations=base.observations + observations,
    )


def texts(value: object) -> Iterator[str]:
    """Every string anywhere in a value, keys of mappings left out."""
    if isinstance(value, str):
        yield value if not isinstance(value, Enum) else ""
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from texts(item)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from texts(getattr(value, field.name))


def originals(report: Report) -> set[str]:
    """All names, addresses and fingerprints that the report's own fields state."""
    found: set[str] = set()
    for text in texts(report):
        found.update(re.findall(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])", text))
        found.update(re.findall(r"\b[\w-]{1,63}\.example\.com", text))
        found.update(re.findall(r"\b[0-9a-f]{40,64}\b", text))
    return found


# --- nothing is left -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("needle", TELLING)
def test_what_tells_who_it_is_is_nowhere(needle: str) -> None:
    before, after = acme(), redacted_acme()
    assert any(needle.lower() in text.lower() for text in texts(before)) or needle in (
        "0210",
        "desk-17",
        "desk",
    )
    kept = [text for text in texts(after) if needle.lower() in text.lower() and not text.isdigit()]
    if needle == "0210":  # 192.0.2.16.. in hex would do; digits of pseudonyms may contain it by chance
        return
    if needle == "desk":
        kept = [text for text in kept if re.search(r"\bdesk\b", text)]
    assert kept == []


@pytest.mark.parametrize("make", reports.ALL)
def test_no_original_survives_in_any_report(make: typing.Callable[[], Report]) -> None:
    before = make()
    shown = "\n".join(texts(redact(before, key=KEY)))
    left = [
        original
        for original in originals(before)
        if re.search(rf"(?<![\w.]){re.escape(original)}(?![\w.])", shown)
    ]
    assert left == []
    assert "example.com" not in shown


def test_cookies_hold_no_original_in_any_encoding() -> None:
    shown = "\n".join(texts(redacted_acme()))
    for number in range(11, 15):
        address = f"192.0.2.{number}"
        for encoded in (
            bigip(address).split(".")[0],
            netscaler(address)[8:16],
            a10(address)[:8],
            barracuda(address)[24:32],
        ):
            assert encoded not in shown
        assert ipaddress.IPv4Address(address).packed.hex() not in shown
    assert base64.b64encode(b"sems1.acme-keys.de").decode() not in shown
    assert "bdnf" not in shown  # "acme" as NetScaler writes it


@settings(max_examples=examples(300), deadline=None)
@given(
    st.text(max_size=60),
    st.sampled_from(["sems1", "keysvip.acme-keys.de", "192.0.2.11", "2001:db8:aa::7"]),
    st.text(max_size=60),
)
def test_no_surrounding_hides_a_name_in_foreign_text(before: str, secret: str, after: str) -> None:
    scrubber = Scrubber(Pseudonyms(KEY))
    for name in ("sems1.acme-keys.de", "keysvip.acme-keys.de"):
        scrubber.learn_name(name)
    for text in (f"{before} {secret} {after}", f"{before}/{secret}/{after}", f'{before}"{secret}"{after}'):
        assert secret not in scrubber.foreign(text)
        assert secret not in scrubber.own(text)
        assert secret not in scrubber.token(text)


@settings(max_examples=examples(100), deadline=None)
@given(st.text(max_size=3000))
def test_no_text_breaks_it(text: str) -> None:
    base = reports.failed()  # a small one
    exchange = Exchange(
        id="x",
        at_s=0,
        address=text,
        port=1,
        host=text,
        path=text,
        title=text,
        headers=((text, text), ("Set-Cookie", text)),
    )
    hostile = replace(base, observations=(exchange,), summary=replace(base.summary, headline=text))
    assert redact(hostile, key=KEY).run.redacted


# --- every text is of some kind -----------------------------------------------------------------------------


def classes() -> list[type]:
    modules = (analysis_module, findings_module, observations_module, report_module, target_module)
    found: list[type] = [Failure]
    for module in modules:
        found += [
            thing
            for thing in vars(module).values()
            if isinstance(thing, type)
            and dataclasses.is_dataclass(thing)
            and thing.__module__ == module.__name__
        ]
    return found


def holds_text(hint: object) -> bool:
    if hint in (str, bytes):
        return True
    if isinstance(hint, type) or hint is types.NoneType:
        return False
    return any(holds_text(part) for part in typing.get_args(hint) if part is not Ellipsis)


@pytest.mark.parametrize("owner", classes(), ids=lambda owner: owner.__name__)
def test_every_field_that_can_hold_text_says_of_which_kind(owner: type) -> None:
    if owner.__name__ in ("Snapshot", "Card"):
        return  # no part of a report
    kinds = text_kinds(owner)
    hints = typing.get_type_hints(owner)
    assert [name for name, hint in hints.items() if holds_text(hint) and kinds[name] is None] == []


@dataclasses.dataclass(frozen=True)
class Forgotten:
    """Text of which nothing is said."""

    text: str


def test_a_text_of_which_nothing_is_said_gives_nothing_away() -> None:
    forgotten = typing.cast(Finding, Forgotten("sems1 of Acme"))
    finding = redact(replace(acme(), findings=(forgotten,)), key=KEY).findings[0]
    assert typing.cast(Forgotten, finding).text not in ("", "sems1 of Acme")
    assert "acme" not in typing.cast(Forgotten, finding).text.lower()


# --- what stays ------------------------------------------------------------------------------------------------


@cache
def redacted_acme() -> Report:
    return redact(acme(), key=KEY)


def seen(report: Report, identity: str) -> typing.Any:
    return next(one for one in report.observations if one.id == identity)


def test_it_says_that_it_is_redacted_and_with_which_key() -> None:
    one, same, other = (redact(acme(), key=key) for key in (KEY, KEY, b"another"))
    assert one.run.redacted
    assert one == same
    assert one.run.options[KEY_OPTION] == same.run.options[KEY_OPTION] != other.run.options[KEY_OPTION]
    assert redact(one) is one
    assert redact(acme()).run.options[KEY_OPTION] != redact(acme()).run.options[KEY_OPTION]


def test_what_was_found_stays() -> None:
    before, after = acme(), redacted_acme()
    for name in ("code", "name", "severity", "confidence", "owner", "caused_by", "evidence", "references"):
        assert [getattr(f, name) for f in before.findings] == [getattr(f, name) for f in after.findings]
    assert [o.id for o in before.observations] == [o.id for o in after.observations]
    assert before.summary.verdict == after.summary.verdict
    assert before.run.started == after.run.started
    assert all(one.der is None for one in after.observations if isinstance(one, Certificate))


def test_networks_suffixes_and_wildcards_still_match() -> None:
    after = redacted_acme()
    leaf, issuer = seen(after, "crt-t1"), seen(after, "crt-t2")
    fqdn = after.target.fqdn
    assert matches_alternative_names(fqdn, leaf.dns_names) == ("*." + fqdn.split(".", 1)[1],)
    assert leaf.dns_names[1] == after.target.members[0].name
    assert leaf.ip_names[0] == after.target.members[0].replication[0].address
    assert leaf.issuer == issuer.subject
    assert leaf.authority_key_id == issuer.subject_key_id
    assert issuer.issuer == "CN=DigiCert Global Root G2,O=DigiCert Inc,C=" + issuer.issuer.rsplit("=", 1)[1]
    networks = {
        ipaddress.ip_network(f"{endpoint.address}/24", strict=False)
        for member in after.target.members
        for endpoint in member.client + member.replication
    }
    assert len(networks) == 1


def test_the_same_thing_is_the_same_everywhere() -> None:
    after = redacted_acme()
    fqdn, member = after.target.fqdn, after.target.members[0]
    assert seen(after, "dsk-t1").servers == (fqdn,)
    assert f"ovid={fqdn}&mail=*&admin=1" == seen(after, "dsk-t1").value
    assert seen(after, "web-t1").host == fqdn
    assert after.summary.headline == f"{fqdn} leads to {after.target.members[1].name} and {member.name}."
    finding = after.findings[0]
    assert finding.summary.startswith(f"{member.name} ({member.replication[0].address}:443) and ")
    assert f'"{seen(after, "web-t1").title}"' in finding.summary
    assert finding.args["issuer"] == seen(after, "crt-t1").issuer
    assert finding.args["member"] == member.name.split(".")[0]
    assert seen(after, "crt-t1").fingerprint[:16] in finding.summary
    assert seen(after, "smp-t1").headers == seen(after, "web-t1").headers
    hosts = seen(after, "dsk-t2").entries[0]
    assert hosts.names == (member.name, member.name.split(".")[0], "localhost")
    assert seen(after, "dns-t1").records == (member.name + ".",)
    backwards = ".".join(reversed(member.replication[0].address.split("."))) + ".in-addr.arpa"
    assert seen(after, "dns-t1").name == backwards
    assert (
        f"//{member.name}:9000/omc/GetLoginScreen.uevent" in dict(seen(after, "web-t1").headers)["Location"]
    )


def test_standard_words_are_not_mangled() -> None:
    after = redacted_acme()
    banner = seen(after, "svc-t1").banner
    assert "PGP Universal service ready (proxied server greeted us with: 220 " in banner
    assert seen(after, "svc-t1").version == "3.4.2 (Build 1500)"
    assert seen(after, "svc-t1").software == "PGP Universal Server"
    assert seen(after, "web-t1").title.endswith(" - Login")
    assert seen(after, "dsk-t2").path == "/etc/hosts"
    assert seen(after, "dsk-t1").source.endswith(r"\AppData\Roaming\PGP Corporation\PGP\PGPprefs.xml")
    assert "knowledge.broadcom.com for keys and www pages" in after.findings[0].remedy
    assert after.findings[0].references == acme().findings[0].references
    trace = seen(after, "run-t1").trace
    assert 'File "lib/python3.11/site-packages/semscheck/net/http.py", line 3' in trace
    assert 'File "run.py", line 1' in trace
    assert seen(after, "web-0").title == "Symantec Encryption Web Email Protection"
    assert dict(seen(after, "web-0").headers)["Strict-Transport-Security"] == "max-age=31536000"
    assert after.run.options["timeout"] == "5"
    assert after.target.profile is not None
    assert after.target.profile.endswith(r"\profile.toml")


def test_the_number_of_a_section_is_no_address() -> None:
    scrubber = Scrubber(Pseudonyms(KEY))
    assert scrubber.own("RFC 5280 section 4.1.2.5, at 4.1.2.5.").startswith("RFC 5280 section 4.1.2.5, at ")
    assert "at 4.1.2.5" not in scrubber.own("RFC 5280 section 4.1.2.5, at 4.1.2.5.")


def test_a_member_with_a_plain_word_for_a_name_keeps_it_everywhere() -> None:
    base = reports.round_robin()
    named = replace(base.target, members=(Member("A"), Member("server")))
    share = replace(base.analysis.paths[0].members[0], name="server")
    path = replace(base.analysis.paths[0], members=(share,))
    report = replace(base, target=named, analysis=replace(base.analysis, paths=(path,), balancing=path))
    after = redact(report, key=KEY)
    assert [member.name for member in after.target.members] == ["A", "server"]
    assert after.analysis.paths[0].members[0].name == "server"


def test_a_name_in_two_scripts_has_one_pseudonym() -> None:
    base = reports.healthy()
    target = replace(base.target, fqdn="xn--schlssel-95a.example.com", fqdn_shown="schlüssel.example.com")
    report = replace(
        base, target=target, summary=replace(base.summary, headline="schlüssel.example.com is healthy.")
    )
    after = redact(report, key=KEY)
    assert after.target.fqdn == after.target.fqdn_shown
    assert after.summary.headline == f"{after.target.fqdn} is healthy."


# --- cookies -------------------------------------------------------------------------------------------------

COOKIES = [
    ("BIGipServerpool_keys", "184680640.47873.0000", "192.0.2.11"),
    ("BIGipServerpool_keys", "rd5o00000000000000000000ffffc0000201o80", "192.0.2.1"),
    ("BIGipServerpool_keys", "vi20010112000000000000000000000030.20480", "2001:112::30"),
    ("BIGipServerpool_keys", "rd3o20010112000000000000000000000030o80", "2001:112::30"),
    ("NSC_TFNT-lfzt-iuuqt", "ffffffffc3081c1a45525d5f4f58455e445a4a42378b", "192.0.2.11"),
    ("sto-id-47873-sems_443", "ALACAAMALLAB", "192.0.2.11"),
    ("BNI_persistence", "00000000000000000000000022c6410a0000bb01", "10.65.198.34"),
]


@pytest.mark.parametrize(("name", "value", "address"), COOKIES)
def test_a_balancer_cookie_decodes_to_the_pseudonym(name: str, value: str, address: str) -> None:
    pseudonyms = Pseudonyms(KEY)
    cookies = CookieScrubber(Scrubber(pseudonyms))
    before = classify_cookie(name, value)
    after = classify_cookie(cookies.name(name), cookies.value(name, value))
    assert before is not None
    assert after is not None
    assert str(before.backend_address) == address
    assert str(after.backend_address) == pseudonyms.address(address)
    assert (after.vendor, after.kind, after.backend_port, after.route_domain) == (
        before.vendor, before.kind, before.backend_port, before.route_domain,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWSALB", "aB3xY" * 20),
        ("ApplicationGatewayAffinity", "0123456789abcdef0123456789abcdef"),
        ("BIGipServerpool", "!4sdf8Hs93jsFSDf+s/=="),
        ("FGTServer", "1A2B3C4D5E" * 9),
        ("X-Mapping-abcdefgh", "0123456789ABCDEF0123456789ABCDEF"),
        ("JSESSIONID", "0123456789ABCDEF0123456789ABCDEF.node1"),
        ("incap_ses_123_456789", "abcDEF123abcDEF123=="),
        ("nlbi_456789", "abcDEF123abcDEF123=="),
        ("NSC_USER", "abc"),
        ("TS01a2b3c4", "0123456789abcdef"),
        ("SERVERID", "web1"),
        ("route", "0123456789abcdef0123456789abcdef"),
    ],
)
def test_a_cookie_is_recognised_as_what_it_was(name: str, value: str) -> None:
    cookies = CookieScrubber(Scrubber(Pseudonyms(KEY)))
    before = classify_cookie(name, value)
    after = classify_cookie(cookies.name(name), cookies.value(name, value))
    assert (before and (before.vendor, before.kind)) == (after and (after.vendor, after.kind))


def test_cookie_values_are_equal_exactly_where_they_were() -> None:
    cookies = CookieScrubber(Scrubber(Pseudonyms(KEY)))
    values = [
        "s1",
        "s2",
        "S1",
        "sems1",
        "Sems1",
        "sEms1",
        "a",
        "A",
        "0",
        "1",
        "",
        "abcdef0123",
        "ABCDEF0123",
        "x" * 40,
        "x" * 41,
    ]
    shown = [cookies.value("SERVERID", value) for value in values]
    assert len(set(shown)) == len(values)
    assert shown == [cookies.value("SERVERID", value) for value in values]
    assert not any(
        value and value in other for value, other in zip(values, shown, strict=True) if len(value) > 1
    )


def test_a_netscaler_name_is_replaced_in_its_own_code() -> None:
    scrubber = Scrubber(Pseudonyms(KEY))
    shown = CookieScrubber(scrubber).name("NSC_TFNT-bdnf-iuuqt")
    moved_back = (
        "".join(chr(ord(c) - 1) if c.isalpha() else c for c in shown[4:]).replace("@", "Z").replace("`", "z")
    )
    assert moved_back == f"SEMS-{scrubber.label('acme')}-https"


def test_the_vendor_is_still_seen() -> None:
    headers = (("X-ServedBy", "KEMP-LM"), ("Via", "NS-CACHE-9.3: 5"), ("Server", "BigIP"))
    base = reports.healthy()
    exchange = Exchange(id="x", at_s=0, address="192.0.2.11", port=443, host="a", headers=headers)
    after = redact(replace(base, observations=(exchange,)), key=KEY).observations[0]
    assert isinstance(after, Exchange)
    assert fingerprint(after.headers) == fingerprint(headers)


def test_lists_that_are_sorted_stay_sorted() -> None:
    base = reports.round_robin()
    dns = replace(
        base.analysis.dns, addresses=(*(f"192.0.2.{number}" for number in range(20, 40)), "2001:db8::1")
    )
    after = redact(replace(base, analysis=replace(base.analysis, dns=dns)), key=KEY)
    numbers = [
        (ipaddress.ip_address(text).version, int(ipaddress.ip_address(text)))
        for text in after.analysis.dns.addresses
    ]
    assert numbers == sorted(numbers)

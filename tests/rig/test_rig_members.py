"""Members of the rig, one by one, seen by curl, openssl s_client and plain ssl."""

from __future__ import annotations

import ssl

import pytest

from tests.rig.certs import self_signed
from tests.rig.clients import context, fetch, handshake
from tests.rig.members import Interface, NginxMember, Page, requests, titled
from tests.rig.rig import Rig
from tests.rig.tomcat import Tomcat, TomcatMember

pytestmark = pytest.mark.real

FQDN = "keys.example.test"


def s_client(rig: Rig, address: str, *options: str) -> str:
    where = f"{address}:{rig.port(443)}"
    done = rig.client.run("openssl", "s_client", "-connect", where, *options, stdin="", timeout_s=20.0)
    return done.stdout + done.stderr


def member(rig: Rig, **settings: object) -> str:
    """Start one member with one interface, and give its address."""
    address = rig.address("198.51.100.11")
    interface = {key: settings.pop(key) for key in ("names", "client_certificate") if key in settings}
    certificate = settings.pop("certificate", None) or rig.authority.issue(FQDN)
    here = Interface(address, rig.port(443), certificate, **interface)  # type: ignore[arg-type]
    rig.start(NginxMember("sems1", (here,), **settings))  # type: ignore[arg-type]
    return address


@pytest.mark.parametrize(
    ("protocols", "option", "version"),
    [
        (("TLSv1.2", "TLSv1.3"), "-tls1_3", "TLSv1.3"),
        (("TLSv1.2", "TLSv1.3"), "-tls1_2", "TLSv1.2"),
        (("TLSv1", "TLSv1.1"), "-tls1", "TLSv1"),
        (("TLSv1", "TLSv1.1"), "-tls1_1", "TLSv1.1"),
    ],
)
def test_versions_of_tls(rig: Rig, protocols: tuple[str, ...], option: str, version: str) -> None:
    address = member(rig, protocols=protocols)
    shown = s_client(rig, address, option, "-cipher", "DEFAULT:@SECLEVEL=0")
    assert f"Protocol  : {version}\n" in shown or f"New, {version}, Cipher is" in shown
    refused = "-tls1_2" if version in ("TLSv1", "TLSv1.1") else "-tls1_1"
    assert "Cipher is (NONE)" in s_client(rig, address, refused, "-cipher", "DEFAULT:@SECLEVEL=0")


def test_an_old_key_and_signature_are_served(rig: Rig) -> None:
    old = rig.authority.root("Old Root", key="rsa1024").issue(FQDN, key="rsa1024", digest="sha1")
    address = member(rig, certificate=old, protocols=("TLSv1.2",))
    assert old.leaf_pem.decode() in s_client(rig, address, "-cipher", "DEFAULT:@SECLEVEL=0", "-showcerts")


def test_what_chain_is_sent_is_up_to_the_test(rig: Rig) -> None:
    below = rig.authority.intermediate()
    issued = below.issue(FQDN)
    address = member(rig, certificate=issued.sending())
    failed = fetch(rig, address, rig.port(443), FQDN)
    assert failed.status == 0
    assert "unable to get local issuer certificate" in failed.error


def test_other_names_are_refused_with_an_alert(rig: Rig) -> None:
    address = member(rig, names=(FQDN,))
    assert handshake(rig, address, rig.port(443), host=FQDN).der
    for other in ("sems1.example.test", None):
        with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized[_ ]name"):
            handshake(rig, address, rig.port(443), host=other)


def test_a_client_certificate_is_asked_for(rig: Rig) -> None:
    address = member(rig, client_certificate="required", certificate=self_signed(FQDN))
    assert "Acceptable client certificate CA names" in s_client(rig, address, "-tls1_2")
    assert fetch(rig, address, rig.port(443), FQDN, "/b/l.e", "-k").status == 400


def test_a_page_may_be_anything(rig: Rig) -> None:
    pages = {
        "/gone": Page(titled("Out of order"), status=503, headers=(("Retry-After", "60"),)),
        "/soap": Page("<a/>", content_type="text/xml"),
    }
    address = member(
        rig,
        pages=pages,
        not_found=Page(titled("PGP Universal - Page Not Found")),
        headers=(("X-Seen-By", 'a "b"'),),
    )
    port = rig.port(443)
    gone = fetch(rig, address, port, FQDN, "/gone")
    assert (gone.status, gone.header("Retry-After"), gone.header("X-Seen-By")) == (503, ("60",), ('a "b"',))
    assert "Out of order" in gone.body
    assert fetch(rig, address, port, FQDN, "/soap").header("Content-Type") == ("text/xml",)
    # A page that says "not found" with status 200, as the product's old versions send it.
    missing = fetch(rig, address, port, FQDN, "/nothing")
    assert (missing.status, "Page Not Found" in missing.body) == (200, True)


def test_plain_http_and_alpn(rig: Rig) -> None:
    address = rig.address("198.51.100.11")
    plain = Interface(address, rig.port(80))
    secure = Interface(address, rig.port(443), rig.authority.issue(FQDN))
    server = rig.start(NginxMember("sems1", (plain, secure), http2=True))
    assert fetch(rig, address, rig.port(80), FQDN, "/b/l.e", scheme="http").status == 200
    assert "ALPN protocol: h2" in s_client(rig, address, "-alpn", "h2,http/1.1")
    assert [one.status for one in requests(server)] == [200]


def test_tomcat_members_end_tls_and_keep_sessions_apart(rig: Rig) -> None:
    certificate = rig.authority.intermediate().issue(FQDN)
    places = [(rig.address(f"198.51.100.{n}"), rig.port(443)) for n in (11, 12)]
    rig.start(
        Tomcat(
            tuple(
                TomcatMember(f"sems{n}", *place, certificate, renews=n == 2)
                for n, place in enumerate(places, start=1)
            )
        )
    )
    assert {handshake(rig, *place).der for place in places} == {certificate.der}
    cookies = []
    for place in places:
        login = fetch(rig, *place, FQDN, "/b/l.e")
        assert (login.status, "Login</TITLE>" in login.body) == (200, True)
        cookies += [value.partition(";")[0] for value in login.header("Set-Cookie")]
    known = fetch(rig, *places[0], FQDN, "/b/l.e", "-H", f"Cookie: {cookies[0]}")
    assert known.header("Set-Cookie") == ()
    # The second member gives a known session a new number, which is not the same as not knowing it.
    renewed = fetch(rig, *places[1], FQDN, "/b/l.e", "-H", f"Cookie: {cookies[1]}")
    assert len(renewed.header("Set-Cookie")) == 1
    assert fetch(rig, *places[0], FQDN, "/nothing").status == 404
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        using = context(version)
        first = handshake(rig, *places[0], using=using)
        assert handshake(rig, *places[0], using=using, session=first.session).resumed
        assert not handshake(rig, *places[1], using=using, session=first.session).resumed

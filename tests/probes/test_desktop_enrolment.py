"""The enrolled server, from registry values and preference files as they may look."""

from __future__ import annotations

import plistlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.model.failure import Cause
from semscheck.probes.enrolment import enrolled_servers, parse_stamp, places
from tests.probes.dnslook import desktop
from tests.probes.test_desktop import FakeRegistry

KEYS = "keys.example.com"


@pytest.mark.parametrize(
    ("value", "servers"),
    [
        ("ovid=keys.example.com&mail=*&admin=1", (KEYS,)),
        ("mail=*&admin=1&ovid=KEYS.example.com.", (KEYS,)),
        ("OVID = keys.example.com", (KEYS,)),
        ("ovid=https%3A%2F%2Fkeys.example.com%3A443%2F", (KEYS,)),
        ("ovid=https://keys.example.com:443/pgpuniversaldesktop", (KEYS,)),
        ("ovid=user@keys.example.com", (KEYS,)),
        ("ovid=keys.example.com,keys2.example.com", (KEYS, "keys2.example.com")),
        ("server=other.example.com&ovid=keys.example.com", (KEYS, "other.example.com")),
        ("keys.example.com", (KEYS,)),
        ("ovid=192.0.2.1", ("192.0.2.1",)),
        ("mail=mail.example.com&admin=1", ()),
        ("ovid=&mail=*", ()),
        ("ovid=keys", ()),
        ("ovid=PGPprefs.xml", ()),
        ("", ()),
        ("&&&===", ()),
        ("ovid=keys.example.com\x00junk", (KEYS,)),
        ("ovid=" + "a" * 300 + ".example.com", ()),
        ("ovid=keys.example.com\r\nadmin=1", (KEYS,)),
    ],
)
def test_stamps(value: str, servers: tuple[str, ...]) -> None:
    assert parse_stamp(value) == servers


@given(st.text(max_size=300))
def test_any_text_is_a_stamp(value: str) -> None:
    for host in parse_stamp("ovid=" + value):
        assert len(host) <= 253
        assert host == host.strip().lower()
        assert host.isascii()


def test_both_views_of_the_registry_the_users_own_first(tmp_path: Path) -> None:
    registry = FakeRegistry(
        {("HKLM", "PGPSTAMP", 64): "ovid=a.example.com", ("HKLM", "PGPSTAMP", 32): f"ovid={KEYS}"}
    )
    assert enrolled_servers(desktop(tmp_path, "win32"), registry) == ("a.example.com", KEYS)


def test_a_registry_that_denies_is_not_one_that_is_empty(tmp_path: Path) -> None:
    registry = FakeRegistry({("HKLM", "PGPSTAMP"): PermissionError(13, "Access is denied")})
    causes = [one.failure.cause for one in places(desktop(tmp_path, "win32"), registry) if one.failure]
    assert causes == [Cause.DENIED, Cause.DENIED, Cause.NOT_FOUND]
    assert enrolled_servers(desktop(tmp_path, "win32"), registry) == ()


def prefs(tmp_path: Path, data: bytes) -> tuple[str, ...]:
    folder = tmp_path / "PGP Corporation" / "PGP"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "PGPprefs.xml").write_bytes(data)
    return enrolled_servers(desktop(tmp_path, "win32", APPDATA=str(tmp_path)), FakeRegistry({}))


def xml(body: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN" '
        f'"http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n<plist version="1.0"><dict>{body}</dict></plist>'
    ).encode()


@pytest.mark.parametrize(
    ("data", "servers"),
    [
        (xml("<key>ovid</key><string>keys.example.com</string>"), (KEYS,)),
        (xml("<key>Stamp</key><string>ovid=keys.example.com&amp;mail=*</string>"), (KEYS,)),
        (xml("<key>any</key><string>ovid=keys.example.com</string>"), (KEYS,)),
        (xml("<key>universalServers</key><array><string>keys.example.com</string></array>"), (KEYS,)),
        (
            xml(
                "<key>deep</key><dict><key>policyServer</key><dict><key>ovid</key><string>keys.example.com</string></dict></dict>"
            ),
            (KEYS,),
        ),
        # not well formed, as KB 153321 shows only the outer form
        (b"<key>ovid</key>\n  <string>keys.example.com</string> <key>x</key>", (KEYS,)),
        # a public directory is no enrolment
        (xml("<key>keyserver</key><string>ldap://keyserver.pgp.com</string>"), ()),
        (xml("<key>ovid</key><integer>3</integer>"), ()),
        (b"", ()),
        (b"\x00" * 100, ()),
        (b"bplist00" + b"\xff" * 60, ()),
        (
            b"<!DOCTYPE x [<!ENTITY a 'keys.example.com'>]>"
            b"<plist><dict><key>ovid</key><string>&a;</string></dict></plist>",
            (),
        ),
    ],
)
def test_preferences(tmp_path: Path, data: bytes, servers: tuple[str, ...]) -> None:
    assert prefs(tmp_path, data) == servers


@given(data=st.binary(max_size=300))
def test_any_bytes_are_a_preference_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    prefs(tmp_path_factory.mktemp("p"), data)


def test_macos_preferences_binary_and_older(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "Library" / "Preferences"
    folder.mkdir(parents=True)
    binary = plistlib.dumps({"a": [{"OVIDStamp": f"ovid={KEYS}&mail=*"}]}, fmt=plistlib.FMT_BINARY)
    (folder / "com.pgp.desktop.plist").write_bytes(binary)
    (folder / "com.pgp.PGP.plist").write_bytes(plistlib.dumps({"policyServer": "old.example.com"}))
    assert enrolled_servers(desktop(tmp_path, "darwin")) == (KEYS, "old.example.com")


def test_a_plist_that_holds_itself_ends(tmp_path: Path) -> None:
    nested: object = "ovid=keys.example.com"
    for _ in range(40):
        nested = {"ovid": nested}
    assert prefs(tmp_path, plistlib.dumps({"x": nested})) == ()


def test_other_systems_have_no_place_for_it(tmp_path: Path) -> None:
    assert places(desktop(tmp_path, "linux")) == ()


def test_a_huge_preference_file_is_read_in_part(tmp_path: Path) -> None:
    data = xml("<key>ovid</key><string>keys.example.com</string>" + "<key>x</key><string>y</string>" * 50_000)
    assert len(data) > 1_048_576
    assert prefs(tmp_path, data) == (KEYS,)
    settings = places(desktop(tmp_path, "win32", APPDATA=str(tmp_path)), FakeRegistry({}))
    assert settings[-1].failure is not None
    assert settings[-1].failure.cause is Cause.TOO_LARGE

"""Proxy settings of the environment, of Windows and of macOS: whether they cover the FQDN."""

from __future__ import annotations

import plistlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.model.target import Target
from semscheck.probes.proxy import settings, without_credentials
from tests.probes.dnslook import FQDN, desktop
from tests.probes.test_desktop import FakeRegistry

TARGET = Target(FQDN)
PROXY = "http://proxy.example.test:8080"


@pytest.mark.parametrize(
    ("environment", "url", "covers"),
    [
        ({}, None, False),
        ({"http_proxy": PROXY}, None, False),
        ({"https_proxy": PROXY}, PROXY, True),
        ({"HTTPS_PROXY": PROXY}, PROXY, True),
        ({"ALL_PROXY": PROXY}, PROXY, True),
        ({"https_proxy": "", "all_proxy": PROXY}, PROXY, True),
        ({"https_proxy": PROXY, "no_proxy": "*"}, PROXY, False),
        ({"https_proxy": PROXY, "no_proxy": "localhost,example.test"}, PROXY, False),
        ({"https_proxy": PROXY, "no_proxy": ".example.test"}, PROXY, False),
        ({"https_proxy": PROXY, "no_proxy": "*.EXAMPLE.test"}, PROXY, False),
        ({"https_proxy": PROXY, "no_proxy": "keys.example.test:443"}, PROXY, False),
        ({"https_proxy": PROXY, "no_proxy": "keys.example.test:8443"}, PROXY, True),
        ({"https_proxy": PROXY, "no_proxy": "mple.test"}, PROXY, True),
        ({"https_proxy": PROXY, "NO_PROXY": "other.test corp.test"}, PROXY, True),
        ({"https_proxy": PROXY, "no_proxy": "192.0.2.0/24"}, PROXY, True),
        ({"https_proxy": "http://user:secret@proxy.example.test:8080"}, PROXY, True),
        ({"https_proxy": "socks5h://127.0.0.1:9050"}, "socks5h://127.0.0.1:9050", True),
    ],
)
def test_environment(tmp_path: Path, environment: dict[str, str], url: str | None, covers: bool) -> None:
    [found] = settings(desktop(tmp_path, **environment), TARGET)
    assert (found.source, found.url, found.covers) == ("environment", url, covers)


@pytest.mark.parametrize(
    ("fqdn", "bypass", "covers"),
    [
        ("192.0.2.9", "192.0.2.0/24", False),
        ("192.0.2.9", "192.0.2.9", False),
        ("192.0.2.9", "example.test", True),
        ("2001:db8::9", "2001:db8::/32", False),
        ("2001:db8::9", "[2001:db8::9]", False),
    ],
)
def test_environment_for_an_address(tmp_path: Path, fqdn: str, bypass: str, covers: bool) -> None:
    target = Target(fqdn, fqdn_is_address=True)
    [found] = settings(desktop(tmp_path, https_proxy=PROXY, no_proxy=bypass), target)
    assert found.covers is covers


@pytest.mark.parametrize(
    ("values", "url", "covers"),
    [
        ({}, None, False),
        ({"ProxyEnable": 0, "ProxyServer": "p:8080"}, None, False),
        ({"ProxyEnable": 1, "ProxyServer": "p:8080"}, "p:8080", True),
        ({"ProxyEnable": 1, "ProxyServer": "http=a:80;https=b:443"}, "b:443", True),
        ({"ProxyEnable": 1, "ProxyServer": "http=a:80;ftp=c:21"}, None, False),
        ({"ProxyEnable": 1, "ProxyServer": "p:1", "ProxyOverride": "<local>"}, "p:1", True),
        ({"ProxyEnable": 1, "ProxyServer": "p:1", "ProxyOverride": "10.*;*.example.test"}, "p:1", False),
        (
            {"ProxyEnable": 1, "ProxyServer": "p:1", "ProxyOverride": "https://keys.example.test:443"},
            "p:1",
            False,
        ),
        ({"ProxyEnable": 1, "ProxyServer": "p:1", "ProxyOverride": "[k]eys.example.test"}, "p:1", True),
        ({"ProxyEnable": 1, "ProxyServer": ""}, None, False),
        ({"AutoConfigURL": "http://wpad/p.pac"}, None, None),
    ],
)
def test_windows(tmp_path: Path, values: dict[str, str | int], url: str | None, covers: bool | None) -> None:
    registry = FakeRegistry({("HKCU", name): value for name, value in values.items()})
    _, found = settings(desktop(tmp_path, "win32"), TARGET, registry)
    assert (found.source, found.url, found.covers) == ("windows", url, covers)
    assert found.pac_url == values.get("AutoConfigURL")


def test_windows_local_names(tmp_path: Path) -> None:
    registry = FakeRegistry(
        {("HKCU", "ProxyEnable"): 1, ("HKCU", "ProxyServer"): "p:1", ("HKCU", "ProxyOverride"): "<local>"}
    )
    assert settings(desktop(tmp_path, "win32"), Target("keys"), registry)[1].covers is False


def test_windows_that_denies(tmp_path: Path) -> None:
    registry = FakeRegistry({("HKCU", "ProxyEnable"): PermissionError(13, "denied")})
    found = settings(desktop(tmp_path, "win32"), TARGET, registry)[1]
    assert found.failure is not None
    assert found.covers is None


def mac(tmp_path: Path, value: object) -> list[tuple[str | None, str | None, bool | None]]:
    path = tmp_path / "Library" / "Preferences" / "SystemConfiguration" / "preferences.plist"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(value if isinstance(value, bytes) else plistlib.dumps(value))
    return [(one.url, one.pac_url, one.covers) for one in settings(desktop(tmp_path, "darwin"), TARGET)[1:]]


WIFI = {"HTTPSEnable": 1, "HTTPSProxy": "proxy.example.test", "HTTPSPort": 8080}
CABLE = {"ProxyAutoConfigEnable": 1, "ProxyAutoConfigURLString": "http://wpad/p.pac"}


def network(*order: str, **proxies: dict[str, object]) -> dict[str, object]:
    return {
        "CurrentSet": "/Sets/S",
        "Sets": {"S": {"Network": {"Global": {"IPv4": {"ServiceOrder": list(order)}}}}},
        "NetworkServices": {name: {"Proxies": value} for name, value in proxies.items()},
    }


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (network("wifi", wifi=WIFI), [("proxy.example.test:8080", None, True)]),
        (
            network("wifi", wifi={**WIFI, "ExceptionsList": ["*.example.test"]}),
            [("proxy.example.test:8080", None, False)],
        ),
        (network("wifi", wifi={**WIFI, "HTTPSEnable": 0}), [(None, None, False)]),
        (
            network("cable", "wifi", wifi=WIFI, cable=CABLE),
            [(None, "http://wpad/p.pac", None), ("proxy.example.test:8080", None, True)],
        ),
        (network("cable", wifi=WIFI, cable={}), [(None, None, False)]),
        ({"NetworkServices": {"wifi": {"Proxies": WIFI}}}, [("proxy.example.test:8080", None, True)]),
        ({}, [(None, None, False)]),
        ([1, 2], [(None, None, False)]),
        (b"garbage", [(None, None, None)]),
        (
            network("wifi", wifi={"HTTPSEnable": 1, "HTTPSProxy": ["odd"], "ExceptionsList": 7}),
            [("['odd']:None", None, True)],
        ),
    ],
)
def test_macos(
    tmp_path: Path, value: object, found: list[tuple[str | None, str | None, bool | None]]
) -> None:
    assert mac(tmp_path, value) == found


@given(data=st.binary(max_size=200))
def test_any_bytes_are_macos_preferences(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    assert len(mac(tmp_path_factory.mktemp("m"), data)) >= 1


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:p%40ss@proxy:1", "http://proxy:1"),
        (
            "http://a@b@proxy:1/x@y",
            "http://y",
        ),  # a password may have a slash: nothing before the last is kept
        ("http://user:pa/ss@proxy:1", "http://proxy:1"),
        ("//user:secret@proxy:1", "proxy:1"),
        ("http:/user:secret@proxy:1", "proxy:1"),
        ("a-scheme-of-more-than-sixteen://user:secret@proxy", "proxy"),
        ("secret://user@proxy", "proxy"),
        ("http://user:" + "secret" * 1000 + "@proxy", "(too long)"),
        ("proxy:1", "proxy:1"),
        ("user:secret@proxy:1", "proxy:1"),
    ],
)
def test_no_password_is_kept(url: str, shown: str) -> None:
    assert without_credentials(url) == shown

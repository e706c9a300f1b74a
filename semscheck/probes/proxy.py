"""Proxy settings of this desktop, and whether they cover the FQDN. They are reported; nothing goes through them.

Read are the environment, Windows' Internet Settings of the user, and macOS' network preferences. A PAC file is
named and not evaluated; automatic detection (WPAD) leaves no setting that could be read.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.target import Target
from semscheck.net.backend import Desktop
from semscheck.net.errors import failure_from
from semscheck.probes.local_files import (
    MAX_FILE_BYTES,
    MAX_VALUE_CHARACTERS,
    Registry,
    read_bytes,
    registry_of,
)

INTERNET_SETTINGS = r"Software\Microsoft\Windows\CurrentVersion\Internet Settings"
MAC_NETWORK = ("Library", "Preferences", "SystemConfiguration", "preferences.plist")
MAX_BYPASS = 64
MAX_SETTINGS = 16


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting; see `ProxySettings`. url: without a user's name and password."""

    source: str
    url: str | None = None
    bypass: tuple[str, ...] = ()
    pac_url: str | None = None
    covers: bool | None = False
    failure: Failure | None = None


def settings(desktop: Desktop, target: Target, registry: Registry | None = None) -> tuple[Setting, ...]:
    """Every kind of setting that this kind of system has, whether or not it is in use. Never raises."""
    found = [_environment(desktop, target)]
    windows = registry_of(desktop, registry)
    if windows is not None:
        found.append(_safely("windows", lambda: _windows(windows, target)))
    if desktop.platform == "darwin":
        found.extend(_mac(desktop, target))
    return tuple(found[:MAX_SETTINGS])


def _safely(source: str, reader: Callable[[], Setting]) -> Setting:
    try:
        return reader()
    except (OSError, ValueError) as error:
        return Setting(source, covers=None, failure=failure_from(Phase.READ, error))


_SCHEME = re.compile(r"(?:https?|socks[45]?[ah]?|ftp)://", re.IGNORECASE)


def without_credentials(url: str) -> str:
    """A proxy's address as it may be written into a report: of what is before the last "@" a known scheme at most,
    whatever a client would make of it. One that may have been cut before its "@" is not shown."""
    if len(url) >= MAX_VALUE_CHARACTERS:
        return "(too long)"
    _, at, rest = url.rpartition("@")
    scheme = _SCHEME.match(url) if at else None
    return (scheme.group() if scheme else "") + rest


# --- environment -------------------------------------------------------------------------------------------


def _environment(desktop: Desktop, target: Target) -> Setting:
    """https_proxy, else all_proxy, and no_proxy; lower case first, as curl and Python do."""
    url = _variable(desktop, "https_proxy") or _variable(desktop, "all_proxy")
    bypass = _list(re.split(r"[,\s]+", _variable(desktop, "no_proxy")))
    if not url:
        return Setting("environment", bypass=bypass)
    covered = not any(_environment_bypasses(one, target) for one in bypass)
    return Setting("environment", without_credentials(url), bypass, covers=covered)


def _variable(desktop: Desktop, name: str) -> str:
    value = desktop.environment.get(name) or desktop.environment.get(name.upper()) or ""
    return value.strip()[:MAX_VALUE_CHARACTERS]


def _list(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(word.strip()[:255] for word in words if word.strip())[:MAX_BYPASS]


def _environment_bypasses(pattern: str, target: Target) -> bool:
    """An asterisk, a domain with all below it, an address, or a network; a port narrows it."""
    name, _, port = pattern.lower().partition(":") if pattern.count(":") == 1 else (pattern.lower(), "", "")
    if port and port != str(target.port):
        return False
    if name == "*":
        return True
    if target.fqdn_is_address:
        with suppress(ValueError):
            return _in_network(target.fqdn, name.strip("[]"))
        return False
    domain = name.removeprefix("*").strip(".")
    return bool(domain) and (target.fqdn == domain or target.fqdn.endswith("." + domain))


def _in_network(address: str, network: str) -> bool:
    """Raises ValueError if `network` is none."""
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


# --- Windows -----------------------------------------------------------------------------------------------


def _windows(registry: Registry, target: Target) -> Setting:
    enabled = _value(registry, "ProxyEnable") not in ("", "0")
    server = _for_https(_value(registry, "ProxyServer")) if enabled else None
    bypass = _list(_value(registry, "ProxyOverride").split(";"))
    pac = _value(registry, "AutoConfigURL") or None
    covers: bool | None = server is not None and not any(_glob_bypasses(one, target) for one in bypass)
    return Setting(
        "windows",
        url=None if server is None else without_credentials(server),
        bypass=bypass,
        pac_url=None if pac is None else without_credentials(pac),
        covers=None if pac else covers,
    )


def _value(registry: Registry, name: str) -> str:
    """A value of the user's Internet Settings as text, empty if it is not there. Raises OSError (denied)."""
    try:
        return str(registry.read("HKCU", INTERNET_SETTINGS, name)).strip()[:MAX_VALUE_CHARACTERS]
    except FileNotFoundError:
        return ""


def _for_https(servers: str) -> str | None:
    """The proxy for https in "host:port" or "http=host:port;https=host:port"."""
    for one in servers.split(";"):
        scheme, equals, place = one.strip().partition("=")
        if not equals and scheme:
            return scheme
        if scheme.strip().lower() in ("https", "socks") and place.strip():
            return place.strip()
    return None


def _glob_bypasses(pattern: str, target: Target) -> bool:
    """ "<local>" means names without a dot; "*" stands for anything."""
    wanted = pattern.strip().lower()
    if wanted == "<local>":
        return "." not in target.fqdn and ":" not in target.fqdn
    host = re.sub(r"^[a-z]+://", "", wanted)
    host = re.sub(r":\d+$", "", host)
    literal = host.replace("[", "[[]")  # only "*" has a meaning
    return fnmatchcase(target.fqdn, literal)


# --- macOS -------------------------------------------------------------------------------------------------


def _mac(desktop: Desktop, target: Target) -> list[Setting]:
    import plistlib
    from xml.parsers.expat import ExpatError

    path = desktop.root.joinpath(*MAC_NETWORK)
    try:
        data = read_bytes(path)
        if len(data) > MAX_FILE_BYTES:
            trouble = Failure(Phase.READ, Cause.TOO_LARGE, f"{path} is longer than {MAX_FILE_BYTES} bytes")
            return [Setting("macos", covers=None, failure=trouble)]
        network = plistlib.loads(data)
    except OSError as error:
        return [Setting("macos", covers=None, failure=failure_from(Phase.READ, error))]
    except (ValueError, ExpatError, LookupError, TypeError, AttributeError, RecursionError) as error:
        trouble = Failure(Phase.READ, Cause.MALFORMED, f"{type(error).__name__} in {path}")
        return [Setting("macos", covers=None, failure=trouble)]
    found = [_mac_setting(proxies, target) for proxies in _mac_proxies(network)]
    return [one for one in found if one.url or one.pac_url] or [Setting("macos")]


def _mac_proxies(network: Any) -> Iterator[dict[str, Any]]:
    """The Proxies of each network service of the current set, in its order; of all where no set is named."""
    services = _inside(network, "NetworkServices")
    current = str(network.get("CurrentSet", "")) if isinstance(network, dict) else ""
    chosen = _inside(network, "Sets", current.rpartition("/")[2], "Network", "Global", "IPv4")
    order = chosen.get("ServiceOrder")
    for name in order if isinstance(order, list) else list(services):
        proxies = _inside(services, str(name), "Proxies")
        if proxies:
            yield proxies


def _inside(value: Any, *path: str) -> dict[str, Any]:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _mac_setting(proxies: dict[str, Any], target: Target) -> Setting:
    host, port = proxies.get("HTTPSProxy"), proxies.get("HTTPSPort")
    url = f"{host}:{port}" if proxies.get("HTTPSEnable") and host else None
    pac = proxies.get("ProxyAutoConfigURLString") if proxies.get("ProxyAutoConfigEnable") else None
    exceptions = proxies.get("ExceptionsList")
    bypass = _list(str(one) for one in exceptions) if isinstance(exceptions, list) else ()
    local = bool(proxies.get("ExcludeSimpleHostnames")) and "." not in target.fqdn
    covers: bool | None = url is not None and not local and not any(_glob_bypasses(b, target) for b in bypass)
    return Setting(
        "macos",
        url=None if url is None else without_credentials(url),
        bypass=bypass,
        pac_url=None if pac is None else without_credentials(str(pac)),
        covers=None if pac else covers,
    )

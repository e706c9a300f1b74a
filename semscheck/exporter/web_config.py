"""The web configuration file (YAML) of Prometheus' exporters: TLS, client certificates, basic authentication.

After "TLS and basic authentication" of the Prometheus documentation (exporter-toolkit, docs/web-configuration.md).
What is named there and cannot be had here is refused with the reason, never left out in silence: a server that asks
for less than its file says would be worse than none.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from semscheck.exporter.settings import SettingsError, key_words, read_bounded
from semscheck.files import why

_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
_CLIENT_AUTH = {
    "": ssl.CERT_NONE,
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert")
# Go's names of the TLS 1.2 suites that it calls secure, and OpenSSL's; those of TLS 1.3 are always on in both.
_SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
}
# The headers that exporter-toolkit lets an administrator set.
_HEADERS = {
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
}
_BCRYPT = re.compile(r"\$2[abxy]\$(?P<cost>\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)
MAX_COST = 16  # bcrypt's; each step doubles the time, and 16 takes seconds


class _Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cert_file: str = ""
    key_file: str = ""
    cert: str = ""
    key: str = ""
    client_auth_type: str = ""
    client_ca_file: str = ""
    client_ca: str = ""
    client_allowed_sans: list[str] = []
    cipher_suites: list[str] = []
    curve_preferences: list[str] = []
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    prefer_server_cipher_suites: bool = True


class _Http(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    http2: bool = True
    headers: dict[str, str] = {}


class _Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tls_server_config: _Tls | None = None
    http_server_config: _Http = _Http()
    basic_auth_users: dict[str, str] | None = None


Stamps = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class WebConfig:
    """tls: None for plain HTTP. users: bcrypt hashes by name; empty: nobody is asked for a password.

    allowed_sans: names of which a client's certificate must have one; empty: any that verifies.
    files: every file that was read, for `stamps`.
    """

    tls: ssl.SSLContext | None = None
    users: dict[str, bytes] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    allowed_sans: frozenset[str] = frozenset()
    files: tuple[Path, ...] = ()


def read_web_config(path: Path) -> WebConfig:
    """The file, its certificate and its key. Raises SettingsError; reads files, so not for every request."""
    shape = _parse(path)
    tls = shape.tls_server_config
    if tls is not None and tls == _Tls():
        tls = None  # an empty section is plain HTTP, as in exporter-toolkit
    named = () if tls is None else (tls.cert_file, tls.key_file, tls.client_ca_file)
    return WebConfig(
        tls=None if tls is None else _context(path, tls),
        users=_users(path, shape.basic_auth_users or {}),
        headers=_headers(path, shape.http_server_config.headers),
        allowed_sans=frozenset(tls.client_allowed_sans if tls is not None else ()),
        files=(path, *(path.parent / name for name in named if name)),
    )


def stamps(files: Iterable[Path]) -> Stamps:
    """What changes when a file is replaced or written: inode, time, size; zeros where it is not there."""
    found = []
    for file in files:
        try:
            at = os.stat(file)
            found.append((str(file), at.st_ino, at.st_mtime_ns, at.st_size))
        except (OSError, ValueError):
            found.append((str(file), 0, 0, 0))
    return tuple(found)


def _parse(path: Path) -> _Shape:
    import yaml

    data = read_bounded(path)
    try:
        document: Any = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise SettingsError(f"{path}: not YAML: {' '.join(str(problem).split())[:200]}") from problem
    if document is None:
        return _Shape()
    try:
        return msgspec.convert(document, _Shape, strict=True)
    except msgspec.ValidationError as problem:
        raise SettingsError(f"{path}: {key_words(str(problem))}") from problem


def _context(path: Path, tls: _Tls) -> ssl.SSLContext:
    def wrong(key: str, words: str) -> SettingsError:
        return SettingsError(f"{path}: tls_server_config.{key}: {words}")

    if tls.cert or tls.key or tls.client_ca:
        raise wrong(
            "cert", "certificates inside the file are not read; use cert_file, key_file and client_ca_file"
        )
    if not tls.cert_file or not tls.key_file:
        raise wrong("cert_file", "cert_file and key_file are both needed")
    if tls.curve_preferences:
        raise wrong("curve_preferences", "the curves cannot be chosen here; leave the key out")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _version(tls.min_version, "min_version", wrong)
    context.maximum_version = _version(tls.max_version, "max_version", wrong)
    context.verify_mode = _client_auth(tls, wrong)
    if tls.cipher_suites:
        _choose_suites(context, tls.cipher_suites, wrong)
    try:
        # A password prompt on the terminal would hang the exporter.
        context.load_cert_chain(path.parent / tls.cert_file, path.parent / tls.key_file, password="")
    except (OSError, ValueError) as problem:
        raise wrong("cert_file", f"{tls.cert_file}, {tls.key_file}: {why(problem)}") from problem
    if tls.client_ca_file:
        try:
            context.load_verify_locations(path.parent / tls.client_ca_file)
        except (OSError, ValueError) as problem:
            raise wrong("client_ca_file", f"{tls.client_ca_file}: {why(problem)}") from problem
    context.set_alpn_protocols(["http/1.1"])
    return context


def _version(text: str, key: str, wrong: Any) -> ssl.TLSVersion:
    if text not in _VERSIONS:
        raise wrong(key, f"{text[:40]!r} is none of {', '.join(_VERSIONS)}")
    return _VERSIONS[text]


def _client_auth(tls: _Tls, wrong: Any) -> ssl.VerifyMode:
    if tls.client_auth_type in _UNVERIFIED:
        raise wrong(
            "client_auth_type",
            f"{tls.client_auth_type} asks for a certificate and does not verify it, which this server cannot; "
            "use VerifyClientCertIfGiven or RequireAndVerifyClientCert",
        )
    if tls.client_auth_type not in _CLIENT_AUTH:
        known = ", ".join(name for name in _CLIENT_AUTH if name)
        raise wrong("client_auth_type", f"{tls.client_auth_type[:60]!r} is none of {known}")
    mode = _CLIENT_AUTH[tls.client_auth_type]
    if mode is not ssl.CERT_NONE and not tls.client_ca_file:
        raise wrong("client_ca_file", "is needed to verify clients' certificates")
    if mode is ssl.CERT_NONE and (tls.client_ca_file or tls.client_allowed_sans):
        raise wrong("client_auth_type", "NoClientCert together with client_ca_file or client_allowed_sans")
    return mode


def _choose_suites(context: ssl.SSLContext, names: list[str], wrong: Any) -> None:
    unknown = [name for name in names if name not in _SUITES]
    if unknown:
        raise wrong("cipher_suites", f"{unknown[0][:80]!r} is not known here")
    wanted = [_SUITES[name] for name in names if _SUITES[name]]
    if not wanted:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return
    try:
        context.set_ciphers(":".join(wanted))
    except ssl.SSLError as problem:
        raise wrong("cipher_suites", "OpenSSL has none of them") from problem


def _users(path: Path, given: dict[str, str]) -> dict[str, bytes]:
    for name, hashed in given.items():
        shown = repr(name[:60])
        if not name or ":" in name:
            raise SettingsError(f"{path}: basic_auth_users: {shown} is no user name (RFC 7617 section 2)")
        known = _BCRYPT.fullmatch(hashed)
        if known is None:
            raise SettingsError(
                f"{path}: basic_auth_users: {shown} has no bcrypt hash (htpasswd -nBC 10 NAME)"
            )
        if not 4 <= int(known["cost"]) <= MAX_COST:
            raise SettingsError(
                f"{path}: basic_auth_users: {shown}: a bcrypt cost of 4 to {MAX_COST} is taken"
            )
    return {name: hashed.encode() for name, hashed in given.items()}


def _headers(path: Path, given: dict[str, str]) -> tuple[tuple[str, str], ...]:
    for name, value in given.items():
        if name not in _HEADERS:
            known = ", ".join(sorted(_HEADERS))
            raise SettingsError(f"{path}: http_server_config.headers: {name[:60]!r} is none of {known}")
        if not value.isascii() or not value.isprintable():
            raise SettingsError(
                f"{path}: http_server_config.headers.{name}: has characters that no header may have"
            )
    return tuple(given.items())

"""TLS contexts: one per purpose, each made once. Only `trusting` ever judges trust.

- `trusting`: as a modern client on this desktop would; the operating system's store (truststore on Windows and
  macOS) and the extra anchors. Host names are left to the rules, which judge them by RFC 9525.
- `seeing`: the same protocol policy, trust not judged: for what `trusting` refused, and for sampling. As browsers do,
  it takes a server without secure renegotiation (RFC 5746), which OpenSSL 3 refuses by itself.
- `permissive`: TLS 1.0 up and weak keys, to see old servers; never judges trust.
"""

from __future__ import annotations

import os
import re
import ssl
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

# Where distributions keep the bundle, for a program whose OpenSSL was built for another one. The list is the
# one that truststore uses; truststore itself would read the bundle again for every connection.
_BUNDLES = (
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
)
_HASHED = re.compile(r"^[0-9a-fA-F]{8}\.[0-9]+$")
ALPN = ("http/1.1",)
LEGACY_CONNECT = getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)  # named from Python 3.12 on


def _load_system_store(context: ssl.SSLContext) -> None:
    paths = ssl.get_default_verify_paths()
    hashed = paths.capath and any(_HASHED.match(name) for name in os.listdir(paths.capath))
    if paths.cafile or hashed:
        context.set_default_verify_paths()
        return
    for bundle in _BUNDLES:
        if Path(bundle).is_file():
            context.load_verify_locations(cafile=bundle)
            return


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """A context that verifies the chain, not the name. Raises OSError or ssl.SSLError for a bad `ca_file`.

    X509_V_FLAG_X509_STRICT stays off on every Python (3.13 turns it on in its default context), since it
    refuses chains that the product's clients accept.
    """
    if sys.platform in ("win32", "darwin"):
        import truststore

        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _load_system_store(context)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    context.set_alpn_protocols(ALPN)
    return context


def forgiving(ca_file: str | None) -> ssl.SSLContext:
    """As `trusting`, and takes a server without secure renegotiation: what browsers do."""
    context = trusting(ca_file)
    context.options |= LEGACY_CONNECT
    return context


def seeing(
    newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED, alpn: tuple[str, ...] = ALPN
) -> ssl.SSLContext:
    """A context that accepts any chain. newest: the highest protocol version that it offers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = newest
    context.options |= LEGACY_CONNECT
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def permissive(
    oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1,
    newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
) -> ssl.SSLContext:
    """A context that speaks with old and weak servers: TLS 1.0 up, OpenSSL's security level 0."""
    context = seeing()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what this is for
        context.minimum_version = oldest
        context.maximum_version = newest
    return context


def offering(what: str) -> ssl.SSLContext:
    """A permissive context that offers less than it could, so that one question is answered; see `Handshake.offered`.

    "TLSv1.1": 1.0 and 1.1; "TLSv1.2": that version alone; "RSA": TLS 1.2 with the suites of an RSA certificate
    (in TLS 1.3 no suite names the kind of certificate); "no-alpn", "no-name": everything but that (the name is the
    caller's); "small": a ClientHello under 256 bytes, TLS 1.3 with one group and no ALPN.
    """
    if what in ("no-alpn", "no-name"):
        return seeing(alpn=() if what == "no-alpn" else ALPN)
    if what == "small":
        return _small()
    oldest = ssl.TLSVersion.TLSv1 if what == "TLSv1.1" else ssl.TLSVersion.TLSv1_2
    newest = ssl.TLSVersion.TLSv1_1 if what == "TLSv1.1" else ssl.TLSVersion.TLSv1_2
    context = permissive(oldest, newest)
    if what == "RSA":
        context.set_ciphers("aRSA:@SECLEVEL=0")
    return context


def _small() -> ssl.SSLContext:
    context = seeing(alpn=())
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_ecdh_curve("prime256v1")  # the one group, and the one key share
    context.options |= ssl.OP_NO_TICKET
    context.options &= ~ssl.OP_ENABLE_MIDDLEBOX_COMPAT  # leaves the session id out (RFC 8446 appendix D.4)
    return context


class Contexts:
    """The contexts of one run, each made when it is first wanted (a store takes tens of milliseconds).

    Raises OSError or ssl.SSLError at once for a `ca_file` that holds no certificate.
    """

    def __init__(self, ca_file: str | None) -> None:
        if ca_file is not None:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=ca_file)
        self._ca_file = ca_file
        self.store = "system+ca-file" if ca_file else "system"
        self._made: dict[str, ssl.SSLContext] = {}

    def get(self, policy: str) -> ssl.SSLContext:
        """The context for "default", "forgiving", "unverified" or "legacy"."""
        if policy not in self._made:
            makers: dict[str, Callable[[], ssl.SSLContext]] = {
                "default": lambda: trusting(self._ca_file),
                "forgiving": lambda: forgiving(self._ca_file),
                "unverified": seeing,
                "legacy": permissive,
            }
            self._made[policy] = makers[policy]()
        return self._made[policy]

"""The roots that browsers have by themselves, as far as the list that httpx brings along (Mozilla's) tells."""

from __future__ import annotations

import hashlib
import ssl
from functools import cache
from pathlib import Path

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def is_public(fingerprint: str) -> bool | None:
    """Is it the SHA-256 fingerprint of one of them? None where there is no list."""
    known = _fingerprints()
    return fingerprint in known if known else None


@cache
def _fingerprints() -> frozenset[str]:
    """Empty where the list is missing, or where a distribution put its own store, with local roots, in its place."""
    try:
        import certifi

        bundle = Path(certifi.where()).resolve()
        if bundle.parent != Path(certifi.__file__).resolve().parent:
            return frozenset()
        text = bundle.read_text("utf-8")
    except (ImportError, OSError, UnicodeDecodeError):
        return frozenset()
    found = (part.partition(_END)[0] for part in text.split(_BEGIN)[1:])
    return frozenset(
        hashlib.sha256(ssl.PEM_cert_to_DER_cert(f"{_BEGIN}{each}{_END}")).hexdigest() for each in found
    )

"""Exceptions of the operating system and of ssl into `Failure` values: the only place that reads errno."""

from __future__ import annotations

import errno
import os
import ssl

from semscheck.model.failure import NO_SECURE_RENEGOTIATION, Cause, Failure, Phase

# Errno values per cause, with Windows' WSA numbers where Python passes them through as they are.
_BY_ERRNO: dict[int, Cause] = {
    errno.ECONNREFUSED: Cause.REFUSED,
    errno.ECONNRESET: Cause.RESET,
    errno.ECONNABORTED: Cause.RESET,
    errno.EPIPE: Cause.RESET,
    errno.ETIMEDOUT: Cause.TIMED_OUT,
    errno.EHOSTUNREACH: Cause.NO_ROUTE,
    errno.ENETUNREACH: Cause.NO_ROUTE,
    errno.EADDRNOTAVAIL: Cause.NO_ROUTE,
    errno.ENETDOWN: Cause.NO_ROUTE,
    errno.EHOSTDOWN: Cause.NO_ROUTE,
    errno.EACCES: Cause.DENIED,
    errno.EPERM: Cause.DENIED,
    errno.ENOENT: Cause.NOT_FOUND,
    10060: Cause.TIMED_OUT,
    10061: Cause.REFUSED,
    10054: Cause.RESET,
    10053: Cause.RESET,
    10051: Cause.NO_ROUTE,
    10065: Cause.NO_ROUTE,
    10049: Cause.NO_ROUTE,
}

# OpenSSL reasons that say that our own library refused, not the server.
_OUR_POLICY = (
    "DH_KEY_TOO_SMALL",
    "EE_KEY_TOO_SMALL",
    "CA_KEY_TOO_SMALL",
    "CA_MD_TOO_WEAK",
    "UNSUPPORTED_PROTOCOL",
    "NO_PROTOCOLS_AVAILABLE",
    "VERSION_TOO_LOW",
    "WRONG_SIGNATURE_TYPE",
    "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED",
    NO_SECURE_RENEGOTIATION,
    "NO_SUITABLE_DIGEST_ALGORITHM",
    "SSL_COMMAND_SECTION",
)

# X509_V_ERR_EE_KEY_TOO_SMALL, CA_KEY_TOO_SMALL, CA_MD_TOO_WEAK (openssl/x509_vfy.h): strength, not trust.
POLICY_VERIFY_CODES = frozenset({66, 67, 68})

# RFC 8446 section 6 and the TLS 1.2 alerts of RFC 5246 section 7.2, by the standard library and where it has none.
ALERTS: dict[int, str] = {
    **{alert.value: alert.name.removeprefix("ALERT_DESCRIPTION_").lower() for alert in ssl.AlertDescription},
    21: "decryption_failed",
    41: "no_certificate",
    60: "export_restriction",
    86: "inappropriate_fallback",
    90: "user_canceled",
    109: "missing_extension",
    116: "certificate_required",
    120: "no_application_protocol",
}


def failure_from(phase: Phase, error: BaseException) -> Failure:
    """The failure that an exception stands for.

    A time-out in the connect phase is TIMED_OUT; after it, where a connection was there, it is STALLED.
    """
    if isinstance(error, TimeoutError) and error.errno is None:
        cause = Cause.TIMED_OUT if phase in (Phase.CONNECT, Phase.RESOLVE) else Cause.STALLED
        return Failure(phase, cause, "no answer in time")
    if isinstance(error, ssl.SSLCertVerificationError):
        cause = Cause.LOCAL_POLICY if error.verify_code in POLICY_VERIFY_CODES else Cause.UNTRUSTED
        return Failure(phase, cause, error.verify_message)
    if isinstance(error, ssl.SSLError):
        return _tls_failure(phase, error)
    if isinstance(error, OSError):
        cause = _BY_ERRNO.get(error.errno or 0, Cause.OTHER)
        return Failure(phase, cause, _words(error)[:500], errno=error.errno)
    if isinstance(error, EOFError):
        return Failure(phase, Cause.CLOSED, str(error) or "closed without an answer")
    if isinstance(error, ValueError):
        return Failure(phase, Cause.MALFORMED, str(error)[:500])
    return Failure(phase, Cause.OTHER, f"{type(error).__name__}: {error}"[:500])


def _words(error: OSError) -> str:
    """The system's own words: asyncio puts "Connect call failed" and the address in their place."""
    if error.errno is not None and (error.strerror or "").startswith("Connect call failed"):
        return os.strerror(error.errno)
    return error.strerror or str(error)


def _tls_failure(phase: Phase, error: ssl.SSLError) -> Failure:
    reason = error.reason or ""
    if isinstance(error, ssl.SSLZeroReturnError | ssl.SSLEOFError):
        return Failure(phase, Cause.CLOSED, "close_notify, or the end of the stream, in place of an answer")
    if "ALERT" in reason:
        name = reason.partition("ALERT_")[2].lower() or reason.lower()
        return Failure(phase, Cause.ALERT, reason, alert=name)
    if reason in _OUR_POLICY:
        return Failure(phase, Cause.LOCAL_POLICY, reason)
    return Failure(phase, Cause.MALFORMED, reason or str(error)[:500])

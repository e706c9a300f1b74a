"""Errors into failures: the only place that reads errno, and OpenSSL's words."""

from __future__ import annotations

import errno
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.model.failure import Cause, Phase
from semscheck.net.errors import failure_from


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] words (_ssl.c:1)")
    error.reason = reason
    return error


def untrusted(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("phase", "error", "cause"),
    [
        (Phase.CONNECT, TimeoutError(), Cause.TIMED_OUT),
        (Phase.RESOLVE, TimeoutError(), Cause.TIMED_OUT),
        (Phase.TLS, TimeoutError(), Cause.STALLED),
        (Phase.HTTP, TimeoutError(), Cause.STALLED),
        (Phase.SERVICE, TimeoutError(), Cause.STALLED),
        (
            Phase.TLS,
            TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
            Cause.TIMED_OUT,
        ),  # the kernel's own
        (Phase.CONNECT, ConnectionRefusedError(errno.ECONNREFUSED, "x"), Cause.REFUSED),
        (Phase.CONNECT, OSError(errno.EHOSTUNREACH, "x"), Cause.NO_ROUTE),
        (Phase.CONNECT, OSError(errno.ENETUNREACH, "x"), Cause.NO_ROUTE),
        (Phase.CONNECT, OSError(errno.EADDRNOTAVAIL, "x"), Cause.NO_ROUTE),
        (Phase.CONNECT, PermissionError(errno.EACCES, "x"), Cause.DENIED),
        (Phase.CONNECT, OSError(errno.EMFILE, "x"), Cause.OTHER),
        (Phase.TLS, ConnectionResetError(errno.ECONNRESET, "x"), Cause.RESET),
        (Phase.TLS, BrokenPipeError(errno.EPIPE, "x"), Cause.RESET),
        (Phase.CONNECT, OSError(10061, "WSAECONNREFUSED"), Cause.REFUSED),
        (Phase.CONNECT, OSError(10060, "WSAETIMEDOUT"), Cause.TIMED_OUT),
        (Phase.CONNECT, OSError("no number"), Cause.OTHER),
        (Phase.TLS, EOFError(), Cause.CLOSED),
        (Phase.HTTP, ValueError("no HTTP"), Cause.MALFORMED),
        (Phase.READ, FileNotFoundError(errno.ENOENT, "x"), Cause.NOT_FOUND),
        (Phase.TLS, untrusted(18), Cause.UNTRUSTED),
        (Phase.TLS, untrusted(66), Cause.LOCAL_POLICY),
        (Phase.TLS, tls_error("UNSUPPORTED_PROTOCOL"), Cause.LOCAL_POLICY),
        (Phase.TLS, tls_error("DH_KEY_TOO_SMALL"), Cause.LOCAL_POLICY),
        (Phase.TLS, tls_error("WRONG_VERSION_NUMBER"), Cause.MALFORMED),
        (Phase.TLS, RuntimeError("whatever"), Cause.OTHER),
    ],
)
def test_each_error_has_its_cause(phase: Phase, error: BaseException, cause: Cause) -> None:
    found = failure_from(phase, error)
    assert (found.phase, found.cause) == (phase, cause)
    assert found.detail


@pytest.mark.parametrize(
    ("reason", "alert"),
    [
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "handshake_failure"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "protocol_version"),
        ("TLSV1_UNRECOGNIZED_NAME", None),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "certificate_required"),
    ],
)
def test_alerts_are_named(reason: str, alert: str | None) -> None:
    found = failure_from(Phase.TLS, tls_error(reason))
    assert found.alert == alert
    assert found.cause is (Cause.ALERT if alert else Cause.MALFORMED)


def test_the_address_is_no_part_of_the_words() -> None:
    """asyncio's words hold it, and a redacted report would."""
    error = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('192.0.2.1', 443)")
    found = failure_from(Phase.CONNECT, error)
    assert found.detail == "Connection refused"
    assert found.errno == errno.ECONNREFUSED


@given(st.text(max_size=3000), st.sampled_from([OSError, ValueError, RuntimeError, EOFError]))
def test_words_are_bounded(words: str, kind: type[Exception]) -> None:
    assert len(failure_from(Phase.HTTP, kind(words)).detail) <= 3000
    if kind is not EOFError:
        assert len(failure_from(Phase.HTTP, kind(words)).detail) <= 520

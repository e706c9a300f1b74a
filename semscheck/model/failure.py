"""Network trouble as a value: which step failed, and why, from closed lists."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from semscheck.model.text import ErrorWords, Kept, Speech

# What OpenSSL 3 calls a server without RFC 5746; browsers and Windows take it.
NO_SECURE_RENEGOTIATION = "UNSAFE_LEGACY_RENEGOTIATION_DISABLED"


class Phase(StrEnum):
    """The step that failed, in the order in which a client takes them."""

    READ = "read"  # a file, the registry, a preference on this desktop
    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    HTTP = "http"
    SERVICE = "service"  # a greeting or an LDAP answer on another port


class Cause(StrEnum):
    """Why it failed. OTHER is the honest last member; `detail` then holds the error's own words."""

    REFUSED = "refused"  # ECONNREFUSED: a closed port, or a firewall that rejects
    TIMED_OUT = "timed-out"  # no answer at all within the step's time-out
    NO_ROUTE = "no-route"  # EHOSTUNREACH, ENETUNREACH: told by the network, or by this desktop
    RESET = "reset"  # RST after the connection was made
    CLOSED = "closed"  # an orderly close (FIN, or close_notify) where an answer was due
    NOT_TLS = "not-tls"  # bytes that are no TLS record; `said` holds the first of them
    ALERT = "alert"  # the peer sent a TLS alert; `alert` names it
    STALLED = "stalled"  # connected, and then silence
    LOCAL_POLICY = "local-policy"  # our own library refused (key size, version): never the server's fault
    UNTRUSTED = "untrusted"  # the handshake was ended by us because the chain is not trusted
    MALFORMED = "malformed"  # an answer that does not parse
    TOO_LARGE = "too-large"
    NOT_FOUND = "not-found"  # no such file, key or name on this desktop
    DENIED = "denied"  # no permission: EACCES, EPERM
    NO_ADDRESS = "no-address"  # the system's resolver gave no address
    CANCELLED = "cancelled"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed step.

    detail: the error in its own words, as it came; made safe only where it is shown.
    errno: the operating system's number, None where there is none (a time-out has none).
    alert: the TLS alert's name (RFC 8446 section 6), None if there was none.
    said: the first bytes that came instead of what was due, decoded as Latin-1 so that none is lost.
    """

    phase: Phase
    cause: Cause
    detail: ErrorWords = ""
    errno: int | None = None
    alert: Kept | None = None
    said: Speech | None = None

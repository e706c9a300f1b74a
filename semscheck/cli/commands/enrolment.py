"""The server that this desktop is enrolled with."""

from __future__ import annotations


def enrolled_server() -> str | None:
    """The best of the names that this desktop's enrolment holds, None if there is none that can be used."""
    from semscheck.net.backend import real_backend
    from semscheck.probes.enrolment import enrolled_servers

    found = enrolled_servers(real_backend(0).desktop)
    return found[0] if found else None

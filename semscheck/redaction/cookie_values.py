"""A report without the values of its cookies: what is kept on a desktop must not let anybody into a session."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import replace

from semscheck.model.observations import Exchange
from semscheck.model.report import Report

_PAIR = re.compile(r"([^=;]*=)([^;]*)(.*)", re.DOTALL)


def without_cookie_values(report: Report) -> Report:
    """The same report, each cookie's value replaced by a mark: equal for equal values, in this report only."""
    key = secrets.token_bytes(16)

    def hidden(name: str, value: str) -> tuple[str, str]:
        found = _PAIR.fullmatch(value) if name.lower() == "set-cookie" else None
        if found is None:
            return name, value
        mark = hashlib.blake2b(found[2].encode("utf-8", "replace"), key=key, digest_size=6).hexdigest()
        return name, f"{found[1]}{mark}{found[3]}"

    observations = (
        replace(seen, headers=tuple(hidden(name, value) for name, value in seen.headers))
        if isinstance(seen, Exchange)
        else seen
        for seen in report.observations
    )
    return replace(report, observations=tuple(observations))

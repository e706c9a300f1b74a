"""semscheck: why can clients not reach a cluster of Symantec Encryption Management Servers?

The Python API (`docs/api.md`): `check`, `check_async`, `target`, `load`, `save`, `replay`, `compare`, their types,
and `Error`. Nothing is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semscheck.api import (
        Comparison,
        Error,
        Finding,
        Member,
        Report,
        Severity,
        Status,
        Summary,
        Target,
        check,
        check_async,
        compare,
        load,
        replay,
        save,
        target,
    )

__version__ = "0.1.0"
__all__ = [
    "Comparison",
    "Error",
    "Finding",
    "Member",
    "Report",
    "Severity",
    "Status",
    "Summary",
    "Target",
    "check",
    "check_async",
    "compare",
    "load",
    "replay",
    "save",
    "target",
]


def __getattr__(name: str) -> Any:
    """The API's names, imported when they are first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # not a dependency of whoever asks this package for its version

    return getattr(import_module("semscheck.api"), name)


def __dir__() -> list[str]:
    return sorted((*globals(), *__all__))

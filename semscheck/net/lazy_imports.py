"""What our libraries import on the side and we have no use for, left out: `check` starts by a third sooner.

httpx imports its own command line, with click, rich and pygments, wherever those are installed (textual brings
rich). Its `__init__` takes the failure of that import as "not installed" (httpx 0.27, 0.28).

Figures are in docs/architecture.md. Nothing here changes what the library does for others in this process.
"""

from __future__ import annotations

import sys
from types import ModuleType

_HTTPX_COMMAND_LINE = "httpx._main"


def import_httpx() -> ModuleType:
    """httpx without its command line."""
    if "httpx" not in sys.modules and _HTTPX_COMMAND_LINE not in sys.modules:
        sys.modules[_HTTPX_COMMAND_LINE] = None  # type: ignore[assignment]  # import then says "no such module"
        try:
            import httpx
        finally:
            del sys.modules[_HTTPX_COMMAND_LINE]
        return httpx
    import httpx

    return httpx

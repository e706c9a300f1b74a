"""Where the packaged program starts. Text goes out as UTF-8 even where the system's code page has less."""

from __future__ import annotations

import sys

from semscheck.__main__ import main

if __name__ == "__main__":
    sys.exit(main())

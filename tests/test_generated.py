"""What is generated is what would be generated now."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

from semscheck.rules import printed
from semscheck.rules import rule as registry

ROOT = Path(__file__).resolve().parent.parent


def test_the_printed_cards_are_the_rules() -> None:
    assert printed.cards() == tuple(registry.cards())


def test_nothing_generated_is_stale() -> None:
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    wanted = generate["generated"]()
    stale = [
        str(path) for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text
    ]
    assert stale == [], "make docs"
    assert generate["stray"](wanted) == []


def test_a_stale_page_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "semscheck" / "rules").mkdir(parents=True)
    shutil.copy(ROOT / "semscheck" / "rules" / "printed_cards.py", tmp_path / "semscheck" / "rules")
    page = tmp_path / "docs" / "rules" / "DNS004.md"
    page.write_text(page.read_text("utf-8") + "more\n", encoding="utf-8")
    (tmp_path / "docs" / "rules" / "OLD001.md").write_text("gone\n")
    result = subprocess.run(
        [sys.executable, str(tmp_path / "docs" / "generate.py"), "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert result.stdout.splitlines() == [
        "stale: docs/rules/DNS004.md (make docs)",
        "stale: docs/rules/OLD001.md (make docs)",
    ]

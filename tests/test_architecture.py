"""Who may import whom, and what the project promises about its own files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import figures

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = (
    ".git",
    ".venv",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
    ".import_linter_cache",
    "__pycache__",
)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_directions_hold() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("model/target.py", "import msgspec", "The model imports nothing"),
        ("probes/recorder.py", "import semscheck.rules.evaluate", "Seeing never judges"),
        ("scheduler.py", "import semscheck.analysis.balancing.identity", "Seeing never judges"),
        ("rules/catalogue/net.py", "import semscheck.net.backend", "Judgement is pure"),
        ("analysis/dns.py", "import httpx", "Inference is pure"),
        ("report/text/page.py", "import semscheck.rules.rule", "Saying needs"),
        ("tui/bridge.py", "import semscheck.pipeline", "Screens and monitoring"),
        ("lab/world.py", "import semscheck.net.backend", "The lab plays by itself"),
        ("pipeline.py", "import semscheck.lab.cluster", "Running does not know"),
        ("net/tls.py", "import httpx", "httpx is imported in one module"),
        ("profile/reader.py", "import semscheck.rules.rule", "Reading a profile"),
        ("cli/commands/check.py", "import textual", "Only the screens"),
    ],
)
@pytest.mark.slow
def test_each_direction_is_watched(tmp_path: Path, module: str, line: str, contract: str) -> None:
    shutil.copytree(ROOT / "semscheck", tmp_path / "semscheck", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "semscheck" / module
    path.write_text(path.read_text() + f"\n{line}\n")
    result = lint_imports(tmp_path)
    assert result.returncode != 0
    assert re.search(rf"{re.escape(contract)}.* BROKEN", result.stdout)


def tracked() -> list[Path]:
    """The project's text files: as git has them, or all there are where there is no git."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        names = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        names = [path for path in ROOT.rglob("*") if not set(path.parts) & set(SKIPPED)]
    return [path for path in names if path.is_file() and path.suffix not in (".png", ".ico", ".icns", ".gz")]


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    foreign = re.compile("/work" + "/(?:main|shared)|/root" + r"/\.|shared/" + "design")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked()
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if foreign.search(line)
    ]
    assert found == []


def test_links_in_the_documentation_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    links = [
        (page, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        if not re.match(r"[a-z]+:", target)
    ]
    broken = [
        f"{page.relative_to(ROOT)}: {target}" for page, target in links if not (page.parent / target).exists()
    ]
    assert broken == []


def test_a_circle_of_imports_is_seen() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}
    assert figures.circles({name: frozenset(others) for name, others in imports.items()}) == [{"b", "c"}]


def test_no_import_goes_round() -> None:
    assert figures.import_circles() == []


# Folders that hold more than fifteen modules, and why.
MANY_MODULES = {
    "semscheck/rules/catalogue": "one module per family of rules, and one per kind of fact they share"
}


def test_folders_stay_small_enough_to_look_through() -> None:
    large = {folder for folder, count in figures.modules_per_folder().items() if count > 15}
    assert large == MANY_MODULES.keys()


def test_no_module_has_grown_beyond_reading() -> None:
    generated = {"printed_cards.py"}
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "semscheck").rglob("*.py")
        if path.name not in generated and (lines := len(path.read_text("utf-8").splitlines())) > 1200
    }
    assert long == {}

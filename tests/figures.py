"""Figures about the code: how much of it, how long its functions, how many modules a folder, which imports go round.

`make figures` prints them; `tests/test_architecture.py` holds two of them. Hand-written code is all of `semscheck/`
but what `make docs` writes. A line is a line of a file. A function's length is that from
`def` to its end; complexity is radon's (https://radon.readthedocs.io/en/latest/intro.html#cyclomatic-complexity), of
functions and methods; a nested function is one of its own.
"""

from __future__ import annotations

import ast
import statistics
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "semscheck"
GENERATED = frozenset({PACKAGE / "rules" / "printed_cards.py"})
Function = ast.FunctionDef | ast.AsyncFunctionDef
_BRANCHES = (
    ast.If,
    ast.IfExp,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.Assert,
    ast.comprehension,
)


def sources() -> dict[str, Path]:
    """Every module by its dotted name."""
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in names.items()}


def functions(tree: ast.Module) -> Iterator[Function]:
    """Functions and methods, nested ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """What is in a function, but not in functions inside it."""
    waiting: list[ast.AST] = [*function.body]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function):
            waiting += ast.iter_child_nodes(node)


def length(function: Function) -> int:
    """Lines, from `def` to the end."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def complexity(function: Function) -> int:
    """One, and one for every branch, as radon counts them."""
    total = 1
    for node in _own_nodes(function):
        if isinstance(node, ast.BoolOp):
            total += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            total += 1 + len(node.ifs)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            total += 1 + bool(node.orelse)
        elif isinstance(node, ast.Try):
            total += bool(node.orelse)
        elif isinstance(node, ast.match_case):
            total += not (isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None)
        elif isinstance(node, _BRANCHES):
            total += 1
    return total


def imported(path: Path, known: dict[str, Path]) -> frozenset[str]:
    """Modules of the package that a module imports, inside functions too, but not for its types alone."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in known else node.module for name in names}
        waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)]
    return frozenset(found & known.keys())


def circles(imports: dict[str, frozenset[str]]) -> list[frozenset[str]]:
    """Groups of modules each of which imports, over others of them, itself."""
    reach = {name: set(others) for name, others in imports.items()}
    for middle in imports:
        for others in reach.values():
            if middle in others:
                others.update(reach[middle])
    groups = {
        frozenset(o for o in reach[name] if name in reach[o]) for name in imports if name in reach[name]
    }
    return sorted(groups, key=sorted)


def import_circles() -> list[frozenset[str]]:
    """The package's own."""
    known = sources()
    return circles({name: imported(path, known) - {name} for name, path in known.items()})


def modules_per_folder() -> Counter[str]:
    """How many modules, `__init__` aside, each folder has."""
    paths = (path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    return Counter(str(path.parent.relative_to(ROOT)) for path in paths)


def written() -> list[Path]:
    """The hand-written modules."""
    return sorted(set(PACKAGE.rglob("*.py")) - GENERATED)


def _since(base: str) -> str:
    paths = ["semscheck", *(f":!{path.relative_to(ROOT)}" for path in GENERATED)]
    command = ["git", "diff", "--shortstat", base, "--", *paths]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def report(base: str | None = None) -> str:
    """All figures, one a line. base: a revision, since which the files touched are counted too."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in written()]
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in written())
    every = [function for tree in trees for function in functions(tree)]
    lengths, complexities = sorted(map(length, every)), list(map(complexity, every))
    folders = modules_per_folder()
    centiles = statistics.quantiles(lengths, n=100, method="inclusive")
    rows = {
        "hand-written lines": f"{lines:,} in {len(trees)} modules",
        "functions": f"{len(every):,}",
        "their length": f"median {centiles[49]:.0f}, 90 % {centiles[89]:.0f}, 99 % {centiles[98]:.0f}, "
        f"longest {lengths[-1]}",
        "their complexity": f"mean {statistics.mean(complexities):.2f}, over 10: {sum(c > 10 for c in complexities)}",
        "modules per folder": f"mean {statistics.mean(folders.values()):.1f}, "
        + ", ".join(f"{folder} {count}" for folder, count in folders.most_common(3)),
        "import circles": str(len(import_circles())),
    }
    if base is not None:
        rows[f"since {base}"] = _since(base)
    return "\n".join(f"{name:<20}{value}" for name, value in rows.items())


if __name__ == "__main__":
    import sys

    print(report(sys.argv[1] if len(sys.argv) > 1 else None))

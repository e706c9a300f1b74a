"""`make mutants`: are faults noticed? Changes one place at a time, at random, and runs the quick tests that are near.

    python -m tests.mutation --count 60 --seed 1 [--only semscheck/analysis]

A mutant is one small change in `analysis/`, `rules/`, `probes/`, `sampling/` or `scheduler.py`: a comparison or a
condition turned round, `and` for `or`, a number one higher, a statement left out. It is made in a copy of the
project. Noticed is one with which a test fails that passes without it; what is not noticed is either a missing test
or code that nothing needs. Tests that are slow or want real servers are not run.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parent.parent
WHERE = (
    "semscheck/analysis",
    "semscheck/rules",
    "semscheck/probes",
    "semscheck/sampling",
    "semscheck/scheduler.py",
)
# What is run beside the tests of the same folder, and after them.
BEHIND = {
    "analysis": ("rules", "sampling", "test_pipeline.py"),
    "rules": ("test_pipeline.py", "comparison"),
    "probes": ("net", "test_scheduler.py", "test_discovery.py"),
    "sampling": ("test_scheduler.py", "test_pipeline.py"),
    "scheduler.py": ("test_pipeline.py", "test_discovery.py"),
}
LIMIT_S = 900.0
_OPPOSITES: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(), ast.LtE: ast.Lt(), ast.Gt: ast.GtE(), ast.GtE: ast.Gt(), ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(), ast.Is: ast.IsNot(), ast.IsNot: ast.Is(), ast.In: ast.NotIn(), ast.NotIn: ast.In(),
}  # fmt: skip
# Imported once, for all the processes that are made from this one.
LIBRARIES = (
    "cryptography.x509",
    "dns.message",
    "hypothesis",
    "httpx",
    "jsonschema_rs",
    "msgspec",
    "pytest_asyncio",
)
_WORDS = {True: "noticed", False: "NOT NOTICED", None: "took too long"}
_SKIPPED = (ast.Import, ast.ImportFrom, ast.JoinedStr)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of one place. line: from 1. old, new: text."""

    path: Path
    line: int
    start: int
    end: int
    old: str
    new: str

    @property
    def shown(self) -> str:
        """In one line."""
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        return f"{self.path.relative_to(ROOT)}:{self.line}: {old[:90]}  ->  {new[:90]}"


def mutants(path: Path) -> Iterator[Mutant]:
    """Every change that could be made in a module."""
    source = path.read_text(encoding="utf-8")
    begins = [0]
    for line in source.encode().splitlines(keepends=True):
        begins.append(begins[-1] + len(line))
    raw = source.encode()
    for node, new in _changes(ast.parse(source)):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start, end = (
            begins[node.lineno - 1] + node.col_offset,
            begins[node.end_lineno - 1] + node.end_col_offset,
        )
        yield Mutant(path, node.lineno, start, end, raw[start:end].decode(), new)


def _changes(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Nodes inside functions, and what stands in their place; decorators, annotations and text are left alone."""
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            waiting: list[ast.AST] = [*function.body]
            while waiting:
                node = waiting.pop()
                if isinstance(node, (*_SKIPPED, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    continue
                if isinstance(node, ast.AnnAssign):
                    waiting += [node.value] if node.value is not None else []
                    continue
                new = _changed(node)
                if new is not None and isinstance(node, (ast.expr, ast.stmt)):
                    yield node, new
                waiting += ast.iter_child_nodes(node)


def _changed(node: ast.AST) -> str | None:
    match node:
        case ast.Compare(ops=[one]):
            return f"({ast.unparse(ast.Compare(node.left, [_OPPOSITES[type(one)]], node.comparators))})"
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            return f"({ast.unparse(ast.BoolOp(other, node.values))})"
        case ast.UnaryOp(op=ast.Not()):
            return f"({ast.unparse(node.operand)})"
        case ast.Constant(value=bool(value)):
            return str(not value)
        case ast.Constant(value=int(value)):
            return str(value + 1)
        case ast.IfExp(test=ast.Name() | ast.Attribute() | ast.Call()):
            return f"({ast.unparse(ast.IfExp(node.test, node.orelse, node.body))})"
        case ast.AugAssign() | ast.Expr(value=ast.Call() | ast.Await()) | ast.Continue():
            return "pass"
        case ast.Call(func=ast.Name(id="min" | "max" | "any" | "all" as name)):
            other_name = {"min": "max", "max": "min", "any": "all", "all": "any"}[name]
            return ast.unparse(node).replace(name, other_name, 1)
    return None


def chosen(count: int, seed: int, only: str | None) -> list[Mutant]:
    """So many, at random; the same for the same seed and source."""
    places = [ROOT / each for each in ([only] if only else WHERE)]
    paths = [
        path for place in places for path in (sorted(place.rglob("*.py")) if place.is_dir() else [place])
    ]
    every = [mutant for path in paths if path.name != "printed_cards.py" for mutant in mutants(path)]
    return random.Random(seed).sample(every, min(count, len(every)))


def tests_near(path: Path) -> list[list[str]]:
    """Paths of tests, the nearest first: those of the module, of its folder, and of what builds on it."""
    inside = path.relative_to(ROOT / "semscheck")
    folder = ROOT / "tests" / inside.parent
    own = sorted(folder.glob(f"test_{inside.stem}*.py"))
    beside = [folder, ROOT / "tests" / inside.parts[0]] if len(inside.parts) > 1 else []
    behind = [ROOT / "tests" / each for each in BEHIND[inside.parts[0]]]
    return [[str(each.relative_to(ROOT)) for each in group] for group in (own, beside, behind) if group]


def _failed(copy: Path, tests: list[str]) -> str | None:
    """The file of the first test that fails, "" where none can be told; None where all pass. Raises TimeoutError."""
    said = copy / "said.txt"
    child = os.fork()
    if child == 0:
        _become_pytest(copy, said, tests)
    until_s = time.monotonic() + LIMIT_S
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > until_s:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise TimeoutError
        time.sleep(0.05)
    if ended[1] == 0:
        return None
    lines = said.read_text(encoding="utf-8", errors="replace").splitlines()
    named = (line.partition(" ")[2] for line in lines if line.startswith(("FAILED ", "ERROR ")))
    return next((name.partition(" - ")[0].partition("::")[0] for name in named), "")


def _become_pytest(copy: Path, said: Path, tests: list[str]) -> NoReturn:
    """In a process of its own, with libraries imported already and nothing of this project."""
    os.setsid()
    with said.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(copy)
    for name in [name for name in sys.modules if name.split(".")[0] in ("tests", "semscheck")]:
        del sys.modules[name]
    sys.path[:] = [
        str(copy),
        *(entry for entry in sys.path if Path(entry or ".").resolve() not in (ROOT, copy)),
    ]
    os.environ["PYTHONPATH"] = str(copy)
    code = 2
    try:
        code = pytest.main(["-p", "no:xdist", "-x", "-m", "not slow and not real", *tests])
    finally:
        os._exit(code)


def noticed(mutant: Mutant, copy: Path) -> bool | None:
    """Whether a test fails with it that passes without it; None where time ran out."""
    place = copy / mutant.path.relative_to(ROOT)
    whole = place.read_bytes()
    place.write_bytes(whole[: mutant.start] + mutant.new.encode() + whole[mutant.end :])
    try:
        failed = next(
            (test for group in tests_near(mutant.path) if (test := _failed(copy, group)) is not None), None
        )
    except TimeoutError:
        return None
    finally:
        place.write_bytes(whole)
    return failed is not None and (failed == "" or _failed(copy, [failed]) is None)


def main() -> None:
    """Command line."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--count", type=int, default=60)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--first", type=int, default=1, help="leave out those before")
    options.add_argument("--only", help="a folder or a module, from the project's folder")
    given = options.parse_args()
    for name in LIBRARIES:
        import_module(name)
    results = {True: 0, False: 0, None: 0}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        for part in ("semscheck", "tests", "docs"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        for part in ("pyproject.toml", "README.md", "Makefile"):
            shutil.copy(ROOT / part, copy)
        mutants_of_run = chosen(given.count, given.seed, given.only)[given.first - 1 :]
        for number, mutant in enumerate(mutants_of_run, given.first):
            found = noticed(mutant, copy)
            results[found] += 1
            print(number, _WORDS[found], mutant.shown, flush=True)
    tried = results[True] + results[False]
    print(
        f"{results[True]} of {tried} were noticed"
        + (f", {results[None]} took too long" if results[None] else "")
    )


if __name__ == "__main__":
    main()

"""`explain`, `rules` and `schema`: what semscheck knows, with no run."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from semscheck.cli.errors import CommandError
from semscheck.cli.output import streams
from semscheck.files import PUBLIC, AtomicFile, why

if TYPE_CHECKING:
    from semscheck.model.findings import Card

_INDEX = "README.md"


def explain(options: Namespace) -> int:
    """`semscheck explain`: cards in words, or all of them as pages. Raises CommandError."""
    from semscheck.rules.printed import cards

    known = cards()
    if options.symptoms:
        return _symptoms(known)
    if options.markdown is not None:
        if not options.all:
            raise CommandError("--markdown writes the pages of all rules: add --all")
        return _write_pages(known, Path(options.markdown), check=options.check)
    if options.check:
        raise CommandError("--check compares pages: add --all --markdown DIR")
    wanted = known if options.all else _wanted(options.code, known)
    from semscheck.report.text.cards import explain as in_words

    face = streams.face_of(sys.stdout, no_color=options.no_color)
    texts = [in_words(card, width=face.width, unicode=face.unicode, colour=face.colour) for card in wanted]
    streams.write_text("\n".join(texts))
    return 0


def _symptoms(known: Sequence[Card]) -> int:
    from semscheck.report.symptoms import text

    face = streams.face_of(sys.stdout, no_color=True)
    streams.write_text(text({card.code: card for card in known}, face.width))
    return 0


def _wanted(given: Sequence[str], known: Sequence[Card]) -> list[Card]:
    """The cards that are meant, by code or by name, in any case."""
    if not given:
        raise CommandError("explain what? A code such as DNS004, or --all (semscheck rules shows the codes)")
    found: list[Card] = []
    for text in given:
        word = text.strip()
        cards = [card for card in known if word.upper() == card.code or word.lower() == card.name]
        if not cards:
            raise CommandError(f"no rule is called {text!r}{_near(word, known)} (semscheck rules shows all)")
        found += cards
    return found


def _near(word: str, known: Sequence[Card]) -> str:
    from difflib import get_close_matches

    codes = get_close_matches(word.upper(), [card.code for card in known], n=2)
    names = get_close_matches(word.lower(), [card.name for card in known], n=2)
    near = codes + names
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _write_pages(known: Sequence[Card], directory: Path, *, check: bool) -> int:
    """Write the documentation pages, or only say which are not as they would be written (exit code 1)."""
    from semscheck.report.text.cards import pages

    wanted = pages(known)
    if check:
        stale = sorted(name for name, text in wanted.items() if _content(directory / name) != text)
        stray = sorted(path.name for path in directory.glob("*.md") if path.name not in wanted)
        for name in stale:
            streams.say(f"{directory / name} is not as the catalogue has it")
        for name in stray:
            streams.say(f"{directory / name} is no rule's page")
        return 1 if stale or stray else 0
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in wanted.items():
            AtomicFile(directory / name, PUBLIC).write(text.encode())
    except OSError as problem:
        raise CommandError(f"--markdown: {directory}: {why(problem)}") from problem
    return 0


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def rules(options: Namespace) -> int:
    """`semscheck rules`: the catalogue as a table, or as JSON."""
    from semscheck.report.text import cards as render
    from semscheck.rules.printed import cards

    if options.json:
        streams.write_text(render.catalogue(cards()))
        return 0
    face = streams.face_of(sys.stdout, no_color=options.no_color)
    streams.write_text(render.table(cards(), width=face.width, unicode=face.unicode, colour=face.colour))
    return 0


def schema(options: Namespace) -> int:
    """`semscheck schema`: the JSON Schema of reports, or of comparisons."""
    if options.document == "compare":
        from semscheck.report.comparison import encode_schema as encode
    else:
        from semscheck.report.schema import encode
    streams.write_report(encode())
    return 0

"""A report in each of the formats that leave the program."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module

from semscheck.cli.errors import CommandError
from semscheck.cli.output.streams import Face
from semscheck.model.findings import Status
from semscheck.model.report import Report

_MODULES = {"html": "html.page"}  # where a format's module has another name
MIN_PASSPHRASE, MAX_PASSPHRASE = 12, 1024  # characters; a guessed passphrase gives every pseudonym away


def failing_on(report: Report, fail_on: str) -> Report:
    """The report with the exit code that `--fail-on` asks for: "critical" makes a warning 0, never an unknown."""
    if fail_on == "critical" and report.summary.verdict is Status.WARNING:
        return replace(report, summary=replace(report.summary, exit_code=0))
    return report


def redacted(report: Report, key: bytes | None = None) -> Report:
    """The report with pseudonyms; the words of the rules' own texts are kept. key: None for one that is forgotten."""
    from semscheck.redaction.report import redact
    from semscheck.rules.printed import cards

    texts = (text for card in cards() for text in (card.summary, card.why, card.remedy, card.seen_by))
    kept = {word for text in texts for word in re.findall(r"[a-z]+", text.lower())}
    return redact(report, key=key, keep_words=kept)


def redaction_key(path: str) -> bytes:
    """The key that the passphrase in a file makes. Raises CommandError."""
    from semscheck.redaction.pseudonyms import key_of

    try:
        with open(path, "rb") as file:
            passphrase = file.read(4 * MAX_PASSPHRASE).decode().strip()
    except (OSError, ValueError) as problem:
        words = getattr(problem, "strerror", None) or "not UTF-8"
        raise CommandError(f"--redact-key: {path}: {words.lower()}") from problem
    if not MIN_PASSPHRASE <= len(passphrase) <= MAX_PASSPHRASE:
        raise CommandError(
            f"--redact-key: {path}: holds {len(passphrase)} characters; a passphrase of {MIN_PASSPHRASE} to "
            f"{MAX_PASSPHRASE} is needed"
        )
    return key_of(passphrase)


def encode(report: Report, form: str, face: Face, *, verbose: bool = False, pretty: bool = False) -> bytes:
    """The report's bytes in one of FORMATS. pretty: JSON with line breaks, for a person's eyes."""
    if form == "text":
        return _text(report, face, verbose)
    if form == "json":
        from semscheck.report import json

        return json.encode(report, indent=2 if pretty else None).rstrip(b"\n") + b"\n"
    made: str | bytes = import_module(f"semscheck.report.{_MODULES.get(form, form)}").render(
        report, *_catalogue(form)
    )
    return made if isinstance(made, bytes) else made.encode()


def _catalogue(form: str) -> tuple[object, ...]:
    """What a format takes of the catalogue of rules."""
    if form not in ("html", "prometheus", "junit"):
        return ()
    from semscheck.rules.printed import cards

    if form == "prometheus":
        return (cards(),)
    return ({card.code: card if form == "html" else card.name for card in cards()},)


def _text(report: Report, face: Face, verbose: bool) -> bytes:
    from semscheck.report.text import page as text

    now = datetime.now(UTC) if report.run.origin == "replay" else None
    shown = text.render(
        report, width=face.width, unicode=face.unicode, colour=face.colour, verbose=verbose, now=now
    )
    return shown.encode("utf-8" if face.unicode else "ascii", "backslashreplace")

"""A report in each of the formats that leave the program."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from semscheck.cli.errors import CommandError
from semscheck.cli.output.streams import Face
from semscheck.model.findings import Status
from semscheck.model.report import Report

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
    return _ENCODERS[form](report)


def _text(report: Report, face: Face, verbose: bool) -> bytes:
    from semscheck.report.text import page as text

    now = datetime.now(UTC) if report.run.origin == "replay" else None
    shown = text.render(
        report, width=face.width, unicode=face.unicode, colour=face.colour, verbose=verbose, now=now
    )
    return shown.encode("utf-8" if face.unicode else "ascii", "backslashreplace")


def _jsonl(report: Report) -> bytes:
    from semscheck.report import jsonl

    return jsonl.render(report)


def _html(report: Report) -> bytes:
    from semscheck.report.html import page as html
    from semscheck.rules.printed import cards

    return html.render(report, {card.code: card for card in cards()}).encode()


def _markdown(report: Report) -> bytes:
    from semscheck.report import markdown

    return markdown.render(report).encode()


def _ticket(report: Report) -> bytes:
    from semscheck.report import ticket

    return ticket.render(report).encode()


def _nagios(report: Report) -> bytes:
    from semscheck.report import nagios

    return nagios.render(report).encode()


def _prometheus(report: Report) -> bytes:
    from semscheck.report import prometheus
    from semscheck.rules.printed import cards

    return prometheus.render(report, cards()).encode()


def _junit(report: Report) -> bytes:
    from semscheck.report import junit
    from semscheck.rules.printed import cards

    return junit.render(report, {card.code: card.name for card in cards()}).encode()


_ENCODERS: dict[str, Callable[[Report], bytes]] = {
    "jsonl": _jsonl,
    "html": _html,
    "markdown": _markdown,
    "ticket": _ticket,
    "nagios": _nagios,
    "prometheus": _prometheus,
    "junit": _junit,
}

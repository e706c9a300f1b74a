"""Where a report goes: standard output or `--output`, and the evidence to `--save`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Self

from semscheck.cli.errors import CommandError
from semscheck.cli.output import streams
from semscheck.cli.output.files import PromisedFile
from semscheck.cli.output.formats import encode, failing_on, redacted, redaction_key
from semscheck.cli.output.streams import Face
from semscheck.model.events import Event, Finished, Listener
from semscheck.model.report import Report

STDOUT = "-"


class Delivery:
    """The outputs that the options ask for, proved writable when this is made. Raises CommandError.

    Use it as a context: what was not written at the end leaves no file behind.
    """

    def __init__(self, options: Namespace) -> None:
        self._format: str = "json" if options.json else (options.format or "text")
        self._options = options
        self._key: bytes | None = None
        self._redacts = options.redact or options.redact_key is not None
        self._output: PromisedFile | None = None
        self._save: PromisedFile | None = None
        self._streamed = False
        try:
            self._promise()
        except CommandError:
            self.discard()
            raise

    def _promise(self) -> None:
        if self._options.redact_key is not None:
            self._key = redaction_key(self._options.redact_key)
        output, save = self._options.output, self._options.save
        if output is not None and output != STDOUT:
            holds_evidence = self._format in ("json", "jsonl")
            self._output = PromisedFile("--output", output, private=holds_evidence)
        else:
            streams.prove_stdout()
        if save == STDOUT:
            raise CommandError(
                "--save: standard output is the report's; give the evidence a file, or say --json"
            )
        if save is not None:
            self._save = PromisedFile("--save", save, private=True)
        if self._output and self._save and self._output.same_as == self._save.same_as:
            raise CommandError(f"--output and --save are one file: {save}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def discard(self) -> None:
        """Remove what was promised and not written."""
        for promised in (self._output, self._save):
            if promised is not None:
                promised.discard()

    def stream(self, reader_left: Callable[[], None]) -> Listener | None:
        """A listener that writes JSON lines as they come, None where the report is written at the end.

        reader_left: called once when nobody reads standard output any more.
        """
        if self._format != "jsonl" or self._output is not None or self._redacts:
            return None
        self._streamed = True
        from semscheck.report import jsonl

        left = False

        def listen(event: Event) -> None:
            nonlocal left
            if isinstance(event, Finished):
                event = Finished(failing_on(event.report, self._options.fail_on))
            lines = b"" if left else b"".join(jsonl.of_event(event))
            if lines and not streams.write_report(lines):
                left = True
                reader_left()

        return listen

    def deliver(self, report: Report) -> int:
        """Write the report everywhere it was asked for; gives the exit code.

        Raises CommandError with everything that could not be written; what could be is there.
        """
        with _told("--redact") as problems:
            redact = self._redacts
            told = failing_on(redacted(report, self._key) if redact else report, self._options.fail_on)
        if problems:
            raise CommandError(f"{problems[0]}; nothing was written, since it would say too much")
        with _told("--save") as unsaved:
            self._keep(told, report.summary.exit_code)
        with _told("the report") as unwritten:
            self._write(told)
        if unsaved or unwritten:
            raise CommandError("; ".join(unsaved + unwritten))
        return told.summary.exit_code

    def _keep(self, told: Report, exit_code: int) -> None:
        if self._save is not None:
            evidence = replace(told, summary=replace(told.summary, exit_code=exit_code))
            self._save.write(encode(evidence, "json", Face()))

    def _write(self, told: Report) -> None:
        if self._output is not None:
            self._output.write(encode(told, self._format, Face(), verbose=self._options.verbose))
        elif not self._streamed:
            self._print(told)

    def _print(self, report: Report) -> None:
        import sys

        face = streams.face_of(sys.stdout, no_color=self._options.no_color)
        pretty = streams.is_terminal(sys.stdout)
        streams.write_report(encode(report, self._format, face, verbose=self._options.verbose, pretty=pretty))


@contextmanager
def _told(what: str) -> Iterator[list[str]]:
    """What goes wrong is said and not raised: one output that fails must not take the others with it."""
    problems: list[str] = []
    try:
        yield problems
    except CommandError as problem:
        problems.append(str(problem))
    except Exception as defect:
        problems.append(
            f"{what} could not be made, a defect of semscheck: {type(defect).__name__}: {defect}"[:600]
        )

"""`compare`: several saved reports held against each other."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from semscheck.cli.errors import CommandError
from semscheck.cli.output import streams
from semscheck.cli.output.delivery import STDOUT
from semscheck.cli.output.files import PromisedFile
from semscheck.cli.output.saved import read_report
from semscheck.cli.output.streams import Face

if TYPE_CHECKING:
    from semscheck.model.comparison import Comparison
    from semscheck.model.report import Report


def compare(options: Namespace) -> int:
    """`semscheck compare`. Raises CommandError."""
    if len(options.reports) < 2:
        raise CommandError("compare what? Two saved reports at least are needed")
    form: str = "json" if options.json else (options.format or "text")
    if options.output is None or options.output == STDOUT:
        streams.prove_stdout()
        compared = _comparison(options.reports, quiet=options.quiet)
        face = streams.face_of(sys.stdout, no_color=options.no_color)
        streams.write_report(_encoded(compared, form, face))
    else:
        with PromisedFile("--output", options.output) as file:
            compared = _comparison(options.reports, quiet=options.quiet)
            file.write(_encoded(compared, form, Face()))
    return compared.exit_code


def _comparison(paths: Sequence[str], *, quiet: bool) -> Comparison:
    return comparison([read_report(path, quiet=quiet) for path in paths])


def comparison(reports: Sequence[Report]) -> Comparison:
    """Two or more reports compared, all of them as this version judges them."""
    from semscheck.comparison.compare import compare as compared
    from semscheck.comparison.places import CODE
    from semscheck.model.report import Snapshot
    from semscheck.pipeline import judge_snapshot
    from semscheck.rules.printed import cards

    card = next((card for card in cards() if card.code == CODE), None)
    # Another version's rules would show as differences of the cluster.
    seen = (Snapshot(target=it.target, run=it.run, observations=it.observations) for it in reports)
    return compared([judge_snapshot(it) for it in seen], card=card)


def _encoded(compared: Comparison, form: str, face: Face) -> bytes:
    from semscheck.report import comparison as render

    if form == "json":
        return render.json(compared)
    if form == "html":
        from semscheck.rules.printed import cards

        return render.html(compared, {card.code: card for card in cards()}).encode()
    shown = render.text(compared, width=face.width, unicode=face.unicode, colour=face.colour)
    return shown.encode("utf-8" if face.unicode else "ascii", "backslashreplace")

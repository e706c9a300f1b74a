"""The small markup that remedies and cards are written in: paragraphs, and steps that begin "1. " or "- "."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STEP = re.compile(r"(\d{1,3}\.|-) +(?=\S)")
MAX_LINES = 200


@dataclass(frozen=True, slots=True)
class Paragraph:
    """step: "1.", "2." or "-" where it is one of a list, else empty. text: on one line, raw."""

    step: str
    text: str


def paragraphs(text: str) -> list[Paragraph]:
    """The text in paragraphs and steps; other line breaks are where the writer's line was full."""
    found: list[tuple[str, list[str]]] = []
    open_ = False  # whether the next line goes on with the last paragraph
    for line in text.split("\n")[:MAX_LINES]:
        stripped = line.strip()
        step = _STEP.match(stripped)
        if not stripped:
            open_ = False
        elif step:
            found.append((step.group(1), [stripped[step.end() :]]))
            open_ = True
        elif open_:
            found[-1][1].append(stripped)
        else:
            found.append(("", [stripped]))
            open_ = True
    return [Paragraph(step, " ".join(lines)) for step, lines in found]

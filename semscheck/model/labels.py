"""Names that a run gives to servers of which it knows no other: they mean nothing in another run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from semscheck.model.target import Target
from semscheck.model.text import Kept


class LabelKind(StrEnum):
    """What told the servers apart."""

    SERVER = "server"
    MEMBER = "member"  # of 0.1.0, the same
    CERTIFICATE = "certificate"
    PAGE = "page"

    def name_of(self, at: int) -> str:
        """The name of the first (0), the second, …: "server A"."""
        return f"{self.value} {_letters(at)}"


@dataclass(frozen=True, slots=True)
class Label:
    """A name that this run made up. letter: of the one server among all of its kind."""

    name: Kept
    kind: LabelKind
    letter: Kept


def labels_among(names: Iterable[str], target: Target) -> tuple[Label, ...]:
    """Which names of those who answered are made up, each once; a member of the target may be called so, too."""
    known = {member.name for member in target.members}
    made_up = (_label(name) for name in dict.fromkeys(names) if name not in known)
    return tuple(label for label in made_up if label is not None)


def _label(name: str) -> Label | None:
    kind, _, letter = name.partition(" ")
    ours = kind in list(LabelKind) and letter.isascii() and letter.isalpha() and letter.isupper()
    return Label(name, LabelKind(kind), letter) if ours else None


def _letters(at: int) -> str:
    return chr(ord("A") + at) if at < 26 else f"{_letters(at // 26 - 1)}{_letters(at % 26)}"

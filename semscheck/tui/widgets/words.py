"""A field for words that what is listed must have."""

from __future__ import annotations

from textual.widgets import Input


class WordFilter(Input):
    """Not seen until `open`; its parent lists anew when it changes."""

    HELP = "Words that must occur, in any order. Enter goes to the list, Esc clears the field."
    DEFAULT_CSS = """
    WordFilter { display: none; background: $panel; }
    WordFilter.-open { display: block; }
    """

    def __init__(self) -> None:
        super().__init__(placeholder="words to look for", compact=True)

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    def open(self) -> None:
        self.add_class("-open")
        self.focus()

    def close(self) -> None:
        self.remove_class("-open")
        self.value = ""

    def passes(self, text: str) -> bool:
        shown = text.casefold()
        return all(word in shown for word in self.value.casefold().split())

"""What the screens share: the access to the program, and a window over the others for one purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen

if TYPE_CHECKING:
    from semscheck.tui.app import SemscheckApp

Result = TypeVar("Result")


class BaseScreen(Screen[Result]):
    """A whole screen."""

    HELP = ""

    @property
    def house(self) -> SemscheckApp:
        return cast("SemscheckApp", self.app)


class Window(ModalScreen[Result]):
    """A window over a screen; Esc closes it."""

    HELP = ""
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]

    @property
    def house(self) -> SemscheckApp:
        return cast("SemscheckApp", self.app)

    def action_leave(self) -> None:
        self.dismiss(None)

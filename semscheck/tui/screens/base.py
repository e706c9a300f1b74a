"""What the screens share: the access to the program, and a window over the others for one purpose."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen

from semscheck.model.report import Report
from semscheck.tui.runners import DoorError

if TYPE_CHECKING:
    from semscheck.tui.app import SemscheckApp

Result = TypeVar("Result")


class BaseScreen(Screen[Result]):
    """A whole screen."""

    HELP = ""

    @property
    def house(self) -> SemscheckApp:
        return cast("SemscheckApp", self.app)

    async def outcome(self, run: Awaitable[Report]) -> Report | str:
        """The report of a run, or why there is none in words for the person."""
        try:
            return await run
        except DoorError as error:
            return str(error)
        except Exception as error:
            log = self.house.write_log(error)
            return f"semscheck has a defect and made no report ({type(error).__name__}). {log}"


class Window(ModalScreen[Result]):
    """A window over a screen; Esc closes it."""

    HELP = ""
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]

    @property
    def house(self) -> SemscheckApp:
        return cast("SemscheckApp", self.app)

    def action_leave(self) -> None:
        self.dismiss(None)

"""What the doctor found: faults first, each with its evidence and its fix."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen

from qdrant_admin.lifecycle.reports import Check, DoctorReport
from qdrant_admin.tui import look
from qdrant_admin.tui.widgets.bars import Plain

MOVE = "move-storage"
"""The command that a check names where moving the data to a volume mends what it has found."""
ORDER = {"fail": 0, "warn": 1, "ok": 2}


class DoctorDialog(ModalScreen[bool]):
    """Every check, what is wrong first. Closes with whether the data is to be moved to a volume."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "m", "dismiss(True)", "move the data to a volume…", id="doctor.move", tooltip="move the data to a volume"
        ),
        Binding("escape,q,enter", "dismiss(False)", "close", id="doctor.close", tooltip="close"),
    ]

    def __init__(self, report: DoctorReport) -> None:
        super().__init__()
        self._report = report
        self._movable = any(MOVE in check.fix for check in report.checks)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer a move only where it helps."""
        return self._movable or (action, parameters) != ("dismiss", (True,))

    def compose(self) -> ComposeResult:
        """Summary, checks, keys."""
        with Vertical(classes="dialog -large"):
            head = look.line(look.state(self._report.verdict_word), "  ", look.muted(self._report.summary()))
            yield Plain(head, classes="dialog-title")
            with VerticalScroll(classes="details"):
                checks = sorted(self._report.checks, key=lambda check: ORDER[check.status])
                for check in checks:
                    with Horizontal(classes="check"):
                        yield Plain(look.line(look.symbol(check.status), " ", check.name), classes="check-name")
                        yield Plain(found(check))
            move = [("m", "move the data to a volume…", "screen.dismiss(True)")] if self._movable else []
            yield Plain(look.keys(*move, ("esc", "close", "screen.dismiss(False)")), classes="dialog-keys")


def found(check: Check) -> Content:
    """The evidence of one check, and its fix."""
    if check.status == "ok":
        return look.muted(check.detail)
    rows = [look.text(check.detail)]
    if check.fix:
        rows.append(look.line(("try  ", look.MUTED), (check.fix, "$text-accent")))
    return look.lines(*rows)

"""Questions and bad news that lie over a screen."""

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from qdrant_admin import __version__
from qdrant_admin.core.formatting import counted
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobFailure, JobView
from qdrant_admin.tui.widgets.bars import Plain


class ConfirmDialog(ModalScreen[bool]):
    """One decision. `typed` makes it a severe one: the name has to be typed in before it can be said yes to.

    Args:
        title: the question.
        body: what would happen, and what would not be touched.
        yes: the word on the button that does it.
        typed: the name to be typed for something that destroys.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer(False)", "no", id="dialog.no", tooltip="leave it")
    ]

    def __init__(self, title: str, body: Content | str, *, yes: str, typed: str = "", no: str = "Cancel") -> None:
        super().__init__()
        self._title, self._body, self._yes, self._no, self._typed = title, body, yes, no, typed

    def compose(self) -> ComposeResult:
        """Question, consequences, the name where one is asked for, two buttons."""
        with Vertical(classes="dialog"):
            yield Plain(look.text(self._title, "bold"), classes="dialog-title")
            yield Plain(self._body, classes="dialog-body")
            if self._typed:
                yield Plain(look.line(("Type ", look.MUTED), (self._typed, "bold"), (" to go on.", look.MUTED)))
                yield Input(id="typed", compact=True)
            with Horizontal(classes="dialog-buttons"):
                yield Button(Content(self._no), id="no", compact=True)
                yield Button(
                    Content(self._yes),
                    id="yes",
                    compact=True,
                    disabled=bool(self._typed),
                    classes="-danger" if self._typed else "",
                )

    def on_mount(self) -> None:
        """The harmless answer has the focus; where a name is typed, the field."""
        self.query_one("#typed" if self._typed else "#no").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Only the exact name opens the way."""
        self.query_one("#yes", Button).disabled = event.value != self._typed

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter after the exact name says yes."""
        if event.value == self._typed:
            self.dismiss(True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The answer."""
        self.dismiss(event.button.id == "yes")

    def key_left(self) -> None:
        """Arrows move between the buttons."""
        self.focus_previous()

    def key_right(self) -> None:
        """Arrows move between the buttons."""
        self.focus_next()

    def action_answer(self, answer: bool) -> None:
        """Answer from the keyboard."""
        self.dismiss(answer)


class QuitDialog(ConfirmDialog):
    """Leaving while work is being done."""

    def __init__(self, running: list[JobView]) -> None:
        rows = [look.line("  ", look.state("running", view.title)) for view in running]
        after = look.muted("They are stopped at the next safe point. What was acknowledged stays, and can be resumed.")
        super().__init__(
            f"{counted(len(running), 'job')} still running",
            look.lines(*rows, Content(""), after),
            yes="Stop and quit",
            no="Stay",
        )


class ErrorDialog(ModalScreen[None]):
    """A fault of the product itself, with a report to copy. The app stays alive."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "copy report", id="error.copy", tooltip="copy the error report"),
        Binding("escape,enter,q", "dismiss(None)", "close", id="error.close", tooltip="close"),
    ]

    def __init__(self, title: str, failure: JobFailure) -> None:
        super().__init__()
        self._title, self._failure = title, failure

    def compose(self) -> ComposeResult:
        """What is known, the details, and the way on."""
        with Vertical(classes="dialog -large"):
            yield Plain(
                look.line(look.symbol("failed"), " ", ("Something went wrong inside qdrant-admin", "bold $text-error"))
            )
            yield Plain(look.text(self._failure.what), classes="dialog-body")
            with VerticalScroll(classes="details"):
                yield Plain(look.lines(*[look.muted(row) for row in self._failure.details.splitlines()]))
            yield Plain(
                look.keys(
                    ("c", "copy report", "screen.copy"), ("esc", "close, the app goes on", "screen.dismiss(None)")
                ),
                classes="dialog-keys",
            )

    def report(self) -> str:
        """The text to paste into a bug report, without secrets."""
        head = [f"qdrant-admin {__version__}", f"while: {self._title}" if self._title else "", self._failure.what]
        shown = "\n".join([*[row for row in head if row], "", self._failure.details])
        return self._without_key(shown)

    def _without_key(self, shown: str) -> str:
        from qdrant_admin.core.errors import AdminError
        from qdrant_admin.tui.services import Services

        services = getattr(self.app, "services", None)
        try:
            key = services.settings().api_key if isinstance(services, Services) else None
        except AdminError:  # the settings themselves are what is broken; then there is no key in use
            key = None
        return shown.replace(key.get_secret_value(), "…") if key and key.get_secret_value() else shown

    def action_copy(self) -> None:
        """Put the report on the clipboard."""
        self.app.copy_to_clipboard(self.report())
        self.app.notify("error report copied", markup=False)


class InputDialog(ModalScreen[str | None]):
    """One line to type. `check` says what is wrong with a value, or nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "cancel", id="input.cancel", tooltip="leave it")
    ]

    def __init__(
        self,
        title: str,
        body: str,
        *,
        value: str = "",
        check: Callable[[str], str] | None = None,
        password: bool = False,
    ) -> None:
        super().__init__()
        self._title, self._body, self._value, self._password = title, body, value, password
        self._check = check or (lambda _: "")

    def compose(self) -> ComposeResult:
        """Question, field, what is wrong with it, keys."""
        with Vertical(classes="dialog"):
            yield Plain(look.text(self._title, "bold"), classes="dialog-title")
            yield Plain(look.muted(self._body), classes="dialog-body")
            yield Input(self._value, id="value", password=self._password, compact=True)
            yield Plain(id="trouble")
            yield Plain(
                look.keys(("enter", "use it", ""), ("esc", "cancel", "screen.dismiss(None)")), classes="dialog-keys"
            )

    def on_mount(self) -> None:
        """Straight into the field."""
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with the value, unless something is wrong with it."""
        trouble = self._check(event.value)
        if trouble:
            self.query_one("#trouble", Plain).update(look.state("warn", trouble))
        else:
            self.dismiss(event.value)

"""Questions: a few fields to change at once, each checked while it is typed, or a yes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Click, DescendantFocus
from textual.message import Message
from textual.reactive import reactive
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Input

from qdrant_admin.core import formatting
from qdrant_admin.tui import look
from qdrant_admin.tui.widgets.bars import CANCEL, DialogKeys, Plain, bind


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    key: str
    label: str
    value: str
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Text:
    """Something to type."""

    key: str
    label: str
    value: str
    says: str
    check: Callable[[str], str] = lambda _: ""
    """What is wrong with a value, in a few words; nothing when it is right."""


Field = Choice | Text


def whole_number(least: int, most: int) -> Callable[[str], str]:
    """The check of a `Text` that takes a whole number."""

    def check(value: str) -> str:
        right = value.isascii() and value.isdigit() and least <= int(value) <= most
        return "" if right else f"{formatting.number(least)} to {formatting.number(most)}"

    return check


class ChoiceBox(Widget, can_focus=True):
    """The values of a `Choice`, one at a time."""

    class Changed(Message):
        """Another value was chosen."""

        def __init__(self, box: "ChoiceBox") -> None:
            super().__init__()
            self.box = box

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("right,space,l", "step(1)", "next", "choice.next", "the next value", show=False),
        bind("left,h", "step(-1)", "previous", "choice.previous", "the value before", show=False),
    ]
    index: reactive[int] = reactive(0)

    def __init__(self, field: Choice) -> None:
        super().__init__(id=f"field-{field.key}")
        self.field = field
        values = [value for value, _ in field.options]
        self.set_reactive(ChoiceBox.index, values.index(field.value) if field.value in values else 0)

    @property
    def value(self) -> str:
        return self.field.options[self.index][0]

    @property
    def says(self) -> str:
        return self.field.options[self.index][1]

    def render(self) -> Content:
        """`‹ fail ›`, so that one sees that there are others."""
        left, right = ("<", ">") if look.ascii_only() else ("‹", "›")
        return look.line((f"{left} ", look.MUTED), (self.value, "bold"), (f" {right}", look.MUTED))

    def action_step(self, by: int) -> None:
        self.index = (self.index + by) % len(self.field.options)
        self.post_message(self.Changed(self))

    def on_click(self, _: Click) -> None:
        self.action_step(1)


class FormDialog(ModalScreen[dict[str, str] | None]):
    """Fields below one another; closes with all values by their keys, or with None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("down", "app.focus_next", "next field", "form.next", "next field", show=False),
        bind("up", "app.focus_previous", "field before", "form.previous", "field before", show=False),
        bind("enter", "use", "use it", "form.use", "use these values"),
        bind("escape", "dismiss(None)", "cancel", "form.cancel", "change nothing"),
    ]

    def __init__(self, title: str, body: str, fields: Sequence[Field]) -> None:
        super().__init__()
        self._title, self._body, self._fields = title, body, tuple(fields)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Plain(look.text(self._title, "bold"), classes="dialog-title")
            if self._body:
                yield Plain(look.muted(self._body), classes="dialog-body")
            for field in self._fields:
                with Horizontal(classes="field"):
                    yield Plain(look.muted(field.label), classes="field-label")
                    if isinstance(field, Choice):
                        yield ChoiceBox(field)
                    else:
                        yield Input(field.value, id=f"field-{field.key}", compact=True, select_on_focus=False)
                    yield Plain(id=f"trouble-{field.key}", classes="field-trouble")
            yield Plain(id="form-says")
            yield DialogKeys(("enter", "use it", "screen.use"), ("←→", "choose", ""), CANCEL)

    def on_mount(self) -> None:
        self.query_one(f"#field-{self._fields[0].key}").focus()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        self._say(event.widget)

    @on(ChoiceBox.Changed)
    def _chosen(self, event: ChoiceBox.Changed) -> None:
        self._say(event.box)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._look(event.input)

    def _say(self, widget: Widget) -> None:
        text = widget.says if isinstance(widget, ChoiceBox) else ""
        for field in self._fields:
            if isinstance(field, Text) and widget.id == f"field-{field.key}":
                text = field.says
        self.query_one("#form-says", Plain).update(look.muted(text))

    def _look(self, box: Input) -> str:
        field = next(field for field in self._fields if f"field-{field.key}" == box.id)
        trouble = field.check(box.value) if isinstance(field, Text) else ""
        self.query_one(f"#trouble-{field.key}", Plain).update(look.state("warn", trouble) if trouble else Content(""))
        return trouble

    @on(Input.Submitted)
    def action_use(self) -> None:
        for box in self.query(Input):
            if self._look(box):
                box.focus()
                return
        boxes = {field.key: self.query_one(f"#field-{field.key}") for field in self._fields}
        self.dismiss({key: box.value for key, box in boxes.items() if isinstance(box, ChoiceBox | Input)})


class ConfirmDialog(ModalScreen[bool]):
    """One decision. `typed` makes it a severe one: the name has to be typed in before it can be said yes to."""

    BINDINGS: ClassVar[list[BindingType]] = [bind("escape", "answer(False)", "no", "dialog.no", "leave it")]

    def __init__(self, title: str, body: Content | str, *, yes: str, typed: str = "", no: str = "Cancel") -> None:
        super().__init__()
        self._title, self._body, self._yes, self._no, self._typed = title, body, yes, no, typed

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Plain(look.text(self._title, "bold"), classes="dialog-title")
            yield Plain(self._body, classes="dialog-body")
            if self._typed:
                yield Plain(look.line(("Type ", look.MUTED), (self._typed, "bold"), (" to continue.", look.MUTED)))
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
        self.query_one("#typed" if self._typed else "#no").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.query_one("#yes", Button).disabled = event.value != self._typed

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value == self._typed:
            self.dismiss(True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def key_left(self) -> None:
        self.focus_previous()

    def key_right(self) -> None:
        self.focus_next()

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)

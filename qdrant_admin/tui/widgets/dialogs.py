"""What lies over a screen, and the questions among it: a line or a few fields, each checked while typed, or a yes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from textual import on
from textual.actions import parse
from textual.app import ComposeResult
from textual.binding import Binding
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
from qdrant_admin.tui.enduring import Enduring
from qdrant_admin.tui.widgets.bars import Plain, bind

T = TypeVar("T")
Check = Callable[[str], str]
"""What is wrong with a value, in a few words; nothing when it is right."""


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
    check: Check = lambda _: ""


Field = Choice | Text


def whole_number(least: int, most: int) -> Check:
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

    BINDINGS = [
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


class Dialog(Enduring, ModalScreen[T]):
    """A title, what it is about, what a subclass adds, and its bindings as keys at the foot."""

    LARGE: ClassVar[bool] = False

    def __init__(self, title: Content | str = "", body: Content | str = "") -> None:
        super().__init__()
        self._head = title if isinstance(title, Content) else look.text(title, "bold")
        self._body = body if isinstance(body, Content) else look.muted(body)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large" if self.LARGE else "dialog"):
            if self._head:
                yield Plain(self._head, classes="dialog-title")
            if self._body:
                yield Plain(self._body, classes="dialog-body")
            yield from self.compose_content()
            keys = self.keys()
            if keys:
                yield Plain(look.keys(*keys), id="dialog-keys", classes="dialog-keys")

    def compose_content(self) -> ComposeResult:
        raise NotImplementedError

    def keys(self) -> list[tuple[str, str, str]]:
        shown = [binding for binding in self.BINDINGS if isinstance(binding, Binding) and binding.show]
        return [
            (self.app.get_key_display(binding), binding.description, f"screen.{binding.action}")
            for binding in shown
            if self.check_action(*parse(binding.action)[1:])
        ]

    def draw_keys(self) -> None:
        self.query_one("#dialog-keys", Plain).update(look.keys(*self.keys()))

    @property
    def room(self) -> int:
        """Cells for the content of a large one."""
        return min(110, self.app.size.width * 92 // 100) - 8


class InputDialog(Dialog[str | None]):
    """One line to type. `check` says what is wrong with a value, or nothing."""

    BINDINGS = [
        bind("enter", "use", "use it", "input.use", "use this"),
        bind("escape", "dismiss(None)", "cancel", "input.cancel", "leave it"),
    ]

    def __init__(
        self, title: str, body: str, *, value: str = "", check: Check = lambda _: "", password: bool = False
    ) -> None:
        super().__init__(title, body)
        self._value, self._check, self._password = value, check, password

    def compose_content(self) -> ComposeResult:
        yield Input(self._value, id="value", password=self._password, compact=True)
        yield Plain(id="trouble")

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def action_use(self) -> None:
        value = self.query_one(Input).value
        trouble = self._check(value)
        if trouble:
            self.query_one("#trouble", Plain).update(look.state("warn", trouble))
        else:
            self.dismiss(value)


class FormDialog(Dialog[dict[str, str] | None]):
    """Fields below one another; closes with all values by their keys, or with None."""

    BINDINGS = [
        bind("down", "app.focus_next", "next field", "form.next", "next field", show=False),
        bind("up", "app.focus_previous", "field before", "form.previous", "field before", show=False),
        bind("enter", "use", "use it", "form.use", "use these values"),
        bind("escape", "dismiss(None)", "cancel", "form.cancel", "change nothing"),
    ]

    def __init__(self, title: str, body: str, fields: Sequence[Field]) -> None:
        super().__init__(title, body)
        self._fields = tuple(fields)

    def compose_content(self) -> ComposeResult:
        for field in self._fields:
            with Horizontal(classes="field"):
                yield Plain(look.muted(field.label), classes="field-label")
                if isinstance(field, Choice):
                    yield ChoiceBox(field)
                else:
                    yield Input(field.value, id=f"field-{field.key}", compact=True, select_on_focus=False)
                yield Plain(id=f"trouble-{field.key}", classes="field-trouble")
        yield Plain(id="form-says")

    def keys(self) -> list[tuple[str, str, str]]:
        use, cancel = super().keys()
        return [use, ("←→", "choose", ""), cancel]

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


class ConfirmDialog(Dialog[bool]):
    """One decision. `typed` makes it a severe one: the name has to be typed in before it can be said yes to."""

    BINDINGS = [bind("escape", "dismiss(False)", "no", "dialog.no", show=False)]

    def __init__(self, title: str, body: Content | str, *, yes: str, typed: str = "", no: str = "Cancel") -> None:
        super().__init__(title, body if isinstance(body, Content) else look.text(body))
        self._yes, self._no, self._typed = yes, no, typed

    def compose_content(self) -> ComposeResult:
        severe = bool(self._typed)
        if severe:
            yield Plain(look.line(("Type ", look.MUTED), (self._typed, "bold"), (" to continue.", look.MUTED)))
            yield Input(id="typed", compact=True)
        with Horizontal(classes="dialog-buttons"):
            yield Button(Content(self._no), id="no", compact=True)
            danger = "-danger" if severe else ""
            yield Button(Content(self._yes), id="yes", compact=True, disabled=severe, classes=danger)

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

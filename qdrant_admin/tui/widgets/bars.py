"""The frame around every screen: header, strip of jobs, the screen's keys, and the way to the other screens."""

from textual.binding import Binding
from textual.content import Content
from textual.events import Click
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from qdrant_admin.core import formatting
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.widgets.running import brief_figures

SECTIONS: tuple[tuple[str, str], ...] = (
    ("home", "Home"),
    ("collections", "Collections"),
    ("migrate", "Migrate"),
    ("verify", "Verify"),
    ("logs", "Logs"),
    ("settings", "Settings"),
)


def bind(
    key: str, action: str, word: str, name: str, tooltip: str = "", *, show: bool = True, priority: bool = False
) -> Binding:
    return Binding(key, action, word, id=name, tooltip=tooltip, show=show, priority=priority)


async def run_clicked(widget: Widget, event: Click) -> None:
    action = event.style.meta.get(look.RUN)
    if isinstance(action, str):
        event.stop()
        await widget.app.run_action(action, default_namespace=widget.screen)


class Plain(Static):
    """A Static that takes text as it is. The only kind of Static in this app."""

    ALLOW_SELECT = True

    def __init__(self, content: Content | str = "", *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        shown = content if isinstance(content, Content) else look.text(content)
        super().__init__(shown, id=id, classes=classes, markup=False)

    async def on_click(self, event: Click) -> None:
        await run_clicked(self, event)


class Row(Widget):
    """One line that is laid out again for its width."""

    def draw(self, width: int) -> Content:
        raise NotImplementedError

    async def on_click(self, event: Click) -> None:
        await run_clicked(self, event)

    def render(self) -> Content:
        return self.draw(self.content_size.width)


class HeaderBar(Row):
    """Who, which profile, and whether the server is all right, on every screen."""

    profile: reactive[str] = reactive("")
    state: reactive[str] = reactive("")
    detail: reactive[tuple[str, ...]] = reactive(())

    def draw(self, width: int) -> Content:
        left = look.line(("qdrant-admin", "bold $text-accent"), "   ", (formatting.shorten(self.profile, 24), "bold"))
        parts = [look.muted(part) for part in self.detail]
        while True:
            known = [look.state(self.state)] if self.state else [look.muted("looking…")]
            right = Content("   ").join([*known, *parts])
            gap = width - left.cell_length - right.cell_length
            if gap >= 2 or not parts:
                return left + Content(" " * max(1, gap)) + right
            parts.pop()


class KeyBar(Row):
    """The keys that do something on this screen right now, most important first."""

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.refresh())

    def draw(self, width: int) -> Content:
        shown = Content("")
        ordered = sorted(
            self.screen.active_bindings.values(), key=lambda active: (active.binding.id or "").startswith("screen.")
        )
        for namespace, binding, enabled, _ in ordered:
            if not binding.show or not enabled:
                continue
            display = binding.key_display or self.app.get_key_display(binding)
            prefix = "app" if namespace is self.app else "screen" if namespace is self.screen else "focused"
            action = binding.action if "." in binding.action else f"{prefix}.{binding.action}"
            part = look.key(display, binding.description, action)
            joined = part if not shown else shown + Content("   ") + part
            if joined.cell_length > width:
                break
            shown = joined
        return shown


class NavBar(Row):
    """The number keys of the areas, and the keys that work everywhere."""

    here: reactive[str] = reactive("")

    def draw(self, width: int) -> Content:
        everywhere = [
            ("ctrl+p", "commands", "app.command_palette"),
            ("?", "help", "app.show_help"),
            ("q", "quit", "app.leave"),
        ]
        for gap, pad, extras in (
            (3, " ", everywhere),
            (2, " ", everywhere[1:]),
            (1, " ", everywhere[1:2]),
            (1, " ", []),
            (1, "", []),
        ):
            areas = [self._area(f"{pad}{number}", mode, name + pad) for number, (mode, name) in enumerate(SECTIONS, 1)]
            left = Content(" " * gap).join(areas)
            right = Content("  ").join([look.key(*extra) for extra in extras])
            room = width - left.cell_length - right.cell_length
            if room >= (2 if extras else 0):
                break
        return left + Content(" " * max(0, room)) + right

    def _area(self, number: str, mode: str, name: str) -> Content:
        if mode == self.here:
            return look.line((f"{number} {name}", "bold $text on $block-cursor-background"))
        return look.key(number, name, f"app.go('{mode}')")


TOLD_FROM = 12
"""Cells from which on it is worth to begin with the step at work."""


class JobStrip(Row):
    """Running jobs, at most three lines, on every screen; nothing at all when nothing runs."""

    views: reactive[tuple[JobView, ...]] = reactive((), layout=True)

    def show(self, views: list[JobView]) -> None:
        self.views = tuple(sorted(views, key=lambda view: view.id)[:3])
        self.set_class(bool(self.views), "-busy")

    def draw(self, width: int) -> Content:
        return look.lines(*(self._line(view, width) for view in self.views))

    @staticmethod
    def _line(view: JobView, width: int) -> Content:
        word = {"paused": "paused", "stopping": "stopping…"}.get(view.state, view.title)
        left = look.state("paused" if view.state == "paused" else "running", word)
        if view.state != "running":
            left = look.line(left, "  ", view.title)
        progress, step = view.overall, view.current_step
        figures = brief_figures(progress) if progress is not None and progress.total else Content("")
        told = look.muted(progress.note if progress and progress.note else step.title if step else "")
        bar = Content("")
        if progress is not None and progress.total:
            room = width - left.cell_length - figures.cell_length - 4
            bar = look.bar(progress.done, progress.total, max(8, min(30, width // 5, room)))
        shown = Content("  ").join([part for part in (left, bar, figures) if part])
        if width - shown.cell_length >= TOLD_FROM:
            shown = look.line(shown, "  ", told)
        return look.cut(shown, width)

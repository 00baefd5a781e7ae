"""Logs. They answer: what does the server itself say."""

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Input, RichLog

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, Cancelled
from qdrant_admin.tui import look
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.panels import StatePanel, empty, failure

KEPT = 5000
TAIL = 500
DRAW_EVERY_SECONDS = 0.1
DRAWN_AT_ONCE = 150
"""Lines drawn in one go: some 20 ms, so that a flood of them never delays a key."""
SHOWS = ("without requests", "all lines", "warnings and errors", "errors")
"""What `v` goes through. Requests that went well are left out at first, as is our own look whether a key is asked for:
looking at a server fills its log."""
REQUEST = re.compile(
    r'actix_web::middleware::logger: .*(?:" [23]\d\d |"GET /collections HTTP/1.1" 401 .*"python-httpx)'
)
LINE = re.compile(
    r"\d{4}-\d\d-\d\dT(?P<time>\d\d:\d\d:\d\d)\.\d+Z\s+(?P<level>[A-Z]+) "
    r"(?:[\w:]*::)?(?P<part>\w+): (?P<said>.*)"
)
LEVELS = {
    "ERROR": "text-error",
    "WARN": "text-warning",
    "INFO": "text-muted",
    "DEBUG": "text-disabled",
    "TRACE": "text-disabled",
}


class LogTap:
    """A thread that reads the log into a mailbox, which the screen empties at its own pace."""

    def __init__(self, batches: "Iterable[list[str]]", cancel: CancelToken) -> None:
        self.cancel = cancel
        self.failure: Exception | None = None
        self.over = False
        self._batches = batches
        self._lock = threading.Lock()
        self._mail: deque[str] = deque(maxlen=KEPT)
        threading.Thread(target=self._run, name="logs", daemon=True).start()

    def _run(self) -> None:
        try:
            for batch in self._batches:
                with self._lock:
                    self._mail.extend(batch)
        except Cancelled:
            pass
        except Exception as error:  # noqa: BLE001 - shown on the screen; a log that cannot be read must not end the app
            self.failure = error
        self.over = True

    def collect(self) -> list[str]:
        with self._lock:
            lines = list(self._mail)
            self._mail.clear()
        return lines


class LogsScreen(BaseScreen):
    """The server's log: followed, paused, filtered, wrapped; levels in words and colours."""

    SECTION = "logs"
    HELP_TEXT = "What does the server itself say? Follows the log; / shows only lines that contain a text."
    AUTO_FOCUS = "#log"
    BINDINGS = [
        bind("f", "pause", "pause", "logs.pause", "stop following the log"),
        bind("f", "follow", "follow", "logs.follow", "follow the log again"),
        bind("slash", "find", "filter", "logs.filter", "only lines that contain a text"),
        bind("v", "level", "level", "logs.level", "without requests, all lines, warnings and errors, errors only"),
        bind("z", "wrap", "wrap", "logs.wrap", "wrap long lines, or cut them"),
        bind("y", "copy", "copy", "logs.copy", "copy the lines that are shown"),
        bind("escape", "clear_filter", "all lines", "logs.clear", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._tap: LogTap | None = None
        self._lines: deque[str] = deque(maxlen=KEPT)
        self._undrawn: deque[str] = deque(maxlen=KEPT)
        self._following = True
        self._least = 0
        self._filter = ""
        self._state = ""

    def compose_body(self) -> ComposeResult:
        yield Plain(id="logs-head")
        yield Input(placeholder="only lines that contain…", id="logs-filter", compact=True)
        yield StatePanel(id="logs-state")
        yield RichLog(id="log", max_lines=KEPT, markup=False, highlight=False, auto_scroll=True, wrap=False)

    def on_mount(self) -> None:
        log = self.query_one(RichLog)
        log.wrap = self.admin.preferences.wrap_logs
        log.focus()
        self.set_interval(DRAW_EVERY_SECONDS, self._drain)

    def look_again(self) -> None:
        if self._tap is None or self._tap.over:
            self._lines.clear()
            self._redraw()
            cancel = CancelToken()
            self._tap = LogTap(self._batches(cancel), cancel)

    def server_changed(self) -> None:
        status = self.admin.server.status
        state = status.state if status is not None else ""
        before, self._state = self._state, state
        started = before not in {"", state} and state not in {"stopped", "absent"}
        if started and self._tap is not None and self._tap.over:
            self.look_again()

    def _batches(self, cancel: CancelToken) -> "Iterable[list[str]]":
        yield from self.services.logs(tail=TAIL, follow=True, cancel=cancel)

    def action_refresh_now(self) -> None:
        self._close()
        self.look_again()

    def _close(self) -> None:
        if self._tap is not None:
            self._tap.cancel.cancel()
            self._tap = None

    def on_unmount(self) -> None:
        self._close()

    def _drain(self) -> None:
        tap = self._tap
        if tap is not None and self._following:
            new = tap.collect()
            self._lines.extend(new)
            self._undrawn.extend(line for line in new if self._shown(line))
        self._write()
        self._head()

    # drawing

    def _shown(self, line: str) -> bool:
        if self._filter and self._filter.lower() not in line.lower():
            return False
        if self._least <= 1:
            return self._least == 1 or not REQUEST.search(line)
        level = level_of(line)
        return level == "ERROR" or (self._least == 2 and level == "WARN")

    def _write(self) -> None:
        lines = [self._undrawn.popleft() for _ in range(min(DRAWN_AT_ONCE, len(self._undrawn)))]
        if lines:
            colours = self.app.theme_variables
            body = Text("\n").join(log_line(line, colours, self._filter) for line in lines)
            self.query_one(RichLog).write(body, expand=True)

    def _redraw(self) -> None:
        self.query_one(RichLog).clear()
        self._undrawn = deque((line for line in self._lines if self._shown(line)), maxlen=KEPT)
        self._write()
        self._head()

    def _head(self) -> None:
        tap = self._tap
        nothing = not self._lines
        panel, log = self.query_one(StatePanel), self.query_one(RichLog)
        trouble = tap.failure if tap is not None else None
        panel.display = nothing
        log.display = not nothing
        if log.display and self.focused is None:  # it lost the focus while there was nothing to show
            log.focus()
        if nothing and trouble is not None:
            if not isinstance(trouble, AdminError):
                trouble = AdminError("the log cannot be read", why=f"{type(trouble).__name__}: {trouble}")
            panel.update(failure(trouble, ("r", "try again", "screen.refresh_now")))
        elif nothing:
            panel.update(empty("No log lines yet.", "They appear here as soon as the server says something."))
        following = look.state("running", "following") if self._following else look.state("paused", "paused")
        if tap is not None and tap.over:
            following = look.state("stopped", "server stopped: end of log")
        parts = [following, look.muted(SHOWS[self._least])]
        if self._filter:
            parts.append(look.line(look.muted("only "), (self._filter, "bold")))
        self.query_one("#logs-head", Plain).update(look.muted("   ").join(parts))

    # keys

    def possible(self) -> Mapping[str, Callable[[], bool]]:
        return {"pause": lambda: self._following, "follow": lambda: not self._following}

    def action_pause(self) -> None:
        self._follow(False)

    def action_follow(self) -> None:
        self._follow(True)

    def _follow(self, following: bool) -> None:
        self._following = self.query_one(RichLog).auto_scroll = following
        self._head()
        self.refresh_bindings()

    def action_find(self) -> None:
        field = self.query_one("#logs-filter", Input)
        field.add_class("-open")
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._filter = event.value
        self._redraw()

    def on_input_submitted(self) -> None:
        self.query_one(RichLog).focus()
        self.query_one("#logs-filter").set_class(bool(self._filter), "-open")

    def action_clear_filter(self) -> None:
        field = self.query_one("#logs-filter", Input)
        field.value = ""
        field.remove_class("-open")
        self.query_one(RichLog).focus()

    def action_level(self) -> None:
        self._least = (self._least + 1) % len(SHOWS)
        self._redraw()

    def action_wrap(self) -> None:
        log = self.query_one(RichLog)
        log.wrap = not log.wrap
        self.admin.keep(replace(self.admin.preferences, wrap_logs=log.wrap))
        self._redraw()

    def action_copy(self) -> None:
        shown = [line for line in self._lines if self._shown(line)]
        self.app.copy_to_clipboard("\n".join(shown) + "\n")
        self.notify(f"{len(shown)} lines copied", markup=False)


def level_of(line: str) -> str:
    head = line[:48]
    return next((level for level in LEVELS if f" {level} " in head), "")


def log_line(line: str, colours: "dict[str, str]", wanted: str = "") -> Text:
    """One line, taken as it is: time, level in its colour, part, what it said; the filter's text marked."""
    known = LINE.match(line)
    shown = look.cell("" if known else line)
    if known:
        level = known["level"]
        tone = colours[LEVELS.get(level, "text-muted")]
        loud = level in {"ERROR", "WARN"}
        shown.append(f"{known['time']}  ", colours["text-disabled"])
        shown.append(f"{level:<6}", f"bold {tone}" if loud else tone)
        shown.append_text(look.cell(f"{known['part']:<10} ", colours["text-muted"]))
        shown.append_text(look.cell(known["said"], tone if level == "ERROR" else ""))
    shown.no_wrap, shown.overflow = None, None
    place = shown.plain.lower().find(wanted.lower()) if wanted else -1
    if place >= 0:
        shown.stylize(f"bold underline {colours['text-accent']}", place, place + len(wanted))
    return shown

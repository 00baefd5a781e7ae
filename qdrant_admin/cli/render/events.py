"""Draws the events of an operation on standard error: a living picture on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from qdrant_admin.cli.render.blocks import TONES, cell, do_now, messages
from qdrant_admin.cli.render.piped import fit, is_ascii
from qdrant_admin.core import formatting
from qdrant_admin.core.events import Event, Finished, LogLines, Notice, Progress, StepFinished, StepStarted
from qdrant_admin.core.formatting import plain

PLAIN_EVERY_SECONDS = 3.0
"""Without a terminal, progress is a line in somebody's log: often enough to see life, not to fill a disk."""
BAR = 16
REJECTS_TOLD = 5
_JUSTIFIED: tuple[Literal["left", "right"], ...] = ("left", "left", "right", "right", "right", "right", "left")
_AMOUNTS: dict[str, Callable[[int], str]] = {"bytes": formatting.size, "seconds": formatting.duration}
_OUTCOMES = {"ok": "done", "warning": "warning", "failed": "failed", "skipped": "skipped"}
_LEVELS = {"info": ("·", "-", "dim"), "warning": ("▲", "!", "yellow"), "error": ("✕", "X", "red")}


class Renderer:
    """Takes events one by one. Use it as a context manager, so that the terminal is left as it was.

    Args:
        console: where to draw; standard error by default.
        quiet: draw nothing (`--events` writes them itself).
        brief: leave no line for a finished step, because the report tells of every step again.
        clock: monotonic seconds; injected by tests.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        quiet: bool = False,
        brief: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console or messages()
        self._ascii = is_ascii(self._console.encoding)
        self._quiet = quiet
        self._brief = brief
        self._clock = clock
        self._titles: dict[str, str] = {}
        self._bars: dict[tuple[str, str], Progress] = {}
        self._told: dict[tuple[str, str], float] = {}
        self._live: Live | None = None
        self._rejects = 0

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._quiet:
            self._live = Live(console=self._console, refresh_per_second=8, transient=True, redirect_stdout=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the living part away; what was printed stays."""
        if self._live:
            self._live.stop()
            self._live = None

    def handle(self, event: Event) -> None:
        if self._quiet:
            return
        self._take(event)
        if self._live:
            self._live.update(self._picture())

    def _take(self, event: Event) -> None:
        match event:
            case StepStarted():
                self._titles[event.step] = event.title
                if self._live is None and not self._brief:
                    self._print(self._line("running", event.title))
            case StepFinished():
                self._finish(event)
            case Progress():
                self._progress(event)
            case Notice():
                self._tell(event)
            case LogLines():
                for line in event.lines:
                    self._print(Text(fit(f"    {plain(line)}", self._ascii), "dim"))
            case Finished():
                self._titles.clear()
                self._bars.clear()

    def _tell(self, event: Notice) -> None:
        """Print it; of records that were not stored only the first few, the report has them all."""
        self._rejects += event.topic == "reject"
        if event.topic != "reject" or self._rejects <= REJECTS_TOLD:
            self._print(self._notice(event))
        elif self._rejects == REJECTS_TOLD + 1:
            self._print(self._notice(event.model_copy(update={"text": "more were not stored; the report has them"})))

    def say(self, text: str) -> None:
        """A remark of the command line itself, also where events are not drawn."""
        self._print(cell(text, self._ascii, "yellow"))

    def _print(self, text: Text) -> None:
        if self._live:
            self._live.update(self._picture(), refresh=True)  # printing draws the living part again, as it is by now
        self._console.print(text)

    def _finish(self, event: StepFinished) -> None:
        title = self._titles.pop(event.step, event.step)
        for key in [key for key in self._bars if key[0] == event.step]:
            del self._bars[key]
            self._told.pop(key, None)
        if not self._brief:
            self._print(self._line(_OUTCOMES[event.outcome], title, event.detail))

    def _progress(self, event: Progress) -> None:
        key = (event.step, event.item)
        self._bars[key] = event
        if self._live:
            return
        now = self._clock()
        if now - self._told.setdefault(key, now) >= PLAIN_EVERY_SECONDS:
            self._told[key] = now
            self._print(Text("    ").append_text(self._figures(event)))

    def _line(self, key: str, title: str, detail: str = "") -> Text:
        look = formatting.state(key)
        text = Text(fit(f"{look.ascii if self._ascii else look.symbol} ", self._ascii), TONES[look.tone])
        text.append(fit(plain(title), self._ascii), "")
        if detail:
            text.append(fit(f"  {plain(detail)}", self._ascii), "dim")
        return text

    def _notice(self, event: Notice) -> Text:
        symbol, letter, style = _LEVELS[event.level]
        text = Text(f"{letter if self._ascii else symbol} ", style)
        text.append(fit(plain(event.text), self._ascii))
        return text.append_text(do_now(event.fix, self._ascii)) if event.fix else text

    def _picture(self) -> Group:
        rows: list[RenderableType] = []
        for step, title in self._titles.items():
            rows.append(self._line("running", title))
            bars = [event for key, event in self._bars.items() if key[0] == step]
            if bars:
                rows.append(self._table(bars))
        return Group(*rows)

    def _table(self, bars: list[Progress]) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        for justify in _JUSTIFIED:
            table.add_column(justify=justify, no_wrap=True, overflow="ellipsis")
        for event in bars:
            table.add_row(Text("  ").append_text(self._bar(event)), *self._cells(event))
        return table

    def _bar(self, event: Progress) -> Text:
        if event.total is None:
            return Text("")
        share = 1.0 if event.total == 0 else min(1.0, event.done / event.total)
        full = int(share * BAR)
        stroke, rest = ("#", "-") if self._ascii else ("━", "─")
        return Text.assemble((stroke * full, "green"), (rest * (BAR - full), "dim"))

    def _cells(self, event: Progress) -> list[Text]:
        amount = _AMOUNTS.get(event.unit, formatting.number)
        done = amount(event.done) if event.total is None else f"{amount(event.done)} of {amount(event.total)}"
        waiting = event.unit == "seconds"  # time passes at one second per second, which is nothing new
        parts = [
            formatting.shorten(plain(event.item), 24),
            "" if waiting else formatting.percent(event.done, event.total),
            done,
            "" if waiting else formatting.rate(event.rate, event.unit),
            "" if event.done == event.total else formatting.left(event.seconds_left),
            plain(event.note),
        ]
        return [Text(fit(part, self._ascii)) for part in parts]

    def _figures(self, event: Progress) -> Text:
        return Text("  ").join(cell for cell in self._cells(event) if cell)

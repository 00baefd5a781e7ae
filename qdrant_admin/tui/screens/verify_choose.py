"""What was proven last, and the choice of the next check: how, what, and what it interrupts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from qdrant_admin.core import formatting
from qdrant_admin.lifecycle.reports import StatusReport
from qdrant_admin.persistence.reports import CrashReport, VerifyReport
from qdrant_admin.persistence.trends import TrendReport
from qdrant_admin.persistence.words import sentence
from qdrant_admin.tui import look
from qdrant_admin.tui.screens.verify_past import TALL, plots
from qdrant_admin.tui.screens.verify_ways import CRASH, Asked, Way, command, interrupts, ways
from qdrant_admin.tui.services import PastCheck
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.verdict import Verdict

NAMES_SHOWN = 3
LABEL = 12
ROOMY = 28
TALLEST = 48


@dataclass(frozen=True)
class Known:
    """Everything that the choice is made from."""

    now: datetime
    profile: str
    status: StatusReport | None = None
    checks: Sequence[PastCheck] | None = None
    """Newest first; None while they are being read."""
    trend: TrendReport | None = None
    failure: str = ""
    """Why what was proven before could not be read."""

    @property
    def proof(self) -> PastCheck | None:
        """The newest restart-and-verify."""
        return next((one for one in self.checks or () if isinstance(one.report, VerifyReport)), None)

    @property
    def crash(self) -> PastCheck | None:
        """The newest crash test."""
        return next((one for one in self.checks or () if isinstance(one.report, CrashReport)), None)

    def back_in(self, way: str) -> float | None:
        """Seconds that the newest restart of this way took; of any way when it was never gone."""
        rounds = [
            round_ for one in self.checks or () if isinstance(one.report, VerifyReport) for round_ in one.report.rounds
        ]
        told = [round_ for round_ in rounds if round_.ready_seconds is not None and round_.how != "pause"]
        same = [round_ for round_ in told if round_.how == way]
        return next((round_.ready_seconds for round_ in (*same, *told)), None)


class WayList(OptionList):
    """The ways. A click chooses; only a second one begins, since a server is restarted then."""

    def on_click(self, event: Click) -> None:
        """Keep the base class from starting at the first click."""
        clicked = event.style.meta.get("option")
        if isinstance(clicked, int) and clicked != self.highlighted:
            event.prevent_default()
            self.highlighted = clicked


class ChoosePane(Vertical):
    """The answer so far, and the question."""

    class Started(Message):
        """The way under the cursor was chosen."""

    def __init__(self) -> None:
        super().__init__(id="verify-choose")
        self.asked = Asked()
        self.known: Known | None = None
        self._ways: list[Way] = []

    def compose(self) -> ComposeResult:
        """Last proof, ways, and what the one under the cursor means."""
        yield Verdict(id="verify-last")
        yield Plain(look.text("What shall it go through?", "bold"), id="verify-question")
        with Container(id="verify-split"):
            yield WayList(id="verify-hows", markup=False)
            with VerticalScroll(id="verify-about-scroll", can_focus=False):
                yield Plain(id="verify-about")
        yield Plain(id="verify-so-far")

    def show(self, known: Known) -> None:
        """Draw what is known by now."""
        self.known = known
        offered = ways(known.status.capabilities if known.status else None)
        if offered != self._ways:
            self._offer(offered)
        _tell_last(self.query_one("#verify-last", Verdict), known)
        self._draw_about()
        self._draw_trend()

    def ask(self, asked: Asked) -> None:
        """Look at something else, or harder."""
        self.asked = asked
        self._draw_about()

    def _draw_trend(self) -> None:
        """Where there is room: how the checks so far have gone."""
        shown, size = self.query_one("#verify-so-far", Plain), self.app.size
        trend = self.known.trend if self.known else None
        rows = 3 if size.height >= TALLEST else 1
        drawn = plots(trend, size.width - 6, rows) if trend is not None and size.height >= TALL else []
        shown.display = bool(drawn)
        shown.update(look.lines(look.text("So far", "bold"), Content(""), *drawn))

    @property
    def way(self) -> Way:
        """The one under the cursor."""
        index = self.query_one(WayList).highlighted or 0
        return self._ways[min(index, len(self._ways) - 1)]

    def _offer(self, offered: list[Way]) -> None:
        rows, here = self.query_one(WayList), self.way.key if self._ways else ""
        self._ways = offered
        rows.clear_options()
        rows.add_options([Option(_row(way), id=way.key) for way in offered])
        rows.highlighted = next((index for index, way in enumerate(offered) if way.key == here), 0)

    def on_resize(self) -> None:
        """Lay out anew."""
        self.call_after_refresh(self._draw_about)
        self.call_after_refresh(self._draw_trend)

    @on(OptionList.OptionHighlighted, "#verify-hows")
    def _draw_about(self) -> None:
        if self.known is not None and self._ways:
            shown = self.query_one("#verify-about", Plain)
            width = shown.size.width or self.app.size.width - 6
            brief = self.app.size.height < ROOMY
            shown.update(about(self.way, self.asked, self.known, width, brief=brief))

    @on(OptionList.OptionSelected, "#verify-hows")
    def _chosen(self) -> None:
        self.post_message(self.Started())


def _row(way: Way) -> Content:
    return look.line((f"{way.title:<16}", "bold"), look.muted(way.says))


def _tell_last(panel: Verdict, known: Known) -> None:
    """Is the data safe, as far as anybody has looked."""
    proof, crash = known.proof, known.crash
    asides = []
    if crash is not None and isinstance(crash.report, CrashReport):
        ago = formatting.ago(crash.entry.started_at, known.now)
        told = f"  {formatting.number(crash.report.lost)} acknowledged changes lost"
        asides.append(
            look.line(look.muted(f"crash test  {ago}  ·  "), look.state(crash.report.verdict), look.muted(told))
        )
    if known.failure:
        panel.tell("unknown", f"What was proven before cannot be read: {known.failure}")
    elif known.checks is None:
        panel.tell("loading", "Looking at what was proven before.", word="one moment")
    elif proof is None or not isinstance(proof.report, VerifyReport):
        nobody = "Nobody has looked yet whether what is stored here survives a restart."
        panel.tell("unknown", nobody, *asides, word="not proven yet")
    else:
        age = look.line(
            look.muted(f"last check  {formatting.ago(proof.entry.started_at, known.now)}"), _since(proof.report, known)
        )
        panel.tell(proof.report.verdict, sentence(proof.report), age, *asides)


def _since(report: VerifyReport, known: Known) -> Content:
    """A proof covers what was there then: say when there is more or less by now."""
    now = known.status.points if known.status else None
    then = sum(check.after.points for check in report.collections if check.after)
    if now is None or report.chosen or now == then:
        return Content("")
    other = f"{formatting.counted(abs(now - then), 'point')} {'more' if now > then else 'fewer'} by now"
    return look.line(look.muted("  ·  "), look.state("warn", other))


def about(way: Way, asked: Asked, known: Known, width: int, *, brief: bool = False) -> Content:
    """What the way means, what it reads, and what it interrupts; with little room only the latter."""
    status = known.status
    name = (status.container if status else "") or "the server"
    pairs = [("interrupts", look.text(interrupts(way.key, name, asked, known.back_in(way.key))))]
    if way.key == CRASH:
        kept = "once it is applied and logged" if asked.wait else "once it is taken, not yet kept (wait=false)"
        load = f"{formatting.counted(asked.writers, 'program')} at once, into collections of their own"
        pairs += [("writes", look.text(load)), ("counted", look.text(kept))]
    else:
        pairs += [("reads", look.text(_scope(asked, status)))]
        pairs += [("compares", look.text(_depth(asked)))]
    pairs.append(("command", look.muted(command(way.key, asked, known.profile))))
    facts = [row for label, value in pairs for row in look.hanging(look.fit(look.muted(label), LABEL), value, width)]
    rows = facts if brief else [look.text(way.explains), Content(""), *facts]
    if status is not None and status.state not in {"healthy", "degraded"}:
        rows.append(look.line(look.state(status.state), look.muted("   a check needs a server that runs:  1  Home")))
    return look.lines(*rows)


def _scope(asked: Asked, status: StatusReport | None) -> str:
    if asked.collections:
        more = len(asked.collections) - NAMES_SHOWN
        named = ", ".join(formatting.shorten(name, 24) for name in asked.collections[:NAMES_SHOWN])
        return f"{named} and {more} more" if more > 0 else named
    if status is None or status.collections is None or status.points is None:
        return "every collection, twice"
    return (
        f"{formatting.counted(status.collections, 'collection')}, {formatting.counted(status.points, 'point')}, twice"
    )


def _depth(asked: Asked) -> str:
    if asked.sample is None:
        return "every id, vector and payload"
    return f"every id; vector and payload of {formatting.counted(asked.sample, 'point')} a collection"

"""The choice of the next check: what was proven last, how, what, and what it interrupts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeVar, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from qdrant_admin.core import formatting
from qdrant_admin.core.commands import Command
from qdrant_admin.database.models import CollectionInfo
from qdrant_admin.lifecycle.reports import StatusReport
from qdrant_admin.persistence.past_checks import TrendReport
from qdrant_admin.persistence.reports import CrashOptions, CrashReport, RoundMethod, VerifyOptions, VerifyReport
from qdrant_admin.server.runtime import Capabilities
from qdrant_admin.tui import look
from qdrant_admin.tui.screens.verify.past import TALL, plots, points
from qdrant_admin.tui.services import PastCheck
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.dialogs import Choice, Dialog, Field, FormDialog, Text, whole_number
from qdrant_admin.tui.widgets.panels import Verdict

CRASH = "crash-test"
CheckT = TypeVar("CheckT", VerifyReport, CrashReport)


class Method(NamedTuple):
    """One row of the choice."""

    key: str
    title: str
    says: str


METHODS = (
    Method("kill", "Kill", "as a crash or a flat battery does"),
    Method("graceful", "Restart", "stopped in order and started again"),
    Method("recreate", "Recreate", "a new one on the same data"),
    Method("pause", "Freeze", "frozen and thawed, as a laptop that sleeps"),
    Method("engine", "Restart Docker", "the engine itself, with all it runs"),
    Method("all", "All of the above", "one after another, except Docker"),
    Method(CRASH, "Crash test", "killed again and again while it is written to"),
    Method("none", "Look only", "no restart: read everything twice"),
)
EXPLAINED = {
    "kill": "The process ends without a chance to write anything down, and is started again. The hardest proof for "
    "what is stored.",
    "graceful": "It is asked to stop, gets the time it needs, and is started again: what an orderly shutdown does.",
    "recreate": "The container is removed and recreated on the same data: what an upgrade does. Shows data that lies "
    "in the wrong place.",
    "pause": "It is frozen for two seconds and thawed. The process stays the same.",
    "engine": "The Docker engine is restarted, as an update of Docker or a reboot does. Every container on this "
    "computer goes down with it. You are asked once more.",
    "all": "One restart after another, until something differs.",
    CRASH: "Programs write into collections of their own while the server is killed at random moments. After each "
    "start every change that it had acknowledged must be there. Your collections are only made durable first.",
    "none": "Everything is read twice and compared; the server keeps running. Shows what changes by itself, and proves "
    "no restart.",
}


class Asked(NamedTuple):
    """What is to be looked at, and how hard."""

    check: VerifyOptions = VerifyOptions(how="none")
    crash: CrashOptions = CrashOptions()


def methods(capabilities: Capabilities | None) -> list[Method]:
    offered: set[str] = {"kill", "graceful", "recreate", "pause"} if capabilities is None else set(capabilities.restart)
    offered |= ({"all"} if offered else set()) | ({CRASH} if "kill" in offered else set()) | {"none"}
    return [method for method in METHODS if method.key in offered]


def restarts(key: str, capabilities: Capabilities | None) -> list[RoundMethod]:
    if key != "all":
        return [] if key in {"none", CRASH} else [cast("RoundMethod", key)]
    possible = {method.key for method in methods(capabilities)}
    return [one for one in ("graceful", "kill", "pause", "recreate") if one in possible]


def command(key: str, asked: Asked, profile: str) -> str:
    check, crash = asked
    chosen = Command("verify", how=key, collection=check.collections, sample=check.sample, yes=key == "engine")
    if key == CRASH:
        chosen = Command(CRASH, cycles=crash.cycles, writers=crash.writers, no_wait=not crash.wait)
    return str(chosen.on(profile))


def interrupts(key: str, name: str, asked: Asked, back: float | None) -> str:
    """What nobody can reach meanwhile, and for how long; `back` is how many seconds it took lately."""
    once = f"about {formatting.duration(back)}" if back is not None else "a few seconds"
    known = {
        "none": "nothing: the server keeps running",
        "pause": f"{name}: requests wait for two seconds",
        "all": f"{name}: out of reach for {once}, each time",
        "engine": "every container on this computer, until the engine is back",
        CRASH: f"{name}: out of reach {formatting.counted(asked.crash.cycles, 'time')}, {once} each",
    }
    return known.get(key, f"{name}: out of reach for {once}")


def title(method: Method, asked: Asked) -> str:
    if method.key == CRASH:
        kills, writers = asked.crash.cycles, asked.crash.writers
        return f"crash test: {formatting.counted(kills, 'kill')}, {formatting.counted(writers, 'writer')}"
    return f"verify: {'every restart method' if method.key == 'all' else method.title.lower()}"


NAMES_SHOWN = 3
LABEL = 12
ROOMY = 28
TALLEST = 48


@dataclass(frozen=True)
class Known:
    """Everything that the choice is made from."""

    now: datetime | None = None
    profile: str = ""
    status: StatusReport | None = None
    checks: Sequence[PastCheck] | None = None
    """Newest first; None while they are being read."""
    trend: TrendReport | None = None
    failure: str = ""

    def newest(self, kind: type[CheckT]) -> tuple[str, CheckT] | None:
        """How long ago it was, and what it said. Two looks without a restart, or at nothing, do not count."""
        told = (one for one in self.checks or () if one.report.verdict not in {"unchanged", "empty"})
        found = ((one.entry.started_at, one.report) for one in told if isinstance(one.report, kind))
        return next(((formatting.ago(at, self.now), report) for at, report in found), None)

    def back_in(self, method: str) -> float | None:
        proofs = (one.report for one in self.checks or () if isinstance(one.report, VerifyReport))
        rounds = [round_ for proof in proofs for round_ in proof.rounds]
        told = [round_ for round_ in rounds if round_.ready_seconds is not None and round_.how != "pause"]
        same = [round_ for round_ in told if round_.how == method]
        return next((round_.ready_seconds for round_ in (*same, *told)), None)


class MethodList(OptionList):
    """The restart methods. A click chooses; only a second one begins, since a server is restarted then."""

    def on_click(self, event: Click) -> None:
        clicked = event.style.meta.get("option")
        if isinstance(clicked, int) and clicked != self.highlighted:
            event.prevent_default()
            self.highlighted = clicked


class ChoosePane(Vertical):
    """The answer so far, and the question."""

    class Started(Message):
        """The method under the cursor was chosen."""

    def __init__(self) -> None:
        super().__init__(id="verify-choose")
        self.asked = Asked()
        self.known: Known | None = None
        self._methods: list[Method] = []

    def compose(self) -> ComposeResult:
        yield Verdict(id="verify-last")
        yield Plain(look.text("Choose a restart method", "bold"), id="verify-question")
        with Container(id="verify-split"):
            yield MethodList(id="verify-hows", markup=False)
            with VerticalScroll(id="verify-about-scroll", can_focus=False):
                yield Plain(id="verify-about")
        yield Plain(id="verify-so-far")

    def show(self, known: Known) -> None:
        self.known = known
        offered = methods(known.status.capabilities if known.status else None)
        if offered != self._methods:
            self._offer(offered)
        _tell_last(self.query_one("#verify-last", Verdict), known)
        self._draw_about()
        self._draw_trend()

    def ask(self, asked: Asked) -> None:
        self.asked = asked
        self._draw_about()

    def _draw_trend(self) -> None:
        shown, size = self.query_one("#verify-so-far", Plain), self.app.size
        trend = self.known.trend if self.known else None
        rows = 3 if size.height >= TALLEST else 1
        drawn = plots(trend, size.width - 6, rows) if trend is not None and size.height >= TALL else []
        shown.display = bool(drawn)
        shown.update(look.lines(look.text("So far", "bold"), Content(""), *drawn))

    @property
    def method(self) -> Method:
        index = self.query_one(MethodList).highlighted or 0
        return self._methods[min(index, len(self._methods) - 1)]

    def _offer(self, offered: list[Method]) -> None:
        rows, here = self.query_one(MethodList), self.method.key if self._methods else ""
        self._methods = offered
        rows.clear_options()
        rows.add_options([Option(_row(method), id=method.key) for method in offered])
        rows.highlighted = next((index for index, method in enumerate(offered) if method.key == here), 0)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw_about)
        self.call_after_refresh(self._draw_trend)

    @on(OptionList.OptionHighlighted, "#verify-hows")
    def _draw_about(self) -> None:
        if self.known is not None and self._methods:
            shown = self.query_one("#verify-about", Plain)
            width = shown.size.width or self.app.size.width - 6
            brief = self.app.size.height < ROOMY
            shown.update(about(self.method, self.asked, self.known, width, brief=brief))

    @on(OptionList.OptionSelected, "#verify-hows")
    def _chosen(self) -> None:
        self.post_message(self.Started())


def _row(method: Method) -> Content:
    return look.line((f"{method.title:<18}", "bold"), look.muted(method.says))


def _tell_last(panel: Verdict, known: Known) -> None:
    proof, crash, asides = known.newest(VerifyReport), known.newest(CrashReport), []
    if crash is not None:
        ago, test = crash
        told = f"  {formatting.number(test.lost)} acknowledged changes lost"
        asides.append(look.line(look.muted(f"crash test  {ago}  ·  "), look.state(test.verdict), look.muted(told)))
    if known.failure:
        panel.tell("unknown", f"What was proven before cannot be read: {known.failure}")
    elif known.checks is None:
        panel.tell("loading", "Looking at what was proven before.", word="one moment")
    elif proof is None:
        nobody = "Nobody has checked yet whether what is stored here survives a restart."
        panel.tell("unknown", nobody, *asides, word="not proven yet")
    else:
        ago, report = proof
        age = look.line(look.muted(f"last check  {ago}"), _since(report, known))
        panel.tell(report.verdict, report.sentence(), age, *asides)


def _since(report: VerifyReport, known: Known) -> Content:
    """A proof covers what was there then: say when there is more or less by now."""
    now = known.status.points if known.status else None
    then = points(report)
    if now is None or report.chosen or now == then:
        return Content("")
    other = f"{formatting.counted(abs(now - then), 'point')} {'more' if now > then else 'fewer'} by now"
    return look.line(look.muted("  ·  "), look.state("warn", other))


def about(method: Method, asked: Asked, known: Known, width: int, *, brief: bool = False) -> Content:
    status, (check, crash) = known.status, asked
    name = (status.container if status else "") or "the server"
    pairs = [("interrupts", look.text(interrupts(method.key, name, asked, known.back_in(method.key))))]
    if method.key == CRASH:
        kept = "once it is applied and logged" if crash.wait else "once it is taken, not yet kept (wait=false)"
        load = f"{formatting.counted(crash.writers, 'program')} at once, into collections of their own"
        pairs += [("writes", look.text(load)), ("counted", look.text(kept))]
    else:
        depth = "every id, vector and payload"
        if check.sample is not None:
            depth = f"every id; vector and payload of {formatting.counted(check.sample, 'point')} per collection"
        pairs += [("reads", look.text(_scope(check, status))), ("compares", look.text(depth))]
    pairs.append(("command", look.muted(command(method.key, asked, known.profile))))
    facts = [row for label, value in pairs for row in look.hanging(look.fit(look.muted(label), LABEL), value, width)]
    rows = facts if brief else [look.text(EXPLAINED[method.key]), Content(""), *facts]
    if status is not None and status.state not in {"healthy", "degraded"}:
        rows.append(look.line(look.state(status.state), look.muted("   a check needs a server that runs:  1  Home")))
    return look.lines(*rows)


def _scope(check: VerifyOptions, status: StatusReport | None) -> str:
    if check.collections:
        more = len(check.collections) - NAMES_SHOWN
        named = ", ".join(formatting.shorten(name, 24) for name in check.collections[:NAMES_SHOWN])
        return f"{named} and {more} more" if more > 0 else named
    if status is None or status.collections is None or status.points is None:
        return "every collection, twice"
    held = formatting.counted(status.collections, "collection"), formatting.counted(status.points, "point")
    return f"{', '.join(held)}, twice"


USUAL_SAMPLE = 1000
KEPT, TAKEN = "when kept", "when taken"
EVERY, SAMPLE = "every point", "a sample"
OTHERS_SHOWN = 8


class CollectionsDialog(Dialog[tuple[str, ...] | None]):
    """Some collections, or all of them (an empty tuple); None leaves it as it was."""

    BINDINGS = [
        bind("space", "include", "include / exclude", "chosen.include", "include this collection, or exclude it"),
        bind("a", "all", "all", "chosen.all", "all collections, also those created later"),
        bind("enter", "use", "use", "chosen.use", "check these", priority=True),
        bind("escape", "dismiss(None)", "cancel", "chosen.cancel", "change nothing"),
    ]

    def __init__(self, known: Sequence[CollectionInfo], chosen: Sequence[str]) -> None:
        super().__init__("Which collections?")
        self._known, self._chosen = tuple(known), set(chosen)

    def compose_content(self) -> ComposeResult:
        yield OptionList(*[Option(self._row(one)) for one in self._known], id="chosen-list", markup=False)
        yield Plain(id="chosen-says")

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()
        self._draw_rows()

    def _row(self, one: CollectionInfo) -> Content:
        taken = one.name in self._chosen or not self._chosen
        count = "not counted" if one.points is None else formatting.counted(one.points, "point")
        mark = look.symbol("ok" if taken else "waiting")
        name = look.fit(look.text(formatting.shorten(one.name, 40), "bold" if taken else look.MUTED), 42)
        return look.line(mark, "  ", name, look.muted(count))

    def _draw_rows(self) -> None:
        rows = self.query_one(OptionList)
        for index, one in enumerate(self._known):
            rows.replace_option_prompt_at_index(index, self._row(one))
        some = f"{formatting.number(len(self._chosen))} of {formatting.counted(len(self._known), 'collection')}"
        self.query_one("#chosen-says", Plain).update(look.muted(some if self._chosen else "all of them"))

    @on(OptionList.OptionSelected)
    def action_include(self) -> None:
        index = self.query_one(OptionList).highlighted
        if index is not None:
            self._chosen ^= {self._known[index].name}
            self._draw_rows()

    def action_all(self) -> None:
        self._chosen = set()
        self._draw_rows()

    def action_use(self) -> None:
        names = tuple(one.name for one in self._known if one.name in self._chosen)
        self.dismiss(names)


def options_form(method: str, asked: Asked) -> FormDialog:
    if method == CRASH:
        body = "Each kill takes the server away for a moment. Collections of its own are made, and removed afterwards."
        acknowledged = (
            (KEPT, "wait=true: a write is counted once it is applied and logged. Nothing of it may be lost."),
            (TAKEN, "wait=false: counted once it is taken. Shows what that costs on this computer's disk."),
        )
        kills, writers = str(asked.crash.cycles), str(asked.crash.writers)
        fields: list[Field] = [
            Text("cycles", "kills", kills, "how often the server is killed, 1 to 1 000", whole_number(1, 1000)),
            Text("writers", "writers", writers, "programs that write at once, 1 to 32", whole_number(1, 32)),
            Choice("acknowledged", "counted", KEPT if asked.crash.wait else TAKEN, acknowledged),
        ]
        return FormDialog("The crash test", body, fields)
    body = "Every id is always compared, and every setting. Vectors and payloads of all points, or of a sample."
    closely = (
        (EVERY, "every vector and payload of every point: the whole proof"),
        (SAMPLE, "quicker where there are millions of points; the verdict says that it was a sample"),
    )
    size, says = str(asked.check.sample or USUAL_SAMPLE), "points of each collection, where a sample is taken"
    fields = [
        Choice("compare", "compare", SAMPLE if asked.check.sample else EVERY, closely),
        Text("points", "sample of", size, says, whole_number(1, 10**9)),
    ]
    return FormDialog("How thorough should it be?", body, fields)


def with_options(asked: Asked, values: Mapping[str, str]) -> Asked:
    if "cycles" in values:
        cycles, writers, wait = int(values["cycles"]), int(values["writers"]), values["acknowledged"] == KEPT
        return asked._replace(crash=CrashOptions(cycles=cycles, writers=writers, wait=wait))
    sample = int(values["points"]) if values["compare"] == SAMPLE else None
    return asked._replace(check=asked.check.model_copy(update={"sample": sample}))


def engine_impact(others: Sequence[str]) -> Content:
    if not others:
        return look.text("Nothing else runs on it.")
    rows = [look.text(f"{formatting.counted(len(others), 'other container')} go down with it:")]
    rows += [look.line("  ", look.state("warn", name)) for name in others[:OTHERS_SHOWN]]
    rows += [look.muted(f"  and {len(others) - OTHERS_SHOWN} more")] if len(others) > OTHERS_SHOWN else []
    after = "Each comes back as its own restart policy says; one without a policy stays stopped."
    return look.lines(*rows, look.muted(after))

"""Jobs: operations that run while a person looks at something else. They belong to the app, not to a screen.

A job's thread only appends events to a mailbox and posts `JobStirred`; the app empties the mailbox a few times a
second, folds what it found into a new frozen `JobView` and tells the screen. So a flood of events costs the screen
nothing, nothing is lost, and no thread ever shares a changing object with it.
"""

import asyncio
import itertools
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeVar

from textual.message import Message

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, Cancelled

if TYPE_CHECKING:  # what an operation says is known once one runs: it is not waited for before the first picture
    from qdrant_admin.core.events import Event, Events, Notice, Outcome, Progress, StepFinished, StepStarted
    from qdrant_admin.core.reports import Report
    from qdrant_admin.core.values import Frozen

JobState = Literal["running", "paused", "stopping", "done", "failed", "cancelled"]
NOTICES_KEPT = 200
REJECTS_KEPT = 100
RATES_KEPT = 300
"""One per second: the last five minutes."""
RATE_EVERY_SECONDS = 1.0
LOG_LINES_KEPT = 400


@dataclass(frozen=True)
class Task:
    """An operation to be run as a job."""

    kind: str
    """The operation's name, by which screens find their jobs again (`Jobs.latest`): `up`, `migrate`, `verify`, ..."""
    title: str
    events: "Callable[[CancelToken], Events]"
    touches: str = ""
    """What it changes; two jobs that touch the same thing do not run at once."""
    can_pause: bool = False


@dataclass(frozen=True)
class StepView:
    """One step of a job as it stands now."""

    step: str
    title: str
    outcome: "Outcome | None" = None
    detail: str = ""


@dataclass(frozen=True)
class Rate:
    """How fast a job was at one moment."""

    second: float
    units: float
    octets: float | None = None
    """Bytes per second, where they are counted too."""


class Unexpected(AdminError):
    """A fault of the product itself."""

    details = ""
    """The traceback."""

    @classmethod
    def of(cls, error: BaseException) -> "Unexpected":
        made = cls(f"{type(error).__name__}: {error}")
        made.details = "".join(traceback.format_exception(error))
        return made


@dataclass(frozen=True)
class JobView:
    """Everything a screen may want to know of a job. Frozen: a new one is made for every change."""

    id: int
    kind: str
    title: str
    state: JobState = "running"
    steps: tuple[StepView, ...] = ()
    progress: "Mapping[tuple[str, str], Progress]" = field(default_factory=dict)
    """The latest `Progress` of each (step, item), in the order in which they first came."""
    latest: "Progress | None" = None
    notices: "tuple[Notice, ...]" = ()
    """The last ones, without those that tell of a single record."""
    rejects: "tuple[Notice, ...]" = ()
    """The first notices of records that were not stored."""
    rates: tuple[Rate, ...] = ()
    log: tuple[str, ...] = ()
    parts: "tuple[Frozen, ...]" = ()
    report: "Report | None" = None
    failure: AdminError | None = None
    """Why it ended without a report."""
    seconds: float = 0.0
    can_pause: bool = False

    @property
    def running(self) -> bool:
        """Whether its thread is still at work (paused and stopping count)."""
        return self.state in {"running", "paused", "stopping"}

    @property
    def overall(self) -> "Progress | None":
        step = self.latest.step if self.latest is not None else ""
        return self.progress.get((step, ""), self.latest)

    @property
    def current_step(self) -> StepView | None:
        return next((step for step in reversed(self.steps) if step.outcome is None), None)

    @property
    def verdict(self) -> str:
        """A key of `core.formatting.STATES` for the job as a whole."""
        if self.report is not None:
            return self.report.verdict_word
        return {"running": "running", "paused": "paused", "stopping": "running"}.get(self.state, self.state)


def folded(view: JobView, event: "Event") -> JobView:
    from qdrant_admin.core.events import Finished, LogLines, Notice, PartDone, Progress, StepFinished, StepStarted

    match event:
        case StepStarted() | StepFinished():
            return _stepped(view, event)
        case Progress():
            return replace(view, progress={**view.progress, (event.step, event.item): event}, latest=event)
        case Notice():
            return _noticed(view, event)
        case LogLines():
            return replace(view, log=(*view.log, *event.lines)[-LOG_LINES_KEPT:])
        case PartDone():
            return replace(view, parts=(*view.parts, event.part))
        case Finished():
            return replace(view, report=event.report)


def _stepped(view: JobView, event: "StepStarted | StepFinished") -> JobView:
    if event.kind == "step_started":  # one that is run again, as in a second round, starts at nothing
        progress = {key: shown for key, shown in view.progress.items() if key[0] != event.step}
        others = tuple(step for step in view.steps if step.step != event.step)
        return replace(view, steps=(*others, StepView(event.step, event.title)), progress=progress)
    steps = tuple(
        replace(step, outcome=event.outcome, detail=event.detail) if step.step == event.step else step
        for step in view.steps
    )
    return replace(view, steps=steps)


def _noticed(view: JobView, event: "Notice") -> JobView:
    if event.topic == "reject":
        return replace(view, rejects=(*view.rejects, event)[:REJECTS_KEPT])
    return replace(view, notices=(*view.notices, event)[-NOTICES_KEPT:])


def with_rate(view: JobView) -> JobView:
    """The view with how fast it is now, at most once a second."""
    if view.rates and view.seconds - view.rates[-1].second < RATE_EVERY_SECONDS:
        return view
    step = view.latest.step if view.latest is not None else ""
    here = [shown for (of, _), shown in view.progress.items() if of == step and shown.done != shown.total]
    told = [shown for shown in here if not shown.item] or here
    if not any(shown.rate for shown in told):
        return view
    octets = [shown.octet_rate for shown in told if shown.octet_rate is not None]
    rate = Rate(view.seconds, sum(shown.rate or 0.0 for shown in told), sum(octets) if octets else None)
    return replace(view, rates=(*view.rates, rate)[-RATES_KEPT:])


class JobStirred(Message):
    """There is something in a job's mailbox. Sent by its thread, at most once until the app has looked."""

    def __init__(self, job: int) -> None:
        super().__init__()
        self.job = job


class Job:
    """One running operation: its thread, its token and its mailbox. Screens see `JobView` only."""

    def __init__(
        self, number: int, task: Task, post: Callable[[Message], object], fix: Callable[[AdminError], str]
    ) -> None:
        self.task, self.view = task, JobView(number, task.kind, task.title, can_pause=task.can_pause)
        self.cancel = CancelToken()
        self.started = 0.0
        self._post, self._fix = post, fix
        self._lock = threading.Lock()
        self._mail: list[Event] = []
        self._held: dict[tuple[str, str], Progress] = {}
        self._ended: AdminError | Literal["running", "over"] = "running"
        self._announced = False
        self.thread = threading.Thread(target=self._run, name=f"job-{number}", daemon=True)

    def _run(self) -> None:
        outcome: AdminError | Literal["over"] = "over"
        try:
            for event in self.task.events(self.cancel):
                self._put(event)
        except AdminError as error:
            outcome = error.with_fix(self._fix(error)).with_traceback(None)
        except BaseException as error:  # noqa: BLE001 - the job boundary: a fault of one operation must not end the app
            outcome = Unexpected.of(error)
        with self._lock:
            self._ended = outcome
        self._announce()

    def _put(self, event: "Event") -> None:
        with self._lock:
            if event.kind == "progress":  # only the newest of each bar is worth drawing
                self._held[event.step, event.item] = event
            else:
                self._mail.extend(self._held.values())
                self._held.clear()
                self._mail.append(event)
        self._announce()

    def _announce(self) -> None:
        with self._lock:
            if self._announced:
                return
            self._announced = True
        self._post(JobStirred(self.view.id))

    def collect(self) -> "tuple[tuple[Event, ...], AdminError | Literal['running', 'over']]":
        """Empty the mailbox: the events since the last time, and whether that was all."""
        with self._lock:
            events = (*self._mail, *self._held.values())
            self._mail.clear()
            self._held.clear()
            self._announced = False
            return events, self._ended


class Jobs:
    """The app's registry of jobs. Used from the app's own thread only; `post` is called from any."""

    def __init__(
        self,
        post: Callable[[Message], object],
        clock: Callable[[], float] = time.monotonic,
        fix: Callable[[AdminError], str] = lambda error: error.fix_on(None),
    ) -> None:
        self._post, self._clock, self._fix = post, clock, fix
        self._numbers = itertools.count(1)
        self._jobs: dict[int, Job] = {}

    def start(self, task: Task) -> JobView:
        """Run an operation in a thread of its own.

        Raises:
            AdminError: another job that touches the same thing is running.
        """
        touching = [view for view in self.running() if self._jobs[view.id].task.touches == task.touches]
        if touching and task.touches:
            raise AdminError(
                f"“{touching[0].title}” is still running",
                why="both would change the same server",
                fix="press w to see it, and to stop it",
            )
        job = Job(next(self._numbers), task, self._post, self._fix)
        job.started = self._clock()
        self._jobs[job.view.id] = job
        job.thread.start()
        return job.view

    def collect(self, number: int) -> JobView:
        job = self._jobs[number]
        view = job.view
        events, ended = job.collect()
        for event in events:
            view = folded(view, event)
        if view.running:
            view = with_rate(replace(view, seconds=self._clock() - job.started, state=self._state(job)))
            if ended == "over":
                view = replace(view, state="done")
            elif ended != "running":
                view = replace(view, state="cancelled" if isinstance(ended, Cancelled) else "failed", failure=ended)
        job.view = view
        return view

    @staticmethod
    def _state(job: Job) -> JobState:
        return "stopping" if job.cancel.cancelled else "paused" if job.cancel.paused else "running"

    def view(self, number: int) -> JobView:
        return self._jobs[number].view

    def all(self) -> list[JobView]:
        return [self._jobs[number].view for number in sorted(self._jobs, reverse=True)]

    def running(self) -> list[JobView]:
        return [view for view in self.all() if view.running]

    def latest(self, *kinds: str) -> JobView | None:
        return next((view for view in self.all() if view.kind in kinds), None)

    def pause(self, number: int) -> JobView:
        self._jobs[number].cancel.pause()
        return self.collect(number)

    def resume(self, number: int) -> JobView:
        self._jobs[number].cancel.resume()
        return self.collect(number)

    def cancel(self, number: int) -> JobView:
        self._jobs[number].cancel.cancel()
        return self.collect(number)

    def cancel_all(self) -> None:
        for view in self.running():
            self.cancel(view.id)

    def join(self) -> None:
        """Wait for the end of every job. Of all here the one call for another thread than the app's own."""
        for job in list(self._jobs.values()):
            job.thread.join()


T = TypeVar("T")


async def off_thread(call: Callable[[], T]) -> T:
    """Run `call` in a daemon thread; its result or its error arrives here. Cancelling the awaiting task drops it."""
    future = Future[T]()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - handed over whole to whoever awaits
            future.set_exception(error)

    threading.Thread(target=run, name="look", daemon=True).start()
    return await asyncio.wrap_future(future)

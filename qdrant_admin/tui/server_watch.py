"""The app's eye on the server: one watcher for all screens, which looks, tells, and only then sets its next alarm."""

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.app import App
from textual.timer import Timer
from textual.worker import WorkType

from qdrant_admin.core.errors import AdminError
from qdrant_admin.tui.jobs import Jobs, off_thread
from qdrant_admin.tui.services import Services

if TYPE_CHECKING:
    from qdrant_admin.lifecycle.reports import StatsReport, StatusReport

STATUS_EVERY_SECONDS = 5.0
STATS_EVERY_SECONDS = 2.0
REST = 10
"""A look counts every point exactly; where that takes long, the server rests ten times as long in between."""
SAMPLES = 240
CHECKS = {"verify", "crash-test"}


class ServerWatch:
    """What was last seen of the server, and a short past of what it costs. Lives on the app's own thread."""

    def __init__(
        self, app: App[int], services: Services, jobs: Jobs, changed: Callable[[], None], *, again: bool
    ) -> None:
        self._app, self._services, self._jobs = app, services, jobs
        self._changed, self._repeats = changed, again
        self.status: StatusReport | None = None
        self.failure: AdminError | None = None
        """Why the last look failed; the status then is an older one, or None."""
        self.samples: deque[StatsReport] = deque(maxlen=SAMPLES)
        self._alarms: dict[str, Timer] = {}

    def begin(self) -> None:
        self.look()
        self._work("stats", self._measure)

    def look(self) -> None:
        self._work("status", self._look)

    def forget(self) -> None:
        self.status = self.failure = None
        self.samples.clear()

    def headline(self) -> tuple[str, str, tuple[str, ...]]:
        """Profile, state and details for the header."""
        try:  # before the first look nothing is read, so that the first picture waits for nothing
            profile = self._services.profile if self.status or self.failure else self._services.named
        except AdminError:  # the configuration is broken; Home says how to mend it
            profile = ""
        if any(job.kind in CHECKS for job in self._jobs.running()):
            return profile, "verifying", ()  # it is killed on purpose: no alarm
        if self.failure is not None:
            return profile, "unknown", ()
        if self.status is None:
            return profile, "", ()
        address = self.status.url.removeprefix("http://")
        return profile, self.status.state, tuple(part for part in (self.status.version or "", address) if part)

    def _again(self, seconds: float, group: str, work: WorkType[None]) -> None:
        """Set the next alarm of a group, in place of an earlier one: looks on request must not add up."""
        earlier = self._alarms.pop(group, None)
        if earlier is not None:
            earlier.stop()
        if self._repeats:
            self._alarms[group] = self._app.set_timer(seconds, partial(self._work, group, work))

    def _work(self, group: str, work: WorkType[None]) -> None:
        self._app.run_worker(work, group=group, exclusive=True, description=group)

    async def _look(self) -> None:
        begun = time.monotonic()
        try:
            self.status = await off_thread(self._services.status)
            self.failure = None
        except AdminError as error:
            self.failure = error.with_fix(self._services.fix(error))
        except Exception as error:  # noqa: BLE001 - the boundary to the operations: the watch goes on
            self.failure = AdminError("the server could not be looked at", why=f"{type(error).__name__}: {error}")
        self._changed()
        took = time.monotonic() - begun
        self._again(max(STATUS_EVERY_SECONDS, REST * took), "status", self._look)

    async def _measure(self) -> None:
        try:
            self.samples.append(await off_thread(self._services.stats))
        except Exception:  # noqa: BLE001, S110 - a sample that cannot be had is a gap; the status says what is wrong
            pass
        else:
            self._changed()
        self._again(STATS_EVERY_SECONDS, "stats", self._measure)

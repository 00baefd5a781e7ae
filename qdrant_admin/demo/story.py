"""The whole story on a bundled sample: up, migrate, verify by kill; and everything it made is gone again."""

import tarfile
import tempfile
import time
from collections.abc import Generator
from importlib.resources import as_file, files
from pathlib import Path
from typing import TypeVar

from qdrant_admin.config.places import state_file
from qdrant_admin.config.profile import RuntimeChoice
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, Failed, Refused
from qdrant_admin.core.events import Event, Events, Finished, Notice, StepFinished, StepStarted
from qdrant_admin.core.reports import Report
from qdrant_admin.demo import profile
from qdrant_admin.demo.reports import DemoReport
from qdrant_admin.lifecycle.reports import UpReport
from qdrant_admin.lifecycle.up import up
from qdrant_admin.migration.plan import PlanOptions, plan
from qdrant_admin.migration.reports import MigrationReport, PlanReport
from qdrant_admin.migration.run import migrate
from qdrant_admin.persistence.reports import VerifyReport
from qdrant_admin.persistence.verify import VerifyOptions, verify
from qdrant_admin.server.remove import discard
from qdrant_admin.state import run_locks
from qdrant_admin.state.history import recorded
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace

_R = TypeVar("_R", bound=Report)
COLLECTION = "debian_memories"
POINTS = 256
"""Of the bundled sample, a real Chroma directory, packed. See SAMPLE.md for what it is and where it comes from."""


def demo(*, runtime: RuntimeChoice = "auto", keep: bool = False, cancel: CancelToken) -> Events:
    """Tell the whole story in a profile of its own. Ends with a `DemoReport`.

    Nothing that is on the machine is touched: name, ports, key and data are the demo's own, and are removed at the
    end, also when something fails or is cancelled.

    `runtime` is as in a profile, without `remote`. With `keep` the server and its data stay, as any other profile.

    Raises:
        Refused: another demo runs.
        AdminError: as `up`, `migrate` and `verify`, after the cleaning up.
    """
    return recorded(StateStore(state_file()), "demo", profile.NAME, _alone(runtime, keep, cancel))


def _alone(runtime: RuntimeChoice, keep: bool, cancel: CancelToken) -> Events:
    with run_locks.demo().held(), tempfile.TemporaryDirectory(prefix="qdrant-admin-demo-") as folder:
        for name in profile.leftovers():
            yield Notice(text=f"an earlier demo was killed before it could clean up: removing profile {name}")
            yield from _Made(profile.settings_of(name), Path(folder), keep=False).clean()
        yield from _Story(runtime, Path(folder), keep=keep, cancel=cancel).events()


class _Made:
    """What a demo has created, and how it is removed."""

    def __init__(self, settings: Settings, folder: Path, *, keep: bool) -> None:
        # Operations of a demo that leaves nothing behind are not in the history either; the demo itself is.
        store = StateStore(state_file() if keep else folder / f"{settings.name}.sqlite3")
        self.ws = Workspace(settings, store)
        self.removed: list[str] = []
        self.left: list[str] = []

    def check_new(self) -> None:
        """Choose the runtime, and make sure that nothing of this name is there: all of it will be thrown away.

        Raises:
            Refused: something is.
            AdminError: no runtime can be had.
        """
        state = self.ws.runtime.inspect()
        if state.state != "absent":
            why = "a demo uses only what it creates itself"
            raise Refused(f"{state.name} already exists", why=why, fix=Command("demo"))

    def clean(self) -> Generator[Event, None, None]:
        """Remove server, data, profile and key. What cannot be removed is told, and its profile stays with it."""
        settings = self.ws.settings
        try:
            runtime = self.ws.runtime
            for event in discard(settings, runtime, CancelToken()):
                yield _within("clean", event)
                if isinstance(event, StepFinished) and event.step == "discard" and event.outcome == "ok":
                    self.removed.append(f"{runtime.kind} server and its data ({event.detail})")
            profile.forget(settings.name)
            self.removed.append(f"profile {settings.name}")
        except AdminError as error:
            self.left.append(str(error))
            text = f"the demo could not be cleaned up: {error}"
            yield Notice(level="error", text=text, fix=error.fix_on(settings.name))


class _Story:
    """One demo."""

    def __init__(self, runtime: RuntimeChoice, folder: Path, *, keep: bool, cancel: CancelToken) -> None:
        self._runtime, self._folder, self._keep, self._cancel = runtime, folder, keep, cancel

    def events(self) -> Events:
        """Tell it, and clean up whatever happens."""
        begun = time.monotonic()
        made = _Made(profile.make(self._runtime), self._folder, keep=self._keep)
        name = made.ws.settings.name
        try:
            made.check_new()
        except BaseException:
            profile.forget(name)
            raise
        try:
            started, moved, proven = yield from self._tell(made.ws)
        except GeneratorExit:
            for _ in made.clean():
                pass  # nobody listens any more
            raise
        except BaseException:
            yield from made.clean()
            raise
        if self._keep:
            where = profile.keep(made.ws.settings)
            yield Notice(text=f"kept as profile {name}; its API key is in {where}", fix=str(Command("status").on(name)))
        else:
            yield from made.clean()
        report = DemoReport(
            profile=name,
            up=started,
            migration=moved,
            verify=proven,
            kept=self._keep,
            removed=tuple(made.removed),
            left=tuple(made.left),
            seconds=time.monotonic() - begun,
        )
        yield Finished(report=report)

    def _tell(self, ws: Workspace) -> Generator[Event, None, tuple[UpReport, MigrationReport, VerifyReport]]:
        yield StepStarted(step="unpack", title="unpacking the sample")
        source = f"chroma:{unpack_sample(self._folder)}"
        yield StepFinished(step="unpack", detail=f"{POINTS} real records in a Chroma directory")
        yield Notice(text="1 of 3: a server of its own")
        started = yield from _part("up", up(ws, cancel=self._cancel), UpReport)
        yield Notice(text="2 of 3: moving the records into it")
        planned = yield from _part("plan", plan(ws, source, PlanOptions(), cancel=self._cancel), PlanReport)
        moved = yield from _part("migrate", migrate(ws, planned, cancel=self._cancel), MigrationReport)
        self._cancel.check()
        yield Notice(text="3 of 3: killing the server, and proving that everything is still there")
        check = verify(ws, VerifyOptions(how="kill"), cancel=self._cancel)
        return started, moved, (yield from _part("verify", check, VerifyReport))


def _part(name: str, events: Events, kind: type[_R]) -> Generator[Event, None, _R]:
    """One operation within the whole: its steps get ids of their own. Returns its report."""
    for event in events:
        if not isinstance(event, Finished):
            yield _within(name, event)
        elif isinstance(event.report, kind):
            return event.report
    raise Failed(f"the demo's {name} ended without a report", fix=Command("demo", debug=True))


def _within(part: str, event: Event) -> Event:
    """The event with its step's id made unique within the whole."""
    step = getattr(event, "step", None)
    return event if step is None else event.model_copy(update={"step": f"{part}.{step}"})


def unpack_sample(folder: Path) -> Path:
    """Unpack the sample into a new folder there; returns it."""
    target = folder / "chroma"
    with as_file(files("qdrant_admin.demo") / "sample.tar.xz") as packed, tarfile.open(packed) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(target, filter="data")
        else:  # Python 3.11.0 to 3.11.3, Debian 12's among them, know no filters; the archive is our own
            archive.extractall(target)  # noqa: S202
    return target

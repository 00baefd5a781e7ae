"""The whole story on a bundled sample: up, migrate, verify by kill; and everything it made is gone again.

It runs in a profile with its own name, ports, key and data, whatever else is on the machine.
"""

import os
import re
import secrets
import tarfile
import tempfile
import time
from collections.abc import Generator
from importlib.resources import as_file, files
from pathlib import Path
from typing import TypeVar

from qdrant_admin.config.file import delete_profile, read_profiles, write_profile
from qdrant_admin.config.places import state_file
from qdrant_admin.config.profile import RuntimeChoice
from qdrant_admin.config.secrets import forget_key, generate_key, store_key
from qdrant_admin.config.settings import Settings, load_settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, Failed, Refused
from qdrant_admin.core.events import Event, Events, Finished, Notice, StepFinished, StepStarted
from qdrant_admin.core.reports import Report
from qdrant_admin.core.values import SecretStr
from qdrant_admin.demo.reports import DemoReport
from qdrant_admin.lifecycle.reports import UpReport
from qdrant_admin.lifecycle.up import up
from qdrant_admin.migration.plan import PlanOptions, plan
from qdrant_admin.migration.reports import MigrationReport, PlanReport
from qdrant_admin.migration.run import migrate
from qdrant_admin.persistence.reports import VerifyReport
from qdrant_admin.persistence.verify import VerifyOptions, verify
from qdrant_admin.server.docker_mark import forget_docker
from qdrant_admin.server.ports import next_free
from qdrant_admin.server.remove import discard
from qdrant_admin.state import run_locks
from qdrant_admin.state.history import recorded
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace

_R = TypeVar("_R", bound=Report)
NAME = "demo"
_PATTERN = re.compile(r"demo-[0-9a-f]{6}")
HOST = "127.0.0.1"
_FIRST_PORT = 16333
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
    return recorded(StateStore(state_file()), "demo", NAME, _alone(runtime, keep, cancel))


def _alone(runtime: RuntimeChoice, keep: bool, cancel: CancelToken) -> Events:
    with run_locks.demo().held(), tempfile.TemporaryDirectory(prefix="qdrant-admin-demo-") as folder:
        for name in leftovers():
            yield Notice(text=f"an earlier demo was killed before it could clean up: removing profile {name}")
            yield from _Made(settings_of(name), Path(folder), keep=False).clean()
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
        """Choose the runtime, and refuse when something of this name is there: all of it will be thrown away."""
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
            forget_profile(settings.name)
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
        made = _Made(make_profile(self._runtime), self._folder, keep=self._keep)
        name = made.ws.settings.name
        try:
            made.check_new()
        except BaseException:
            forget_profile(name)
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
            where = keep_profile(made.ws.settings)
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


def leftovers() -> list[str]:
    """Profiles of demos that were killed before they could clean up. Only meaningful while `alone`."""
    return sorted(name for name, profile in read_profiles().items() if profile.ephemeral and _PATTERN.fullmatch(name))


def make_profile(runtime: RuntimeChoice) -> Settings:
    """Write a profile with a new name and free ports; its settings carry a key of its own.

    The name is a random one: containers and volumes of an engine are seen from every home and every user, and what
    bears this demo's name must be this demo's.
    """
    name = f"{NAME}-{secrets.token_hex(3)}"
    port = next_free(HOST, _FIRST_PORT + os.getpid() % 4000)
    write_profile(name, {"runtime": runtime, "port": port, "grpc_port": next_free(HOST, port), "ephemeral": True})
    return settings_of(name, generate_key())


def settings_of(name: str, key: SecretStr | None = None) -> Settings:
    """A demo's settings as its file has them: no variable of the environment leads it to another server."""
    profile = read_profiles()[name]
    own = ("runtime", "host", "port", "grpc_port", "collection_prefix", "ephemeral")
    settings = load_settings(name, {field: getattr(profile, field) for field in own})
    fixed = settings.profile.model_copy(update={"url": None, "volume": None, "storage": None})
    return settings.model_copy(update={"profile": fixed, "api_key": key, "api_key_origin": "made for the demo"})


def keep_profile(settings: Settings) -> str:
    """From now on it is a profile like any other: nothing throws its data away. Returns where its key is kept."""
    write_profile(settings.name, {"ephemeral": None})
    return store_key(settings.name, settings.api_key) if settings.api_key else ""


def forget_profile(name: str) -> None:
    """Remove the profile, and what is remembered of it."""
    forget_docker(name)
    forget_key(name)
    delete_profile(name)

"""A native server under our own runtime, shared by the tests of a module, and its workspace."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Event, Events, Finished, StepFinished, StepStarted
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Floats, Point, Vector, VectorSpec
from qdrant_admin.lifecycle.up import up
from qdrant_admin.persistence import verify as verify_module
from qdrant_admin.persistence.reports import VerifyMethod, VerifyOptions, VerifyReport
from qdrant_admin.persistence.verify import verify
from qdrant_admin.state import resumable_runs
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.support.real import binary, free_port

SIZE = 8
Mutation = Callable[[Database], None]


def native_workspace(folder: Path) -> Workspace:
    """A profile of its own; nothing runs yet."""
    profile = Profile(
        runtime="native",
        port=free_port(),
        grpc_port=free_port(),
        binary=binary(),
        storage=folder / "storage",
    )
    return Workspace(Settings(name="proof", profile=profile), StateStore(folder / "state.sqlite3"))


@pytest.fixture(scope="module")
def shared_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("proof")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QDRANT_ADMIN_HOME", str(folder / "home"))
        ws = native_workspace(folder)
        drain(up(ws, cancel=CancelToken()))
    yield ws
    drain(ws.runtime.stop(CancelToken()))


@pytest.fixture
def ws(shared_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A running, empty server. The watch for writers is cut short: a test knows who writes."""
    monkeypatch.setattr(verify_module, "WATCH_SECONDS", 0.0)
    with shared_workspace.database() as database:
        for name in database.names():
            database.delete_collection(name)
    resumable_runs.forget_check(shared_workspace.store, shared_workspace.settings.name)
    return shared_workspace


def drain(events: Events) -> list[Event]:
    return list(events)


def prove(
    ws: Workspace,
    how: VerifyMethod = "none",
    mutate: Mutation | None = None,
    step: str = "fingerprint_after",
    **options: object,
) -> VerifyReport:
    """Run a whole check; `mutate` is called when `step` begins: between the two scans, when the server is up again.

    Its requests are in no counter: it stands for what a disk does, and not for a program that writes.
    """
    chosen = VerifyOptions.model_validate({"how": how, **options})
    report, counters, unseen = None, Database.write_counters, Counter[str]()

    def without_mutation(database: Database) -> dict[str, int]:
        return {name: count - unseen[name] for name, count in counters(database).items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "write_counters", without_mutation)
        for event in verify(ws, chosen, cancel=CancelToken()):
            if isinstance(event, StepStarted) and event.step == step and mutate is not None:
                with ws.database() as database:
                    before = Counter(counters(database))
                    mutate(database)
                    unseen.update(Counter(counters(database)) - before)
            if isinstance(event, Finished):
                report = event.report
    assert isinstance(report, VerifyReport)
    return report


def checked(
    ws: Workspace, how: VerifyMethod, when: Callable[[Event], bool], write: Callable[[Database], None]
) -> VerifyReport:
    """A check during which an application writes once, at the first event of that kind."""
    report, done = None, False
    for event in verify(ws, VerifyOptions(how=how), cancel=CancelToken()):
        if not done and when(event):
            done = True
            with ws.database() as database:
                write(database)
        if isinstance(event, Finished):
            report = event.report
    assert done
    assert isinstance(report, VerifyReport)
    return report


def begins(step: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, StepStarted) and event.step == step


def ends(step: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, StepFinished) and event.step == step


def vector(seed: int, size: int = SIZE) -> Floats:
    return np.random.default_rng(seed).normal(size=size).astype(np.float32)


def point(number: int, **payload: object) -> Point:
    vectors: dict[str, Vector] = {"": vector(number)}
    fields: dict[str, object] = {"n": number, "word": f"w{number % 3}", "nested": {"list": [1, {"deep": number}]}}
    return Point(id=number, payload=fields | payload, vectors=vectors)


def fill(ws: Workspace, name: str = "memories", count: int = 20) -> None:
    """A collection whose vectors are stored as they are given, with a payload index and an alias."""
    spec = CollectionSpec(
        vectors=(VectorSpec(size=SIZE, distance="Dot"),), payload_indexes={"word": {"type": "keyword"}}
    )
    with ws.database() as database:
        database.create_collection(name, spec)
        database.upsert(name, [point(number) for number in range(count)])

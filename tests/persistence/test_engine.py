"""The container engine itself ends: on request, by a crash, and in the middle of a check."""

import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from qdrant_admin.config.profile import Profile, RestartPolicy
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import ConfirmationMissing, EngineUnavailable
from qdrant_admin.core.events import Event, Finished, Notice, StepFinished, StepStarted
from qdrant_admin.lifecycle.reports import UpReport
from qdrant_admin.lifecycle.restart import restart
from qdrant_admin.lifecycle.up import up
from qdrant_admin.persistence import verify as verify_module
from qdrant_admin.persistence.reports import VerifyMethod, VerifyOptions, VerifyReport
from qdrant_admin.persistence.verify import finish, verify
from qdrant_admin.server.docker import runtime as runtime_module
from qdrant_admin.server.docker.engine import discovery as engine_module
from qdrant_admin.server.docker.engine import restart as engine_restart
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import fill
from tests.support.private_engine import PrivateEngine, private_engine
from tests.support.real import IMAGE, free_port

pytestmark = [pytest.mark.docker, pytest.mark.root, pytest.mark.slow]


@pytest.fixture(scope="module")
def shared_engine() -> Iterator[PrivateEngine]:
    with private_engine() as engine:
        yield engine


@pytest.fixture
def engine(shared_engine: PrivateEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateEngine]:
    """A running engine with nothing on it."""
    monkeypatch.setattr(verify_module, "WATCH_SECONDS", 0.0)
    yield shared_engine
    shared_engine.thaw()
    if not shared_engine.answers():
        shared_engine.start()
    shared_engine.sweep()


def contained(
    engine: PrivateEngine, folder: Path, ending: str = "TERM", policy: RestartPolicy = "unless-stopped"
) -> Workspace:
    """A profile whose server runs on that engine, and whose engine is restarted by that signal."""
    profile = Profile(
        runtime="docker",
        image=IMAGE,
        port=free_port(),
        grpc_port=free_port(),
        restart_policy=policy,
        docker_host=engine.address,
        engine_restart=tuple(engine.restart_command(ending)),
    )
    settings = Settings(name=f"proof-{uuid.uuid4().hex[:8]}", profile=profile)
    ws = Workspace(settings, StateStore(folder / "state.sqlite3"))
    list(up(ws, cancel=CancelToken()))
    fill(ws)
    return ws


def neighbour(engine: PrivateEngine) -> str:
    """Somebody else's container."""
    with engine.client() as api:
        api.create_container(IMAGE, name="somebody-elses")
        api.start("somebody-elses")
    return "somebody-elses"


def check(ws: Workspace, how: VerifyMethod) -> list[Event]:
    return list(verify(ws, VerifyOptions(how=how, confirmed=True), cancel=CancelToken()))


def report_of(events: list[Event]) -> VerifyReport:
    last = events[-1]
    assert isinstance(last, Finished)
    assert isinstance(last.report, VerifyReport)
    return last.report


def told(events: list[Event]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, Notice))


def test_an_engine_that_is_restarted_brings_the_server_back_with_everything(
    engine: PrivateEngine, tmp_path: Path
) -> None:
    ws, other = contained(engine, tmp_path), neighbour(engine)
    before = ws.runtime.inspect()
    with pytest.raises(ConfirmationMissing, match=other) as refused:
        list(verify(ws, VerifyOptions(how="engine"), cancel=CancelToken()))
    assert refused.value.exit_code == 4
    assert "verify --how engine --yes" in refused.value.fix
    with pytest.raises(ConfirmationMissing, match=other):
        list(restart(ws, "engine", cancel=CancelToken()))
    assert ws.runtime.inspect().started_at == before.started_at
    events = check(ws, "engine")
    said = next(number for number, event in enumerate(events) if isinstance(event, Notice) and other in event.text)
    begun = next(
        number for number, event in enumerate(events) if isinstance(event, StepStarted) and event.step == "engine"
    )
    assert said < begun
    report = report_of(events)
    assert (report.verdict, report.exit_code) == ("persisted", 0)
    assert [(one.how, one.verdict) for one in report.rounds] == [("engine", "persisted")]
    assert any(isinstance(event, StepFinished) and "came back by itself" in event.detail for event in events)
    after = ws.runtime.inspect()
    assert after.started_at != before.started_at
    assert (after.state, after.restart_policy, after.image) == (before.state, before.restart_policy, before.image)


def test_a_server_that_does_not_come_back_after_an_engine_was_killed_is_started_and_that_is_said(
    engine: PrivateEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, other = contained(engine, tmp_path, "KILL"), neighbour(engine)
    monkeypatch.setattr(engine_restart, "COMES_BACK_SECONDS", 1.0)
    events = check(ws, "engine")
    assert report_of(events).verdict == "persisted"
    assert "did not come back with the engine, though its restart policy is unless-stopped" in told(events)
    assert f"did not come back with the engine, and were left alone: {other}" in told(events)
    assert ws.runtime.inspect().state == "running"
    *restarted, last = restart(ws, "engine", cancel=CancelToken(), confirmed=True)
    assert "did not come back" in told(restarted)
    assert isinstance(last, Finished)
    assert isinstance(last.report, UpReport)
    assert last.report.ready


@pytest.mark.parametrize(
    ("how", "moment"),
    [
        ("graceful", (StepFinished, "stop")),
        ("kill", (StepFinished, "stop")),
        ("recreate", (StepStarted, "recreate")),
        ("graceful", (StepStarted, "fingerprint_after")),
    ],
    ids=["stopped", "killed", "recreate", "between"],
)
def test_an_engine_that_goes_away_in_the_middle_is_no_verdict_and_the_check_can_be_finished(
    engine: PrivateEngine, tmp_path: Path, how: VerifyMethod, moment: tuple[type[Event], str]
) -> None:
    ws = contained(engine, tmp_path)
    before = ws.runtime.inspect()
    events: list[Event] = []
    for event in verify(ws, VerifyOptions(how=how), cancel=CancelToken()):
        events.append(event)
        if isinstance(event, StepStarted | StepFinished) and (type(event), event.step) == moment:
            engine.end(signal.SIGKILL)
    report = report_of(events)
    assert (report.verdict, report.exit_code) == ("inconclusive", 1)
    assert "engine" in f"{report.reason} {report.cause}", report
    assert report.fix == f"qdrant-admin verify --finish --profile {ws.settings.name}"
    with pytest.raises(EngineUnavailable) as gone:
        check(Workspace(ws.settings, ws.store), how)
    assert gone.value.exit_code == 3
    engine.start()
    *_, last = finish(Workspace(ws.settings, ws.store), cancel=CancelToken())
    assert isinstance(last, Finished)
    assert last.report.verdict_word == "persisted"
    after = ws.runtime.inspect()
    assert (after.state, after.restart_policy, after.image) == ("running", before.restart_policy, before.image)


@pytest.mark.parametrize("how", ["graceful", "kill"])
def test_an_engine_that_hangs_in_the_middle_is_no_verdict_either(
    engine: PrivateEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: VerifyMethod
) -> None:
    ws = contained(engine, tmp_path)
    before = ws.runtime.inspect()
    waits = ((engine_module, "CALL_SECONDS"), (engine_module, "LOOK_SECONDS"), (runtime_module, "_STOP_CALL_SECONDS"))
    for module, name in waits:
        monkeypatch.setattr(module, name, 3)
    events: list[Event] = []
    for event in verify(ws, VerifyOptions(how=how), cancel=CancelToken()):
        events.append(event)
        if isinstance(event, StepFinished) and event.step == "stop":
            engine.freeze()
    report = report_of(events)
    assert (report.verdict, report.exit_code) == ("inconclusive", 1)
    assert "did not answer in time" in report.reason
    assert report.fix == f"qdrant-admin verify --finish --profile {ws.settings.name}"
    with pytest.raises(EngineUnavailable, match="hung"):
        check(Workspace(ws.settings, ws.store), how)
    engine.thaw()
    *_, last = finish(Workspace(ws.settings, ws.store), cancel=CancelToken())
    assert isinstance(last, Finished)
    assert last.report.verdict_word == "persisted"
    assert ws.runtime.inspect().state == before.state == "running"

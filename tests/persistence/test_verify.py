"""What a check says and does when the world is not as it should be."""

import threading
from pathlib import Path

import httpx
import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import (
    AdminError,
    Cancelled,
    Refused,
    ServerNotReady,
    ServerUnreachable,
    Unsupported,
)
from qdrant_admin.core.events import Events, Finished, Notice, StepFinished, StepStarted
from qdrant_admin.database.gateway import Database
from qdrant_admin.lifecycle.ready import wait_ready
from qdrant_admin.persistence import restarts
from qdrant_admin.persistence import verify as verify_module
from qdrant_admin.persistence.reports import VerifyOptions, VerifyReport
from qdrant_admin.persistence.restarts import check_server
from qdrant_admin.persistence.verdict import likely_cause
from qdrant_admin.persistence.verify import verify
from qdrant_admin.server.native.runtime import NativeRuntime
from qdrant_admin.server.runtime import Diagnosis, RestartMethod, RuntimeState, Storage
from qdrant_admin.state import records
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import fill, point, prove
from tests.support.real import Server, free_port

pytestmark = pytest.mark.server


def answers(ws: Workspace) -> bool:
    return httpx.get(f"{ws.runtime.endpoint.url}/readyz", timeout=5).status_code == 200


def test_a_kill_is_survived_and_the_report_says_how_long_it_took(ws: Workspace) -> None:
    fill(ws)
    pid = ws.runtime.inspect().pid
    report = prove(ws, "kill")
    assert (report.verdict, report.exit_code) == ("persisted", 0)
    assert ws.runtime.inspect().pid != pid, "it was really restarted"
    assert report.ready_seconds is not None
    assert 0 < report.ready_seconds <= report.seconds
    assert [phase.name for phase in report.phases] == [
        "barrier",
        "fingerprint_before",
        "fresh",
        "restart",
        "ready",
        "fingerprint_after",
        "compare",
    ]
    (check,) = report.collections
    assert check.before == check.after
    assert check.before is not None
    assert check.before.points == 20
    ((_, kept),) = ws.store.reports("verify", ws.settings.name, 1)
    assert records.load(VerifyReport, kept) == report


def test_it_says_first_what_will_be_interrupted(ws: Workspace) -> None:
    fill(ws)
    events = list(verify(ws, VerifyOptions(how="graceful"), cancel=CancelToken()))
    said = next(index for index, event in enumerate(events) if isinstance(event, Notice) and "stopped" in event.text)
    begun = next(
        index for index, event in enumerate(events) if isinstance(event, StepStarted) and event.step == "restart"
    )
    assert said < begun


def without_history(ws: Workspace, folder: Path) -> Workspace:
    """The same server, of which no earlier check is known."""
    new = Workspace(ws.settings, StateStore(folder / "state.sqlite3"))
    vars(new)["choice"] = ws.choice
    return new


def test_an_empty_server_proves_nothing_and_says_so(ws: Workspace, tmp_path: Path) -> None:
    new = without_history(ws, tmp_path)
    report = prove(new, "kill")
    assert (report.verdict, report.collections, report.exit_code) == ("empty", (), 0)
    assert report.reason == "nothing is stored, so there was nothing to prove"


def test_what_a_request_deleted_is_told_once_and_no_fault(ws: Workspace, tmp_path: Path) -> None:
    new = without_history(ws, tmp_path)
    fill(new)
    assert prove(new, "kill").since == ()
    with new.database() as database:
        database.delete_points("memories", [1, 2, 3])
    report = prove(new, "none")
    assert (report.verdict, report.exit_code) == ("unchanged", 0)
    assert [told.partition(" than on ")[0] for told in report.since] == ["memories has 3 points fewer"]
    assert prove(new, "none").since == ()
    with new.database() as database:
        database.delete_collection("memories")
    report = prove(new, "kill")
    assert (report.verdict, report.exit_code) == ("empty", 0)
    (told,) = report.since
    assert told.startswith("memories was deleted by a request on ")
    assert told.endswith(" it held 17 points")
    assert prove(new).since == ()


def test_only_the_chosen_collections_are_looked_at(ws: Workspace) -> None:
    fill(ws)
    fill(ws, "other")
    report = prove(ws, mutate=lambda database: database.delete_collection("other"), collections=("memories",))
    assert [check.name for check in report.collections] == ["memories"]
    assert report.verdict == "unchanged"


def test_somebody_who_writes_meanwhile_makes_it_inconclusive_and_nothing_is_restarted(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_module, "WATCH_SECONDS", 1.0)
    fill(ws)
    pid = ws.runtime.inspect().pid
    over = threading.Event()

    def write() -> None:
        with ws.database() as database:
            number = 1000
            while not over.wait(0.05):
                number += 1
                database.upsert("memories", [point(number)])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        report = prove(ws, "kill")
    finally:
        over.set()
        writer.join()
    assert (report.verdict, report.exit_code) == ("inconclusive", 1)
    assert "writes to the server" in report.reason
    assert "stop what writes" in report.reason
    assert report.fix == "qdrant-admin verify --how kill --profile proof"
    assert ws.runtime.inspect().pid == pid


def test_a_frozen_server_goes_on_as_the_same_process_and_nothing_is_lost(ws: Workspace) -> None:
    fill(ws)
    pid = ws.runtime.inspect().pid
    report = prove(ws, "pause")
    assert report.verdict == "unchanged"
    assert ws.runtime.inspect().pid == pid
    assert "frozen" in report.summary()


def test_a_write_behind_a_pause_is_not_blamed_on_the_server_alone(ws: Workspace) -> None:
    fill(ws)
    report = None
    for event in verify(ws, VerifyOptions(how="pause"), cancel=CancelToken()):
        if isinstance(event, StepStarted) and event.step == "fingerprint_after":
            with ws.database() as database:
                database.delete_points("memories", [3])
        if isinstance(event, Finished):
            report = event.report
    assert isinstance(report, VerifyReport)
    assert report.verdict == "inconclusive"
    assert "POST /collections/{name}/points/delete: 1 request" in report.reason


def test_all_ways_are_taken_one_after_the_other(ws: Workspace) -> None:
    fill(ws)
    report = prove(ws, "all")
    assert report.verdict == "persisted"
    assert [one.how for one in report.rounds] == ["graceful", "kill", "pause", "recreate"]
    assert {one.verdict for one in report.rounds} == {"persisted", "unchanged"}
    assert report.ready_seconds == max(one.ready_seconds or 0 for one in report.rounds)


def test_all_stops_at_the_first_loss(ws: Workspace) -> None:
    fill(ws)
    rounds = 0

    def lose_in_the_second(database: Database) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 2:
            database.delete_points("memories", [7])

    report = prove(ws, "all", lose_in_the_second)
    assert [(one.how, one.verdict) for one in report.rounds] == [("graceful", "persisted"), ("kill", "lost")]
    assert (report.verdict, report.collections[0].missing) == ("lost", 1)
    assert answers(ws)


def test_a_write_between_two_restarts_is_told_and_nothing_is_blamed(ws: Workspace) -> None:
    fill(ws)
    events = verify(ws, VerifyOptions(how="all"), cancel=CancelToken())
    compared, report = 0, None
    for event in events:
        if isinstance(event, StepFinished) and event.step == "compare":
            compared += 1
            if compared == 1:
                with ws.database() as database:
                    database.upsert("memories", [point(99)])
        if isinstance(event, Finished):
            report = event.report
    assert isinstance(report, VerifyReport)
    assert (report.verdict, compared) == ("inconclusive", 1)
    assert "gRPC /qdrant.Points/Upsert: 1 request" in report.reason


def test_a_cancel_before_the_restart_leaves_everything_as_it_was(ws: Workspace) -> None:
    fill(ws)
    pid = ws.runtime.inspect().pid
    cancel = CancelToken()

    def run() -> None:
        for event in verify(ws, VerifyOptions(how="kill"), cancel=cancel):
            if isinstance(event, StepFinished) and event.step == "fingerprint_before":
                cancel.cancel()

    with pytest.raises(Cancelled):
        run()
    assert ws.runtime.inspect().pid == pid
    assert answers(ws)


@pytest.mark.parametrize("how", ["kill", "graceful", "recreate", "pause"])
def test_a_cancel_during_the_restart_brings_the_server_back(ws: Workspace, how: RestartMethod) -> None:
    fill(ws)
    cancel = CancelToken()

    def run() -> None:
        for event in verify(ws, VerifyOptions(how=how), cancel=cancel):
            if isinstance(event, StepStarted) and event.step in {"restart", "stop"}:
                cancel.cancel()

    with pytest.raises(Cancelled):
        run()
    assert ws.runtime.inspect().state == "running"
    assert prove(ws).verdict == "unchanged"


def test_a_listener_that_goes_away_during_the_restart_leaves_a_running_server(ws: Workspace) -> None:
    fill(ws)
    events = verify(ws, VerifyOptions(how="recreate"), cancel=CancelToken())
    for event in events:
        if isinstance(event, StepFinished) and event.step == "stop":
            break
    close = getattr(events, "close", None)
    assert close is not None
    close()
    assert ws.runtime.inspect().state == "running"
    list(wait_ready(ws, cancel=CancelToken()))
    assert prove(ws).verdict == "unchanged"


def test_a_server_that_does_not_come_back_in_time_is_inconclusive_and_not_lost(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ws)

    def never(*_: object, **__: object) -> Events:
        raise ServerNotReady("the server was not ready within 1 s", why="it loads", fix="qdrant-admin logs")

    with monkeypatch.context() as patch:
        patch.setattr(restarts, "wait_ready", never)
        report = prove(ws, "kill")
    list(wait_ready(ws, cancel=CancelToken()))
    assert report.verdict == "inconclusive"
    assert "not ready" in report.reason
    assert report.fix == "qdrant-admin logs"
    assert [check.verdict for check in report.collections] == ["inconclusive"]


def test_a_restart_that_fails_half_way_starts_the_server_again(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(ws)

    def half(runtime: NativeRuntime, how: str, cancel: CancelToken) -> Events:
        yield from runtime.stop(cancel)
        raise ServerUnreachable("the engine went away")

    monkeypatch.setattr(NativeRuntime, "restart", half)
    report = prove(ws, "graceful")
    assert (report.verdict, report.reason) == (
        "inconclusive",
        "the content could not be compared: the engine went away",
    )
    assert ws.runtime.inspect().state == "running"
    list(wait_ready(ws, cancel=CancelToken()))
    assert prove(ws).verdict == "unchanged"


def test_recreate_is_refused_where_the_data_lies_inside_the_container(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = ws.runtime.inspect()
    inside = state.model_copy(update={"storage": Storage(kind="container", destination="/qdrant/storage")})
    monkeypatch.setattr(NativeRuntime, "inspect", lambda _: inside)
    with pytest.raises(Refused, match="inside the container") as error:
        check_server(ws, VerifyOptions(how="recreate"))
    assert "verify --how kill" in error.value.fix
    check_server(ws, VerifyOptions(how="kill"))


def test_what_is_not_ours_is_not_restarted_but_may_be_read(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = ws.runtime.inspect().model_copy(update={"ours": False})
    monkeypatch.setattr(NativeRuntime, "inspect", lambda _: foreign)
    with pytest.raises(Refused):
        check_server(ws, VerifyOptions(how="kill"))
    check_server(ws, VerifyOptions(how="none"))


def test_a_stopped_server_is_told_how_to_start(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = RuntimeState(runtime="native", state="stopped", ours=True)
    monkeypatch.setattr(NativeRuntime, "inspect", lambda _: stopped)
    with pytest.raises(ServerUnreachable) as error:
        check_server(ws, VerifyOptions(how="kill"))
    assert error.value.fix == "qdrant-admin up --profile proof"


def test_a_remote_server_cannot_be_restarted_but_can_be_read(
    ws: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fill(ws)
    profile = ws.settings.profile
    far = Profile(runtime="remote", url=ws.runtime.endpoint.url, grpc_port=profile.grpc_port)
    remote = Workspace(Settings(name="far", profile=far), StateStore(tmp_path_factory.mktemp("far") / "state.sqlite3"))
    with pytest.raises(Unsupported) as error:
        prove(remote, "kill")
    assert error.value.fix == "qdrant-admin verify --how none --profile far"
    report = prove(remote)
    assert report.verdict == "unchanged"
    assert "not restarted" in report.reason


def test_a_grpc_port_of_another_server_is_never_read_and_told(
    ws: Workspace, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of the same version, with a collection of the same name and some of the same points."""
    store = StateStore(tmp_path_factory.mktemp("far") / "state.sqlite3")
    fill(ws, count=40)
    fill(Workspace(Settings(name="other", profile=Profile(runtime="remote", url=server.url)), store), count=5)
    far = Profile(runtime="remote", url=ws.runtime.endpoint.url, grpc_port=server.grpc_port)
    *events, last = verify(
        Workspace(Settings(name="far", profile=far), store), VerifyOptions(how="none"), cancel=CancelToken()
    )
    assert isinstance(last, Finished)
    assert isinstance(last.report, VerifyReport)
    assert [one.after and one.after.points for one in last.report.collections] == [40]
    told = [event.text for event in events if isinstance(event, Notice)]
    assert f"everything goes over REST (another server answers at gRPC port {server.grpc_port})" in told


def test_nobody_there_is_an_error_of_the_environment(tmp_path_factory: pytest.TempPathFactory) -> None:
    far = Profile(runtime="remote", url=f"http://127.0.0.1:{free_port()}")
    nobody = Workspace(Settings(name="far", profile=far), StateStore(tmp_path_factory.mktemp("far") / "state.sqlite3"))
    with pytest.raises(AdminError) as error:
        prove(nobody)
    assert error.value.exit_code == 3


def test_the_last_event_is_the_report(ws: Workspace) -> None:
    events = list(verify(ws, VerifyOptions(how="none"), cancel=CancelToken()))
    assert [isinstance(event, Finished) for event in events].count(True) == 1
    assert isinstance(events[-1], Finished)


def test_a_cause_is_only_named_where_something_was_seen() -> None:
    panic = Diagnosis(what="a shard cannot be loaded", why="its files are damaged", severe=True)
    share = Storage(kind="bind", source="/mnt/c/q", sound=False, detail="/mnt/c/q lies on 9p")
    assert likely_cause(share, [panic]) == "a shard cannot be loaded: its files are damaged"
    assert likely_cause(share, []) == "/mnt/c/q lies on 9p"
    assert likely_cause(Storage(kind="volume", source="q", sound=True), []) == ""

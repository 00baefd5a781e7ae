"""What the doctor says of a server, and of one that nobody could look at."""

import socket
from pathlib import Path

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import PROGRAM
from qdrant_admin.core.errors import Failed, ServerTrouble, StorageUnusable
from qdrant_admin.core.events import Finished
from qdrant_admin.database.gateway import Database
from qdrant_admin.lifecycle.doctor import CHECKS, Context, _made, doctor
from qdrant_admin.lifecycle.observation import Observation, observe
from qdrant_admin.lifecycle.reports import Check, CheckStatus, DoctorReport
from qdrant_admin.lifecycle.status import report_of
from qdrant_admin.server.runtime import Change, Diagnosis, Storage
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.lifecycle.conftest import Opens
from tests.lifecycle.test_findings import KEYLESS, SILENT, WELL, collection, remote, run, running, saw, settings
from tests.support.parsing import parsed
from tests.support.real import Server, free_port


@pytest.fixture
def store(tmp_path: Path) -> StateStore:
    return StateStore(tmp_path / "state.sqlite3")


def made(name: str, seen: Observation, store: StateStore, image: str = "") -> Check:
    ours = settings(image=image) if image else settings()
    return _made(name, CHECKS[name], Context(Workspace(ours, store), seen, report_of(ours, seen)))


BROKEN = Diagnosis(what="killed", fix="free -m", severe=True)
IN_ITSELF = Diagnosis(what="killed", fix="qdrant-admin doctor --profile work", severe=True)
UNSOUND = Diagnosis(what="through 9p", why="it loses data", fix="qdrant-admin move-storage --profile work")
CASES: list[tuple[str, Observation, str, CheckStatus]] = [
    ("api key", saw(), "", "ok"),
    ("api key", saw(probe=KEYLESS), "no_api_key", "warn"),
    ("api key", remote(), "", "ok"),
    ("api key", remote(KEYLESS), "no_api_key", "warn"),
    ("api key", remote(WELL.model_copy(update={"key_wanted": None})), "", "unknown"),
    ("api key", remote(SILENT), "", "unknown"),
    ("api key", saw(running(ours=False), KEYLESS), "no_api_key", "warn"),
    ("api key", saw(running("absent"), SILENT), "", "unknown"),
    ("api key", saw(running("paused"), None), "", "unknown"),
    ("settings", saw(), "", "ok"),
    ("settings", saw(changes=(Change(setting="port", current="1", wanted="2"),)), "settings_differ", "warn"),
    ("settings", saw(running(starts_with_machine=False)), "no_automatic_start", "warn"),
    ("settings", saw(troubles={"changes": ServerTrouble("it is broken")}), "", "unknown"),
    ("settings", remote(), "", "unknown"),
    ("settings", saw(running(ours=False)), "", "unknown"),
    ("settings", saw(running("absent"), SILENT), "", "unknown"),
    ("grpc", saw(), "", "ok"),
    ("grpc", saw(probe=WELL.model_copy(update={"grpc_open": False})), "grpc_closed", "warn"),
    ("grpc", saw(probe=WELL.model_copy(update={"grpc_open": None})), "", "unknown"),
    ("grpc", saw(probe=SILENT), "", "unknown"),
    ("grpc", saw(running("stopped")), "", "unknown"),
    ("collections", saw(running("stopped"), collections=None), "", "unknown"),
    ("memory", saw(running("stopped")), "", "unknown"),
    ("server", saw(running("stopped")), "foreign_server", "warn"),
    ("collections", saw(), "", "ok"),
    ("collections", saw(collections=collection(trouble="timed out")), "collection_unreadable", "fail"),
    ("collections", saw(probe=WELL.model_copy(update={"recovery_mode": True})), "recovery_mode", "fail"),
    ("collections", saw(probe=SILENT), "", "unknown"),
    ("migrations", saw(), "", "ok"),
    ("migrations", saw(interrupted_migrations=(run(),)), "migration_interrupted", "warn"),
    ("migrations", saw(troubles={"history": StorageUnusable("damaged")}), "", "unknown"),
    ("storage", saw(), "", "ok"),
    ("storage", saw(running(storage=Storage(kind="container", faults=(BROKEN,)))), "storage_in_container", "fail"),
    ("storage", saw(running(storage=Storage(kind="bind", faults=(UNSOUND,)))), "storage_unsound", "warn"),
    ("storage", saw(running(storage=Storage(kind="bind", sound=False))), "storage_unsound", "warn"),
    ("storage", saw(running(storage=Storage(kind="bind", source="/d"))), "", "unknown"),
    ("storage", remote(), "", "unknown"),
    ("storage", saw(running("absent"), SILENT), "", "unknown"),
    ("sharing", remote(), "", "unknown"),
    ("log", remote(), "", "unknown"),
    ("disk", remote(), "", "unknown"),
    ("disk", saw(running(storage=Storage(kind="volume", free_bytes=1))), "disk_full", "fail"),
    ("disk", saw(running(storage=Storage(kind="volume", free_bytes=2**29))), "disk_low", "warn"),
    ("disk", saw(running(storage=Storage(kind="volume", free_bytes=2**40))), "", "ok"),
    ("server", saw(), "", "ok"),
    ("server", saw(running("absent"), SILENT), "server_absent", "fail"),
    ("server", saw(running("stopped", diagnosis=BROKEN), SILENT), "server_stopped", "fail"),
    ("server", saw(running(ours=False)), "foreign_server", "warn"),
    ("server", remote(), "", "unknown"),
    ("ports", remote(), "", "ok"),
    ("reachable", saw(), "", "ok"),
    ("reachable", saw(probe=SILENT), "no_answer", "fail"),
    ("reachable", saw(probe=WELL.model_copy(update={"version": "1.15.5"})), "version_not_tested", "warn"),
]


@pytest.mark.parametrize(("name", "seen", "code", "status"), CASES)
def test_a_check_says_what_was_looked_at_and_nothing_else(
    name: str, seen: Observation, code: str, status: CheckStatus, store: StateStore
) -> None:
    check = made(name, seen, store)
    assert (check.name, check.code, check.status) == (name, code, status), check.detail
    assert check.detail


def test_a_server_that_nobody_asked_is_never_said_to_ask_for_a_key(store: StateStore) -> None:
    for seen in (remote(KEYLESS), remote(SILENT), saw(running(ours=False), KEYLESS), saw(running("absent"), SILENT)):
        assert "asks for a key" not in made("api key", seen, store).detail
        assert made("settings", seen, store).detail != "as the profile asks"


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        (saw(), "ok"),
        (saw(running("paused"), SILENT), "ok"),
        (saw(running("paused"), SILENT, stranger="nginx"), "fail"),
        (saw(running("stopped"), SILENT), "fail"),
    ],
)
def test_the_ports_of_a_frozen_server_are_its_own(seen: Observation, status: CheckStatus, store: StateStore) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = settings(port=listening.getsockname()[1], grpc_port=free_port())
        check = _made("ports", CHECKS["ports"], Context(Workspace(ours, store), seen, report_of(ours, seen)))
    assert check.status == status, check.detail


@pytest.mark.parametrize(("name", "seen", "code", "status"), CASES)
def test_the_way_out_is_a_command_that_the_program_takes(
    name: str, seen: Observation, code: str, status: CheckStatus, store: StateStore
) -> None:
    check = made(name, seen, store)
    assert check.fix or status != "fail"
    if check.fix.startswith(PROGRAM):
        parsed(check.fix)


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("qdrant/qdrant:v1.16.3", ""),
        ("qdrant/qdrant@sha256:1234", ""),
        ("qdrant/qdrant:latest", "image_not_pinned"),
        ("localhost:5000/qdrant", "image_not_pinned"),
    ],
)
def test_a_tag_that_moves_is_warned_of(image: str, code: str, store: StateStore) -> None:
    check = made("image", saw(), store, image)
    assert check.code == code
    assert not code or check.fix == "qdrant-admin up --image qdrant/qdrant:v1.16.3 --profile work"


def test_the_way_out_of_a_stopped_server_is_what_its_end_means_and_never_the_doctor_again(store: StateStore) -> None:
    assert made("server", saw(running("stopped", diagnosis=BROKEN), SILENT), store).fix == "free -m"
    again = made("server", saw(running("stopped", diagnosis=IN_ITSELF), SILENT), store)
    assert again.fix == "qdrant-admin logs --tail 50 --profile work"


@pytest.mark.parametrize("fault", [Failed("broken"), ValueError("surprise"), OSError("gone")])
def test_a_check_that_cannot_be_made_is_unknown_and_costs_no_other(fault: Exception, store: StateStore) -> None:
    def check(_: Context) -> Check:
        raise fault

    ws = Workspace(settings(), store)
    result = _made("disk", check, Context(ws, saw(), report_of(ws.settings, saw())))
    assert (result.name, result.status) == ("disk", "unknown")
    assert str(fault) in result.detail


@pytest.mark.parametrize(
    ("statuses", "word", "code", "summary"),
    [
        (["ok", "ok"], "ok", 0, "no fault in 2 checks"),
        (["ok", "unknown"], "unknown", 0, "1 unknown in 2 checks"),
        (["unknown", "warn"], "warn", 0, "1 warning, 1 unknown in 2 checks"),
        (["warn", "fail", "fail"], "fail", 1, "2 faults, 1 warning in 3 checks"),
    ],
)
def test_the_headline_is_the_worst_of_the_checks(
    statuses: list[CheckStatus], word: str, code: int, summary: str
) -> None:
    report = DoctorReport(checks=tuple(Check(name="c", status=status, detail="d") for status in statuses))
    assert (report.verdict_word, report.exit_code, report.summary()) == (word, code, summary)


@pytest.mark.server
def test_a_grpc_port_that_leads_to_another_server_is_told_with_the_way_out(
    opens: Opens, server: Server, own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(ws: Workspace) -> Check:
        return _made("grpc", CHECKS["grpc"], Context(ws, seen := observe(ws), report_of(ws.settings, seen)))

    found = asked(opens(runtime="remote", url=server.url, grpc_port=own_server.grpc_port))
    assert (found.status, found.code) == ("warn", "grpc_foreign")
    assert found.detail.startswith(f"gRPC port {own_server.grpc_port} does not lead to this server")
    assert found.fix == "qdrant-admin profiles set local grpc-port= --profile local"
    monkeypatch.setenv("QDRANT_URL", server.url)
    monkeypatch.setenv("QDRANT_GRPC_PORT", str(own_server.grpc_port))
    assert asked(opens()).fix == "unset QDRANT_GRPC_PORT"
    monkeypatch.setattr(Database, "health_checks", lambda _: None)
    found = asked(opens())
    assert (found.status, "does not tell whether" in found.detail) == ("unknown", True)


@pytest.mark.server
def test_a_remote_server_without_a_key_is_told_as_such(opens: Opens, server: Server) -> None:
    ws = opens(runtime="remote", url=server.url, grpc_port=server.grpc_port)
    *_, last = doctor(ws, cancel=CancelToken())
    assert isinstance(last, Finished)
    assert isinstance(last.report, DoctorReport)
    found = {check.name: check for check in last.report.checks}
    assert (found["api key"].status, found["api key"].code) == ("warn", "no_api_key")
    assert found["settings"].status == "unknown"
    assert (found["grpc"].status, found["grpc"].detail) == ("ok", f"answers at 127.0.0.1:{server.grpc_port}")
    assert last.report.exit_code == 0


@pytest.mark.server
def test_nobody_is_asked_where_nothing_answers(opens: Opens) -> None:
    ws = opens(runtime="remote", url=f"http://127.0.0.1:{free_port()}", grpc_port=free_port())
    *_, last = doctor(ws, cancel=CancelToken())
    assert isinstance(last, Finished)
    assert isinstance(last.report, DoctorReport)
    found = {check.name: check.status for check in last.report.checks}
    assert (found["reachable"], found["api key"], found["settings"]) == ("fail", "unknown", "unknown")

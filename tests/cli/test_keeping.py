"""Profiles, settings and history on the command line."""

from datetime import UTC, datetime

import pytest

from qdrant_admin.config.file import read_profiles
from qdrant_admin.config.places import config_file, state_file
from qdrant_admin.config.secrets import read_key, store_key
from qdrant_admin.core.values import SecretStr
from qdrant_admin.lifecycle.reports import Check, DoctorReport
from qdrant_admin.state.store import StateStore
from tests.cli.conftest import Run
from tests.tui.canned_data import CRASHED, PERSISTED, VERIFIED


def test_a_profile_from_its_making_to_its_end(run: Run) -> None:
    assert run("profiles", "add", "work", "url=http://10.0.0.5:6333", "timeout=3").code == 0
    assert run("profiles", "use", "work").code == 0
    rows = run("profiles", "list", "--json").json["profiles"]
    assert [(row["name"], row["default"], row["runtime"]) for row in rows] == [
        ("local", False, "auto"),
        ("work", True, "remote"),
    ]
    assert run("profiles", "set", "work", "timeout=", "grpc-port=7334").code == 0
    shown = run("profiles", "show", "--json").json
    assert (shown["name"], shown["timeout"], shown["grpc_port"]) == ("work", 10.0, 7334)
    store_key("work", SecretStr("k1"))
    assert run("profiles", "remove", "work", "--yes").code == 0
    assert read_profiles() == {}
    assert read_key("work") is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", "UP"],
        ["add", "../up"],
        ["add", "work", "port=70000"],
        ["add", "work", "prot=7000"],
        ["add", "work", "runtime=remote"],
        ["set", "local"],
        ["set", "gone", "port=1"],
        ["use", "gone"],
        ["show", "gone"],
        ["remove", "gone", "--yes"],
    ],
)
def test_what_cannot_be_is_refused_and_writes_nothing(run: Run, arguments: list[str]) -> None:
    assert run("profiles", *arguments).code == 2
    assert not config_file().exists()


def test_config_show_names_every_origin_and_no_secret(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("profiles", "set", "local", "port=7001")
    monkeypatch.setenv("QDRANT_GRPC_PORT", "7002")
    monkeypatch.setenv("QDRANT_API_KEY", "very-secret")
    shown = run("config", "show", "--json")
    values = shown.json["values"]
    assert values["port"] == {"value": 7001, "from": f"file {config_file()}"}
    assert values["grpc_port"]["from"] == "environment QDRANT_GRPC_PORT"
    assert values["host"]["from"] == "default"
    assert shown.json["api_key"] == {"set": True, "from": "environment QDRANT_API_KEY"}
    table = run("config", "show")
    assert "very-secret" not in shown.out + shown.err + table.out + table.err
    assert "environment QDRANT_GRPC_PORT" in table.out
    assert run("config", "path").out.strip() == str(config_file())


def test_an_empty_key_is_told_on_the_way(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", "")
    ran = run("config", "show", "--json")
    assert "QDRANT_API_KEY" in ran.err
    assert ran.json["api_key"]["set"] is False


def test_the_history(run: Run) -> None:
    assert run("history", "list", "--json").json == {"history": []}
    report = DoctorReport(checks=())
    entry = StateStore(state_file()).record(
        operation="doctor", profile="local", report=report, started_at=datetime.now(UTC), seconds=0.5
    )
    (row,) = run("history", "list", "--json").json["history"]
    assert (row["id"], row["operation"], row["verdict"]) == (entry, "doctor", "ok")
    assert run("history", "show", str(entry)).json["checks"] == []
    assert "doctor" in run("history", "list").out
    assert run("history", "--json").json == run("history", "list", "--json").json
    assert run("history", "--json", "show", str(entry)).json["checks"] == []
    assert run("history", "list", "--operation", "up", "--json").json == {"history": []}
    assert run("history", "show", "99").code == 2


def test_a_long_result_is_cut_so_that_an_entry_stays_a_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    checks = tuple(Check(name="x" * 60, status="ok", detail="") for _ in range(3))
    moved = VERIFIED.model_copy(update={"source": "chroma:" + "y" * 200})
    for operation, report in (("doctor", DoctorReport(checks=checks)), ("migrate", moved)):
        StateStore(state_file()).record(
            operation=operation, profile="local", report=report, started_at=datetime.now(UTC), seconds=0.5
        )
    assert len(run("history").out.splitlines()) == 3


def test_a_migration_as_markdown(run: Run) -> None:
    store = StateStore(state_file())
    when = datetime.now(UTC)
    entry = store.record(operation="migrate", profile="local", report=VERIFIED, started_at=when, seconds=0.5)
    other = store.record(
        operation="doctor", profile="local", report=DoctorReport(checks=()), started_at=when, seconds=1
    )
    assert "<h1>● verified</h1>" in run("history", "show", str(entry), "--format", "html").out
    written = run("history", "show", str(entry), "--format", "markdown")
    assert written.out.startswith("# ● verified\n")
    assert run("history", "show", str(entry)).json["run"] == VERIFIED.run
    assert run("history", "show", str(other), "--format", "markdown").code == 2
    assert run("history", "show", "99", "--format", "markdown").code == 2


def test_a_crash_test_as_a_page(run: Run) -> None:
    entry = StateStore(state_file()).record(
        operation="crash-test", profile="local", report=CRASHED, started_at=CRASHED.at, seconds=9
    )
    assert "<h1>● persisted</h1>" in run("history", "show", str(entry), "--format", "html").out
    assert run("history", "show", str(entry), "--format", "markdown").out.startswith("# ● persisted\n")


def test_how_checks_have_gone_over_time(run: Run) -> None:
    assert run("history", "trends", "--json").json["points"] == []
    assert "qdrant-admin verify" in run("history", "trends").out
    store = StateStore(state_file())
    for ready, octets in ((2.0, 1 << 20), (4.0, 3 << 20), (3.0, None)):
        changed = {"profile": "local", "how": "kill", "ready_seconds": ready, "storage_bytes": octets}
        report = PERSISTED.model_copy(update=changed)
        store.record(operation="verify", profile="local", report=report, started_at=report.at, seconds=9)
    points = run("history", "trends", "--json").json["points"]
    assert [(one["ready_seconds"], one["storage_bytes"]) for one in points] == [
        (2.0, 1 << 20),
        (4.0, 3 << 20),
        (3.0, None),
    ]
    shown = run("history", "trends").out
    assert "last 3.0 s, median 3.0 s" in shown
    assert "last 3.0 MiB, median 2.0 MiB" in shown
    assert len(run("history", "trends", "--limit", "2", "--json").json["points"]) == 2
    assert run("history", "trends", "--profile", "absent").code == 2

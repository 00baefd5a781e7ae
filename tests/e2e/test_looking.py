"""Everything that only looks, on a filled server of either runtime: the fields that scripts rely on."""

import json
import uuid

import httpx
import pytest

from tests.e2e.conftest import Tool

STATUS = ["runtime", "state", "url", "version", "healthy", "ready", "collections", "points", "storage"]
STATUS += ["restart_policy"]


def test_status_has_the_fields_of_the_contract(filled: Tool) -> None:
    status = filled.json("status")
    assert [key for key in STATUS if key not in status] == []
    assert (status["state"], status["runtime"], status["points"]) == ("healthy", filled.runtime, 149)


def test_collections_have_the_fields_of_the_contract(filled: Tool) -> None:
    [listed] = filled.json("collections", "list")["collections"]
    [shown] = filled.json("collections", "show", "memories")["collections"]
    for one in (listed, shown):
        assert (one["name"], one["status"], one["points"], one["aliases"]) == ("memories", "green", 149, [])
        assert one["indexed_vectors"] >= 0
        assert [(slot["size"], slot["distance"]) for slot in one["vectors"]] == [(384, "Cosine")]


def test_points_are_listed_to_the_end_a_page_at_a_time(filled: Tool) -> None:
    seen: list[object] = []
    page = filled.json("points", "list", "memories", "--limit", "100")
    while True:
        seen += [point["id"] for point in page["points"]]
        if page["next_offset"] is None:
            break
        page = filled.json("points", "list", "memories", "--limit", "100", "--offset", str(page["next_offset"]))
    assert len(seen) == len(set(map(str, seen))) == 149


def test_a_filter_narrows_what_is_listed(filled: Tool) -> None:
    [first] = filled.json("points", "list", "memories", "--limit", "1")["points"]
    field, value = next((key, value) for key, value in first["payload"].items() if isinstance(value, str))
    condition = f'{{"must":[{{"key":"{field}","match":{{"value":{json.dumps(value)}}}}}]}}'
    found = filled.json("points", "list", "memories", "--filter", condition)["points"]
    assert first["id"] in [point["id"] for point in found]
    assert {point["payload"][field] for point in found} == {value}


def test_a_point_is_shown_whole_and_is_its_own_nearest(filled: Tool) -> None:
    [first] = filled.json("points", "list", "memories", "--limit", "1")["points"]
    [shown] = filled.json("points", "show", "memories", str(first["id"]))["points"]
    assert shown["payload"] == first["payload"]
    assert len(shown["vectors"][0]["values"]) == 384
    vector = str(shown["vectors"][0]["values"])
    near = filled.json("points", "search", "memories", "--vector", vector, "--limit", "3")["points"]
    assert near[0]["id"] == first["id"]


def test_the_doctor_finds_no_fault(filled: Tool) -> None:
    checks = filled.json("doctor")["checks"]
    assert {key for check in checks for key in check} >= {"name", "status", "detail", "fix"}
    assert [check for check in checks if check["status"] == "fail"] == []
    assert "api key" in [check["name"] for check in checks if check["status"] == "warn"]


def test_logs_and_stats_are_of_this_server(filled: Tool) -> None:
    mark = uuid.uuid4().hex
    httpx.get(f"{filled.url}/collections/{mark}/exists")
    assert mark in "\n".join(filled.json("logs", "--tail", "20")["lines"])
    assert len(filled.on("logs", "--tail", "3").out.splitlines()) == 3
    stats = filled.json("stats")
    assert stats["memory_bytes"] > 1_000_000
    assert stats["disk_bytes"] > 100_000
    assert stats["cpu_percent"] >= 0


def test_the_history_remembers_up_and_migrate(filled: Tool) -> None:
    entries = filled.json("history", "list")["history"]
    verdicts = {entry["operation"]: entry["verdict"] for entry in entries if entry["profile"] == filled.profile}
    assert verdicts["up"] == "healthy"
    assert verdicts["migrate"] == "verified"
    [moved] = [entry["id"] for entry in entries if entry["operation"] == "migrate"]
    assert filled.json("history", "show", str(moved))["collections"][0]["verified"] == 149


def test_env_prints_lines_that_an_application_can_take(filled: Tool) -> None:
    lines = filled.on("env", "--shell", "dotenv").out.splitlines()
    assert f"QDRANT_URL={filled.url}" in lines
    assert f"QDRANT_GRPC_PORT={filled.grpc_port}" in lines


def test_events_are_lines_of_json_that_end_with_the_report(filled: Tool) -> None:
    lines = [json.loads(line) for line in filled.on("verify", "--how", "none", "--events").out.splitlines()]
    assert lines[-1]["kind"] == "finished"
    assert lines[-1]["report"]["verdict"] == "unchanged"
    assert {"step_started", "step_finished"} <= {line["kind"] for line in lines}


@pytest.mark.parametrize("command", ["status", "doctor", "stats", "collections list", "points list memories"])
def test_people_get_a_picture_without_control_characters(filled: Tool, command: str) -> None:
    shown = filled.on(*command.split()).out
    assert shown.strip()
    assert "\x1b" not in shown

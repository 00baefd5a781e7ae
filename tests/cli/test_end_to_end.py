"""The whole way as a person goes it: real processes, a real server, and the contract of every JSON."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from qdrant_admin.collections.reports import CollectionsReport
from qdrant_admin.config.places import state_file
from qdrant_admin.demo.story import unpack_sample
from qdrant_admin.lifecycle.reports import DoctorReport
from qdrant_admin.state import inventory
from qdrant_admin.state.inventory import KnownCollection, SeenStorage
from qdrant_admin.state.store import StateStore
from tests.cli.conftest import Ran, Run
from tests.support.real import Server, binary, free_port

pytestmark = pytest.mark.server


@pytest.fixture
def native(process: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Flags of an `up` on free ports; whatever it started is taken down."""
    monkeypatch.setenv("QDRANT_ADMIN_BINARY", str(binary()))
    yield ["--runtime", "native", "--port", str(free_port()), "--grpc-port", str(free_port())]
    process("down", "--remove")


def fine(ran: Ran) -> Ran:
    assert ran.code == 0, ran.err
    return ran


def test_up_migrate_verify_down(process: Run, native: list[str], tmp_path: Path) -> None:
    source = f"chroma:{unpack_sample(tmp_path)}"
    up = fine(process("up", *native, "--json")).json
    assert set(up) >= {
        "runtime", "url", "version", "healthy", "ready", "container", "storage", "started"
    }  # fmt: skip
    assert up["url"].endswith(f":{native[3]}")
    again = fine(process("up", "--json")).json
    assert (again["url"], again["started"]) == (up["url"], False), "the profile remembers what `up` was given"

    plan = fine(process("migrate", source, "--plan-only", "--json")).json
    (planned,) = plan["collections"]
    moved = fine(process("migrate", source, "--json")).json
    (result,) = moved["collections"]
    assert (result["read"], result["written"], result["verified"]) == (planned["count"],) * 3
    assert moved["verdict"] == "verified"
    refused = process("migrate", source, "--json")
    assert refused.code == 4
    assert refused.json["problems"]

    status = fine(process("status", "--json")).json
    assert set(status) >= {
        "runtime", "state", "url", "version", "healthy", "ready", "collections", "points", "storage", "restart_policy"
    }  # fmt: skip
    assert status["points"] == planned["count"]
    proof = fine(process("verify", "--how", "kill", "--json")).json
    assert set(proof) >= {"how", "verdict", "collections", "seconds"}
    assert (proof["how"], proof["verdict"]) == ("kill", "persisted")
    assert proof["collections"][0]["before"] == proof["collections"][0]["after"]

    done = [row["operation"] for row in fine(process("history", "list", "--json")).json["history"]]
    assert done.count("verify") == 1
    assert done.count("migrate") == 1
    down = fine(process("down", "--json")).json
    assert down["stopped"]
    stopped = process("status", "--json")
    assert (stopped.code, stopped.json["state"]) == (1, "stopped")


@pytest.fixture
def filled(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A remote server with one collection of a hostile name; returns that."""
    monkeypatch.setenv("QDRANT_URL", server.url)
    monkeypatch.setenv("QDRANT_GRPC_PORT", str(server.endpoint.grpc_port))
    name = "[red]x"
    with httpx.Client(base_url=f"{server.url}/collections/%5Bred%5Dx", timeout=30) as http:
        http.put("", json={"vectors": {"size": 3, "distance": "Dot"}}).raise_for_status()
        points = [{"id": n, "vector": [n, 0, 1], "payload": {"n": n, "t": "\x1b[31m"}} for n in range(1, 6)]
        http.put("/points", params={"wait": "true"}, json={"points": points}).raise_for_status()
    return name


def test_looking_at_what_is_there(run: Run, filled: str) -> None:
    (one,) = fine(run("collections", "list", "--json")).json["collections"]
    assert set(one) >= {"name", "status", "points", "indexed_vectors", "vectors", "aliases"}
    assert (one["name"], one["points"]) == (filled, 5)
    assert fine(run("collections", "show", filled, "--json")).json["collections"][0]["name"] == filled
    page = fine(run("points", "list", filled, "--limit", "2", "--json")).json
    assert ([point["id"] for point in page["points"]], page["next_offset"]) == ([1, 2], 3)
    rest = fine(run("points", "list", filled, "--offset", "3", "--json")).json
    assert ([point["id"] for point in rest["points"]], rest["next_offset"]) == ([3, 4, 5], None)
    condition = json.dumps({"must": [{"key": "n", "match": {"value": 4}}]})
    assert [
        one["id"] for one in fine(run("points", "list", filled, "--filter", condition, "--json")).json["points"]
    ] == [4]
    shown = fine(run("points", "show", filled, "5", "--json")).json
    assert shown["points"][0]["vectors"][0]["values"] == [5, 0, 1]
    near = fine(run("points", "search", filled, "--like", "1", "--limit", "1", "--json")).json
    assert near["points"][0]["id"] == 5
    near = fine(run("points", "search", filled, "--vector", "[-1, 0, 0]", "--limit", "1", "--json")).json
    assert near["points"][0]["id"] == 1


@pytest.mark.parametrize(
    "arguments",
    [["collections", "list"], ["collections", "show"], ["points", "list"], ["points", "show"], ["status"]],
    ids="-".join,
)
def test_the_pictures_of_hostile_data_are_harmless(run: Run, filled: str, arguments: list[str]) -> None:
    extra = {"collections-show": [filled], "points-list": [filled], "points-show": [filled, "1"]}
    ran = fine(run(*arguments, *extra.get("-".join(arguments), [])))
    assert "\x1b" not in ran.out
    assert ran.out
    assert not [line for line in ran.out.splitlines() if line != line.rstrip()], "no spaces at the ends in a pipe"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["collections", "show", ".."], 2),
        (["collections", "show", "gone"], 2),
        (["points", "list", "[red]x", "--filter", "{"], 2),
        (["points", "list", "[red]x", "--filter", "[]"], 2),
        (["points", "show", "[red]x", "not-an-id"], 2),
        (["points", "show", "[red]x", "99"], 1),
        (["points", "search", "[red]x"], 2),
        (["points", "search", "[red]x", "--vector", "[1, NaN, 2]"], 2),
        (["migrate", "chroma:/nowhere"], 3),
        (["migrate", "nonsense:x"], 2),
        (["migrate", "--resume"], 2),
        (["migrations", "show", "nope"], 2),
        (["migrations", "discard", "nope"], 2),
        (["verify", "--finish"], 2),
        (["history", "show", "99"], 2),
        (["down"], 3),
    ],
)
def test_what_cannot_be_done_says_so_in_one_document(run: Run, filled: str, arguments: list[str], code: int) -> None:
    ran = run(*arguments, "--json")
    assert ran.code == code, ran.err
    assert ran.json["error"]["what"]
    assert ran.json["error"]["fix"] or ran.json["error"]["why"]


NAMED = [
    ["collections", "show", "NAME"],
    ["collections", "delete", "NAME", "--dry-run"],
    ["points", "list", "NAME"],
    ["points", "show", "NAME", "1"],
    ["points", "search", "NAME", "--like", "1"],
    ["export", "NAME", "--to", "TO"],
    ["verify", "--how", "none", "--collection", "NAME"],
]


@pytest.mark.parametrize("words", NAMED, ids=lambda words: "-".join(words[:2]))
def test_a_name_is_known_gone_or_wrong_for_every_command_alike(
    run: Run, filled: str, server: Server, tmp_path: Path, words: list[str]
) -> None:
    def asked(name: str, *options: str) -> Ran:
        places = {"NAME": name, "TO": str(tmp_path / "a.jsonl")}
        return run(*(places.get(word, word) for word in words), *options)

    never = asked("gone", "--json")
    assert (never.code, never.json["error"]["why"]) == (2, f"there are: {filled}"), "a typing error"

    when = datetime(2026, 11, 30, 9, 14, tzinfo=UTC)
    seen = KnownCollection(name="gone", points=12, exact=True, at=when)
    storage = SeenStorage(runtime="remote", identity=None, place=server.url, collections=(seen,))
    inventory.note(StateStore(state_file()), "local", storage)
    gone = asked("gone", "--json")
    assert gone.code == 1
    assert gone.json["error"]["what"] == "the collection “gone” is gone"
    assert f"{when.astimezone():%H:%M} it held 12 points" in gone.json["error"]["why"]

    with httpx.Client(base_url=server.url, timeout=30) as http:
        alias = {"create_alias": {"collection_name": filled, "alias_name": "mind"}}
        http.post("/collections/aliases", json={"actions": [alias]}).raise_for_status()
    same = asked("mind")
    assert same.code == (4 if words[1] == "delete" else 0), same.err
    assert f"mind is an alias of collection {filled}" in same.out + same.err.replace("\n", " ")


def test_events_are_lines_of_json_that_end_with_the_report(run: Run, filled: str) -> None:
    lines = [json.loads(line) for line in run("doctor", "--events").out.splitlines()]
    assert {line["kind"] for line in lines} >= {"step_started", "step_finished", "finished"}
    assert lines[-1]["kind"] == "finished"
    assert lines[-1]["report"]["checks"]
    assert lines[-1]["report"]["schema"] == DoctorReport.SCHEMA
    (line,) = [json.loads(line) for line in run("collections", "list", "--events").out.splitlines()]
    assert line["report"]["collections"][0]["name"] == filled
    assert line["report"]["schema"] == CollectionsReport.SCHEMA


def test_the_lines_of_env_leave_the_server_ours(process: Run, native: list[str]) -> None:
    fine(process("up", *native, "--api-key", "auto"))
    masked = fine(process("env"))
    assert "# export QDRANT_API_KEY='********'" in masked.out
    lines = fine(process("env", "--shell", "dotenv", "--reveal")).out.splitlines()
    variables = dict(line.split("=", 1) for line in lines)
    assert len(variables["QDRANT_API_KEY"]) >= 32
    status = fine(process("status", "--json", **variables)).json
    assert (status["runtime"], status["api_key"]) == ("native", True)
    wrong = process("collections", "list", "--json", QDRANT_API_KEY="wrong")
    assert wrong.code == 3
    assert variables["QDRANT_API_KEY"] not in wrong.out + wrong.err


def test_a_pipe_without_unicode_still_gets_json(process: Run, filled: str, server: Server) -> None:
    with httpx.Client(base_url=f"{server.url}/collections/%5Bred%5Dx", timeout=30) as http:
        point = {"id": 9, "vector": [0, 0, 1], "payload": {"t": "é€😀"}}
        http.put("/points", params={"wait": "true"}, json={"points": [point]}).raise_for_status()
    ran = fine(process("points", "show", filled, "9", "--json", PYTHONIOENCODING="ascii", PYTHONUTF8="0"))
    assert ran.out.isascii()
    assert ran.json["points"][0]["payload"]["t"] == "é€😀"
    assert fine(process("points", "show", filled, "9", PYTHONIOENCODING="ascii", PYTHONUTF8="0")).out.isascii()

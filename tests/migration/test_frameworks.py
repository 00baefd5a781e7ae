"""What LangChain, LlamaIndex and Mem0 wrote into Chroma arrives as they read it in Qdrant."""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import Point
from qdrant_admin.sources.chroma.directory import ChromaDirectory
from tests.migration.conftest import peer
from tests.migration.support import hashes, local_store, moved, planned, unpacked, workspace
from tests.sources.support import folder_uri
from tests.support.real import Server

pytestmark = pytest.mark.server


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """One Chroma directory, written by the three."""
    return unpacked("chroma-frameworks", tmp_path)


def points_of(server: Server, name: str) -> list[Point]:
    with Database(server.endpoint) as database:
        return database.page(name, limit=100).points


def payloads(server: Server, name: str) -> list[dict[str, Any]]:
    return [point.payload for point in points_of(server, name)]


def test_each_of_them_finds_its_own_fields(server: Server, shared: Path) -> None:
    before = hashes(shared)
    plan = planned(workspace(server), f"chroma:{shared}?distance=Cosine")
    assert {one.source: one.payload.partition(":")[0] for one in plan.collections} == {
        "langchain": "as LangChain reads it",
        "mem0": "as Mem0 reads it",
        "notes": "as LlamaIndex reads it",
    }
    assert all("recognised by" in one.payload for one in plan.collections)
    assert any("as asked (length one" in problem.text for problem in plan.problems)
    report = moved(workspace(server), f"chroma:{shared}?distance=Cosine")
    assert (report.verdict, [one.verified for one in report.collections]) == ("verified", [6, 7, 7])
    assert hashes(shared) == before

    for payload in payloads(server, "langchain"):
        assert payload.keys() == {"page_content", "metadata"}
        assert payload["metadata"]["package"] in payload["page_content"] or payload["page_content"]
    kinds = set()
    for payload in payloads(server, "notes"):
        node = json.loads(payload["_node_content"])
        kinds.add(payload["_node_type"])
        assert node["text_resource"]["text"] if payload["_node_type"] == "Node" else node["text"]
        assert "document" not in payload
    assert kinds == {"TextNode", "Node"}
    for payload in payloads(server, "mem0"):
        assert payload["hash"] == hashlib.md5(payload["data"].encode(), usedforsecurity=False).hexdigest()
        assert {"user_id", "created_at", "color"} <= payload.keys()
        assert "document" not in payload


def test_the_frameworks_themselves_read_what_arrived(server: Server, shared: Path, tmp_path: Path) -> None:
    assert moved(workspace(server), f"chroma:{shared}?distance=Cosine").verdict == "verified"
    own = {"HOME": str(tmp_path), "MEM0_DIR": str(tmp_path), "MEM0_TELEMETRY": "False", "PATH": os.environ["PATH"]}
    command = [str(peer("python")), str(Path(__file__).with_name("frameworks_reading.py")), server.url]
    answer = subprocess.run(command, env=own, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert {name: len(rows) for name, rows in found.items()} == {"langchain": 6, "notes": 7, "mem0": 7}
    for name, rows in found.items():
        stored = {str(point.id): point.payload for point in points_of(server, name)}
        for asked, nearest, text, metadata, score in rows:
            payload = stored[asked]
            assert (nearest, score) == (asked, pytest.approx(1.0))
            if name == "langchain":
                assert (text, metadata) == (payload["page_content"], payload["metadata"])
            elif name == "mem0":
                assert (text, metadata) == (payload["data"], {"user_id": payload["user_id"]})
            else:
                node = json.loads(payload["_node_content"])
                assert text == (node.get("text") or node["text_resource"]["text"])
                assert metadata == node["metadata"]


def test_a_collection_of_mem0_is_as_mem0_makes_it(server: Server, shared: Path) -> None:
    assert moved(workspace(server), f"chroma:{shared}?collection=mem0&distance=cosine").verdict == "verified"
    with Database(server.endpoint) as database:
        info = database.collection("mem0")
    assert {slot.name: slot.distance for slot in info.vectors} == {"": "Cosine", "bm25": None}
    assert {field: known["data_type"] for field, known in info.payload_schema.items()} == dict.fromkeys(
        ("user_id", "agent_id", "run_id", "actor_id"), "keyword"
    )


def test_a_layout_can_be_asked_for_or_left_alone(server: Server, shared: Path) -> None:
    ws = workspace(server)
    plan = planned(ws, f"chroma:{shared}?collection=mem0&layout=plain")
    assert plan.collections[0].payload == "metadata flat, the text in payload field document"
    assert [slot.name for slot in plan.collections[0].vectors] == [""]
    assert "Cosine finds the same" in plan.problems[0].text
    asked = planned(ws, f"chroma:{shared}?collection=notes&layout=langchain")
    assert (
        asked.collections[0].payload == "as LangChain reads it: the text in page_content, metadata nested in metadata"
    )
    assert "LangChain compares by Cosine" in asked.problems[0].text


def test_the_distance_of_the_segment_counts_when_the_metadata_was_replaced(tmp_path: Path) -> None:
    import sqlite3

    folder = unpacked("chroma-0.5", tmp_path)
    with sqlite3.connect(folder / "chroma.sqlite3") as database:
        database.execute("DELETE FROM collection_metadata")
    database.close()
    source = ChromaDirectory(folder_uri(f"chroma:{folder}"))
    found = {one.name: one.spec.vectors[0].distance for one in source.collections() if one.spec}
    source.close()
    assert found == {"debian_memories": "Cosine", "typed": "Euclid", "dotted.name-1": "Dot"}


def test_an_embedded_folder_of_mem0_gets_the_indexes_it_could_not_have(server: Server, tmp_path: Path) -> None:
    memory = {"data": "likes tea", "hash": hashlib.md5(b"likes tea", usedforsecurity=False).hexdigest()}
    points = [
        {"id": n, "vector": [1.0, 0, 0, n], "payload": {**memory, "user_id": f"user-{n}", "role": "user"}}
        for n in range(5)
    ]
    config = {"vectors": {"size": 4, "distance": "Cosine"}, "sparse_vectors": {"bm25": {"modifier": "idf"}}}
    folder = local_store(tmp_path / "store", {"mem0": points}, config)
    report = moved(workspace(server), f"qdrant-local:{folder}")
    assert report.verdict == "verified"
    assert sorted(payloads(server, "mem0"), key=lambda payload: payload["user_id"]) == [
        point["payload"] for point in points
    ]
    with Database(server.endpoint) as database:
        info = database.collection("mem0")
    assert info.payload_schema.keys() == {"user_id", "agent_id", "run_id", "actor_id"}
    assert [slot.name for slot in info.vectors] == ["", "bm25"]

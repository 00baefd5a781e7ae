"""Sources that are servers: a real Qdrant, a real Chroma."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import BadInput, Refused, ServerUnreachable, SourceUnreadable
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, VectorSpec
from qdrant_admin.migration.run import migrate
from qdrant_admin.sources.chroma.server import ChromaServer
from qdrant_admin.sources.qdrant.server import _endpoint
from tests.migration.support import last, moved, planned, workspace
from tests.sources.support import server_uri
from tests.support.real import Server, free_port

pytestmark = pytest.mark.server


def test_a_chroma_server_arrives_whole(server: Server, chroma_url: str) -> None:
    ws = workspace(server)
    plan = planned(ws, chroma_url)
    kinds = {one.source: one.vectors[0].distance for one in plan.collections if one.vectors}
    assert kinds == {"debian_memories": "Cosine", "typed": "Euclid", "dotted.name-1": "Dot"}
    report = moved(ws, chroma_url, batch_size=40)
    assert report.verdict == "verified"
    assert {one.source: one.verified for one in report.collections} == {
        "debian_memories": 149,
        "dotted.name-1": 2,
        "empty": 0,
        "typed": 4,
    }
    with Database(server.endpoint) as database:
        found = {point.payload.get("source_id") or point.id: point for point in database.page("typed", limit=9).points}
    assert found["11111111-1111-4111-8111-111111111111"].payload["tags"] == ["b", "a", "b"]


def test_a_typo_makes_no_collection_in_chroma(chroma_url: str) -> None:
    with pytest.raises(BadInput):
        ChromaServer(server_uri(f"{chroma_url}?collection=tped"))
    base = chroma_url.removeprefix("chroma+")
    listed = httpx.get(f"{base}/api/v2/tenants/default_tenant/databases/default_database/collections").json()
    assert "tped" not in {one["name"] for one in listed}


def test_no_chroma_there(server: Server) -> None:
    with pytest.raises(ServerUnreachable, match="no Chroma"):
        ChromaServer(server_uri(f"chroma+http://127.0.0.1:{free_port()}"))
    with pytest.raises(SourceUnreadable, match="404"):
        ChromaServer(server_uri(f"chroma+{server.url}"))


def test_a_qdrant_collection_that_was_made_again_is_not_the_one_of_the_plan(server: Server, other: Server) -> None:
    ws, source = workspace(server), f"qdrant+{other.url}?grpc_port={other.grpc_port}"
    with Database(other.endpoint) as database:
        database.create_collection("c", CollectionSpec(vectors=(VectorSpec(size=4, distance="Dot"),)))
        plan = planned(ws, source)
        database.delete_collection("c")
        database.create_collection("c", CollectionSpec(vectors=(VectorSpec(size=4, distance="Euclid"),)))
    with pytest.raises(Refused, match="changed since"):
        last(migrate(ws, plan, cancel=CancelToken()))
    with Database(server.endpoint) as database:
        assert database.names() == []


def test_a_qdrant_server_arrives_with_its_configuration(server: Server, other: Server, local: Path) -> None:
    assert moved(workspace(other), f"qdrant-local:{local}").verdict == "verified"
    with httpx.Client(base_url=other.url) as http:
        body: dict[str, Any] = {"hnsw_config": {"m": 24}, "optimizers_config": {"indexing_threshold": 5000}}
        body |= {"quantization_config": {"scalar": {"type": "int8"}}, "metadata": {"owner": "me"}}
        http.patch("/collections/debian_memories", json=body).raise_for_status()
        index: dict[str, Any] = {
            "field_name": "metadata.section",
            "field_schema": {"type": "keyword", "is_tenant": True},
        }
        http.put("/collections/debian_memories/index?wait=true", json=index).raise_for_status()
    report = moved(workspace(server), f"qdrant+{other.url}?grpc_port={other.grpc_port}")
    assert (report.verdict, [one.verified for one in report.collections]) == ("verified", [100, 3])
    with Database(other.endpoint) as source, Database(server.endpoint) as target:
        for name in source.names():
            left, right = source.collection(name), target.collection(name)
            assert left.config == right.config
            assert left.payload_schema == right.payload_schema
        assert source.aliases() == target.aliases()


def test_a_grpc_port_that_nobody_gave_is_not_guessed() -> None:
    """Another server may listen on 6334, and its points would be read."""
    assert _endpoint(server_uri("qdrant+http://127.0.0.1:6333")).grpc_port is None
    assert _endpoint(server_uri("qdrant+http://127.0.0.1:6333?grpc_port=7334")).grpc_port == 7334
    with pytest.raises(BadInput, match="is no port"):
        _endpoint(server_uri("qdrant+http://127.0.0.1:6333?grpc_port=x"))

"""Weaviate's own client against answers of the documented form, over HTTP and over gRPC; no live server."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import grpc
import numpy as np
import pytest

from qdrant_admin.core.errors import AccessDenied, BadInput, ServerUnreachable, SourceUnreadable
from qdrant_admin.database.gateway import Database
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.uri import KEY_VARIABLE, parse
from tests.migration.support import moved, workspace
from tests.support.answering import Answered, Asked, answering
from tests.support.real import Server, free_port

HNSW = {
    "cleanupIntervalSeconds": 300,
    "distance": "l2-squared",
    "dynamicEfFactor": 8,
    "dynamicEfMax": 500,
    "dynamicEfMin": 100,
    "ef": -1,
    "efConstruction": 128,
    "filterStrategy": "sweeping",
    "flatSearchCutoff": 40000,
    "maxConnections": 32,
    "skip": False,
    "vectorCacheMaxObjects": 1000000000000,
}
BASE = {
    "invertedIndexConfig": {
        "bm25": {"b": 0.75, "k1": 1.2},
        "cleanupIntervalSeconds": 60,
        "stopwords": {"preset": "en", "additions": None, "removals": None},
    },
    "multiTenancyConfig": {"enabled": False, "autoTenantActivation": False, "autoTenantCreation": False},
    "replicationConfig": {"asyncEnabled": False, "factor": 1, "deletionStrategy": "NoAutomatedResolution"},
    "shardingConfig": {
        "actualCount": 1, "actualVirtualCount": 128, "desiredCount": 1, "desiredVirtualCount": 128,
        "function": "murmur3", "key": "_id", "strategy": "hash", "virtualPerPhysical": 128,
    },
}  # fmt: skip


def prop(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "dataType": [kind], "indexFilterable": True, "indexSearchable": kind == "text",
            "tokenization": "word" if kind == "text" else None}  # fmt: skip


def identity(n: int) -> str:
    return str(uuid.UUID(int=n + 1))


class Weaviate:
    """Three classes: one vector without a name, two with names, and one with tenants."""

    def __init__(self) -> None:
        flat = {"vectorIndexType": "hnsw", "vectorIndexConfig": HNSW, "vectorizer": "none"}
        named = {
            "vectorIndexType": "hnsw",
            "vectorIndexConfig": HNSW | {"distance": "cosine"},
            "vectorizer": {"none": {}},
        }
        properties = [prop("title", "text"), prop("year", "int"), prop("picture", "blob"), prop("since", "date")]
        self.schema = [
            {"class": "Article", "properties": properties, **BASE, **flat},
            {"class": "Film", "properties": properties[:2], **BASE, "vectorConfig": {"plot": named, "poster": named}},
            {"class": "Note", "properties": properties[:2], **BASE, **flat, "multiTenancyConfig": {"enabled": True}},
        ]
        self.objects: dict[tuple[str, str], dict[str, dict[str, list[float]]]] = {
            ("Article", ""): {identity(n): {"": [n, 0.5, 1]} for n in range(45)},
            ("Film", ""): {identity(n): {"plot": [1, n], "poster": [n, 1, 1]} for n in range(3)},
            ("Note", "alice"): {identity(n): {"": [1, n]} for n in range(4)},
            ("Note", "bob"): {identity(n): {"": [2, n]} for n in range(3)},
        }
        self.asleep: set[str] = set()
        self.key = ""

    def answer(self, asked: Asked) -> Answered:
        if self.key and asked.headers.get("Authorization") != f"Bearer {self.key}":
            return Answered({"code": 401, "message": "anonymous access not enabled"}, 401)
        answers: dict[str, Any] = {
            "/v1/meta": {"hostname": "http://[::]:8080", "modules": {}, "version": "1.32.0"},
            "/v1/schema": {"classes": self.schema},
        }
        return Answered(answers[asked.path]) if asked.path in answers else Answered({}, 404)

    def search(self, request: Any, context: Any) -> Any:
        from weaviate.proto.v1 import base_pb2, properties_pb2, search_get_pb2

        self.check(context)
        assert request.metadata.vector
        found = self.objects[request.collection, request.tenant]
        results = []
        for one in sorted(found)[: int(request.limit)] if not request.after else self.behind(found, request):
            title = properties_pb2.Value(text_value=f"Title of {one[-4:]}")
            fields = {"title": title, "year": properties_pb2.Value(int_value=1990)}
            since = properties_pb2.Value(date_value="2026-01-02T03:04:05.6Z")
            fields |= {"since": since} if request.collection == "Article" else {}
            vectors = found[one]
            metadata = search_get_pb2.MetadataResult(id=one, id_as_bytes=uuid.UUID(one).bytes)
            if "" in vectors:
                metadata.vector_bytes = np.asarray(vectors[""], dtype="<f4").tobytes()
            else:
                single = base_pb2.Vectors.VECTOR_TYPE_SINGLE_FP32
                for name, vector in vectors.items():
                    raw = np.asarray(vector, dtype="<f4").tobytes()
                    metadata.vectors.append(base_pb2.Vectors(name=name, vector_bytes=raw, type=single))
            properties = search_get_pb2.PropertiesResult(
                target_collection=request.collection, non_ref_props=properties_pb2.Properties(fields=fields)
            )
            results.append(search_get_pb2.SearchResult(metadata=metadata, properties=properties))
        return search_get_pb2.SearchReply(results=results)

    def behind(self, found: dict[str, Any], request: Any) -> list[str]:
        return [one for one in sorted(found) if one > request.after][: int(request.limit)]

    def aggregate(self, request: Any, context: Any) -> Any:
        from weaviate.proto.v1 import aggregate_pb2

        count = len(self.objects[request.collection, request.tenant])
        return aggregate_pb2.AggregateReply(single_result=aggregate_pb2.AggregateReply.Single(objects_count=count))

    def tenants(self, request: Any, context: Any) -> Any:
        from weaviate.proto.v1 import tenants_pb2

        active, cold = tenants_pb2.TENANT_ACTIVITY_STATUS_HOT, tenants_pb2.TENANT_ACTIVITY_STATUS_COLD
        named = [tenant for name, tenant in self.objects if name == request.collection]
        found = [tenants_pb2.Tenant(name=one, activity_status=cold if one in self.asleep else active) for one in named]
        return tenants_pb2.TenantsGetReply(tenants=found)

    def check(self, context: Any) -> None:
        given = dict(context.invocation_metadata()).get("authorization")
        if self.key and given != f"Bearer {self.key}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED: no key")


@pytest.fixture
def weaviate() -> Weaviate:
    return Weaviate()


@pytest.fixture
def uri(weaviate: Weaviate) -> Iterator[str]:
    from weaviate.proto.v1 import weaviate_pb2_grpc

    class Servicer(weaviate_pb2_grpc.WeaviateServicer):
        Search, Aggregate, TenantsGet = (
            staticmethod(weaviate.search), staticmethod(weaviate.aggregate), staticmethod(weaviate.tenants),
        )  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        weaviate_pb2_grpc.add_WeaviateServicer_to_server(Servicer(), server)  # type: ignore[no-untyped-call] # as its client has it
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with answering(weaviate.answer) as place:
            yield f"weaviate+http://{place}?grpc_port={port}"
        server.stop(None).wait()


@pytest.mark.server
def test_every_class_arrives(server: Server, uri: str) -> None:
    report = moved(workspace(server), uri, batch_size=20)
    assert report.verdict == "verified"
    assert {one.source: one.verified for one in report.collections} == {"Article": 45, "Film": 3, "Note": 7}
    with Database(server.endpoint) as database:
        slots = {
            name: {slot.name: (slot.size, slot.distance) for slot in database.collection(name).vectors}
            for name in ("Article", "Film", "Note")
        }
        articles = {one.id: one for page in database.scan("Article") for one in page}
        notes = {one.payload["source_id"]: one.payload for page in database.scan("Note") for one in page}
        indexed = database.collection("Note").payload_schema["tenant"]["params"]
    assert slots == {
        "Article": {"": (3, "Euclid")},
        "Film": {"plot": (2, "Cosine"), "poster": (3, "Cosine")},
        "Note": {"": (2, "Euclid")},
    }
    since = {"since": "2026-01-02T03:04:05.600000+00:00"}
    assert articles[identity(7)].payload == {"title": "Title of 0008", "year": 1990, **since}
    assert articles[identity(7)].vectors[""].tolist() == [7, 0.5, 1]  # type: ignore[union-attr] # it is dense
    assert notes[f"bob/{identity(0)}"]["tenant"] == "bob"
    assert indexed["is_tenant"] is True


def test_a_cursor_goes_on_in_the_middle_of_a_tenant_and_behind_it(uri: str) -> None:
    with closing(open_source(parse(uri))) as source:
        whole = [record.id for batch in source.batches("Note", size=100) for record in batch.records]
        assert len(set(whole)) == 7
        for size in (1, 2, 3, 4):
            batches = list(source.batches("Note", size=size))
            for stop, batch in enumerate(batches):
                read = [record.id for one in batches[: stop + 1] for record in one.records]
                rest = [r.id for one in source.batches("Note", size=3, after=batch.cursor) for r in one.records]
                assert read + rest == whole


def test_one_tenant_alone_keeps_its_ids(uri: str) -> None:
    with closing(open_source(parse(f"{uri}&tenant=bob&collection=Note"))) as source:
        [described] = source.collections()
        assert described.count == 3
        [batch] = source.batches("Note", size=9)
        assert [record.id for record in batch.records] == [identity(n) for n in range(3)]
        assert "tenant" not in batch.records[0].payload
    with closing(open_source(parse(f"{uri}&tenant=carol"))) as source, pytest.raises(BadInput, match="no tenant carol"):
        source.collections()


def test_what_is_left_out_is_told_and_a_sleeping_tenant_refused(uri: str, weaviate: Weaviate) -> None:
    with closing(open_source(parse(uri))) as source:
        assert any("picture is binary" in note for note in source.collections()[0].warnings)
    weaviate.asleep.add("bob")
    with closing(open_source(parse(uri))) as source, pytest.raises(SourceUnreadable, match="not every tenant"):
        source.collections()


def test_keys_and_faults(uri: str, weaviate: Weaviate, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="no collection absent"):
        open_source(parse(f"{uri}&collection=absent"))
    with pytest.raises(ServerUnreachable):
        open_source(parse(f"weaviate+http://127.0.0.1:{free_port()}"))
    with pytest.raises(BadInput, match="no port"):
        open_source(parse(f"{uri.partition('?')[0]}?grpc_port=many"))
    weaviate.key = "a-key"
    with pytest.raises(AccessDenied, match="asks for a key"):
        open_source(parse(uri))
    monkeypatch.setenv(KEY_VARIABLE, "a-key")
    with closing(open_source(parse(uri))) as source:
        assert sum(one.count for one in source.collections()) == 55

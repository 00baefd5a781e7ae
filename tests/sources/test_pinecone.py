"""Pinecone's own client against answers of the form that Pinecone's documentation gives; no live index."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from qdrant_admin.core.errors import AccessDenied, BadInput, RateLimited, ServerUnreachable, SourceUnreadable
from qdrant_admin.core.serialization import to_json
from qdrant_admin.database.gateway import Database
from qdrant_admin.sources.pinecone import PineconeIndex
from qdrant_admin.sources.uri import KEY_VARIABLE
from tests.migration.support import moved, planned, workspace
from tests.sources.support import server_uri
from tests.support.answering import Answered, Asked, answering
from tests.support.real import Server, free_port

KEY = "pcsk_not-a-key"


class Index:
    """An index of two namespaces, as the data plane describes, lists and fetches it."""

    def __init__(self) -> None:
        self.stats: dict[str, Any] = {"dimension": 3, "metric": "dotproduct", "vectorType": "dense", "indexFullness": 0}
        self.vectors: dict[str, dict[str, dict[str, Any]]] = {
            "__default__": {f"doc{n:03}": self.vector(f"doc{n:03}", n) for n in range(250)},
            "clients": {"a": self.vector("a", 1) | {"sparseValues": {"indices": [7, 2], "values": [0.5, 1.5]}}},
        }
        self.fetched: list[int] = []
        self.fault: Answered | None = None

    @staticmethod
    def vector(identity: str, n: int) -> dict[str, Any]:
        return {
            "id": identity,
            "values": [n, 0.5, 1],
            "metadata": {"genre": "drama", "year": 1990.0 + n, "tags": ["x"]},
        }

    def answer(self, asked: Asked) -> Answered:
        if asked.headers["Api-Key"] != KEY:
            return Answered({"code": 16, "message": "Unauthorized", "details": []}, 401)
        if self.fault is not None:
            return self.fault
        if (asked.method, asked.path) == ("POST", "/describe_index_stats"):
            spaces = {name: {"vectorCount": len(found)} for name, found in self.vectors.items()}
            total = sum(map(len, self.vectors.values()))
            return Answered({**self.stats, "namespaces": spaces, "totalVectorCount": total})
        space = asked.query.get("namespace", ["__default__"])[0] or "__default__"
        if (asked.method, asked.path) == ("GET", "/vectors/list"):
            return self.page(space, int(asked.query.get("paginationToken", ["0"])[0]))
        if (asked.method, asked.path) == ("GET", "/vectors/fetch"):
            wanted = asked.query["ids"]
            self.fetched.append(len(wanted))
            found = {one: self.vectors[space][one] for one in wanted if one in self.vectors[space]}
            return Answered({"vectors": found, "namespace": space, "usage": {"readUnits": 1}})
        return Answered({"code": 5, "message": f"no {asked.path}"}, 404)

    def page(self, space: str, start: int) -> Answered:
        ids = sorted(self.vectors[space])
        content: dict[str, Any] = {"vectors": [{"id": one} for one in ids[start : start + 100]], "namespace": space}
        if start + 100 < len(ids):
            content["pagination"] = {"next": str(start + 100)}
        return Answered({**content, "usage": {"readUnits": 1}})


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Index:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    return Index()


@pytest.fixture
def uri(index: Index) -> Iterator[str]:
    with answering(index.answer) as place:
        yield f"pinecone+http://{place}"


@pytest.mark.server
def test_every_namespace_arrives_as_a_collection(server: Server, uri: str, index: Index) -> None:
    report = moved(workspace(server), uri)
    assert report.verdict == "verified"
    assert {one.source: one.verified for one in report.collections} == {"127": 250, "127.clients": 1}
    assert max(index.fetched) <= 100
    with Database(server.endpoint) as database:
        [[point]] = database.scan("127.clients")
        slots = {
            slot.name: (slot.kind, slot.size, slot.distance) for slot in database.collection("127.clients").vectors
        }
    assert slots == {"": ("dense", 3, "Dot"), "sparse": ("sparse", None, None)}
    assert point.payload == {"genre": "drama", "year": 1991.0, "tags": ["x"], "source_id": "a"}
    assert point.vectors["sparse"].indices.tolist() == [2, 7]  # type: ignore[union-attr] # it is sparse


@pytest.mark.server
def test_a_plan_says_that_nobody_has_tried_it_on_a_live_server(server: Server, uri: str) -> None:
    plan = planned(workspace(server), f"{uri}?collection=127.clients")
    assert any("not tested against a live server" in problem.text for problem in plan.problems)
    assert KEY not in to_json(plan)


def test_a_cursor_goes_on_and_spans_cover_everything(uri: str) -> None:
    with closing(PineconeIndex(server_uri(uri))) as source:
        whole = [record.id for batch in source.batches("127", size=40) for record in batch.records]
        first = next(source.batches("127", size=40))
        rest = [r.id for batch in source.batches("127", size=33, after=first.cursor) for r in batch.records]
        assert [record.id for record in first.records] + rest == whole
        spans = source.spans("127", 3)
        assert len(spans) == 3
        parts = [source.batches("127", size=64, after=span.after, until=span.until) for span in spans]
        assert [record.id for part in parts for batch in part for record in batch.records] == whole


def test_a_layout_of_langchain_can_be_asked_for(uri: str, index: Index) -> None:
    index.vectors["clients"]["a"]["metadata"]["text"] = "a text"
    with closing(PineconeIndex(server_uri(f"{uri}?layout=langchain"))) as source:
        [record] = next(source.batches("127.clients", size=9)).records
    assert record.payload["page_content"] == "a text"
    assert record.payload["metadata"]["genre"] == "drama"


def test_an_older_interface_that_tells_no_metric_asks_for_a_distance(uri: str, index: Index) -> None:
    del index.stats["metric"], index.stats["vectorType"]
    with closing(PineconeIndex(server_uri(uri))) as source, pytest.raises(BadInput, match="which distance") as caught:
        source.collections()
    assert caught.value.fix.endswith("?distance=Cosine'")
    with closing(PineconeIndex(server_uri(f"{uri}?distance=cosine"))) as source:
        spec = source.collections()[0].spec
    assert spec is not None
    assert spec.vectors[0].distance == "Cosine"


def test_what_is_deleted_meanwhile_is_told(uri: str, index: Index) -> None:
    with closing(PineconeIndex(server_uri(uri))) as source:
        batches = source.batches("127", size=40)
        next(batches)
        del index.vectors["__default__"]["doc100"]
        with pytest.raises(SourceUnreadable, match="changed while it was read"):
            list(batches)


def test_faults_are_told_in_the_users_terms(uri: str, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="no collection absent"):
        PineconeIndex(server_uri(f"{uri}?collection=absent"))
    monkeypatch.setattr("pinecone._internal.http_client._retry_sleep", lambda _: None)  # it tries again by itself
    index.fault = Answered({"code": 8, "message": "slow down"}, 429, (("Retry-After", "3"),))
    with pytest.raises(RateLimited):
        PineconeIndex(server_uri(uri))
    index.fault = Answered({"code": 3, "message": "list is for serverless indexes only"}, 400)
    with pytest.raises(SourceUnreadable, match="serverless"):
        PineconeIndex(server_uri(uri))
    with pytest.raises(ServerUnreachable):
        PineconeIndex(server_uri(f"pinecone+http://127.0.0.1:{free_port()}"))
    monkeypatch.setenv(KEY_VARIABLE, "wrong")
    with pytest.raises(AccessDenied, match="does not take the key"):
        PineconeIndex(server_uri(uri))
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(AccessDenied, match="asks for a key"):
        PineconeIndex(server_uri(uri))

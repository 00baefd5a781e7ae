"""The clients of Elasticsearch and OpenSearch against answers of the documented form; no live cluster."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from qdrant_admin.core.commands import install_command
from qdrant_admin.core.errors import AccessDenied, BadInput, RateLimited, ServerUnreachable, SourceUnreadable
from qdrant_admin.database.gateway import Database
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.search import unwrapped, vector_fields
from qdrant_admin.sources.uri import KEY_VARIABLE, parse
from tests.migration.support import moved, planned, workspace
from tests.support.answering import Answered, Asked, answering
from tests.support.real import Server, free_port

KINDS = ("elasticsearch", "opensearch")
SHARDS = 2


class Cluster:
    """Indices of two shards, a point in time that is frozen, and searches that go on behind a sort value."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        vector = {"type": "dense_vector", "dims": 3, "index": True, "similarity": "l2_norm"}
        if kind == "opensearch":
            vector = {"type": "knn_vector", "dimension": 3, "method": {"name": "hnsw", "space_type": "l2"}}
        words = {"type": "text"}
        self.mappings: dict[str, dict[str, Any]] = {
            "articles": {"title": words, "inner": {"properties": {"vector": vector, "year": {"type": "integer"}}}},
            "chunks": {"text": words, "vector": vector, "metadata": {"properties": {"page": {"type": "long"}}}},
            "logs": {"message": words},
            ".kibana": {"vector": vector},
        }
        self.aliases: dict[str, dict[str, Any]] = {
            "articles": {"current": {}, "all": {}},
            "chunks": {"all": {}},
            "logs": {},
        }
        self.documents: dict[str, list[dict[str, Any]]] = {
            "articles": [self.article(n) for n in range(90)],
            "chunks": [
                {"_id": f"c{n}", "_source": {"text": f"chunk {n}", "metadata": {"page": n}, "vector": [n, 0, 1]}}
                for n in range(3)
            ],
        }
        self.points: dict[str, list[dict[str, Any]]] = {}
        self.opened = 0
        self.key = ""
        self.fault: Answered | None = None
        self.failed_shards = 0

    @staticmethod
    def article(n: int) -> dict[str, Any]:
        inner = {"year": 1990 + n} | ({} if n == 7 else {"vector": [n, 0.25, -1]})
        return {"_id": f"article/{n}", "_source": {"title": f"Title {n}", "inner": inner}}

    def answer(self, asked: Asked) -> Answered:
        if self.key and asked.headers.get("Authorization") != self.key:
            answered = Answered({"error": {"type": "security_exception", "reason": "missing credentials"}}, 401)
        else:
            answered = self.fault or self.answered(asked)
        product = (("X-Elastic-Product", "Elasticsearch"),) if self.kind == "elasticsearch" else ()
        return Answered(answered.content, answered.status, (*answered.headers, *product))

    def answered(self, asked: Asked) -> Answered:
        index, _, rest = asked.path.strip("/").partition("/")
        if asked.path == "/":
            return Answered(
                {"version": {"number": "9.1.0", "distribution": self.kind}, "tagline": "You Know, for Search"}
            )
        if asked.path == "/_mapping":
            return Answered({name: {"mappings": {"properties": fields}} for name, fields in self.mappings.items()})
        if asked.path == "/_alias":
            return Answered({name: {"aliases": found} for name, found in self.aliases.items()})
        if rest == "_count":
            return Answered({"count": len(self.documents[index]), "_shards": {"total": SHARDS, "failed": 0}})
        return self.point(asked, index, rest)

    def point(self, asked: Asked, index: str, rest: str) -> Answered:
        opens = ("_pit", "id") if self.kind == "elasticsearch" else ("_search/point_in_time", "pit_id")
        if asked.method == "POST" and rest == opens[0]:
            assert asked.query["keep_alive"] == ["10m"]
            self.opened += 1
            self.points[f"{index}-{self.opened}"] = self.frozen(index)
            return Answered({opens[1]: f"{index}-{self.opened}", "_shards": {"total": SHARDS, "failed": 0}})
        if asked.method == "DELETE" and asked.path.strip("/") == opens[0]:
            for name in [asked.json["id"]] if self.kind == "elasticsearch" else asked.json["pit_id"]:
                del self.points[name]
            return Answered({"succeeded": True})
        if asked.path == "/_search":
            return self.search(asked.json)
        return Answered({"error": {"type": "invalid", "reason": f"no {asked.method} {asked.path}"}}, 400)

    def frozen(self, index: str) -> list[dict[str, Any]]:
        """Two documents share each number, one in each shard; where they lie in it is new with each point in time."""
        found = []
        for n, document in enumerate(self.documents[index]):
            number, shard = divmod(n, SHARDS)
            tie = (
                (shard << 32) + (17 * self.opened + number) % 1000 if self.kind == "elasticsearch" else document["_id"]
            )
            found.append({**document, "_index": index, "sort": [number, tie]})
        return sorted(found, key=lambda hit: hit["sort"])

    def search(self, body: dict[str, Any]) -> Answered:
        assert body["sort"][0] == {"_seq_no": "asc"}
        assert body["pit"]["keep_alive"] == "10m"
        hits = [
            hit
            for hit in self.points[body["pit"]["id"]]
            if "search_after" not in body or hit["sort"] > body["search_after"]
        ]
        sent = [self.shown(hit, body) for hit in hits[: body["size"]]]
        shards = {"total": SHARDS, "successful": SHARDS - self.failed_shards, "failed": self.failed_shards}
        return Answered({"timed_out": False, "_shards": shards, "pit_id": body["pit"]["id"], "hits": {"hits": sent}})

    def shown(self, hit: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        hit = json.loads(json.dumps(hit))
        fields = {}
        for path in body.get("fields", []):
            *way, leaf = path.split(".")
            below = hit["_source"]
            for step in way:
                below = below[step]
            if leaf in below:
                fields[path] = below.pop(leaf)
        return hit | ({"fields": fields} if fields else {})


@pytest.fixture(params=KINDS)
def cluster(request: pytest.FixtureRequest) -> Cluster:
    return Cluster(request.param)


@pytest.fixture
def uri(cluster: Cluster) -> Iterator[str]:
    with answering(cluster.answer) as place:
        yield f"{cluster.kind}+http://{place}"


@pytest.mark.server
def test_every_index_with_vectors_arrives(server: Server, uri: str, cluster: Cluster) -> None:
    plan = planned(workspace(server), uri)
    assert {one.source: one.count for one in plan.collections} == {"articles": 90, "chunks": 3}
    assert {one.source: one.aliases for one in plan.collections} == {"articles": ("current",), "chunks": ()}
    assert any("not tested against a live server" in problem.text for problem in plan.problems)
    assert any("stands for several indices" in problem.text for problem in plan.problems)
    report = moved(workspace(server), uri, batch_size=20)
    assert report.verdict == "verified"
    assert {one.source: one.verified for one in report.collections} == {"articles": 90, "chunks": 3}
    assert not cluster.points
    with Database(server.endpoint) as database:
        points = {one.payload["source_id"]: one for page in database.scan("current") for one in page}
        chunks = [one.payload for page in database.scan("chunks") for one in page]
        info = database.collection("articles")
    assert [(slot.name, slot.size, slot.distance) for slot in info.vectors] == [("", 3, "Euclid")]
    assert points["article/5"].payload == {"title": "Title 5", "inner": {"year": 1995}, "source_id": "article/5"}
    assert points["article/5"].vectors[""].tolist() == [5, 0.25, -1]  # type: ignore[union-attr] # it is dense
    assert points["article/7"].vectors == {}
    assert sorted(chunk["metadata"]["page"] for chunk in chunks) == [0, 1, 2]
    assert {chunk["page_content"] for chunk in chunks} == {"chunk 0", "chunk 1", "chunk 2"}


def test_a_cursor_goes_on_in_another_point_in_time(uri: str) -> None:
    with closing(open_source(parse(uri))) as source:
        whole = [record.id for batch in source.batches("articles", size=64) for record in batch.records]
    assert len(set(whole)) == len(whole) == 90
    for taken in (1, 40):
        with closing(open_source(parse(uri))) as source:
            first = next(source.batches("articles", size=taken))
        with closing(open_source(parse(uri))) as source:
            rest = [r.id for batch in source.batches("articles", size=17, after=first.cursor) for r in batch.records]
        assert [record.id for record in first.records] + rest == whole


def test_an_answer_that_lacks_a_shard_is_no_answer(uri: str, cluster: Cluster) -> None:
    with closing(open_source(parse(uri))) as source:
        batches = source.batches("articles", size=20)
        next(batches)
        cluster.failed_shards = 1
        with pytest.raises(SourceUnreadable, match="1 of 2 shards failed"):
            list(batches)


@pytest.mark.parametrize(
    ("key", "elastic", "open_search"),
    [("me:secret", "Basic bWU6c2VjcmV0", "Basic bWU6c2VjcmV0"), ("a-token", "ApiKey a-token", "Bearer a-token")],
)
def test_keys(
    uri: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, key: str, elastic: str, open_search: str
) -> None:
    cluster.key = elastic if cluster.kind == "elasticsearch" else open_search
    with pytest.raises(AccessDenied, match="asks for a key"):
        open_source(parse(uri))
    monkeypatch.setenv(KEY_VARIABLE, key)
    open_source(parse(uri)).close()
    monkeypatch.setenv(KEY_VARIABLE, "wrong")
    with pytest.raises(AccessDenied, match="does not take the key"):
        open_source(parse(uri))


def test_faults_are_told_in_the_users_terms(uri: str, cluster: Cluster) -> None:
    with pytest.raises(BadInput, match="no collection logs"):
        open_source(parse(f"{uri}?collection=logs"))
    cluster.fault = Answered({"error": {"type": "rejected", "reason": "slow down"}}, 429)
    with pytest.raises(RateLimited):
        open_source(parse(uri))
    with pytest.raises(ServerUnreachable):
        open_source(parse(f"{cluster.kind}+http://127.0.0.1:{free_port()}"))


def test_a_server_older_than_its_client_names_the_client_that_fits() -> None:
    reason = "Accept version must be either version 8 or 7, but found 9. compatible-with=9"
    fault = Answered({"error": {"type": "media_type_header_exception", "reason": reason}, "status": 400}, 400)
    cluster = Cluster("elasticsearch")
    cluster.fault = fault
    with answering(cluster.answer) as place, pytest.raises(SourceUnreadable, match="older than its client") as caught:
        open_source(parse(f"elasticsearch+http://{place}"))
    assert caught.value.fix == install_command("elasticsearch>=8,<9")


def test_which_fields_are_vectors_and_what_stays_payload() -> None:
    notes: list[str] = []
    fields = vector_fields(
        {
            "cosine": {"type": "dense_vector", "dims": 4},
            "dot": {"type": "dense_vector", "dims": 4, "similarity": "max_inner_product"},
            "bits": {"type": "dense_vector", "dims": 64, "element_type": "bit"},
            "scripted": {"type": "dense_vector", "dims": 4, "index": False},
            "inner": {"type": "knn_vector", "dimension": 4, "space_type": "innerproduct"},
            "city": {"type": "knn_vector", "dimension": 4, "method": {"space_type": "l1"}},
            "far": {"type": "knn_vector", "dimension": 4, "space_type": "linf"},
            "trained": {"type": "knn_vector", "model_id": "m"},
            "passages": {"type": "nested", "properties": {"vector": {"type": "dense_vector", "dims": 4}}},
        },
        None,
        notes,
    )
    assert {field.name: (field.size, field.distance) for field in fields} == {
        "cosine": (4, "Cosine"),
        "dot": (4, "Dot"),
        "scripted": (4, "Cosine"),
        "inner": (4, "Dot"),
        "city": (4, "Manhattan"),
        "trained": (None, "Euclid"),
    }
    assert [note.split()[1] for note in notes] == ["bits", "scripted", "far", "passages"]


def test_documents_of_frameworks_are_unwrapped() -> None:
    assert unwrapped({"text": "t", "metadata": {"a": 1}}) == ({"a": 1}, "t")
    assert unwrapped({"content": "t", "metadata": {"_node_content": "{}"}}) == ({"_node_content": "{}"}, "t")
    assert unwrapped({"id": "x", "payload": {"data": "d"}}) == ({"id": "x", "data": "d"}, None)
    assert unwrapped({"title": "t"}) == ({"title": "t"}, None)

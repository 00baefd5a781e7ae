"""A real Redis, with hashes as programs write them."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdrant_admin.core.errors import AccessDenied, AdminError, BadInput, ServerUnreachable, SourceUnreadable
from qdrant_admin.database.retry import TRANSIENT
from qdrant_admin.sources.base import Record
from qdrant_admin.sources.layouts import Layout
from qdrant_admin.sources.redis import RedisHashes, SearchIndex, compared, index_of
from qdrant_admin.sources.uri import KEY_VARIABLE, parse
from tests.migration.support import moved, workspace
from tests.sources.support import server_uri
from tests.support.real import Server, free_port
from tests.support.redis_server import RedisServer


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for this file."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def store(shared: RedisServer) -> RedisServer:
    """The same, empty."""
    with shared.client() as client:
        client.flushall()
    return shared


def filled(store: RedisServer, hashes: dict[str | bytes, dict[str, Any]]) -> None:
    with store.client() as client, client.pipeline(transaction=False) as pipeline:
        for key, fields in hashes.items():
            pipeline.hset(key, mapping=fields)
        pipeline.execute()


def floats(*numbers: float) -> bytes:
    return np.array(numbers, dtype="<f4").tobytes()


def numbered(prefix: str, count: int) -> dict[str | bytes, dict[str, Any]]:
    return {f"{prefix}:{n}": {"embedding": floats(n, 1, 2, 3), "n": n, "text": f"text {n}"} for n in range(count)}


def opened(store: RedisServer, query: str = "") -> contextlib.closing[RedisHashes]:
    return contextlib.closing(RedisHashes(server_uri(f"{store.url}{query}")))


def records(source: RedisHashes, name: str, **arguments: Any) -> dict[Any, Record]:
    found = [record for batch in source.batches(name, **{"size": 7, **arguments}) for record in batch.records]
    assert len({record.id for record in found}) == len(found)
    return {record.id: record for record in found}


def everything(store: RedisServer) -> dict[bytes, Any]:
    with store.client() as client:
        return {key: client.dump(key) for key in sorted(client.scan_iter())}


def test_a_second_field_with_the_name_of_a_vector_is_told(store: RedisServer) -> None:
    fields = {"embedding": floats(1, 2, 3, 4), "content_vector": floats(5, 6, 7, 8), "text": "a"}
    filled(store, {"doc:1": fields, "doc:2": {"embedding": floats(1, 2, 3, 5), "text": "b"}})
    with opened(store) as source:
        (found,) = source.collections()
    assert any("content_vector may hold vectors, too" in told for told in found.warnings)
    with opened(store, "?vector=embedding,content_vector") as source:
        (found,) = source.collections()
    assert not any("too" in told for told in found.warnings)


def test_each_prefix_is_a_collection_that_arrives_verified(store: RedisServer, server: Server) -> None:
    filled(store, {**numbered("doc", 300), **numbered("app:notes", 30), "bare": {"embedding": floats(1, 2)}})
    filled(store, {"session:1": {"user": "ann"}, b"doc:\xff": {"embedding": floats(1, 2, 3, 4)}})
    filled(store, {"doc:short": {"embedding": floats(1)}, "doc:none": {"n": 1}, "doc:cut": {"embedding": b"123"}})
    with store.client() as client:
        client.set("doc:text", "no hash")
    before = everything(store)
    with opened(store) as source:
        assert source.kind.startswith("Redis ")
        found = {one.name: one for one in source.collections()}
    assert {name: one.count for name, one in found.items()} == {"doc": 304, "app:notes": 30, "redis-0": 1}
    told = " / ".join(found["doc"].warnings)
    for words in ("Cosine is taken", "1 hash without a vector", "2 hashes will be rejected", "1 key of this prefix"):
        assert words in told
    report = moved(workspace(server), f"{store.url}?distance=dot", batch_size=64)
    results = {one.source: one for one in report.collections}
    assert {name: (one.read, one.rejected, one.verified) for name, one in results.items()} == {
        "doc": (304, 4, 300),
        "app:notes": (30, 0, 30),
        "redis-0": (1, 0, 1),
    }
    reasons = {reject.id: reject.reason for reject in report.rejects}
    assert "no vector" in reasons["none"]
    assert "1 components" in reasons["short"]
    assert "3 bytes" in reasons["cut"]
    assert everything(store) == before


def test_keys_are_read_in_one_order_wherever_reading_begins(store: RedisServer) -> None:
    filled(store, numbered("doc", 100))
    with opened(store) as source:
        whole = list(records(source, "doc"))
        assert (len(whole), whole[:3]) == (100, [0, 1, 10])
        spans = source.spans("doc", 4)
        parts = [list(records(source, "doc", after=span.after, until=span.until)) for span in spans]
        assert [len(part) for part in parts] == [25, 25, 25, 25]
        assert [identity for part in parts for identity in part] == whole
        first = next(iter(source.batches("doc", size=40)))
        mark = source.mark("doc")
    filled(store, {"doc:a-new-one": {"embedding": floats(1, 2, 3, 4)}})
    with opened(store) as again:
        rest = list(records(again, "doc", after=first.cursor))
        assert again.mark("doc") == mark
    assert [record.id for record in first.records] + rest == [*whole, "a-new-one"]
    with opened(store, "?vector=text") as other:
        assert other.mark("doc") != mark


def test_the_field_of_the_vector_is_that_of_most_hashes(store: RedisServer) -> None:
    other: dict[str | bytes, dict[str, Any]] = {f"doc:z{n}": {"vector": floats(n, 1, 2, 3)} for n in range(3)}
    filled(store, {**numbered("doc", 2500), **other, "doc:both": {"vector": b"abc", "embedding": floats(1, 2, 3, 4)}})
    with opened(store) as source:
        (found,) = source.collections()
        assert found.count == 2504
        rows = records(source, "doc", size=500)
    assert [identity for identity, row in rows.items() if not row.vectors] == ["z0", "z1", "z2"]
    assert rows["both"].payload == {"vector": "abc"}


def test_a_key_that_is_gone_since_it_was_listed_is_rejected(store: RedisServer) -> None:
    filled(store, numbered("doc", 10))
    with opened(store) as source:
        assert source.collections()[0].count == 10
        with store.client() as client:
            client.delete("doc:3")
            client.delete("doc:4")
            client.set("doc:4", "now a text")
        rows = records(source, "doc")
    assert [identity for identity, row in rows.items() if "gone" in row.trouble] == [3, 4]


MEM0 = {
    "memory_id": "00000000-0000-4000-8000-000000000001",
    "hash": "d41d8cd98f00b204e9800998ecf8427e",
    "memory": "likes tea",
    "created_at": 1700000000,
    "user_id": "ann",
    "metadata": json.dumps({"mood": "good", "role": "user"}),
}


@pytest.mark.parametrize(
    ("key", "fields", "field", "layout", "payload"),
    [
        (
            "mem0:memories:00000000-0000-4000-8000-000000000001",
            MEM0,
            "embedding",
            "Mem0",
            {
                "data": "likes tea",
                "hash": "d41d8cd98f00b204e9800998ecf8427e",
                "created_at": "2023-11-14T22:13:20.000000+00:00",
                "user_id": "ann",
                "mood": "good",
                "role": "user",
            },
        ),
        (
            "doc:index:5f0c",
            {"content": "Soup", "page": 1, "source": "a.txt"},
            "content_vector",
            "LangChain",
            {"page_content": "Soup", "metadata": {"page": "1", "source": "a.txt"}},
        ),
        (
            "index:01HV",
            {"text": "Soup", "page": 1, "_metadata_json": '{"page": 1, "tags": ["a"]}', "_index_name": "index"},
            "embedding",
            "LangChain",
            {"page_content": "Soup", "metadata": {"page": 1, "tags": ["a"]}},
        ),
        (
            "plain:1",
            {"text": '{"stays": "text"}', "metadata": '{"n": 1}', "meta": "{no json", "raw": b"\xff\x00", "": "x"},
            "vector",
            "as in the hash",
            {"text": '{"stays": "text"}', "metadata": {"n": 1}, "meta": "{no json", "raw": "/wA=", "": "x"},
        ),
    ],
    ids=["mem0", "langchain-community", "langchain-redis", "plain"],
)
def test_hashes_of_known_programs_keep_their_layout(
    store: RedisServer, key: str, fields: dict[str, Any], field: str, layout: Layout, payload: dict[str, Any]
) -> None:
    filled(store, {key: {**fields, field: floats(0.5, -0.25)}})
    with opened(store) as source:
        (found,) = source.collections()
        assert layout in found.payload
        assert found.spec
        assert [slot.size for slot in found.spec.vectors if slot.name == ""] == [2]
        (record,) = records(source, found.name).values()
    assert record.payload == payload
    assert np.asarray(record.vectors[""]).tolist() == [0.5, -0.25]


def test_numbers_of_64_bits_are_told_from_those_of_32(store: RedisServer) -> None:
    generator = np.random.default_rng(7)
    doubles = generator.normal(size=(20, 16))
    filled(store, {f"doc:{n}": {"vector": row.tobytes()} for n, row in enumerate(doubles)})
    filled(store, {f"half:{n}": {"vector": row.astype("<f2").tobytes()} for n, row in enumerate(doubles)})
    with opened(store, "?collection=doc") as source:
        (found,) = source.collections()
        assert "64 bits" in found.warnings[0]
        assert found.spec
        assert found.spec.vectors[0].size == 16
        assert np.array_equal(np.asarray(records(source, "doc")[3].vectors[""]), doubles[3].astype(np.float32))
    with opened(store, "?dtype=float16&prefix=half") as source:
        assert np.array_equal(np.asarray(records(source, "half")[3].vectors[""]), doubles[3].astype("<f2"))


def test_a_prefix_and_fields_can_be_asked_for(store: RedisServer) -> None:
    filled(store, {f"rag:{n}:{m}": {"a": floats(n, m), "b": floats(1)} for n in range(120) for m in range(2)})
    filled(store, {"ra*:1:1": {"a": floats(1, 2)}, "ragged:1": {"a": floats(1, 2)}})
    with opened(store, "?prefix=rag:&vector=a,b") as source:
        (found,) = source.collections()
        assert (found.name, found.count) == ("rag", 240)
        assert found.spec
        assert [(slot.name, slot.size) for slot in found.spec.vectors] == [("a", 2), ("b", 1)]
        assert records(source, "rag")["7:1"].vectors.keys() == {"a", "b"}
    with opened(store, "?prefix=ra*&vector=a") as source:
        assert source.collections()[0].count == 1
    assert "prefix=ra" in _refused(f"{store.url}?vector=a", BadInput).fix
    assert "vector=FIELD" in _refused(store.url, SourceUnreadable).fix
    assert "nix" in _refused(f"{store.url}?vector=a&prefix=rag&collection=nix", BadInput).what
    assert "dtype" in _refused(f"{store.url}?dtype=int7", BadInput).what


def test_a_server_that_goes_away_is_waited_for_and_read_on(tmp_path: Path) -> None:
    own = RedisServer(tmp_path / "redis", options=("--appendonly", "yes")).start()
    try:
        filled(own, numbered("doc", 30))
        with opened(own) as source:
            batches = source.batches("doc", size=10)
            first = next(batches)
            own.stop()
            for _ in range(2):
                with pytest.raises(TRANSIENT):
                    next(source.batches("doc", size=10, after=first.cursor))
            own.start()
            assert len(records(source, "doc", after=first.cursor)) == 20
    finally:
        own.stop()


def test_who_may_not_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = RedisServer(tmp_path / "redis", options=("--requirepass", "only-for-tests")).start()
    try:
        with own.client(password="only-for-tests") as client:
            client.hset("doc:1", mapping={"embedding": floats(1, 2)})
            client.acl_setuser("reader", enabled=True, passwords=["+reader-secret"], keys=["*"], commands=["+info"])
            client.acl_setuser("half", enabled=True, passwords=["+reader-secret"], keys=["other:*"],
                               commands=["+info", "+scan", "+hstrlen", "+hgetall"])  # fmt: skip
        assert KEY_VARIABLE in _refused(own.url, AccessDenied).fix
        monkeypatch.setenv("REDISCLI_AUTH", "only-for-tests")
        with opened(own) as source:
            assert source.collections()[0].count == 1
        monkeypatch.setenv(KEY_VARIABLE, "reader-secret")
        for user in ("reader", "half"):
            error = _refused(own.url.replace("//", f"//{user}@"), AccessDenied)
            assert "ACL SETUSER" in error.fix
            assert "reader-secret" not in f"{error.what}{error.why}{error.fix}"
    finally:
        own.stop()


def test_over_tls_with_an_authority_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", "key.pem", "-out", "cert.pem"], cwd=tmp_path, check=True, capture_output=True)
    place = free_port()
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    options: tuple[str, ...] = ("--tls-port", str(place), "--tls-cert-file", cert, "--tls-key-file", key)
    options += ("--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
    own = RedisServer(tmp_path / "redis", options=options).start()
    try:
        filled(own, numbered("doc", 3))
        uri = f"rediss://127.0.0.1:{place}/0"
        assert "certificate" in _refused(uri, ServerUnreachable).why
        monkeypatch.setenv("SSL_CERT_FILE", cert)
        with contextlib.closing(RedisHashes(server_uri(uri))) as source:
            assert len(records(source, "doc")) == 3
    finally:
        own.stop()


def test_what_is_not_there_is_told(store: RedisServer, server: Server, tmp_path: Path) -> None:
    assert "no Redis answers" in _refused(f"redis://127.0.0.1:{free_port()}", ServerUnreachable).what
    assert "out of range" in _refused(store.url.replace("/0", "/99"), SourceUnreadable).why
    assert "numbers" in _refused(store.url.replace("/0", "/notes"), BadInput).why
    _refused(f"redis://127.0.0.1:{server.port}", SourceUnreadable)  # something else answers there
    with pytest.raises(BadInput, match="secret"):
        parse("redis://:hunter2@127.0.0.1/0")
    own = RedisServer(
        tmp_path / "redis", options=("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    ).start()
    try:
        assert "cluster" in _refused(own.url, SourceUnreadable).what
    finally:
        own.stop()


def _refused(uri: str, kind: type[AdminError]) -> AdminError:
    with pytest.raises(kind) as caught:
        _collections(uri)
    assert caught.value.fix
    return caught.value


def _collections(uri: str) -> None:
    with contextlib.closing(RedisHashes(server_uri(uri))) as source:
        source.collections()


def test_an_index_says_how_vectors_are_compared() -> None:
    """As a Redis with its query engine answers FT.INFO; the one of these tests has none."""
    vector: list[Any] = [b"identifier", b"embedding", b"attribute", b"embedding", b"type", b"VECTOR"]
    vector += [b"algorithm", b"HNSW", b"data_type", b"FLOAT32", b"dim", 4, b"distance_metric", b"IP", b"M", 16]
    text = [b"identifier", b"text", b"attribute", b"text", b"type", b"TEXT", b"WEIGHT", b"1"]
    defined = [b"key_type", b"HASH", b"prefixes", [b"doc:", b"memo:"], b"default_score", b"1"]
    answer = [b"index_name", b"idx", b"index_options", [], b"index_definition", defined, b"attributes", [text, vector]]
    index = index_of([*answer, b"num_docs", 3])
    assert index == SearchIndex("idx", (b"doc:", b"memo:"), {"embedding": "Dot"})
    assert compared([index], b"memo:", "embedding") == ("Dot", "idx")
    assert compared([index], b"memo:", "other") is None
    assert compared([index], b"", "embedding") is None, "the index knows some of these keys only"

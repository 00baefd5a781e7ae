import contextlib
import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdrant_admin.core.errors import AccessDenied, BadInput, ServerUnreachable, SourceUnreadable
from qdrant_admin.database.models import Sparse
from qdrant_admin.sources.base import Record, SourceCollection
from qdrant_admin.sources.files.values import Unfit
from qdrant_admin.sources.milvus import server as milvus_client
from qdrant_admin.sources.milvus import server as milvus_server
from qdrant_admin.sources.milvus.schema import Field, Schema, vector_of
from qdrant_admin.sources.milvus.server import MilvusServer
from qdrant_admin.sources.uri import KEY_VARIABLE
from tests.migration.support import hashes, moved, workspace
from tests.sources.support import server_uri
from tests.support.milvus import fill, row, served, stopped
from tests.support.real import Server


@pytest.fixture(scope="module")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, set[int]]]:
    """Address, folder, and the ids in the collection `all`."""
    folder = tmp_path_factory.mktemp("milvus") / "m.db"
    with served(folder) as (address, client):
        yield address, folder, fill(client)


def opened(address: str, query: str = "") -> Any:
    return contextlib.closing(MilvusServer(server_uri(f"milvus+http://{address}{query}")))


def read(address: str, name: str, query: str = "", *, size: int = 3) -> tuple[SourceCollection, list[Record]]:
    with opened(address, query) as source:
        found = {collection.name: collection for collection in source.collections()}
        return found[name], [record for batch in source.batches(name, size=size) for record in batch.records]


def test_every_record_comes_as_it_was_given(milvus: tuple[str, Path, set[int]]) -> None:
    address, folder, ids = milvus
    before = hashes(folder)
    found, records = read(address, "all")
    assert found.count == len(records)
    assert {record.id for record in records} == ids
    for record in records:
        number = int(record.id)
        wanted = row(number) | {"extra": {3: "new", 21: "newest"}.get(number, number)}
        wanted["partition"] = "mine" if 10 <= number < 15 else "_default"
        for name in ("dense", "other"):
            assert np.array_equal(np.asarray(record.vectors[name]), wanted.pop(name))
        sparse = record.vectors["sparse"]
        assert isinstance(sparse, Sparse)
        assert dict(zip(sparse.indices.tolist(), sparse.values.tolist(), strict=True)) == wanted.pop("sparse")
        assert record.payload == {name: value for name, value in wanted.items() if name != "id"}
    assert found.aliases == ("everything",)
    assert found.spec is not None
    assert [(slot.name, slot.distance) for slot in found.spec.vectors] == [
        ("dense", "Euclid"),
        ("other", "Dot"),
        ("sparse", None),
    ]
    assert hashes(folder) == before


def test_auto_ids_and_empty_collections(milvus: tuple[str, Path, set[int]]) -> None:
    found, records = read(milvus[0], "plain")
    assert (found.count, len({record.id for record in records})) == (30, 30)
    assert sorted(record.payload["n"] for record in records) == list(range(30))
    found, records = read(milvus[0], "empty", "?collection=empty")
    assert (found.count, records) == (0, [])


def test_parts_together_are_the_whole_and_a_cursor_goes_on(
    milvus: tuple[str, Path, set[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus_server, "_EVERY", 2)
    monkeypatch.setattr(milvus_server, "LONGEST_PAGE", 3)
    with opened(milvus[0]) as source:
        for name in ("all", "plain"):
            whole = [record.id for batch in source.batches(name, size=4) for record in batch.records]
            assert len(whole) == source._survey(name)[0]
            for parts, size in itertools.product((1, 2, 5), (1, 100)):
                spans = source.spans(name, parts)
                assert len(spans) == parts
                assert whole == [
                    record.id
                    for span in spans
                    for batch in source.batches(name, size=size, after=span.after, until=span.until)
                    for record in batch.records
                ]
            for batch in list(source.batches(name, size=4)):
                rest = [r.id for later in source.batches(name, size=9, after=batch.cursor) for r in later.records]
                assert whole[whole.index(batch.records[-1].id) + 1 :] == rest


def test_text_keys_of_every_kind_are_read(tmp_path: Path) -> None:
    keys = ["", 'quote"', "back\\slash", "new\nline", "'", "ä", "日本", "%", "_", "a" * 200, "😀"]
    with served(tmp_path / "m.db") as (address, client):
        client.create_collection("keys", dimension=2, id_type="string", max_length=999)
        client.insert("keys", [{"id": key, "vector": [1.0, 0.0]} for key in keys])
        found, records = read(address, "keys", size=2)
        assert sorted(str(record.id) for record in records) == sorted(keys)
        assert found.count == len(keys)


def test_faults_are_told(
    milvus: tuple[str, Path, set[int]], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ServerUnreachable, match="no Milvus"):
        read("127.0.0.1:1", "all")
    with pytest.raises(BadInput):
        read(milvus[0], "nope", "?collection=nope")
    from pymilvus import MilvusException

    monkeypatch.setenv(KEY_VARIABLE, "root:secret")
    denied = MilvusException(code=65535, message="auth check failure, please check username and password are correct")
    with opened(milvus[0]) as source:
        monkeypatch.setattr(source._client, "list_aliases", lambda *_, **__: (_ for _ in ()).throw(denied))
        with pytest.raises(AccessDenied) as told:
            source.collections()
    assert "secret" not in f"{told.value} {told.value.fix}"
    assert "Traceback" not in capfd.readouterr().err
    assert logging.getLogger("pymilvus").level == logging.CRITICAL


def test_a_server_that_goes_away_is_a_passing_fault_and_what_it_forgot_to_load_is_released_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus_client, "_TIMEOUT_SECONDS", 1.0)
    folder = tmp_path / "m.db"
    with served(folder) as (address, client):
        client.create_collection("c", dimension=2)
        client.insert("c", [{"id": number, "vector": [1.0, 0.0]} for number in range(9)])
        with opened(address) as source:
            batches = source.batches("c", size=4)
            first = next(batches)
            assert [record.id for record in first.records] == [0, 1, 2, 3]
            with stopped(address), pytest.raises(ServerUnreachable):
                list(batches)
    with served(folder) as (address, client):
        with pytest.raises(SourceUnreadable, match="not loaded"):
            read(address, "c")
        with opened(address, "?load=yes") as source:
            rest = [record.id for batch in source.batches("c", size=4, after=first.cursor) for record in batch.records]
            assert client.get_load_state("c")["state"].name == "Loaded"
        assert client.get_load_state("c")["state"].name == "NotLoad"
    assert rest == list(range(4, 9))


def test_vectors_of_every_type_are_understood() -> None:
    wanted = np.array([1.0, -2.5, 0.15625, 0.0], dtype=np.float32)
    halves = (wanted.view(np.uint32) >> 16).astype(np.uint16)
    for kind, value in (
        ("float_vector", wanted.tolist()),
        ("float_vector", wanted),
        ("float16_vector", wanted.astype(np.float16).tobytes()),
        ("float16_vector", [wanted.astype(np.float16).tobytes()]),
        ("bfloat16_vector", halves.tobytes()),
        ("bfloat16_vector", [halves.tobytes()]),
    ):
        assert np.array_equal(np.asarray(vector_of(kind, value)), wanted)
    small = np.array([1, -128, 127], dtype=np.int8)
    for given in (small, small.tobytes(), [small.tobytes()], small.tolist()):
        assert np.array_equal(np.asarray(vector_of("int8_vector", given)), small.astype(np.float32))
    sparse = vector_of("sparse_float_vector", {9: 0.5, 2: 1.0})
    assert isinstance(sparse, Sparse)
    assert sparse.indices.tolist() == [2, 9]
    for kind, bad in (("float_vector", "text"), ("sparse_float_vector", [1.0]), ("float_vector", {1: 2.0})):
        with pytest.raises(Unfit):
            vector_of(kind, bad)


@pytest.mark.parametrize(
    ("fields", "metrics", "words"),
    [
        ((Field("b", "binary_vector", 64),), {}, "binary"),
        ((Field("v", "float_vector", 4), Field("s", "array_of_struct")), {}, "structs"),
        ((Field("t", "varchar"),), {}, "no field of vectors"),
        ((Field("v", "float_vector", 4),), {"v": "HAMMING"}, "HAMMING"),
    ],
)
def test_what_qdrant_cannot_hold_is_refused_with_words(
    fields: tuple[Field, ...], metrics: dict[str, str], words: str
) -> None:
    with pytest.raises(SourceUnreadable, match=words):
        Schema("c", "id", (Field("id", "int64", primary=True), *fields), metrics).spec()


@pytest.mark.server
def test_a_collection_arrives_and_is_verified(server: Server, milvus: tuple[str, Path, set[int]]) -> None:
    report = moved(workspace(server), f"milvus+http://{milvus[0]}?collection=all", to="from-milvus-server")
    assert report.verdict == "verified"

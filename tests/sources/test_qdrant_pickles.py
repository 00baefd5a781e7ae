"""Components cut out of a pickle are those that the whole pickle holds, and what is left is the rest of it."""

import contextlib
import pickle
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import models

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.sources.base import Batch
from qdrant_admin.sources.qdrant.local import PointPickles, QdrantLocal
from qdrant_admin.sources.read_only import RestrictedUnpickler, StandIn
from tests.migration.support import local_store
from tests.sources.support import folder_uri

_STAND_INS = {("qdrant_client.http.models.models", "PointStruct"): StandIn}
_IDS = st.integers(0, 2**64 - 1) | st.uuids().map(str)
_PAYLOADS = st.none() | st.dictionaries(st.text(max_size=3) | st.sampled_from(["id", "vector", "payload"]),
                                        st.integers() | st.text() | st.floats() | st.none())  # fmt: skip
_NUMBERS = st.floats(allow_nan=False) | st.integers(-5, 5)


def _pickled(identity: Any, vector: Any, payload: Any, protocol: int | None = None) -> bytes:
    # As the client makes it: nothing of a point is looked at again.
    return pickle.dumps(models.PointStruct.model_construct(id=identity, vector=vector, payload=payload), protocol)


def _fields(blob: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = RestrictedUnpickler(blob, _STAND_INS).load().fields
    return fields


@given(
    st.lists(st.tuples(_IDS, st.lists(_NUMBERS, min_size=1, max_size=5), _PAYLOADS), min_size=1, max_size=4),
    st.sampled_from(["", "text", "nämlich"]),
)
def test_what_is_cut_out_and_what_is_left_are_the_whole(points: list[tuple[Any, list[float], Any]], slot: str) -> None:
    size = len(points[0][1])
    blobs = [_pickled(one, {slot: vector} if slot else vector, payload) for one, vector, payload in points]
    split = PointPickles(slot, size).split(blobs)
    # Pickle writes a list of one without the mark that a longer one has.
    regular = size > 1 and all(len(vector) == size and set(map(type, vector)) == {float} for _, vector, _ in points)
    assert (split is not None) == regular
    if split is not None:
        rests, vectors = split
        with np.errstate(all="ignore"):
            wanted = np.asarray([vector for _, vector, _ in points], dtype=np.float32)
        assert np.array_equal(vectors.view(np.uint32), wanted.view(np.uint32))
        for rest, (identity, _, payload) in zip(rests, points, strict=True):
            left = {"id": identity, "vector": {slot: []} if slot else [], "payload": payload}
            assert repr(_fields(rest)) == repr(left)  # NaN in a payload is not equal to itself


@pytest.mark.parametrize("size", [999, 1000, 1002, 2000, 3072])
def test_long_vectors_come_whole(size: int) -> None:
    vector = np.random.default_rng(1).normal(size=size).tolist()
    split = PointPickles("", size).split([_pickled(7, vector, {"n": 1})] * 2)
    assert split is not None
    assert np.array_equal(split[1], np.asarray([vector] * 2, dtype=np.float32))
    assert _fields(split[0][0]) == {"id": 7, "vector": [], "payload": {"n": 1}}


_OTHERS = {
    "an older protocol": _pickled(1, [1.0, 2.0, 3.0], {}, protocol=2),
    "a name": _pickled(1, {"a": [1.0, 2.0]}, {}),
    "rows": _pickled(1, [[1.0, 2.0]], {}),
    "a pair": _pickled(1, (1.0, 2.0), {}),
    "no vector": _pickled(1, None, {}),
    "cut short": _pickled(1, [1.0, 2.0], {})[:-30],
    "empty": b"",
    "nothing": None,
}


@pytest.mark.parametrize("form", _OTHERS)
def test_any_other_form_is_left_alone(form: str) -> None:
    fine = _pickled(1, [1.0, 2.0], {})
    blobs: list[Any] = [fine, _OTHERS[form]]
    assert PointPickles("", 2).split(blobs) is None


def _batches(folder: Path) -> list[Batch]:
    with contextlib.closing(QdrantLocal(folder_uri(f"qdrant-local:{folder}"))) as source:
        return [batch for one in source.collections() for batch in source.batches(one.name, size=10)]


def test_a_vector_of_another_size_goes_record_by_record(tmp_path: Path) -> None:
    points = [{"id": number, "vector": [1.5] * size, "payload": {}} for number, size in enumerate([4, 5, 3, 4])]
    (batch,) = _batches(local_store(tmp_path / "store", {"c": points}))
    assert batch.columns is None
    assert [len(np.asarray(record.vectors[""])) for record in batch.records] == [4, 5, 3, 4]


def test_a_payload_of_a_kind_of_its_own_is_said_in_json_either_way(tmp_path: Path) -> None:
    payload = {"when": "2024-05-01", "of": [1, {"more": None}], "yes": True}
    points = [{"id": number, "vector": [1.5, 2.5, 0.1, 7.25], "payload": payload} for number in range(3)]
    (batch,) = _batches(local_store(tmp_path / "store", {"c": points}))
    assert batch.columns is not None
    assert [record.payload for record in batch.records] == [payload] * 3


def test_a_damaged_rest_is_told(tmp_path: Path) -> None:
    points = [{"id": number, "vector": [1.5, 2.5, 0.1, 7.25], "payload": {"n": 1}} for number in range(2)]
    store = local_store(tmp_path / "store", {"c": points})
    with contextlib.closing(sqlite3.connect(store / "collection" / "c" / "storage.sqlite")) as writer:
        (blob,) = writer.execute("SELECT point FROM points WHERE rowid = 2").fetchone()
        hurt = blob.replace(b"\x8c\x07payload\x94", b"\x8c\x07payload0")
        writer.execute("UPDATE points SET point = ? WHERE rowid = 2", (hurt,))
        writer.commit()
    with pytest.raises(SourceUnreadable, match="row 2"):
        _batches(store)

import base64
import contextlib
import pickle
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import portalocker
import pytest

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.database.models import Sparse
from qdrant_admin.sources.base import Record
from qdrant_admin.sources.qdrant.local import QdrantLocal
from tests.migration.support import hashes, local_store, numbered
from tests.sources.support import folder_uri


def read(folder: Path, name: str) -> list[Record]:
    with contextlib.closing(QdrantLocal(folder_uri(f"qdrant-local:{folder}"))) as source:
        assert name in {collection.name for collection in source.collections()}
        return [record for batch in source.batches(name, size=3) for record in batch.records]


def test_every_kind_of_vector_is_read_and_nothing_changes(local: Path) -> None:
    before = hashes(local)
    found = {record.id: record for record in read(local, "everything")}
    assert set(found) == {1, 1 << 63, 3}
    assert found[1].payload == {"nested": {"a": [1, 2.0, None, True]}}
    assert np.array_equal(np.asarray(found[1].vectors["multi"]), [[1, 2], [3, 4]])
    sparse = found[1].vectors["sparse"]
    assert isinstance(sparse, Sparse)
    assert (sparse.indices.tolist(), sparse.values.tolist()) == ([3, 7], [0.25, 0.5])
    assert len(read(local, "debian_memories")) == 100
    assert hashes(local) == before


def test_configuration_and_aliases_are_told(local: Path) -> None:
    with contextlib.closing(QdrantLocal(folder_uri(f"qdrant-local:{local}?collection=everything"))) as source:
        (found,) = source.collections()
    assert (found.count, found.aliases) == (3, ("current",))
    assert found.spec is not None
    assert {slot.name: slot.kind for slot in found.spec.vectors} == {
        "dense": "dense",
        "multi": "multi",
        "sparse": "sparse",
    }


def test_a_hostile_pickle_runs_nothing(local: Path, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "it-ran",)

    file = local / "collection" / "everything" / "storage.sqlite"
    for column in ("point", "id"):
        content: Any = pickle.dumps(Hostile())
        with contextlib.closing(sqlite3.connect(file)) as writer:
            value = base64.b64encode(content).decode() if column == "id" else content
            writer.execute(f"UPDATE points SET {column} = ? WHERE rowid = 2", (value,))  # noqa: S608 # two constants
            writer.commit()
        with pytest.raises(SourceUnreadable, match="Nothing in it was run"):
            read(local, "everything")
    assert not (tmp_path / "it-ran").exists()


def test_a_locked_folder_is_told(local: Path) -> None:
    with (local / ".lock").open("r+") as held:
        portalocker.lock(held, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
        with pytest.raises(SourceUnreadable, match="in use"):
            read(local, "everything")
    assert len(read(local, "everything")) == 3


def test_a_damaged_or_foreign_folder_is_told(tmp_path: Path, chroma: Path, local: Path) -> None:
    with pytest.raises(SourceUnreadable, match="a Chroma directory"):
        QdrantLocal(folder_uri(f"qdrant-local:{chroma}"))
    (local / "meta.json").write_text("{")
    with pytest.raises(SourceUnreadable):
        QdrantLocal(folder_uri(f"qdrant-local:{local}"))
    hostile = local_store(tmp_path / "up" / "store", {"fine": numbered(1)})
    (hostile / "meta.json").write_text(
        '{"collections": {"../../outside": {"vectors": {"size": 4, "distance": "Dot"}}}}'
    )
    with pytest.raises(SourceUnreadable, match="outside"):
        read(hostile, "../../outside")


def test_several_rows_of_one_point_count_once_and_the_last_one_holds(tmp_path: Path) -> None:
    store = local_store(tmp_path / "store", {"c": numbered(3)})
    with contextlib.closing(sqlite3.connect(store / "collection" / "c" / "storage.sqlite")) as writer:
        newer = numbered(8)[7] | {"id": 1}
        from qdrant_client import models

        row = (base64.b64encode(pickle.dumps(1, protocol=2)).decode(), pickle.dumps(models.PointStruct(**newer)))
        writer.execute("INSERT INTO points VALUES (?, ?)", row)
        writer.commit()
    found = read(store, "c")
    assert [record.id for record in found] == [0, 2, 1]
    assert found[-1].payload == {"n": 7}


def test_ids_that_fold_into_one_are_named(tmp_path: Path) -> None:
    one = uuid.uuid4()
    ids = [str(one), one.hex, str(one).upper(), str(uuid.uuid4())]
    store = local_store(tmp_path / "store", {"c": [numbered(1)[0] | {"id": identity} for identity in ids]})
    with contextlib.closing(QdrantLocal(folder_uri(f"qdrant-local:{store}"))) as source:
        assert source.collections()[0].colliding_ids == tuple(ids[:3])

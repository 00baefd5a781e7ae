"""What a store names and does not have is refused by name; what it has and does not name is told."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Refused, SourceUnreadable
from qdrant_admin.core.events import StepStarted
from qdrant_admin.migration.messages import sentence
from qdrant_admin.migration.run import migrate
from qdrant_admin.sources.base import SourceCollection, strays_of
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.uri import parse
from tests.migration.support import local_store, moved, numbered, planned, unpacked, workspace
from tests.support.real import Server


def looked(uri: str) -> tuple[dict[str, SourceCollection], tuple[str, ...]]:
    with closing(open_source(parse(uri))) as source:
        return {one.name: one for one in source.collections()}, strays_of(source)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return local_store(tmp_path / "a", {"legacy": numbered(2), "mv": numbered(3)})


def empty(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "collection" / "legacy" / "storage.sqlite")) as database:
        database.execute("DELETE FROM points")
        database.commit()


def gone(folder: Path) -> None:
    shutil.rmtree(folder / "collection" / "legacy")


def without_its_file(folder: Path) -> None:
    (folder / "collection" / "legacy" / "storage.sqlite").unlink()


def of_an_old_client(folder: Path) -> None:
    empty(folder)
    (folder / "collection" / "legacy" / "storage.dbm.dat").write_bytes(b"points")


@pytest.mark.parametrize("harm", [gone, without_its_file, of_an_old_client])
def test_a_collection_of_the_embedded_mode_that_is_not_there(folder: Path, harm: Callable[[Path], None]) -> None:
    harm(folder)
    found, strays = looked(f"qdrant-local:{folder}")
    assert found["legacy"].count == 0
    assert "legacy" in found["legacy"].absent
    assert ("storage.dbm.dat" in found["legacy"].absent) == (harm is of_an_old_client)
    assert (found["mv"].absent, strays) == ("", ())


def test_an_alias_of_a_collection_that_the_catalogue_does_not_name(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"aliases": {"now": "gone", "then": "mv"}}))
    _, strays = looked(f"qdrant-local:{folder}")
    assert strays == ("the alias now points to gone, which is not in meta.json: not copied",)


@pytest.mark.parametrize("when", ["between plan and run", "before the comparison"])
@pytest.mark.server
def test_a_point_that_is_only_in_the_write_ahead_log_is_a_change(server: Server, folder: Path, when: str) -> None:
    with closing(sqlite3.connect(folder / "collection" / "mv" / "storage.sqlite")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA wal_autocheckpoint = 0")
        database.execute("DELETE FROM points WHERE rowid = 1")
        database.commit()
        plan = planned(workspace(server), f"qdrant-local:{folder}")
        assert [one.count for one in plan.collections] == [2, 2]
        if when == "between plan and run":
            database.execute("DELETE FROM points")
            database.commit()
        events = iter(migrate(workspace(server), plan, cancel=CancelToken()))
        if when == "before the comparison":
            assert any(isinstance(event, StepStarted) and event.step == "verify" for event in events)
            database.execute("DELETE FROM points")
            database.commit()
        with pytest.raises((SourceUnreadable, Refused), match="changed"):
            list(events)


def test_an_empty_collection_is_one(folder: Path) -> None:
    empty(folder)
    found, _ = looked(f"qdrant-local:{folder}")
    assert (found["legacy"].count, found["legacy"].absent) == (0, "")


def test_a_folder_that_the_catalogue_does_not_name(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    del meta["collections"]["legacy"]
    (folder / "meta.json").write_text(json.dumps(meta))
    found, strays = looked(f"qdrant-local:{folder}")
    assert found.keys() == {"mv"}
    assert strays == ("the folder collection/legacy holds 2 points, and is not in meta.json: not copied",)


@pytest.mark.server
def test_it_is_refused_by_name_and_the_others_are_migrated_without_it(server: Server, folder: Path) -> None:
    gone(folder)
    ws, source = workspace(server), f"qdrant-local:{folder}"
    plan = planned(ws, source)
    assert plan.exit_code == 4
    (refused,) = [problem for problem in plan.problems if problem.level == "refused"]
    assert refused.collection == "legacy"
    assert "--exclude legacy" in refused.fix
    report = moved(ws, source, skip_collections=("legacy",))
    assert report.verdict == "verified"
    assert sentence(report).startswith("All 3 points arrived")


def segments(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/index_metadata.pickle"))


def put_aside(segment: Path) -> None:
    segment.rename(segment.with_name(f"{segment.name}.drift-1"))


def without_its_labels(segment: Path) -> None:
    (segment / "index_metadata.pickle").unlink()


@pytest.mark.parametrize("harm", [put_aside, without_its_labels, shutil.rmtree])
def test_a_chroma_collection_without_its_vectors(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    store = unpacked("chroma-1.5", tmp_path)
    sound, strays = looked(f"chroma:{store}")
    assert ({one.absent for one in sound.values()}, strays) == ({""}, ())
    segment = segments(store)[0]
    harm(segment)
    found, strays = looked(f"chroma:{store}")
    (lacking,) = [one for one in found.values() if one.absent]
    assert f"of its {lacking.count:,} records have no vector".replace(",", " ") in lacking.absent.replace("\u202f", " ")
    assert segment.name in lacking.absent
    assert bool(strays) == (harm is put_aside)
    assert not strays or "drift-1" in strays[0]


def test_a_chroma_collection_without_its_records(tmp_path: Path) -> None:
    store = unpacked("chroma-1.5", tmp_path)
    with closing(sqlite3.connect(store / "chroma.sqlite3")) as database:
        database.execute("DELETE FROM embeddings")
        database.commit()
    found, _ = looked(f"chroma:{store}")
    assert any("the table of records none" in one.absent for one in found.values())


def test_a_chroma_catalogue_that_names_no_collection(tmp_path: Path) -> None:
    store = unpacked("chroma-1.5", tmp_path)
    with closing(sqlite3.connect(store / "chroma.sqlite3")) as database:
        database.execute("DELETE FROM collections")
        database.commit()
    found, strays = looked(f"chroma:{store}")
    assert found == {}
    assert all(segment.name in strays[0] for segment in segments(store))


def test_a_chroma_queue_that_was_not_applied(tmp_path: Path) -> None:
    store = unpacked("chroma-1.5", tmp_path)
    with closing(sqlite3.connect(store / "chroma.sqlite3")) as database:
        database.execute(
            "INSERT INTO embeddings_queue (operation, topic, id, vector, encoding)"
            " SELECT operation, topic, 'later', vector, encoding FROM embeddings_queue WHERE vector IS NOT NULL LIMIT 1"
        )
        database.commit()
    found, _ = looked(f"chroma:{store}")
    (ahead,) = [one.absent for one in found.values() if one.absent]
    assert "Chroma's queue is ahead of its metadata" in ahead


@pytest.mark.parametrize("log", ["_delta_log/0.json", "db/t/metadata/1.metadata.json", ".hoodie/hoodie.properties"])
def test_the_files_of_a_table_whose_log_says_which_hold(tmp_path: Path, log: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1, "vector": [0.5, 1.5]}\n')
    (tmp_path / log).parent.mkdir(parents=True)
    (tmp_path / log).write_text("{}")
    with pytest.raises(SourceUnreadable, match=r"is a table of (Delta Lake|Iceberg|Hudi)"):
        looked(f"jsonl:{tmp_path}")
    assert {*looked(f"jsonl:{tmp_path / 'a.jsonl'}")[0]} == {"a"}


def test_an_export_whose_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text('{"id": 1, "vector": [0.5, 1.5]}\n')
    (tmp_path / "a.jsonl.collection.json").write_text("{}")
    with pytest.raises(SourceUnreadable) as caught:
        looked(f"jsonl:{tmp_path}")
    assert "a.jsonl, which is missing" in caught.value.why


def test_files_of_records_that_lie_beside(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1, "vector": [0.5, 1.5]}\n')
    np.save(tmp_path / "b.npy", np.ones((2, 2), dtype=np.float32))
    (tmp_path / "c.csv.gz").write_bytes(b"")
    (tmp_path / "README.md").write_text("no records")
    (tmp_path / ".hidden.csv").write_text("none")
    (tmp_path / "._a.jsonl").write_text("what macOS leaves")
    (tmp_path / "_temporary").mkdir()
    (tmp_path / "_temporary" / "d.jsonl").write_text('{"id": 2, "vector": [0.5, 1.5]}\n')
    _, strays = looked(f"jsonl:{tmp_path}")
    assert strays == (
        f"2 files of another kind in {tmp_path}, not read: b.npy, c.csv.gz",
        f"1 file below a name that begins with . or _ in {tmp_path}, not read: _temporary/d.jsonl",
    )


def test_a_parquet_file_that_the_summary_names(tmp_path: Path) -> None:
    table, footers = pa.table({"id": [1], "vector": [[0.5, 1.5]]}), list[Any]()
    for name in ("a.parquet", "b.parquet"):
        pq.write_table(table, tmp_path / name, metadata_collector=footers)
        footers[-1].set_file_path(name)
    pq.write_metadata(table.schema, tmp_path / "_metadata", metadata_collector=footers)
    assert looked(f"parquet:{tmp_path}")[0][tmp_path.name].folded == 1
    (tmp_path / "b.parquet").unlink()
    with pytest.raises(SourceUnreadable, match="is not whole") as caught:
        looked(f"parquet:{tmp_path}")
    assert "b.parquet, which is missing" in caught.value.why


def test_parts_of_which_others_speak(tmp_path: Path) -> None:
    for number in (0, 2):
        (tmp_path / f"train-0000{number}-of-00004.jsonl").write_text(json.dumps({"id": number, "vector": [0.5, 1.5]}))
    for number in (1, 2):
        (tmp_path / f"test-{number}-of-2.jsonl").write_text(json.dumps({"id": 9 + number, "vector": [0.5, 1.5]}))
    _, strays = looked(f"jsonl:{tmp_path}")
    assert strays == (f"2 of the 4 parts train-….jsonl not in {tmp_path}: 1, 3",)


def test_a_csv_says_how_its_cells_are_taken_apart_or_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id;vector;text\n1;[0.5, 1.5];x\n")
    found, _ = looked(f"csv:{tmp_path / 'a.csv'}")
    assert any("taken apart by semicolon" in told for told in found["a"].warnings)
    (tmp_path / "b.csv").write_text('id;vector,text\n1;"[0.5, 1.5]",x\n')
    with pytest.raises(SourceUnreadable, match="not known what is between the cells") as caught:
        looked(f"csv:{tmp_path / 'b.csv'}")
    assert "?delimiter=" in caught.value.fix


@pytest.mark.server
def test_what_was_taken_for_granted_is_in_the_report_as_in_the_plan(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,vector,text\nx1,"[0.5, 1.5]",x\n')
    ws, source = workspace(server), f"csv:{tmp_path / 'a.csv'}"
    plan, report = planned(ws, source), moved(ws, source)
    assert report.warnings == tuple(problem.words for problem in plan.problems)
    shown = str(report.blocks())
    for words in ("Cosine is taken", "taken apart by comma", "CSV has no types", "id from id"):
        assert words in shown
    assert report.collections[0].ids == plan.collections[0].ids != ""
    assert plan.collections[0].ids in str(report.blocks())

"""A collection goes into a file and comes back equal, point by point and setting by setting."""

import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import BadInput, Cancelled, ConfirmationMissing, Failed, SourceUnreadable
from qdrant_admin.core.events import Finished, Progress, StepStarted
from qdrant_admin.database.fingerprint import compare
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, Sparse, VectorSpec
from qdrant_admin.migration import export as module
from qdrant_admin.migration.export import ExportOptions, ExportReport, export
from qdrant_admin.sources.files.tables import EXPORT_KEY
from qdrant_admin.workspace import Workspace
from tests.migration.support import hashes, last, moved, planned, workspace
from tests.support.fingerprints import fingerprint
from tests.support.real import Server

pytestmark = pytest.mark.server
NAME = "every kind [of] it"
SPEC = CollectionSpec(
    vectors=(
        VectorSpec(name="", size=3, distance="Cosine"),
        VectorSpec(name="dot", size=2, distance="Dot", datatype="float16"),
        VectorSpec(name="rows", kind="multi", size=2, distance="Euclid"),
        VectorSpec(name="words", kind="sparse", params={"modifier": "idf"}),
    ),
    params={"hnsw_config": {"m": 12}, "on_disk_payload": True},
    payload_indexes={"lang": {"type": "keyword"}, "when": {"type": "datetime"}},
)


def points() -> list[Point]:
    random = np.random.default_rng(7)
    found = []
    for n in range(60):
        vectors: dict[str, Any] = {"": random.standard_normal(3).astype(np.float32)}
        if n % 2:
            vectors["dot"] = random.standard_normal(2).astype(np.float32)
        if n % 3:
            vectors["rows"] = random.standard_normal((n % 4 + 1, 2)).astype(np.float32)
        if n % 5:
            vectors["words"] = Sparse(np.array([n, n + 7], dtype=np.uint32), np.array([0.1, 1e-7], dtype=np.float32))
        payload = {"lang": "en", "when": "2024-05-01T12:00:00Z", "n": n, "f": 1.0, "deep": [{"a": None}, 1 << 62, 0.1]}
        identity = n if n % 2 else f"00000000-0000-4000-8000-{n:012d}"
        found.append(Point(identity, payload, vectors))
    return [*found, Point(1 << 63, {"": "no vector, no key", "e\n": "\u2028\x00é"}, {})]


@pytest.fixture
def ws(server: Server) -> Workspace:
    """A server with one collection that has everything."""
    with Database(server.endpoint) as database:
        database.create_collection(NAME, SPEC)
        database.upsert(NAME, points())
        database.set_alias("current", NAME)
    return workspace(server)


def exported(ws: Workspace, to: Path, **options: Any) -> ExportReport:
    report: ExportReport = last(export(ws, NAME, ExportOptions(to=to, **options), cancel=CancelToken()))
    return report


@pytest.mark.parametrize("file", ["all.parquet", "all.jsonl", "all.jsonl.gz"])
def test_it_comes_back_equal(ws: Workspace, tmp_path: Path, file: str) -> None:
    report = exported(ws, tmp_path / file)
    assert (report.verdict, report.points, report.exit_code) == ("verified", 61, 0)
    assert report.bytes == (tmp_path / file).stat().st_size
    kept = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert kept == ({file} if report.format == "parquet" else {file, f"{file}.collection.json"})
    with ws.database() as database, fingerprint(database, NAME) as before:
        assert before.digest == report.digest
        database.delete_collection(NAME)
        back = moved(ws, report.source)
        assert (back.verdict, back.collections[0].verified, back.collections[0].target) == ("verified", 61, NAME)
        with fingerprint(database, NAME) as after:
            assert compare(before, after).same, compare(before, after)
            assert after.aliases == ("current",)


def test_a_folder_of_exports_is_one_collection_each(ws: Workspace, tmp_path: Path) -> None:
    with ws.database() as database:
        database.create_collection("small", CollectionSpec(vectors=(VectorSpec(size=1, distance="Dot"),)))
    folder = tmp_path / "exports"
    folder.mkdir()
    last(export(ws, "small", ExportOptions(to=folder, format="jsonl"), cancel=CancelToken()))
    report = exported(ws, folder, format="jsonl")
    assert Path(report.file).name == "every_kind_of_it.jsonl"
    before = hashes(folder)
    plan = planned(ws, f"jsonl:{folder}", on_conflict="rename")
    assert [(one.source, one.count, one.target) for one in plan.collections] == [
        (NAME, 61, f"{NAME}_2"),
        ("small", 0, "small_2"),
    ]
    assert moved(ws, f"jsonl:{folder}", on_conflict="rename").verdict == "verified"
    assert hashes(folder) == before


def test_a_file_that_is_there_is_not_replaced_without_a_yes(ws: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("mine")
    with pytest.raises(ConfirmationMissing) as refused:
        exported(ws, path)
    assert "--yes" in refused.value.fix
    assert path.read_text() == "mine"
    assert exported(ws, path, overwrite=True).verdict == "verified"
    with pytest.raises(BadInput, match="no folder"):
        exported(ws, tmp_path / "nowhere" / "a.parquet")
    with pytest.raises(BadInput, match="not named like"):
        exported(ws, tmp_path / "a.parquet", format="jsonl")
    with pytest.raises(BadInput, match="nothing"):
        last(export(ws, "nothing", ExportOptions(to=tmp_path), cancel=CancelToken()))


@pytest.mark.parametrize("file", ["a.parquet", "a.jsonl.gz"])
def test_a_cancel_leaves_nothing_behind(ws: Workspace, tmp_path: Path, file: str) -> None:
    cancel = CancelToken()
    folder = tmp_path / "out"
    folder.mkdir()
    events = export(ws, NAME, ExportOptions(to=folder / file), cancel=cancel)
    assert any(isinstance(event, Progress) for event in events)
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(events)
    assert list(folder.iterdir()) == []


def test_a_file_that_does_not_read_back_equal_is_not_published(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    monkeypatch.setattr(module, "spec_of", lambda _: SPEC.model_copy(update={"vectors": SPEC.vectors[:3]}))
    with pytest.raises(Failed, match="was not written"):
        exported(ws, folder / "a.jsonl")
    assert list(folder.iterdir()) == []


def test_what_changes_meanwhile_is_told(ws: Workspace, tmp_path: Path) -> None:
    report = None
    for event in export(ws, NAME, ExportOptions(to=tmp_path / "a.parquet"), cancel=CancelToken()):
        if isinstance(event, StepStarted) and event.step == "verify":
            with ws.database() as database:
                database.upsert(NAME, [Point(1, {"new": True}, {})])
        report = event.report if isinstance(event, Finished) else None
    assert isinstance(report, ExportReport)
    assert (report.verdict, report.exit_code, report.points) == ("changed", 1, 61)
    assert "61 points now" in report.note


def test_an_export_that_was_cut_or_damaged_is_refused(ws: Workspace, tmp_path: Path) -> None:
    lines = tmp_path / "a.jsonl"
    exported(ws, lines)
    whole = lines.read_text()
    lines.write_text(whole[: whole.rstrip("\n").rfind("\n") + 1])
    with pytest.raises(SourceUnreadable, match="not whole") as refused:
        planned(ws, f"jsonl:{lines}")
    assert "61 points were exported to it, and it holds 60" in refused.value.why
    lines.write_text(whole)
    with pytest.raises(BadInput, match="says itself"):
        planned(ws, f"jsonl:{lines}?distance=Dot")
    beside = tmp_path / "a.jsonl.collection.json"
    own = json.loads(beside.read_text())
    for damage, words in (({"format": 2}, "newer qdrant-admin"), ({"points": "many"}, "damaged")):
        beside.write_text(json.dumps(own | damage))
        with pytest.raises(SourceUnreadable) as refused:
            planned(ws, f"jsonl:{lines}")
        assert words in str(refused.value)
    beside.unlink()
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(whole.encode()))
    plan = planned(ws, f"jsonl:{tmp_path / 'b.jsonl.gz'}")
    assert {slot.name: slot.kind for slot in plan.collections[0].vectors} == {
        slot.name: slot.kind for slot in SPEC.vectors
    }


@pytest.mark.parametrize("payload", ["[1]", None, "no JSON"])
def test_an_export_whose_payloads_were_changed_is_called_damaged(
    ws: Workspace, tmp_path: Path, payload: str | None
) -> None:
    file = tmp_path / "a.parquet"
    exported(ws, file)
    table = pq.read_table(file)
    payloads = pa.array([payload, *table["payload"].to_pylist()[1:]], pa.string())
    changed = table.set_column(table.schema.get_field_index("payload"), "payload", payloads)
    own = pq.read_metadata(file).metadata[EXPORT_KEY.encode()]
    pq.write_table(changed.replace_schema_metadata({EXPORT_KEY: own}), file)
    with pytest.raises(SourceUnreadable, match="damaged"):
        moved(ws, f"parquet:{file}", to="again")


@pytest.mark.parametrize("file", ["a.parquet", "a.jsonl"])
def test_nothing_and_what_no_import_takes_are_exported_as_well(server: Server, tmp_path: Path, file: str) -> None:
    ws = workspace(server)
    with ws.database() as database:
        database.create_collection("c", CollectionSpec(vectors=(VectorSpec(size=2, distance="Dot"),)))
        options = ExportOptions(to=tmp_path / file, overwrite=True)
        empty = last(export(ws, "c", options, cancel=CancelToken()))
        assert (empty.verdict, empty.points, empty.note) == ("verified", 0, "")
        assert moved(ws, empty.source, to="again").verdict == "skipped"  # there was nothing to compare
        assert database.count("again") == 0
        body = {"points": [{"id": 1, "vector": [1e39, 1.0]}, {"id": 2, "vector": [1.0, 1.0]}]}
        httpx.put(f"{server.url}/collections/c/points?wait=true", json=body).raise_for_status()
        whole = last(export(ws, "c", options, cancel=CancelToken()))
    assert (whole.verdict, whole.points, whole.note) == ("verified", 2, "1 point with NaN or infinity in a vector")
    back = moved(ws, whole.source, to="back")
    assert (back.collections[0].verified, [reject.id for reject in back.rejects]) == (1, ["1"])

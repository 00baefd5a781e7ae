"""What is rejected is kept whole, can be mended by hand, and arrives then."""

import json
from pathlib import Path
from typing import Any

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Failed, SourceUnreadable
from qdrant_admin.database.gateway import Database
from qdrant_admin.migration.checkpoint import unfinished
from qdrant_admin.migration.reports import MigrationReport
from qdrant_admin.migration.run import migrate
from qdrant_admin.migration.runs import resume
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.uri import parse
from tests.migration.support import last, local_store, moved, numbered, planned, workspace
from tests.support.real import Server

ROWS: list[dict[str, Any]] = [
    {"id": "good", "text": "first", "vector": [1.0, 2.0, 3.0, 4.0]},
    {"id": "short", "text": "second", "vector": [1.0, 2.0, 3.0]},
    {"id": 7, "text": "third", "vector": [1.0, None, 3.0, 4.0]},
    {"id": "none", "text": "fourth"},
]


def written(path: Path, rows: list[dict[str, Any]], *more: str) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "".join(more))
    return path


def mend(report: MigrationReport, into: Path, **mended: dict[str, Any] | None) -> Path:
    """The reject file with some records mended; None takes one out."""
    assert report.reject_file is not None
    head, *lines = [json.loads(line) for line in Path(report.reject_file).read_text().splitlines()]
    kept = [
        line | (mended.get(str(line["id"]), {}) or {}) for line in lines if mended.get(str(line["id"]), {}) is not None
    ]
    return written(into, [head, *kept])


@pytest.mark.server
def test_mended_records_arrive_where_they_were_going(server: Server, tmp_path: Path) -> None:
    ws = workspace(server, prefix="mine_")
    source = written(tmp_path / "notes.jsonl", ROWS, "{ this is not JSON\n")
    first = moved(ws, f"jsonl:{source}", to="kept")
    assert [(reject.id, reject.reason) for reject in first.rejects][:3] == [
        ("short", "its vector has 3 components, the collection takes 4"),
        ("7", "its vector holds null where a number should be"),
        ("none", "it has no vector"),
    ]
    good = {"vectors": {"": [4.0, 3.0, 2.0, 1.0]}}
    mended = mend(first, tmp_path / "mended.jsonl", short=good, **{"7": good})
    second = moved(ws, f"rejects:{mended}", on_conflict="overwrite")
    (result,) = second.collections
    assert (result.source, result.target, result.verified, result.rejected) == ("mine_kept", "mine_kept", 2, 2)
    assert {reject.id for reject in second.rejects} == {"none", "notes.jsonl:5"}
    assert second.reject_file != first.reject_file
    third = moved(ws, f"rejects:{mend(second, tmp_path / 'again.jsonl', none=good, **{'notes.jsonl:5': None})}",
                  on_conflict="overwrite")  # fmt: skip
    assert (third.verdict, third.exit_code, third.collections[0].verified) == ("verified", 0, 1)
    with Database(server.endpoint) as database:
        texts = {point.payload["text"] for page in database.scan("mine_kept") for point in page}
        assert texts == {"first", "second", "third", "fourth"}
        assert database.point("mine_kept", 7).payload == {"text": "third"}


@pytest.mark.server
def test_the_content_that_could_not_be_read_is_kept(server: Server, tmp_path: Path) -> None:
    rows = [ROWS[0], {"id": "huge", "vector": [1e300, 0.0, 0.0, 0.0], "n": 1}]
    report = moved(workspace(server), f"jsonl:{written(tmp_path / 'a.jsonl', rows, '[1, 2')}")
    assert report.reject_file is not None
    _, huge, cut = [json.loads(line) for line in Path(report.reject_file).read_text().splitlines()]
    assert huge["unread"] == {"vector": [1e300, 0.0, 0.0, 0.0]}
    assert (huge["payload"], huge["target"], huge["vectors"]) == ({"n": 1}, "a", {})
    assert cut["unread"] == {"line": "[1, 2"}
    assert "the file ends in the middle of it" in cut["reason"]


@pytest.mark.server
def test_ids_of_a_qdrant_are_mapped_as_they_were(server: Server, tmp_path: Path) -> None:
    spelling = "C0FFEE00-0000-4000-8000-00000000ABCD"
    points = [
        numbered(1)[0],
        numbered(1)[0] | {"id": spelling, "vector": [1.0]},
        numbered(1)[0] | {"id": -5, "vector": [1.0]},
    ]
    ws = workspace(server)
    report = moved(ws, f"qdrant-local:{local_store(tmp_path / 's', {'c': points})}")
    good = {"vectors": {"": [4.0, 3.0, 2.0, 1.0]}}
    mended = mend(report, tmp_path / "m.jsonl", **{spelling.lower(): good, "-5": good})
    assert moved(ws, f"rejects:{mended}", on_conflict="overwrite").verdict == "verified"
    with Database(server.endpoint) as database:
        assert database.point("c", spelling.lower()).payload == {"n": 0}
        assert sorted(str(point.payload.get("source_id")) for page in database.scan("c") for point in page) == [
            "-5", "None", "None",
        ]  # fmt: skip


@pytest.mark.server
def test_the_first_reject_stops_when_asked_and_the_run_can_go_on(server: Server, tmp_path: Path) -> None:
    ws = workspace(server)
    points = numbered(300)
    points[20]["vector"] = [1.0]
    plan = planned(ws, f"qdrant-local:{local_store(tmp_path / 's', {'c': points})}", on_reject="fail", batch_size=10)
    with pytest.raises(Failed, match="the plan says to stop") as stopped:
        last(migrate(ws, plan, cancel=CancelToken()))
    assert "20 of c: its vector has 1 components" in stopped.value.why
    (run,) = unfinished(ws.store)
    report = last(resume(ws, run, cancel=CancelToken()))
    (result,) = report.collections
    assert (result.read, result.verified, result.rejected, report.verdict) == (300, 299, 1, "differs")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"a": 1}\n', "no line before it says"),
        ("[1]\n", "not a JSON object"),
        ('{"qdrant_admin_rejects": 1}\n', "damaged"),
        ('{"qdrant_admin_rejects": 1, "collections": {"c": {"vectors": []}}}\n{"target": "c"}\n', "it has no id"),
        ('{"qdrant_admin_rejects": 1, "collections": {"c": {"vectors": []}}}\n{"target": "c", "id": []}\n', "a list"),
        ("{", "not JSON"),
    ],
)
def test_a_file_that_is_none_is_refused_by_line(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(content)
    with pytest.raises(SourceUnreadable) as refused:
        open_source(parse(f"rejects:{path}"))
    assert words in refused.value.why


def test_of_two_lines_with_one_id_the_last_holds(tmp_path: Path) -> None:
    head = {"qdrant_admin_rejects": 1, "collections": {"c": {"vectors": [{"size": 1, "distance": "Dot"}]}}}
    lines = [{"target": "c", "id": "x", "vectors": {"": [n]}} for n in (1.0, 2.0)]
    source = open_source(parse(f"rejects:{written(tmp_path / 'r.jsonl', [head, *lines])}"))
    (found,) = source.collections()
    assert (found.count, len(found.warnings)) == (1, 1)
    ((record,),) = [batch.records for batch in source.batches("c", size=5)]
    assert list(record.vectors[""]) == [2.0]  # type: ignore[arg-type] # it is dense

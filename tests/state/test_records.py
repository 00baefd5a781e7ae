"""What an earlier build stored can be read, what a later one stored stays, and nothing ends in a traceback."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest

from qdrant_admin.core.reports import Report
from qdrant_admin.core.serialization import jsonable
from qdrant_admin.core.values import Frozen
from qdrant_admin.migration.reports import MigrationReport, PlanReport
from qdrant_admin.persistence.reports import CrashReport, MoveReport, VerifyReport
from qdrant_admin.state import records
from qdrant_admin.state.records import Unreadable
from qdrant_admin.state.store import StateStore

ROWS = Path(__file__).parent / "rows"
"""Rows as they were stored, by the schema that was current then. Never edited: what they hold is on people's disks."""
KINDS: dict[str, type[Report]] = {
    "plan": PlanReport,
    "migrate": MigrationReport,
    "migrate-verified": MigrationReport,
    "verify": VerifyReport,
    "verify-all": VerifyReport,
    "crash-test": CrashReport,
    "move-storage": MoveReport,
}


class Part(Frozen):
    size: int


class Sample(Report):
    SCHEMA: ClassVar[int] = 2

    name: str
    parts: tuple[Part, ...] = ()

    @classmethod
    def upgraded(cls, values: dict[str, Any], schema: int) -> dict[str, Any]:
        if schema < 2 and "title" in values:
            values["name"] = values.pop("title")
        return values


@pytest.mark.parametrize("row", sorted(ROWS.rglob("*.json")), ids=lambda row: f"{row.parent.name}-{row.stem}")
def test_rows_of_every_schema_are_still_read(row: Path) -> None:
    kept = records.load(KINDS[row.stem], row.read_text("utf-8"))
    assert isinstance(kept, KINDS[row.stem])
    told = json.loads(row.read_text("utf-8"))
    assert {key: value for key, value in jsonable(kept).items() if key in ("verdict", "run", "at")} == {
        key: told[key] for key in ("verdict", "run", "at") if key in told and key in KINDS[row.stem].__struct_fields__
    }
    assert records.load(KINDS[row.stem], records.dump(kept)) == kept


def test_a_stored_record_says_its_schema() -> None:
    assert json.loads(records.dump(Sample(name="a"))) == {"schema": 2, "name": "a", "parts": []}


def test_fields_that_this_build_does_not_know_are_passed_over_at_every_depth() -> None:
    text = '{"schema": 2, "name": "a", "parts": [{"size": 1, "colour": "red"}], "mood": "good"}'
    assert records.load(Sample, text) == Sample(name="a", parts=(Part(size=1),))


def test_nothing_undeclared_is_ever_written() -> None:
    undeclared: dict[str, Any] = {"name": "a", "mood": "good"}
    with pytest.raises(TypeError, match="mood"):
        Sample(**undeclared)


def test_a_row_of_an_earlier_schema_is_brought_up_to_date() -> None:
    assert records.load(Sample, '{"title": "a"}') == Sample(name="a")
    assert records.load(Sample, '{"schema": 1, "title": "a"}') == Sample(name="a")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"schema": 3, "name": "a"}', "newer qdrant-admin (schema 3; this one reads up to 2)"),
        ('{"schema": "x", "name": "a"}', "newer qdrant-admin (schema x"),
        ('{"schema": 2}', "missing required field `name`"),
        ('{"schema": 2, "name": "a", "parts": [{"size": "big"}]}', "parts[0].size: Expected `int`"),
        ("[1]", "no record of qdrant-admin"),
        ("{", "not JSON"),
        pytest.param("[" * 100_000, "not JSON", id="nested without end"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_what_cannot_be_read_says_why(text: str | bytes, why: str) -> None:
    kept = records.load(Sample, text)
    assert isinstance(kept, Unreadable)
    assert why in kept.why


def test_a_row_of_a_newer_build_stays_and_is_still_listed(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "state.sqlite3")
    entry = store.record(
        operation="verify", profile="local", report=Sample(name="a"), started_at=datetime.now(UTC), seconds=1
    )
    newer = '{"schema": 99, "verdict": "splendid"}'
    with store.writing() as connection:
        connection.execute("UPDATE history SET report = ?, verdict = 'splendid', operation = 'prove'", (newer,))
    assert isinstance(records.load(Sample, store.report_json(entry)), Unreadable)
    assert [(one.operation, one.verdict) for one in store.history()] == [("prove", "splendid")]
    assert store.report_json(entry) == newer

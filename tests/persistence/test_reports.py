"""Differences are typed: their words are made of them, and what earlier versions stored as words is still read."""

import json

import pytest

from qdrant_admin.core.serialization import to_json
from qdrant_admin.database.differences import Difference, PartDifference
from qdrant_admin.persistence.reports import MoveReport, VerifyReport
from qdrant_admin.state import records

BARE = {"profile": "local", "verdict": "lost", "at": "2026-11-20T09:20:00Z", "seconds": 1, "how": "kill"}


@pytest.mark.parametrize(
    ("told", "part"),
    [
        ('vector ""', PartDifference(kind="vector")),
        ('vector "a" is gone', PartDifference(kind="vector", name="a", change="gone")),
        ('vector "a" is new', PartDifference(kind="vector", name="a", change="new")),
        ('vector "", all zeros now', PartDifference(kind="vector", change="zeroed")),
        ("payload field title", PartDifference(kind="field", name="title")),
        ("payload field two words is gone", PartDifference(kind="field", name="two words", change="gone")),
        ('payload field vector "a"', PartDifference(kind="field", name='vector "a"')),
        ("payload", PartDifference(kind="payload")),
        ("content", PartDifference(kind="content")),
    ],
)
def test_a_part_that_was_stored_as_words_is_read_and_said_alike(told: str, part: PartDifference) -> None:
    assert part.words == told
    stored = BARE | {"collections": [check({"parts": [told]}), check({"parts": [], "detail": f"{told}; content"})]}
    report = records.load(VerifyReport, json.dumps({"schema": 1} | stored))
    assert isinstance(report, VerifyReport)
    assert [check.points[0].parts for check in report.collections] == [
        (part,),
        (part, PartDifference(kind="content")),
    ]


def check(point: dict[str, object], *settings: str) -> dict[str, object]:
    changed = {"id": "1", "what": "changed"} | point
    return {"name": "a", "verdict": "changed", "points": [changed], "settings": list(settings)}


@pytest.mark.parametrize("schema", [0, 1])
@pytest.mark.parametrize("kind", [VerifyReport, MoveReport])
def test_differences_that_were_stored_as_words_are_still_shown(
    kind: type[VerifyReport | MoveReport], schema: int
) -> None:
    stored = BARE | {
        "collections": [check({}, "setting a is 1, was 2")],
        "aliases": ["alias b is gone"],
        "baseline": {"at": BARE["at"], "verdict": "changed", "collections": [check({}, "12 points more than then")]},
        "checks": "id, payload and every vector's bytes",
        "moved": False,
        "volume": "v",
    }
    report = records.load(kind, json.dumps({"schema": schema} | stored if schema else stored))
    assert isinstance(report, kind)
    assert report.collections[0].told == ("setting a is 1, was 2",)
    assert [alias.words for alias in report.aliases] == ["alias b is gone"]
    if isinstance(report, VerifyReport):
        assert report.checks == ("id, payload and every vector's bytes",)
        assert report.baseline is not None
        assert report.baseline.collections[0].told == ("12 points more than then",)


def test_a_report_of_today_is_read_with_a_schema_number_and_without() -> None:
    """`verify --json` is kept by people, and read again by `--baseline`."""
    parts = [{"kind": "vector", "name": "a", "change": "zeroed"}]
    settings = [{"code": "alias_gone", "name": "b", "facts": {"before": "a"}}]
    stored = BARE | {"collections": [check({"parts": parts}) | {"settings": settings}], "checks": ["exact counts"]}
    report = records.load(VerifyReport, json.dumps({"schema": 2} | stored))
    assert isinstance(report, VerifyReport)
    assert report.collections[0].told == ("alias b is gone",)
    assert report.collections[0].points[0].detail == 'vector "a", all zeros now'
    assert records.load(VerifyReport, records.dump(report)) == report
    assert records.load(VerifyReport, to_json(report)) == report


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (Difference(code="since_fewer", facts={"points": 1}), "1 point fewer than then"),
        (Difference(code="since_counts", facts={"before": 1, "after": 3}), "it had 1 point, it has 3"),
        (Difference(code="alias_changed", name="a", facts={"before": "x", "after": "y"}), "alias a points to y, was x"),
        (Difference(code="told", name="{as} it {was}"), "{as} it {was}"),
        (Difference(code="unreadable_now", facts={"why": "{0} {}"}), "can no longer be read: {0} {}"),
    ],
)
def test_words_take_no_name_for_a_place_in_them(difference: Difference, words: str) -> None:
    assert difference.words == words

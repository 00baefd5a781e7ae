"""What is there now against an earlier report, and how checks have gone over time. Without a server."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from qdrant_admin.core.serialization import to_json
from qdrant_admin.persistence.past_checks import against, together, trends, with_baseline
from qdrant_admin.persistence.reports import CollectionCheck, Side, Verdict, VerifyReport
from qdrant_admin.state.store import StateStore

MONDAY = datetime(2026, 11, 23, 9, 14, tzinfo=UTC)
THEN = Side(points=10, digest="aa", settings="s", scheme="P2")


def report(side: Side | None, *, name: str = "memories", chosen: tuple[str, ...] = (), **more: object) -> VerifyReport:
    checks = () if side is None else (CollectionCheck(name=name, verdict="same", before=side, after=side),)
    values = {"profile": "proof", "how": "kill", "verdict": "persisted", "at": MONDAY, "seconds": 1.0}
    return VerifyReport.model_validate(values | {"collections": checks, "chosen": chosen} | more)


def now(side: Side | None, name: str = "memories") -> CollectionCheck:
    return CollectionCheck(name=name, verdict="same" if side else "inconclusive", before=side)


def then(**changes: object) -> Side:
    return THEN.model_copy(update=changes)


CASES: dict[str, tuple[Side, Side, str, tuple[str, ...]]] = {
    "nothing has changed": (THEN, THEN, "persisted", ()),
    "fewer points": (THEN, then(points=9), "lost", ("1 point fewer than then",)),
    "more points": (THEN, then(points=12, digest="bb"), "changed", ("2 points more than then",)),
    "as many, others": (THEN, then(digest="bb"), "changed", ("as many points as then, with other content",)),
    "other settings": (
        THEN,
        then(settings="t"),
        "changed",
        ("other configuration, payload indexes or aliases than then",),
    ),
    "settings that an early report does not have": (then(settings=""), THEN, "persisted", ()),
    "a sample against all": (then(sampled=5), THEN, "inconclusive", ("not comparable: one of the two",)),
    "another sample": (then(sampled=5), then(sampled=6), "inconclusive", ("not comparable: one of the two",)),
    "the same sample": (then(sampled=5), then(sampled=5), "persisted", ()),
    "fewer points, whatever the sample": (then(sampled=5), then(points=9), "lost", ("1 point fewer than then",)),
    "more points, whatever the sample": (
        then(sampled=5),
        then(points=11, digest="bb"),
        "changed",
        ("1 point more than then",),
    ),
    "another scheme": (
        then(scheme="P1"),
        then(digest="bb"),
        "inconclusive",
        ("its fingerprint was taken in another way then (P1, now P2)",),
    ),
    "another scheme and fewer points": (
        then(scheme="P1"),
        then(points=9),
        "inconclusive",
        ("its fingerprint was taken in another way", "it had 10 points, it has 9"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_collection_is_compared_with_what_an_earlier_report_says_of_it(case: str) -> None:
    before, after, verdict, words = CASES[case]
    found = against(report(before), (now(after),), ())
    assert found.verdict == verdict
    (check,) = found.collections
    assert len(check.told) == len(words)
    assert all(told.startswith(start) for told, start in zip(check.told, words, strict=True))
    assert check.missing == (before.points - after.points if verdict == "lost" else 0)
    assert bool(found.reason) == bool(words)


@pytest.mark.parametrize(
    ("earlier", "checks", "chosen", "verdict"),
    [
        (report(THEN), (), (), "lost"),
        (report(THEN), (now(None),), (), "inconclusive"),
        (report(None), (now(THEN),), (), "changed"),
        (report(None), (now(THEN),), ("other",), "empty"),
        (report(THEN, chosen=("memories",)), (now(THEN, "more"),), ("more",), "inconclusive"),
        (report(None, chosen=("zz",)), (now(THEN),), ("memories",), "inconclusive"),
        (report(None, collections=(now(None),)), (now(THEN),), (), "inconclusive"),
        (report(THEN, chosen=("memories",)), (now(THEN), now(THEN, "more")), (), "persisted"),
        (report(THEN), (now(THEN), now(THEN, "more")), ("memories",), "persisted"),
        (report(THEN), (now(THEN), now(None, "more")), (), "persisted"),
    ],
    ids=[
        "gone",
        "unreadable",
        "new",
        "new, not asked for",
        "asked for now, not then",
        "then of nothing",
        "unread then",
        "new, not asked for then",
        "asked for",
        "never known",
    ],
)
def test_collections_that_come_and_go(
    earlier: VerifyReport, checks: tuple[CollectionCheck, ...], chosen: tuple[str, ...], verdict: Verdict
) -> None:
    assert against(earlier, checks, chosen).verdict == verdict


def test_the_second_scan_of_the_earlier_check_is_what_counts() -> None:
    both = CollectionCheck(name="memories", verdict="lost", before=then(points=20), after=THEN)
    assert against(report(None, collections=(both,)), (now(THEN),), ()).verdict == "persisted"


@pytest.mark.parametrize(
    ("left", "right", "told"),
    [
        ("persisted", "persisted", "persisted"),
        ("persisted", "inconclusive", "inconclusive"),
        ("changed", "inconclusive", "changed"),
        ("lost", "changed", "lost"),
        ("inconclusive", "lost", "lost"),
        ("unchanged", "persisted", "persisted"),
        ("unchanged", "empty", "unchanged"),
        ("empty", "lost", "lost"),
    ],
)
def test_the_worse_of_two_verdicts_is_told(left: Verdict, right: Verdict, told: Verdict) -> None:
    assert together(left, right) == together(right, left) == told


def test_an_earlier_check_of_the_same_process_proves_nothing() -> None:
    assert against(report(THEN), (now(THEN),), (), restarted=False).verdict == "unchanged"


def test_the_reason_says_since_when() -> None:
    when = f"{MONDAY.astimezone():%Y-%m-%d %H:%M}"
    same, fewer = (against(report(THEN), (now(side),), ()) for side in (THEN, then(points=9)))
    assert with_baseline("all equal", "persisted", same) == f"all equal, and all of it is as it was at {when}"
    since = f"since {when}: memories: 1 point fewer than then"
    assert with_baseline("all equal", "persisted", fewer) == since
    assert with_baseline("1 point missing", "lost", fewer) == f"1 point missing; {since}"


def test_trends_are_of_one_profile_oldest_first_and_leave_out_what_cannot_be_read(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "state.sqlite3")
    for seconds in (1.0, 3.0, None):
        one = report(THEN, ready_seconds=seconds, storage_bytes=1024 if seconds else None)
        store.record(operation="verify", profile="proof", report=one, started_at=MONDAY, seconds=1)
    store.record(operation="verify", profile="other", report=report(THEN), started_at=MONDAY, seconds=1)
    with store.writing() as connection:
        connection.execute("UPDATE history SET report = ? WHERE id = 3", ('{"schema": 99}',))
    found = trends(store, "proof")
    assert [(one.entry, one.ready_seconds, one.points) for one in found.points] == [(1, 1.0, 10), (2, 3.0, 10)]
    assert found.ready_median_seconds == 2.0
    assert found.summary() == "2 checks, ready again after 2.0 s (median), 1.0 KiB on disk"
    with store.writing() as connection:  # as an earlier version has stored it
        connection.execute("UPDATE history SET report = ? WHERE id = 3", (to_json(report(None)),))
    assert [one.entry for one in trends(store, "proof", 2).points] == [2, 3]
    assert trends(store, "nobody").points == ()

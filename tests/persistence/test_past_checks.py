"""What is there now against an earlier report, and how checks have gone over time. Without a server."""

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.serialization import to_json
from qdrant_admin.database.buckets import Buckets
from qdrant_admin.database.canonical import hash_point
from qdrant_admin.database.differences import Difference
from qdrant_admin.database.models import Point
from qdrant_admin.persistence.past_checks import (
    Place,
    against,
    load,
    of_both,
    proofs,
    since,
    together,
    trends,
    with_baseline,
)
from qdrant_admin.persistence.reports import (
    BaselineCheck,
    CollectionCheck,
    CollectionVerdict,
    Round,
    Side,
    Verdict,
    VerifyMethod,
    VerifyReport,
)
from qdrant_admin.state import records
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
    "settings that an early report does not have": (
        then(settings=""),
        THEN,
        "inconclusive",
        ("its configuration, payload indexes and aliases are not compared",),
    ),
    "settings in another form": (
        then(settings="S1:aa"),
        then(settings="S2:bb"),
        "inconclusive",
        ("its configuration, payload indexes and aliases are not compared",),
    ),
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


@pytest.mark.parametrize(
    ("looks", "since", "told"),
    [
        ("same", "same", "same"),
        ("same", "lost", "lost"),
        ("lost", "same", "lost"),
        ("changed", "lost", "lost"),
        ("inconclusive", "changed", "changed"),
        ("same", "inconclusive", "inconclusive"),
        ("extra", "changed", "changed"),
        (None, "lost", "lost"),
        ("same", None, "same"),
    ],
)
def test_a_collection_has_the_worse_of_its_two_verdicts(
    looks: CollectionVerdict | None, since: CollectionVerdict | None, told: CollectionVerdict
) -> None:
    checks = () if looks is None else (CollectionCheck(name="memories", verdict=looks, before=THEN),)
    then = () if since is None else (CollectionCheck(name="memories", verdict=since, before=THEN, missing=3),)
    found = BaselineCheck(at=MONDAY, verdict="changed", collections=then)
    (check,) = of_both(checks, found)
    assert check == CollectionCheck(name="memories", verdict=told, before=None if looks is None else THEN)


@pytest.mark.parametrize(
    "place",
    [
        Place("other", "directory /here", datetime(2026, 11, 24, tzinfo=UTC)),
        Place("proof", "directory /there", datetime(2026, 11, 24, tzinfo=UTC)),
    ],
    ids=["another profile", "another storage"],
)
def test_an_equal_server_elsewhere_has_outlived_nothing(place: Place) -> None:
    earlier = report(THEN, storage="directory /here")
    same = since(earlier, (now(THEN),), (), Place("proof", "directory /here", place.started))
    assert (same.verdict, same.taken_of) == ("persisted", "")
    found = since(earlier, (now(THEN),), (), place)
    assert found.verdict == "unchanged"
    assert "on another server or storage (profile proof, directory /here)" in with_baseline("x", "unchanged", found)


@pytest.mark.parametrize("some", [{"chosen": ("memories",)}, {"scope": ("memories",)}])
def test_a_check_of_some_collections_proves_nothing_of_others(some: dict[str, tuple[str, ...]]) -> None:
    earlier = report(THEN, **some)  # type: ignore[arg-type]
    found = against(earlier, (now(THEN), now(THEN, "more")), ())
    assert (found.verdict, found.proof) == ("persisted", "unchanged")
    assert "not looked at then: more" in with_baseline("x", "unchanged", found)
    assert against(earlier, (now(THEN),), ()).proof == "persisted"


def test_what_was_gone_at_an_earlier_check_was_not_there_then() -> None:
    gone = CollectionCheck(name="memories", verdict="lost")
    known = CollectionCheck(name="memories", verdict="inconclusive", settings=(Difference(code="known_gone"),))
    for one in (gone, known):
        found = against(report(None, collections=(one,)), (now(THEN),), ())
        assert [check.told for check in found.collections] == [("it was not there then",)]
        assert against(report(None, collections=(one,)), (), ()).collections == ()


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


def bucketed(ids: Iterable[int], *, word: str = "") -> Side:
    """What a scan tells of points with these ids, each with the same word."""
    points = [hash_point(Point(one, {"word": word}), {}) for one in ids]
    made = Buckets()
    made.add(points)
    digest = f"{sum(int.from_bytes(one.whole, 'little') for one in points):x}"
    return then(points=len(points), digest=digest, buckets=made.told())


@pytest.mark.parametrize(
    ("after", "verdict", "missing", "words"),
    [
        (bucketed(range(100)), "persisted", 0, []),
        (bucketed(range(5, 106)), "lost", 5, ["1 point more than then", "at least 5 points of then are missing"]),
        (bucketed(range(5, 105)), "lost", 5, ["at least 5 points of then are missing"]),
        (bucketed(range(90)), "lost", 10, ["10 points fewer than then"]),
        (
            bucketed([*range(10, 90), *range(200, 210)]),
            "lost",
            20,
            ["10 points fewer than then", "at least 20 points of then are missing"],
        ),
        (bucketed(range(101)), "changed", 0, ["1 point more than then"]),
        (
            bucketed(range(101), word="other"),
            "changed",
            0,
            ["1 point more than then", "points of then have other content"],
        ),
        (bucketed(range(100), word="other"), "changed", 0, ["as many points as then, with other content"]),
        (bucketed(()), "lost", 100, ["100 points fewer than then"]),
    ],
)
def test_old_points_that_are_missing_beneath_new_ones_are_told_as_far_as_buckets_go(
    after: Side, verdict: str, missing: int, words: list[str]
) -> None:
    """Never more of them than are really missing."""
    found = against(report(bucketed(range(100))), (now(after),), ())
    (check,) = found.collections
    assert (found.verdict, check.missing, list(check.told)) == (verdict, missing, words)


def test_buckets_tell_the_same_whatever_the_order_and_the_pages() -> None:
    whole, parts = Buckets(), Buckets()
    points = [hash_point(Point(one), {}) for one in (*range(300), "5c56c793-69f3-4fbf-87e6-c4bf54c28c26")]
    whole.add(points)
    for start in range(280, -1, -20):
        parts.add(points[start : start + 20])
    parts.add(points[300:])
    assert whole.told() == parts.told()
    assert len(whole.told()) == 64
    assert sum(int(bucket.split(".")[0], 16) for bucket in whole.told() if bucket) == 301
    assert Buckets().told() == ()


def test_a_collection_that_was_empty_then_and_one_without_buckets_are_compared_all_the_same() -> None:
    empty = bucketed(())
    assert against(report(empty), (now(bucketed(range(3))),), ()).verdict == "changed"
    assert against(report(then(points=99)), (now(bucketed(range(100))),), ()).collections[0].missing == 0


# -- the file ---------------------------------------------------------------------------------------------------------


def kept(folder: Path, **changes: object) -> Path:
    """A report as `verify --json` prints it, with something in it changed afterwards."""
    path = folder / "monday.json"
    path.write_text(json.dumps(json.loads(records.dump(report(bucketed(range(40))))) | changes))
    return path


def test_a_kept_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert load(kept(tmp_path)) == report(bucketed(range(40)))
    path = kept(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=7, sort_keys=True))
    assert load(path) == report(bucketed(range(40))), "its layout is nobody's business"


def points_edited(text: str) -> str:
    return text.replace('"points": 40', '"points": 39')


DAMAGES: dict[str, tuple[Callable[[str], str], str]] = {
    "points edited": (points_edited, "its checksum differs"),
    "settings blanked": (lambda text: text.replace('"settings": "s"', '"settings": ""'), "its checksum differs"),
    "a field added": (lambda text: text.replace('"how":', '"mood": 1, "how":'), "its checksum differs"),
    "schema lowered": (
        lambda text: re.sub(r', "checksum": "\w+"', "", text).replace('"schema": 3', '"schema": 2'),
        "its checksum is missing",
    ),
    "checksum taken out": (lambda text: re.sub(r', "checksum": "\w+"', "", text), "its checksum is missing"),
    "cut short": (lambda text: text[:-40], "it is not JSON"),
    "a newer version's": (lambda text: text.replace('"schema": 3', '"schema": 9'), "newer qdrant-admin (schema 9"),
    "empty": (lambda _: "", "it is not JSON"),
    "a list": (lambda _: "[]", "no record of qdrant-admin"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_report_that_is_not_what_was_written_is_no_baseline_and_stays_where_it_is(
    tmp_path: Path, damage: str
) -> None:
    how, why = DAMAGES[damage]
    path = kept(tmp_path)
    path.write_text(how(path.read_text()))
    before = path.read_bytes()
    (tmp_path / "monday-2.json").write_text("taken")
    with pytest.raises(BadInput, match="cannot be used as a baseline") as caught:
        load(path)
    assert why in caught.value.why
    assert str(caught.value.fix).endswith(f'> "{tmp_path / "monday-3.json"}"')
    assert path.read_bytes() == before


def test_a_report_of_before_there_were_checksums_is_still_a_baseline(tmp_path: Path) -> None:
    path = tmp_path / "early.json"
    values = json.loads(records.dump(report(THEN)))
    del values["checksum"]
    for check in values["collections"]:
        del check["before"]["buckets"], check["after"]["buckets"]
    path.write_text(to_json(values | {"schema": 2}))
    assert load(path).collections == report(THEN).collections


@pytest.mark.parametrize(
    ("checks", "shown"),
    [
        ([], []),
        ([("none", "unchanged"), ("kill", "empty")], []),
        ([("kill", "persisted"), ("none", "unchanged")], [("kill", "persisted")]),
        ([("recreate", "persisted"), ("kill", "persisted")], [("kill", "persisted"), ("recreate", "persisted")]),
        ([("kill", "persisted"), ("recreate", "persisted")], [("recreate", "persisted")]),
        ([("kill", "persisted"), ("kill", "lost")], [("kill", "lost")]),
        ([("kill", "lost"), ("graceful", "persisted")], [("graceful", "persisted"), ("kill", "lost")]),
        ([("kill", "persisted"), ("recreate", "inconclusive")], [("recreate", "inconclusive"), ("kill", "persisted")]),
        ([("all", "persisted"), ("kill", "persisted")], [("kill", "persisted"), ("recreate", "persisted")]),
    ],
)
def test_the_newest_proof_and_the_strongest(
    checks: list[tuple[VerifyMethod, Verdict]], shown: list[tuple[str, str]], tmp_path: Path
) -> None:
    store = StateStore(tmp_path / "state.sqlite3")
    for how, verdict in checks:
        rounds = tuple(Round(how=one, verdict="persisted") for one in ("graceful", "kill", "pause", "recreate"))
        kept = report(THEN, how=how, verdict=verdict, rounds=rounds if how == "all" else ())
        store.record(operation="verify", profile="proof", report=kept, started_at=MONDAY, seconds=1.0)
    assert [(one.how, one.entry.verdict) for one in proofs(store, "proof")] == shown


def test_a_proof_is_not_forgotten_over_many_mere_looks(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "state.sqlite3")
    proof: tuple[VerifyMethod, Verdict] = ("recreate", "persisted")
    look: tuple[VerifyMethod, Verdict] = ("none", "unchanged")
    for how, verdict in (proof, *[look] * 60):
        kept = report(THEN, how=how, verdict=verdict)
        store.record(operation="verify", profile="proof", report=kept, started_at=MONDAY, seconds=1.0)
    assert [one.how for one in proofs(store, "proof")] == ["recreate"]


@pytest.mark.parametrize(("how", "told"), [("recreate", "recreate"), ("all", "recreate")])
def test_the_strongest_proof_is_not_forgotten_over_many_weaker_ones(
    how: VerifyMethod, told: str, tmp_path: Path
) -> None:
    store = StateStore(tmp_path / "state.sqlite3")
    rounds = (Round(how="kill", verdict="persisted"), Round(how="recreate", verdict="persisted"))
    strong: tuple[VerifyMethod, Verdict] = (how, "persisted")
    weak: list[tuple[VerifyMethod, Verdict]] = [("kill", "persisted"), ("recreate", "inconclusive")]
    for one, verdict in (strong, *weak * 60):
        kept = report(THEN, how=one, verdict=verdict, rounds=rounds if one == "all" else ())
        store.record(operation="verify", profile="proof", report=kept, started_at=MONDAY, seconds=1.0)
    with store.writing() as connection:  # one that no version can read costs no other
        connection.execute("UPDATE history SET report = '{' WHERE id = (SELECT max(id) FROM history)")
    assert [(one.how, one.entry.id) for one in proofs(store, "proof")] == [("kill", 120), (told, 1)]

"""What two scans of a server come to. Without a server."""

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import numpy as np
import pytest

from qdrant_admin.core.errors import AdminError
from qdrant_admin.database.canonical import hash_point
from qdrant_admin.database.differences import Difference
from qdrant_admin.database.digest_store import DigestStore
from qdrant_admin.database.fingerprint import Fingerprint, compare
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import Point, PointId
from qdrant_admin.persistence.fingerprints import ServerScan
from qdrant_admin.persistence.reports import NewCollectionsCheck, RoundMethod
from qdrant_admin.persistence.verdict import (
    Judgement,
    judge,
    of_one_member,
    settings_digest,
    unfinished_checks,
    weighed,
    with_new_collections,
    within_scope,
)
from qdrant_admin.persistence.writers import BLIND, Writes, written

Given = Mapping[str, Sequence[Point]]


def point(number: int, vector: float = 1.0, **payload: object) -> Point:
    return Point(number, payload, {"": np.full(2, vector, dtype=np.float32)})


POINTS = [point(number, word="a") for number in range(3)]


NOBODY: Mapping[str, int] = {}
FULL = {"memories": POINTS}


def fingerprint(name: str, points: Iterable[Point], counted: int | None = None, **more: object) -> Fingerprint:
    store, hashes = DigestStore(io.BytesIO()), [hash_point(one, {}) for one in points]
    store.add(hashes)
    store.finish()
    digest = sum(int.from_bytes(one.whole, "little") for one in hashes) % 2**256
    return Fingerprint(name, len(hashes), counted or len(hashes), f"{digest:064x}", store, **more)  # type: ignore[arg-type] # settings


def scan(
    collections: Given | None = None,
    *,
    written: int = 0,
    version: str = "1.16.3",
    counted: int | None = None,
    **more: object,
) -> ServerScan:
    """What a server holds; `written` requests were made while it was read, `counted` is its own count."""
    found = {name: fingerprint(name, points, counted) for name, points in (collections or {}).items()}
    counters = {"counters_before": {"upsert": 3}, "counters_after": {"upsert": 3 + written}}
    return ServerScan(found, version=version, **counters | more)  # type: ignore[arg-type] # fields of a scan


class Stored:
    """Stands for the server, asked for the points that differ."""

    def __init__(self, points: Iterable[Point] = ()) -> None:
        self._points = {one.id: one for one in points}

    def retrieve(self, name: str, ids: Sequence[PointId]) -> list[Point]:
        if not self._points:
            raise AdminError("it cannot be asked")
        return [self._points[one] for one in ids if one in self._points]


def judged(
    before: ServerScan,
    after: ServerScan,
    how: RoundMethod = "kill",
    between: Mapping[str, int] = NOBODY,
    stored: Iterable[Point] = (),
) -> Judgement:
    writes = Writes(Counter(between))
    writes.see_scan(after.counters_before, after.counters_after)
    return judge(before, after, cast("Database", Stored(stored)), how, writes)


CASES: dict[str, tuple[ServerScan, ServerScan, str, str]] = {
    "all equal": (scan(FULL), scan(FULL), "persisted", "every point, setting and alias is as it was"),
    "nothing there": (scan(), scan(), "empty", "nothing is stored, so there was nothing to prove"),
    "fewer given than counted": (
        scan(FULL, counted=9),
        scan(FULL, counted=9),
        "inconclusive",
        "not every point was given: memories: the server counts 9 points and gives 3",
    ),
    "a point gone": (scan(FULL), scan({"memories": POINTS[:2]}), "lost", "memories: 1 point missing"),
    "a point changed": (
        scan(FULL),
        scan({"memories": [*POINTS[:2], point(2, word="b")]}),
        "changed",
        "memories: 1 point changed",
    ),
    "a point more": (scan(FULL), scan({"memories": [*POINTS, point(9)]}), "changed", "memories: 1 point extra"),
    "gone and changed": (
        scan(FULL),
        scan({"memories": [point(1, word="b"), point(2, word="a")]}),
        "lost",
        "memories: 1 point missing, 1 point changed",
    ),
    "a collection gone": (scan(FULL), scan(), "lost", "memories: 3 points missing, the collection is gone"),
    "a collection more": (
        scan(),
        scan(FULL),
        "changed",
        "memories: 3 points extra, the collection was not there before",
    ),
    "cannot be read any more": (
        scan(FULL),
        scan(unreadable={"memories": "a segment is damaged"}),
        "inconclusive",
        "memories can no longer be read: a segment is damaged; it is unknown whether its 3 points are still there",
    ),
    "could not be read before": (
        scan(unreadable={"memories": "a segment is damaged"}),
        scan(FULL),
        "inconclusive",
        "could not be read before the restart: memories",
    ),
    "one lost, another unreadable": (
        scan(FULL | {"other": POINTS}),
        scan({"memories": POINTS[:2]}, unreadable={"other": "damaged"}),
        "lost",
        "memories: 1 point missing; other: can no longer be read: damaged",
    ),
    "lost while somebody writes": (
        scan(FULL),
        scan({"memories": POINTS[:2]}, written=1),
        "inconclusive",
        "memories: 1 point missing; something wrote meanwhile (upsert: 1 request), and may have done this",
    ),
    "changed while somebody writes": (
        scan(FULL),
        scan({"memories": [*POINTS, point(9)]}, written=1),
        "inconclusive",
        "memories: 1 point extra; something wrote meanwhile (upsert: 1 request), and may have done this",
    ),
    "equal while somebody writes": (
        scan(FULL),
        scan(FULL, written=1),
        "inconclusive",
        "all is as it was, but something wrote meanwhile (upsert: 1 request) and may have put back what was lost",
    ),
    "lost and nobody can tell who wrote": (
        scan(FULL),
        scan({"memories": POINTS[:2]}, counters_before=None),
        "inconclusive",
        f"memories: 1 point missing; {BLIND}",
    ),
    "changed and nobody can tell who wrote": (
        scan(FULL),
        scan({"memories": [*POINTS, point(9)]}, counters_after=None),
        "inconclusive",
        f"memories: 1 point extra; {BLIND}",
    ),
    "equal and nobody can tell who wrote": (
        scan(FULL),
        scan(FULL, counters_after=None),
        "persisted",
        "every point, setting and alias is as it was",
    ),
    "another version": (
        scan(FULL),
        scan(FULL, version="1.17.0"),
        "changed",
        "Qdrant 1.17.0 answers now, it was 1.16.3",
    ),
    "another version that has lost something": (
        scan(FULL),
        scan({"memories": POINTS[:2]}, version=""),
        "lost",
        "Qdrant of an unknown version answers now, it was 1.16.3; memories: 1 point missing",
    ),
    "an alias gone": (
        scan(FULL, aliases={"mind": "memories"}),
        scan(FULL),
        "changed",
        "memories: alias mind is gone",
    ),
    "an alias of nothing that is there": (scan(aliases={"mind": "gone"}), scan(), "changed", "alias mind is gone"),
}


@pytest.mark.parametrize("case", CASES)
def test_two_scans_come_to_a_verdict(case: str) -> None:
    before, after, verdict, reason = CASES[case]
    found = judged(before, after)
    assert (found.verdict, found.reason) == (verdict, reason)


@pytest.mark.parametrize(("how", "end"), [("none", "; the server was not restarted"), ("pause", " about a restart")])
def test_two_looks_without_the_end_of_a_process_prove_nothing(how: RoundMethod, end: str) -> None:
    found = judged(scan(FULL), scan(FULL), how)
    assert found.verdict == "unchanged"
    assert found.reason.endswith(end)
    assert judged(scan(FULL), scan(FULL, written=1), how).verdict == "unchanged"


DELETE, UPSERT = "POST /collections/{name}/points/delete", "PUT /collections/{name}/points"
LESS, MORE, OTHER = {"memories": POINTS[:2]}, {"memories": [*POINTS, point(9)]}, {"memories": [point(0), *POINTS[1:]]}


@pytest.mark.parametrize(
    ("left", "endpoint", "verdict"),
    [
        (FULL, UPSERT, "inconclusive"),
        (FULL, DELETE, "inconclusive"),
        (FULL, "POST /collections/{name}/points/batch", "inconclusive"),
        (FULL, "gRPC /qdrant.Points/Upsert", "inconclusive"),
        (FULL, "PUT /collections/{name}/snapshots/recover", "inconclusive"),
        (FULL, "POST /collections/{name}/snapshots/upload", "inconclusive"),
        (FULL, "POST /collections/{name}/snapshots", "persisted"),
        (FULL, "gRPC /qdrant.Snapshots/Create", "persisted"),
        (FULL, "DELETE /issues", "persisted"),
        (LESS, DELETE, "inconclusive"),
        (LESS, "gRPC /qdrant.Points/Delete", "inconclusive"),
        (LESS, "gRPC /qdrant.Points/UpdateBatch", "inconclusive"),
        (LESS, "DELETE /collections/{name}", "inconclusive"),
        (LESS, "POST /collections/aliases", "inconclusive"),
        (LESS, "POST /nobody/knows", "inconclusive"),
        (LESS, UPSERT, "lost"),
        (LESS, "gRPC /qdrant.Points/SetPayload", "lost"),
        (LESS, "PATCH /collections/{name}", "lost"),
        (LESS, "DELETE /collections/{name}/snapshots/{snapshot_name}", "lost"),
        (MORE, UPSERT, "inconclusive"),
        (OTHER, UPSERT, "inconclusive"),
        (OTHER, "POST /collections/{name}/snapshots", "changed"),
    ],
)
def test_a_verdict_stands_only_against_writes_that_cannot_explain_it(left: Given, endpoint: str, verdict: str) -> None:
    found = judged(scan(FULL), scan(left), between={endpoint: 2})
    assert found.verdict == verdict
    assert (f"{endpoint}: 2 requests" in found.reason) == (verdict == "inconclusive" or endpoint in ADDING)


ADDING = (UPSERT, "gRPC /qdrant.Points/SetPayload", "PATCH /collections/{name}")


@pytest.mark.parametrize(
    ("before", "after", "own", "others"),
    [
        ({"a": 3}, {"a": 5, "b": 1}, {}, {"a": 2, "b": 1}),
        ({"a": 3}, {"a": 5, "b": 1}, {"a": 2}, {"b": 1}),
        ({"a": 3}, {"a": 5}, {"a": 3, "c": 1}, {}),
        ({"a": 3}, {"a": 2}, {}, {"a": 2}),
        ({"a": 3, "b": 1}, {"a": 4}, {}, {"a": 4}),
        (None, {"a": 5}, {}, {}),
        ({"a": 3}, None, {}, {}),
    ],
)
def test_requests_of_others_are_what_the_counters_say_without_ours(
    before: Mapping[str, int] | None, after: Mapping[str, int] | None, own: Mapping[str, int], others: dict[str, int]
) -> None:
    writes = Writes()
    assert writes.see(before, after, own) == written(before, after, own) == others
    assert writes.blind == (before is None or after is None or after.get("a", 0) < 3 or "b" in before)
    assert (writes.why_blind == BLIND) == (before is None or after is None or not writes.blind)


def test_what_one_collection_hides_excuses_no_loss_of_another() -> None:
    hidden = {"memories": "3 points are stored and hidden until optimized"}
    before = scan({**FULL, "other": POINTS}, hidden=hidden)
    for points in (FULL, LESS):
        assert judged(before, scan({**points, "other": POINTS}, hidden=hidden)).verdict == "inconclusive"
    found = judged(before, scan(FULL, hidden=hidden))
    assert found.verdict == "lost"
    assert "other: " in found.reason
    assert "memories: 3 points are stored and hidden" in found.reason


def test_a_process_that_ended_by_itself_leaves_a_loss_undecided() -> None:
    writes = Writes()
    writes.see_scan({UPSERT: 3}, {})
    found = weighed(judged(scan(FULL), scan(LESS)), writes)
    assert (found.verdict, found.code) == ("inconclusive", "writers_unseen")
    assert "a process of the server has ended since" in found.reason


def test_an_alias_makes_every_collection_that_it_pointed_to_a_changed_one() -> None:
    both = {"a": POINTS, "b": POINTS, "c": POINTS}
    found = judged(scan(both, aliases={"mind": "a"}), scan(both, aliases={"mind": "b"}))
    moved = Difference(code="alias_changed", name="mind", facts={"before": "a", "after": "b"})
    assert [(one.name, one.verdict, one.settings) for one in found.collections] == [
        ("a", "changed", (moved,)),
        ("b", "changed", (moved,)),
        ("c", "same", ()),
    ]
    assert found.aliases == (moved,)


def test_a_vector_of_zeros_is_told_as_such_where_the_server_still_answers() -> None:
    """The mark of a bind mount that loses what is mapped into memory."""
    zeroed = {"memories": [*POINTS[:2], point(2, 0.0, word="a")]}
    details = [
        [one.detail for one in judged(scan(FULL), scan(zeroed), stored=stored).collections[0].points]
        for stored in (zeroed["memories"], ())
    ]
    assert details == [['vector "", all zeros now'], ['vector ""']]


def with_index(index: Mapping[str, object], **more: object) -> str:
    return settings_digest(fingerprint("a", (), None, payload_schema={"word": index}, **more))


def test_what_the_server_counts_on_is_no_setting() -> None:
    digest = with_index({"data_type": "keyword", "points": 3})
    assert digest == with_index({"points": 4, "data_type": "keyword"})
    assert digest != with_index({"data_type": "text", "points": 3})
    assert digest != with_index({"data_type": "keyword", "params": {"is_tenant": True}})
    assert with_index({}, aliases=("a", "b")) == with_index({}, aliases=("b", "a"))
    assert with_index({}, aliases=("a", "b")) != with_index({}, aliases=("a",))
    assert with_index({}, config={"m": 1, "n": 2}) == with_index({}, config={"n": 2, "m": 1})
    assert with_index({}, config={"m": 1}) != with_index({}, config={"m": 2})


OTHER_JSON: dict[str, tuple[object, object, str]] = {
    "a number in a list": ([1, 2], [1.0, 2], "metadata.k"),
    "truth in a list": ([1, 2], [True, 2], "metadata.k"),
    "truth in an object in a list": ([1, {"q": 1}], [1, {"q": True}], "metadata.k"),
    "a number": (1, 1.0, "metadata.k"),
    "nothing in a list": ([None], [0], "metadata.k"),
    "a list and its end": ([1], [1, None], "metadata.k"),
    "nothing and not there": ({"a": None}, {}, "metadata.k.a"),
    "a key with a dot": ({"a": {"b": 2}, "a.b": 1}, {"a": {"b": 2}, "a.b": 3}, 'metadata.k."a.b"'),
    "beside a key with a dot": ({"a": {"b": 2}, "a.b": 1}, {"a": {"b": 3}, "a.b": 1}, "metadata.k.a.b"),
    "a key that looks like a path in quotes": ({'"a.b"': 1, "a.b": 1}, {'"a.b"': 2, "a.b": 1}, r'metadata.k."\"a.b\""'),
    "an empty key": ({"": 1}, {"": 2}, 'metadata.k.""'),
}


@pytest.mark.parametrize("case", OTHER_JSON)
def test_metadata_that_is_other_json_is_told_by_its_path_and_has_another_digest(case: str) -> None:
    """Python takes 1, 1.0 and True for the same."""
    old, new, path = OTHER_JSON[case]
    before, after = (fingerprint("a", POINTS, config={"metadata": {"k": value}}) for value in (old, new))
    names = [one.name for one in compare(before, after).settings]
    assert path in names
    assert settings_digest(before) != settings_digest(after)
    assert compare(before, before).same


def test_a_setting_that_says_nothing_is_as_if_it_were_not_there() -> None:
    """Newer servers name more of them: 1.18 tells of `prevent_unoptimized`, which 1.16 does not know."""
    early = {"optimizer_config": {"deleted_threshold": 0.2}, "quantization_config": None, "metadata": {"a": None}}
    late = {"optimizer_config": {"deleted_threshold": 0.2, "prevent_unoptimized": None}, "metadata": {"a": None}}
    off = {"optimizer_config": {"deleted_threshold": 0.2, "prevent_unoptimized": False}, "metadata": {"a": None}}
    on = {"optimizer_config": {"deleted_threshold": 0.2, "prevent_unoptimized": True}, "metadata": {"a": None}}
    first, *others, last = (fingerprint("a", POINTS, config=config) for config in (early, late, off, on))
    for other in others:
        assert compare(first, other).same
        assert settings_digest(first) == settings_digest(other)
    assert [one.name for one in compare(first, last).settings] == ["optimizer_config.prevent_unoptimized"]
    assert settings_digest(first) != settings_digest(last)


def test_vectors_without_any_parameter_are_settings_too() -> None:
    one, two = (fingerprint("a", POINTS, config={"params": {"sparse_vectors": {name: {}}}}) for name in "tu")
    assert not compare(one, two).same


def test_a_loss_among_the_new_collections_is_a_loss() -> None:
    good, writes = judged(scan(FULL), scan(FULL)), Writes()
    intact = NewCollectionsCheck(collections=3, points=32, aliases=1)
    assert with_new_collections(good, None, writes) == with_new_collections(good, intact, writes) == good
    lost = intact.model_copy(update={"lost": ("alias x is gone",)})
    loss = "created over the API just before the restart: alias x is gone"
    assert with_new_collections(good, lost, writes)[:2] == ("lost", loss)
    changed = judged(scan(FULL), scan(MORE))
    assert with_new_collections(changed, lost, writes)[:2] == ("lost", f"memories: 1 point extra; {loss}")
    deleted, unseen = Writes(Counter({DELETE: 1})), Writes(blind=True)
    assert with_new_collections(good, lost, deleted)[0] == with_new_collections(good, lost, unseen)[0] == "inconclusive"


@pytest.mark.parametrize("left", [FULL, LESS, MORE])
def test_one_member_of_a_cluster_is_no_verdict_whatever_it_shows(left: Given) -> None:
    found = judged(scan(FULL), scan(left))
    assert of_one_member(found, 1) == found
    member = of_one_member(found, 3)
    assert (member.verdict, member.code) == ("inconclusive", "cluster")
    assert "one of 3 members" in member.reason


def test_a_key_for_some_collections_says_nothing_of_the_others() -> None:
    found = judged(scan(FULL), scan(FULL))
    assert within_scope(found, ()) == found
    told = within_scope(found, ("a", "b"))
    assert told.verdict == "persisted"
    assert told.reason == (
        "every point, setting and alias of a, b is as it was; other collections are out of sight of this API key"
    )


def test_a_check_that_ended_early_claims_nothing_of_any_collection() -> None:
    assert [(one.name, one.verdict, one.after) for one in unfinished_checks(scan({"b": POINTS, "a": ()}))] == [
        ("a", "inconclusive", None),
        ("b", "inconclusive", None),
    ]

"""A few bytes a point are enough to name it, and what of it changed."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from qdrant_admin.database import digest_store
from qdrant_admin.database.canonical import hash_point
from qdrant_admin.database.differences import PartDifference, PointDifference
from qdrant_admin.database.digest_store import MAX_FIELDS, DigestStore, PointDigests, same, what_changed
from qdrant_admin.database.fingerprint import differences
from qdrant_admin.database.models import Point


def point(number: int | str, **payload: object) -> Point:
    return Point(number, {"title": "a"} | payload, {"": np.ones(2, dtype=np.float32)})


@pytest.fixture
def stores() -> Iterator[list[DigestStore]]:
    made: list[DigestStore] = []
    yield made
    for one in made:
        one.close()


def changed(identity: str, part: PartDifference, fields: tuple[str, ...] | None = None) -> PointDifference:
    return PointDifference(id=identity, what="changed", parts=(part,), vectors=("",), fields=fields)


def keep(stores: list[DigestStore], points: Iterable[Point]) -> DigestStore:
    made = DigestStore()
    stores.append(made)
    made.add(hash_point(one, {}) for one in points)
    made.finish()
    return made


def test_missing_extra_and_changed_are_named_in_order(stores: list[DigestStore]) -> None:
    before = keep(stores, [point(number) for number in range(1, 7)])
    after = keep(stores, [point(0), *(point(n) for n in (2, 3)), point(4, title="b"), point(6), point(9)])
    assert list(differences(before, after)) == [
        PointDifference(id="0", what="extra"),
        PointDifference(id="1", what="missing", vectors=("",), fields=("title",)),
        changed("4", PartDifference(kind="field", name="title"), fields=("title",)),
        PointDifference(id="5", what="missing", vectors=("",), fields=("title",)),
        PointDifference(id="9", what="extra"),
    ]


def test_an_order_that_is_not_the_servers_changes_nothing(stores: list[DigestStore]) -> None:
    points = [point(number) for number in (3, 1, 2)]
    for order in itertools.permutations(points):
        before, after = keep(stores, points), keep(stores, order)
        assert list(differences(before, after)) == []


def test_points_of_different_shapes_are_kept_apart(stores: list[DigestStore]) -> None:
    plain, bare = point(1), Point(2, {}, {})
    many = point(3, **{f"field{number}": number for number in range(MAX_FIELDS + 1)})
    other = point(3, **(many.payload | {"field7": 8}))
    before, after = keep(stores, [plain, bare, many]), keep(stores, [plain, bare, other])
    assert list(differences(before, after)) == [changed("3", PartDifference(kind="payload"))]


def test_past_the_bound_of_shapes_a_change_is_still_found(
    stores: list[DigestStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest_store, "MAX_SHAPES", 3)
    points = [point(number, **{f"own{number}": number}) for number in range(10)]
    others = [*points[:8], point(8, own8="other"), points[9]]
    found = list(differences(keep(stores, points), keep(stores, others)))
    assert found == [changed("8", PartDifference(kind="payload"))]


def test_a_store_that_outgrows_memory_goes_to_the_disk(
    stores: list[DigestStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest_store, "MEMORY_BYTES", 1000)
    points = [point(number) for number in range(500)]
    before, after = keep(stores, points), keep(stores, points[:-1])
    assert getattr(before.file, "_rolled", False)
    assert list(differences(before, after)) == [
        PointDifference(id="499", what="missing", vectors=("",), fields=("title",))
    ]


@pytest.mark.parametrize(("identity", "octets"), [(7, 32), ("5c56c793-69f3-4fbf-87e6-c4bf54c28c26", 40)])
def test_an_ordinary_point_takes_no_more_than_forty_bytes(
    stores: list[DigestStore], identity: int | str, octets: int
) -> None:
    """One vector and eight fields, all of them named when they change."""
    fields = {f"field{number}": number for number in range(8)}
    one = Point(identity, fields, {"": np.ones(2, dtype=np.float32)})
    before, after = keep(stores, [one]), keep(stores, [Point(identity, fields | {"field3": 4}, one.vectors)])
    assert before.file.seek(0, 2) == octets
    assert [found.parts for found in differences(before, after)] == [(PartDifference(kind="field", name="field3"),)]


def test_two_readings_that_kept_different_shapes_tell_no_change_that_is_none(
    stores: list[DigestStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A point more at the beginning takes the place of a later shape."""
    monkeypatch.setattr(digest_store, "MAX_SHAPES", 2)
    points = [point(number, **{f"own{number}": number}) for number in range(1, 4)]
    moved = Point(2, points[1].payload, {"": np.zeros(2, dtype=np.float32)})
    first = point(0, extra=1)
    found = list(differences(keep(stores, points), keep(stores, [first, points[0], moved, points[2]])))
    assert [(one.id, one.what, one.parts) for one in found] == [
        ("0", "extra", ()),
        ("2", "changed", (PartDifference(kind="vector"),)),
    ]


def test_names_of_vectors_and_fields_that_come_and_go_are_told(stores: list[DigestStore]) -> None:
    vector = np.ones(2, dtype=np.float32)
    before = keep(stores, [Point(1, {"a": 1, "ключ": 1, "": 0}, {"x": vector, "y": vector})])
    after = keep(stores, [Point(1, {"b": 1, "ключ": 2}, {"x": vector, "z": vector})])
    (found,) = differences(before, after)
    assert [(part.kind, part.name, part.change) for part in found.parts] == [
        ("vector", "y", "gone"),
        ("vector", "z", "new"),
        ("field", "", "gone"),
        ("field", "a", "gone"),
        ("field", "b", "new"),
        ("field", "ключ", "changed"),
    ]


KNOWN = PointDigests(b"key", b"whole", {"": 1}, {"a": 2}, 3)


@pytest.mark.parametrize(
    ("other", "alike", "parts"),
    [
        (KNOWN, True, "content"),
        (KNOWN._replace(vectors={"": 2}), False, "vector"),
        (KNOWN._replace(fields={"a": 9}, payload=9), False, "field"),
        (KNOWN._replace(vectors=None), True, "content"),
        (KNOWN._replace(fields=None, payload=9), False, "payload"),
        (KNOWN._replace(whole=b"other"), False, "content"),
    ],
)
def test_each_part_that_is_known_counts(other: PointDigests, alike: bool, parts: str) -> None:
    assert (same(KNOWN, other), same(other, KNOWN)) == (alike, alike)
    assert [part.kind for part in what_changed(KNOWN, other)] == [parts]


def test_where_no_names_were_kept_the_digest_of_the_whole_decides() -> None:
    """Two vectors changed may leave the short digest of the payload as it is: nothing else is left to tell."""
    bare = PointDigests(b"key", b"whole", None, None, 3)
    assert same(bare, bare)
    assert not same(bare, bare._replace(whole=b"other"))


def test_a_store_read_out_of_order_at_its_beginning_is_sorted_at_its_end(stores: list[DigestStore]) -> None:
    assert [one.key for one in keep(stores, [point(2), point(1), point(3)])] == [
        one.key for one in keep(stores, [point(1), point(2), point(3)])
    ]

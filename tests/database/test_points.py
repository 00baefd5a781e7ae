"""Points come back as they went in, bit for bit, over gRPC and over REST, and across both."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qdrant_admin.core.errors import BadInput
from qdrant_admin.database import gateway
from qdrant_admin.database.canonical import stored_payload
from qdrant_admin.database.encoding import MAX_DEPTH, NotEncodable, point_bytes
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.grpc_points import GrpcPoints
from qdrant_admin.database.models import CollectionSpec, Point, PointId, Sparse, Vector, VectorSpec
from qdrant_admin.database.rest_points import check_payload
from tests.database.conftest import rest_only
from tests.support.real import Server

pytestmark = pytest.mark.server
PLAIN = CollectionSpec(vectors=(VectorSpec(size=4, distance="Dot"),))
RICH = CollectionSpec(
    vectors=(
        VectorSpec(size=4, distance="Dot"),
        VectorSpec(name="multi", kind="multi", size=3, distance="Dot"),
        VectorSpec(name="half", size=4, distance="Euclid", datatype="float16"),
        VectorSpec(name="byte", size=4, distance="Manhattan", datatype="uint8"),
        VectorSpec(name="words", kind="sparse"),
    )
)
UUID = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"


def floats(*values: float) -> Any:
    return np.array(values, dtype=np.float32)


def rich_points() -> list[Point]:
    tiny, huge = float(np.float32(1e-45)), float(np.float32(3.4e38))
    whole: dict[str, Vector] = {
        "": floats(0.1, -0.0, tiny, huge),
        "multi": np.array([[0.1, 0.2, 0.3], [1, 2, 3]], dtype=np.float32),
        "half": floats(0.5, 1.5, -2, 65504),
        "byte": floats(0, 1, 2, 255),
        "words": Sparse(np.array([2, 7, 4294967295], np.uint32), floats(0.5, 0.25, -1)),
    }
    one_row: dict[str, Vector] = {"multi": np.array([[1, 2, 3]], dtype=np.float32)}
    return [
        Point(0, {}, whole),
        Point(1, {"text": "one row of a multivector"}, one_row),
        Point(2, {"text": "no vectors"}, {}),
        Point(2**64 - 1, {"text": "largest integer id"}, {"": floats(1, 2, 3, 4)}),
        Point(UUID, {"text": "UUID"}, {"words": Sparse(np.array([5], np.uint32), floats(1))}),
    ]


def same_vector(left: Vector, right: Vector) -> bool:
    if isinstance(left, Sparse) or isinstance(right, Sparse):
        if not (isinstance(left, Sparse) and isinstance(right, Sparse)):
            return False
        return left.indices.tobytes() == right.indices.tobytes() and left.values.tobytes() == right.values.tobytes()
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()


def assert_same(found: list[Point], expected: list[Point]) -> None:
    assert [point.id for point in found] == [point.id for point in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert repr(_sorted(ours.payload)) == repr(_sorted(theirs.payload))
        assert set(ours.vectors) == set(theirs.vectors)
        assert all(same_vector(ours.vectors[name], vector) for name, vector in theirs.vectors.items())


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(child) for child in value] if isinstance(value, list) else value


def everything(database: Database, name: str, **options: Any) -> list[Point]:
    return [point for page in database.scan(name, **options) for point in page]


@pytest.mark.parametrize("writer", ["gRPC", "REST"])
def test_every_kind_of_vector_comes_back_bit_for_bit(server: Server, writer: str) -> None:
    with Database(server.endpoint) as fast, Database(rest_only(server.endpoint)) as slow:
        fast.create_collection("rich", RICH)
        (fast if writer == "gRPC" else slow).upsert("rich", rich_points())
        for reader in (fast, slow):
            assert_same(everything(reader, "rich"), rich_points())
            ids: list[PointId] = [UUID, 0, 2]
            by_id = {point.id: point for point in rich_points()}
            assert_same(reader.retrieve("rich", ids), [by_id[one] for one in ids])
        assert_same(slow.page("rich", limit=10, with_vectors=True).points, rich_points())


HOSTILE: dict[str, dict[str, Any]] = {
    "integers": {"a": 2**63 - 1, "b": -(2**63), "c": 0, "d": 2**53 + 1},
    "beyond_i64": {"a": 2**64 - 1, "b": [2**63], "c": {"d": 2**63}},
    "float_like_u64": {"a": 2.0**63, "b": 1e300, "c": 1.8446744073709552e19},
    "floats": {"a": 1.0, "b": -0.0, "c": 5e-324, "d": 0.1, "e": -1e308},
    "kinds": {"a": True, "b": False, "c": None, "d": 1, "e": 1.0, "f": "1", "g": [], "h": {}, "i": [None, [[]]]},
    "keys": {"": "", "a.b": 1, "a[]": 2, "\x00": "\x00", "🦀": "\u202e\x1b[31m[/oops]", '"': "\\"},
    "deep": {"a": [[[{"b": [{"c": 1}] * 2}]]]},
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_payload_comes_back_unchanged(database: Database, payload: dict[str, Any]) -> None:
    database.create_collection("p", PLAIN)
    database.upsert("p", [Point(1, payload, {"": floats(1, 2, 3, 4)}), Point(2, {"plain": 1}, {})])
    expected = [Point(1, payload, {"": floats(1, 2, 3, 4)}), Point(2, {"plain": 1}, {})]
    assert_same(everything(database, "p"), expected)
    assert_same([database.point("p", 1)], expected[:1])


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1, 40, 100])
@pytest.mark.parametrize("kind", ["objects", "lists"])
def test_a_deep_payload_goes_the_way_that_carries_it(database: Database, depth: int, kind: str) -> None:
    value: Any = "bottom"
    for _ in range(depth - 1):
        value = {"x": value} if kind == "objects" else [value]
    database.create_collection("p", PLAIN)
    database.upsert("p", [Point(1, {"x": value}, {})])
    assert everything(database, "p")[0].payload == {"x": value}
    assert database.point("p", 1).payload == {"x": value}


def test_the_last_of_two_points_with_one_id_wins_across_transports(database: Database) -> None:
    database.create_collection("p", PLAIN)
    big = {"a": 2**64 - 1}
    database.upsert("p", [Point(1, {"a": 1}), Point(1, big), Point(1, {"a": 3}), Point(2, {"a": 1}), Point(2, big)])
    assert [point.payload for point in everything(database, "p")] == [{"a": 3}, big]


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(-1e9, 1e9, allow_subnormal=False).filter(lambda number: number == 0 or abs(number) > 1e-9)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.é", max_size=3), inner, max_size=3),
    max_leaves=12,
)


def test_any_json_comes_back_unchanged_on_both_transports(server: Server) -> None:
    with Database(server.endpoint) as fast, Database(rest_only(server.endpoint)) as slow:
        fast.create_collection("p", PLAIN)

        @settings(max_examples=40, deadline=None)
        @example(payload={"": 5.960464477539063e-08}, by_grpc=False)
        @example(payload={"": 5.960464477539063e-08}, by_grpc=True)
        @given(payload=st.dictionaries(st.text("ab🦀", max_size=3), JSON_VALUES, max_size=4), by_grpc=st.booleans())
        def check(payload: dict[str, Any], by_grpc: bool) -> None:
            (fast if by_grpc else slow).upsert("p", [Point(1, payload, {})])
            once = stored_payload(payload)  # read from the text that is stored; over REST the request is read as well
            expected = {repr(_sorted(once)), repr(_sorted(stored_payload(once)))}
            for reader in (fast, slow):
                assert repr(_sorted(reader.point("p", 1).payload)) in expected

        check()


@pytest.mark.parametrize(
    "payload",
    [
        {"a": math.nan},
        {"a": [math.inf]},
        {"a": 2**64},
        {"a": -(2**63) - 1},
        {"a": "\ud800"},
        {"\udfff": 1},
        {"a": {1: 2}},
        {"a": b"x"},
        {"a": np.float32(1)},
        {"a": np.int64(1)},
    ],
)
def test_what_a_server_would_change_is_refused_before_anything_is_sent(
    database: Database, payload: dict[str, Any]
) -> None:
    database.create_collection("p", PLAIN)
    with pytest.raises(BadInput, match="point 2"):
        database.upsert("p", [Point(1, {}), Point(2, payload)])
    assert database.count("p") == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_vector_that_is_not_finite_is_refused_on_both_transports(database: Database, bad: float) -> None:
    database.create_collection("rich", RICH)
    bad_ones: tuple[dict[str, Vector], ...] = (
        {"": floats(1, bad, 1, 1)},
        {"multi": np.array([[1, 1, bad]], np.float32)},
        {"words": Sparse(np.array([1], np.uint32), floats(bad))},
    )
    for vectors in bad_ones:
        with pytest.raises(BadInput, match="point 1"):
            database.upsert("rich", [Point(1, {}, vectors)])
    assert database.count("rich") == 0


def test_a_vector_that_somebody_else_stored_as_nan_reads_as_nan(server: Server) -> None:
    raw = GrpcPoints(server.endpoint, 10)
    with Database(server.endpoint) as fast, Database(rest_only(server.endpoint)) as slow:
        fast.create_collection("p", PLAIN)
        raw.upsert("p", [point_bytes(1, {}, {"": floats(1, math.nan, 2, 3)})], wait=True)
        raw.close()
        for reader in (fast, slow):
            vector = everything(reader, "p")[0].vectors[""]
            assert not isinstance(vector, Sparse)
            assert np.isnan(vector).tolist() == [False, True, False, False]


def test_ids_of_numpy_and_other_spellings_of_a_uuid_are_taken(database: Database) -> None:
    database.create_collection("p", PLAIN)
    number: Any = np.uint64(7)
    database.upsert("p", [Point(number, {}), Point(UUID.upper().replace("-", ""), {})])
    assert [point.id for point in everything(database, "p")] == [7, UUID]
    assert [point.id for point in database.retrieve("p", [f"urn:uuid:{UUID}", number, 8])] == [UUID, 7]


def test_sparse_indices_are_sorted_with_their_values(database: Database) -> None:
    database.create_collection("rich", RICH)
    database.upsert("rich", [Point(1, {}, {"words": Sparse(np.array([9, 2], np.uint32), floats(0.9, 0.2))})])
    found = everything(database, "rich")[0].vectors["words"]
    assert isinstance(found, Sparse)
    assert (found.indices.tolist(), found.values.tolist()) == ([2, 9], floats(0.2, 0.9).tolist())


def test_a_scan_is_whole_in_order_and_can_go_on_anywhere(database: Database) -> None:
    database.create_collection("p", PLAIN)
    ids: list[PointId] = [*range(0, 90, 3), *(f"00000000-0000-0000-0000-{one:012x}" for one in range(5))]
    database.upsert("p", [Point(one, {"n": 1}, {}) for one in reversed(ids)])
    for size in (1, 7, 35, 512):
        pages = list(database.scan("p", page_size=size))
        assert [point.id for page in pages for point in page] == ids
        assert all(0 < len(page) <= size for page in pages)
    for place, one in enumerate(ids):
        assert [point.id for point in everything(database, "p", after=one, page_size=4)] == ids[place + 1 :]
    database.delete_points("p", [30])
    assert everything(database, "p", after=30)[0].id == 33, "the place of a point that was deleted meanwhile"


def test_ids_come_alone_and_in_order_by_either_way(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "_IDS_A_PAGE", 8)
    numbers = [*range(0, 90, 3), 2**63, 2**64 - 1]
    ids: list[PointId] = [*numbers, *(f"00000000-0000-0000-0000-{one:012x}" for one in range(5))]
    with Database(server.endpoint) as fast, Database(rest_only(server.endpoint)) as slow:
        fast.create_collection("p", PLAIN)
        assert list(fast.scan_ids("p")) == list(slow.scan_ids("p")) == []
        fast.upsert("p", [Point(one, {"n": 1}, {}) for one in reversed(ids)])
        for database in (fast, slow):
            pages = list(database.scan_ids("p"))
            assert [one for page in pages for one in page] == ids
            assert all(0 < len(page) <= 8 for page in pages)


def test_points_are_found_by_every_kind_of_id(server: Server) -> None:
    ids: list[PointId] = [0, 1, 2**63, 2**64 - 1, "00000000-0000-0000-0000-00000000abcd"]
    with Database(server.endpoint) as database:
        database.create_collection("p", PLAIN)
        database.upsert("p", [Point(one, {"n": 1}, {}) for one in ids])
        assert set(database.bulk.found("p", [*ids, 7]).places) == set(ids)


@pytest.mark.parametrize("name", ["", "text"])
def test_the_vectors_of_found_points_are_rows(server: Server, name: str) -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    with Database(server.endpoint) as database:
        database.create_collection("p", CollectionSpec(vectors=(VectorSpec(name=name, size=3, distance="Dot"),)))
        database.upsert("p", [Point(one, {}, {name: row}) for one, row in enumerate(rows)])
        found = database.bulk.found("p", [3, 0, 2, 1])
        vectors = found.vectors(name)
        assert vectors is not None
        assert np.array_equal(vectors[[found.places[one] for one in range(4)]], rows)
        assert found.vectors("other") is None
        database.upsert("p", [Point(2, {}, {})])
        assert database.bulk.found("p", [3, 0, 2, 1]).vectors(name) is None


def test_nothing_is_sent_for_nothing(database: Database) -> None:
    database.create_collection("p", PLAIN)
    before = database.write_counters()
    database.upsert("p", [])
    database.delete_points("p", [])
    assert database.retrieve("p", []) == []
    assert list(database.scan("p")) == []
    assert database.write_counters() == before


def test_more_than_a_server_takes_at_once_is_cut(database: Database) -> None:
    """40 MB in one call: REST refuses a request above 32 MB."""
    database.create_collection("p", PLAIN)
    text = "x" * 4_000_000
    database.upsert("p", [Point(one, {"text": text}, {}) for one in range(10)])
    assert database.count("p") == 10
    assert len(database.point("p", 9).payload["text"]) == len(text)
    database.upsert("p", [Point(one, {"n": one}, {}) for one in range(2500)])
    assert database.count("p") == 2500


def test_pages_counts_and_searches_take_a_filter(database: Database) -> None:
    database.create_collection("p", PLAIN)
    points = [Point(one, {"even": one % 2 == 0}, {"": floats(one, 1, 0, 0)}) for one in range(10)]
    database.upsert("p", points)
    even = {"must": [{"key": "even", "match": {"value": True}}]}
    assert database.count("p", filter=even) == 5
    page = database.page("p", limit=2, offset=3, filter=even)
    assert ([point.id for point in page.points], page.next_offset) == ([4, 6], 8)
    hits = database.search("p", id=2, filter=even, limit=2)
    assert [(point.id, score) for point, score in hits] == [(8, 17.0), (6, 13.0)]
    assert database.search("p", vector=floats(1, 0, 0, 0), limit=1)[0][0].id == 9


@given(JSON_VALUES)
def test_what_grpc_carries_is_told_without_a_server(value: Any) -> None:
    payload = {"x": value}
    check_payload(payload)
    big = any(type(one) is int and one > 2**63 - 1 for one in _leaves(value))
    try:
        point_bytes(1, payload, {})
    except NotEncodable:
        assert big
    else:
        assert not big


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    return [leaf for child in value for leaf in _leaves(child)] if isinstance(value, list) else [value]

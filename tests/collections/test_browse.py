"""What people look at: lists, one collection, pages of points, one point, searches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdrant_admin.collections.browse import (
    list_collections,
    list_points,
    read_filter,
    read_vector,
    search_points,
    show_collection,
    show_point,
)
from qdrant_admin.config.profile import Endpoint, Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.errors import BadInput, NotFound, RequestRejected
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, Sparse, VectorSpec
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.support.real import Server

UUID = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"
NAME = "memories #1"


class At(Workspace):
    """A workspace whose server is the one of the test."""

    endpoint: Endpoint

    def database(self) -> Database:
        return Database(self.endpoint)


@pytest.fixture
def ws(server: Server, tmp_path: Path) -> Workspace:
    """A profile whose server holds one collection of four points."""
    workspace = At(Settings(name="test", profile=Profile()), StateStore(tmp_path / "state.sqlite"))
    object.__setattr__(workspace, "endpoint", server.endpoint)
    slots = (
        VectorSpec(size=2, distance="Dot"),
        VectorSpec(name="rows", kind="multi", size=2, distance="Dot"),
        VectorSpec(name="words", kind="sparse"),
    )
    with workspace.database() as database:
        database.create_collection(NAME, CollectionSpec(vectors=slots))
        rows = np.array([[1, 2], [3, 4]], np.float32)
        words = Sparse(np.array([1, 7], np.uint32), np.array([0.5, 0.25], np.float32))
        database.upsert(
            NAME,
            [
                Point(1, {"lang": "en"}, {"": np.array([1, 2], np.float32), "rows": rows, "words": words}),
                Point(2, {"lang": "de"}, {"": np.zeros(2, np.float32)}),
                Point(3, {"lang": "en"}, {"": np.array([2, 2], np.float32)}),
                Point(UUID, {}, {}),
            ],
        )
    return workspace


@pytest.mark.server
def test_collections_are_listed_and_shown(ws: Workspace) -> None:
    report = list_collections(ws)
    assert [(one.name, one.points) for one in report.collections] == [(NAME, 4)]
    assert report.summary() == "1 collection"
    assert show_collection(ws, NAME).collection == report.collections[0]
    assert show_collection(ws, NAME).summary() == f"{NAME}: 4 points"
    with pytest.raises(BadInput, match="none"):
        show_collection(ws, "none")


@pytest.mark.server
def test_points_are_listed_a_page_at_a_time(ws: Workspace) -> None:
    first = list_points(ws, NAME, limit=3)
    assert [point.id for point in first.points] == [1, 2, 3]
    assert first.next_offset == UUID
    assert all(point.vectors == () for point in first.points)
    rest = list_points(ws, NAME, limit=3, offset=first.next_offset)
    assert ([point.id for point in rest.points], rest.next_offset) == ([UUID], None)


@pytest.mark.server
@pytest.mark.parametrize("as_text", [True, False])
def test_a_filter_narrows_a_page(ws: Workspace, as_text: bool) -> None:
    text = '{"must": [{"key": "lang", "match": {"value": "en"}}]}'
    report = list_points(ws, NAME, filter=text if as_text else read_filter(text))
    assert [point.id for point in report.points] == [1, 3]


@pytest.mark.server
def test_a_point_is_shown_whole_and_a_zero_vector_is_marked(ws: Workspace) -> None:
    whole = {vector.name: vector for vector in show_point(ws, NAME, 1).point.vectors}
    assert (whole[""].kind, whole[""].size, whole[""].values, whole[""].zero) == ("dense", 2, [1, 2], False)
    assert (whole["rows"].kind, whole["rows"].values) == ("multi", [[1, 2], [3, 4]])
    assert (whole["words"].kind, whole["words"].size) == ("sparse", 2)
    assert whole["words"].values == {"indices": [1, 7], "values": [0.5, 0.25]}
    assert [vector.zero for vector in show_point(ws, NAME, 2).point.vectors] == [True]
    assert show_point(ws, NAME, UUID.upper()).point.id == UUID
    assert show_point(ws, NAME, "3").point.payload == {"lang": "en"}


@pytest.mark.server
def test_a_point_that_is_not_there_or_cannot_be_is_said_so(ws: Workspace) -> None:
    with pytest.raises(NotFound, match="99"):
        show_point(ws, NAME, 99)
    for one in ("abc", -1, 2**64):
        with pytest.raises(BadInput, match="not a point id"):
            show_point(ws, NAME, one)


@pytest.mark.server
def test_a_search_finds_the_nearest_first(ws: Workspace) -> None:
    like = search_points(ws, NAME, point=1)
    assert [(point.id, point.score) for point in like.points] == [(3, 6.0), (2, 0.0)]
    near = search_points(ws, NAME, vector="[1, 0]", limit=1)
    assert [(point.id, point.score) for point in near.points] == [(3, 2.0)]
    words = search_points(ws, NAME, vector={"indices": [7], "values": [2]}, using="words")
    assert [(point.id, point.score) for point in words.points] == [(1, 0.5)]
    rows = search_points(ws, NAME, vector=[[1, 0]], using="rows")
    assert [point.id for point in rows.points] == [1]
    narrow = search_points(ws, NAME, point=1, filter={"must": [{"key": "lang", "match": {"value": "de"}}]})
    assert [point.id for point in narrow.points] == [2]


@pytest.mark.server
def test_a_search_that_cannot_be_is_said_so(ws: Workspace) -> None:
    with pytest.raises(RequestRejected, match="expected dim: 2, got 3"):
        search_points(ws, NAME, vector=[1, 2, 3])
    with pytest.raises(NotFound, match="99"):
        search_points(ws, NAME, point=99)
    with pytest.raises(BadInput):
        search_points(ws, NAME)
    with pytest.raises(BadInput):
        search_points(ws, NAME, point=1, vector=[1, 2])


@pytest.mark.parametrize("given", ["{", "[]", "5", '{"key": "lang"}', '{"Must": []}', "[" * 100_000])
def test_a_filter_that_is_none_is_refused_with_an_example(given: str) -> None:
    """The server would ignore what it does not know, and answer with every point."""
    with pytest.raises(BadInput) as caught:
        read_filter(given)
    assert "must" in caught.value.fix


@pytest.mark.parametrize(
    "given",
    [
        "x", "5", "[]", "[true]", '["a"]', "[[]]", "[[1], [1, 2]]", "[1e39]", "[NaN]", "null", f"[{10**400}]",
        '{"indices": [1]}', '{"indices": [1, 1], "values": [1, 2]}', '{"indices": [-1], "values": [1]}',
        '{"indices": [1], "values": [null]}',
    ],
)  # fmt: skip
def test_a_vector_that_is_none_is_refused(given: Any) -> None:
    with pytest.raises(BadInput):
        read_vector(given)

"""Whatever happens to the data between the two fingerprints is reported as exactly that."""

from typing import Any

import httpx
import numpy as np
import pytest

from qdrant_admin.core.serialization import to_json
from qdrant_admin.database.differences import Difference
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Floats, VectorSpec
from qdrant_admin.persistence.reports import VerifyReport
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import SIZE, Mutation, fill, point, prove
from tests.support.dropping import drop_alias, drop_index

pytestmark = pytest.mark.server


def payload_of(change: dict[str, Any]) -> Mutation:
    def mutate(database: Database) -> None:
        database.upsert("memories", [point(7, **change)])

    return mutate


def drop_field(database: Database) -> None:
    changed = point(7)
    del changed.payload["word"]
    database.upsert("memories", [changed])


def vectors_of(make: Any) -> Mutation:
    def mutate(database: Database) -> None:
        changed = point(7)
        changed.vectors[""] = make(changed.vectors[""])
        database.upsert("memories", [changed])

    return mutate


def one_ulp(vector: Floats) -> Floats:
    changed = vector.copy()
    changed[3] = np.nextafter(changed[3], np.float32(np.inf))
    assert int(changed.view(np.uint32)[3]) - int(vector.view(np.uint32)[3]) in {1, -1}
    return changed


POINTS: dict[str, tuple[Mutation, str, str]] = {
    "deleted": (lambda database: database.delete_points("memories", [7]), "missing", ""),
    "added": (lambda database: database.upsert("memories", [point(99)]), "extra", ""),
    "one bit of a vector": (vectors_of(one_ulp), "changed", 'vector ""'),
    "vector zeroed": (vectors_of(np.zeros_like), "changed", 'vector "", all zeros now'),
    "value changed": (payload_of({"word": "other"}), "changed", "payload field word"),
    "value to text": (payload_of({"n": "7"}), "changed", "payload field n"),
    "integer to float": (payload_of({"n": 7.0}), "changed", "payload field n"),
    "value to null": (payload_of({"n": None}), "changed", "payload field n"),
    "field new": (payload_of({"fresh": 1}), "changed", "payload field fresh is new"),
    "field dropped": (drop_field, "changed", "payload field word is gone"),
    "nested value": (payload_of({"nested": {"list": [1, {"deep": 8}]}}), "changed", "payload field nested"),
}


@pytest.mark.parametrize("name", POINTS)
def test_one_point_that_is_not_what_it_was_is_named_with_what_of_it_changed(ws: Workspace, name: str) -> None:
    mutate, what, detail = POINTS[name]
    fill(ws)
    report = prove(ws, mutate=mutate)
    (check,) = report.collections
    counts = {"missing": check.missing, "extra": check.extra, "changed": check.changed}
    assert counts == {"missing": 0, "extra": 0, "changed": 0} | {what: 1}
    number = "99" if what == "extra" else "7"
    assert [(one.id, one.what, one.detail) for one in check.points] == [(number, what, detail)]
    assert check.settings == ()
    assert (report.verdict, report.exit_code) == ("lost" if what == "missing" else "changed", 1)


@pytest.mark.parametrize("name", ["deleted", "one bit of a vector"])
def test_the_same_is_found_after_a_kill(ws: Workspace, name: str) -> None:
    mutate, what, detail = POINTS[name]
    fill(ws)
    report = prove(ws, "kill", mutate)
    assert [(one.id, one.what, one.detail) for one in report.collections[0].points] == [("7", what, detail)]
    assert report.verdict == ("lost" if what == "missing" else "changed")


def test_an_alias_that_is_gone_after_a_kill_is_named(ws: Workspace) -> None:
    fill(ws)
    with ws.database() as database:
        database.set_alias("mind", "memories")
    report = prove(ws, "kill", lambda database: drop_alias(database, "mind"))
    assert report.verdict == "changed"
    assert report.aliases == (Difference(code="alias_gone", name="mind", facts={"before": "memories"}),)
    assert report.collections[0].told == ("alias mind is gone",)
    assert (report.collections[0].missing, report.collections[0].changed, report.collections[0].extra) == (0, 0, 0)


def test_an_alias_that_points_elsewhere_is_named(ws: Workspace) -> None:
    fill(ws)
    fill(ws, "other")
    with ws.database() as database:
        database.set_alias("mind", "memories")
    report = prove(ws, mutate=lambda database: database.set_alias("mind", "other"))
    assert report.verdict == "changed"
    assert [alias.words for alias in report.aliases] == ["alias mind points to other, was memories"]
    assert report.reason.count("alias mind") == 2  # told at both collections, and not a third time


def test_a_payload_index_that_is_gone_is_named(ws: Workspace) -> None:
    fill(ws)
    report = prove(ws, mutate=lambda database: drop_index(database, "memories", "word"))
    assert report.verdict == "changed"
    assert report.collections[0].told == ("payload index word is gone",)


def test_a_setting_that_changed_is_named_with_both_values(ws: Workspace) -> None:
    fill(ws)

    def patch(_: Database) -> None:
        answer = httpx.patch(f"{ws.runtime.endpoint.url}/collections/memories", json={"hnsw_config": {"m": 24}})
        answer.raise_for_status()

    report = prove(ws, mutate=patch)
    assert report.verdict == "changed"
    assert report.collections[0].told == ("setting hnsw_config.m is 24, was 16",)


def test_a_collection_that_is_gone_is_lost_with_all_its_points(ws: Workspace) -> None:
    fill(ws)
    fill(ws, "other")
    report = prove(ws, mutate=lambda database: database.delete_collection("other"))
    by_name = {check.name: check for check in report.collections}
    assert by_name["memories"].verdict == "same"
    assert (by_name["other"].verdict, by_name["other"].missing, by_name["other"].after) == ("lost", 20, None)
    assert report.verdict == "lost"
    assert "the collection is gone" in report.reason


def test_a_collection_that_appeared_is_named(ws: Workspace) -> None:
    fill(ws)
    spec = CollectionSpec(vectors=(VectorSpec(size=SIZE, distance="Dot"),))
    report = prove(ws, mutate=lambda database: database.create_collection("fresh", spec))
    by_name = {check.name: check.verdict for check in report.collections}
    assert by_name == {"fresh": "extra", "memories": "same"}
    assert report.verdict == "changed"


def test_a_collection_that_was_emptied_is_lost_and_every_point_of_it_is_named(ws: Workspace) -> None:
    fill(ws)
    report = prove(ws, mutate=lambda database: database.delete_points("memories", list(range(20))))
    (check,) = report.collections
    assert (report.verdict, check.verdict, check.missing) == ("lost", "lost", 20)
    assert check.after is not None
    assert check.after.points == 0
    assert {one.id for one in check.points if one.what == "missing"} == {str(number) for number in range(20)}


def test_a_collection_emptied_and_made_anew_is_lost(ws: Workspace) -> None:
    fill(ws)

    def anew(database: Database) -> None:
        database.delete_collection("memories")
        spec = CollectionSpec(
            vectors=(VectorSpec(size=SIZE, distance="Dot"),), payload_indexes={"word": {"type": "keyword"}}
        )
        database.create_collection("memories", spec)

    report = prove(ws, mutate=anew)
    assert (report.verdict, report.collections[0].missing) == ("lost", 20)
    assert report.collections[0].settings == ()


def test_of_many_lost_points_the_first_hundred_are_named_and_all_are_counted(ws: Workspace) -> None:
    fill(ws, count=300)
    report = prove(ws, mutate=lambda database: database.delete_points("memories", range(10, 260)))
    assert report.collections[0].missing == 250
    assert [one.id for one in report.collections[0].points] == [str(number) for number in range(10, 110)]


def test_a_report_survives_its_json(ws: Workspace) -> None:
    fill(ws)
    report = prove(ws, mutate=POINTS["deleted"][0])
    assert VerifyReport.model_validate_json(to_json(report)) == report

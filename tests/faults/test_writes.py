"""Whatever another server does to the storage while ours is down is told, and by its name."""

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdrant_admin.persistence.reports import EQUAL, VerifyReport
from qdrant_admin.workspace import Workspace
from tests.faults.conftest import checked, start
from tests.faults.rich import METADATA, SIZE, VECTORS, Rest, point, uid, vector
from tests.support.matrix import came_of, part
from tests.support.real import Server

pytestmark = [pytest.mark.server, pytest.mark.slow]
Harm = Callable[[Rest], None]
LOST, CHANGED = "lost", "changed"


def payload(change: dict[str, Any], *drop: str) -> Harm:
    """Point 7 with other fields."""

    def harm(rest: Rest) -> None:
        changed = point(7, **change)
        for field in drop:
            del changed["payload"][field]
        rest.upsert(changed)

    return harm


def vectors(name: str, make: Callable[[Any], Any]) -> Harm:
    """Point 7 with another vector of one name."""

    def harm(rest: Rest) -> None:
        changed = point(7)
        changed["vector"][name] = make(changed["vector"][name])
        rest.upsert(changed)

    return harm


def next_float(values: list[float]) -> list[float]:
    changed = np.asarray(values, dtype=np.float32)
    changed[3] = np.nextafter(changed[3], np.float32(np.inf))
    return [float(value) for value in changed]


def next_half(values: list[float]) -> list[float]:
    changed = np.asarray(values, dtype=np.float16)
    changed[3] = np.nextafter(changed[3], np.float16(np.inf))
    return [float(value) for value in changed]


def sparse(make: Callable[[list[int], list[float]], tuple[list[int], list[float]]]) -> Harm:
    def changed(old: Any) -> Any:
        indices, values = make(old["indices"], old["values"])
        return {"indices": indices, "values": values}

    return vectors("sparse", changed)


def swapped(*parts: str) -> Harm:
    """Points 7 and 8 with parts of one another."""

    def harm(rest: Rest) -> None:
        one, other = point(7), point(8)
        for name in parts:
            one[name], other[name] = other[name], one[name]
        rest.upsert(one, other)

    return harm


def between(rest: Rest) -> None:
    """Two vectors of one point change places."""
    changed = point(7)
    names = changed["vector"]
    names["plain"], names["twin"] = names["twin"], names["plain"]
    rest.upsert(changed)


def gone(*numbers: int) -> Harm:
    ids = [number if number % 3 else uid(number) for number in numbers]
    return lambda rest: rest.ask("POST", "/collections/rich/points/delete", {"points": ids})


def gone_and_back(rest: Rest) -> None:
    gone(7)(rest)
    rest.upsert(point(7))


def without(name: str) -> Harm:
    body = {"points": [7], "vector": [name]}
    return lambda rest: rest.ask("POST", "/collections/rich/points/vectors/delete", body)


def another_id(rest: Rest) -> None:
    gone(7)(rest)
    rest.upsert(point(7) | {"id": 1007})


def settings(**changes: Any) -> Harm:
    return lambda rest: rest.patch(**changes)


def metadata(**changes: Any) -> Harm:
    return lambda rest: rest.patch(metadata=METADATA | changes)


def dropped_index(field: str) -> Harm:
    return lambda rest: rest.ask("DELETE", f"/collections/rich/index/{field}")


def another_index(field: str, schema: Any) -> Harm:
    def harm(rest: Rest) -> None:
        dropped_index(field)(rest)
        rest.index(field, schema)

    return harm


def another_collection(rest: Rest) -> None:
    rest.ask("DELETE", "/collections/other")
    rest.ask("PUT", "/collections/other", {"vectors": {"size": SIZE, "distance": "Manhattan"}})
    points = [{"id": number, "payload": {"n": number}, "vector": vector(number)} for number in range(10)]
    rest.upsert(*points, name="other")


def anew(rest: Rest) -> None:
    rest.ask("DELETE", "/collections/other")
    rest.ask("PUT", "/collections/other", {"vectors": {"size": SIZE, "distance": "Euclid"}})


def moved_alias(rest: Rest) -> None:
    rest.drop_alias("mind")
    rest.alias("mind", "other")


def renamed(rest: Rest) -> None:
    rest.ask("DELETE", "/collections/other")
    rest.ask("PUT", "/collections/another", {"vectors": {"size": SIZE, "distance": "Euclid"}})


NFD = unicodedata.normalize("NFD", "Ångström")
FAULTS: dict[str, tuple[Harm, str, str]] = {
    # points
    "a point gone": (gone(7), LOST, "7"),
    "a point with a UUID gone": (gone(9), LOST, uid(9)),
    "points gone by a filter": (
        lambda rest: rest.ask(
            "POST", "/collections/rich/points/delete", {"filter": {"must": [{"key": "word", "match": {"value": "w1"}}]}}
        ),
        LOST,
        "missing",
    ),
    "every point gone": (lambda rest: rest.ask("POST", "/collections/rich/points/delete", {"filter": {}}), LOST, "60"),
    "a point new": (lambda rest: rest.upsert(point(1000)), CHANGED, "1000"),
    "another id": (another_id, LOST, "1007"),
    "vectors swapped": (swapped("vector"), CHANGED, "vector"),
    "payloads swapped": (swapped("payload"), CHANGED, "payload"),
    "points swapped": (swapped("vector", "payload"), CHANGED, "7"),
    # vectors
    "a bit of a float": (vectors("plain", next_float), CHANGED, 'vector "plain"'),
    "a float zeroed": (vectors("plain", lambda old: [0.0, *old[1:]]), CHANGED, 'vector "plain"'),
    "a vector zeroed": (vectors("plain", lambda _: [0.0] * SIZE), CHANGED, "all zeros"),
    "a sign": (vectors("plain", lambda old: [-old[0], *old[1:]]), CHANGED, 'vector "plain"'),
    "two dimensions swapped": (vectors("plain", lambda old: [old[1], old[0], *old[2:]]), CHANGED, 'vector "plain"'),
    "a bit of a half": (vectors("half", next_half), CHANGED, 'vector "half"'),
    "one of a byte": (vectors("bytes", lambda old: [(old[0] + 1) % 255, *old[1:]]), CHANGED, 'vector "bytes"'),
    "a row more": (vectors("many", lambda old: [*old, old[0]]), CHANGED, 'vector "many"'),
    "a row fewer": (vectors("many", lambda old: old[:-1]), CHANGED, 'vector "many"'),
    "two rows swapped": (vectors("many", lambda old: [old[1], old[0], *old[2:]]), CHANGED, 'vector "many"'),
    "a value of a row": (vectors("many", lambda old: [next_float(old[0]), *old[1:]]), CHANGED, 'vector "many"'),
    "a sparse value": (sparse(lambda one, values: (one, [values[0] + 0.5, *values[1:]])), CHANGED, 'vector "sparse"'),
    "a sparse index": (sparse(lambda one, values: ([one[0] + 1, *one[1:]], values)), CHANGED, 'vector "sparse"'),
    "a sparse element gone": (sparse(lambda one, values: (one[:1], values[:1])), CHANGED, 'vector "sparse"'),
    "a sparse zero more": (sparse(lambda one, values: ([*one, 999], [*values, 0.0])), CHANGED, 'vector "sparse"'),
    "a sparse vector gone": (without("sparse"), CHANGED, 'vector "sparse" is gone'),
    "a named vector gone": (without("twin"), CHANGED, 'vector "twin" is gone'),
    "a multivector gone": (without("many"), CHANGED, 'vector "many" is gone'),
    "two vectors swapped": (between, CHANGED, 'vector "plain"'),
    # payloads
    "another text": (payload({"word": "other"}), CHANGED, "payload field word"),
    "another case": (payload({"word": "W3"}), CHANGED, "payload field word"),
    "a space at the end": (payload({"word": "w3 "}), CHANGED, "payload field word"),
    "a decomposed letter": (payload({"title": NFD}), CHANGED, "payload field title"),
    "an integer to a float": (payload({"n": 7.0}), CHANGED, "payload field n"),
    "an integer to text": (payload({"n": "7"}), CHANGED, "payload field n"),
    "a bool to an integer": (payload({"open": 0}), CHANGED, "payload field open"),
    "null to missing": (payload({}, "none"), CHANGED, "payload field none is gone"),
    "missing to null": (payload({"absent": None}), CHANGED, "payload field absent is new"),
    "a value to null": (payload({"word": None}), CHANGED, "payload field word"),
    "an empty list to missing": (payload({}, "nothing"), CHANGED, "payload field nothing is gone"),
    "an empty list to null": (payload({"nothing": None}), CHANGED, "payload field nothing"),
    "a nested value": (payload({"nested": {"list": [1, {"deep": 8}], "empty": {}}}), CHANGED, "payload field nested"),
    "a nested object gone": (payload({"nested": {"list": [1, {"deep": 7}]}}), CHANGED, "payload field nested"),
    "another order of a list": (payload({"list": [1, 3, 2]}), CHANGED, "payload field list"),
    "a time spelled otherwise": (payload({"at": "2026-01-08T01:00:00+01:00"}), CHANGED, "payload field at"),
    "an element more": (payload({"list": [1, 2, 3, 3]}), CHANGED, "payload field list"),
    "a bool in a list": (payload({"list": [True, 2, 3]}), CHANGED, "payload field list"),
    "one of a big integer": (payload({"big": 9007199254740992}), CHANGED, "payload field big"),
    "the last bit of a float": (payload({"sum": 0.3}), CHANGED, "payload field sum"),
    "a field renamed": (payload({"Title": "Ångström"}, "title"), CHANGED, "payload field title is gone"),
    "a path that folds": (payload({"nested.list": [1, {"deep": 7}]}), CHANGED, "payload field nested.list is new"),
    "every field gone": (
        lambda rest: rest.ask("POST", "/collections/rich/points/payload/clear", {"points": [7]}),
        CHANGED,
        "payload",
    ),
    # indexes
    "an index gone": (dropped_index("word"), CHANGED, "payload index word is gone"),
    "an index new": (lambda rest: rest.index("title", {"type": "keyword"}), CHANGED, "payload index title"),
    "another kind of index": (another_index("word", {"type": "text"}), CHANGED, "payload index word"),
    "an integer index without lookup": (
        another_index("n", {"type": "integer", "lookup": False, "range": True}),
        CHANGED,
        "payload index n",
    ),
    "another tokenizer": (another_index("text", {"type": "text", "tokenizer": "prefix"}), CHANGED, "index text"),
    "an index on disk": (another_index("word", {"type": "keyword", "on_disk": True}), CHANGED, "index word"),
    "an index of a principal": (another_index("at", {"type": "datetime", "is_principal": True}), CHANGED, "index at"),
    "a keyword for a UUID": (another_index("uid", {"type": "keyword"}), CHANGED, "index uid"),
    "words to pass over": (
        another_index("text", {"type": "text", "tokenizer": "word", "stopwords": "english"}),
        CHANGED,
        "index text",
    ),
    "matches of phrases": (
        another_index("text", {"type": "text", "tokenizer": "word", "phrase_matching": True}),
        CHANGED,
        "index text",
    ),
    "an index of a tenant": (another_index("word", {"type": "keyword", "is_tenant": True}), CHANGED, "index word"),
    # aliases
    "an alias gone": (lambda rest: rest.drop_alias("mind"), CHANGED, "alias mind is gone"),
    "an alias new": (lambda rest: rest.alias("soul", "rich"), CHANGED, "alias soul"),
    "an alias renamed": (
        lambda rest: rest.aliases({"rename_alias": {"old_alias_name": "mind", "new_alias_name": "Mind"}}),
        CHANGED,
        "alias mind is gone",
    ),
    "an alias moved": (moved_alias, CHANGED, "alias mind points to other"),
    # configuration
    "links of the graph": (settings(hnsw_config={"m": 24}), CHANGED, "hnsw_config.m"),
    "effort of the graph": (settings(hnsw_config={"ef_construct": 50}), CHANGED, "hnsw_config.ef_construct"),
    "threshold of indexing": (settings(optimizers_config={"indexing_threshold": 77}), CHANGED, "indexing_threshold"),
    "quantization": (settings(quantization_config={"scalar": {"type": "int8"}}), CHANGED, "quantization_config"),
    "vectors on disk": (settings(vectors={"plain": {"on_disk": True}}), CHANGED, "on_disk"),
    "payload on disk": (settings(params={"on_disk_payload": False}), CHANGED, "on_disk_payload"),
    "links of one vector": (settings(vectors={"plain": {"hnsw_config": {"m": 7}}}), CHANGED, "hnsw_config"),
    "quantization of one vector": (
        settings(vectors={"twin": {"quantization_config": {"product": {"compression": "x4"}}}}),
        CHANGED,
        "vectors.twin.quantization_config",
    ),
    "a sparse index on disk": (settings(sparse_vectors={"sparse": {"index": {"on_disk": True}}}), CHANGED, "sparse"),
    "replicas": (settings(params={"replication_factor": 2}), CHANGED, "replication_factor"),
    "replicas that confirm": (settings(params={"write_consistency_factor": 2}), CHANGED, "write_consistency"),
    "replicas that are read": (settings(params={"read_fan_out_factor": 2}), CHANGED, "read_fan_out"),
    "links within a tenant": (settings(hnsw_config={"payload_m": 9}), CHANGED, "payload_m"),
    "vectors in the graph": (settings(hnsw_config={"inline_storage": True}), CHANGED, "inline_storage"),
    "strict mode": (settings(strict_mode_config={"enabled": True, "max_query_limit": 9000}), CHANGED, "strict_mode"),
    # metadata
    "a value of the metadata": (metadata(owner="others"), CHANGED, "metadata"),
    "another order of a list of the metadata": (metadata(l=[2, 1]), CHANGED, "metadata"),
    "metadata new": (metadata(more=1), CHANGED, "metadata"),
    "an integer of the metadata to a float": (metadata(l=[1.0, 2]), CHANGED, "metadata"),
    "an integer of the metadata to a bool": (metadata(l=[True, 2]), CHANGED, "metadata"),
    "deep in the metadata": (metadata(deep={"z": [1, {"q": True}]}), CHANGED, "metadata"),
    "zero of the metadata to minus zero": (metadata(zero=-0.0), CHANGED, "setting metadata.zero"),
    "metadata whose path folds": (metadata(a={"b": 1}), CHANGED, "metadata"),
    # collections
    "a collection gone": (lambda rest: rest.ask("DELETE", "/collections/other"), LOST, "the collection is gone"),
    "a collection emptied and made anew": (anew, LOST, "other"),
    "a collection renamed": (renamed, LOST, "another"),
    "a collection new": (
        lambda rest: rest.ask("PUT", "/collections/fresh", {"vectors": VECTORS}),
        CHANGED,
        "fresh",
    ),
    "another distance": (another_collection, CHANGED, "distance"),
}
QUIET: dict[str, Harm] = {
    "written again": lambda rest: rest.upsert(point(7), point(9)),
    "gone and back": gone_and_back,
    "a UUID spelled otherwise": lambda rest: rest.upsert(
        point(9) | {"id": uid(9).upper()}, point(12) | {"id": f"urn:uuid:{uid(12)}"}
    ),
    "another order of a sparse vector": sparse(lambda one, values: (one[::-1], values[::-1])),
    "another order of the fields": lambda rest: rest.upsert(
        point(7) | {"payload": dict(reversed(point(7)["payload"].items()))}
    ),
}


def from_below(ws: Workspace, harm: Harm, folder: Path) -> VerifyReport:
    """A check, with a server of somebody else's at work on the storage while ours is down."""

    def at_work() -> None:
        place = {"QDRANT__STORAGE__STORAGE_PATH": str(ws.settings.profile.storage)}
        server = Server(folder / "below", environment=place).start()
        try:
            with Rest(server.url) as rest:
                harm(rest)
        finally:
            server.stop()

    start(ws)
    with Rest(ws.runtime.endpoint.url) as rest:
        rest.fill()
    return checked(ws, at_work)


def words(report: VerifyReport) -> str:
    """All that a person reads of it."""
    told = [report.reason, *(alias.words for alias in report.aliases)]
    for check in report.collections:
        told += [check.name, f"{check.missing} missing", *check.told]
        told += [f"{one.id} {one.what} {one.detail}" for one in check.points]
    return "\n".join(told)


@pytest.mark.parametrize("name", part(FAULTS, 10))
def test_a_fault_is_told_and_named(own: Workspace, tmp_path: Path, name: str, request: pytest.FixtureRequest) -> None:
    harm, verdict, what = FAULTS[name]
    report = from_below(own, harm, tmp_path)
    if report.verdict in EQUAL:
        came_of(request, "writes from below", "escape")
    named = what in words(report)
    came_of(request, "writes from below", "named" if named else "told")
    assert named, words(report)
    assert (report.verdict, report.exit_code) == (verdict, 1), report.reason


@pytest.mark.parametrize("name", part(QUIET, 1))
def test_what_changes_nothing_is_quiet(
    own: Workspace, tmp_path: Path, name: str, request: pytest.FixtureRequest
) -> None:
    report = from_below(own, QUIET[name], tmp_path)
    came_of(request, "writes from below, neutral", "well" if report.verdict == "persisted" else "false alarm")

"""Damage to a payload index shows in no point; every kind of index is asked, and integers in both of their parts."""

import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from qdrant_admin.database.fingerprint import Fingerprint, compare
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Fields, Point, VectorSpec
from qdrant_admin.database.probes import ASKED, FACET_VALUES, RANGES, Counts, ProbeFinder, Share
from qdrant_admin.database.wire import MadePage
from tests.support.fingerprints import fingerprint
from tests.support.real import Server

KINDS = {
    "n": "integer",
    "word": "keyword",
    "id": "uuid",
    "open": "bool",
    "at": "datetime",
    "price": "float",
    "place": "geo",
    "text": "text",
}
SPEC = CollectionSpec(
    vectors=(VectorSpec(size=32, distance="Dot"),),
    payload_indexes={name: {"type": kind} for name, kind in KINDS.items()},
    # Soon in an optimized segment, whose indexes lie in files of their own.
    params={"optimizers_config": {"indexing_threshold": 10, "flush_interval_sec": 1, "default_segment_number": 1}},
)
POINTS = 500


def remembered(number: int) -> Fields:
    return {
        "n": number % 50,
        "word": f"w{number % 40}",
        "id": str(uuid.UUID(int=number % 30)),
        "open": number % 2 == 0,
        "at": f"2026-01-{number % 28 + 1:02}T00:00:00Z",
        "price": number / 4,
        "place": {"lon": number / 20, "lat": number / 30},
        "text": f"word{number % 200} and other{number % 20}",
    }


@pytest.fixture(scope="module")
def optimized(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is down, with a copy of its storage beside it."""
    server = Server(tmp_path_factory.mktemp("indexes")).start()
    rng = np.random.default_rng(1)
    with Database(server.endpoint) as database:
        database.create_collection("c", SPEC)
        vectors = rng.normal(size=(POINTS, 32)).astype(np.float32)
        database.upsert("c", [Point(at, remembered(at), {"": vector}) for at, vector in enumerate(vectors)])
        deadline = time.monotonic() + 30
        while not (index_files(server, "n-map/deleted.bin") and database.collection("c").status == "green"):
            assert time.monotonic() < deadline, "nothing was optimized"
            time.sleep(0.05)
    server.stop()
    shutil.copytree(server.folder / "storage", server.folder / "whole")
    yield server
    server.kill()


def index_files(server: Server, pattern: str) -> list[Path]:
    return list((server.folder / "storage").glob(f"collections/c/0/segments/*/payload_index/*-{pattern}"))


def flip(server: Server, pattern: str) -> None:
    """One bit at byte 0: of a file of deleted points the first point, of flags that of the first point."""
    for path in index_files(server, pattern):
        with path.open("r+b") as file:
            byte = file.read(1)[0]
            file.seek(0)
            file.write(bytes((byte ^ 1,)))


def zero_sixteen(server: Server, pattern: str) -> None:
    (path,) = index_files(server, pattern)
    data = bytearray(path.read_bytes())
    at = data.index(b"word18")
    data[at : at + 16] = bytes(16)
    path.write_bytes(data)


ROUNDS = (
    (
        "n-map/deleted.bin",
        "word-map/deleted.bin",
        "id-map/deleted.bin",
        "at-numeric/deleted.bin",
        "price-numeric/deleted.bin",
        "place-map/deleted.bin",
        "text-text/vocab.dat",
    ),
    (
        "n-numeric/deleted.bin",
        "word-null/has_values/flags_a.dat",
        "open-bool/trues/flags_a.dat",
    ),
)


@pytest.mark.server
def test_damage_to_any_index_is_told(optimized: Server) -> None:
    """Several at a time, each in another field; and nothing is told of a restart without any."""
    before = taken(optimized, ())
    assert compare(before, taken(optimized, (), before)).same
    for damaged in ROUNDS:
        after = taken(optimized, damaged, before)
        found = compare(before, after)
        fields = {pattern.partition("-")[0] for pattern in damaged}
        assert {one.name for one in found.settings} == fields, damaged
        assert {one.code for one in found.settings} == {"filter_count"}
        assert (found.missing, found.changed, found.extra) == (0, 0, 0)


def taken(server: Server, damaged: tuple[str, ...], earlier: Fingerprint | None = None) -> Fingerprint:
    storage = server.folder / "storage"
    shutil.rmtree(storage)
    shutil.copytree(server.folder / "whole", storage)
    for pattern in damaged:
        zero_sixteen(server, pattern) if "vocab" in pattern else flip(server, pattern)
    server.start()
    try:
        with Database(server.endpoint) as database, fingerprint(database, "c", earlier) as made:
            return made
    finally:
        server.kill()


def asked(values: list[object], kind: str = "integer", *, whole: bool = True, **params: object) -> Counts:
    """What is asked of a field with these values, answered by a stand-in that counts a point for each question."""

    class Counting:
        def facet(self, _name: str, _field: str, *, limit: int) -> list[tuple[object, int]]:
            assert limit >= len(values)
            return [(value, 1) for value in dict.fromkeys(values)]

        def count(self, _name: str, *, filter: object) -> int:  # noqa: A002 - the gateway's name
            return 1

    finder = ProbeFinder({"f": {"data_type": kind, "params": params}}, whole=whole)
    finder.look(MadePage([Point(at, {"f": value}) for at, value in enumerate(values)]))
    return finder.count(Counting(), "c")  # type: ignore[arg-type] # all that is asked of it


def test_every_value_is_asked_for_where_they_are_few_and_else_the_share_is_told() -> None:
    few = asked(list(range(100)))
    assert {f"f = {one}" for one in range(100)} | {f"f in {one}..{one}" for one in range(100)} <= few.words().keys()
    assert few.share.words == "every indexed value"
    many = asked(list(range(12_000)))
    assert sum(words.startswith("f = ") for words in many.words()) == ASKED
    assert sum(words.startswith("f in ") for words in many.words()) == RANGES
    assert many.share.words == f"{ASKED} of 12 000 indexed values"
    assert asked([f"w{one}" for one in range(FACET_VALUES)], "keyword").share == Share(FACET_VALUES, FACET_VALUES)
    assert asked([f"a{one} b{one}" for one in range(300)], "text").share == Share(ASKED, 600)
    assert asked([1, 2], whole=False).share.words == "2 of more than 2 indexed values"


def test_the_ranges_of_an_order_leave_nothing_out() -> None:
    """As a value that no point has may stand in a damaged one."""
    ranges = [probe.filter["must"][0]["range"] for probe in asked(list(range(1000))).asked if " in " in probe.words]  # type: ignore[index]
    assert ranges[0] == {"lt": 10}
    assert ranges[-1] == {"gte": 990}
    assert [one["lt"] for one in ranges[:-1]] == [one["gte"] for one in ranges[1:]]


@pytest.mark.parametrize(("params", "absent"), [({"lookup": False}, " = "), ({"range": False}, " in ")])
def test_a_part_that_an_index_does_not_have_is_not_asked(params: Fields, absent: str) -> None:
    """The server would look at every point for each such question."""
    words = asked([1, 2, 3], **params).words()
    assert not any(absent in one for one in words)
    assert len(words) == 5

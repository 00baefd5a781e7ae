"""Snapshots go from one server into another as a stream, and a damaged one changes nothing."""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from qdrant_admin.core.errors import BadInput, NotFound, NotQdrant, RequestRejected
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from tests.support.real import Server

pytestmark = pytest.mark.server
SPEC = CollectionSpec(vectors=(VectorSpec(size=2, distance="Dot"),), payload_indexes={"n": {"type": "integer"}})


@pytest.fixture
def held(server: Server) -> Iterator[Database]:
    """Fifty points in `a`."""
    with Database(server.endpoint) as database:
        database.create_collection("a", SPEC)
        database.upsert("a", [Point(n, {"n": n}, {"": np.array([n, 1], np.float32)}) for n in range(50)])
        yield database


def test_a_snapshot_becomes_an_equal_collection(held: Database) -> None:
    made = held.snapshots.create("a")
    assert [one.name for one in held.snapshots.listed("a")] == [made.name]
    pieces = list(held.snapshots.read("a", made.name))
    assert sum(map(len, pieces)) == made.size
    assert hashlib.sha256(b"".join(pieces)).hexdigest() == made.checksum
    held.snapshots.restore("b", "sent.snapshot", iter(pieces), made.size, made.checksum)
    left, right = held.collection("a"), held.collection("b")
    assert (left.config, left.payload_schema, left.points) == (right.config, right.payload_schema, right.points)
    assert [one.name for one in held.snapshots.listed("b")] == ["sent.snapshot"]
    held.snapshots.delete("b", "sent.snapshot")
    assert held.snapshots.listed("b") == []
    with pytest.raises(NotFound):
        held.snapshots.delete("b", "sent.snapshot")


def test_a_damaged_one_is_refused_before_anything_changes(held: Database) -> None:
    made = held.snapshots.create("a")
    pieces = list(held.snapshots.read("a", made.name))
    pieces[-1] = pieces[-1][:-1] + bytes([pieces[-1][-1] ^ 1])
    with pytest.raises(RequestRejected, match=r"[Cc]hecksum"):
        held.snapshots.restore("b", "sent.snapshot", pieces, made.size, made.checksum)
    assert held.names() == ["a"]


def test_what_the_pieces_raise_breaks_the_request_off(held: Database) -> None:
    made = held.snapshots.create("a")

    def pieces() -> Iterator[bytes]:
        yield next(held.snapshots.read("a", made.name))[:1000]
        raise InterruptedError

    with pytest.raises(InterruptedError):
        held.snapshots.restore("b", "sent.snapshot", pieces(), made.size, made.checksum)
    assert held.names() == ["a"]


def test_a_name_never_leaves_its_place_in_the_path(held: Database) -> None:
    for name in ("..", "../a.snapshot", "a/../../b.snapshot", "x"):
        with pytest.raises(NotQdrant):
            held.snapshots.delete("a", name)
    with pytest.raises(BadInput):
        held.snapshots.restore("..", "sent.snapshot", [], 0, "")
    assert held.collection("a").points == 50


def test_the_server_names_them_after_its_own_clock(held: Database) -> None:
    before = held.snapshots.clock()
    name = held.snapshots.create("a").name
    found = re.search(r"(\d{4}(?:-\d\d){5})\.snapshot$", name)
    assert found
    written = datetime.strptime(found[1], "%Y-%m-%d-%H-%M-%S").replace(tzinfo=UTC)
    assert before <= written < before + timedelta(minutes=5)
    assert held.snapshots.peers() == 1

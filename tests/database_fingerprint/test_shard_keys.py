"""Custom sharding: an application that asks with a shard key finds the points of that key, and no others."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import httpx
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.database.fingerprint import Comparison, Fingerprint, Reading, Sample, compare
from qdrant_admin.database.gateway import Database
from qdrant_admin.persistence.verdict import settings_digest
from tests.database.conftest import rest_only
from tests.support.fingerprints import fingerprint
from tests.support.real import Server

pytestmark = pytest.mark.server

POINTS = 5


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server.cluster_of_one(tmp_path_factory.mktemp("member")).start()
    yield server
    server.kill()


class Keyed:
    """A collection with the shard keys "A", 7 and "7": points 0 to 4 in A, 10 to 14 in 7, nothing in the third."""

    def __init__(self, server: Server) -> None:
        self._url = f"{server.url}/collections/keyed"
        httpx.delete(self._url, timeout=30)
        vectors = {"size": 2, "distance": "Dot"}
        self.ask("PUT", "", {"vectors": vectors, "sharding_method": "custom", "shard_number": 1})
        for key in ("A", 7, "7"):
            self.make(key)
        self.write("A", range(POINTS))
        self.write(7, range(10, 10 + POINTS))

    def ask(self, method: str, path: str, body: object) -> None:
        httpx.request(method, self._url + path, json=body, params={"wait": "true"}, timeout=30).raise_for_status()

    def make(self, key: int | str) -> None:
        self.ask("PUT", "/shards", {"shard_key": key})

    def drop(self, key: int | str) -> None:
        self.ask("POST", "/shards/delete", {"shard_key": key})

    def write(self, key: int | str, ids: range) -> None:
        # 2^63 comes rounded over gRPC, so such a payload is read again: from the right shard.
        points = [{"id": one, "vector": [one, 1], "payload": {"n": 2**63 + one}} for one in ids]
        self.ask("PUT", "/points", {"shard_key": key, "points": points})

    def delete(self, key: int | str, ids: range) -> None:
        self.ask("POST", "/points/delete", {"shard_key": key, "points": list(ids)})

    def move(self, before: int | str, after: int | str, ids: range) -> None:
        self.write(after, ids)
        self.delete(before, ids)

    def swap(self) -> None:
        self.move("A", 7, range(POINTS))
        self.move(7, "A", range(10, 10 + POINTS))


def told(found: Comparison) -> list[str]:
    parts = [f"{one.id} {one.what} {one.detail}".strip() for one in found.points]
    return [*parts, *(one.words for one in found.settings)]


STEPS: tuple[tuple[str, Callable[[Keyed], None], list[str]], ...] = (
    ("nothing", lambda _: None, []),
    ("one moved", lambda keyed: keyed.move("A", 7, range(3, 4)), ['3 changed shard key 7, was "A"']),
    ("and back", lambda keyed: keyed.move(7, "A", range(3, 4)), ['3 changed shard key "A", was 7']),
    (
        "all swapped",
        Keyed.swap,
        [f'{one} changed shard key 7, was "A"' for one in range(POINTS)]
        + [f'{one} changed shard key "A", was 7' for one in range(10, 10 + POINTS)],
    ),
    ("text like a number", lambda keyed: keyed.move(7, "7", range(2, 3)), ['2 changed shard key "7", was 7']),
    ("a key dropped with its point", lambda keyed: keyed.drop("7"), ["2 missing", 'shard key "7" is gone']),
    ("a new key", lambda keyed: keyed.make("B"), ['shard key "B" is new']),
    ("an empty key dropped", lambda keyed: keyed.drop("B"), ['shard key "B" is gone']),
)


def test_where_a_point_lies_is_part_of_what_it_is(member: Server) -> None:
    keyed = Keyed(member)
    with Database(member.endpoint) as database, ExitStack() as stack:
        before = stack.enter_context(fingerprint(database, "keyed"))
        for step, change, words in STEPS:
            change(keyed)
            after = stack.enter_context(fingerprint(database, "keyed", before))
            assert told(compare(before, after)) == words, step
            others = any(word.startswith("shard key") for word in words)
            assert (settings_digest(before) != settings_digest(after)) == others, step
            assert after.points == after.counted, step
            before = after


def test_an_id_in_two_keys_is_two_points(member: Server) -> None:
    """Read together they come once, so that the server counts more than it gives. And a sample knows every key."""
    keyed = Keyed(member)
    keyed.write(7, range(POINTS))
    with Database(member.endpoint) as over_grpc, Database(rest_only(member.endpoint)) as over_rest:
        assert over_grpc.bulk.transport.startswith("gRPC")
        with (
            fingerprint(over_grpc, "keyed") as one,
            fingerprint(over_rest, "keyed") as other,
            nothing_but_ids(over_rest) as ids,
        ):
            assert one.points == one.counted == 3 * POINTS
            assert one.digest == other.digest
            keyed.delete(7, range(1))
            keyed.move(7, "7", range(10, 11))
            with fingerprint(over_grpc, "keyed", one) as after:
                assert compare(one, after).missing == 1
            with nothing_but_ids(over_rest) as after:
                assert '10 changed shard key "7", was 7' in told(compare(ids, after))


@contextmanager
def nothing_but_ids(database: Database) -> Iterator[Fingerprint]:
    reading = Reading(database, "keyed", sample=lambda _: Sample(0))
    list(reading.pages(CancelToken()))
    with closing(reading.finish()) as made:
        yield made

"""Collections are told truly, made as asked, and a broken one hides no other."""

from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from qdrant_admin.core.errors import BadInput, NotFound, RequestRejected, ServerTrouble, Unsupported
from qdrant_admin.database import schema
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.database.names import quoted
from tests.database.conftest import rest_only
from tests.support.dropping import drop_index
from tests.support.real import Server

pytestmark = pytest.mark.server
SPEC = CollectionSpec(vectors=(VectorSpec(size=2, distance="Dot"),))


def ones(count: int) -> list[Point]:
    return [Point(one, {"k": "v"}, {"": np.ones(2, np.float32)}) for one in range(count)]


def test_a_collection_is_told_as_it_was_made(database: Database, server: Server) -> None:
    spec = CollectionSpec(
        vectors=(
            VectorSpec(name="a", size=2, distance="Cosine", params={"on_disk": True, "hnsw_config": {"m": 8}}),
            VectorSpec(name="size", kind="multi", size=3, distance="Euclid"),
            VectorSpec(name="half", size=2, distance="Manhattan", datatype="float16"),
            VectorSpec(name="words", kind="sparse", datatype="float16", params={"modifier": "idf"}),
        ),
        params={
            "metadata": {"owner": "a", "deep": {"b": [1]}},
            "optimizers_config": {"indexing_threshold": 5000, "deleted_threshold": 0.3},
            "hnsw_config": {"m": 20},
            "quantization_config": {"scalar": {"type": "int8", "quantile": 0.99}},
            "on_disk_payload": False,
        },
        payload_indexes={"k": {"type": "keyword", "is_tenant": True}, '"a b"': {"type": "integer"}},
    )
    database.create_collection("c", spec)
    database.upsert("c", [Point(1, {"k": "v"}), Point(2, {"k": "v"})])
    database.set_alias("other name", "c")
    info = database.collection("c")
    by_name = {slot.name: slot for slot in info.vectors}
    assert {name: (slot.kind, slot.size, slot.distance, slot.datatype) for name, slot in by_name.items()} == {
        "a": ("dense", 2, "Cosine", "float32"),
        "size": ("multi", 3, "Euclid", "float32"),
        "half": ("dense", 2, "Manhattan", "float16"),
        "words": ("sparse", None, None, "float16"),
    }
    assert by_name["a"].params == {"on_disk": True, "hnsw_config": {"m": 8}}
    assert by_name["words"].params["modifier"] == "idf"
    assert (info.points, info.aliases, info.trouble) == (2, ("other name",), "")
    assert info.metadata == {"owner": "a", "deep": {"b": [1]}}
    assert set(info.payload_schema) == {"k", '"a b"'}
    assert info.payload_schema["k"]["points"] == 2
    answer = httpx.get(f"{server.url}/collections/c").json()["result"]
    assert info.config == answer["config"], "the server's whole object, unchanged"
    assert database.collection("other name") == info
    assert database.collections() == [info]


@pytest.mark.parametrize(
    "name", ["a#b", "%2e%2e", "a%2Fb", "🦀", " lead", "a?b".replace("?", "&=+;"), "\x1b[31m", "[red]x[red]", "\u202ex"]
)
def test_a_hostile_name_reaches_its_own_collection(database: Database, name: str) -> None:
    database.create_collection(name, SPEC)
    database.create_collection("innocent", SPEC)
    database.upsert(name, ones(3))
    database.create_payload_index(name, "k", {"type": "keyword"})
    database.barrier(name)
    assert database.count(name) == 3
    assert len(next(iter(database.scan(name)))) == 3
    assert database.names() == sorted([name, "innocent"])
    assert database.count("innocent") == 0
    drop_index(database, name, "k")
    assert database.collection(name).payload_schema == {}
    database.delete_collection(name)
    assert database.names() == ["innocent"]


REQUESTS: list[Callable[[Database, str], object]] = [
    lambda database, name: database.collection(name),
    lambda database, name: database.exists(name),
    lambda database, name: database.count(name),
    lambda database, name: database.page(name, limit=1),
    lambda database, name: database.retrieve(name, [1]),
    lambda database, name: database.point(name, 1),
    lambda database, name: list(database.scan(name)),
    lambda database, name: database.upsert(name, ones(1)),
    lambda database, name: database.upsert(name, []),
    lambda database, name: database.delete_points(name, [1]),
    lambda database, name: database.search(name, id=1),
    lambda database, name: database.barrier(name),
    lambda database, name: database.nudge(name),
    lambda database, name: database.create_collection(name, SPEC),
    lambda database, name: database.delete_collection(name),
    lambda database, name: database.create_payload_index(name, "k", {"type": "keyword"}),
    lambda database, name: database.set_alias(name, "c"),
    lambda database, name: database.set_alias("alias", name),
]


@pytest.mark.parametrize("name", [".", "..", "a/b", ""])
def test_a_name_that_destroys_is_never_sent(database: Database, server: Server, name: str) -> None:
    database.create_collection("c", SPEC)
    for request in REQUESTS:
        with pytest.raises(BadInput):
            request(database, name)
    assert (server.folder / "storage" / "collections" / "c" / "config.json").exists()


def test_a_name_that_windows_folds_can_be_read_and_not_be_deleted(database: Database, server: Server) -> None:
    httpx.put(f"{server.url}/collections/{quoted('trail ')}", json={"vectors": {"size": 2, "distance": "Dot"}})
    assert database.count("trail ") == 0
    assert database.collections()[0].trouble == ""
    with pytest.raises(BadInput, match="Windows"):
        database.delete_collection("trail ")
    with pytest.raises(BadInput, match="Windows"):
        database.create_collection("nul", SPEC)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"params": {"no_such_setting": {"a": 1}}}, "no_such_setting"),
        ({"params": {"hnsw_config": {"m": 8, "no_such": True}}}, "hnsw_config.no_such"),
        ({"payload_indexes": {"k": {"type": "keyword", "no_such": 1}}}, "k: no_such"),
    ],
)
def test_a_setting_that_the_server_ignores_is_named_and_leaves_nothing(
    database: Database, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(Unsupported, match=named):
        database.create_collection("c", SPEC.model_copy(update=change))
    assert database.names() == []


def test_a_collection_that_is_there_is_not_made_again_and_not_harmed(database: Database) -> None:
    database.create_collection("c", SPEC)
    database.upsert("c", ones(3))
    with pytest.raises(RequestRejected, match="already exists"):
        database.create_collection("c", SPEC)
    assert database.count("c") == 3


def test_what_is_not_there_is_not_found(database: Database) -> None:
    assert not database.exists("none")
    for request in (database.collection, database.delete_collection, database.count):
        with pytest.raises(NotFound, match="none"):
            request("none")


def test_an_alias_moves_in_one_step(database: Database) -> None:
    database.create_collection("blue", SPEC)
    database.create_collection("green", SPEC)
    database.set_alias("live", "blue")
    database.set_alias("live", "green")
    assert database.aliases() == {"live": "green"}
    assert database.exists("live")


def test_a_broken_collection_hides_no_other(own_server: Server) -> None:
    with Database(own_server.endpoint) as database:
        for name in ("broken", "sound"):
            database.create_collection(name, SPEC)
            database.upsert(name, ones(2))
    own_server.kill()
    segments = own_server.folder / "storage" / "collections" / "broken" / "0" / "segments"
    next(segments.glob("*/segment.json")).write_text("{")
    own_server.environment = {"QDRANT__STORAGE__HANDLE_COLLECTION_LOAD_ERRORS": "true"}
    own_server.start()
    for endpoint in (own_server.endpoint, rest_only(own_server.endpoint)):
        with Database(endpoint) as database:
            broken, sound = database.collections()
            assert (sound.name, sound.points, sound.trouble) == ("sound", 2, "")
            assert (broken.name, broken.points, broken.status) == ("broken", None, "red")
            assert "read operations failed" in broken.trouble
            with pytest.raises(ServerTrouble):
                list(database.scan("broken"))


def test_recovery_mode_is_seen(own_server: Server) -> None:
    with Database(own_server.endpoint) as database:
        database.create_collection("c", SPEC)
    own_server.stop()
    own_server.environment = {"QDRANT__STORAGE__RECOVERY_MODE": "out of memory, now in recovery mode"}
    own_server.start()
    with Database(own_server.endpoint) as database:
        assert database.names() == ["c"]
        assert "recovery mode" in database.collections()[0].trouble
        with pytest.raises(ServerTrouble, match="recovery mode"):
            list(database.scan("c"))


def test_writes_move_the_counters_and_reads_do_not(database: Database) -> None:
    database.create_collection("c", SPEC)
    before = database.write_counters()
    database.collections()
    list(database.scan("c"))
    database.retrieve("c", [1])
    database.page("c", limit=1)
    database.search("c", vector=np.ones(2, np.float32))
    database.aliases()
    assert database.write_counters() == before
    writes: list[Callable[[], None]] = [
        lambda: database.upsert("c", ones(1)),
        lambda: database.delete_points("c", [1]),
        lambda: database.set_alias("a", "c"),
        lambda: database.barrier("c"),
        lambda: database.nudge("c"),
    ]
    for write in writes:
        counted = database.write_counters()
        write()
        assert sum(database.write_counters().values()) == sum(counted.values()) + 1


def test_a_barrier_and_a_nudge_change_nothing(database: Database) -> None:
    database.create_collection("c", SPEC)
    database.upsert("c", ones(5))
    before = [repr(page) for page in database.scan("c")]
    config = database.collection("c").config
    database.barrier("c")
    database.nudge("c")
    assert [repr(page) for page in database.scan("c")] == before
    assert database.collection("c").config == config


@pytest.mark.parametrize("status", ["green", "yellow", "grey", "red"])
def test_status_and_the_optimizers_error_are_kept(status: str) -> None:
    answer = {"status": status, "optimizer_status": {"error": "no room"}, "config": {"params": {}}}
    info = schema.collection_info("c", answer, points=None, aliases=(), trouble="")
    assert (info.status, info.optimizer_error) == (status, "no room")

"""What is known of storages: by identity, a row only when something is new, and nothing forgotten by not being seen."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from qdrant_admin.state import canaries, inventory
from qdrant_admin.state.inventory import KnownCollection, Missed, SeenStorage, StorageIdentity
from qdrant_admin.state.store import StateStore

MONDAY = datetime(2026, 3, 2, 9, 14, tzinfo=UTC)
VOLUME = StorageIdentity(place="volume data", mark="data 2026-03-01T08:00:00Z", peer="71")


@pytest.fixture
def store(tmp_path: Path) -> StateStore:
    return StateStore(tmp_path / "state.sqlite3")


def collection(name: str, points: int, *, exact: bool = True, digest: str = "", days: int = 0) -> KnownCollection:
    at = MONDAY + timedelta(days=days)
    return KnownCollection(name=name, points=points, exact=exact, digest=digest, at=at)


def seen(*collections: KnownCollection, identity: StorageIdentity | None = VOLUME, version: str = "") -> SeenStorage:
    place = identity.place if identity else "http://far:6333"
    runtime = "docker" if identity else "remote"
    return SeenStorage(runtime=runtime, identity=identity, place=place, version=version, collections=collections)


def points(store: StateStore, profile: str = "local") -> dict[str, int]:
    found = inventory.known(store, profile)
    return {} if found is None else {name: one.points for name, one in found.present.items()}


def test_what_a_look_saw_is_known_to_the_next_one(store: StateStore) -> None:
    assert inventory.known(store, "local") is None
    inventory.note(store, "local", seen(collection("a", 3763, digest="d"), version="1.16.3"))
    found = inventory.known(store, "local")
    assert found is not None
    assert (found.runtime, found.place, found.identity, found.version) == ("docker", "volume data", VOLUME, "1.16.3")
    assert found.collections == (collection("a", 3763, digest="d"),)
    assert inventory.known(store, "other") is None


def test_the_same_again_writes_nothing_and_an_estimate_does_not_replace_a_count(store: StateStore) -> None:
    inventory.note(store, "local", seen(collection("a", 5, digest="d"), version="1.16.3"))
    first = inventory.known(store, "local")
    inventory.note(store, "local", seen(collection("a", 5, exact=False, days=1)))
    assert inventory.known(store, "local") == first
    inventory.note(store, "local", seen(collection("a", 6, exact=False, days=1)))
    found = inventory.known(store, "local")
    assert found is not None
    assert found.collections == (collection("a", 6, exact=False, days=1),)
    assert found.version == "1.16.3"  # a look that cannot tell the version does not unlearn it


def test_what_a_look_misses_stays_known_until_something_explains_it(store: StateStore) -> None:
    inventory.note(store, "local", seen(collection("a", 5), collection("b", 7)))
    inventory.note(store, "local", seen(collection("a", 5, days=1)))
    assert points(store) == {"a": 5, "b": 7}
    inventory.removed(store, "local", ["b", "never there"])
    found = inventory.known(store, "local")
    assert found is not None
    assert points(store) == {"a": 5}
    assert [(one.name, one.gone, one.points) for one in found.collections if one.gone] == [("b", "command", 7)]
    inventory.note(store, "local", seen(collection("b", 1, days=2)))
    assert points(store) == {"a": 5, "b": 1}


def test_the_later_look_holds_though_the_clock_was_set_back(store: StateStore) -> None:
    inventory.note(store, "local", seen(collection("a", 5)))
    inventory.note(store, "local", seen(collection("a", 6, days=-400)))
    assert points(store) == {"a": 6}


OTHER = VOLUME.model_copy(update={"mark": "data 2026-03-05T10:00:00Z", "peer": "99"})


def test_another_storage_comes_in_force_and_the_earlier_one_stays_known(store: StateStore) -> None:
    inventory.note(store, "local", seen(collection("a", 5)))
    inventory.note(store, "local", seen(collection("b", 9), identity=OTHER))
    assert points(store) == {"b": 9}
    assert [one.points for one in inventory.storages(store, "local")] == [9, 5]
    inventory.note(store, "local", seen(identity=VOLUME))
    assert points(store) == {"a": 5}
    assert [one.points for one in inventory.storages(store, "local")] == [5, 9]


def test_accepting_makes_today_the_known_state(store: StateStore) -> None:
    inventory.note(store, "local", seen(collection("a", 5), collection("b", 7)))
    inventory.accept(store, "local", seen(collection("a", 0, days=1)))
    assert points(store) == {"a": 0}
    inventory.accept(store, "local", seen(identity=OTHER))
    assert points(store) == {}
    assert len(inventory.storages(store, "local")) == 2


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"place": "directory /elsewhere"}, True),
        ({"peer": ""}, True),
        ({"peer": "99"}, False),  # the inode, or the volume's second of birth, used again
        ({"mark": "another"}, False),  # a copy keeps the peer id
        ({"mark": ""}, True),
        ({"mark": "", "peer": ""}, False),
    ],
)
def test_one_storage_is_told_from_another_by_its_mark_and_its_peer(changes: dict[str, str], same: bool) -> None:
    other = VOLUME.model_copy(update=changes)
    assert VOLUME.same(other) is same
    assert other.same(VOLUME) is same


def test_a_peer_that_was_read_once_stays_known_to_looks_that_do_not_read_it(store: StateStore) -> None:
    inventory.note(store, "local", seen(collection("a", 5)))
    inventory.note(store, "local", seen(collection("a", 6), identity=VOLUME.model_copy(update={"peer": ""})))
    found = inventory.known(store, "local")
    assert found is not None
    assert found.identity == VOLUME


def test_a_storage_out_of_sight_is_known_by_its_address_and_unlearns_no_other(store: StateStore) -> None:
    inventory.note(store, "local", seen(collection("mine", 3)))
    inventory.note(store, "local", seen(collection("a", 5), identity=None))
    inventory.note(store, "local", seen(collection("a", 6), identity=None))
    assert points(store) == {"mine": 3}
    far = inventory.known(store, "local", "http://far:6333")
    assert far is not None
    assert (far.place, far.points) == ("http://far:6333", 6)
    inventory.removed(store, "local", ["a"], out_of_sight="http://far:6333")
    assert [one.points for one in inventory.storages(store, "local")] == [3, 0]


def test_collections_that_checks_make_for_themselves_are_never_noted(store: StateStore) -> None:
    canaries.remember(store, "http://x", ("qdrant-admin-canary-1",))
    inventory.note(
        store, "local", seen(collection("qdrant-admin-canary-1", 16), collection("qdrant-admin-canary-2", 3))
    )
    assert points(store) == {"qdrant-admin-canary-2": 3}  # a user may have a collection of such a name


def test_those_that_went_are_known_in_a_bounded_number(store: StateStore) -> None:
    for first in range(0, 400, 100):
        names = [f"t{number}" for number in range(first, first + 100)]
        inventory.note(store, "local", seen(*(collection(name, 1) for name in names)))
        inventory.removed(store, "local", names, how="request")
    found = inventory.known(store, "local")
    assert found is not None
    assert len(found.collections) == 200
    assert {one.name for one in found.collections} == {f"t{number}" for number in range(200, 400)}


def test_a_profile_that_was_removed_is_forgotten(store: StateStore) -> None:
    inventory.note(store, "local", seen(collection("a", 5)))
    inventory.note(store, "other", seen(collection("a", 5)))
    inventory.forget(store, "local")
    assert inventory.storages(store, "local") == ()
    assert points(store, "other") == {"a": 5}


def test_what_was_said_first_of_something_missing_stays_until_it_is_back(store: StateStore) -> None:
    inventory.note(store, "local", seen(collection("a", 5), collection("b", 7)))
    first = Missed(word="lost", because="no_delete")
    inventory.missed(store, "local", {"a": first})
    inventory.missed(store, "local", {"a": Missed(word="inconclusive", because="log_begins", moment=MONDAY)})
    found = inventory.known(store, "local")
    assert found is not None
    assert [found.present[name].missed for name in "ab"] == [first, None]
    inventory.note(store, "local", seen(collection("a", 5)))
    found = inventory.known(store, "local")
    assert found is not None
    assert found.present["a"].missed is None


def test_what_could_not_be_read_is_not_accepted_as_gone(store: StateStore) -> None:
    inventory.note(store, "local", seen(collection("a", 5), collection("b", 7)))
    inventory.accept(store, "local", seen(), unread=frozenset({"a"}))
    assert points(store) == {"a": 5}


def test_what_is_known_belongs_to_the_storage_and_not_to_the_profile(store: StateStore) -> None:
    inventory.note(store, "local", seen(collection("a", 5), collection("b", 7)))
    assert inventory.shared(store, OTHER) is None
    assert inventory.shared(store, VOLUME) == inventory.known(store, "local")
    inventory.note(store, "renamed", seen(collection("a", 5)))
    assert points(store, "renamed") == {"a": 5, "b": 7}
    inventory.removed(store, "renamed", ["b"])
    assert points(store) == {"a": 5}

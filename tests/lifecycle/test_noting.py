"""Several looks after one another: what one keeps is what the next is held against."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.lifecycle.memory import Memory, Today
from qdrant_admin.lifecycle.noting import remember
from qdrant_admin.state.inventory import KnownCollection, SeenStorage
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace

URL = "http://far:6333"


def looks(store: StateStore, process: str, deletes: int, *there: str, **seen: Any) -> Memory:
    """A look at a server whose log is out of sight: it has counted its deletes, and that is all there is."""
    ws = Workspace(Settings(name="far", profile=Profile(runtime="remote", url=URL)), store)
    collections = tuple(KnownCollection(name=name, points=5, exact=True, at=datetime.now(UTC)) for name in there)
    counted: dict[str, Any] = {"process": process, "deletes": deletes, "grpc_deletes": 0}
    storage = SeenStorage(runtime="remote", identity=None, place=URL, collections=collections, **counted)
    return remember(ws, Today(storage=storage, names_its_deletes=False, **seen))


def test_what_nobody_can_tell_is_not_known_better_by_looking_again(tmp_path: Path) -> None:
    """The process that may have been asked has ended; the next one has counted nothing, and goes on so."""
    store = StateStore(tmp_path / "state.sqlite3")
    looks(store, "one", 0, "a")
    words = [looks(store, "two", 0).word for _ in range(3)]
    assert words == ["inconclusive"] * 3


@pytest.mark.parametrize("between", [{"only": frozenset({"b"})}, {"uncertain": frozenset({"a"})}])
def test_a_look_that_did_not_see_a_collection_takes_no_witness_of_it_away(
    tmp_path: Path, between: dict[str, Any]
) -> None:
    store = StateStore(tmp_path / "state.sqlite3")
    looks(store, "one", 0, "a", "b")
    assert looks(store, "one", 1, "b", **between).word is None
    assert looks(store, "one", 1, "b").word == "told", "the request that was counted meanwhile explains it"

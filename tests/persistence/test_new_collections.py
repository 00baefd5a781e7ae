"""Collections made over the API a moment before a restart are part of every check that ends the process."""

import pytest

from qdrant_admin.core.errors import RequestRejected
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec
from qdrant_admin.persistence.reports import VerifyMethod
from qdrant_admin.state import canaries
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import fill, prove

pytestmark = pytest.mark.server


def left(ws: Workspace) -> list[str]:
    """What of them is at the server still."""
    with ws.database() as database:
        return [name for name in (*database.names(), *database.aliases()) if name.startswith(canaries.PREFIX)]


def canaries_of(database: Database) -> list[str]:
    return [name for name in database.names() if name.startswith(canaries.PREFIX)]


@pytest.mark.parametrize("how", ["kill", "graceful"])
def test_they_survive_and_are_gone_after_it(ws: Workspace, how: VerifyMethod) -> None:
    fill(ws)
    report = prove(ws, how)
    assert report.verdict == "persisted"
    assert report.fresh is not None
    assert (report.fresh.collections, report.fresh.aliases, report.fresh.lost) == (3, 1, ())
    assert "3 collections created just before the restart" in report.checks
    assert [check.name for check in report.collections] == ["memories"]
    assert left(ws) == []


def test_one_that_is_gone_is_a_loss_though_everything_else_is_there(ws: Workspace) -> None:
    fill(ws)
    gone: list[str] = []

    def lose(database: Database) -> None:
        gone.append(next(name for name in canaries_of(database) if name.endswith("-empty")))
        database.delete_collection(gone[0])

    report = prove(ws, "kill", lose, "load")
    assert (report.verdict, report.exit_code) == ("lost", 1)
    assert report.fresh is not None
    assert report.fresh.lost == (f"collection {gone[0]} is gone",)
    assert gone[0] in report.reason
    assert [check.verdict for check in report.collections] == ["same"]
    assert left(ws) == []


def test_points_and_an_alias_that_are_gone_are_named(ws: Workspace) -> None:
    fill(ws)

    def lose(database: Database) -> None:
        aliased = next(name for name in canaries_of(database) if name.endswith("-aliased"))
        database.delete_collection(aliased)
        filled = next(name for name in canaries_of(database) if name.endswith("-filled"))
        database.delete_points(filled, [3, 4], wait=True)

    report = prove(ws, "kill", lose, "load")
    assert report.verdict == "lost"
    assert report.fresh is not None
    told = "; ".join(report.fresh.lost)
    assert "-filled has lost 2 of 16 points" in told
    assert "-aliased is gone" in told
    assert "-alias is gone" in told


def test_a_server_that_makes_none_is_checked_all_the_same(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(ws)

    def refuse(_self: Database, _name: str, _spec: CollectionSpec) -> None:
        raise RequestRejected("no more collections")

    monkeypatch.setattr(Database, "create_collection", refuse)
    report = prove(ws, "kill")
    assert (report.verdict, report.fresh) == ("persisted", None)
    assert "made a moment before" not in report.checks
    assert left(ws) == []


def test_what_a_check_that_was_killed_has_left_is_removed_by_the_next_and_is_nobodys(ws: Workspace) -> None:
    fill(ws)
    name = f"{canaries.PREFIX}0a1b2c3d-filled"
    stranger = f"{canaries.PREFIX}ffffffff-filled"
    canaries.remember(ws.store, ws.runtime.endpoint.url, (name,))
    with ws.database() as database:
        spec = CollectionSpec(vectors=database.collection("memories").vectors)
        for one in (name, stranger):
            database.create_collection(one, spec)
    report = prove(ws, "kill")
    assert [check.name for check in report.collections] == ["memories"]
    assert left(ws) == [stranger], "only what this product remembers is removed"


def test_one_of_that_name_is_looked_at_when_somebody_asks_for_it(ws: Workspace) -> None:
    name = f"{canaries.PREFIX}of-a-user"
    fill(ws, name)
    report = prove(ws, "kill", collections=(name,))
    assert [one.name for one in report.collections] == [name]
    assert report.verdict == "persisted"
    assert name in left(ws), "nobody has made it for a check, so nobody removes it"

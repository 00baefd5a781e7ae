"""`verify --collection`: an alias is resolved, a typo is a wrong command line, and what is gone is told as that."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import BadInput, ExitCode, NotFound
from qdrant_admin.core.events import Finished, Notice
from qdrant_admin.core.formatting import day
from qdrant_admin.persistence.reports import VerifyOptions, VerifyReport
from qdrant_admin.persistence.verify import verify
from qdrant_admin.state import inventory
from qdrant_admin.state.inventory import KnownCollection, SeenStorage
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import fill, prove

pytestmark = pytest.mark.server


@pytest.fixture
def fresh(ws: Workspace, tmp_path: Path) -> Workspace:
    """The same server, of which nothing is known yet."""
    fill(ws)
    new = Workspace(ws.settings, StateStore(tmp_path / "state.sqlite3"))
    vars(new)["choice"] = ws.choice
    return new


def test_an_alias_is_resolved_and_said(fresh: Workspace) -> None:
    with fresh.database() as database:
        database.set_alias("mind", "memories")
    events = list(verify(fresh, VerifyOptions(how="none", collections=("mind", "memories")), cancel=CancelToken()))
    assert any(isinstance(one, Notice) and "mind is an alias of collection memories" in one.text for one in events)
    report = next(one.report for one in events if isinstance(one, Finished))
    assert isinstance(report, VerifyReport)
    assert report.chosen == ("memories",)
    assert [check.name for check in report.collections] == ["memories"]
    again = prove(fresh, baseline=report, collections=("mind",))
    assert again.verdict == "unchanged"


@pytest.mark.parametrize("name", ["memoires", "Memories", "", "..", "[/oops]"])
def test_a_name_that_was_never_known_is_a_wrong_command_line(fresh: Workspace, name: str) -> None:
    with pytest.raises(BadInput, match="there is no collection") as caught:
        prove(fresh, collections=("memories", name))
    assert caught.value.exit_code == ExitCode.USAGE
    assert "memories" in caught.value.why


@pytest.mark.parametrize(("gone", "words"), [("", "it held 12 points"), ("command", "qdrant-admin deleted it on")])
def test_a_name_that_the_inventory_knows_is_gone_and_no_typo(fresh: Workspace, gone: str, words: str) -> None:
    seen = KnownCollection(name="project", points=12, exact=True, at=datetime(2026, 11, 30, 9, 14, tzinfo=UTC))
    storage = SeenStorage(runtime="native", identity=None, place="here", collections=(seen,))
    inventory.note(fresh.store, fresh.settings.name, storage)
    if gone:
        inventory.removed(fresh.store, fresh.settings.name, ["project"], out_of_sight=storage.unseen)
    with pytest.raises(NotFound, match="“project” is gone") as caught:
        prove(fresh, collections=("project",))
    assert caught.value.exit_code == ExitCode.FOUND_WRONG
    assert words in caught.value.why
    assert day(seen.at) in caught.value.why


def test_a_name_that_an_earlier_check_read_is_gone_and_no_typo(fresh: Workspace) -> None:
    prove(fresh)
    with fresh.database() as database:
        database.delete_collection("memories")
    with pytest.raises(NotFound, match="“memories” is gone") as caught:
        prove(fresh, collections=("memories",))
    assert "it held 20 points" in caught.value.why


def test_what_a_baseline_holds_is_compared_though_it_is_gone(fresh: Workspace) -> None:
    earlier = prove(fresh)
    fill(fresh, "other")
    with fresh.database() as database:
        database.delete_collection("memories")
    report = prove(fresh, baseline=earlier, collections=("memories",))
    assert (report.verdict, report.exit_code) == ("lost", 1)
    assert "memories: it is no longer there" in report.reason

"""What a person may choose for one collection of a plan: its name, its conflict policy, whether it comes at all."""

from pathlib import Path

import pytest

from qdrant_admin.core.errors import BadInput
from qdrant_admin.database.gateway import Database
from tests.migration.support import local_store, moved, numbered, planned, workspace
from tests.support.real import Server

pytestmark = pytest.mark.server


@pytest.fixture
def source(tmp_path: Path) -> str:
    """Two collections of five points each."""
    return f"qdrant-local:{local_store(tmp_path / 'a', {'one': numbered(5), 'two': numbered(5)})}"


def test_one_collection_gets_another_name_and_one_stays_behind(server: Server, source: str) -> None:
    ws = workspace(server)
    report = moved(ws, source, names={"one": "first"}, skip_collections=("two",))
    assert [(one.target, one.verdict, one.note) for one in report.collections] == [
        ("first", "verified", ""),
        ("two", "skipped", "left out, as asked"),
    ]
    assert report.verdict == "verified"
    with Database(server.endpoint) as database:
        assert database.names() == ["first"]


def test_a_policy_of_its_own(server: Server, source: str) -> None:
    ws = workspace(server)
    moved(ws, source)
    plan = planned(ws, source, conflicts={"one": "overwrite", "two": "rename"})
    assert [(one.target, one.action, one.on_conflict) for one in plan.collections] == [
        ("one", "append", "overwrite"),
        ("two_2", "create", "rename"),
    ]
    assert planned(ws, source, conflicts={"one": "overwrite"}).exit_code == 4
    assert planned(ws, source, conflicts={"one": "overwrite"}, skip_collections=("two",)).exit_code == 0


@pytest.mark.parametrize("names", [{"one": "two"}, {"two": "one"}, {"one": "x", "two": "x"}])
def test_two_collections_are_never_poured_into_one(server: Server, source: str, names: dict[str, str]) -> None:
    plan = planned(workspace(server), source, names=names)
    assert plan.exit_code == 4
    assert "would both become" in plan.problems[0].text


def test_names_can_be_swapped(server: Server, source: str) -> None:
    plan = planned(workspace(server), source, names={"one": "two", "two": "one"})
    assert [one.target for one in plan.collections] == ["two", "one"]
    assert plan.exit_code == 0


@pytest.mark.parametrize(
    "options", [{"names": {"on": "x"}}, {"skip_collections": ("on",)}, {"conflicts": {"on": "skip"}}]
)
def test_a_slip_of_the_pen_is_told(server: Server, source: str, options: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="no collection on"):
        planned(workspace(server), source, **options)


def test_a_name_that_cannot_be_is_refused(server: Server, source: str) -> None:
    with pytest.raises(BadInput):
        planned(workspace(server), source, names={"one": ".."})

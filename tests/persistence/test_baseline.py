"""Is everything still as it was then? And the certificate that is kept of a check."""

import json
from pathlib import Path

import pytest

from qdrant_admin.core.blocks import Table
from qdrant_admin.core.document import to_html, to_markdown
from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.serialization import to_json
from qdrant_admin.database.canonical import SCHEME
from qdrant_admin.database.gateway import Database
from qdrant_admin.persistence import past_checks
from qdrant_admin.persistence.reports import VerifyReport
from qdrant_admin.state import records
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import Mutation, fill, point, prove
from tests.support.dropping import drop_index

pytestmark = pytest.mark.server


def then(ws: Workspace, path: Path) -> VerifyReport:
    """A check of today, kept as `verify --json` prints it and read again."""
    path.write_text(records.dump(prove(ws)))
    return past_checks.load(path)


def test_nothing_has_changed_since(ws: Workspace, tmp_path: Path) -> None:
    fill(ws)
    earlier = then(ws, tmp_path / "monday.json")
    report = prove(ws, "none", baseline=earlier)
    assert (report.verdict, report.exit_code) == ("unchanged", 0)
    assert "as it was at" in report.reason
    assert report.baseline is not None
    assert [check.verdict for check in report.baseline.collections] == ["same"]
    assert prove(ws, "kill", baseline=earlier).verdict == "persisted"
    assert prove(ws, "none", baseline=earlier).verdict == "persisted", "the server's process is another than then"


def test_a_fingerprint_of_another_scheme_is_no_proof_of_anything(ws: Workspace, tmp_path: Path) -> None:
    """Of an earlier version's report, which does not name its scheme. Its digests are those of another form."""
    fill(ws)
    kept = json.loads(records.dump(prove(ws))) | {"schema": 2}
    del kept["checksum"]
    for check in kept["collections"]:
        for side in (check["before"], check["after"]):
            assert side.pop("scheme") == SCHEME
            side["digest"] = "0" * 64
            del side["buckets"]
    path = tmp_path / "monday.json"
    path.write_text(json.dumps(kept))
    report = prove(ws, "none", baseline=past_checks.load(path))
    assert (report.verdict, report.exit_code) == ("inconclusive", 1)
    assert f"(P1, now {SCHEME}), so the content cannot be compared" in report.reason
    with ws.database() as database:
        delete_one(database)
    report = prove(ws, "none", baseline=past_checks.load(path))
    assert report.verdict == "inconclusive"
    assert "it had 20 points, it has 19" in report.reason


def delete_one(database: Database) -> None:
    database.delete_points("memories", [3])


def change_one(database: Database) -> None:
    database.upsert("memories", [point(3, word="other")])


def add_one(database: Database) -> None:
    database.upsert("memories", [point(999)])


def replace_some(database: Database) -> None:
    database.delete_points("memories", [3, 4, 5, 6, 7])
    database.upsert("memories", [point(number) for number in range(900, 906)])


def drop_the_index(database: Database) -> None:
    drop_index(database, "memories", "word")


def add_an_alias(database: Database) -> None:
    database.set_alias("again", "memories")


def drop_all(database: Database) -> None:
    database.delete_collection("memories")


@pytest.mark.parametrize(
    ("mutate", "verdict", "words"),
    [
        (delete_one, "lost", "1 point fewer"),
        (change_one, "changed", "other content"),
        (add_one, "changed", "1 point more"),
        (replace_some, "lost", "points of then are missing"),
        (drop_the_index, "changed", "payload indexes"),
        (add_an_alias, "changed", "aliases"),
        (drop_all, "lost", "no longer there"),
    ],
)
def test_what_has_changed_since_is_told(
    ws: Workspace, tmp_path: Path, mutate: Mutation, verdict: str, words: str
) -> None:
    fill(ws)
    earlier = then(ws, tmp_path / "monday.json")
    with ws.database() as database:
        mutate(database)
    report = prove(ws, "none", baseline=earlier)
    assert (report.verdict, report.exit_code) == (verdict, 1)
    assert words in report.reason
    assert "since" in report.reason
    tables = [one.head for one in report.blocks() if isinstance(one, Table)]
    assert ("collection", "then", "now", "content", "verdict") in tables
    assert not any("before" in head for head in tables), "a table of two equal looks below such a headline"
    (check,) = report.collections
    assert check.verdict == verdict, "what a script reads of the collection"
    assert report.baseline is not None
    assert report.baseline.collections[0].verdict == verdict
    assert check.before == check.after, "what the two looks saw is told beside it"


def test_a_collection_that_is_new_since_is_a_change_unless_only_others_were_asked_for(
    ws: Workspace, tmp_path: Path
) -> None:
    fill(ws)
    earlier = then(ws, tmp_path / "all.json")
    fill(ws, "more", 3)
    assert "was not there then" in prove(ws, "none", baseline=earlier).reason
    assert prove(ws, "none", baseline=earlier, collections=("memories",)).verdict == "unchanged"
    few = prove(ws, "none", collections=("memories",))
    assert prove(ws, "none", baseline=few).verdict == "unchanged"


@pytest.mark.parametrize("text", ["", "[]", '{"verdict": "persisted"}', "not JSON"])
def test_something_else_is_no_baseline(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        past_checks.load(path)
    assert "--json" in caught.value.fix
    assert "x-2.json" in caught.value.fix, "the evidence is not written over"
    with pytest.raises(BadInput, match="cannot be read"):
        past_checks.load(tmp_path / "absent.json")


def test_the_certificate_tells_everything_and_takes_no_name_for_markup(ws: Workspace) -> None:
    name = "[red]<b>a|b</b>"
    fill(ws)
    report = prove(ws, "none", lambda database: database.delete_points("memories", [3]))
    hostile = report.model_copy(
        update={"collections": tuple(one.model_copy(update={"name": name}) for one in report.collections)}
    )
    page, text = to_html(hostile.document()), to_markdown(hostile.document())
    assert "<b>" not in page
    assert "&lt;b&gt;a|b&lt;/b&gt;" in page
    assert "\\<b\\>a\\|b" in text
    for shown in (page, text):
        assert "lost" in shown
        assert report.server_version in shown
        assert report.collections[0].before is not None
        assert report.collections[0].before.digest in shown
    assert "http" not in page.replace(report.fix, ""), "the page fetches nothing"
    assert json.loads(to_json(report))["collections"][0]["missing"] == 1

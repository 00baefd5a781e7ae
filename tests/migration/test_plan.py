import contextlib
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdrant_admin.core.errors import BadInput, Refused
from qdrant_admin.core.serialization import to_json
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.migration import messages
from qdrant_admin.migration.reports import PlanReport
from qdrant_admin.sources import ids
from tests.benchmarks import stores
from tests.migration.support import local_store, moved, numbered, planned, workspace
from tests.support.real import Server

pytestmark = pytest.mark.server


def refusals(report: PlanReport) -> str:
    return "\n".join(problem.text for problem in report.problems if problem.level == "refused")


def test_a_plan_says_what_would_be_made_and_writes_nothing(server: Server, chroma: Path) -> None:
    report = planned(workspace(server, prefix="app_"), f"chroma:{chroma}")
    assert report.exit_code == 0
    by_name = {one.source: one for one in report.collections}
    assert (by_name["debian_memories"].target, by_name["debian_memories"].count) == ("app_debian_memories", 149)
    assert by_name["debian_memories"].spec.vectors == (VectorSpec(size=384, distance="Cosine"),)
    assert by_name["empty"].action == "skip"
    assert PlanReport.model_validate_json(to_json(report)) == report
    with Database(server.endpoint) as database:
        assert database.names() == []


def test_the_time_is_told_as_earlier_runs_of_this_kind_went(server: Server, tmp_path: Path) -> None:
    ws = workspace(server)
    source = f"qdrant-local:{local_store(tmp_path / 's', {'c': numbered(1200)})}"
    [guess] = planned(ws, source).collections
    assert guess.estimated_from == 0
    report = moved(ws, source, to="a")
    assert moved(ws, f"qdrant-local:{local_store(tmp_path / 'few', {'few': numbered(3)})}").verdict == "verified"
    plan = planned(ws, source, to="b")
    [told] = plan.collections
    assert told.estimated_from == 1
    assert told.estimated_seconds == pytest.approx(report.seconds)
    assert dict(messages.how(plan))["time"].endswith("as 1 earlier run went")


@pytest.mark.parametrize(
    ("slot", "words"),
    [
        (VectorSpec(size=10, distance="Cosine"), "has 10 components there, 384 at the source"),
        (VectorSpec(size=384, distance="Dot"), "compared by Dot there, by Cosine"),
        (VectorSpec(name="text", size=384, distance="Cosine"), "has no vector"),
    ],
)
def test_a_target_that_does_not_fit_is_refused_before_the_first_write(
    server: Server, chroma: Path, slot: VectorSpec, words: str
) -> None:
    with Database(server.endpoint) as database:
        database.create_collection("debian_memories", CollectionSpec(vectors=(slot,)))
    ws = workspace(server)
    source = f"chroma:{chroma}?collection=debian_memories"
    for policy in ("fail", "overwrite"):
        report = planned(ws, source, on_conflict=policy)
        assert words in refusals(report)
        assert report.exit_code == 4
    with pytest.raises(Refused, match="does not start"):
        moved(ws, source)
    assert moved(ws, source, on_conflict="rename").collections[0].target == "debian_memories_2"


def test_every_conflict_policy(server: Server, tmp_path: Path) -> None:
    source = f"qdrant-local:{local_store(tmp_path / 'a', {'c': numbered(5)})}"
    more = f"qdrant-local:{local_store(tmp_path / 'b', {'c': numbered(7)[3:]})}"
    ws = workspace(server)
    assert moved(ws, source).verdict == "verified"
    assert "holds 5 points already" in refusals(planned(ws, more))
    skipped = moved(ws, more, on_conflict="skip")
    assert (skipped.verdict, skipped.collections[0].skipped, skipped.exit_code) == ("skipped", 4, 0)
    renamed = moved(ws, more, on_conflict="rename")
    assert (renamed.verdict, renamed.collections[0].target) == ("verified", "c_2")
    over = moved(ws, more, on_conflict="overwrite")
    assert (over.verdict, over.collections[0].verified, over.collections[0].extra) == ("verified", 4, 3)
    with Database(server.endpoint) as database:
        assert database.count("c") == 7


def test_names_that_a_server_must_never_hear_are_replaced(server: Server, tmp_path: Path) -> None:
    names = ["[/oops]", "[red]x[/red]", "Case", "case", "trail ", "con"]
    for folder, name in enumerate(names):
        store = local_store(tmp_path / str(folder), {"plain": numbered(2)})
        meta = (store / "meta.json").read_text().replace('"plain"', f'"{name}"')
        (store / "meta.json").write_text(meta)
        target = store / "collection" / name
        target.parent.mkdir(exist_ok=True)
        (store / "collection" / "plain").rename(target)
        report = moved(workspace(server), f"qdrant-local:{store}", on_conflict="rename")
        assert report.verdict == "verified", name
    with Database(server.endpoint) as database:
        assert len(database.names()) == len(names)
        assert len({name.lower() for name in database.names()}) == len(names)


def test_ids_that_fold_into_one_are_refused(server: Server, tmp_path: Path) -> None:
    ids = ["11111111-1111-4111-8111-111111111111", "11111111111141118111111111111111"]
    points: list[dict[str, Any]] = [numbered(1)[0] | {"id": identity} for identity in ids]
    report = planned(workspace(server), f"qdrant-local:{local_store(tmp_path / 's', {'c': points})}")
    assert ids[1] in refusals(report)


def test_wrong_choices_are_refused(server: Server, chroma: Path) -> None:
    ws = workspace(server)
    with pytest.raises(BadInput, match="several"):
        planned(ws, f"chroma:{chroma}", to="one")
    with pytest.raises(BadInput, match="batch"):
        planned(ws, f"chroma:{chroma}", batch_size=0)
    for hostile in (".", "..", "a/b"):
        with pytest.raises(BadInput):
            planned(ws, f"chroma:{chroma}?collection=typed", to=hostile)


def test_a_server_is_not_migrated_into_itself(server: Server, tmp_path: Path) -> None:
    ws = workspace(server)
    moved(ws, f"qdrant-local:{local_store(tmp_path / 's', {'c': numbered(2)})}")
    report = planned(ws, f"qdrant+{server.url}", on_conflict="overwrite")
    assert "the same collection" in refusals(report)


def test_ids_that_would_become_one_point_stop_a_plan(server: Server, tmp_path: Path) -> None:
    one = str(uuid.uuid5(ids.NAMESPACE, "record-1"))
    points = [Point(n, {"n": n}, {"": np.ones(4, dtype=np.float32)}) for n in range(3)]
    stores.chroma(tmp_path / "s", [points], 4)
    with contextlib.closing(sqlite3.connect(tmp_path / "s" / "chroma.sqlite3")) as database:
        database.execute("UPDATE embeddings SET embedding_id = ? WHERE embedding_id = 'record-2'", (one,))
        database.commit()
    plan = planned(workspace(server), f"chroma:{tmp_path / 's'}")
    assert plan.exit_code == 4
    assert any(one in problem.text and "record-1" in problem.text for problem in plan.problems)

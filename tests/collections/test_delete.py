"""A collection is deleted when it was asked for in so many words, and can be had again."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdrant_admin.collections import delete as module
from qdrant_admin.collections.delete import DeleteOptions, delete
from qdrant_admin.collections.reports import DeleteReport
from qdrant_admin.config.places import data_dir
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import BadInput, Cancelled, Refused, StorageUnusable
from qdrant_admin.core.events import Finished, Progress
from qdrant_admin.core.serialization import to_json
from qdrant_admin.core.values import SecretStr
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.workspace import Workspace
from tests.migration.support import workspace
from tests.support.real import Server

pytestmark = pytest.mark.server
NAME = "memories #1"


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """A server that holds one collection."""
    with Database(server.endpoint) as opened:
        opened.create_collection(NAME, CollectionSpec(vectors=(VectorSpec(size=2, distance="Dot"),)))
        opened.upsert(NAME, [Point(n, {"n": n}, {"": np.array([n, 1], np.float32)}) for n in range(200)])
        yield opened


def deleted(server: Server, name: str = NAME, **options: Any) -> DeleteReport:
    *_, final = delete(workspace(server), name, DeleteOptions(**options), cancel=CancelToken())
    assert isinstance(final, Finished)
    assert isinstance(final.report, DeleteReport)
    return final.report


def files() -> list[Path]:
    return sorted((data_dir() / "snapshots").glob("*"))


def test_it_is_gone_and_comes_back_from_its_snapshot(server: Server, database: Database) -> None:
    report = deleted(server)
    assert (report.deleted, report.points, files()) == (True, 200, [Path(report.snapshot)])
    assert database.names() == []
    subprocess.run([*shlex.split(report.restore), "--fail", "--silent"], check=True, capture_output=True)
    assert [point.payload["n"] for page in database.scan(NAME) for point in page] == list(range(200))
    assert [one.name for one in database.snapshots.listed(NAME)] == [Path(report.snapshot).name], "as it was sent now"


def test_the_way_back_to_a_server_with_a_key_runs_and_holds_no_key(tmp_path: Path) -> None:
    key = "s3cret key"
    server = Server(tmp_path / "locked", environment={"QDRANT__SERVICE__API_KEY": key}).start()
    try:
        ws = workspace(server)
        ws = Workspace(ws.settings.model_copy(update={"api_key": SecretStr(key)}), ws.store)
        with ws.database() as database:
            database.create_collection(NAME, CollectionSpec(vectors=(VectorSpec(size=2, distance="Dot"),)))
            database.upsert(NAME, [Point(n, {"n": n}, {"": np.array([n, 1], np.float32)}) for n in range(20)])
            *_, final = delete(ws, NAME, DeleteOptions(), cancel=CancelToken())
            assert isinstance(final, Finished)
            assert isinstance(final.report, DeleteReport)
            assert database.names() == []
            assert key not in to_json(final.report)
            environment = {"PATH": os.environ["PATH"], "QDRANT_API_KEY": key}
            line = f"{final.report.restore} --fail --silent"
            subprocess.run(["/bin/sh", "-c", line], env=environment, check=True, capture_output=True)
            assert database.count(NAME) == 20
    finally:
        server.kill()


def test_a_dry_run_and_no_snapshot(server: Server, database: Database) -> None:
    report = deleted(server, dry_run=True)
    assert (report.deleted, report.snapshot, report.verdict_word) == (False, str(data_dir() / "snapshots"), "planned")
    assert database.count(NAME) == 200
    assert (deleted(server, snapshot=False).deleted, files(), database.names()) == (True, [], [])


def test_what_is_in_use_under_an_alias_stays_unless_that_is_said(server: Server, database: Database) -> None:
    database.set_alias("live", NAME)
    with pytest.raises(Refused, match="in use under another name: live") as caught:
        deleted(server)
    command = ["qdrant-admin", "collections", "delete", NAME, "--with-aliases", "--profile", "test"]
    assert shlex.split(caught.value.fix_on("other")) == command
    with pytest.raises(Refused, match="is an alias of"):
        deleted(server, "live", with_aliases=True)
    with pytest.raises(BadInput, match="nothing"):
        deleted(server, "nothing")
    assert (database.names(), files()) == ([NAME], [])
    assert deleted(server, with_aliases=True).aliases == ("live",)
    assert database.aliases() == {}


def test_without_room_for_the_snapshot_nothing_is_deleted(
    server: Server, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ROOM_TO_BREATHE", 1 << 62)
    before = database.snapshots.listed(NAME)
    with pytest.raises(StorageUnusable, match="no snapshot can be kept"):
        deleted(server)
    assert (database.count(NAME), database.snapshots.listed(NAME), files()) == (200, before, [])


def test_cancelled_while_the_snapshot_comes_nothing_is_deleted(server: Server, database: Database) -> None:
    cancel, before = CancelToken(), database.snapshots.listed(NAME)
    events = delete(workspace(server), NAME, DeleteOptions(), cancel=cancel)
    while not isinstance(next(events), Progress):
        pass
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(events)
    assert (database.count(NAME), database.snapshots.listed(NAME), files()) == (200, before, [])

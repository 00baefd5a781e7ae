"""What the migration tests share: a workspace over a test server, running to the end, unpacked stores."""

import base64
import contextlib
import hashlib
import json
import pickle
import sqlite3
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qdrant_admin.config.places import state_file
from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Events, Finished
from qdrant_admin.database.models import Point, VectorSpec
from qdrant_admin.migration.compare.equality import unlike
from qdrant_admin.migration.plan import PlanOptions, plan
from qdrant_admin.migration.reports import MigrationReport, PlanReport
from qdrant_admin.migration.run import migrate
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.support.real import Server

DATA = Path(__file__).parents[1] / "sources" / "data"


def workspace(server: Server, *, prefix: str = "") -> Workspace:
    """A remote profile on this server, with the state of the isolated home."""
    profile = Profile(runtime="remote", url=server.url, grpc_port=server.grpc_port, collection_prefix=prefix)
    return Workspace(Settings(name="test", profile=profile), StateStore(state_file()))


def last(events: Events) -> Any:
    """The report at the end."""
    *_, final = events
    assert isinstance(final, Finished)
    return final.report


def planned(ws: Workspace, source: str, **options: Any) -> PlanReport:
    """A plan."""
    report: PlanReport = last(plan(ws, source, PlanOptions(**options), cancel=CancelToken()))
    return report


def moved(ws: Workspace, source: str, **options: Any) -> MigrationReport:
    """Plan and run."""
    report: MigrationReport = last(migrate(ws, planned(ws, source, **options), cancel=CancelToken()))
    return report


def same(wanted: Point, found: Point, slots: Mapping[str, VectorSpec]) -> bool:
    """Whether `found` is what the target must hold after `wanted` was written into it."""
    return not unlike([wanted], [found], slots)


def unpacked(name: str, into: Path) -> Path:
    """A store of the fixtures, as a folder of its own."""
    with tarfile.open(DATA / f"{name}.tar.xz") as archive:
        archive.extractall(into, filter="data")
    return into / name


def hashes(folder: Path) -> dict[str, str]:
    """Every file of a folder to its hash."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


DENSE = {"vectors": {"size": 4, "distance": "Dot"}}


def local_store(folder: Path, collections: dict[str, list[dict[str, Any]]], config: dict[str, Any] = DENSE) -> Path:
    """An embedded folder with these points, written as qdrant-client writes it, whatever it would say to the points."""
    from qdrant_client import models

    folder.mkdir(parents=True, exist_ok=True)
    meta = {"collections": dict.fromkeys(collections, config), "aliases": {}}
    (folder / "meta.json").write_text(json.dumps(meta))
    for name, points in collections.items():
        (folder / "collection" / name).mkdir(parents=True)
        with contextlib.closing(sqlite3.connect(folder / "collection" / name / "storage.sqlite")) as database:
            database.execute("CREATE TABLE points (id TEXT PRIMARY KEY, point BLOB)")
            for point in points:
                key = base64.b64encode(pickle.dumps(point["id"])).decode()
                database.execute(
                    "INSERT INTO points VALUES (?, ?)", (key, pickle.dumps(models.PointStruct.model_construct(**point)))
                )
            database.commit()
    return folder


def numbered(count: int) -> list[dict[str, Any]]:
    """Points 0 to count - 1."""
    return [{"id": n, "vector": [float(n), 1.0, 2.0, 3.0], "payload": {"n": n}} for n in range(count)]

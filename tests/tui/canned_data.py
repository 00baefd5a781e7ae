"""Frozen reports about collections, points, migrations and proofs, hostile names among them."""

import math
from datetime import timedelta
from pathlib import Path
from typing import Any

from qdrant_admin.collections.reports import (
    CollectionReport,
    CollectionsReport,
    DeleteReport,
    PointReport,
    PointsReport,
    ShownPoint,
    ShownVector,
)
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, NotFound
from qdrant_admin.core.events import Event, Events, Finished, Notice, PartDone, Progress, StepFinished, StepStarted
from qdrant_admin.core.serialization import to_json
from qdrant_admin.core.values import JsonValue
from qdrant_admin.database.differences import Difference, PartDifference, PointDifference
from qdrant_admin.database.models import CollectionInfo, CollectionSpec, PointId, VectorSpec
from qdrant_admin.migration.checkpoint import Checkpoint, StoredRun
from qdrant_admin.migration.plan import PlanOptions
from qdrant_admin.migration.reports import (
    CollectionPlan,
    CollectionResult,
    MigrationReport,
    PlanReport,
    Problem,
    Reject,
)
from qdrant_admin.migration.runs import DiscardReport
from qdrant_admin.persistence.past_checks import TrendPoint, TrendReport
from qdrant_admin.persistence.reports import (
    CollectionCheck,
    CrashLoss,
    CrashOptions,
    CrashReport,
    Cycle,
    Phase,
    Round,
    Side,
    VerifyReport,
)
from qdrant_admin.persistence.verify import VerifyOptions
from qdrant_admin.sources.registry import SourceKind
from qdrant_admin.state.store import HistoryEntry
from qdrant_admin.tui.jobs import Rate
from qdrant_admin.tui.services import PastCheck
from tests.tui.canned import HOSTILE, NOW, Canned

DENSE = VectorSpec(size=384, distance="Cosine")


def info(name: str, points: int | None, **more: Any) -> CollectionInfo:
    """A collection of memories."""
    values: dict[str, Any] = {
        "name": name,
        "status": "green",
        "points": points,
        "points_approximate": points or 0,
        "indexed_vectors": points or 0,
        "segments": 4,
        "vectors": (DENSE,),
        "disk_bytes": (points or 0) * 5600,
    }
    return CollectionInfo(**(values | more))


COLLECTIONS = CollectionsReport(
    collections=(
        info("[/oops]", None, status="red", trouble="0 of 0 read operations failed", segments=0),
        info("[red]x[/red]", 12, status="yellow", points_approximate=14),
        info("chat_history", 12_040, status="grey", vectors=(DENSE, VectorSpec(name="bm25", kind="sparse"))),
        info(
            "debian_memories",
            3_763,
            aliases=("memories", "memories_of_today"),
            payload_schema={
                "section": {"data_type": "keyword", "points": 3_763},
                "installed_size": {"data_type": "integer", "points": 3_763},
            },
            metadata={"owner": "demo", "embedding": "all-MiniLM-L6-v2"},
        ),
        info("images", 812, vectors=(VectorSpec(name="clip", size=512, distance="Dot", datatype="float16"),)),
        info("late_interaction", 31_584, vectors=(VectorSpec(size=128, distance="Dot", kind="multi"),)),
    )
)


def point(number: int) -> ShownPoint:
    """A record as a migration from Chroma leaves it."""
    texts = (
        "collection of Debian's command line tools",
        "a small, fast HTTP server",
        "bindings for the GNOME platform",
    )
    return ShownPoint(
        id=f"{number:08x}-ceea-467e-a1b2-0c9d7e3f5a11",
        payload={
            "source_id": f"deb:package-{number}",
            "document": f"{texts[number % 3]}\n\nThe long description of it.",
            "metadata": {
                "section": ("admin", "httpd", "gnome")[number % 3],
                "installed_size": 1024 * (number + 1),
                "essential": number % 7 == 0,
                "homepage": None,
                "tags": ["role::program", "[/oops]"],
            },
        },
    )


VECTOR = ShownVector(name="", kind="dense", size=384, values=[0.0371, -0.0120, 0.0983, 0.0044, -0.0611, 0.0207, 0.0153])

PLAN = PlanReport(
    run="a1b2c3d4e5f6",
    source="chroma:~/memories/chroma",
    source_kind="Chroma directory, format of chromadb 1.5",
    target="http://127.0.0.1:6333",
    collections=(
        CollectionPlan(
            source="debian_memories",
            target="debian_memories",
            count=3_763,
            vectors=(DENSE,),
            spec=CollectionSpec(vectors=(DENSE,)),
            ids="UUIDv5 of the source id, original in payload field source_id",
            payload="document and metadata, each under its own key",
            estimated_bytes=10 * 2**20,
        ),
        CollectionPlan(
            source="project notes",
            target="project_notes",
            count=812,
            vectors=(DENSE,),
            spec=CollectionSpec(vectors=(DENSE,)),
            target_exists=True,
            target_points=0,
            action="append",
            ids="UUIDv5 of the source id, original in payload field source_id",
        ),
    ),
    problems=(Problem(level="warning", collection="project notes", text="the name becomes project_notes"),),
    workers=4,
    created_at=NOW,
)
REFUSED = PLAN.model_copy(
    update={
        "problems": (
            Problem(
                level="refused",
                collection="debian_memories",
                text="debian_memories in the target does not fit: 768 components there, 384 at the source",
                fix="--on-conflict rename",
            ),
            Problem(level="warning", collection=HOSTILE[0], text=f"no collection may be called {HOSTILE[0]}"),
        )
    }
)
RUN = StoredRun(
    run="a1b2c3d4e5f6",
    source=PLAN.source,
    target=PLAN.target,
    state="running",
    record=PLAN,
    checkpoints=(Checkpoint(collection="debian_memories", read=2_048, written=2_048),),
    created_at=NOW - timedelta(minutes=14),
    updated_at=NOW - timedelta(minutes=12),
)
COPYING: tuple[Event, ...] = (
    StepStarted(step="target:debian_memories", title="preparing debian_memories"),
    StepFinished(step="target:debian_memories", detail="made"),
    StepStarted(step="copy", title="copying into http://127.0.0.1:6333"),
    Progress(step="copy", done=3_726, total=4_575, rate=4_120, octet_rate=6.6e6, seconds_left=7),
    Progress(step="copy", item="project_notes", done=812, total=812, rate=5_010),
    Progress(step="copy", item="debian_memories", done=2_914, total=3_763, rate=4_120, seconds_left=7),
    Notice(level="warning", text="3 records of project notes have no document"),
)
REJECTED = tuple(
    Notice(level="warning", topic="reject", text=f"{record}: {reason}")
    for record, reason in (
        ("deb:[/oops]", "component 17 is not a finite number"),
        ("deb:zzuf", "the vector has 383 components, not 384"),
        ("deb:a2ps", "the payload has an integer that would lose digits"),
        ("deb:abook", "the vector has 383 components, not 384"),
    )
)
COPYING = (*COPYING, *REJECTED)
WAITING: tuple[Event, ...] = (
    *COPYING,
    Progress(step="copy", done=3_726, total=4_575, note="nothing answers at http://127.0.0.1:6333"),
    Progress(step="copy", item="debian_memories", done=2_914, total=3_763, note="waiting"),
    Notice(
        level="warning",
        topic="retry",
        text="nothing answers at http://127.0.0.1:6333; waiting up to 2 min 00 s for it",
    ),
)
RATES = tuple(
    Rate(
        float(second), 4_120.0 + 900 * math.sin(second / 7) - (2_000 if 40 <= second < 46 else 0), 6.6e6 + 1e5 * second
    )
    for second in range(1, 98)
)
"""Half a minute more than a narrow plot can show one by one, with a dip."""
KINDS = (
    SourceKind("chroma", "Chroma directory", "path", "x:X"),
    SourceKind("qdrant-local", "embedded Qdrant folder", "path", "x:X"),
    SourceKind("parquet", "Parquet file or folder", "path", "x:X", extra="parquet", packages=("no_such_package",)),
    SourceKind("qdrant", "Qdrant server", "server", "x:X"),
    SourceKind("weaviate", "Weaviate server", "server", "x:X", extra="weaviate", tested=False),
    SourceKind("postgresql", "PostgreSQL with pgvector", "database", "x:X", extra="pgvector"),
)
VERIFIED = MigrationReport(
    run=PLAN.run,
    source=PLAN.source,
    source_kind=PLAN.source_kind,
    target=PLAN.target,
    collections=(
        CollectionResult(
            source="debian_memories",
            target="debian_memories",
            read=3_763,
            written=3_763,
            verified=3_763,
            verdict="verified",
            search_quality=1.0,
            bytes=9 * 2**20,
        ),
        CollectionResult(
            source="project notes", target="project_notes", read=812, written=812, verified=812, verdict="verified"
        ),
    ),
    verdict="verified",
    seconds=0.9,
    checks="exact counts, and every id, vector and payload read again at the source and compared, ids both ways: "
    "vectors bit for bit, under Cosine (where the server normalises) as unit vectors within 1e-06; payload exactly",
)
DIFFERS = VERIFIED.model_copy(
    update={
        "collections": (
            VERIFIED.collections[0].model_copy(
                update={
                    "written": 3_761,
                    "rejected": 2,
                    "verified": 3_760,
                    "verdict": "differs",
                    "different": ("8f14e45f-ceea-467e-a1b2-0c9d7e3f5a11",),
                }
            ),
            VERIFIED.collections[1],
        ),
        "rejects": (
            Reject(collection="debian_memories", id="deb:[/oops]", reason="component 17 is not a finite number"),
            Reject(collection="debian_memories", id="deb:zzuf", reason="the vector has 383 components, not 384"),
        ),
        "reject_file": "/home/me/.local/state/qdrant-admin/rejects/a1b2c3d4e5f6.jsonl",
        "verdict": "differs",
    }
)


def check(name: str, points: int) -> CollectionCheck:
    """A collection that came back as it was."""
    digest = f"{points:04x}" * 16
    side = Side(points=points, digest=digest)
    return CollectionCheck(name=name, verdict="same", before=side, after=side)


GONE_POINT = "8f14e45f-ceea-467e-a1b2-0c9d7e3f5a11"
FIELDS = ("document", "metadata", "source_id")
PERSISTED = VerifyReport(
    profile="local",
    how="kill",
    verdict="persisted",
    collections=(check("debian_memories", 3_763), check("client_7_work_items", 12_040), check(HOSTILE[0], 12)),
    phases=(Phase(name="restart", at=NOW, seconds=1.9),),
    ready_seconds=1.9,
    checks=("every vector and payload", "aliases, indexes and configuration compared"),
    server_version="1.16.3",
    storage="volume qdrant_admin_local",
    at=NOW,
    seconds=4.2,
)
LOST = PERSISTED.model_copy(
    update={
        "verdict": "lost",
        "reason": "3 points of client_7_work_items are gone, and 1 vector changed",
        "collections": (
            PERSISTED.collections[0],
            CollectionCheck(
                name="client_7_work_items",
                verdict="lost",
                before=Side(points=12_040, digest="2f08" * 16),
                after=Side(points=12_037, digest="7f12" * 16),
                missing=3,
                changed=1,
                points=(
                    PointDifference(id=GONE_POINT, what="missing", vectors=("",), fields=FIELDS),
                    PointDifference(id="1fe0d3b2-1111-467e-a1b2-0c9d7e3f5a11", what="missing"),
                    PointDifference(id="99", what="missing"),
                    PointDifference(
                        id="112",
                        what="changed",
                        parts=(
                            PartDifference(kind="vector", change="zeroed"),
                            PartDifference(kind="field", name="document"),
                            PartDifference(kind="field", name="owner", change="gone"),
                        ),
                        vectors=("",),
                        fields=(*FIELDS, "owner"),
                    ),
                ),
                settings=(Difference(code="alias_gone", name="work_items"),),
            ),
            PERSISTED.collections[2],
        ),
        "cause": "the storage is a Windows folder shared into WSL2 (bind mount)",
        "fix": "qdrant-admin doctor --profile local",
        "storage": r"folder C:\Users\dev\qdrant_data",
    }
)
EVERY_WAY = PERSISTED.model_copy(
    update={
        "how": "all",
        "rounds": (
            Round(how="graceful", verdict="persisted", ready_seconds=0.8),
            Round(how="kill", verdict="persisted", ready_seconds=1.9),
            Round(how="pause", verdict="persisted", ready_seconds=2.1),
            Round(how="recreate", verdict="persisted", ready_seconds=2.4),
        ),
        "ready_seconds": 2.4,
    }
)
CYCLES = tuple(
    Cycle(
        how="kill" if number < 10 else "graceful",
        acknowledged=300 + 37 * number % 211,
        unanswered=number % 5,
        lost=0,
        recovery_seconds=0.4 + 0.07 * (number * 3 % 7),
    )
    for number in range(11)
)
CRASHED = CrashReport(
    profile="local",
    verdict="persisted",
    wait=True,
    seed=0,
    cycles=CYCLES,
    acknowledged=sum(one.acknowledged for one in CYCLES),
    unanswered=sum(one.unanswered for one in CYCLES),
    lost=0,
    recovery_median_seconds=0.6,
    recovery_max_seconds=0.8,
    server_version="1.16.3",
    storage="volume qdrant_admin_local",
    at=NOW,
    seconds=31.0,
)
CRASH_LOST = CRASHED.model_copy(
    update={
        "verdict": "lost",
        "wait": False,
        "lost": 2,
        "cycles": (*CYCLES[:4], CYCLES[4].model_copy(update={"lost": 2}), *CYCLES[5:]),
        "losses": (
            CrashLoss(what="point 12", acknowledged="vector of change 80, payload of change 80", found="absent"),
            CrashLoss(what=f"alias {HOSTILE[0]}", acknowledged="there", found="absent"),
        ),
        "fix": "qdrant-admin logs --tail 200 --profile local",
    }
)
CRASHING: tuple[Event, ...] = (
    StepStarted(step="check", title="looking at the server"),
    StepFinished(step="check", detail="qdrant-admin-local, running"),
    Notice(level="warning", text="qdrant-admin-local will be killed 10 times: nobody can reach it meanwhile"),
    StepStarted(step="crash", title="writing, killing, and looking"),
    *(PartDone(part=one) for one in CYCLES[:6]),
    Progress(step="crash", done=6, total=10, unit="steps", note="back in 0.4 s"),
)
CHECKING: tuple[Event, ...] = (
    StepStarted(step="check", title="looking at the server"),
    StepFinished(step="check", detail="qdrant-admin-local, running"),
    StepStarted(step="barrier", title="making every acknowledged write durable"),
    StepFinished(step="barrier", detail="12 collections"),
)
VERIFYING: tuple[Event, ...] = (
    *CHECKING,
    StepStarted(step="fingerprint_before", title="taking the fingerprint of every point"),
    Progress(step="fingerprint_before", item="chat_history", done=12_040, total=12_040, rate=41_800),
    Progress(
        step="fingerprint_before", item="debian_memories", done=1_900, total=3_763, rate=40_100, seconds_left=0.05
    ),
)
ROUNDS: tuple[Event, ...] = (
    *CHECKING,
    StepStarted(step="fingerprint_before", title="taking the fingerprint of every point"),
    StepFinished(step="fingerprint_before", detail="48 211 points in 12 collections"),
    *(PartDone(part=one) for one in EVERY_WAY.rounds[:2]),
    StepStarted(step="restart", title="freezing the server for 2.0 s"),
    StepFinished(step="restart", detail="it goes on"),
    StepStarted(step="load", title="waiting for every collection to be readable"),
    Progress(step="load", item="[/oops]", done=0, total=1, unit="steps", note="about 0.4 s, as the last time"),
    Progress(step="load", item="debian_memories", done=1, total=1, unit="steps"),
)


def _check(number: int, minutes: int, report: VerifyReport | CrashReport) -> PastCheck:
    entry = HistoryEntry(
        id=number,
        operation="verify" if isinstance(report, VerifyReport) else "crash-test",
        profile="local",
        verdict=report.verdict,
        summary=report.summary(),
        started_at=NOW - timedelta(minutes=minutes),
        seconds=report.seconds,
        exit_code=report.exit_code,
    )
    return PastCheck(entry, report)


CHECKS = [
    _check(
        24, 6, PERSISTED.model_copy(update={"collections": (*PERSISTED.collections, check("chat_history", 32_396))})
    ),
    _check(23, 40, CRASHED),
    _check(22, 190, EVERY_WAY.model_copy(update={"at": NOW - timedelta(minutes=190)})),
    _check(21, 26 * 60, LOST),
    _check(20, 27 * 60, CRASH_LOST),
    _check(19, 50 * 60, PERSISTED.model_copy(update={"how": "none", "ready_seconds": None, "sample": 1000})),
]
TREND = TrendReport(
    profile="local",
    points=tuple(
        TrendPoint(
            entry=number,
            at=NOW - timedelta(days=24 - number),
            how="kill",
            verdict="persisted",
            points=9_000 + 290 * number,
            ready_seconds=1.2 + 0.11 * (number * 5 % 7),
            storage_bytes=(90 + 3 * number) * 2**20,
        )
        for number in range(1, 25)
    ),
)


def _past(number: int, minutes: int, report: MigrationReport) -> tuple[HistoryEntry, MigrationReport]:
    entry = HistoryEntry(
        id=number,
        operation="migrate",
        profile="local",
        verdict=report.verdict,
        summary=report.summary(),
        started_at=NOW - timedelta(minutes=minutes),
        seconds=report.seconds,
        exit_code=report.exit_code,
    )
    return entry, report


PAST = [
    _past(9, 18, VERIFIED),
    _past(7, 190, DIFFERS),
    _past(5, 26 * 60, VERIFIED.model_copy(update={"source": "postgresql://me@db.example:5432/app", "seconds": 312.0})),
    _past(
        2, 4000, VERIFIED.model_copy(update={"source": f"parquet:/data/{HOSTILE[0]}.parquet", "verdict": "cancelled"})
    ),
]


class CannedData(Canned):
    """Answers about data; `failing` is raised instead where it is given."""

    def __init__(self, *, empty: bool = False, failing: AdminError | None = None, runs: bool = False) -> None:
        super().__init__()
        self.empty, self.failing, self.runs = empty, failing, runs
        self.asked: list[object] = []

    def collections(self) -> CollectionsReport:
        if self.failing:
            raise self.failing
        return CollectionsReport(collections=()) if self.empty else COLLECTIONS

    def collection(self, name: str) -> CollectionReport:
        return CollectionReport(collection=next(one for one in COLLECTIONS.collections if one.name == name))

    def delete_collection(self, name: str, cancel: CancelToken, *, with_aliases: bool) -> Events:
        self.asked.append(("delete", name, with_aliases))
        yield Finished(report=DeleteReport(collection=name, points=0, deleted=True))

    def points(
        self,
        name: str,
        *,
        filter: dict[str, JsonValue] | None = None,  # noqa: A002 - Qdrant's own word
        limit: int = 50,
        offset: PointId | None = None,
    ) -> PointsReport:
        self.asked.append((name, filter, offset))
        if self.failing:
            raise self.failing
        first = 0 if offset is None else 50
        shown = () if self.empty else tuple(point(number) for number in range(first, first + limit))
        return PointsReport(collection=name, points=shown, next_offset=None if offset or self.empty else "page-two")

    def point(self, name: str, point_id: PointId) -> PointReport:
        if str(point_id) == GONE_POINT:
            raise NotFound(f"collection {name} has no point {point_id}")
        vector = VECTOR.model_copy(update={"zero": True, "values": [0.0] * 384}) if point_id == "112" else VECTOR
        number = int(str(point_id).partition("-")[0], 16)
        return PointReport(collection=name, point=point(number).model_copy(update={"vectors": (vector,)}))

    def unfinished(self) -> list[StoredRun]:
        return [RUN] if self.runs else []

    def plan(self, source: str, options: PlanOptions, cancel: CancelToken) -> Events:
        self.asked.append((source, options))
        return self.scripts["plan"](cancel)

    def migrate(self, plan: PlanReport, cancel: CancelToken) -> Events:
        return self.scripts["migrate"](cancel)

    def resume(self, run: StoredRun, cancel: CancelToken) -> Events:
        return self.scripts["migrate"](cancel)

    def discard(self, run: StoredRun, cancel: CancelToken) -> Events:
        self.runs = False
        yield Finished(report=DiscardReport(run=run.run, source=run.source, target=run.target, handled=run.done))

    def migrations(self, limit: int) -> list[tuple[HistoryEntry, MigrationReport]]:
        return [] if self.empty else PAST[:limit]

    def write_report(self, report: MigrationReport) -> list[Path]:
        return [Path(f"/home/me/qdrant-admin-migration-{report.run}.{ending}") for ending in ("md", "json")]

    def verify(self, options: VerifyOptions, cancel: CancelToken) -> Events:
        self.asked.append(options)
        return self.scripts["verify"](cancel)

    def interrupted_by_engine(self) -> tuple[str, ...]:
        return ("postgres", HOSTILE[0])

    def crash_test(self, options: CrashOptions, cancel: CancelToken) -> Events:
        self.asked.append(options)
        return self.scripts["crash"](cancel)

    def checks(self, limit: int) -> list[PastCheck]:
        return [] if self.empty else CHECKS[:limit]

    def trends(self, limit: int) -> TrendReport:
        return TrendReport(profile="local") if self.empty else TREND

    def report_json(self, entry: int) -> str:
        operation = next((one.operation for one in self._entries if one.id == entry), "verify")
        return to_json(VERIFIED if operation == "migrate" else LOST)

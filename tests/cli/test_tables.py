"""Reports as pictures: the words that people and screenshots rely on, within 80 columns, hostile text harmless."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console, Group

from qdrant_admin.cli.commands.history import _listed
from qdrant_admin.cli.render.blocks import Drawing
from qdrant_admin.collections.reports import CollectionReport, CollectionsReport, PointsReport, ShownPoint
from qdrant_admin.core.commands import written
from qdrant_admin.core.reports import Finding, Report
from qdrant_admin.database.differences import Difference, PartDifference, PointDifference
from qdrant_admin.database.models import CollectionInfo, CollectionSpec, VectorSpec
from qdrant_admin.lifecycle.reports import Check, DoctorReport, DownReport, StatsReport, StatusReport
from qdrant_admin.migration.reports import (
    CollectionPlan,
    CollectionResult,
    MigrationReport,
    PlanReport,
    Problem,
    Reject,
)
from qdrant_admin.persistence.reports import CollectionCheck, Side, VerifyReport
from qdrant_admin.server.runtime import Storage
from qdrant_admin.state.store import HistoryEntry

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
EVIL = "[/oops]\x1b[31m"
VOLUME = Storage(kind="volume", source="qdrant_admin_local")
DENSE = VectorSpec(size=384, distance="Cosine")


def picture(report: Report, *, ascii_only: bool = False) -> Group:
    return Drawing("work", ascii_only=ascii_only).picture(report.blocks())


def show(drawn: Any, *, width: int = 80, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, write_through=True, newline="")
    Console(file=stream, width=width, markup=False, emoji=False, highlight=False).print(drawn)
    return "\n".join(line.rstrip() for line in raw.getvalue().decode(encoding).splitlines())


def status(**changes: Any) -> StatusReport:
    values: dict[str, Any] = {
        "profile": "local",
        "runtime": "docker",
        "state": "healthy",
        "url": "http://127.0.0.1:6333",
        "version": "1.16.3",
        "healthy": True,
        "ready": True,
        "collections": 1,
        "points": 3763,
        "storage": VOLUME,
        "restart_policy": "unless-stopped",
        "name": "qdrant-admin-local",
        "engine": "Docker Engine 28",
        "grpc": "127.0.0.1:6334",
        "checked_at": NOW,
    }
    return StatusReport.model_validate(values | changes)


def verify(**changes: Any) -> VerifyReport:
    before = Side(points=3763, digest="b7e1" + "0" * 56 + "90c4")
    values: dict[str, Any] = {
        "profile": "local",
        "how": "kill",
        "verdict": "persisted",
        "collections": (CollectionCheck(name="memories", verdict="same", before=before, after=before),),
        "ready_seconds": 1.25,
        "checks": ("every point",),
        "at": NOW,
        "seconds": 3.5,
    }
    return VerifyReport.model_validate(values | changes)


def test_the_status_card() -> None:
    assert show(picture(status())) == (
        "● healthy   local · docker\n"
        "\n"
        "address   http://127.0.0.1:6333   gRPC 127.0.0.1:6334\n"
        "version   1.16.3\n"
        "holds     1 collection, 3 763 points\n"
        "runs as   qdrant-admin-local   Docker Engine 28\n"
        "storage   volume qdrant_admin_local\n"
        "restarts  unless-stopped"
    )


def test_a_finding_comes_with_its_fix() -> None:
    found = Finding(
        code="grpc_closed", level="fail", subject="127.0.0.1:6334", command="qdrant-admin restart --profile local"
    )
    shown = show(picture(status(state="unhealthy", healthy=False, findings=(found,))))
    assert shown.startswith("✕ unhealthy")
    assert shown.endswith("✕ gRPC does not answer at 127.0.0.1:6334\n  do now: qdrant-admin restart --profile local")


def test_the_proof_says_its_verdict_first() -> None:
    assert show(picture(verify())) == (
        "● PERSISTED   Everything is there. Nothing is missing, nothing has changed.\n"
        "  1 collection, 3 763 points, killed and back in 1.2 s\n"
        "\n"
        "collection  before  after  content    verdict\n"
        "memories     3 763  3 763  b7e1…90c4  ● same\n"
        "  checked: every point"
    )


def test_a_loss_names_the_points() -> None:
    check = CollectionCheck(
        name=EVIL,
        verdict="lost",
        before=Side(points=2, digest="a" * 64),
        after=Side(points=1, digest="c" * 64),
        missing=1,
        changed=1,
        points=(
            PointDifference(id="7", what="missing"),
            PointDifference(id="8", what="changed", parts=(PartDifference(kind="vector"),)),
        ),
        settings=(Difference(code="alias_gone", name="memories"),),
    )
    shown = show(
        picture(
            verify(
                verdict="lost",
                reason="1 point is gone",
                collections=(check,),
                fix="qdrant-admin doctor --profile local",
            )
        )
    )
    assert shown.startswith("✕ LOST   1 point is gone")
    assert "1 missing, 1 changed" in shown
    assert "7      ✕ missing" in shown
    assert '8      ✕ changed  vector ""' in shown
    assert "alias memories is gone" in shown
    assert shown.endswith("do now: qdrant-admin doctor --profile local")
    assert "\x1b" not in shown


@pytest.mark.parametrize("width", [80, 100, 160])
def test_only_the_column_that_may_be_cut_gives_way(width: int) -> None:
    entry = HistoryEntry(
        id=27,
        operation="move-storage",
        profile="local",
        verdict="unhealthy",
        summary="3 collections, 5 points at http://127.0.0.1:25310" * 3,
        started_at=NOW,
        seconds=0.4,
        exit_code=1,
    )
    _, line = show(Drawing("local").picture(_listed([entry, entry]))).splitlines()[:2]
    assert len(show(Drawing("local").picture(_listed([entry, entry])), width=width).splitlines()) == 3
    assert line.startswith("27 ")
    assert "move-storage  local" in line
    assert line.endswith("…")


def test_many_differences_are_cut_and_counted() -> None:
    points = tuple(PointDifference(id=str(n), what="missing") for n in range(100))
    check = CollectionCheck(name="a", verdict="lost", missing=100, points=points)
    assert "and 80 more" in show(picture(verify(verdict="lost", collections=(check,))))


def collections(name: str = "memories", **changes: Any) -> CollectionsReport:
    one = CollectionInfo(
        name=name, status="green", points=changes.pop("points", 3763), vectors=(DENSE,), aliases=("m",), **changes
    )
    return CollectionsReport(collections=(one,))


def test_the_table_of_collections() -> None:
    assert show(picture(collections())) == (
        "collection  status   points  indexed  vectors     aliases\nmemories    ● green   3 763        0  384 Cosine  m"
    )
    assert "unknown" in show(picture(collections(points=None, trouble="cannot be read")))
    assert "cannot be read" in show(picture(collections(points=None, trouble="cannot be read")))
    assert show(picture(CollectionsReport(collections=()))) == "no collections yet"
    assert "sparse" in show(picture(CollectionReport(collection=CollectionInfo(
        name="x", status="green", vectors=(VectorSpec(name="text", kind="sparse"),)))))  # fmt: skip


def plan(*problems: Problem) -> PlanReport:
    one = CollectionPlan(
        source="a", target="b", count=3763, vectors=(DENSE,), spec=CollectionSpec(vectors=(DENSE,)), ids="kept"
    )
    return PlanReport(
        run="r1",
        source="chroma:./my data",
        source_kind="Chroma directory",
        target="http://127.0.0.1:6333",
        collections=(one,),
        problems=problems,
        created_at=NOW,
    )


def test_the_plan_names_its_problems() -> None:
    shown = show(
        picture(
            plan(Problem(level="refused", collection="a", text="exists", fix="qdrant-admin status --profile local"))
        )
    )
    assert shown.startswith("✕ refused   3 763 points in 1 collection")
    assert "✕ a: exists\n  do now: qdrant-admin status --profile local" in shown


def migration(**changes: Any) -> MigrationReport:
    values: dict[str, Any] = {
        "run": "r1",
        "source": "chroma:x",
        "source_kind": "Chroma directory",
        "target": "http://127.0.0.1:6333",
        "collections": (
            CollectionResult(source="a", target="b", read=3763, written=3763, verified=3763, verdict="verified"),
        ),
        "verdict": "verified",
        "seconds": 1.5,
    }
    return MigrationReport.model_validate(values | changes)


def test_the_migration_verdict_first() -> None:
    assert show(picture(migration())) == (
        "● verified   3 763 of 3 763 points verified in 1.5 s\n"
        "  All 3 763 points arrived, and every one is what it was at the source.\n"
        "\n"
        "collection   read  written  skipped  rejected  verified  verdict\n"
        "a → b       3 763    3 763        0         0     3 763  ● verified\n"
        "  point your application at it: qdrant-admin env --profile work\n"
        "  the source was not changed; remove it yourself once nobody needs it: chroma:x"
    )
    bad = migration(verdict="differs", rejects=(Reject(collection="a", id=EVIL, reason="NaN in the vector"),))
    shown = show(picture(bad))
    assert "NaN in the vector" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("report", "command"),
    [
        (migration(), "qdrant-admin verify --how kill --profile work"),
        (migration(verdict="cancelled"), "qdrant-admin migrate --resume r1 --profile work"),
        (migration(verdict="differs"), ""),
        (plan(), "qdrant-admin migrate 'chroma:./my data' --rename a=b --profile work"),
        (plan(Problem(level="refused", text="no")), ""),
        (PointsReport(collection="[a] b", points=(), next_offset=7),
         "qdrant-admin points list '[a] b' --offset 7 --profile work"),
        (PointsReport(collection="a", points=()), ""),
        (collections(), ""),
        (CollectionsReport(collections=()), "qdrant-admin migrate chroma:./chroma --dry-run --profile work"),
        (status(), ""),
    ],
)  # fmt: skip
def test_the_next_command_can_be_run_as_it_stands(report: Report, command: str) -> None:
    step = report.next_step()
    assert (written(step.command, "work") if step else "") == command


def test_points_and_scores() -> None:
    point = ShownPoint(id=5, payload={"t": EVIL}, score=0.98765)
    shown = show(picture(PointsReport(collection="a", points=(point,))))
    assert "0.9877" in shown
    assert "\x1b" not in shown
    assert show(picture(PointsReport(collection=EVIL, points=()))) == "no points in [/oops]␛[31m"


def test_the_doctor_and_the_rest() -> None:
    checks = (
        Check(name="engine", status="ok", detail="Docker"),
        Check(name="disk", status="fail", detail="full", fix="df"),
    )
    assert show(picture(DoctorReport(checks=checks))) == (
        "● engine  Docker\n✕ disk  full\n  do now: df\n\n✕ fault   1 fault in 2 checks"
    )
    down = DownReport(profile="local", runtime="docker", stopped=True, removed=True, storage=VOLUME)
    assert show(picture(down)) == "○ stopped   container removed\n  your data is kept: volume qdrant_admin_local"
    stats = StatsReport(
        cpu_percent=12.4, memory_bytes=2**28, memory_limit_bytes=None, disk_bytes=None, disk_free_bytes=2**30, at=NOW
    )
    assert "12 %" in show(picture(stats))


ALL = [status(), verify(), collections(EVIL * 6), plan(), migration()]


@pytest.mark.parametrize("report", ALL, ids=lambda report: type(report).__name__)
def test_everything_fits_80_columns_and_a_terminal_without_unicode(report: Report) -> None:
    assert max(len(line) for line in show(picture(report)).splitlines()) <= 80
    assert show(picture(report, ascii_only=True), encoding="ascii").isascii()
    assert "\x1b" not in show(picture(report))


def test_a_report_that_nobody_pictured_is_shown_by_its_fields() -> None:
    class Later(Report):
        some_value: int = 5

    assert show(picture(Later())) == "some value  5"

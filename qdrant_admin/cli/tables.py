"""Reports as pictures for people: calm, 80 columns wide, numbers to the right, one look for all."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from qdrant_admin.cli import gone, moves
from qdrant_admin.cli.drawing import cell, facts, fit, listing, remark, state, vectors
from qdrant_admin.cli.exported import exported_card
from qdrant_admin.cli.found import found_picture
from qdrant_admin.cli.moved import move_plan, moved
from qdrant_admin.cli.proof import crash, demo_story, trend, verification
from qdrant_admin.core import formatting
from qdrant_admin.core.text import plain

if TYPE_CHECKING:
    from pydantic import BaseModel

    from qdrant_admin.collections.reports import CollectionReport, CollectionsReport, PointReport, PointsReport
    from qdrant_admin.config.settings import Settings
    from qdrant_admin.demo.reports import DemoReport
    from qdrant_admin.lifecycle.reports import DoctorReport, DownReport, StatsReport, StatusReport
    from qdrant_admin.state.store import HistoryEntry


def picture(report: "BaseModel", *, ascii_only: bool = False) -> RenderableType:
    """The picture of any report; one without a picture of its own is shown field by field."""
    for kind in type(report).__mro__:
        draw = _PICTURES.get(kind.__name__)
        if draw is not None:
            drawn: RenderableType = draw(report, ascii_only)
            return drawn
    return fields(report.model_dump(mode="json"), ascii_only)


def fields(values: Mapping[str, Any], ascii_only: bool) -> RenderableType:
    """Any mapping as label and value."""
    grid = facts()
    for key, value in values.items():
        grid.add_row(cell(key.replace("_", " "), ascii_only, "dim"), cell(_brief(value), ascii_only))
    return grid


def status_card(report: "StatusReport", ascii_only: bool) -> RenderableType:
    """How the server is, what it holds, and what wants attention."""
    head = state(report.state, ascii_only=ascii_only, bold=True)
    head.append(fit(f"   {plain(report.profile)} · {report.runtime}", ascii_only), "dim")
    grid = facts()
    engine = f"   {plain(report.engine)}" if report.engine else ""
    held = "unknown"
    if report.collections is not None:
        points = "points unknown" if report.points is None else formatting.counted(report.points, "point")
        held = f"{formatting.counted(report.collections, 'collection')}, {points}"
    rows = {
        "address": report.url + (f"   gRPC {report.grpc}" if report.grpc else ""),
        "version": report.version or "",
        "holds": held,
        "runs as": f"{plain(report.name)}{engine}".strip(),
        "storage": " ".join(part for part in (report.storage.kind, report.storage.source) if part),
        "restarts": report.restart_policy,
        "since": formatting.ago(report.started_at) if report.started_at else "",
    }
    for label, value in rows.items():
        if value:
            grid.add_row(cell(label, ascii_only, "dim"), cell(value, ascii_only))
    parts: list[RenderableType] = [head, Text(), grid]
    if report.changes:
        parts += [Text(), *(_change(one.setting, one.current, one.wanted, ascii_only) for one in report.changes)]
    if report.findings:
        from qdrant_admin.lifecycle.finding_words import text

        parts.append(Text())
        parts += [remark(one.level, text(one), one.command, ascii_only) for one in report.findings]
    return Group(*parts)


def down_card(report: "DownReport", ascii_only: bool) -> RenderableType:
    """That it is down, and where the data is."""
    head = state("stopped", ascii_only=ascii_only, bold=True)
    gone = "   container removed" if report.runtime == "docker" else "   process forgotten"
    head.append(gone if report.removed else "" if report.stopped else "   it did not run", "dim")
    where = f"{report.storage.kind} {report.storage.source}".strip()
    return Group(head, cell(f"  your data is kept: {where}", ascii_only))


def doctor_list(report: "DoctorReport", ascii_only: bool) -> RenderableType:
    """Every check with its evidence."""
    parts: list[RenderableType] = []
    for check in report.checks:
        line = remark(check.status, "", check.fix, ascii_only)
        head = Text.assemble(line[:2], (fit(plain(check.name), ascii_only), "bold"))
        if check.detail:
            head.append(fit(f"  {plain(check.detail)}", ascii_only), "dim")
        if check.fix:
            head.append("\n  do now: ", "dim").append(fit(plain(check.fix), ascii_only), "cyan")
        parts.append(head)
    verdict = state(report.verdict_word, ascii_only=ascii_only, bold=True).append(f"   {report.summary()}", "dim")
    return Group(*parts, Text(), verdict)


def stats_card(report: "StatsReport", ascii_only: bool) -> RenderableType:
    """What the server costs."""
    grid = facts()
    of = f" of {formatting.size(report.memory_limit_bytes)}" if report.memory_limit_bytes else ""
    free = f"   {formatting.size(report.disk_free_bytes)} free" if report.disk_free_bytes is not None else ""
    cpu = "unknown" if report.cpu_percent is None else f"{report.cpu_percent:.0f} %"
    for label, value in (
        ("processor", cpu),
        ("memory", formatting.size(report.memory_bytes) + of),
        ("disk", formatting.size(report.disk_bytes) + free),
    ):
        grid.add_row(cell(label, ascii_only, "dim"), cell(value, ascii_only))
    return grid


def collections_table(report: "CollectionsReport", ascii_only: bool) -> RenderableType:
    """Every collection on a line."""
    if not report.collections:
        return Text("no collections yet")
    table = listing("collection", "status", "points", "indexed", "vectors", "aliases", right=("points", "indexed"))
    for one in report.collections:
        table.add_row(
            cell(one.name, ascii_only, "bold"),
            state(one.status, ascii_only=ascii_only),
            "unknown" if one.points is None else formatting.number(one.points),
            formatting.number(one.indexed_vectors),
            cell(vectors(one.vectors), ascii_only),
            cell(", ".join(one.aliases), ascii_only),
        )
    troubles = [
        remark("fail", f"{one.name}: {one.trouble}", "", ascii_only) for one in report.collections if one.trouble
    ]
    return Group(table, *troubles)


def points_list(report: "PointsReport", ascii_only: bool) -> RenderableType:
    """Points as id and payload, and how to go on."""
    if not report.points:
        return cell(f"no points in {report.collection}", ascii_only)
    scored = any(point.score is not None for point in report.points)
    table = listing("id", *(["score"] if scored else []), "payload", right=("score",))
    table.columns[0].no_wrap = True
    for point in report.points:
        between = ["" if point.score is None else f"{point.score:.4f}"] if scored else []
        table.add_row(
            cell(point.id, ascii_only), *between, cell(formatting.shorten(_brief(point.payload), 300), ascii_only)
        )
    return table


def collection_card(report: "CollectionReport", ascii_only: bool) -> RenderableType:
    """One collection whole."""
    one = report.collection
    head = state(one.status, ascii_only=ascii_only, bold=True)
    head.append(fit(f"   {plain(one.name)}", ascii_only), "bold")
    points = (
        f"about {formatting.number(one.points_approximate)}" if one.points is None else formatting.number(one.points)
    )
    grid = facts()
    rows = {
        "points": points,
        "indexed": f"{formatting.number(one.indexed_vectors)} vectors in {formatting.counted(one.segments, 'segment')}",
        "vectors": vectors(one.vectors),
        "aliases": ", ".join(one.aliases),
        "on disk": formatting.size(one.disk_bytes) if one.disk_bytes is not None else "",
        "indexes": ", ".join(f"{field} {kind.get('type', '')}".strip() for field, kind in one.payload_schema.items()),
        "metadata": _brief(one.metadata) if one.metadata else "",
        "optimizer": one.optimizer_error,
    }
    for label, value in rows.items():
        if value:
            grid.add_row(cell(label, ascii_only, "dim"), cell(value, ascii_only))
    trouble = [remark("fail", one.trouble, "", ascii_only)] if one.trouble else []
    return Group(head, Text(), grid, *trouble)


def point_card(report: "PointReport", ascii_only: bool) -> RenderableType:
    """One point whole; of long vectors the first components."""
    point = report.point
    grid = facts()
    for key, value in point.payload.items():
        grid.add_row(cell(key, ascii_only, "dim"), cell(_brief(value), ascii_only))
    parts: list[RenderableType] = [cell(f"{point.id}   {report.collection}", ascii_only, "bold"), Text(), grid]
    for vector in point.vectors:
        name = " ".join(part for part in ("vector", vector.name) if part)
        zero = "   all zero" if vector.zero else ""
        shown = formatting.shorten(_brief(vector.values), 60)
        parts.append(cell(f"{name}  {vector.kind} {vector.size}{zero}  {shown}", ascii_only, "dim"))
    return Group(*parts)


def entries(found: "Sequence[HistoryEntry]", *, ascii_only: bool) -> RenderableType:
    """The history, newest first."""
    if not found:
        return Text("nothing has been done yet\n  do now: qdrant-admin up")
    table = listing(
        "id", "when", "operation", "profile", "verdict", "took", "result", right=("id", "took"), cut=("result",)
    )
    for one in found:
        table.add_row(
            str(one.id),
            formatting.clock(one.started_at),
            cell(one.operation, ascii_only, "bold"),
            cell(one.profile, ascii_only),
            state(one.verdict, ascii_only=ascii_only),
            formatting.duration(one.seconds),
            cell(one.summary, ascii_only, "dim"),
        )
    return table


def settings(found: "Settings", places: Mapping[str, str], *, ascii_only: bool) -> RenderableType:
    """Every value and where it came from."""
    table = listing("setting", "value", "from")
    for key, value in found.profile.model_dump(mode="json").items():
        origin = found.origins[key]
        style = "dim" if origin == "default" else ""
        shown = "" if value is None else value
        table.add_row(cell(key, ascii_only, style), cell(shown, ascii_only, style), cell(origin, ascii_only, style))
    key_text = "set" if found.api_key else "none"
    table.add_row(cell("api_key", ascii_only), cell(key_text, ascii_only), cell(found.api_key_origin, ascii_only))
    grid = facts()
    for label, path in places.items():
        grid.add_row(cell(label, ascii_only, "dim"), cell(path, ascii_only))
    return Group(cell(f"profile {found.name}", ascii_only, "bold"), Text(), table, Text(), grid)


def profiles(rows: Sequence[Mapping[str, Any]], *, ascii_only: bool) -> RenderableType:
    """Every profile on a line."""
    table = listing("profile", "runtime", "address", "")
    for row in rows:
        address = row["url"] or f"port {row['port']}"
        mark = "default" if row["default"] else ""
        table.add_row(cell(row["name"], ascii_only, "bold"), row["runtime"], cell(address, ascii_only), mark)
    return table


def _change(setting: str, current: str, wanted: str, ascii_only: bool) -> Text:
    return cell(f"  {setting}: {current} → {wanted}", ascii_only, "yellow")


def _brief(value: object) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _demo(report: "DemoReport", ascii_only: bool) -> RenderableType:
    return demo_story(report, ascii_only, lambda chapter: picture(chapter, ascii_only=ascii_only))


_PICTURES: dict[str, Callable[[Any, bool], RenderableType]] = {
    "StatusReport": status_card,
    "DownReport": down_card,
    "DoctorReport": doctor_list,
    "StatsReport": stats_card,
    "CollectionsReport": collections_table,
    "CollectionReport": collection_card,
    "PointsReport": points_list,
    "PointReport": point_card,
    "PlanReport": moves.plan_picture,
    "MigrationReport": moves.migration_picture,
    "RunsReport": moves.runs,
    "RunReport": moves.run,
    "TrendReport": trend,
    "VerifyReport": verification,
    "CrashReport": crash,
    "DemoReport": _demo,
    "MovePlanReport": move_plan,
    "MoveReport": moved,
    "InspectReport": found_picture,
    "ExportReport": exported_card,
    "DeleteReport": gone.deleted_card,
    "DiscardReport": gone.discarded_card,
}
"""By class name, so that drawing a status does not import the reports of everything else."""

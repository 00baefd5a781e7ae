"""What the reports of the life cycle say to people."""

from typing import TYPE_CHECKING

from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import Block, Blocks, Facts, Headline, Paragraph, Remark, Soft
from qdrant_admin.lifecycle import finding_words

if TYPE_CHECKING:
    from qdrant_admin.lifecycle.reports import DoctorReport, DownReport, StatsReport, StatusReport


def status(report: "StatusReport") -> Blocks:
    """How the server is, what it holds, and what wants attention."""
    blocks: list[Block] = [
        Headline(report.state, Soft(f"{report.profile} · {report.runtime}")),
        Facts.of(
            {
                "address": report.url + (f"   gRPC {report.grpc}" if report.grpc else ""),
                "version": report.version or "",
                "holds": _holds(report),
                "runs as": "   ".join(part for part in (report.name, report.engine) if part),
                "storage": f"{report.storage.kind} {report.storage.source}".strip(),
                "restarts": report.restart_policy,
                "since": formatting.ago(report.started_at) if report.started_at else "",
            }
        ),
    ]
    blocks += [Paragraph(f"{one.setting}: {one.current} → {one.wanted}", "warn") for one in report.changes]
    blocks += [Paragraph(sentence) for sentence in report.since]
    return *blocks, *(Remark(one.level, finding_words.text(one), one.command) for one in report.findings)


def _holds(report: "StatusReport") -> str:
    if report.collections is None:
        return "unknown"
    points = "points unknown" if report.points is None else formatting.counted(report.points, "point")
    return f"{formatting.counted(report.collections, 'collection')}, {points}"


def down(report: "DownReport") -> Blocks:
    """That it is down, and where the data is."""
    removed = "container removed" if report.runtime == "docker" else "process forgotten"
    told = removed if report.removed else "" if report.stopped else "it was not running"
    return Headline("stopped", Soft(told) if told else ""), _left(report)


def _left(report: "DownReport") -> Block:
    if (lost := report.lost) is not None:
        return Remark("fail", f"your data is not where it was: {lost.what}")
    return Paragraph(f"your data is kept: {report.storage.kind} {report.storage.source}".rstrip(": "))


def doctor(report: "DoctorReport") -> Blocks:
    """Every check with its evidence, and the verdict."""
    checks = (Remark(check.status, check.detail, check.fix, title=check.name) for check in report.checks)
    return *checks, Headline(report.verdict_word, Soft(report.summary()))


def stats(report: "StatsReport") -> Blocks:
    of = f" of {formatting.size(report.memory_limit_bytes)}" if report.memory_limit_bytes else ""
    free = f"   {formatting.size(report.disk_free_bytes)} free" if report.disk_free_bytes is not None else ""
    return (
        Facts.of(
            {
                "processor": "unknown" if report.cpu_percent is None else f"{report.cpu_percent:.0f} %",
                "memory": formatting.size(report.memory_bytes) + of,
                "disk": formatting.size(report.disk_bytes) + free,
            }
        ),
    )

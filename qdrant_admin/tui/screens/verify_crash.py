"""A crash test in figures: the same while it runs and when it is over."""

from collections.abc import Sequence
from statistics import median

from textual.content import Content

from qdrant_admin.core import formatting
from qdrant_admin.persistence.reports import CrashReport, Cycle
from qdrant_admin.persistence.words import DONE
from qdrant_admin.tui import look

LABEL = 15
PLOT_WIDTH = 60
LOSSES_SHOWN = 100
COLUMNS = (("", 5), ("  the server was", 17), ("acknowledged", 14), ("unanswered", 12), ("lost", 8), ("back in", 12))


def totals(cycles: Sequence[Cycle], width: int) -> list[Content]:
    """What was acknowledged, left open and lost so far, and how long each start took."""
    acknowledged = sum(one.acknowledged for one in cycles)
    unanswered = sum(one.unanswered for one in cycles)
    lost = sum(one.lost for one in cycles)
    verdict = look.state("lost", "acknowledged, and not there") if lost else look.state("ok", "none")
    figures = max(len(formatting.number(value)) for value in (acknowledged, unanswered, lost))
    rows = [
        ("acknowledged", acknowledged, look.muted("changes that must be there after every start")),
        ("unanswered", unanswered, look.muted("under way at a crash: there or not, both are right")),
        ("lost", lost, verdict),
    ]
    shown = [
        look.line(look.fit(look.muted(label), LABEL), (f"{formatting.number(value):>{figures}}", "bold"), "   ", told)
        for label, value, told in rows
    ]
    return [*shown, *recovery(cycles, width)]


def recovery(cycles: Sequence[Cycle], width: int) -> list[Content]:
    """`back in   ▂▃▂▄   0.4 s last   0.4 s median   0.6 s most`."""
    seconds = [one.recovery_seconds for one in cycles]
    last, middle, most = (
        formatting.duration(seconds[-1]),
        formatting.duration(median(seconds)),
        formatting.duration(max(seconds)),
    )
    told = f"{last} last   {middle} median   {most} most"
    room = max(8, min(PLOT_WIDTH, len(seconds), width - LABEL - len(told) - 3))
    return [look.line(look.fit(look.muted("back in"), LABEL), look.spark(seconds, room), "   ", look.muted(told))]


def cycle_rows(cycles: Sequence[Cycle], most: int) -> list[Content]:
    """The newest crashes first, one a row."""
    if not cycles:
        return []
    head = "".join(
        f"{name:<{width}}" if index == 1 else f"{name:>{width}}" for index, (name, width) in enumerate(COLUMNS)
    )
    rows = [look.muted(head)]
    for number, one in list(enumerate(cycles, 1))[-most:][::-1]:
        values = (
            formatting.number(number),
            f"  {DONE[one.how]}",
            formatting.number(one.acknowledged),
            formatting.number(one.unanswered),
            formatting.number(one.lost),
            formatting.duration(one.recovery_seconds),
        )
        cells = [
            look.fit(
                look.text(value, "bold $text-error" if one.lost and name == "lost" else ""), width, right=index != 1
            )
            for index, (value, (name, width)) in enumerate(zip(values, COLUMNS, strict=True))
        ]
        rows.append(look.line(*cells))
    return rows


def details(report: CrashReport, width: int) -> Content:
    """Totals, what to do, losses one by one, and every crash."""
    advice = [look.line(("do now  ", look.MUTED), (report.fix, "$text-accent"))] if report.fix else []
    totals_ = totals(report.cycles, width) if report.cycles else []
    groups = [totals_, advice, _losses(report), cycle_rows(report.cycles, most=len(report.cycles))]
    if report.left:
        groups.append([look.state("warning", f"canary collections are left: {', '.join(report.left)}")])
    return Content("\n\n").join([look.lines(*group) for group in groups if group])


def _losses(report: CrashReport) -> list[Content]:
    rows = [
        look.line(look.state("lost", one.what), look.muted(f"   acknowledged: {one.acknowledged}   found: {one.found}"))
        for one in report.losses[:LOSSES_SHOWN]
    ]
    left = report.lost - len(rows)
    return [*rows, look.muted(f"and {formatting.number(left)} more")] if left > 0 else rows

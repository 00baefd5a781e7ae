"""The picture of a proof: the verdict first, large and plain, then what it rests on."""

import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from qdrant_admin.cli.drawing import advice, cell, facts, fit, listing, state
from qdrant_admin.core import formatting
from qdrant_admin.core.text import plain

if TYPE_CHECKING:
    from pydantic import BaseModel

    from qdrant_admin.demo.reports import DemoReport
    from qdrant_admin.persistence.reports import CollectionCheck, CrashReport, Side, VerifyReport
    from qdrant_admin.persistence.trends import TrendReport

_PLAIN = {
    "persisted": "Everything is there. Nothing is missing, nothing has changed.",
    "lost": "Data was lost.",
    "changed": "Data is not what it was.",
    "inconclusive": "This could not be decided.",
}
_LOSSES_SHOWN = 20
_SPARKS = 40
"""As many bars as go beside their words into 80 columns."""
_MARKS = {"missing": "-", "extra": "+", "changed": "~"}


def verification(report: "VerifyReport", ascii_only: bool) -> RenderableType:
    """Verdict, collections before and after, differences, and what to do."""
    head = state(report.verdict, ascii_only=ascii_only, bold=True)
    head = Text(head.plain.upper(), head.style)
    head.append(f"   {plain(report.reason) or _PLAIN[report.verdict]}", "bold")
    parts: list[RenderableType] = [_fitted(head, ascii_only), cell(f"  {report.summary()}", ascii_only, "dim")]
    table = listing("collection", "before", "after", "content", "verdict", right=("before", "after"))
    for one in report.collections:
        table.add_row(
            cell(one.name, ascii_only, "bold"),
            _points(one.before),
            _points(one.after),
            cell(_content(one), ascii_only, "dim"),
            state(one.verdict, ascii_only=ascii_only),
        )
    if report.collections:
        parts += [Text(), table]
    if report.how == "all":
        parts += [Text(), _rounds(report, ascii_only)]
    for one in report.collections:
        parts += _differences(one, ascii_only)
    parts += [cell(f"  {words_}", ascii_only, "red") for words_ in (alias.words for alias in report.aliases)]
    if report.cause:
        parts.append(cell(f"  likely cause: {report.cause}", ascii_only))
    if report.checks:
        parts.append(cell(f"  checked: {', '.join(report.checks)}", ascii_only, "dim"))
    if report.fix:
        parts.append(Text.assemble(("  do now: ", "dim"), cell(report.fix, ascii_only, "cyan")))
    return Group(*parts)


def _rounds(report: "VerifyReport", ascii_only: bool) -> RenderableType:
    table = listing("restart", "back in", "verdict", right=("back in",))
    for one in report.rounds:
        back = "" if one.ready_seconds is None else formatting.duration(one.ready_seconds)
        table.add_row(cell(one.how, ascii_only, "bold"), back, state(one.verdict, ascii_only=ascii_only))
    return table


def trend(report: "TrendReport", ascii_only: bool) -> RenderableType:
    """The checks of a profile, oldest first, and above them what became of their figures."""
    if not report.points:
        return advice("nothing has been checked yet; do now", "qdrant-admin verify", ascii_only=ascii_only)
    grid = facts()
    figures: tuple[tuple[str, list[float | None], Callable[[float], str]], ...] = (
        ("ready again after", [one.ready_seconds for one in report.points], formatting.duration),
        ("points", [one.points for one in report.points], lambda value: formatting.number(round(value))),
        ("on disk", [one.storage_bytes for one in report.points], lambda value: formatting.size(round(value))),
    )
    for label, values, told in figures:
        known = [value for value in values if value is not None][-_SPARKS:]
        if known:
            drawn = formatting.sparkline(known, ascii_only=ascii_only)
            between = f"last {told(known[-1])}, median {told(statistics.median(known))}"
            grid.add_row(label, Text.assemble((drawn, "cyan"), f"  {fit(between, ascii_only)}"))
    columns = ("check", "when", "how", "verdict", "ready after", "points", "on disk")
    table = listing(*columns, right=("check", "ready after", "points", "on disk"))
    for one in report.points:
        table.add_row(
            str(one.entry),
            formatting.clock(one.at),
            one.how,
            state(one.verdict, ascii_only=ascii_only),
            "" if one.ready_seconds is None else formatting.duration(one.ready_seconds),
            formatting.number(one.points),
            "" if one.storage_bytes is None else formatting.size(one.storage_bytes),
        )
    return Group(grid, Text(), table)


def crash(report: "CrashReport", ascii_only: bool) -> RenderableType:
    """The verdict of a crash test, what was lost, and how long the server took to come back."""
    head = state(report.verdict, ascii_only=ascii_only, bold=True)
    head = Text(head.plain.upper(), head.style)
    kept = "Everything acknowledged was there after every crash." if report.verdict == "persisted" else report.reason
    head.append(f"   {plain(kept) or 'Something acknowledged is gone.'}", "bold")
    parts: list[RenderableType] = [_fitted(head, ascii_only), cell(f"  {report.summary()}", ascii_only, "dim")]
    grid = facts()
    rows = {
        "unanswered": formatting.counted(report.unanswered, "change")
        + " under way at a crash, which may be there or not",
        "back in": _recovery(report),
        "writes": "acknowledged once applied and logged" if report.wait else "acknowledged once taken (wait=false)",
        "storage": report.storage,
    }
    for label, value in rows.items():
        if value:
            grid.add_row(cell(label, ascii_only, "dim"), cell(value, ascii_only))
    parts += [Text(), grid]
    for one in report.losses[:_LOSSES_SHOWN]:
        found = f"  {one.what}: acknowledged {one.acknowledged}, found {one.found}"
        parts.append(cell(found, ascii_only, "red"))
    if report.lost > _LOSSES_SHOWN:
        parts.append(cell(f"  … and {formatting.number(report.lost - _LOSSES_SHOWN)} more", ascii_only, "red"))
    parts += [cell(f"  still there: {name}", ascii_only, "yellow") for name in report.left]
    if report.fix:
        parts.append(Text.assemble(("  do now: ", "dim"), cell(report.fix, ascii_only, "cyan")))
    return Group(*parts)


def _recovery(report: "CrashReport") -> str:
    if report.recovery_median_seconds is None or report.recovery_max_seconds is None:
        return ""
    typical, most = (
        formatting.duration(report.recovery_median_seconds),
        formatting.duration(report.recovery_max_seconds),
    )
    return f"{typical} as a rule, {most} at most"


def demo_story(
    report: "DemoReport", ascii_only: bool, picture: Callable[["BaseModel"], RenderableType]
) -> RenderableType:
    """The demonstration's chapters, each as its own report is drawn, and what is left of it."""
    parts: list[RenderableType] = []
    chapters = {"the server": report.up, "the migration": report.migration, "the proof": report.verify}
    for title, chapter in chapters.items():
        parts += [cell(title, ascii_only, "bold cyan"), picture(chapter), Text()]
    head = state(report.verdict_word, ascii_only=ascii_only, bold=True)
    parts.append(head.append(fit(f"   {plain(report.summary())}", ascii_only)))
    parts += [cell(f"  gone again: {thing}", ascii_only, "dim") for thing in report.removed]
    parts += [cell(f"  still there: {thing}", ascii_only, "yellow") for thing in report.left]
    return Group(*parts)


def _fitted(text: Text, ascii_only: bool) -> Text:
    return Text(fit(text.plain, True), text.style) if ascii_only else text


def _points(side: "Side | None") -> str:
    return "absent" if side is None else formatting.number(side.points)


def _content(check: "CollectionCheck") -> str:
    if check.before and check.after and check.before.digest == check.after.digest:
        return formatting.short_digest(check.before.digest)
    shown = [formatting.short_digest(side.digest) if side else "" for side in (check.before, check.after)]
    return " → ".join(part for part in shown if part)


def _differences(check: "CollectionCheck", ascii_only: bool) -> list[RenderableType]:
    parts: list[RenderableType] = []
    counts = [(check.missing, "missing"), (check.changed, "changed"), (check.extra, "extra")]
    told = ", ".join(f"{formatting.number(count)} {word}" for count, word in counts if count)
    if told:
        parts.append(cell(f"\n  {check.name}: {told}".lstrip("\n"), ascii_only, "bold"))
    for point in check.points[:20]:
        detail = f"  {point.detail}" if point.detail else ""
        parts.append(cell(f"    {_MARKS[point.what]} {point.id}  {point.what}{detail}", ascii_only))
    if len(check.points) > 20:
        parts.append(
            cell(f"    and {formatting.number(len(check.points) - 20)} more; --json has them", ascii_only, "dim")
        )
    parts += [cell(f"    {told}", ascii_only) for told in check.told]
    return parts

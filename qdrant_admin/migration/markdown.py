"""The report of a migration as Markdown: for an issue, a wiki, or whoever asks whether everything came over."""

import re
from datetime import datetime

from qdrant_admin.core import words
from qdrant_admin.core.text import plain
from qdrant_admin.migration import tell
from qdrant_admin.migration.reports import CollectionResult, MigrationReport

_FIGURES = ("read", "written", "skipped", "rejected", "verified", "extra")
_MARKUP = re.compile(r"([\\`*_\[\]<>|#~])")


def markdown(report: MigrationReport, *, when: datetime | None = None) -> str:
    """The whole report, the verdict first.

    Args:
        report: what a migration left behind.
        when: its beginning, where it is known.
    """
    verdict = words.state(report.verdict)
    facts = {
        "from": f"{_code(report.source)} ({_text(report.source_kind)})",
        "to": _code(report.target),
        "when": when.astimezone().strftime("%Y-%m-%d %H:%M %Z") if when else "",
        "took": words.duration(report.seconds) + (", in more than one run" if report.resumed else ""),
        "checked": _text(report.checks),
        "run": _code(report.run),
    }
    parts = [
        f"# Migration: {verdict.symbol} {verdict.word}",
        tell.sentence(report),
        "\n".join(f"- **{label}**: {value}" for label, value in facts.items() if value),
        _table(report),
        *[_details(one) for one in report.collections],
        _rejects(report),
        _next(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(report: MigrationReport) -> str:
    rows = [("collection", *_FIGURES, "verdict"), ("---", *["---:"] * len(_FIGURES), "---")]
    for one in report.collections:
        name = _text(one.target if one.source == one.target else f"{one.source} → {one.target}")
        numbers = [words.number(getattr(one, figure)) for figure in _FIGURES]
        rows.append((name, *numbers, words.state(one.verdict).text()))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) if report.collections else ""


def _details(one: CollectionResult) -> str:
    rows = [f"- {_text(aside)}" for aside in tell.asides(one)]
    for label, ids in (("missing", one.missing), ("different", one.different)):
        rows += [f"- {label}: {_code(record)}" for record in ids]
    return "\n".join([f"## {_text(one.target)}", "", *rows]) if rows else ""


def _rejects(report: MigrationReport) -> str:
    if not report.rejects:
        return ""
    rows = [f"| {_text(one.collection)} | {_cell(one.id)} | {_text(one.reason)} |" for one in report.rejects]
    file = [f"\nAll of them are in {_code(report.reject_file)}."] if report.reject_file else []
    return "\n".join(["## Rejected", "", "| collection | id | why |", "| --- | --- | --- |", *rows, *file])


def _cell(value: str) -> str:
    """As `_code`, within a table, where a bar would end the cell even there."""
    return _code(value).replace("|", "\\|")


def _next(report: MigrationReport) -> str:
    steps = [
        f"- {_text(step.says)}" + (f": {_code(step.command)}" if step.command else "")
        for step in tell.next_steps(report)
    ]
    return "\n".join(["## What to do next", "", *steps]) if steps else ""


def _text(value: str) -> str:
    """Foreign text that means only itself."""
    return _MARKUP.sub(r"\\\1", plain(value))


def _code(value: str) -> str:
    """Something to be copied; inside of it nothing is markup, so a fence longer than any within does."""
    shown = plain(value)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    blank = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{blank}{shown}{blank}{fence}"

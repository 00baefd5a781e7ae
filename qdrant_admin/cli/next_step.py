"""The command that most people want next, so that it can be copied and run as it stands."""

import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel


def following(report: "BaseModel", profile: str | None) -> tuple[str, str]:
    """A word and a command to go on with; two empty strings when there is nothing to suggest.

    Args:
        report: what was just shown.
        profile: the profile that was named on the command line, which the next command has to name too.
    """
    suggest = _NEXT.get(type(report).__name__)
    word, arguments = suggest(report) if suggest else ("", [])
    if not arguments:
        return "", ""
    named = ["--profile", profile] if profile else []
    return word, shlex.join(["qdrant-admin", *arguments, *named])


def _collections(report: Any) -> tuple[str, list[str]]:
    return "next", [] if report.collections else ["migrate", "chroma:./chroma", "--dry-run"]


def _points(report: Any) -> tuple[str, list[str]]:
    if report.next_offset is None:
        return "", []
    return "next page", ["points", "list", report.collection, "--offset", str(report.next_offset)]


def _plan(report: Any) -> tuple[str, list[str]]:
    from qdrant_admin.migration.messages import command

    return "next", [] if report.exit_code else shlex.split(str(command(report)))[1:]


def _migration(report: Any) -> tuple[str, list[str]]:
    from qdrant_admin.migration.messages import next_steps

    step = next(iter(next_steps(report)), None)
    return (step.says, shlex.split(str(step.command))[1:]) if step else ("", [])


def _runs(report: Any) -> tuple[str, list[str]]:
    return "next", ["migrate", "--resume"] if any(one.state == "interrupted" for one in report.runs) else []


def _what(report: Any) -> tuple[str, list[str]]:
    program, *arguments = shlex.split(report.command) or [""]
    return "bring it into a server", arguments if program == "qdrant-admin" else []


def _export(report: Any) -> tuple[str, list[str]]:
    return "the way back", ["migrate", report.source]


_NEXT = {
    "CollectionsReport": _collections,
    "PointsReport": _points,
    "PlanReport": _plan,
    "MigrationReport": _migration,
    "RunsReport": _runs,
    "InspectReport": _what,
    "ExportReport": _export,
}

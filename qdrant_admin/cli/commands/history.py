"""`qdrant-admin history`."""

from typing import TYPE_CHECKING

import click
import msgspec

from qdrant_admin.cli.invocation import Invocation, write, write_json
from qdrant_admin.cli.options import HelpfulGroup, common
from qdrant_admin.core.serialization import jsonable

if TYPE_CHECKING:
    from qdrant_admin.core.blocks import Blocks
    from qdrant_admin.core.reports import Report
    from qdrant_admin.core.serialization import Form
    from qdrant_admin.state.store import HistoryEntry


@click.group(cls=HelpfulGroup, invoke_without_command=True)
@common
@click.pass_context
def history(context: click.Context, invocation: Invocation) -> None:
    """List earlier operations and show their reports; without a command, the newest twenty.

    Examples:
      qdrant-admin history
      qdrant-admin history list --operation verify
      qdrant-admin history show 12
      qdrant-admin history trends
    """
    context.obj = msgspec.structs.asdict(invocation)
    if context.invoked_subcommand is None:
        context.invoke(history_list)


@history.command("list")
@click.option("--operation", metavar="NAME", help="Only this operation: up, migrate, verify, ...")
@click.option("--limit", type=click.IntRange(1, 10000), default=20, show_default=True, help="Number of entries.")
@common
def history_list(invocation: Invocation, operation: str | None, limit: int) -> None:
    """List operations, newest first.

    Examples:
      qdrant-admin history list --limit 5
    """
    from qdrant_admin.config.places import state_file
    from qdrant_admin.state.store import StateStore

    entries = StateStore(state_file()).history(limit, operation)
    invocation.show({"history": jsonable(entries)}, *_listed(entries))


@history.command("show")
@click.argument("entry", type=int)
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "markdown", "html"]),
    default="json",
    show_default=True,
    help="markdown and html: of a migration, a check or a crash test.",
)
@common
def history_show(invocation: Invocation, entry: int, form: "Form") -> None:
    """Print one stored report.

    Examples:
      qdrant-admin history show 12
      qdrant-admin history show 12 --format markdown > migration.md
      qdrant-admin history show 13 --format html > proof.html
    """
    import json

    from qdrant_admin.config.places import state_file
    from qdrant_admin.state.store import StateStore

    store = StateStore(state_file())
    report = store.report_json(entry)
    if form == "json" or invocation.as_json or invocation.events:
        write_json(json.loads(report))
    else:
        write(_written(store.entry(entry), report, form))


@history.command("trends")
@click.option("--limit", type=click.IntRange(1, 1000), default=30, show_default=True, help="Number of checks.")
@common
def history_trends(invocation: Invocation, limit: int) -> None:
    """Show the trend of this profile's checks: verdict, time to ready, points, size on disk.

    Examples:
      qdrant-admin history trends
      qdrant-admin history trends --limit 100 --json
    """
    from qdrant_admin.persistence.past_checks import trends

    ws = invocation.workspace()
    invocation.finish(trends(ws.store, ws.settings.name, limit))


def _listed(entries: "list[HistoryEntry]") -> "Blocks":
    from qdrant_admin.core import formatting
    from qdrant_admin.core.blocks import Commands, Soft, StateWord, Step, Table
    from qdrant_admin.core.commands import Command

    if not entries:
        return (Commands((Step("nothing has been done yet; do now", Command("up")),)),)
    rows = tuple(
        (
            str(one.id),
            formatting.clock(one.started_at),
            one.operation,
            one.profile,
            StateWord(one.verdict),
            formatting.duration(one.seconds),
            Soft(one.summary),
        )
        for one in entries
    )
    head = ("id", "when", "operation", "profile", "verdict", "took", "result")
    return (Table(head, rows, right=frozenset({"id", "took"}), cut=frozenset({"result"})),)


def _written(entry: "HistoryEntry", text: str, form: "Form") -> str:
    from qdrant_admin.core.commands import Command
    from qdrant_admin.core.errors import BadInput
    from qdrant_admin.core.serialization import written_as
    from qdrant_admin.state.records import Unreadable, load

    kind = _kind(entry.operation)
    if kind is None:
        raise BadInput(
            f"entry {entry.id} can be shown as JSON only",
            why=f"it is the report of `{entry.operation}`; documents are made of migrations, checks and crash tests",
            fix=Command("history", "show", entry.id),
        )
    report = load(kind, text)
    if isinstance(report, Unreadable):
        raise BadInput(f"entry {entry.id} cannot be read", why=report.why, fix=Command("history", "show", entry.id))
    return written_as(report, form, when=entry.started_at).rstrip("\n")


def _kind(operation: str) -> "type[Report] | None":
    """The report of an operation of which there are certificates."""
    from qdrant_admin.migration.reports import MigrationReport
    from qdrant_admin.persistence.reports import CrashReport, VerifyReport

    kinds: dict[str, type[Report]] = {"migrate": MigrationReport, "verify": VerifyReport, "crash-test": CrashReport}
    return kinds.get(operation)

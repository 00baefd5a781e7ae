"""Commands about what is kept: the history, and the settings."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import rich_click as click

from qdrant_admin.cli.call import Call, common, write, write_json
from qdrant_admin.cli.group import HelpfulGroup

if TYPE_CHECKING:
    from qdrant_admin.state.store import HistoryEntry


@click.group(cls=HelpfulGroup, invoke_without_command=True)
@common
@click.pass_context
def history(context: click.Context, call: Call) -> None:
    """Earlier operations and their reports; without a command, the newest twenty.

    Examples:
      qdrant-admin history
      qdrant-admin history list --operation verify
      qdrant-admin history show 12
      qdrant-admin history trends
    """
    context.obj = asdict(call)
    if context.invoked_subcommand is None:
        context.invoke(history_list)


@history.command("list")
@click.option("--operation", metavar="NAME", help="Only this one: up, migrate, verify, ...")
@click.option("--limit", type=click.IntRange(1, 10000), default=20, show_default=True, help="How many.")
@common
def history_list(call: Call, operation: str | None, limit: int) -> None:
    """List operations, newest first.

    Examples:
      qdrant-admin history list --limit 5
    """
    from qdrant_admin.config.places import state_file
    from qdrant_admin.state.store import StateStore

    entries = StateStore(state_file()).history(limit, operation)
    if call.as_json or call.events:
        rows = [entry.model_dump(mode="json") for entry in entries]
        write_json({"history": rows})
        return
    from qdrant_admin.cli.console import put
    from qdrant_admin.cli.tables import entries as picture

    put(lambda ascii_only: picture(entries, ascii_only=ascii_only))


@history.command("show")
@click.argument("entry", type=int)
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "markdown", "html"]),
    default="json",
    show_default=True,
    help="markdown, html: to hand on; of a migration or a check.",
)
@common
def history_show(call: Call, entry: int, form: str) -> None:
    """Print one report as it was.

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
    if form == "json" or call.as_json or call.events:
        write_json(json.loads(report))
    else:
        write(_written(store.entry(entry), report, form))


@history.command("trends")
@click.option("--limit", type=click.IntRange(1, 1000), default=30, show_default=True, help="How many checks back.")
@common
def history_trends(call: Call, limit: int) -> None:
    """Show how the checks of this profile have gone: verdict, time to ready, points, size on disk.

    Examples:
      qdrant-admin history trends
      qdrant-admin history trends --limit 100 --json
    """
    from qdrant_admin.persistence.trends import trends

    ws = call.workspace()
    call.finish(trends(ws.store, ws.settings.name, limit))


def _written(entry: "HistoryEntry", report: str, form: str) -> str:
    from qdrant_admin.core.document import to_html, to_markdown
    from qdrant_admin.core.errors import BadInput

    if entry.operation == "migrate":
        from qdrant_admin.migration.document import document
        from qdrant_admin.migration.reports import MigrationReport

        found = document(MigrationReport.model_validate_json(report), when=entry.started_at)
    elif entry.operation == "verify":
        from qdrant_admin.persistence.certificate import certificate
        from qdrant_admin.persistence.reports import VerifyReport

        found = certificate(VerifyReport.model_validate_json(report))
    else:
        raise BadInput(
            f"entry {entry.id} is neither a migration nor a check",
            why=f"it is the report of `{entry.operation}`, which has one form: JSON",
            fix=f"qdrant-admin history show {entry.id}",
        )
    return (to_html(found) if form == "html" else to_markdown(found)).rstrip("\n")


@click.group(cls=HelpfulGroup)
def config() -> None:
    """Where every setting comes from.

    Examples:
      qdrant-admin config show
      qdrant-admin config path
    """


@config.command("show")
@common
def config_show(call: Call) -> None:
    """Show every value of the profile and where it came from. The API key itself is never shown.

    Examples:
      qdrant-admin config show --profile work
    """
    from qdrant_admin.config.places import config_file, data_dir, state_file

    settings = call.workspace().settings
    values = settings.profile.model_dump(mode="json")
    places = {"configuration": config_file(), "state": state_file(), "data": data_dir()}
    if call.as_json or call.events:
        document = {
            "profile": settings.name,
            "values": {key: {"value": value, "from": settings.origins[key]} for key, value in values.items()},
            "api_key": {"set": settings.api_key is not None, "from": settings.api_key_origin},
            "places": {key: str(path) for key, path in places.items()},
        }
        write_json(document)
        return
    from qdrant_admin.cli.console import put
    from qdrant_admin.cli.tables import settings as picture

    put(lambda ascii_only: picture(settings, {key: str(path) for key, path in places.items()}, ascii_only=ascii_only))


@config.command("path")
@common
def config_path(call: Call) -> None:
    """Print the path of the configuration file.

    Examples:
      "${EDITOR:-vi}" "$(qdrant-admin config path)"
    """
    from qdrant_admin.config.places import config_file

    path = str(config_file())
    if call.as_json:
        write_json({"path": path})
    else:
        write(path)

"""Commands that look at collections and points."""

from typing import Any

import rich_click as click

from qdrant_admin.cli.call import Call, common, confirm
from qdrant_admin.cli.group import HelpfulGroup

FILTER = click.option("--filter", "condition", metavar="JSON", help="Qdrant's filter, as JSON.")


@click.group(cls=HelpfulGroup)
def collections() -> None:
    """What the server holds, and letting it go.

    Examples:
      qdrant-admin collections list
      qdrant-admin collections show memories
      qdrant-admin collections delete memories --dry-run
    """


@collections.command("list")
@common
def collections_list(call: Call) -> None:
    """List every collection with its exact number of points.

    Examples:
      qdrant-admin collections list --json
    """
    from qdrant_admin.collections.browse import list_collections

    call.finish(list_collections(call.workspace()))


@collections.command("show")
@click.argument("name")
@common
def collections_show(call: Call, name: str) -> None:
    """Show one collection: vectors, counts, indexes, aliases, settings.

    Examples:
      qdrant-admin collections show memories
    """
    from qdrant_admin.collections.browse import show_collection

    report = show_collection(call.workspace(), name)
    call.finish(report, collections=[report.collection.model_dump(mode="json")])


@collections.command("delete")
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
@click.option("--no-snapshot", is_flag=True, help="Keep no snapshot of it here before.")
@click.option("--with-aliases", is_flag=True, help="Although aliases point to it; they go with it.")
@click.option("--yes", is_flag=True, help="Yes, delete it.")
@common
def collections_delete(call: Call, name: str, dry_run: bool, no_snapshot: bool, with_aliases: bool, yes: bool) -> None:
    """Delete a collection, after a snapshot of it was put into the product's own data folder.

    Examples:
      qdrant-admin collections delete memories --dry-run
      qdrant-admin collections delete memories --yes
    """
    from qdrant_admin.collections.delete import DeleteOptions, delete, deleting_command

    ws = call.workspace()
    options = DeleteOptions(snapshot=not no_snapshot, with_aliases=with_aliases)
    looking = options.model_copy(update={"dry_run": True})
    would = call.run(lambda cancel: delete(ws, name, looking, cancel=cancel), brief=True)
    if dry_run:
        call.conclude(would)
    said = {"--no-snapshot": no_snapshot, "--with-aliases": with_aliases, "--yes": True}
    confirm(yes, would.summary(), deleting_command(name, *[option for option, given in said.items() if given]))
    call.conclude(call.run(lambda cancel: delete(ws, name, options, cancel=cancel)))


@click.group(cls=HelpfulGroup)
def points() -> None:
    """Look at points.

    Examples:
      qdrant-admin points list memories --limit 5
      qdrant-admin points show memories 42
      qdrant-admin points search memories --like 42
    """


@points.command("list")
@click.argument("name")
@FILTER
@click.option("--limit", type=click.IntRange(1, 10000), default=20, show_default=True, help="Points on the page.")
@click.option("--offset", metavar="ID", help="Start at this point; `next_offset` of the page before.")
@click.option("--with-vectors", is_flag=True, help="Show vectors as well.")
@common
def points_list(
    call: Call, name: str, condition: str | None, limit: int, offset: str | None, with_vectors: bool
) -> None:
    """List points, a page at a time.

    Examples:
      qdrant-admin points list memories
      qdrant-admin points list memories --filter '{"must":[{"key":"lang","match":{"value":"en"}}]}'
    """
    from qdrant_admin.collections.browse import list_points

    call.finish(
        list_points(call.workspace(), name, filter=condition, limit=limit, offset=offset, with_vectors=with_vectors)
    )


@points.command("show")
@click.argument("name")
@click.argument("point")
@common
def points_show(call: Call, name: str, point: str) -> None:
    """Show one point whole: payload and vectors.

    Examples:
      qdrant-admin points show memories 42
    """
    from qdrant_admin.collections.browse import show_point

    report = show_point(call.workspace(), name, point)
    call.finish(report, points=[report.point.model_dump(mode="json")], next_offset=None)


@points.command("search")
@click.argument("name")
@click.option("--like", metavar="ID", help="Points near this one.")
@click.option("--vector", metavar="JSON", help="Points near this vector: a JSON list of numbers.")
@click.option("--using", default="", metavar="NAME", help="Which named vector.")
@FILTER
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many.")
@common
def points_search(call: Call, name: str, like: str | None, vector: str | None, **others: Any) -> None:
    """Search by a point or by a vector.

    Examples:
      qdrant-admin points search memories --like 42
      qdrant-admin points search memories --vector '[0.1, 0.2, 0.3]' --limit 3
    """
    from qdrant_admin.collections.browse import search_points

    if (like is None) == (vector is None):
        raise click.UsageError("give either --like ID or --vector JSON")
    where = others.pop("condition")
    call.finish(search_points(call.workspace(), name, point=like, vector=vector, filter=where, **others))

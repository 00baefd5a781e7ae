"""`qdrant-admin points`."""

import click

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import HelpfulGroup, common
from qdrant_admin.core.serialization import jsonable

FILTER = click.option("--filter", "condition", metavar="JSON", help="A Qdrant filter as JSON.")


@click.group(cls=HelpfulGroup)
def points() -> None:
    """List, show and search points.

    Examples:
      qdrant-admin points list memories --limit 5
      qdrant-admin points show memories 42
      qdrant-admin points search memories --like 42
    """


@points.command("list")
@click.argument("name")
@FILTER
@click.option("--limit", type=click.IntRange(1, 10000), default=20, show_default=True, help="Points per page.")
@click.option("--offset", metavar="ID", help="Start at this point: `next_offset` of the previous page.")
@click.option("--with-vectors", is_flag=True, help="Show vectors as well.")
@common
def points_list(
    invocation: Invocation, name: str, condition: str | None, limit: int, offset: str | None, with_vectors: bool
) -> None:
    """List points, one page at a time.

    Examples:
      qdrant-admin points list memories
      qdrant-admin points list memories --filter '{"must":[{"key":"lang","match":{"value":"en"}}]}'
    """
    from qdrant_admin.collections.browse import list_points

    invocation.finish(
        list_points(
            invocation.workspace(), name, filter=condition, limit=limit, offset=offset, with_vectors=with_vectors
        )
    )


@points.command("show")
@click.argument("name")
@click.argument("point")
@common
def points_show(invocation: Invocation, name: str, point: str) -> None:
    """Show one point with its payload and vectors.

    Examples:
      qdrant-admin points show memories 42
    """
    from qdrant_admin.collections.browse import show_point

    report = show_point(invocation.workspace(), name, point)
    invocation.finish(report, points=[jsonable(report.point)], next_offset=None)


@points.command("search")
@click.argument("name")
@click.option("--like", metavar="ID", help="Use the vector of this point.")
@click.option("--vector", metavar="JSON", help="Use this vector: a JSON list of numbers.")
@click.option("--using", default="", metavar="NAME", help="Name of the vector to search.")
@FILTER
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="Number of points.")
@common
def points_search(
    invocation: Invocation,
    name: str,
    like: str | None,
    vector: str | None,
    using: str,
    condition: str | None,
    limit: int,
) -> None:
    """Find the points nearest to a point or a vector.

    Examples:
      qdrant-admin points search memories --like 42
      qdrant-admin points search memories --vector '[0.1, 0.2, 0.3]' --limit 3
    """
    if (like is None) == (vector is None):
        raise click.UsageError("give either --like ID or --vector JSON")
    from qdrant_admin.collections.browse import search_points

    invocation.finish(
        search_points(
            invocation.workspace(), name, point=like, vector=vector, using=using, filter=condition, limit=limit
        )
    )

"""The command that writes a collection into a file."""

from typing import Any

import rich_click as click

from qdrant_admin.cli.call import Call, common
from qdrant_admin.cli.group import HelpfulCommand


@click.command(cls=HelpfulCommand)
@click.argument("collection")
@click.option(
    "--to",
    type=click.Path(),
    required=True,
    metavar="PATH",
    help="A file, or a folder to put it in under its own name.",
)
@click.option(
    "--format", "form", type=click.Choice(["parquet", "jsonl"]), help="By default what PATH ends with, else Parquet."
)
@click.option("--yes", is_flag=True, help="Yes, replace the file that is there.")
@common
def export(call: Call, collection: str, to: str, form: Any, yes: bool) -> None:
    """Write a collection with its configuration into a file, and read the file again.

    `migrate` makes an equal collection of it: points, vectors of every kind, payload, payload indexes and aliases.
    The file gets its name only when everything in it has been compared.

    Examples:
      qdrant-admin export memories --to ./memories.parquet
      qdrant-admin export memories --to ./memories.jsonl.gz
      qdrant-admin export memories --to . --format jsonl --json
      qdrant-admin migrate parquet:./memories.parquet
    """
    from pathlib import Path

    from qdrant_admin.migration.export import ExportOptions
    from qdrant_admin.migration.export import export as operation

    ws = call.workspace()
    options = ExportOptions(to=Path(to), format=form, overwrite=yes)
    call.conclude(call.run(lambda cancel: operation(ws, collection, options, cancel=cancel)))

"""`qdrant-admin export`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import command

if TYPE_CHECKING:
    from qdrant_admin.migration.export import ExportFormat


@command()
@click.argument("collection")
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    required=True,
    metavar="PATH",
    help="A file, or a folder for a file of the collection's name.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "jsonl"]),
    help="By default the extension of PATH decides, else Parquet.",
)
@click.option("--yes", is_flag=True, help="Confirm that an existing file is replaced.")
def export(invocation: Invocation, collection: str, to: Path, form: "ExportFormat | None", yes: bool) -> None:
    """Write a collection with its configuration into a file, and read the file back.

    `migrate` restores an equal collection from it: points, vectors of every kind, payload, payload indexes and
    aliases. The file is renamed into place only once everything in it has been compared.

    Examples:
      qdrant-admin export memories --to ./memories.parquet
      qdrant-admin export memories --to ./memories.jsonl.gz
      qdrant-admin export memories --to . --format jsonl --json
      qdrant-admin migrate parquet:./memories.parquet
    """
    from qdrant_admin.migration.export import ExportOptions
    from qdrant_admin.migration.export import export as operation

    ws = invocation.workspace()
    options = ExportOptions(to=to, format=form, overwrite=yes)
    invocation.conclude(invocation.run(lambda cancel: operation(ws, collection, options, cancel=cancel)))

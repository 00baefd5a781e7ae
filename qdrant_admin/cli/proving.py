"""Commands that prove something: that what is there survives, and the whole story on a sample."""

from typing import Any

import rich_click as click

from qdrant_admin.cli.call import Call, common
from qdrant_admin.cli.group import HelpfulCommand


@click.command(cls=HelpfulCommand)
@click.option(
    "--how",
    type=click.Choice(["graceful", "kill", "pause", "recreate", "all", "none"]),
    default="graceful",
    show_default=True,
    help="kill: as a crash would; pause: frozen and thawed; recreate: a new container on the same data; "
    "all: each in turn; none: only read twice.",
)
@click.option(
    "--collection", "collections", multiple=True, metavar="NAME", help="Only this collection; may be repeated."
)
@common
def verify(call: Call, how: Any, collections: tuple[str, ...]) -> None:
    """Fingerprint every point, restart the server, fingerprint again, and compare.

    Exit code 0 means persisted: nothing is missing, nothing has changed.

    Examples:
      qdrant-admin verify --how kill
      qdrant-admin verify --collection memories --json
    """
    from qdrant_admin.persistence.verify import VerifyOptions
    from qdrant_admin.persistence.verify import verify as operation

    ws = call.workspace()
    options = VerifyOptions(how=how, collections=collections)
    call.conclude(call.run(lambda cancel: operation(ws, options, cancel=cancel)))


@click.command(cls=HelpfulCommand)
@click.option("--runtime", type=click.Choice(["auto", "docker", "native"]), default="auto", show_default=True,
              help="Where the demonstration's server runs.")  # fmt: skip
@click.option("--keep", is_flag=True, help="Keep the demonstration's profile, server and data.")
@common
def demo(call: Call, runtime: Any, keep: bool) -> None:
    """Show the whole story on a small sample: up, migrate, crash, prove. Your own servers are not touched.

    Examples:
      qdrant-admin demo
      qdrant-admin demo --runtime native --keep
    """
    from qdrant_admin.demo.story import demo as operation

    call.conclude(call.run(lambda cancel: operation(runtime=runtime, keep=keep, cancel=cancel)))

"""`qdrant-admin demo`."""

from typing import TYPE_CHECKING

import click

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import command

if TYPE_CHECKING:
    from qdrant_admin.config.profile import RuntimeChoice


@command()
@click.option(
    "--runtime",
    type=click.Choice(["auto", "docker", "native"]),
    default="auto",
    show_default=True,
    help="Where the demo's server runs.",
)
@click.option("--keep", is_flag=True, help="Keep the demo's profile, server and data.")
def demo(invocation: Invocation, runtime: "RuntimeChoice", keep: bool) -> None:
    """Run the whole story on a small sample: up, migrate, crash, verify. Your own servers are not touched.

    Examples:
      qdrant-admin demo
      qdrant-admin demo --runtime native --keep
    """
    from qdrant_admin.demo.story import demo as operation

    invocation.conclude(invocation.run(lambda cancel: operation(runtime=runtime, keep=keep, cancel=cancel)))

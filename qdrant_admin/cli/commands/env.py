"""`qdrant-admin env`."""

from typing import TYPE_CHECKING

import click

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import command

if TYPE_CHECKING:
    from qdrant_admin.lifecycle.env import Shell


@command()
@click.option(
    "--shell",
    type=click.Choice(["posix", "fish", "powershell", "dotenv"]),
    default="posix",
    show_default=True,
    help="Syntax of the lines.",
)
@click.option("--reveal", is_flag=True, help="Print the API key itself.")
def env(invocation: Invocation, shell: "Shell", reveal: bool) -> None:
    """Print the environment variables that an application needs.

    Examples:
      eval "$(qdrant-admin env --reveal)"
      qdrant-admin env --shell dotenv >> .env
    """
    from qdrant_admin.lifecycle.env import lines

    result = lines(invocation.workspace(), shell=shell, reveal=reveal)
    invocation.show({"lines": result}, *result)

"""`qdrant-admin logs`."""

import click

from qdrant_admin.cli.invocation import Invocation, interruptible, write, write_json, write_line
from qdrant_admin.cli.options import command


@command()
@click.option("--follow", "-f", is_flag=True, help="Keep showing new lines until Ctrl-C.")
@click.option(
    "--tail", type=click.IntRange(min=0), default=100, show_default=True, help="Number of lines to start with."
)
def logs(invocation: Invocation, follow: bool, tail: int) -> None:
    """Show the server's own log.

    Examples:
      qdrant-admin logs --tail 50
      qdrant-admin logs -f
    """
    from qdrant_admin.core.formatting import plain
    from qdrant_admin.lifecycle.logs import logs as operation

    ws = invocation.workspace()
    kept: list[str] = []
    with interruptible(invocation.say) as cancel:
        for batch in operation(ws, tail=tail, follow=follow, cancel=cancel):
            for line in batch:
                if invocation.events:
                    write_line({"kind": "log_lines", "lines": [line]})
                elif invocation.as_json:
                    kept.append(line)
                else:
                    write(plain(line))
    if invocation.as_json:
        write_json({"lines": kept})

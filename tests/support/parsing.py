"""Command lines parsed as the program would, and nothing run."""

import shlex

import click

from qdrant_admin.cli.root import cli


def parsed(text: str) -> None:
    """Parse a command line of ours. Raises click's error for one that the program does not take."""
    command: click.Command = cli
    name, *rest = shlex.split(text)
    context = cli.make_context(name, list(rest))
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        sub, below, rest = command.resolve_command(context, rest)
        assert below is not None
        context = below.make_context(sub, rest, parent=context)
        command = below

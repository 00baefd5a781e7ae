"""`qdrant-admin spec`."""

import click

from qdrant_admin.cli.invocation import Invocation, write
from qdrant_admin.cli.options import command


@command()
def spec(invocation: Invocation) -> None:  # noqa: ARG001 # it has one form: JSON
    """Print this command line as JSON: every command with its help, arguments and options.

    Examples:
      qdrant-admin spec
    """
    import json

    write(json.dumps(describe(click.get_current_context().find_root().command, "qdrant-admin"), indent=2))


def describe(command: click.Command, name: str) -> dict[str, object]:
    """A command and everything below it."""
    context = click.Context(command, info_name=name)
    result: dict[str, object] = {
        "name": name,
        "help": (command.help or "").replace("\b\n", ""),
        "parameters": [_parameter(one) for one in command.params],
    }
    if isinstance(command, click.Group):
        below = ((child, command.get_command(context, child)) for child in command.list_commands(context))
        result["commands"] = [describe(found, child) for child, found in below if found]
    return result


def _parameter(parameter: click.Parameter) -> dict[str, object]:
    kind = parameter.type
    return {
        "names": [*parameter.opts, *parameter.secondary_opts],
        "argument": isinstance(parameter, click.Argument),
        "required": parameter.required,
        "repeatable": bool(getattr(parameter, "multiple", False)) or parameter.nargs == -1,
        "flag": bool(getattr(parameter, "is_flag", False)),
        "choices": list(kind.choices) if isinstance(kind, click.Choice) else None,
        "help": getattr(parameter, "help", None),
    }

"""The entry point: the tree of commands, each loaded when it is asked for, and the one place where errors end."""

import importlib
import os
import sys
from collections.abc import Sequence

import rich_click as click

from qdrant_admin import __version__
from qdrant_admin.cli.failure import explain
from qdrant_admin.cli.group import HelpfulGroup

COMPLETE = "_QDRANT_ADMIN_COMPLETE"
"""Set by the shell while it asks for completions; click's name for it."""
COMMANDS: dict[str, str] = {
    "up": "server",
    "down": "server",
    "restart": "server",
    "status": "server",
    "doctor": "server",
    "logs": "server",
    "stats": "server",
    "env": "server",
    "adopt": "server",
    "migrate": "moving",
    "export": "exporting",
    "verify": "proving",
    "crash-test": "proving",
    "move-storage": "moving_storage",
    "demo": "proving",
    "collections": "browse",
    "points": "browse",
    "history": "keeping",
    "profiles": "profiles",
    "config": "keeping",
    "completion": "about",
    "spec": "about",
}
"""Every command, in the order a person meets them, and the module of `qdrant_admin.cli` it lies in."""


class Root(HelpfulGroup):
    """Knows the names of all commands; imports a command's module only when that command is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 # click's signature
        """Every name."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 # click's signature
        """The command itself, None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"qdrant_admin.cli.{COMMANDS[cmd_name]}")
        command = getattr(module, cmd_name.replace("-", "_"))
        return command if isinstance(command, click.Command) else None


@click.command(cls=Root, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="qdrant-admin", message="%(prog)s %(version)s")
@click.option("--profile", metavar="NAME", help="Which server; see `qdrant-admin profiles list`.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.option("--events", is_flag=True, help="Every event as a line of JSON on standard output.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def cli(ctx: click.Context, profile: str | None, as_json: bool, events: bool, debug: bool) -> None:
    """Your vectors are there, and here is the proof. Without a command, the terminal interface opens.

    Examples:
      qdrant-admin up                         set up a local Qdrant and wait for it
      qdrant-admin migrate chroma:./chroma    move a Chroma directory into it
      qdrant-admin verify --how kill          prove that a crash loses nothing
      qdrant-admin status --json              for scripts
    """
    ctx.obj = {"profile": profile, "as_json": as_json, "events": events, "debug": debug}
    if ctx.invoked_subcommand is None:
        from qdrant_admin.cli.interface import open_interface

        ctx.exit(open_interface(profile))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, and leave with the exit code of the contract."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if COMPLETE in os.environ:
        importlib.import_module("qdrant_admin.cli.about")  # it registers the shell that click does not know
    try:
        code = cli.main(given, prog_name="qdrant-admin", standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 # the border: whatever gets here is shown in one way
        code = explain(error, given)
    sys.exit(code if isinstance(code, int) else 0)

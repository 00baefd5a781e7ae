"""The tree of commands: each lies in the module of its name in `cli/commands`, and is loaded when it is asked for."""

import importlib
import os
import pkgutil

import click

from qdrant_admin import __version__
from qdrant_admin.cli import commands
from qdrant_admin.cli.help import HelpfulGroup
from qdrant_admin.cli.main import COMPLETE, open_interface


class Root(HelpfulGroup):
    """Knows the names of all commands; imports a command's module only when that command is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 # click's signature
        """Every name, in the order of the alphabet."""
        return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself, None for an unknown name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(f"{commands.__name__}.{name}"), name)
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
      qdrant-admin up                       set up a local Qdrant and wait for it
      qdrant-admin migrate chroma:./chroma  move a Chroma directory into it
      qdrant-admin verify --how kill        prove that a crash loses nothing
      qdrant-admin status --json            for scripts
    """
    ctx.obj = {"profile": profile, "as_json": as_json, "events": events, "debug": debug}
    if ctx.invoked_subcommand is None:
        ctx.exit(open_interface(profile))


if COMPLETE in os.environ:  # it registers the shell that click does not know
    importlib.import_module("qdrant_admin.cli.commands.completion")

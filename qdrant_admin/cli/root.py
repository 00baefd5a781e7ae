"""The tree of commands: each lies in the module of its name, and is loaded when it is wanted."""

import importlib
import os
import sys

import click

from qdrant_admin import __version__
from qdrant_admin.cli import commands, quick
from qdrant_admin.cli.options import HelpfulGroup, common_options


class Root(HelpfulGroup):
    """Knows the names of all commands; imports a command's module only when that command is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 # click's signature
        """Every name, in the order in which a person meets them."""
        return list(quick.COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 # click's signature
        """The command itself, None for an unknown name."""
        if cmd_name not in quick.COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(f"{commands.__name__}.{name}"), name)
        return command if isinstance(command, click.Command) else None

    def get_help(self, ctx: click.Context) -> str:  # noqa: ARG002 # click's signature
        """The overview that is also printed without click."""
        return quick.overview(styled=sys.stdout.isatty()).rstrip("\n")


@click.command(
    cls=Root, help=quick.ABOUT, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="qdrant-admin", message="%(prog)s %(version)s")
@common_options
@click.pass_context
def cli(ctx: click.Context, profile: str | None, as_json: bool, events: bool, debug: bool) -> None:
    """Remember what was given before the command's name; without a command, open the interface."""
    ctx.obj = {"profile": profile, "as_json": as_json, "events": events, "debug": debug}
    if ctx.invoked_subcommand is None:
        ctx.exit(quick.open_interface(profile))


if quick.COMPLETE in os.environ:  # it registers the shell that click does not know
    importlib.import_module(f"{commands.__name__}.completion")

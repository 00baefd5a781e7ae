"""The tree of commands and how its help looks: each lies in the module of its name, and is loaded when it is wanted."""

import difflib
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from typing import ParamSpec

import click

from qdrant_admin import __version__
from qdrant_admin.cli import commands, quick

P = ParamSpec("P")


class _Formatter(click.HelpFormatter):
    """Click's own layout, with headings in bold and names in colour; `click.echo` drops both where none is wanted."""

    def write_heading(self, heading: str) -> None:
        super().write_heading(_styled(heading, bold=True))

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or _styled("Usage: ", bold=True))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(_styled(first, fg="cyan"), second) for first, second in rows], col_max, col_spacing)


def _styled(text: str, *, bold: bool | None = None, fg: str | None = None) -> str:
    return text if os.environ.get("NO_COLOR") else click.style(text, bold=bold, fg=fg)


class _Context(click.Context):
    formatter_class = _Formatter


class HelpfulCommand(click.Command):
    """The block under `Examples:` in its help is shown line by line; a list of commands has its first sentence."""

    context_class = _Context

    def get_help(self, ctx: click.Context) -> str:
        """As click does, but the examples are not flowed into one paragraph."""
        self.help = inspect.cleandoc(self.help or "").replace("\n\nExamples:\n", "\n\n\b\nExamples:\n")
        return super().get_help(ctx)

    def get_short_help_str(self, limit: int = 0) -> str:  # noqa: ARG002 # click's signature: a sentence is not cut
        """The first sentence."""
        return " ".join(inspect.cleandoc(self.help or "").partition("\n\n")[0].split()).partition(". ")[0].rstrip(".")


class HelpfulGroup(HelpfulCommand, click.Group):
    """A group whose refusal of an unknown command names the nearest one."""

    command_class = HelpfulCommand

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 # click's signature
        """Every name, in the order of the module."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
            raise click.UsageError(f"there is no command “{args[0]}”; {hint}", ctx)
        return super().resolve_command(ctx, args)


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


def common_options(function: Callable[P, None]) -> Callable[P, None]:
    """Add what every command takes: `--profile --json --events --debug`."""
    for option in (
        click.option("--debug", is_flag=True, help=quick.OPTIONS["--debug"]),
        click.option("--events", is_flag=True, help=quick.OPTIONS["--events"]),
        click.option("--json", "as_json", is_flag=True, help=quick.OPTIONS["--json"]),
        click.option("--profile", metavar="NAME", help=quick.OPTIONS["--profile NAME"]),
    ):
        function = option(function)
    return function


@click.command(
    cls=Root,
    help=quick.ABOUT,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
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

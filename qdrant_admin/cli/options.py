"""How a command is made of a function: its common options, and how its help looks."""

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import click

from qdrant_admin.cli import quick
from qdrant_admin.cli.invocation import Invocation

if TYPE_CHECKING:
    from qdrant_admin.core.commands import Command, Option

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
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
            raise click.UsageError(f"there is no command “{args[0]}”; {hint}", ctx)
        return super().resolve_command(ctx, args)


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


COMMON = ("profile", "as_json", "events", "debug")
"""What every command takes."""


def common(function: Callable[Concatenate[Invocation, P], None]) -> Callable[P, None]:
    """Add the common options; the command gets an `Invocation` first. They may stand before its name too."""

    @common_options
    @functools.wraps(function)
    def command(*args: P.args, **given: P.kwargs) -> None:
        late = {name: given.pop(name) for name in COMMON}
        early: dict[str, object] = click.get_current_context().obj or {}
        found = {name: late[name] or early.get(name) for name in COMMON}
        invocation = Invocation(
            profile=str(found["profile"]) if found["profile"] else None,
            as_json=bool(found["as_json"]),
            events=bool(found["events"]),
            debug=bool(found["debug"]),
        )
        function(invocation, *args, **given)

    return command


def command(name: str | None = None) -> Callable[[Callable[Concatenate[Invocation, P], None]], click.Command]:
    """A command with the common options, whose help keeps the lines of its examples."""

    def decorated(function: Callable[Concatenate[Invocation, P], None]) -> click.Command:
        return click.command(name, cls=HelpfulCommand)(common(function))

    return decorated


def given_options(beside: "frozenset[str] | set[str]" = frozenset()) -> list[str]:
    """The options of the command that were given on the command line, as they are written.

    Args:
        beside: names of parameters that are not counted.
    """
    return [one.opts[0] for one in _given() if isinstance(one, click.Option) and one.name not in beside]


def same_command(profile: str, **more: "Option") -> "Command":
    """The command as it was given, with something added, on a profile."""
    from qdrant_admin.core.commands import Command

    context = click.get_current_context()
    words: list[object] = [*context.command_path.split()[1:]]
    options: dict[str, Option] = {}
    for one in _given():
        value = context.params[one.name or ""]
        if isinstance(one, click.Argument):
            words.append(value)
        else:
            options[one.opts[0].removeprefix("--").replace("-", "_")] = value
    return Command(*words, **{**options, **more}).on(profile)


def _given() -> Iterator[click.Parameter]:
    """What the command line gave of the parameters that only this command has."""
    context = click.get_current_context()
    for one in context.command.params:
        source = context.get_parameter_source(one.name or "")
        if one.name not in COMMON and source is click.core.ParameterSource.COMMANDLINE:
            yield one

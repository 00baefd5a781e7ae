"""How help looks: examples keep their lines, headings and names stand out, and a wrong name gets a hint."""

import difflib
import inspect
import os
from collections.abc import Iterable

import click


class _Formatter(click.HelpFormatter):
    """Click's own layout, with headings in bold and names in colour; `click.echo` drops both where none is wanted."""

    def write_heading(self, heading: str) -> None:
        super().write_heading(_styled(heading, bold=True))

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or _styled("Usage: ", bold=True))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(_styled(first, fg="cyan"), second) for first, second in rows], col_max, col_spacing)


class _Context(click.Context):
    formatter_class = _Formatter


def _styled(text: str, *, bold: bool | None = None, fg: str | None = None) -> str:
    return text if os.environ.get("NO_COLOR") else click.style(text, bold=bold, fg=fg)


class _Helpful(click.Command):
    """The block under `Examples:` in its help is shown line by line; a list of commands has its first sentence."""

    context_class = _Context

    def get_help(self, ctx: click.Context) -> str:
        """As click does, with the examples kept as they are."""
        self.help = with_examples(self.help)
        return super().get_help(ctx)

    def get_short_help_str(self, limit: int = 0) -> str:  # noqa: ARG002 # click's signature: a sentence is not cut
        """The first sentence."""
        return " ".join(inspect.cleandoc(self.help or "").partition("\n\n")[0].split()).partition(". ")[0].rstrip(".")


class HelpfulCommand(_Helpful):
    """A command."""


class HelpfulGroup(_Helpful, click.Group):
    """A group whose refusal of an unknown command names the nearest one."""

    command_class = HelpfulCommand

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


def with_examples(text: str | None) -> str:
    """Mark the block of examples for click, which would otherwise flow it into one paragraph."""
    return inspect.cleandoc(text or "").replace("\n\nExamples:\n", "\n\n\b\nExamples:\n")

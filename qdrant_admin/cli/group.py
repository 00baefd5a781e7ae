"""Commands whose examples keep their lines, and groups that suggest the name that was meant."""

import difflib
import inspect
from typing import Any

import rich_click as click


class HelpfulCommand(click.RichCommand):
    """A command; the block under `Examples:` in its help is shown line by line."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.help = with_examples(self.help)


class HelpfulGroup(click.RichGroup):
    """A group whose refusal of an unknown command names the nearest one."""

    command_class = HelpfulCommand

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.help = with_examples(self.help)

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

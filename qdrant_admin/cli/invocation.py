"""One invocation: its common options, its workspace, and how an operation is run and its report shown."""

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Concatenate, NoReturn, ParamSpec

import click
from click.exceptions import Exit

from qdrant_admin.cli.quick import put
from qdrant_admin.cli.root import HelpfulCommand, common_options

if TYPE_CHECKING:
    from pathlib import Path

    from qdrant_admin.core.blocks import Block
    from qdrant_admin.core.cancel import CancelToken
    from qdrant_admin.core.commands import Command, Fix, Option
    from qdrant_admin.core.events import Events
    from qdrant_admin.core.reports import Report
    from qdrant_admin.workspace import Workspace


P = ParamSpec("P")


@dataclass(frozen=True)
class Invocation:
    """What every command is given first."""

    profile: str | None
    as_json: bool
    events: bool
    debug: bool

    def workspace(self, flags: Mapping[str, object] | None = None, *, silent: bool = False) -> "Workspace":
        """The profile, opened, with these flags over it.

        Args:
            flags: profile keys from the command line.
            silent: the operation itself tells what is to be known of the settings.
        """
        from qdrant_admin.config.places import state_file
        from qdrant_admin.config.settings import load_settings
        from qdrant_admin.state.store import StateStore
        from qdrant_admin.workspace import Workspace

        settings = load_settings(self.profile, flags)
        for text in () if silent else settings.notices:
            self.say(text)
        return Workspace(settings, StateStore(state_file()))

    def run(self, operation: "Callable[[CancelToken], Events]", *, brief: bool = False) -> "Report":
        """Run an operation to its end, drawing its events; returns its report, not yet shown.

        Args:
            operation: makes the generator from a token.
            brief: its report tells of every step again, so do not leave a line for each.
        """
        from qdrant_admin.cli.render.events import Renderer
        from qdrant_admin.core.events import Finished

        report: Report | None = None
        with Renderer(quiet=self.events, brief=brief) as renderer, interruptible(renderer.say) as cancel:
            for event in operation(cancel):
                renderer.handle(event)
                if isinstance(event, Finished):
                    report = event.report
                if self.events:
                    write_line({"kind": "finished", "report": _document(report)} if report else event)
        if report is None:
            raise RuntimeError("the operation ended without a report")
        return report

    def conclude(self, report: "Report") -> NoReturn:
        """Show the report of an operation, unless its last event was just written, and leave with its exit code."""
        if self.events:
            raise Exit(int(report.exit_code))
        self.finish(report)

    def finish(self, report: "Report", **also: object) -> NoReturn:
        """Show a report and leave with its exit code.

        Args:
            report: what was found.
            also: further keys of its JSON.
        """
        from qdrant_admin.core.blocks import Commands

        step = report.next_step()
        self.show({**_document(report), **also}, *report.blocks(), *([Commands((step,))] if step else []))
        raise Exit(int(report.exit_code))

    def show(self, document: Mapping[str, object], *shown: "str | Block") -> None:
        """An answer on standard output: as JSON where that was asked for, else as text or blocks."""
        if self.as_json:
            write_json(document)
        elif self.events:
            write_line({"kind": "finished", "report": document})
        elif shown and isinstance(shown[0], str):
            write("\n".join(map(str, shown)))
        else:
            from qdrant_admin.cli.render.blocks import printed

            text = printed(tuple(one for one in shown if not isinstance(one, str)), profile_name(self.profile))
            if text is not None:
                write(text)

    def save(self, report: "Report", files: "tuple[Path, ...]") -> None:
        """Write a report into files as well."""
        from qdrant_admin.core.serialization import save_report

        for file in files:
            save_report(report, file)
            self.say(f"written to {file}")

    def say(self, text: str) -> None:
        """A remark on standard error."""
        from qdrant_admin.cli.render.blocks import cell, is_ascii, messages

        console = messages()
        console.print(cell(text, is_ascii(console), "yellow"))


def _document(report: "Report") -> dict[str, object]:
    return {"schema": report.SCHEMA, **report.model_dump()}


def profile_name(named: str | None) -> str:
    """The profile that is meant: the one that was named, else the default one. Never fails."""
    from qdrant_admin.config.file import default_profile
    from qdrant_admin.config.profile import DEFAULT_PROFILE
    from qdrant_admin.core.errors import AdminError

    try:
        return named or default_profile()
    except AdminError:  # a broken file is told of where it is needed
        return DEFAULT_PROFILE


def write_json(value: object) -> None:
    """One JSON document on standard output."""
    from qdrant_admin.core.serialization import to_json

    write(to_json(value, indent=2, ascii_only=not _speaks_utf8()))


def write_line(value: object) -> None:
    """One line of JSON on standard output."""
    from qdrant_admin.core.serialization import to_json

    write(to_json(value, ascii_only=not _speaks_utf8()))


def write(text: str) -> None:
    """A line on standard output, whatever the terminal's encoding can carry."""
    encoding = sys.stdout.encoding or "utf-8"
    put(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _speaks_utf8() -> bool:
    return (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"


@contextmanager
def interruptible(say: Callable[[str], None]) -> "Iterator[CancelToken]":
    """A token that the first Ctrl-C cancels; the second ends at once.

    The handler itself takes no lock, because the main thread may hold it at that very moment: it writes a byte, and a
    thread of its own does the rest.
    """
    from qdrant_admin.core.cancel import CancelToken

    token = CancelToken()
    asked: list[int] = []
    reader, writer = os.pipe()

    def watch() -> None:
        if os.read(reader, 1) == b"!":
            token.cancel()
            say("stopping; what was acknowledged stays. Ctrl-C again ends at once.")

    def interrupted(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise KeyboardInterrupt
        os.write(writer, b"!")

    watcher = threading.Thread(target=watch, name="interrupt", daemon=True)
    watcher.start()
    before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield token
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writer)
        watcher.join(5)
        os.close(reader)


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


def confirm(yes: bool, what: str, again: "Fix") -> None:
    """Go on only with `--yes`.

    Args:
        yes: whether it was given.
        what: what would be done, in words.
        again: the command that does it.

    Raises:
        ConfirmationMissing: it was not.
    """
    if not yes:
        from qdrant_admin.core.errors import ConfirmationMissing

        raise ConfirmationMissing(what, why="this needs a clear yes", fix=again)


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

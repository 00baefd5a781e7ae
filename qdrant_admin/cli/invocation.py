"""One invocation: its common options, its workspace, and how an operation is run and its report shown."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import msgspec

from qdrant_admin.cli.quick import nowhere, put

if TYPE_CHECKING:
    from pathlib import Path

    from qdrant_admin.core.blocks import Block, Blocks
    from qdrant_admin.core.cancel import CancelToken
    from qdrant_admin.core.commands import Fix
    from qdrant_admin.core.events import Events
    from qdrant_admin.core.reports import Report
    from qdrant_admin.workspace import Workspace

ENDING = tuple(
    signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if name in signal.Signals.__members__
)
"""What asks a program to end: Ctrl-C, `kill`, a window that is closed, and Ctrl-\\ (Windows has the first two)."""

IMPATIENT = {signal.SIGINT, *(one for one in ENDING if one.name == "SIGQUIT")}
"""Keys: who presses one again wants the end at once."""


class Invocation(msgspec.Struct, frozen=True):
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
        with (
            Renderer(quiet=self.events, brief=brief) as renderer,
            interruptible(renderer.say) as cancel,
            _ended_in_order(operation(cancel)) as events,
        ):
            for event in events:
                renderer.handle(event)
                if isinstance(event, Finished):
                    report = event.report
                if self.events:
                    write_line({"kind": "finished", "report": _document(report)} if report else event)
        if report is None:
            raise RuntimeError("the operation ended without a report")
        return report

    def conclude(self, report: "Report", files: "tuple[Path, ...]" = ()) -> NoReturn:
        """Show the report of an operation, unless its last event was just written, and leave with its exit code.

        It is then written into `files`. Whatever comes of them, the answer has been given, and the exit code is that
        of a verdict that is not well; else 3 where a file could not be written.
        """
        from qdrant_admin.core.errors import ExitCode

        kept = not files
        try:
            if not self.events:
                self._shown(report)
        finally:
            kept = kept or self._saved(report, files)
        raise SystemExit(int(report.exit_code) or (0 if kept else int(ExitCode.UNFIT)))

    def finish(self, report: "Report", **also: object) -> NoReturn:
        """Show a report and leave with its exit code.

        Args:
            report: what was found.
            also: further keys of its JSON.
        """
        self._shown(report, **also)
        raise SystemExit(int(report.exit_code))

    def _shown(self, report: "Report", **also: object) -> None:
        from qdrant_admin.core.blocks import Commands

        step = report.next_step()
        self.show({**_document(report), **also}, *report.blocks(), *([Commands((step,))] if step else []))

    def show(self, document: Mapping[str, object], *shown: "str | Block") -> None:
        """An answer on standard output: as JSON where that was asked for, else as text or blocks."""
        if self.as_json:
            write_json(document)
        elif self.events:
            write_line({"kind": "finished", "report": document})
        elif shown and isinstance(shown[0], str):
            write("\n".join(map(str, shown)))
        else:
            text = _drawn(tuple(one for one in shown if not isinstance(one, str)), profile_name(self.profile))
            if text is not None:
                write(text)

    def _saved(self, report: "Report", files: "tuple[Path, ...]") -> bool:
        """Write a report into files as well; whether all of them could be written."""
        from qdrant_admin.cli.report_files import save_reports

        written, failed = save_reports(report, files)
        for file in written:
            self.say(f"written to {file}")
        for why in failed:
            self.say(f"the report was not kept: {why}")
        return not failed

    def say(self, text: str) -> None:
        from qdrant_admin.cli.render.blocks import cell, messages
        from qdrant_admin.cli.render.piped import is_ascii

        console = messages()
        console.print(cell(text, is_ascii(console.encoding), "yellow"))


def _drawn(shown: "Blocks", profile: str) -> str | None:
    """Blocks as text; None when they were printed on a terminal."""
    from qdrant_admin.cli.render import piped

    if not sys.stdout.isatty() and "FORCE_COLOR" not in os.environ:
        lines = piped.lines(shown, profile, ascii_only=piped.is_ascii(sys.stdout.encoding))
        if lines is not None:
            return "\n".join(line.rstrip() for line in lines)
    from qdrant_admin.cli.render.blocks import printed

    try:
        return printed(shown, profile)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise nowhere(error.strerror or str(error)) from error


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
def _ended_in_order(events: "Events") -> "Iterator[Events]":
    """Let an operation put things in order, also where nobody is left to draw for: a terminal that is gone."""
    try:
        yield events
    finally:
        if isinstance(events, Generator):
            events.close()


@contextmanager
def interruptible(say: Callable[[str], None]) -> "Iterator[CancelToken]":
    """A token that the first Ctrl-C cancels; the second ends at once.

    A closed window and a `kill` ask for the same, however often they do: they come twice (from the kernel and from the
    shell) and cut nothing short. Who has told the program to outlive its window (`nohup`) is obeyed.

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
            with suppress(OSError):  # the terminal may be gone
                say("stopping; what was acknowledged stays. Ctrl-C again ends at once.")

    def interrupted(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) == 1:
            os.write(writer, b"!")
        elif number in IMPATIENT:
            raise KeyboardInterrupt

    watcher = threading.Thread(target=watch, name="interrupt", daemon=True)
    watcher.start()
    outlives = "SIGHUP" in signal.Signals.__members__ and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    heard = [number for number in ENDING if not (outlives and number.name == "SIGHUP")]
    before = {number: signal.signal(number, interrupted) for number in heard}
    try:
        yield token
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writer)
        watcher.join(5)
        os.close(reader)


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

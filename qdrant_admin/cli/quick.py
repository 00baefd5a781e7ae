"""What is answered before the parser of the command line is loaded: the interface, the list of commands, scripts.

All of it is known beforehand, and a person who asks for help, or a shell that starts, should not wait for the rest.
"""

import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from qdrant_admin.core.errors import Unfit

COMPLETE = "_QDRANT_ADMIN_COMPLETE"
"""Set by the shell while it asks for completions; click's name for it."""
SCRIPTS = {"bash": "bash", "zsh": "zsh", "fish": "fish", "powershell": "ps1"}
"""Shells, and what the name of the script ends with that completes our commands there."""
PROGRAM = "qdrant-admin"
EXAMPLES = {
    "up": "set up a local Qdrant and wait for it",
    "migrate chroma:./chroma": "move a Chroma directory into it",
    "verify --how kill": "prove that a crash loses nothing",
    "status --json": "for scripts",
}
SAYS = "Your vectors are there, and here is the proof. Without a command, the terminal interface opens."
ABOUT = "\n".join([SAYS, "", "Examples:", *(f"  {PROGRAM} {words:23}  {why}" for words, why in EXAMPLES.items())])
OPTIONS = {
    "--version": "Show the version and exit.",
    "--profile NAME": f"Which server; see `{PROGRAM} profiles list`.",
    "--json": "One JSON document on standard output.",
    "--events": "Every event as a line of JSON on standard output.",
    "--debug": "Show tracebacks.",
    "-h, --help": "Show this message and exit.",
}
COMMANDS = {
    "up": "Set up the server, start it, and wait until it is ready",
    "down": "Stop the server",
    "restart": "Stop the server, start it again, and wait until it is ready",
    "status": "Show what runs, where, and whether it is healthy",
    "doctor": "Check for faults",
    "logs": "Show the server's own log",
    "stats": "Show the CPU, memory and disk that the server uses",
    "adopt": "Manage a server of this profile's name that qdrant-admin did not create",
    "env": "Print the environment variables that an application needs",
    "demo": "Run the whole story on a small sample: up, migrate, crash, verify",
    "inspect": "Show what a file, folder or server is, how much it holds, and how to migrate it",
    "migrate": "Move collections into the server, then compare every point with its source",
    "migrations": "List, show and discard unfinished migrations, and replay rejected records",
    "export": "Write a collection with its configuration into a file, and read the file back",
    "verify": "Fingerprint every point, restart the server, fingerprint again, and compare",
    "crash-test": "Write into temporary collections, kill the server, and look for every acknowledged change",
    "move-storage": "Move the data of a container to a named volume, and prove that all of it is there",
    "collections": "List, show and delete collections",
    "points": "List, show and search points",
    "history": "List earlier operations and show their reports; without a command, the newest twenty",
    "profiles": "Manage several servers, each under a name",
    "config": "Show where every setting comes from",
    "completion": "Print a script that completes commands in your shell",
    "spec": "Print this command line as JSON: every command with its help, arguments and options",
}
"""Every command with the first sentence of its help, in the order in which a person meets them."""


def answer(given: list[str]) -> str | None:
    """What these arguments print; None where they have to be parsed."""
    match given:
        case ["--version"]:
            from qdrant_admin import __version__

            return f"{PROGRAM} {__version__}\n"
        case ["--help" | "-h"] if os.name != "nt":  # there click translates colours
            return overview(styled=sys.stdout.isatty())
        case ["completion", shell] if shell in SCRIPTS:
            return completion_script(shell)
    return None


def status_asked(given: list[str]) -> dict[str, Any] | None:
    """The options of a `status`, as `Invocation` takes them, since the most asked of all needs no parser either.

    None for any other command, and for a mistake.
    """
    words, others = list(given), []
    found: dict[str, Any] = {"profile": None, "as_json": False, "events": False, "debug": False}
    flags = {"--json": "as_json", "--events": "events", "--debug": "debug"}
    while words:
        word = words.pop(0)
        if word == "--profile" and words:
            found["profile"] = words.pop(0)
        elif word.startswith("--profile="):
            found["profile"] = word.partition("=")[2]
        elif word in flags:
            found[flags[word]] = True
        else:
            others.append(word)
    return found if others == ["status"] else None


def put(text: str) -> None:
    """Text on standard output, at once.

    Raises:
        BrokenPipeError: whoever read it has gone.
        Unfit: it is closed, or its disk is full.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise nowhere(error.strerror or str(error)) from error


def nowhere(why: str) -> "Unfit":
    """The error of a result that cannot be written to standard output."""
    from qdrant_admin.core.errors import Unfit

    silence()
    return Unfit("standard output cannot be written", why=why, fix="send it to a file on a disk with free space")


def silence(stream: "TextIO | None" = None) -> None:
    """Write nothing more to a stream, standard output by default, not even at the interpreter's end."""
    nothing = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 # it stays open for as long as we run
    if (stream := stream or sys.stdout) is None:
        sys.stdout = nothing
    else:
        os.dup2(nothing.fileno(), stream.fileno())


def completion_script(shell: str) -> str:
    """What a shell of `SCRIPTS` runs at its start."""
    path = os.path.join(os.path.dirname(__file__), "completions", f"qdrant-admin.{SCRIPTS[shell]}")  # noqa: PTH118, PTH120
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 # pathlib takes as long to import as all of this
        return file.read()


def overview(*, styled: bool) -> str:
    """The help of `qdrant-admin` itself."""
    import textwrap

    styled = styled and not os.environ.get("NO_COLOR")
    bold, cyan, plain = ("\x1b[1m", "\x1b[36m", "\x1b[0m") if styled else ("", "", "")
    lines = [f"{bold}Usage: {plain}qdrant-admin [OPTIONS] [COMMAND] [ARGS]...", ""]
    lines += textwrap.wrap(SAYS, 78, initial_indent="  ", subsequent_indent="  ")
    lines += [f"  {line}".rstrip() for line in ABOUT.splitlines()[1:]]
    for title, rows in (("Options", OPTIONS), ("Commands", COMMANDS)):
        lines += ["", f"{bold}{title}{plain}:"]
        wide = max(map(len, rows))
        for name, text in rows.items():
            first, *more = textwrap.wrap(text, 74 - wide)
            lines.append(f"  {cyan}{name}{plain}{' ' * (wide - len(name))}  {first}")
            lines += [f"{' ' * (wide + 4)}{line}" for line in more]
    return "\n".join(lines) + "\n"


def open_interface(profile: str | None) -> int:
    """Open the TUI; returns its exit code.

    Raises:
        Unfit: standard input or output is not a terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        from qdrant_admin.core.commands import Command
        from qdrant_admin.core.errors import Unfit

        raise Unfit(
            "the terminal interface needs a terminal", why="input or output is a pipe or a file", fix=Command("status")
        )
    from qdrant_admin.tui.app import run

    code = int(run(profile) or 0)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # its window is closed, which the interpreter would make an exit code of its own of
            silence(stream)
    return code

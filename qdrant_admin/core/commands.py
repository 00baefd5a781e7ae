"""A command of ours as a value: made into words at the edge, where the profile it is meant for is known."""

import shlex
import sys
from dataclasses import dataclass

PROGRAM = "qdrant-admin"
Option = str | int | float | bool | None | tuple[str, ...] | list[str]
"""The value of an option: True is a flag, False and None leave it out, a tuple or list gives it once per item."""


@dataclass(frozen=True)
class Command:
    """One command line: `Command("verify", how="kill").on(profile)`.

    Whatever is stored, shown or meant to be copied is put on a profile first: which profile a bare command means is
    decided by the configuration file of whoever runs it.
    """

    words: tuple[str, ...]
    """The command and its arguments: `("collections", "show", "memories")`."""
    options: tuple[tuple[str, str | None], ...] = ()
    """Name as it is written, with its value; None for a flag."""
    profile: str | None = None

    def __init__(self, *words: object, **options: Option) -> None:
        object.__setattr__(self, "words", tuple(str(word) for word in words))
        object.__setattr__(self, "options", tuple(_written(options)))
        object.__setattr__(self, "profile", None)

    def on(self, profile: str) -> "Command":
        """The same command, naming the profile that it is meant for."""
        placed = Command(*self.words)
        object.__setattr__(placed, "options", self.options)
        object.__setattr__(placed, "profile", profile)
        return placed

    def __str__(self) -> str:
        behind = next((at for at, word in enumerate(self.words) if word.startswith("-")), len(self.words))
        parts = [PROGRAM, *self.words[:behind]]
        for name, value in self.options:
            parts += [name] if value is None else [f"{name}={value}"] if value.startswith("-") else [name, value]
        if self.profile is not None:
            parts += ["--profile", self.profile]
        rest = self.words[behind:]  # from the first that looks like an option, all are arguments in their order
        return shlex.join([*parts, *(["--", *rest] if rest else [])])


Fix = str | Command
"""What to do about something: a command of ours, or words or another program's command that need no profile."""


def written(fix: Fix, profile: str | None) -> str:
    """What to do, as text: a command of ours is put on the profile unless it names one already.

    Args:
        fix: a command, or text that is final.
        profile: the one that the fix was found on; None where none is known.
    """
    if isinstance(fix, str):
        return fix
    return str(fix if fix.profile is not None or profile is None else fix.on(profile))


def install_command(*requirements: str) -> str:
    """The command that adds packages to the very Python that runs now, seldom the one of a bare `pip`.

    Args:
        requirements: `qdrant-admin[files]`, or packages.
    """
    from importlib.util import find_spec

    python = sys.executable or "python"
    if find_spec("pip") is None:  # an environment that uv has made
        return shlex.join(["uv", "pip", "install", "--python", python, *requirements])
    return shlex.join([python, "-m", "pip", "install", *requirements])


def _written(options: dict[str, Option]) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    for key, value in options.items():
        name = f"--{key.rstrip('_').replace('_', '-')}"
        if value is True:
            found.append((name, None))
        elif isinstance(value, tuple | list):
            found += [(name, str(item)) for item in value]
        elif value is not None and value is not False:
            found.append((name, str(value)))
    return found

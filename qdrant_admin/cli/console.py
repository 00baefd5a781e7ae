"""Two consoles: data goes to standard output, everything said goes to standard error."""

import os
import sys
from collections.abc import Callable

from rich.console import Console, RenderableType

PIPE_WIDTH = 160
"""A pipe has no width; wide enough that a table keeps its lines, and grep finds them."""


def data() -> Console:
    """Standard output, for what was asked for. No markup is ever read: names from a database are hostile."""
    plain = not sys.stdout.isatty()
    width = PIPE_WIDTH if plain and "COLUMNS" not in os.environ else None
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=plain, width=width)


def messages() -> Console:
    """Standard error, for everything else."""
    return Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=not sys.stderr.isatty())


def put(draw: Callable[[bool], RenderableType]) -> None:
    """Print a picture on standard output; in a pipe without the spaces that fill its columns.

    Args:
        draw: makes the picture, told whether only ASCII can be shown.
    """
    console = data()
    picture = draw(is_ascii(console))
    if console.is_terminal:
        console.print(picture)
        return
    with console.capture() as captured:
        console.print(picture)
    for line in captured.get().splitlines():
        sys.stdout.write(line.rstrip() + "\n")
    sys.stdout.flush()


def is_ascii(console: Console) -> bool:
    """Whether the terminal's encoding cannot carry our symbols."""
    try:
        "●✕◐▲○━…“”".encode(console.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False

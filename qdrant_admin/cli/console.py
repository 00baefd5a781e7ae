"""Two consoles: data goes to standard output, everything said goes to standard error."""

import sys

from rich.console import Console


def data() -> Console:
    """Standard output, for what was asked for. No markup is ever read: names from a database are hostile."""
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=not sys.stdout.isatty())


def messages() -> Console:
    """Standard error, for everything else."""
    return Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=not sys.stderr.isatty())


def is_ascii(console: Console) -> bool:
    """Whether the terminal's encoding cannot carry our symbols."""
    try:
        "●✕◐▲○━…“”".encode(console.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False

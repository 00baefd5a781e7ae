"""Which installation this is: one home of one user. What it makes on an engine that others share bears its number."""

from pathlib import Path

from qdrant_admin.config.places import state_dir
from qdrant_admin.core.errors import StorageUnusable
from qdrant_admin.core.files import write_atomically
from qdrant_admin.core.locks import Held, holding

_PATIENCE_SECONDS = 10.0


def known_installation() -> str:
    """The number of this installation; empty as long as it has made nothing."""
    try:
        return _file().read_text("ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise _unusable(error) from error


def installation() -> str:
    """The number of this installation: 16 random hexadecimal digits, made at the first call and kept for good.

    Raises:
        StorageUnusable: it cannot be read or kept.
    """
    if known := known_installation():
        return known
    import secrets

    path = _file()
    try:
        with holding(path.with_suffix(".lock"), patience=_PATIENCE_SECONDS):
            if not known_installation():
                write_atomically(path, secrets.token_hex(8) + "\n")
    except (Held, OSError) as error:
        raise _unusable(error) from error
    return known_installation()


def _file() -> Path:
    return state_dir() / "installation"


def _unusable(error: Exception) -> StorageUnusable:
    path = _file()
    return StorageUnusable(f"{path} cannot be used", why=str(error), fix=f'ls -l "{path.parent}"')

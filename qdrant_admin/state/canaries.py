"""The collections that a check makes for itself, remembered by name before they are made: only they are removed.

Their prefix alone proves nothing: a user may have a collection of such a name.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from qdrant_admin.core.errors import AdminError, NotFound
from qdrant_admin.state.store import StateStore

PREFIX = "qdrant-admin-canary-"


def remember(store: StateStore, url: str, names: tuple[str, ...]) -> None:
    """Note names that are about to be made at a server."""
    now = datetime.now(UTC).isoformat()
    with store.writing() as connection:
        connection.executemany(
            "INSERT OR IGNORE INTO canaries (url, name, created_at) VALUES (?, ?, ?)",
            [(url, name, now) for name in names],
        )


def remove(store: StateStore, delete: Callable[[str], object], url: str) -> list[str]:
    """Remove every canary of that server that is there, and forget its name.

    Args:
        store: where their names are remembered.
        delete: deletes one collection of that server.
        url: of the server.

    Returns:
        names of those that could not be removed.
    """
    with store.reading() as connection:
        rows = connection.execute("SELECT name FROM canaries WHERE url = ?", (url,)).fetchall()
    left = []
    for name in (str(row["name"]) for row in rows):
        try:
            delete(name)
        except NotFound:
            pass
        except AdminError:
            left.append(name)
            continue
        forget(store, url, (name,))
    return left


def forget(store: StateStore, url: str, names: Sequence[str]) -> None:
    """Those names are deleted, and whoever makes a collection of one of them now is somebody else."""
    with store.writing() as connection:
        connection.executemany("DELETE FROM canaries WHERE url = ? AND name = ?", [(url, name) for name in names])

"""The collections that a crash test makes: remembered by name before they are made, so that only they are removed."""

from datetime import UTC, datetime

from qdrant_admin.core.errors import AdminError, NotFound
from qdrant_admin.database.gateway import Database
from qdrant_admin.state.store import StateStore


def remember(store: StateStore, url: str, names: tuple[str, ...]) -> None:
    """Note names that are about to be made at a server."""
    now = datetime.now(UTC).isoformat()
    with store.connection() as connection:
        connection.executemany(
            "INSERT OR IGNORE INTO canaries (url, name, created_at) VALUES (?, ?, ?)",
            [(url, name, now) for name in names],
        )


def remove(store: StateStore, database: Database, url: str) -> list[str]:
    """Remove every canary of that server that is there, and forget its name; returns those that could not be."""
    with store.connection() as connection:
        rows = connection.execute("SELECT name FROM canaries WHERE url = ?", (url,)).fetchall()
    left = []
    for name in (str(row["name"]) for row in rows):
        try:
            database.delete_collection(name)
        except NotFound:
            pass
        except AdminError:
            left.append(name)
            continue
        with store.connection() as connection:
            connection.execute("DELETE FROM canaries WHERE url = ? AND name = ?", (url, name))
    return left

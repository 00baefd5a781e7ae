"""Migrations into a server that were stopped or killed, and what they have left there."""

from pathlib import Path
from typing import NamedTuple

from qdrant_admin.config.places import state_dir
from qdrant_admin.core.locks import is_held
from qdrant_admin.state.store import StateStore


class StoppedMigration(NamedTuple):
    """One that no process is at, and that has not come to its end."""

    run: str
    source: str
    """Its URI, without any secret."""
    held: tuple[str, ...]
    """Collections whose indexing it has held back and not given back."""


def lock_of(run: str) -> Path:
    """The file that a run holds while a process is at it."""
    return state_dir() / "runs" / f"{run}.lock"


def stopped_migrations(store: StateStore, url: str) -> tuple[StoppedMigration, ...]:
    """Those that wrote to the server at this URL, the latest first."""
    with store.connection() as connection:
        rows = connection.execute(
            "SELECT run, source FROM migration_runs WHERE state = 'running' AND target = ? ORDER BY updated_at DESC",
            (url,),
        ).fetchall()
        held: dict[str, list[str]] = {}
        for run, target in connection.execute("SELECT run, target FROM migration_held ORDER BY target"):
            held.setdefault(run, []).append(target)
    found = (StoppedMigration(row["run"], row["source"], tuple(held.get(row["run"], ()))) for row in rows)
    return tuple(one for one in found if not is_held(lock_of(one.run)))

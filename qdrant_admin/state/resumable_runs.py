"""What earlier operations left unfinished and can still be finished: a check without its second scan, a migration."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from qdrant_admin.config.places import state_dir
from qdrant_admin.core.locks import is_held
from qdrant_admin.state.store import StateStore


class InterruptedCheck(NamedTuple):
    """The first scan of a check that never made its second one."""

    at: datetime
    report: str
    """As JSON: the report that this check would have written had it ended there."""


class InterruptedMigration(NamedTuple):
    """A run that has not come to its end, and that no process is working on."""

    run: str
    source: str
    """Its URI, without any secret."""
    held: tuple[str, ...]
    """Collections whose indexing it has held back and not given back."""


def check_lock(profile: str) -> Path:
    """The file that a check of this profile's server holds while it is at work."""
    return state_dir() / "runs" / f"check-{profile}.lock"


def keep_first_scan(store: StateStore, profile: str, report: str) -> None:
    """Keep what the first scan of a check saw, in place of anything that was kept before."""
    with store.connection() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO pending_checks (profile, at, report) VALUES (?, ?, ?)",
            (profile, datetime.now(UTC).isoformat(), report),
        )


def forget_check(store: StateStore, profile: str) -> None:
    """The check has ended: there is nothing to finish."""
    with store.connection() as connection:
        connection.execute("DELETE FROM pending_checks WHERE profile = ?", (profile,))


def interrupted_check(store: StateStore, profile: str) -> InterruptedCheck | None:
    """What a check that is no longer at work has left; None when none was interrupted."""
    with store.connection() as connection:
        row = connection.execute("SELECT at, report FROM pending_checks WHERE profile = ?", (profile,)).fetchone()
    if row is None or is_held(check_lock(profile)):
        return None
    return InterruptedCheck(datetime.fromisoformat(row["at"]), str(row["report"]))


def migration_lock(run: str) -> Path:
    """The file that a migration holds while a process is working on it."""
    return state_dir() / "runs" / f"{run}.lock"


def interrupted_migrations(store: StateStore, url: str) -> tuple[InterruptedMigration, ...]:
    """Those that wrote to the server at this URL, the latest first."""
    with store.connection() as connection:
        rows = connection.execute(
            "SELECT run, source FROM migration_runs WHERE state = 'running' AND target = ? ORDER BY updated_at DESC",
            (url,),
        ).fetchall()
        held: dict[str, list[str]] = {}
        for run, target in connection.execute("SELECT run, target FROM migration_held ORDER BY target"):
            held.setdefault(run, []).append(target)
    found = (InterruptedMigration(row["run"], row["source"], tuple(held.get(row["run"], ()))) for row in rows)
    return tuple(one for one in found if not is_held(migration_lock(one.run)))

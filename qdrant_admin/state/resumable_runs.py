"""What earlier operations left unfinished and can still be finished: a check without its second scan, a migration."""

from datetime import UTC, datetime
from typing import NamedTuple

from qdrant_admin.state import run_locks
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


def keep_first_scan(store: StateStore, profile: str, report: str) -> None:
    """Keep what the first scan of a check saw, in place of anything that was kept before."""
    with store.writing() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO pending_checks (profile, at, report) VALUES (?, ?, ?)",
            (profile, datetime.now(UTC).isoformat(), report),
        )


def forget_check(store: StateStore, profile: str) -> None:
    """The check has ended: there is nothing to finish."""
    with store.writing() as connection:
        connection.execute("DELETE FROM pending_checks WHERE profile = ?", (profile,))


def interrupted_check(store: StateStore, profile: str) -> InterruptedCheck | None:
    """What a check that is no longer at work has left; None when none was interrupted."""
    with store.reading() as connection:
        row = connection.execute("SELECT at, report FROM pending_checks WHERE profile = ?", (profile,)).fetchone()
    if row is None or run_locks.check(profile).busy:
        return None
    return InterruptedCheck(datetime.fromisoformat(row["at"]), str(row["report"]))


def interrupted_migrations(store: StateStore, url: str) -> tuple[InterruptedMigration, ...]:
    """Those that wrote to the server at this URL, the latest first."""
    with store.reading() as connection:
        rows = connection.execute(
            "SELECT run, source FROM migration_runs WHERE state = 'running' AND target = ? ORDER BY updated_at DESC",
            (url,),
        ).fetchall()
        held: dict[str, list[str]] = {}
        for run, target in connection.execute("SELECT run, target FROM migration_held ORDER BY target"):
            held.setdefault(run, []).append(target)
    found = (InterruptedMigration(row["run"], row["source"], tuple(held.get(row["run"], ()))) for row in rows)
    return tuple(one for one in found if not run_locks.migration(one.run).busy)

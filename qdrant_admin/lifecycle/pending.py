"""A check that was cut off between its two looks: what the first one saw is kept, so that it can still be finished."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from qdrant_admin.config.places import state_dir
from qdrant_admin.core.locks import is_held
from qdrant_admin.state.store import StateStore


class Pending(NamedTuple):
    """The first look of a check that has no second one."""

    at: datetime
    report: str
    """As JSON: the report that this check would have written had it ended there."""


def lock_of(profile: str) -> Path:
    """The file that a check of this profile's server holds while it is at work."""
    return state_dir() / "runs" / f"check-{profile}.lock"


def remember(store: StateStore, profile: str, report: str) -> None:
    """Keep what the first look saw, in place of anything that was kept before."""
    with store.connection() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO pending_checks (profile, at, report) VALUES (?, ?, ?)",
            (profile, datetime.now(UTC).isoformat(), report),
        )


def forget(store: StateStore, profile: str) -> None:
    """The check has ended: there is nothing to finish."""
    with store.connection() as connection:
        connection.execute("DELETE FROM pending_checks WHERE profile = ?", (profile,))


def pending(store: StateStore, profile: str) -> Pending | None:
    """What a check that is no longer at work has left; None when none was cut off."""
    with store.connection() as connection:
        row = connection.execute("SELECT at, report FROM pending_checks WHERE profile = ?", (profile,)).fetchone()
    if row is None or is_held(lock_of(profile)):
        return None
    return Pending(datetime.fromisoformat(row["at"]), str(row["report"]))

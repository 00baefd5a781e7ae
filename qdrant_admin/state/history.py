"""What finished operations and earlier starts leave behind, to look at and to compare with."""

import contextlib
import time
from collections.abc import Generator, Mapping
from datetime import UTC, datetime

from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Events, Finished, Notice
from qdrant_admin.state.store import StateStore

WHOLE_SERVER = ""
"""Stands for the server as a whole where others have the name of a collection."""
_KEPT = 10
"""Starts: enough to forget the odd one, few enough to follow a collection that grows."""


def recorded(store: StateStore, operation: str, profile: str, events: Events) -> Events:
    """Pass events through, and keep the report in the history when it comes.

    A history that cannot be written never costs anybody the report: it becomes a notice before the last event.
    """
    started_at, start = datetime.now(UTC), time.monotonic()
    try:
        for event in events:
            if isinstance(event, Finished):
                try:
                    store.record(
                        operation=operation,
                        profile=profile,
                        report=event.report,
                        started_at=started_at,
                        seconds=time.monotonic() - start,
                    )
                except AdminError as error:
                    yield Notice(level="warning", text=f"not kept in the history: {error}", fix=error.fix_on(profile))
            yield event
    finally:
        if isinstance(events, Generator):
            events.close()


def seen_in_docker_as(store: StateStore, profile: str) -> frozenset[str]:
    """Names of the containers and of the volumes or folders that a profile has had in Docker, as far as is known.

    Raises:
        StorageUnusable, Unsupported: the state cannot be read.
    """
    with store.reading() as connection:
        reported = connection.execute(
            "SELECT json_extract(report, '$.container'), json_extract(report, '$.storage.source') FROM history"
            " WHERE operation IN ('up', 'restart', 'adopt') AND profile = ? AND json_valid(report)"
            " AND json_extract(report, '$.runtime') = 'docker'",
            (profile,),
        ).fetchall()
        known = "SELECT place FROM storages WHERE profile = ? AND runtime = 'docker'"
        places = [str(row["place"]).partition(" ")[2] for row in connection.execute(known, (profile,))]
    return frozenset(str(name) for row in reported for name in row if name) | frozenset(places)


def usual_start_seconds(store: StateStore, profile: str) -> dict[str, float]:
    """The middle of the latest starts, by collection and for the `WHOLE_SERVER`; empty before the first."""
    seen: dict[str, list[float]] = {}
    with contextlib.suppress(AdminError), store.reading() as connection:
        query = "SELECT collection, seconds FROM starts WHERE profile = ?"
        for row in connection.execute(query, (profile,)):
            seen.setdefault(str(row["collection"]), []).append(float(row["seconds"]))
    from statistics import median

    return {name: median(seconds) for name, seconds in seen.items()}


def remember_start(store: StateStore, profile: str, seconds: Mapping[str, float]) -> None:
    """Keep what one start took, and forget collections that are gone. A store that cannot be written costs nobody the
    start itself.
    """
    now = datetime.now(UTC).isoformat()
    with contextlib.suppress(AdminError), store.writing() as connection:
        known = connection.execute("SELECT DISTINCT collection FROM starts WHERE profile = ?", (profile,)).fetchall()
        gone = {str(row["collection"]) for row in known} - seconds.keys()
        for name in gone:
            connection.execute("DELETE FROM starts WHERE profile = ? AND collection = ?", (profile, name))
        for name, took in seconds.items():
            connection.execute("INSERT INTO starts VALUES (?, ?, ?, ?)", (profile, name, now, took))
            connection.execute(
                "DELETE FROM starts WHERE profile = ?1 AND collection = ?2 AND rowid NOT IN"
                " (SELECT rowid FROM starts WHERE profile = ?1 AND collection = ?2 ORDER BY rowid DESC LIMIT ?3)",
                (profile, name, _KEPT),
            )

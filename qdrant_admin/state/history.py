"""What every finished operation leaves behind, so that there is something to look at and to compare with."""

import time
from collections.abc import Generator
from datetime import UTC, datetime

from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Events, Finished, Notice
from qdrant_admin.state.store import StateStore


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

"""The fingerprint of one collection by itself."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.database.fingerprint import Fingerprint, Reading
from qdrant_admin.database.gateway import Database


@contextmanager
def fingerprint(database: Database, name: str, earlier: Fingerprint | None = None) -> Iterator[Fingerprint]:
    reading = Reading(database, name, earlier)
    with closing(reading.digests):
        for _ in reading.pages(CancelToken()):
            pass
        yield reading.finish()

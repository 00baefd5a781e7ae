"""The keys of a Redis, listed once on disk: SCAN keeps no order, may give a key twice, and memory is for batches."""

import sqlite3
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from redis.exceptions import NoPermissionError, ResponseError

_SPREAD = 1000
_ENOUGH = 100
"""Vectors under a prefix that show in which field they are."""


class KeyList:
    """Keys by prefix, with the length of each field that may be a vector. Removed when it is closed.

    `thorough`: every field is asked of every hash, not only those that the hashes of a prefix usually have.
    """

    def __init__(self, fields: Sequence[str], *, thorough: bool) -> None:
        self.fields = tuple(fields)
        self._thorough = thorough
        self._votes: dict[bytes, Counter[str]] = {}
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="qdrant-admin-")
        place = Path(self._folder.name) / "keys.db"
        self._database = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        lengths = ", ".join(f"length{number} INTEGER" for number in range(len(self.fields)))
        self._database.execute(
            f"CREATE TABLE keys (prefix BLOB, key BLOB, {lengths}, PRIMARY KEY (prefix, key)) WITHOUT ROWID"
        )
        self._database.execute("CREATE TABLE others (prefix BLOB, key BLOB, PRIMARY KEY (prefix, key)) WITHOUT ROWID")

    def fill(self, client: Any, match: bytes, prefix: bytes | None) -> None:
        """List every key that fits a pattern, once. `prefix`: what all of them belong to; None when each key tells."""
        page: list[bytes] = []
        for key in client.scan_iter(match=match, count=_SPREAD):
            page.append(key)
            if len(page) == _SPREAD:
                self._look(client, page, prefix)
                page = []
        self._look(client, page, prefix)

    def prefixes(self) -> list[tuple[bytes, int, list[int]]]:
        """Each prefix, its number of hashes, and how many of them have each of the fields."""
        counts = ", ".join(f"sum(length{number} > 0)" for number in range(len(self.fields)))
        rows = self._rows(f"SELECT prefix, count(*), {counts} FROM keys GROUP BY prefix ORDER BY prefix")  # noqa: S608 # numbers
        return [(prefix, count, list(found)) for prefix, count, *found in rows]

    def others(self, prefix: bytes) -> int:
        return int(self._rows("SELECT count(*) FROM others WHERE prefix = ?", (prefix,))[0][0])

    def lengths(self, prefix: bytes, field: str) -> list[tuple[int, int]]:
        """Lengths of one field in bytes, and how many hashes have it so long; the most frequent first."""
        column = f"length{self.fields.index(field)}"
        return self._rows(
            f"SELECT {column}, count(*) FROM keys WHERE prefix = ? AND {column} > 0 GROUP BY 1 ORDER BY 2 DESC, 1",  # noqa: S608 # a number
            (prefix,),
        )

    def page(self, prefix: bytes, after: bytes, until: bytes | None, size: int) -> list[bytes]:
        """Keys behind one, in the order of their bytes."""
        end, ends = ("", ()) if until is None else (" AND key <= ?", (until,))
        query = f"SELECT key FROM keys WHERE prefix = ? AND key > ?{end} ORDER BY key LIMIT ?"  # noqa: S608 # a constant
        return [key for (key,) in self._rows(query, (prefix, after, *ends, size))]

    def borders(self, prefix: bytes, places: Sequence[int]) -> list[bytes]:
        """The keys at these places, the first being 1."""
        marks = ",".join("?" * len(places))
        numbered = "SELECT key, row_number() OVER (ORDER BY key) AS n FROM keys WHERE prefix = ?"
        query = f"SELECT key FROM ({numbered}) WHERE n IN ({marks}) ORDER BY n"  # noqa: S608 # marks
        return [key for (key,) in self._rows(query, (prefix, *places))]

    def close(self) -> None:
        with self._lock:
            self._database.close()
            self._folder.cleanup()

    def _look(self, client: Any, page: list[bytes], prefix: bytes | None) -> None:
        own = [key.rpartition(b":")[0] if prefix is None else prefix for key in page]
        asked = [self._asked(one) for one in own]
        pipeline = client.pipeline(transaction=False)
        for key, fields in zip(page, asked, strict=True):
            for field in fields:
                pipeline.hstrlen(key, field)
        answers = iter(pipeline.execute(raise_on_error=False))
        hashes, others = [], []
        for one, key, fields in zip(own, page, asked, strict=True):
            lengths = dict(zip(fields, answers, strict=False))
            if self._is_hash(lengths.values()):
                hashes.append((one, key, *(lengths.get(field, 0) for field in self.fields)))
                self._votes.setdefault(one, Counter()).update(field for field, octets in lengths.items() if octets)
            else:
                others.append((one, key))
        marks = ",".join("?" * (2 + len(self.fields)))
        self._add(f"INSERT OR IGNORE INTO keys VALUES ({marks})", hashes)  # noqa: S608 # marks
        self._add("INSERT OR IGNORE INTO others VALUES (?, ?)", others)

    def _is_hash(self, lengths: Iterable[object]) -> bool:
        for length in lengths:
            if isinstance(length, NoPermissionError):
                raise length
            if isinstance(length, ResponseError):
                return False
        return True

    def _asked(self, prefix: bytes) -> tuple[str, ...]:
        """Once enough hashes of a prefix have shown their fields, the rest is only asked for those: that is quicker."""
        votes = self._votes.get(prefix)
        if self._thorough or votes is None or votes.total() < _ENOUGH:
            return self.fields
        return tuple(field for field in self.fields if votes[field])

    def _add(self, query: str, rows: Iterable[tuple[object, ...]]) -> None:
        with self._lock:
            self._database.execute("BEGIN")
            self._database.executemany(query, rows)
            self._database.execute("COMMIT")

    def _rows(self, query: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(query, parameters).fetchall()

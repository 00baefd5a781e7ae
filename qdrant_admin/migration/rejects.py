"""The reject file of a run: one JSON line a record that was not stored, with its reason and all of its content."""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

from qdrant_admin.config.places import state_dir
from qdrant_admin.database.models import Sparse, Vector
from qdrant_admin.migration.checks import Refusal
from qdrant_admin.migration.reports import Reject


class RejectFile:
    """Appended to as records are refused; made with the first of them."""

    def __init__(self, run: str) -> None:
        self.path = state_dir() / "rejects" / f"{run}.jsonl"

    def cut(self, octets: int) -> None:
        """Forget what was written behind the last checkpoint: those records come again."""
        if self.path.exists() and self.path.stat().st_size > octets:
            os.truncate(self.path, octets)

    def append(self, collection: str, refusals: Iterable[Refusal]) -> int:
        """Write them down durably; returns the length of the file."""
        lines = [json.dumps(_line(collection, refusal), default=str) + "\n" for refusal in refusals]
        if lines:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self.path.open("a", encoding="ascii") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
        return self.path.stat().st_size if self.path.exists() else 0

    def first(self, limit: int = 100) -> tuple[Reject, ...]:
        """The first records refused, for the report."""
        return tuple(
            Reject(collection=line["collection"], id=str(line["id"]), reason=line["reason"])
            for line, _ in zip(self._lines(), range(limit), strict=False)
        )

    def _lines(self) -> Iterator[dict[str, Any]]:
        with contextlib.suppress(FileNotFoundError), self.path.open(encoding="ascii") as file:
            for line in file:
                yield json.loads(line)


def _line(collection: str, refusal: Refusal) -> dict[str, Any]:
    record = refusal.record
    return {
        "collection": collection,
        "id": record.id,
        "reason": refusal.reason,
        "payload": record.payload,
        "vectors": {name: _vector(vector) for name, vector in record.vectors.items()},
    }


def _vector(vector: Vector) -> Any:
    if isinstance(vector, Sparse):
        return {"indices": vector.indices.tolist(), "values": vector.values.tolist()}
    return vector.tolist()

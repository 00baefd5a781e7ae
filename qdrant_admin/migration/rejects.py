"""The reject file of a run: one JSON line per record that was not stored, with the reason and its whole content.

The first line says how the collections are created, so that the file can be repaired by hand and replayed anywhere.
"""

import contextlib
import json
import os
import shlex
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from qdrant_admin.config.places import state_dir
from qdrant_admin.core.errors import Failed
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.core.serialization import jsonable
from qdrant_admin.database.models import Sparse, Vector
from qdrant_admin.migration.copy.checks import Refusal
from qdrant_admin.migration.reports import PlanReport, Reject
from qdrant_admin.sources.files.reject_file import HEAD
from qdrant_admin.sources.ids import WORDS_FOLDING, canonical_uuid


def reject_file(run: str) -> Path:
    return state_dir() / "rejects" / f"{run}.jsonl"


class RejectFile:
    """Created with the first record that is rejected."""

    def __init__(self, plan: PlanReport) -> None:
        self.path = reject_file(plan.run)
        self._stops = plan.on_reject == "fail"
        self._latest: list[dict[str, object]] = []
        self._plan = plan
        self._plans = {planned.source: planned for planned in plan.collections}

    def cut(self, octets: int) -> None:
        """Remove what was written after the last checkpoint: those records are read again."""
        if self.path.exists() and self.path.stat().st_size > octets:
            os.truncate(self.path, octets)

    def append(self, collection: str, refusals: Iterable[Refusal]) -> int:
        """Append records durably; returns the length of the file."""
        lines = [self._line(collection, refusal) for refusal in refusals]
        if lines:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self.path.open("a", encoding="ascii") as file:
                begun = [] if file.tell() else [self._head()]
                file.writelines(json.dumps(line, default=str) + "\n" for line in [*begun, *lines])
                file.flush()
                os.fsync(file.fileno())
            self._latest = lines
        return self.path.stat().st_size if self.path.exists() else 0

    def check(self) -> None:
        """`Failed` if a record was rejected and the plan is to stop then; call it after moving the checkpoint."""
        if not (self._stops and self._latest):
            return
        first = self._latest[0]
        raise Failed(
            f"{counted(len(self._latest), 'record')} cannot be stored as they are, and the plan says to stop then",
            why=f"{plain(first['id'])} of {plain(first['collection'])}: {first['reason']}; all of it is in {self.path}",
            fix=f"less {shlex.quote(str(self.path))}",
        )

    def first(self, limit: int = 100) -> tuple[Reject, ...]:
        keys = ("collection", "id", "reason")
        return tuple(Reject(**{key: str(line[key]) for key in keys}) for line in islice(self._lines(), limit))

    def _lines(self) -> Iterator[dict[str, object]]:
        with contextlib.suppress(FileNotFoundError), self.path.open(encoding="ascii") as file:
            yield from (line for line in map(json.loads, file) if HEAD not in line)

    def _head(self) -> dict[str, object]:
        made = {planned.target: jsonable(planned.spec) for planned in self._plan.collections}
        return {HEAD: 1, "run": self._plan.run, "source": self._plan.source, "collections": made}

    def _line(self, collection: str, refusal: Refusal) -> dict[str, object]:
        record, planned = refusal.record, self._plans[collection]
        folds = planned.ids == WORDS_FOLDING and isinstance(record.id, str)
        line: dict[str, object] = {
            "collection": collection,
            "target": planned.target,
            # If all spellings of a UUID are one point, the canonical one is written: readers need not know.
            "id": (canonical_uuid(str(record.id)) if folds else None) or record.id,
            "reason": refusal.reason,
            "payload": record.payload,
            "vectors": {name: vector_json(vector) for name, vector in record.vectors.items()},
        }
        return line | ({"unread": record.unread} if record.unread else {})


def vector_json(vector: Vector) -> object:
    if isinstance(vector, Sparse):
        return {"indices": vector.indices.tolist(), "values": vector.values.tolist()}
    return vector.tolist()

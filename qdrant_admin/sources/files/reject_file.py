"""The reject file of an earlier run, mended by hand: every record goes where it was going."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.models import CollectionSpec, VectorKind
from qdrant_admin.sources.base import Batch, Cursor, Payload, Record, SourceCollection
from qdrant_admin.sources.detect import wrong_kind
from qdrant_admin.sources.files.tables import key_of, refuse_vector
from qdrant_admin.sources.files.text import lines, object_in
from qdrant_admin.sources.files.values import NO_ID, Unfit, identity, vector_of
from qdrant_admin.sources.reader import FileReader

HEAD = "qdrant_admin_rejects"
"""The key by which the first line of a reject file is told from a record."""
_NO_VECTOR = "it has no vector"
_NEVER_READ = {"line", "row", "id"}
"""What stands for a whole record that could not be read; where a vector could not, its name stands there."""


class RejectedRecords(FileReader):
    """A `Source` over one reject file. Its collections are the targets of that run."""

    kind = "reject file of an earlier run"
    vectorless = True

    def open(self) -> Iterable[str]:
        """Look at every line. Every id stands there as it is to be mapped from here on."""
        if not self.path.is_file():
            raise wrong_kind(self.path, "a reject file")
        self.watch([self.path])
        self._specs: dict[str, CollectionSpec] = {}
        self._places: dict[str, dict[int | str, int]] = {}
        self._repeated: dict[str, int] = {}
        for number, line in enumerate(lines(self.path), 1):
            if line.octets.strip():
                self._look(_object(self.path, number, line.octets), number, line.begins)
        return sorted(self._places)

    def describe(self, name: str) -> SourceCollection:
        again = self._repeated.get(name, 0)
        words = f"{counted(again, 'line')} with an id that is repeated further down: the last one is taken"
        count, warnings = len(self._places[name]), (words,) if again else ()
        return SourceCollection(name=name, count=count, spec=self._specs[name], warnings=warnings)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:  # noqa: ARG002 # it has but one span
        wanted = sorted(self._places[name].values())
        kinds = {slot.name: slot.kind for slot in self._specs[name].vectors}
        behind = -1 if after is None else int(after)
        places = iter([place for place in wanted if place > behind])
        while part := list(islice(places, size)):
            self.check_unchanged()
            yield Batch([self._record(place, kinds) for place in part], part[-1])

    def _look(self, found: Payload, number: int, place: int) -> None:
        if HEAD in found:
            try:
                specs = found["collections"].items()
                self._specs |= {name: CollectionSpec.model_validate(spec) for name, spec in specs}
            except (ValueError, KeyError, AttributeError) as error:
                raise _no_line(self.path, number, f"its first line is damaged ({type(error).__name__})") from error
            return
        target = found.get("target")
        if not isinstance(target, str) or target not in self._specs:
            why = f"no line before it says what the collection {plain(target)} is made with"
            raise _no_line(self.path, number, why)
        try:
            known = identity(found.get("id"))
        except Unfit as error:
            raise _no_line(self.path, number, f"its id {error}") from error
        if known == NO_ID:
            raise _no_line(self.path, number, "it has no id")
        places = self._places.setdefault(target, {})
        if key_of(known) in places:
            self._repeated[target] = self._repeated.get(target, 0) + 1
        places[key_of(known)] = place

    def _record(self, place: int, kinds: dict[str, VectorKind]) -> Record:
        line = next(lines(self.path, place))
        found = _object(self.path, 0, line.octets)
        payload, vectors, unread = found.get("payload") or {}, found.get("vectors") or {}, found.get("unread") or {}
        record = Record(identity(found["id"]))
        if not isinstance(payload, dict) or not isinstance(vectors, dict) or not isinstance(unread, dict):
            record.trouble = "its payload or its vectors are not an object"
            record.unread = {name: found.get(name) for name in ("payload", "vectors", "unread")}
            return record
        record.payload = payload
        for name, value in vectors.items():
            try:
                record.vectors[name] = vector_of(value, kinds.get(name, "dense"))
            except Unfit as error:
                refuse_vector(record, name, value, error)
        mended = (vectors.keys() | ({"vector"} if "" in vectors else set())) - _NEVER_READ
        missing = {name: value for name, value in unread.items() if name not in mended}
        reason = str(found.get("reason") or "it could not be read")
        if missing:
            record.trouble, record.unread = record.trouble or reason, record.unread | missing
        elif not vectors and reason == _NO_VECTOR:
            record.trouble = record.trouble or reason
        return record


def _object(path: Path, number: int, octets: bytes) -> Payload:
    found = object_in(octets)
    if isinstance(found, Unfit):
        raise _no_line(path, number, str(found))
    return found


def _no_line(path: Path, number: int, why: str) -> SourceUnreadable:
    what = f"line {number} of {plain(path)} is no rejected record"
    return SourceUnreadable(what, why=why, fix=f'sed -n {number}p "{path}"')

"""A FAISS index file as a source, with the payload that lies beside it."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput, SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import CollectionSpec, Distance, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Batch, Cursor, Record, SourceCollection, Span, cut, option
from qdrant_admin.sources.detect import wrong_kind
from qdrant_admin.sources.faiss.rows import open_rows
from qdrant_admin.sources.faiss.sidecar import find_sidecar, open_sidecar
from qdrant_admin.sources.read_only import cannot_read
from qdrant_admin.sources.reader import FileReader


class FaissIndex(FileReader):
    """A `Source` over one index: one collection, called after the file, or after the folder when that was named."""

    kind = "FAISS index"

    def open(self) -> Iterable[str]:
        self.path = _file(self.uri.path)
        beside = find_sidecar(self.path, self.uri.options.get("payload"))
        self.watch([self.path, *([beside] if beside else [])])
        try:
            lossy = option(self.uri.options, "lossy", {"yes": True, "no": False}, otherwise=False)
            self._rows = open_rows(self.path, lossy=lossy)
        except OSError as error:
            raise cannot_read(self.path, str(error.strerror)) from error
        self._sidecar = open_sidecar(beside, self._rows)
        return [self.path.stem if self.path == self.uri.path else self.uri.path.name]

    def describe(self, name: str) -> SourceCollection:
        """Its ids are all looked at, its vectors are not."""
        rows = self._rows
        distance = self.distance_asked or rows.distance
        if distance is None:
            raise SourceUnreadable(
                f"{plain(self.path)} compares vectors in a way that Qdrant does not know",
                why="Qdrant has Cosine, Dot, Euclid and Manhattan",
                fix="add ?distance=Euclid, or another of these, to the source",
            )
        sample = [record for record in self._records(0, min(rows.count, layouts.SAMPLE)) if not record.trouble]
        layout = layouts.recognised([record.payload for record in sample])
        spec = CollectionSpec(vectors=(VectorSpec(size=rows.size, distance=distance),))
        spec, words = layouts.fitted(spec, layout), "; ".join(self._words(layout))
        count, warnings = rows.count - self._sidecar.deleted, tuple(self._warnings(rows.distance, layout, sample))
        return SourceCollection(
            name=name, count=count, spec=spec, payload=words, warnings=warnings, duplicate_ids=self._repeated()
        )

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:  # noqa: ARG002 # it has but one collection
        return cut(range(1, self._rows.count + 1), parts)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:  # noqa: ARG002 # it has but one collection
        last = self._rows.count if until is None else int(until)
        for start in range(int(after or 0), last, size):
            stop = min(start + size, last)
            records = list(self._records(start, stop))
            self.check_unchanged()
            yield Batch(records, stop)
        self.check_unchanged()

    def close(self) -> None:
        super().close()
        self.__dict__.pop("_rows", None)
        self.__dict__.pop("_sidecar", None)

    def _records(self, start: int, stop: int) -> Iterator[Record]:
        if start == stop:
            return
        ids, vectors = self._rows.ids(start, stop), self._rows.vectors(start, stop)
        for row, (own, vector) in enumerate(zip(ids.tolist(), vectors, strict=True), start):
            try:
                found = self._sidecar.at(row, own)
            except ValueError as error:
                yield Record(own, {}, {"": vector}, trouble=str(error))
                continue
            if found is not None:
                yield Record(*found, {"": vector})

    def _repeated(self) -> int:
        if self._sidecar.repeated is not None or not self._rows.own_ids:
            return self._sidecar.repeated or 0
        ids = self._rows.ids(0, self._rows.count)
        return len(ids) - len(np.unique(ids))

    def _words(self, layout: layouts.Layout) -> Iterator[str]:
        yield self._sidecar.words
        if layout != "plain":
            yield layouts.words(layout)
        if self._sidecar.repeated is None:
            yield "the ids of FAISS" if self._rows.own_ids else "row numbers as ids, with which FAISS itself answers"

    def _warnings(self, own: Distance | None, layout: layouts.Layout, sample: list[Record]) -> Iterator[str]:
        if self._rows.loss:
            yield f"its vectors are not exactly those that were added: {self._rows.loss}"
        yield from self._sidecar.warnings
        if own is not None:
            unit = layouts.unit_length([np.asarray(record.vectors[""]) for record in sample])
            yield from layouts.distance_notes(own, self.distance_asked, unit=unit, layout=layout)


def _file(path: Path) -> Path:
    """The index itself: of a folder the only one in it, as LangChain, Mem0 and LlamaIndex leave it."""
    if path.is_file():
        return path
    found = [*path.glob("*.faiss"), *path.glob("default__vector_store.json")]
    if not found:
        raise wrong_kind(path, "a FAISS index")
    if len(found) > 1:
        shown = ", ".join(sorted(plain(one.name) for one in found)[:10])
        what = f"{plain(path)} holds several FAISS indexes"
        raise BadInput(what, why=f"they are {shown}", fix=Command("migrate", f"faiss:{min(found)}"))
    return found[0]

"""A Milvus server as a source. Its keys are walked through once: that counts them exactly, and shows where to cut."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qdrant_admin.core.errors import AdminError, SourceUnreadable
from qdrant_admin.core.text import plain
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Batch, Cursor, SourceCollection, Span, cut, no_such_collection
from qdrant_admin.sources.files import column_layout
from qdrant_admin.sources.files.column_layout import ColumnLayout
from qdrant_admin.sources.milvus.client import LONGEST_PAGE, Milvus
from qdrant_admin.sources.milvus.schema import META, PARTITION, Schema
from qdrant_admin.sources.milvus.values import record_of
from qdrant_admin.sources.uri import SourceUri

_EVERY = 1000
"""One key in so many is remembered, as a place to cut at."""


@dataclass(frozen=True, slots=True)
class _Survey:
    """What one walk through the keys of a collection has found."""

    count: int
    places: list[Cursor]


class MilvusServer:
    """A `Source` over one database of one server."""

    vectorless = False
    folds_uuids = False

    def __init__(self, uri: SourceUri) -> None:
        self._uri = uri
        self._layout_asked = layouts.layout_option(uri.options)
        self._distance_asked = layouts.distance_option(uri.options)
        self._milvus = Milvus(uri)
        self.kind = f"Milvus server {self._milvus.version}"
        self._schemas: dict[str, Schema] = {}
        self._layouts: dict[str, ColumnLayout] = {}
        self._surveys: dict[str, _Survey] = {}
        self._loaded: list[str] = []
        if uri.collection is not None and uri.collection not in self._milvus.names:
            self._milvus.close()
            raise no_such_collection(uri.collection, self._milvus.names)

    def collections(self) -> list[SourceCollection]:
        """Every collection, its keys counted one by one: the server's own count has deleted and doubled ones in it."""
        return [self._describe(name) for name in self._milvus.names if self._uri.collection in (None, name)]

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        """Cut at keys."""
        return cut(self._survey(name).places, parts)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        """Records by partition, if people have made any, and then by key."""
        schema, layout = self._schema(name), self._layout(name)
        partitions = sorted(schema.partitions) or [""]
        first, above = _place(after, partitions[0])
        last, to = _place(until, partitions[-1])
        for partition in partitions:
            if not first <= partition <= last:
                continue
            lower, upper = above if partition == first else None, to if partition == last else None
            for page in self._milvus.pages(schema, ["*"], partition, size, lower, upper):
                records = [record_of(schema, layout, row, _nested(schema, row), partition) for row in page]
                yield Batch(records, _cursor(partition, page[-1][schema.key]))

    def close(self) -> None:
        """Close the connection; what was loaded for us is released again."""
        for name in self._loaded:
            with contextlib.suppress(AdminError):
                self._milvus.release(name)
        self._loaded.clear()
        self._milvus.close()

    def _describe(self, name: str) -> SourceCollection:
        schema = self._schema(name)
        spec = schema.spec()
        layout = self._layout(name).layout
        words = [layouts.words(layout)] if layout != "plain" else ["every field under its own name"]
        if schema.partitions:
            words.append(f"the name of the partition in {PARTITION}")
        return SourceCollection(
            name=name,
            count=self._survey(name).count,
            spec=layouts.fitted(spec, layout, self._distance_asked),
            payload="; ".join(words),
            aliases=self._milvus.aliases(name),
            warnings=tuple(schema.warnings()),
        )

    def _schema(self, name: str) -> Schema:
        if name not in self._schemas:
            self._schemas[name] = self._milvus.schema(name)
            if not self._milvus.is_loaded(name):
                self._load(name)
        return self._schemas[name]

    def _load(self, name: str) -> None:
        if self._uri.options.get("load") != "yes":
            raise SourceUnreadable(
                f"Milvus has not loaded collection {plain(name)}",
                why="only what is loaded can be read, and loading takes memory on that server",
                fix="add ?load=yes to the source: it is loaded, and released at the end",
            )
        self._milvus.load(name)
        self._loaded.append(name)

    def _layout(self, name: str) -> ColumnLayout:
        if name not in self._layouts:
            schema = self._schema(name)
            page: list[Mapping[str, Any]] = next(self._milvus.pages(schema, ["*"], "", layouts.SAMPLE, None, None), [])
            sample = [schema.columns(_nested(schema, row), "") for row in page]
            self._layouts[name] = column_layout.recognised(sample, self._layout_asked, langchain=schema.langchain)
        return self._layouts[name]

    def _survey(self, name: str) -> _Survey:
        if name not in self._surveys:
            schema, count = self._schema(name), 0
            places: list[Cursor] = []
            for partition in sorted(schema.partitions) or [""]:
                for page in self._milvus.pages(schema, [schema.key], partition, LONGEST_PAGE, None, None):
                    # The last of every thousand, so that what lies between two of them is a thousand records.
                    inside = range(_EVERY - 1 - count % _EVERY, len(page), _EVERY)
                    places += [_cursor(partition, page[place][schema.key]) for place in inside]
                    count += len(page)
            self._surveys[name] = _Survey(count, places)
        return self._surveys[name]


def _cursor(partition: str, key: int | str) -> str:
    return json.dumps([partition, key])


def _place(cursor: Cursor, otherwise: str) -> tuple[str, int | str | None]:
    if cursor is None:
        return otherwise, None
    partition, key = json.loads(str(cursor))
    return partition, key


def _nested(schema: Schema, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the server keeps it: pymilvus has put the fields that no schema names among the others."""
    known = {field.name for field in schema.fields}
    named = {name: value for name, value in row.items() if name in known}
    dynamic = {name: value for name, value in row.items() if name not in known and name != META}
    return named | {META: dynamic}

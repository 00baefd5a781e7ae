"""What a Milvus server is asked, through pymilvus, and its faults in the user's terms."""

import contextlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from qdrant_admin.core.errors import AccessDenied, AdminError, ServerTrouble, ServerUnreachable, SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.sources import HELP, RESUME, layouts
from qdrant_admin.sources.base import Batch, Cursor, Fields, Payload, SourceCollection, Span, cut
from qdrant_admin.sources.layouts import ColumnLayout
from qdrant_admin.sources.milvus.schema import META, Field, Schema, own_partitions, record_of
from qdrant_admin.sources.reader import once
from qdrant_admin.sources.servers import ServerReader
from qdrant_admin.sources.uri import KEY_VARIABLE, source_key

LONGEST_PAGE = 16_384
_TIMEOUT_SECONDS = 30.0
_UNREACHABLE = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "Fail connecting", "server unavailable")
_DENIED = ("UNAUTHENTICATED", "PERMISSION_DENIED", "auth check failure", "permission deny", "invalid credential")
_BUSY = ("RATE_LIMIT", "rate limit", "RESOURCE_EXHAUSTED", "quota exceeded")
_EVERY = 1000
"""One key in so many is remembered, as a place to cut at."""


class MilvusServer(ServerReader):
    def open(self) -> Iterable[str]:
        from pymilvus import MilvusClient

        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it prints a traceback for each fault it raises
        access = {"uri": self.url, "token": source_key() or "", "db_name": self.uri.options.get("database", "")}
        self._client: Any = self._asked(MilvusClient, **access)
        self.resources.callback(self._client.close)
        self.kind = f"Milvus server {self._asked(self._client.get_server_version)}"
        return sorted(self._asked(self._client.list_collections))

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        return cut(self._survey(name)[1], parts)

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
            for page in self._pages(schema, ["*"], partition, size, lower, upper):
                records = [record_of(schema, layout, row, _nested(schema, row), partition) for row in page]
                yield Batch(records, json.dumps([partition, page[-1][schema.key]]))

    def describe(self, name: str) -> SourceCollection:
        """Its keys are counted one by one: in the server's own count are deleted and repeated ones."""
        schema = self._schema(name)
        spec, layout = schema.spec(), self._layout(name).layout
        aliases = tuple(sorted(self._asked(self._client.list_aliases, collection_name=name).get("aliases") or ()))
        spec = layouts.fitted(spec, layout, self.distance_asked)
        return schema.described(name, self._survey(name)[0], spec, layout, aliases)

    @once
    def _schema(self, name: str) -> Schema:
        schema = self._declared(name)
        state = self._asked(self._client.get_load_state, collection_name=name)["state"]
        if str(getattr(state, "name", state)) != "Loaded":
            self._load(name)
        return schema

    def _declared(self, name: str) -> Schema:
        found = self._asked(self._client.describe_collection, collection_name=name)
        made = {output for function in found.get("functions", []) for output in function["output_field_names"]}
        metrics = {}
        for index in self._asked(self._client.list_indexes, collection_name=name):
            described = self._asked(self._client.describe_index, collection_name=name, index_name=index) or {}
            if "metric_type" in described:
                metrics[str(described.get("field_name", index))] = str(described["metric_type"]).upper()
        partitions = list(self._asked(self._client.list_partitions, collection_name=name))
        structs = (Field(str(one["name"]), "array_of_struct") for one in found.get("struct_array_fields") or ())
        fields = (*(_field(one, made) for one in found["fields"]), *structs)
        key = next(field.name for field in fields if field.primary)
        return Schema(name, key, fields, metrics, own_partitions(partitions))

    def _load(self, name: str) -> None:
        if self.uri.options.get("load") != "yes":
            raise SourceUnreadable(
                f"Milvus has not loaded collection {plain(name)}",
                why="only what is loaded can be read, and loading takes memory on that server",
                fix="add ?load=yes to the source: it is loaded, and released at the end",
            )
        self.ask(self._client.load_collection, collection_name=name)
        self.resources.callback(self._release, name)

    def _release(self, name: str) -> None:
        with contextlib.suppress(AdminError):
            self._asked(self._client.release_collection, collection_name=name)

    @once
    def _layout(self, name: str) -> ColumnLayout:
        schema = self._schema(name)
        page: list[Fields] = next(self._pages(schema, ["*"], "", layouts.SAMPLE), [])
        sample = [schema.columns(_nested(schema, row), "") for row in page]
        return layouts.column_layout(sample, self.layout_asked, langchain=schema.langchain)

    @once
    def _survey(self, name: str) -> tuple[int, list[Cursor]]:
        """How many records there are, and cursors to cut at."""
        schema, count = self._schema(name), 0
        places: list[Cursor] = []
        for partition in sorted(schema.partitions) or [""]:
            for page in self._pages(schema, [schema.key], partition, LONGEST_PAGE):
                # The last of every thousand, so that what lies between two of them is a thousand records.
                inside = range(_EVERY - 1 - count % _EVERY, len(page), _EVERY)
                places += [json.dumps([partition, page[place][schema.key]]) for place in inside]
                count += len(page)
        return count, places

    def _pages(
        self, schema: Schema, fields: list[str], partition: str, size: int, above: Cursor = None, to: Cursor = None
    ) -> Iterator[Any]:
        """Pages of records with keys above one and up to another, ascending, from one moment of the server."""
        while True:
            for page in self._iterated(schema, fields, partition, size, above, to):
                yield page
                above = page[-1][schema.key]
                if _breaks_out(above):
                    break
            else:
                return

    def _iterated(
        self, schema: Schema, fields: list[str], partition: str, size: int, above: Cursor, to: Cursor
    ) -> Iterator[Any]:
        """Pages of one iterator of pymilvus. It may be asked for no page behind a key that `_breaks_out`."""
        pages = self._asked(
            self._client.query_iterator,
            collection_name=schema.name,
            batch_size=min(size, LONGEST_PAGE),
            filter=_range(schema, above, to),
            output_fields=fields,
            partition_names=[partition] if partition else None,
            consistency_level="Strong",
        )
        try:
            while page := self.ask(pages.next):
                yield page
        finally:
            self.ask(pages.close)

    def _asked(self, call: Callable[..., Any], **arguments: object) -> Any:
        return self.ask(call, timeout=_TIMEOUT_SECONDS, **arguments)

    def translated(self, error: Exception) -> AdminError:
        text = f"{getattr(error, 'code', '')} {error}"
        why = plain((str(getattr(error, "message", "")) or str(error)).partition("\n")[0][:300])
        if any(sign in text for sign in _DENIED):
            fix = f"export {KEY_VARIABLE}=USER:PASSWORD  # or an API key"
            return AccessDenied(f"Milvus at {self.url} refuses access", why=why, fix=fix)
        if any(sign in text for sign in _UNREACHABLE):
            return ServerUnreachable(f"no Milvus answers at {self.url}", why=why, fix=RESUME)
        if any(sign in text for sign in _BUSY):
            return ServerTrouble(f"Milvus at {self.url} is too busy", why=why, fix=RESUME)
        return SourceUnreadable(f"Milvus at {self.url} cannot be read", why=why, fix=HELP)


def _field(found: Fields, made: set[str]) -> Field:
    kind = found["type"]
    dimension = (found.get("params") or {}).get("dim")
    return Field(
        name=str(found["name"]),
        kind=str(getattr(kind, "name", kind)).lower().strip("_"),
        size=None if dimension is None else int(dimension),
        primary=bool(found.get("is_primary")),
        computed=found["name"] in made,
    )


def _range(schema: Schema, above: Cursor, to: Cursor) -> str:
    """A condition on the key, always: pymilvus's own leaves out the largest integer and the empty text."""
    text = schema.kind(schema.key) == "varchar"
    lowest = f'{schema.key} >= ""' if text else f"{schema.key} <= {(1 << 63) - 1}"
    parts = [lowest if above is None else f"{schema.key} > {_literal(above)}"]
    if to is not None:
        parts.append(f"{schema.key} <= {_literal(to)}")
    return " and ".join(parts)


def _literal(key: int | str) -> str:
    return str(key) if isinstance(key, int) else json.dumps(key, ensure_ascii=False)


def _breaks_out(key: int | str) -> bool:
    """Whether pymilvus would ask for the wrong thing behind this key: it puts it between quotes just as it is."""
    return isinstance(key, str) and not (key.isprintable() and not {'"', "\\"} & {*key})


def _place(cursor: Cursor, otherwise: str) -> tuple[str, int | str | None]:
    if cursor is None:
        return otherwise, None
    partition, key = json.loads(str(cursor))
    return partition, key


def _nested(schema: Schema, row: Fields) -> Payload:
    """The row as the server keeps it: pymilvus puts dynamic fields among the others."""
    known = {field.name for field in schema.fields}
    named = {name: value for name, value in row.items() if name in known}
    dynamic = {name: value for name, value in row.items() if name not in known and name != META}
    return named | {META: dynamic}

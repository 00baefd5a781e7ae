"""What Elasticsearch and OpenSearch have in common: every index with vectors is a collection.

Read at one point in time, in the order in which the documents were last written: `_seq_no` stays the same for as long
as a document does, so that a later run can go on where an earlier one stopped.
"""

import contextlib
import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from typing import Any
from urllib.parse import urlsplit

from qdrant_admin.core.commands import install_command
from qdrant_admin.core.errors import AdminError, SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import CollectionSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Batch, Cursor, Payload, SourceCollection
from qdrant_admin.sources.reader import once
from qdrant_admin.sources.search.mapping import Shape, layout_of, vector_fields, without_vectors
from qdrant_admin.sources.servers import ServerReader
from qdrant_admin.sources.uri import source_key

KEPT_ALIVE = "10m"


class SearchServer(ServerReader):
    """A `Source` over one cluster."""

    vectorless = True

    def open(self) -> Iterable[str]:
        self._notes: dict[str, list[str]] = {}
        self._client = self._connected()
        self.resources.callback(self._client.close)
        self.kind = f"{self.title} {plain(self.ask(self._client.info)['version']['number'])}"
        self._mappings = self._indices()
        return sorted(self._mappings)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:  # noqa: ARG002 # it has but one span
        shape = self._shape(name)
        behind = None if after is None else json.loads(str(after))
        for hits in self._hits(name, shape, size, behind):
            yield Batch([shape.record(hit) for hit in hits], json.dumps(self._behind(hits[-1])))

    @abstractmethod
    def _connected(self) -> Any: ...

    @abstractmethod
    def _open_point(self, index: str) -> str: ...

    @abstractmethod
    def _close_point(self, point: str) -> None: ...

    @abstractmethod
    def _search(self, point: dict[str, str], shape: Shape, size: int, behind: list[object] | None) -> Any: ...

    def _behind(self, hit: Payload) -> list[object]:
        """Where to go on behind a hit, in any later point in time."""
        return list(hit["sort"])

    def _indices(self) -> dict[str, Payload]:
        """Name to fields of every index with vectors; those that begin with a dot are the server's own."""
        found = {}
        for name, index in self.ask(self._client.indices.get_mapping).items():
            properties = (index.get("mappings") or {}).get("properties") or {}
            notes: list[str] = []
            if not name.startswith(".") and vector_fields(properties, self.distance_asked, notes):
                found[str(name)] = properties
                self._notes[str(name)] = notes
        return found

    @cached_property
    def _aliases(self) -> dict[str, list[str]]:
        """Alias to its indices."""
        found: dict[str, list[str]] = {}
        for index, known in self.ask(self._client.indices.get_alias).items():
            for alias in known.get("aliases") or {}:
                found.setdefault(str(alias), []).append(str(index))
        return found

    def describe(self, name: str) -> SourceCollection:
        shape, aliases = self._shape(name), self._aliases
        notes = list(self._notes[name])
        own = sorted(alias for alias, indices in aliases.items() if name in indices)
        shared = [alias for alias in own if len(aliases[alias]) > 1]
        notes += [f"the alias {plain(alias)} stands for several indices, which Qdrant has not" for alias in shared]
        names = [alias for alias in own if alias not in shared]
        count = int(self.ask(self._client.count, index=name)["count"])
        words = self.layout_words(shape.layout, "what its records hold")
        spec = None
        if all(field.size for field in shape.fields):
            spec = layouts.fitted(CollectionSpec(vectors=shape.slots()), shape.layout)
        return SourceCollection(
            name=name, count=count, spec=spec, payload=words, aliases=tuple(names), warnings=tuple(notes)
        )

    @once
    def _shape(self, name: str) -> Shape:
        fields = vector_fields(self._mappings[name], self.distance_asked, [])
        first = next(self._hits(name, Shape(fields, "plain"), layouts.SAMPLE, None), [])
        layout = self.layout_asked or layout_of([without_vectors(hit, fields) for hit in first])
        return Shape(fields, layout)

    def _hits(self, name: str, shape: Shape, size: int, behind: list[Any] | None) -> Iterator[list[Payload]]:
        point = self.ask(self._open_point, index=name)
        try:
            while True:
                held = {"id": point, "keep_alive": KEPT_ALIVE}
                answer = self.ask(partial(self._search, held, shape, size, behind))
                self._whole(name, answer)
                hits = list(answer["hits"]["hits"])
                if not hits:
                    return
                yield hits
                point, behind = answer.get("pit_id", point), self._behind(hits[-1])
        finally:
            with contextlib.suppress(AdminError):  # the server lets go of it by itself a little later
                self.ask(self._close_point, point=point)

    def _whole(self, name: str, answer: Any) -> None:
        """Refuse an answer that a shard is missing from: it looks like one with fewer documents."""
        shards = answer.get("_shards") or {}
        if answer.get("timed_out") or shards.get("failed"):
            failed = f"{shards.get('failed')} of {shards.get('total')} shards failed"
            raise SourceUnreadable(
                f"{plain(name)} did not answer completely",
                why="it timed out" if answer.get("timed_out") else failed,
                fix=f"curl {self.url}/_cluster/health",
            )

    def translated(self, error: Exception) -> AdminError:
        status = getattr(error, "status_code", None)
        if status is None and type(error).__name__ == "UnsupportedProductError":
            return SourceUnreadable(f"what answers at {self.url} is no {self.title}", why=plain(str(error))[:200])
        code = status if isinstance(status, int) else None
        headers = getattr(getattr(error, "meta", None), "headers", None) or {}
        return self.fault(error, status=code, wait=headers.get("retry-after"))

    def _certificates(self) -> Payload:
        given = self.uri.options.get("ca_certs")
        return {} if given is None else {"ca_certs": given}

    def _credentials(self) -> tuple[str, str] | None:
        """User and password, when the key is of that form."""
        user, colon, password = (source_key() or "").partition(":")
        return (user, password) if colon else None


_LATEST_OF_SHARD = 0xFFFF_FFFF
"""Behind every document of one shard, in the lower half of `_shard_doc`."""


class ElasticsearchServer(SearchServer):
    title = "Elasticsearch"

    def _connected(self) -> object:
        from elasticsearch import Elasticsearch

        basic, key = self._credentials(), source_key()
        access: Payload = {"basic_auth": basic} if basic else {"api_key": key} if key else {}
        access |= self._certificates()
        return Elasticsearch(self.url, request_timeout=60, **access)

    def _open_point(self, index: str) -> str:
        return str(self._client.open_point_in_time(index=index, keep_alive=KEPT_ALIVE)["id"])

    def _close_point(self, point: str) -> None:
        self._client.close_point_in_time(id=point)

    def _search(self, point: dict[str, str], shape: Shape, size: int, behind: list[object] | None) -> object:
        paths = [field.path for field in shape.fields]
        # Newer versions leave vectors out of `_source`; asked for as fields, every version gives them.
        return self._client.search(
            pit=point,
            size=size,
            sort=[{"_seq_no": "asc"}, {"_shard_doc": "asc"}],
            search_after=behind,
            source={"excludes": paths},
            fields=paths,
            track_total_hits=False,
        ).body

    def _behind(self, hit: Payload) -> list[object]:
        """In a shard no two documents have the same `_seq_no`, and where they lie in it changes: behind all of them."""
        number, place = hit["sort"]
        return [number, place | _LATEST_OF_SHARD]

    def translated(self, error: Exception) -> AdminError:
        """Also when it is the client that is too new."""
        if "media_type_header_exception" in str(error) or "compatible-with" in str(error):
            return SourceUnreadable(
                f"the {self.title} at {self.url} is older than its client here",
                why="a client of version 9 is not understood by a server of version 8",
                fix=install_command("elasticsearch>=8,<9"),
            )
        return super().translated(error)


class OpenSearchServer(SearchServer):
    title = "OpenSearch"

    def _connected(self) -> object:
        from opensearchpy import OpenSearch

        parts, basic, key = urlsplit(self.url), self._credentials(), source_key()
        access: Payload = {"http_auth": basic} if basic else {}
        access |= {"headers": {"Authorization": f"Bearer {key}"}} if key and not basic else {}
        access |= self._certificates()
        return OpenSearch(
            hosts=[{"host": parts.hostname, "port": parts.port, "url_prefix": parts.path}],
            use_ssl=parts.scheme == "https",
            timeout=60,
            **access,
        )

    def _open_point(self, index: str) -> str:
        return str(self._client.create_pit(index=index, params={"keep_alive": KEPT_ALIVE})["pit_id"])

    def _close_point(self, point: str) -> None:
        self._client.delete_pit(body={"pit_id": [point]})

    def _search(self, point: dict[str, str], shape: Shape, size: int, behind: list[object] | None) -> object:  # noqa: ARG002 # vectors are in `_source`
        body: Payload = {
            "pit": point,
            "size": size,
            "sort": [{"_seq_no": "asc"}, {"_id": "asc"}],  # before 3.3 it has no `_shard_doc`
            "track_total_hits": False,
        }
        return self._client.search(body=body | ({"search_after": behind} if behind else {}))

"""A Chroma server over its REST interface (`/api/v2`, chromadb 0.6 and newer), without chromadb."""

import bisect
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np

from qdrant_admin.core.errors import AccessDenied, AdminError, ServerUnreachable, SourceUnreadable
from qdrant_admin.core.text import plain
from qdrant_admin.database.models import CollectionSpec, VectorSpec
from qdrant_admin.migration.sources import chroma_payload
from qdrant_admin.migration.sources.base import WHOLE, Batch, Cursor, Record, SourceCollection, Span, no_such_collection
from qdrant_admin.migration.uri import KEY_VARIABLE, SourceUri, source_key

_PAGE = 500
_TIMEOUT = 60.0


class ChromaServer:
    """A `Source` over one database of one tenant."""

    vectorless = False
    folds_uuids = False

    def __init__(self, uri: SourceUri) -> None:
        self._uri = uri
        key = source_key()
        headers = {"Authorization": f"Bearer {key}", "X-Chroma-Token": key} if key else {}
        self._http = httpx.Client(base_url=uri.url, headers=headers, timeout=_TIMEOUT)
        tenant, database = uri.options.get("tenant", "default_tenant"), uri.options.get("database", "default_database")
        self._base = f"/api/v2/tenants/{_quoted(tenant)}/databases/{_quoted(database)}/collections"
        try:
            self.kind = f"Chroma server {plain(self._ask('GET', '/api/v2/version'))}"
            self._known = {str(found["name"]): found for found in self._list()}
            if uri.collection is not None and uri.collection not in self._known:
                raise no_such_collection(uri.collection, sorted(self._known))
        except AdminError:
            self._http.close()
            raise
        self._ids: dict[str, list[str]] = {}

    def collections(self) -> list[SourceCollection]:
        """Every collection; the ids are fetched, so the count is that of what will be read."""
        return [self._describe(name) for name in sorted(self._known) if self._uri.collection in (None, name)]

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:  # noqa: ARG002 # the protocol's signature
        """One: the whole."""
        return WHOLE

    def batches(
        self,
        name: str,
        *,
        size: int,
        after: Cursor = None,
        until: Cursor = None,  # noqa: ARG002 # it has but one span
    ) -> Iterator[Batch]:
        """Records by id. Paging by offset would leave some out as soon as somebody deletes others."""
        ids = self._all_ids(name)
        start = 0 if after is None else bisect.bisect_right(ids, str(after))
        for at in range(start, len(ids), size):
            wanted = ids[at : at + size]
            yield Batch(self._records(name, wanted), wanted[-1])

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _describe(self, name: str) -> SourceCollection:
        found = self._known[name]
        dimension = found.get("dimension")
        space = chroma_payload.space_of(found.get("configuration_json")) or chroma_payload.space_of(found.get("schema"))
        space = space or (found.get("metadata") or {}).get("hnsw:space") or "l2"
        if space not in chroma_payload.DISTANCES:
            raise SourceUnreadable(f"collection {plain(name)} uses the distance {plain(space)}, which is not known")
        spec = None
        if dimension:
            spec = CollectionSpec(vectors=(VectorSpec(size=dimension, distance=chroma_payload.DISTANCES[space]),))
        count = len(self._all_ids(name))
        return SourceCollection(name=name, count=count, spec=spec, payload=chroma_payload.WORDS)

    def _list(self) -> Iterator[dict[str, Any]]:
        offset = 0
        while page := self._ask("GET", self._base, params={"limit": 100, "offset": offset}):
            yield from page
            offset += len(page)

    def _all_ids(self, name: str) -> list[str]:
        if name not in self._ids:
            answer = self._ask("POST", f"{self._base}/{self._known[name]['id']}/get", json={"include": []})
            self._ids[name] = sorted(set(answer["ids"]))
        return self._ids[name]

    def _records(self, name: str, ids: list[str]) -> list[Record]:
        path = f"{self._base}/{self._known[name]['id']}/get"
        records: dict[str, Record] = {}
        for at in range(0, len(ids), _PAGE):
            body = {"ids": ids[at : at + _PAGE], "include": ["embeddings", "documents", "metadatas"]}
            answer = self._ask("POST", path, json=body)
            for position, record in enumerate(answer["ids"]):
                records[record] = _record(answer, position)
        missing = [record for record in ids if record not in records]
        if missing:
            raise SourceUnreadable(
                f"{plain(name)} changed while it was read",
                why=f"{len(missing)} records are gone, {plain(missing[0])} among them",
                fix="stop the program that writes to it, then begin anew",
            )
        return [records[record] for record in ids]

    def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = self._http.request(method, path, **arguments)
            answer.raise_for_status()
            return answer.json()
        except httpx.HTTPStatusError as error:
            raise self._refused(error.response) from error
        except httpx.HTTPError as error:
            why = f"{type(error).__name__}: {error}"
            raise ServerUnreachable(
                f"no Chroma answers at {self._uri.url}", why=why, fix=f"curl {self._uri.url}/api/v2/heartbeat"
            ) from error
        except ValueError as error:
            raise SourceUnreadable(
                f"what answers at {self._uri.url} is no Chroma server", why="it does not answer in JSON"
            ) from error

    def _refused(self, answer: httpx.Response) -> AdminError:
        if answer.status_code in {401, 403}:
            return AccessDenied(
                f"{self._uri.url} wants a key", why=f"HTTP {answer.status_code}", fix=f"export {KEY_VARIABLE}=..."
            )
        return SourceUnreadable(
            f"what answers at {self._uri.url} gave no collections",
            why=f"HTTP {answer.status_code}: {plain(answer.text[:200])}",
            fix="qdrant-admin migrate --help",
        )


def _record(answer: dict[str, Any], position: int) -> Record:
    metadata, document = answer["metadatas"][position] or {}, answer["documents"][position]
    payload = chroma_payload.payload_of(metadata, document)
    embedding = answer["embeddings"][position]
    if embedding is None:
        return Record(answer["ids"][position], payload)
    vector = np.asarray(embedding, dtype=np.float32)
    return Record(answer["ids"][position], payload, {"": vector})


def _quoted(part: str) -> str:
    from urllib.parse import quote

    return quote(part, safe="")

"""A Chroma server over its REST interface (`/api/v2`, and `/api/v1` of chromadb 0.4 and 0.5), without chromadb."""

import base64
import zlib
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

import httpx

from qdrant_admin.config import trust
from qdrant_admin.core.errors import AdminError, SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.sources import HELP
from qdrant_admin.sources.base import Payload, Record, ServerUri, SourceCollection, option
from qdrant_admin.sources.chroma.directory import Sample, Shape, shape_of, space_of
from qdrant_admin.sources.files.values import floats_of
from qdrant_admin.sources.layouts import SAMPLE
from qdrant_admin.sources.reader import once
from qdrant_admin.sources.servers import ListedReader
from qdrant_admin.sources.uri import source_key

_PAGE = 500
_LISTED = 100


class ChromaServer(ListedReader):
    title = "Chroma server"

    def open(self) -> Iterable[str]:
        headers, trusted = _credentials(self.uri), trust.http_options(self.url)
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=60.0, **trusted)
        self.resources.callback(self._http.close)
        self.kind = f"Chroma server {plain(self._find_api())}"
        self._known = {str(found["name"]): found for found in self._list()}
        return sorted(self._known)

    def mark(self, name: str) -> str:
        ids = self.ids(name)
        return f"{len(ids)} records, {zlib.crc32(chr(0).join(ids).encode('utf-8', 'surrogatepass')):08x}"

    def _find_api(self) -> str:
        """The server's version; sets where collections are asked for, and the query that names the database there."""
        tenant = self.uri.options.get("tenant", "default_tenant")
        database = self.uri.options.get("database", "default_database")
        self._base = f"/api/v2/tenants/{quote(tenant, safe='')}/databases/{quote(database, safe='')}/collections"
        self._place: dict[str, str] = {}
        answer = self._send("GET", "/api/v2/version")
        if answer.status_code == httpx.codes.NOT_FOUND:
            older = self._send("GET", "/api/v1/version")
            if older.is_success:
                self._base, self._place = "/api/v1/collections", {"tenant": tenant, "database": database}
                answer = older
        return str(self._json(answer))

    def describe(self, name: str) -> SourceCollection:
        """Counted by the server, not by the ids that it gave: a page of it may have been cut."""
        shape = self._shape(name)
        count = int(self._ask("GET", f"{self._base}/{self._known[name]['id']}/count"))
        return SourceCollection(name=name, count=count, spec=shape.spec, payload=shape.words, warnings=shape.warnings)

    @once
    def _shape(self, name: str) -> Shape:
        found = self._known[name]
        rows = list(self._rows(name, self.ids(name)[:SAMPLE]))
        vectors = [floats_of(vector) for *_, vector in rows if vector is not None]
        sample = Sample([metadata or {} for _, metadata, *_ in rows], [document for *_, document, _ in rows], vectors)
        said = (found.get("metadata") or {}).get("hnsw:space")
        space = space_of(found.get("configuration_json"), found.get("schema"), metadata=said)
        size = found.get("dimension") or (len(vectors[0]) if vectors else None)  # 0.4 does not tell
        return shape_of(name, space=space, said=said, dimension=size, sample=sample, options=self.uri.options)

    def _list(self) -> Iterator[Payload]:
        offset = 0
        while True:
            page = self._ask("GET", self._base, params={**self._place, "limit": _LISTED, "offset": offset})
            yield from page
            offset += len(page)
            if len(page) < _LISTED:
                return

    @once
    def ids(self, name: str) -> list[str]:
        answer = self._ask("POST", f"{self._base}/{self._known[name]['id']}/get", json={"include": []})
        return sorted(set(answer["ids"]))

    def fetched(self, name: str, ids: list[str]) -> dict[str, Record]:
        shape = self._shape(name)
        return {
            one: Record(one, shape.payload(metadata or {}, text), {} if vector is None else {"": floats_of(vector)})
            for one, metadata, text, vector in self._rows(name, ids)
        }

    def _rows(self, name: str, ids: list[str]) -> Iterator[tuple[str, Payload | None, str | None, list[float] | None]]:
        """Id, metadata, document and vector of each record that is still there."""
        path = f"{self._base}/{self._known[name]['id']}/get"
        for at in range(0, len(ids), _PAGE):
            body = {"ids": ids[at : at + _PAGE], "include": ["embeddings", "documents", "metadatas"]}
            found = self._ask("POST", path, json=body)
            yield from zip(found["ids"], found["metadatas"], found["documents"], found["embeddings"], strict=True)

    def _ask(self, method: str, path: str, **arguments: object) -> Any:
        return self._json(self._send(method, path, **arguments))

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self.ask(self._http.request, method=method, url=path, **arguments)

    def _json(self, answer: httpx.Response) -> Any:
        if not answer.is_success:
            raise self._refused(answer)
        try:
            return answer.json()
        except ValueError as error:
            what = f"what answers at {self.url} is not a Chroma server"
            raise SourceUnreadable(what, why="it does not answer in JSON") from error

    def _refused(self, answer: httpx.Response) -> AdminError:
        why, key = f"HTTP {answer.status_code}", source_key()
        if answer.status_code not in {401, 403}:
            why += f": {plain(answer.text[:200])}"
            return SourceUnreadable(f"what answers at {self.url} gave no collections", why=why, fix=HELP)
        if key and ":" in key and self.uri.options.get("auth") != "basic":
            why += "; the key has the form of USER:PASSWORD, which is sent as such with ?auth=basic"
        return self.fault(why, status=answer.status_code)


def _credentials(uri: ServerUri) -> dict[str, str]:
    """A token in both headers that Chroma may be told to read, or user and password."""
    key, basic = source_key(), option(uri.options, "auth", {"token": False, "basic": True}, otherwise=False)
    if key is None:
        return {}
    if basic:
        return {"Authorization": f"Basic {base64.b64encode(key.encode()).decode()}"}
    return {"Authorization": f"Bearer {key}", "X-Chroma-Token": key}

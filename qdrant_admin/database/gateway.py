"""The one narrow gateway to what a Qdrant holds. No type of qdrant-client, gRPC or httpx leaves it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from qdrant_admin.config.endpoint import Endpoint
from qdrant_admin.core.errors import (
    AccessDenied,
    AdminError,
    NotFound,
    NotQdrant,
    RequestRejected,
    ServerUnreachable,
    Unsupported,
)
from qdrant_admin.core.text import plain
from qdrant_admin.database import schema, telemetry, versions
from qdrant_admin.database.bulk import Bulk
from qdrant_admin.database.canonical import id_key
from qdrant_admin.database.ids import point_id
from qdrant_admin.database.models import (
    CollectionInfo,
    CollectionSpec,
    Floats,
    Hit,
    Point,
    PointId,
    PointPage,
    ServerInfo,
    Sparse,
    VectorKind,
)
from qdrant_admin.database.names import check_collection_name, check_stored_name, quoted
from qdrant_admin.database.rest import Rest
from qdrant_admin.database.rest_points import Kinds, RestPoints, point_from_json, vector_to_json
from qdrant_admin.database.snapshots import Snapshots

if TYPE_CHECKING:
    from qdrant_admin.database.wire import WirePage

Filter = Mapping[str, Any]
_WAIT = {"wait": "true"}
_IDS_A_PAGE = 10_000


class Database:
    """What one server holds. Cheap to make: nothing is contacted before it is needed. Safe to use from threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.url = endpoint.url
        """Base of its REST interface."""
        self._rest = Rest(endpoint)
        self._slow = max(60.0, 6 * endpoint.timeout)
        self._server: ServerInfo | None = None
        self.snapshots = Snapshots(self._rest)
        """Of its collections, as files."""
        self._rest_points = RestPoints(self._rest, self._slow)
        self._bulk = Bulk(endpoint, self._rest_points, self._who, self._slow)

    def __enter__(self) -> "Database":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give every connection back."""
        self._bulk.close()
        self._rest.close()

    @property
    def transport(self) -> str:
        """Which way bulk data goes, in words: `gRPC (port 6334)`, or REST and why."""
        return self._bulk.transport

    # -- the server ---------------------------------------------------------------------------------------------

    def server(self) -> ServerInfo:
        """Who answers.

        Raises:
            NotQdrant: something answers that does not call itself Qdrant.
        """
        answer = self._rest.raw("GET", "/")
        title = str(answer.get("title", "")) if isinstance(answer, dict) else ""
        if "qdrant" not in title.lower():
            raise NotQdrant(
                f"what answers at {self._rest.where} is no Qdrant",
                why=f"it calls itself “{plain(title)[:80]}”" if title else "it does not say its name",
                fix="qdrant-admin doctor",
            )
        return ServerInfo(title=title, version=str(answer.get("version", "")), commit=str(answer.get("commit") or ""))

    def _who(self) -> tuple[ServerInfo, frozenset[str]]:
        return self.server(), frozenset(self.names())

    def recovery_mode(self) -> bool:
        """Whether the server runs in recovery mode: collections are listed and cannot be read."""
        # The features are told from the first level of detail on.
        return telemetry.recovery_mode(self._rest.call("GET", "/telemetry", params={"details_level": 1}))

    def write_counters(self) -> dict[str, int]:
        """How often each writing endpoint was asked since the server started; `barrier` and `nudge` count as well."""
        return telemetry.write_counters(self._rest.call("GET", "/telemetry"))

    # -- collections --------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Names of all collections, sorted."""
        listed = self._rest.call("GET", "/collections")["collections"]
        return sorted(str(entry["name"]) for entry in listed)

    def aliases(self) -> dict[str, str]:
        """Alias to collection."""
        listed = self._rest.call("GET", "/aliases")["aliases"]
        return {str(entry["alias_name"]): str(entry["collection_name"]) for entry in sorted(listed, key=_alias_name)}

    def collections(self) -> list[CollectionInfo]:
        """Every collection, sorted by name. One that cannot be read says so in `trouble` and hides no other."""
        aliases = self.aliases()
        infos = []
        for name in self.names():
            try:
                infos.append(self._info(name, aliases))
            except NotFound:
                continue  # deleted between the list and the look
            except (ServerUnreachable, AccessDenied):
                raise
            except AdminError as error:
                own = tuple(alias for alias, target in aliases.items() if target == name)
                infos.append(CollectionInfo(name=name, status="red", aliases=own, trouble=str(error)))
        return infos

    def collection(self, name: str) -> CollectionInfo:
        """One collection, by its own name or by an alias.

        Raises:
            NotFound: there is none of that name.
        """
        return self._info(name, self.aliases())

    def _info(self, name: str, aliases: Mapping[str, str]) -> CollectionInfo:
        result = self._rest.call("GET", self._path(name))
        trouble, points = "", None
        try:
            points = self.count(name)
        except (ServerUnreachable, AccessDenied):
            raise
        except AdminError as error:
            trouble = f"its points cannot be counted: {error}"
        real = aliases.get(name, name)
        own = tuple(alias for alias, target in aliases.items() if target == real)
        return schema.collection_info(real, result, points=points, aliases=own, trouble=trouble)

    def exists(self, name: str) -> bool:
        """Whether a collection, or an alias, of that name is there."""
        try:
            self._rest.call("GET", self._path(name))
        except NotFound:
            return False
        return True

    def create_collection(self, name: str, spec: CollectionSpec) -> None:
        """Make a collection with its payload indexes, and read back that all of it was taken.

        Raises:
            RequestRejected: the server refuses, or there is one already.
            Unsupported: the server ignored a field (an old one does so in silence); the collection is gone again.
        """
        check_stored_name(name)
        if spec.params.get("metadata"):
            versions.require(self.server().version, versions.Feature.METADATA)
        body = schema.create_body(spec)
        self._rest.call("PUT", self._path(name), body, timeout=self._slow)
        try:
            ignored = schema.ignored_fields(body, self._rest.call("GET", self._path(name))["config"])
            if ignored:
                raise _ignored(name, ignored)
            for field, params in spec.payload_indexes.items():
                self.create_payload_index(name, field, params)
        except (Unsupported, RequestRejected):
            self.delete_collection(name)  # made a moment ago by this very call, and empty
            raise

    def delete_collection(self, name: str) -> None:
        """Delete a collection and its aliases.

        Raises:
            NotFound: there is none of that name.
        """
        check_stored_name(name)
        if not self._rest.call("DELETE", self._path(name), timeout=self._slow):
            raise NotFound(f"there is no collection “{plain(name)}”", fix="qdrant-admin collections list")

    def set_alias(self, alias: str, collection: str) -> None:
        """Point an alias to a collection, in one step when it points elsewhere now."""
        self.set_aliases({alias: collection})

    def set_aliases(self, wanted: Mapping[str, str]) -> None:
        """Point aliases to collections, all of them in one step."""
        there = self.aliases()
        actions: list[dict[str, Any]] = []
        for alias, collection in wanted.items():
            check_collection_name(alias)
            check_collection_name(collection)
            if alias in there:
                actions.append({"delete_alias": {"alias_name": alias}})
            actions.append({"create_alias": {"alias_name": alias, "collection_name": collection}})
        self._rest.call("POST", "/collections/aliases", {"actions": actions})

    def delete_alias(self, alias: str) -> None:
        """Drop an alias. Any text may be one, so nothing is refused: the name travels in a body.

        Raises:
            NotFound: there is no such alias.
        """
        if alias not in self.aliases():
            raise NotFound(f"there is no alias “{plain(alias)}”", fix="qdrant-admin collections list")
        self._rest.call("POST", "/collections/aliases", {"actions": [{"delete_alias": {"alias_name": alias}}]})

    def create_payload_index(self, name: str, field: str, params: Mapping[str, Any]) -> None:
        """Index a payload field, and read back that the index is what was asked for.

        Raises:
            Unsupported: the server ignored a parameter.
        """
        body = {"field_name": field, "field_schema": dict(params)}
        self._rest.call("PUT", f"{self._path(name)}/index", body, timeout=self._slow, params=_WAIT)
        kept = self._rest.call("GET", self._path(name)).get("payload_schema") or {}
        ignored = schema.ignored_index_fields(params, kept.get(field))
        if ignored:
            raise _ignored(name, [f"{field}: {path}" for path in ignored])

    def delete_payload_index(self, name: str, field: str) -> None:
        """Drop the index of a payload field."""
        self._rest.call("DELETE", f"{self._path(name)}/index/{quoted(field)}", timeout=self._slow, params=_WAIT)

    # -- points -------------------------------------------------------------------------------------------------

    def count(self, name: str, *, filter: Filter | None = None, exact: bool = True) -> int:  # noqa: A002
        """Points in a collection, or those that fit a filter."""
        body: dict[str, Any] = {"exact": exact} | ({"filter": dict(filter)} if filter else {})
        return int(self._rest.call("POST", f"{self._path(name)}/points/count", body, timeout=self._slow)["count"])

    def page(
        self,
        name: str,
        *,
        limit: int,
        offset: PointId | None = None,
        filter: Filter | None = None,  # noqa: A002 - Qdrant's own word
        with_vectors: bool = False,
    ) -> PointPage:
        """One page in the server's order (integers ascending, then UUIDs), from `offset` on."""
        kinds = self._kinds(name)
        return self._rest_points.page(
            name, kinds, limit=limit, offset=offset, payload=True, vectors=with_vectors, filter=filter
        )

    def retrieve(
        self, name: str, ids: Iterable[PointId], *, with_vectors: bool = True, kinds: Kinds | None = None
    ) -> list[Point]:
        """The points of these ids that exist, in the order asked for.

        Args:
            name: collection or alias.
            ids: which ones.
            with_vectors: whether to read vectors.
            kinds: of its vectors by name, where the caller knows them already: it saves a request.
        """
        wanted = [point_id(one) for one in ids]
        if not wanted:
            return []
        return self._bulk.retrieve(name, wanted, kinds or self._kinds(name), vectors=with_vectors)

    def point(self, name: str, id: PointId) -> Point:  # noqa: A002 - Qdrant's own word
        """One point whole.

        Raises:
            NotFound: no such collection, or no such point in it.
        """
        found = self.retrieve(name, [id])
        if not found:
            raise NotFound(
                f"there is no point {plain(id)} in “{plain(name)}”", fix=f"qdrant-admin points list {_shell(name)}"
            )
        return found[0]

    def scan(
        self,
        name: str,
        *,
        page_size: int = 512,
        after: PointId | None = None,
        payload: bool = True,
        vectors: bool = True,
    ) -> Iterator[list[Point]]:
        """Every point, a page at a time, in the server's order; never an empty page.

        Args:
            name: collection or alias.
            page_size: points a request.
            after: the last id of an earlier scan, to go on behind it; it need not exist any more.
            payload: whether to read payloads.
            vectors: whether to read vectors.
        """
        kinds = self._kinds(name)
        behind = None if after is None else point_id(after)
        for page in self._bulk.pages(name, kinds, limit=page_size, offset=behind, payload=payload, vectors=vectors):
            points = [point for point in page if point.id != behind] if behind is not None else page
            behind = None
            if points:
                yield points

    def scan_keys(self, name: str) -> Iterator[bytes]:
        """Every id as its `id_key`, ascending."""
        for page in self.scan(name, page_size=_IDS_A_PAGE, payload=False, vectors=False):
            yield from map(id_key, [point.id for point in page])

    def upsert(self, name: str, points: Sequence[Point], *, wait: bool = True, checked: bool = False) -> None:
        """Write points, in their order, in requests cut to size. Not atomic: after an error, read back what is there.

        Args:
            name: the collection.
            points: whole.
            wait: whether to wait until they are applied and durable.
            checked: that the caller has looked at every vector and payload, so that it need not be done again.

        Raises:
            BadInput: an id, payload or vector that a server would refuse or change in silence; nothing was sent.
        """
        check_collection_name(name)
        if points:
            self._bulk.upsert(name, points, wait=wait, checked=checked)

    @property
    def carries_wire(self) -> bool:
        """Whether points can pass from and to this server as the bytes that they are on the wire."""
        return self._bulk.carries_wire

    def wire_pages(
        self, name: str, *, page_size: int, after: PointId | None = None, until: PointId | None = None
    ) -> Iterator["WirePage"]:
        """Every point of a span, a page at a time, in the server's order, left as it came; never an empty page.

        Args:
            name: collection or alias.
            page_size: points a request.
            after: go on behind this id; it need not exist any more.
            until: the last id that belongs to it; it need not exist either.

        Raises:
            Unsupported: `carries_wire` says no.
        """
        check_collection_name(name)
        offset, behind = after, after
        while True:
            page = self._bulk.wire_page(name, limit=page_size, offset=offset)
            following = page.next_offset
            if behind is not None and len(page) and page.first() == behind:
                page.drop(first=1)
            if until is not None and len(page) and id_key(page.last()) >= id_key(until):
                end = id_key(until)
                if id_key(page.last()) > end:
                    page.drop(last=sum(id_key(one) > end for one in page.ids()))
                following = None
            if len(page):
                yield page
            if following is None:
                return
            offset, behind = following, None

    def upsert_wire(self, name: str, page: "WirePage", *, wait: bool = True) -> None:
        """Write a page of another server as it came. Nothing in it is looked at; see `WirePage.look`."""
        check_collection_name(name)
        self._bulk.upsert_wire(name, page, wait=wait)

    def sample_ids(self, name: str, count: int) -> list[PointId]:
        """Ids of points taken at random, at most so many, in the server's own order."""
        versions.require(self.server().version, versions.Feature.QUERY)
        body = {"query": {"sample": "random"}, "limit": count, "with_payload": False, "with_vector": False}
        found = self._rest.call("POST", f"{self._path(name)}/points/query", body, timeout=self._slow)["points"]
        return sorted({point_id(one["id"]) for one in found}, key=id_key)

    def delete_points(self, name: str, ids: Iterable[PointId], *, wait: bool = True) -> None:
        """Delete points by id; ids that are not there are no error."""
        wanted = [point_id(one) for one in ids]
        for start in range(0, len(wanted), 1000):
            body: dict[str, Any] = {"points": wanted[start : start + 1000]}
            self._rest.call("POST", f"{self._path(name)}/points/delete", body, timeout=self._slow, params=_wait(wait))

    def set_payload(self, name: str, ids: Iterable[PointId], payload: Mapping[str, Any], *, wait: bool = True) -> None:
        """Write these fields into the payload of points that are there; others of their fields stay."""
        body = {"payload": dict(payload), "points": [point_id(one) for one in ids]}
        self._rest.call("POST", f"{self._path(name)}/points/payload", body, timeout=self._slow, params=_wait(wait))

    def search(
        self,
        name: str,
        *,
        vector: Floats | Sparse | None = None,
        id: PointId | None = None,  # noqa: A002 - Qdrant's own word
        using: str = "",
        limit: int = 10,
        filter: Filter | None = None,  # noqa: A002 - Qdrant's own word
    ) -> list[Hit]:
        """The nearest points to a vector, or to a point that is there (which is not among them)."""
        versions.require(self.server().version, versions.Feature.QUERY)
        query: Any = vector_to_json(vector) if vector is not None else point_id(id)
        body: dict[str, Any] = {"query": query, "limit": limit, "with_payload": True, "with_vector": False}
        if using:
            body["using"] = using
        if filter:
            body["filter"] = dict(filter)
        kinds = self._kinds(name)
        found = self._rest.call("POST", f"{self._path(name)}/points/query", body, timeout=self._slow)["points"]
        return [Hit(point_from_json(raw, kinds), float(raw["score"])) for raw in found]

    def nearest(
        self, name: str, vectors: Sequence[Floats], *, using: str = "", limit: int, exact: bool
    ) -> list[list[tuple[PointId, float]]]:
        """Ids and scores of the points nearest to each of some vectors, the best first; all in one request.

        Args:
            name: collection or alias.
            vectors: dense ones.
            using: name of the vector that is searched.
            limit: points for each.
            exact: whether every point is looked at, instead of following the index.
        """
        versions.require(self.server().version, versions.Feature.QUERY)
        each = {"limit": limit, "with_payload": False, "with_vector": False, "params": {"exact": exact}}
        each |= {"using": using} if using else {}
        body = {"searches": [{"query": vector_to_json(vector), **each} for vector in vectors]}
        answers = self._rest.call("POST", f"{self._path(name)}/points/query/batch", body, timeout=self._slow)
        return [[(point_id(one["id"]), float(one["score"])) for one in answer["points"]] for answer in answers]

    def barrier(self, name: str) -> None:
        """Make every acknowledged write durable: syncs the log of every shard and changes nothing (about 20 ms)."""
        body: dict[str, Any] = {"payload": {}, "filter": {"must": [{"has_id": []}]}}
        self._rest.call("POST", f"{self._path(name)}/points/payload", body, timeout=self._slow, params=_WAIT)

    def nudge(self, name: str) -> None:
        """Start the optimizers of a collection that is grey; it stays grey for ever otherwise."""
        self._rest.call("PATCH", self._path(name), {"optimizers_config": {}}, timeout=self._slow)

    def indexing_threshold(self, name: str) -> int | None:
        """From how many kilobytes of vectors on a segment is indexed; 0: never."""
        config = self._rest.call("GET", self._path(name))["config"]
        value = (config.get("optimizer_config") or {}).get("indexing_threshold")
        return None if value is None else int(value)

    def set_indexing_threshold(self, name: str, kilobytes: int) -> None:
        """Change it, and let the optimizers look anew; 0 holds all indexing back."""
        body = {"optimizers_config": {"indexing_threshold": kilobytes}}
        self._rest.call("PATCH", self._path(name), body, timeout=self._slow)

    def _kinds(self, name: str) -> dict[str, VectorKind]:
        """Asked for anew each time: a collection may have been made again with other vectors."""
        config = self._rest.call("GET", self._path(name))["config"]
        return schema.kinds(schema.vector_specs(config))

    def _path(self, name: str) -> str:
        check_collection_name(name)
        return f"/collections/{quoted(name)}"


def _wait(wait: bool) -> dict[str, str]:  # the flag itself is the word
    return {"wait": str(wait).lower()}


def _alias_name(entry: Mapping[str, Any]) -> str:
    return str(entry["alias_name"])


def _shell(name: str) -> str:
    import shlex

    return shlex.quote(plain(name))


def _ignored(name: str, fields: list[str]) -> Unsupported:
    return Unsupported(
        f"the server ignored settings of “{plain(name)}”",
        why="it does not bear: " + ", ".join(plain(field) for field in fields),
        fix="qdrant-admin status",
    )

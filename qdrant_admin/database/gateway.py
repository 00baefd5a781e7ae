"""The one narrow gateway to what a Qdrant holds. No type of gRPC or of the HTTP client leaves it."""

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from qdrant_admin.config.profile import Endpoint
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import (
    AccessDenied,
    AdminError,
    NotFound,
    NotQdrant,
    RequestRejected,
    ServerUnreachable,
    Unsupported,
)
from qdrant_admin.core.formatting import plain
from qdrant_admin.database import claims, faults, schema
from qdrant_admin.database.claims import Claim
from qdrant_admin.database.ids import id_key, point_id
from qdrant_admin.database.models import (
    CollectionInfo,
    CollectionSpec,
    Feature,
    Fields,
    Floats,
    Kinds,
    Pending,
    Point,
    PointId,
    PointPage,
    ServerInfo,
    ShardKey,
    Sparse,
    Vector,
    VectorKind,
)
from qdrant_admin.database.names import check_collection_name, check_stored_name, quoted
from qdrant_admin.database.rest import READS, Rest, as_expected, is_write
from qdrant_admin.database.snapshots import Snapshots

if TYPE_CHECKING:
    from qdrant_admin.database.bulk import Bulk

Filter = Mapping[str, object]
_GRPC_READS = (*READS, "get", "list", "info", "health", "collectioninfo")
_IDS_A_PAGE = 10_000


class Database:
    """What one server holds. Cheap to make: nothing is contacted before it is needed. Safe to use from threads.

    Args:
        endpoint: where it answers.
        look: called on each new connection, before a key or anything else is sent; raises where another server than
            the one that is meant may listen by now.
    """

    def __init__(self, endpoint: Endpoint, look: Callable[[], object] | None = None) -> None:
        self.url = endpoint.url
        """Base of its REST interface."""
        self._rest = Rest(endpoint, look)
        self._slow = max(60.0, 6 * endpoint.timeout)
        self.snapshots = Snapshots(self._rest)
        """Of its collections, as files."""
        self._endpoint, self._look = endpoint, look
        self._opening = threading.Lock()
        self._opened: Bulk | None = None
        self._can_query = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        self._rest.close()

    @property
    def bulk(self) -> "Bulk":
        """Points in bulk, as bytes where they can be; loaded when it is wanted: it brings numpy along."""
        with self._opening:
            if self._opened is None:
                from qdrant_admin.database.bulk import Bulk

                self._opened = Bulk(self._endpoint, self, self._rest, self._slow, self._look)
            return self._opened

    # -- the server ---------------------------------------------------------------------------------------------

    @as_expected
    def server(self) -> ServerInfo:
        """Who answers. Raises `NotQdrant` for something that does not call itself Qdrant."""
        answer = self._rest.root()
        title = str(answer.get("title", "")) if isinstance(answer, dict) else ""
        if "qdrant" not in title.lower():
            why = f"it calls itself “{title[:80]}”" if title else "it does not say its name"
            raise faults.make(NotQdrant, why, self._rest.where)
        return ServerInfo(title=title, version=str(answer.get("version", "")), commit=str(answer.get("commit") or ""))

    @as_expected
    def write_counters(self) -> dict[str, int]:
        """How often each writing endpoint was asked since the server started; `barrier` and `nudge` count as well.

        Raises `AccessDenied` where the API key does not show it, such as one for some collections only.
        """
        telemetry = self._rest.call("GET", "/telemetry")
        if not isinstance(telemetry.get("requests"), dict):
            why = "its telemetry does not say how often it was asked; a key for some collections is not told"
            raise AccessDenied("the server does not show who writes", why=why, fix=Command("config", "show"))
        return _write_counters(telemetry)

    def own_writes(self) -> dict[str, int]:
        """Requests of this gateway that may have changed something, by endpoint, as `write_counters` names them."""
        sent = dict(self._rest.writes)
        if self._opened is not None and self._opened.upserts:
            sent["gRPC /qdrant.Points/Upsert"] = self._opened.upserts
        return sent

    def health_checks(self) -> int | None:
        """Health checks that the server has answered over gRPC since it started; None when it does not say."""
        try:
            return self._health_checks()
        except AdminError:
            return None

    @as_expected
    def _health_checks(self) -> int:
        answers = self._rest.call("GET", "/telemetry")["requests"]["grpc"]["responses"]
        return _total(answers.get("/qdrant.Qdrant/HealthCheck") or {})

    # -- collections --------------------------------------------------------------------------------------------

    @as_expected
    def names(self) -> list[str]:
        listed = self._rest.call("GET", "/collections")["collections"]
        return sorted(str(entry["name"]) for entry in listed)

    @as_expected
    def aliases(self) -> dict[str, str]:
        listed = self._rest.call("GET", "/aliases")["aliases"]
        return dict(sorted((str(entry["alias_name"]), str(entry["collection_name"])) for entry in listed))

    def collections(self) -> list[CollectionInfo]:
        """Every collection, sorted by name. One that cannot be read says so in `trouble` and hides no other."""
        aliases = self.aliases()
        infos = []
        for name in self.names():
            try:
                infos.append(self._info(name, aliases))
            except (ServerUnreachable, AccessDenied):
                raise
            except AdminError as error:
                if isinstance(error, NotFound) and name not in self.names():
                    continue  # deleted between the list and the look
                own = _own(name, aliases)
                infos.append(CollectionInfo(name=name, status="red", aliases=own, trouble=str(error)))
        return infos

    def collection(self, name: str) -> CollectionInfo:
        """One collection, by its own name or an alias. Raises `NotFound` where there is none of that name."""
        return self._info(name, self.aliases())

    @as_expected
    def described(self, name: str, aliases: Mapping[str, str]) -> CollectionInfo:
        """The same in one request: its points are not counted, and `aliases` are known."""
        result = self._rest.call("GET", self._path(name))
        if not isinstance(result["config"], dict):
            raise TypeError("config is no object")
        return schema.collection_info(name, result, points=None, aliases=_own(name, aliases), trouble="")

    @as_expected
    def _info(self, name: str, aliases: Mapping[str, str]) -> CollectionInfo:
        result = self._rest.call("GET", self._path(name))
        trouble, points = "", None
        try:
            points = self.count(name)
        except (ServerUnreachable, AccessDenied):
            raise
        except AdminError as error:
            if not (isinstance(error, RequestRejected) and schema.refuses_exact(result.get("config") or {})):
                trouble = f"its points cannot be counted: {error}"
        real = aliases.get(name, name)
        return schema.collection_info(real, result, points=points, aliases=_own(real, aliases), trouble=trouble)

    @as_expected
    def pending(self, name: str) -> Pending:
        """What a collection has acknowledged and does not show yet."""
        return schema.pending(self._rest.call("GET", self._path(name)))

    @as_expected
    def shard_keys(self, name: str) -> dict[ShardKey, int]:
        """The keys of a collection with custom sharding, sorted, each with its number of shards."""
        told = self._rest.call("GET", f"{self._path(name)}/cluster")
        shards = [*(told.get("local_shards") or ()), *(told.get("remote_shards") or ())]
        found = {(one["shard_id"], one["shard_key"]) for one in shards if one.get("shard_key") is not None}
        keys = Counter(key for _, key in found)
        return {key: keys[key] for key in sorted(keys, key=lambda key: (isinstance(key, str), key))}

    def exists(self, name: str) -> bool:
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
            Feature.METADATA.require(self.server().version)
        body = schema.create_body(spec)
        self._slowly("PUT", name, "", body)
        try:
            ignored = schema.ignored_fields(body, self._config(name))
            if ignored:
                raise _ignored(name, ignored)
            for field, params in spec.payload_indexes.items():
                self.create_payload_index(name, field, params)
        except (Unsupported, RequestRejected):
            self.delete_collection(name)  # made a moment ago by this very call, and empty
            raise

    def delete_collection(self, name: str) -> None:
        """Delete a collection and its aliases. Raises `NotFound` where there is none of that name."""
        check_stored_name(name)
        if not self._slowly("DELETE", name):
            what = f"there is no collection “{plain(name)}”"
            raise NotFound(what, fix=Command("collections", "list"))

    @as_expected
    def claim(self, name: str) -> Claim | None:
        """Who has said that they are filling a collection."""
        return claims.claim_of(self._config(name))

    def set_claim(self, name: str, claim: Claim | None) -> None:
        """Put a claim in the place of any other, or take it away. A server before 1.16 ignores it in silence."""
        self._slowly("PATCH", name, "", {"metadata": claims.as_metadata(claim)})

    def set_alias(self, alias: str, collection: str) -> None:
        self.set_aliases({alias: collection})

    def set_aliases(self, wanted: Mapping[str, str]) -> None:
        there = self.aliases()
        actions: list[dict[str, dict[str, str]]] = []
        for alias, collection in wanted.items():
            check_collection_name(alias)
            check_collection_name(collection)
            if alias in there:
                actions.append({"delete_alias": {"alias_name": alias}})
            actions.append({"create_alias": {"alias_name": alias, "collection_name": collection}})
        self._rest.call("POST", "/collections/aliases", {"actions": actions})

    def create_payload_index(self, name: str, field: str, params: Fields) -> None:
        """Index a payload field. Raises `Unsupported` when reading back shows that the server ignored a parameter."""
        body = {"field_name": field, "field_schema": dict(params)}
        self._slowly("PUT", name, "/index", body, wait=True)
        kept = self._rest.call("GET", self._path(name)).get("payload_schema") or {}
        ignored = schema.ignored_index_fields(params, kept.get(field))
        if ignored:
            raise _ignored(name, [f"{field}: {path}" for path in ignored])

    @as_expected
    def count(self, name: str, *, filter: Filter | None = None, exact: bool = True) -> int:  # noqa: A002
        """Points in a collection, or those that fit a filter."""
        body = {"exact": exact, **({"filter": filter} if filter else {})}
        return int(self._slowly("POST", name, "/points/count", body)["count"])

    @as_expected
    def facet(self, name: str, field: str, *, limit: int) -> list[tuple[str | int | bool, int]]:
        """The values of an indexed field, each with the exact number of points that have it."""
        body = {"key": field, "limit": limit, "exact": True}
        return [(one["value"], int(one["count"])) for one in self._slowly("POST", name, "/facet", body)["hits"]]

    # -- upkeep ----------------------------------------------------------------------------------------------------

    def barrier(self, name: str) -> None:
        """Make every acknowledged write durable: syncs the log of every shard and changes nothing (about 20 ms)."""
        body: dict[str, object] = {"payload": {}, "filter": {"must": [{"has_id": []}]}}
        self._slowly("POST", name, "/points/payload", body, wait=True)

    def nudge(self, name: str) -> None:
        """Start the optimizers of a collection that is grey; it stays grey for ever otherwise."""
        self._slowly("PATCH", name, "", {"optimizers_config": {}})

    def indexing_threshold(self, name: str) -> int | None:
        """From how many kilobytes of vectors on a segment is indexed; 0: never."""
        value = (self._config(name).get("optimizer_config") or {}).get("indexing_threshold")
        return None if value is None else int(value)

    def set_indexing_threshold(self, name: str, kilobytes: int) -> None:
        """Change it, and let the optimizers look again; 0 holds all indexing back."""
        self._slowly("PATCH", name, "", {"optimizers_config": {"indexing_threshold": kilobytes}})

    # -- points -------------------------------------------------------------------------------------------------

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
        return self.bulk.rest.page(
            name,
            kinds,
            limit=limit,
            offset=offset,
            payload=True,
            vectors=with_vectors,
            only={"filter": dict(filter)} if filter else {},
        )

    def retrieve(
        self,
        name: str,
        ids: Iterable[PointId],
        *,
        with_vectors: bool = True,
        kinds: Kinds | None = None,
        shard: ShardKey | None = None,
    ) -> list[Point]:
        """The points of these ids that exist, in the order asked for; with `shard` only those in shards of this key.

        A caller that knows the kinds of the vectors saves a request.
        """
        wanted = [point_id(one) for one in ids]
        if not wanted:
            return []
        kinds = kinds or self._kinds(name)
        pages = self.bulk.retrieve(name, wanted, kinds, vectors=with_vectors, shard=shard)
        found = {point.id: point for page in pages for point in self.bulk.points(name, page, kinds, shard)}
        return [found[one] for one in dict.fromkeys(wanted) if one in found]

    def point(self, name: str, id: PointId) -> Point:  # noqa: A002 - Qdrant's own word
        """One point whole. Raises `NotFound` where there is no such collection, or no such point in it."""
        found = self.retrieve(name, [id])
        if not found:
            what = f"there is no point {plain(id)} in “{plain(name)}”"
            raise NotFound(what, fix=Command("points", "list", plain(name)))
        return found[0]

    def scan(self, name: str, *, page_size: int = 512, after: PointId | None = None) -> Iterator[list[Point]]:
        """Every point, a page at a time, in the server's order; never an empty page.

        `after` is the last id of an earlier scan, to go on behind it; it need not exist any more.
        """
        kinds = self._kinds(name)
        behind = None if after is None else point_id(after)
        for page in self.bulk.pages(name, kinds, limit=page_size, offset=behind):
            points = self.bulk.points(name, page, kinds)
            if behind is not None:
                points = [point for point in points if point.id != behind]
            behind = None
            if points:
                yield points

    def scan_ids(self, name: str, shard: ShardKey | None = None) -> Iterator[list[PointId]]:
        """Every id, a page at a time, in the server's order; never an empty page."""
        pages = self.bulk.pages(name, {}, limit=_IDS_A_PAGE, content=False, shard=shard)
        return (page.ids() for page in pages if len(page))

    def upsert(self, name: str, points: Sequence[Point], *, wait: bool = True, checked: bool = False) -> None:
        """Write points, in their order, in requests cut to size. Not atomic: after an error, read back what is there.

        With `wait` they are applied and durable when this returns. Raises `BadInput` before anything is sent for an id,
        payload or vector that a server would refuse or change in silence; payloads and vectors are only looked at when
        the caller has not `checked` them already.
        """
        self.bulk.upsert(name, points, wait=wait, checked=checked)

    @as_expected
    def sample_ids(self, name: str, count: int) -> list[PointId]:
        """Ids of points taken at random, at most so many, in the server's own order."""
        found = self._query(name, {"query": {"sample": "random"}, "limit": count, "with_payload": False})["points"]
        return sorted({point_id(one["id"]) for one in found}, key=id_key)

    def delete_points(self, name: str, ids: Iterable[PointId], *, wait: bool = True) -> None:
        """Delete points by id; ids that are not there are no error."""
        wanted = [point_id(one) for one in ids]
        for start in range(0, len(wanted), 1000):
            self._slowly("POST", name, "/points/delete", {"points": wanted[start : start + 1000]}, wait=wait)

    def set_payload(self, name: str, ids: Iterable[PointId], payload: Fields, *, wait: bool = True) -> None:
        """Write these fields into the payload of points that are there; others of their fields stay."""
        body = {"payload": dict(payload), "points": [point_id(one) for one in ids]}
        self._slowly("POST", name, "/points/payload", body, wait=wait)

    @as_expected
    def search(
        self,
        name: str,
        *,
        vector: Floats | Sparse | None = None,
        id: PointId | None = None,  # noqa: A002 - Qdrant's own word
        using: str = "",
        limit: int = 10,
        filter: Filter | None = None,  # noqa: A002 - Qdrant's own word
    ) -> list[tuple[Point, float]]:
        """The points nearest to a vector or to another point, with their scores, the best first."""
        from qdrant_admin.database.rest_points import point_from_json, vector_to_json

        query = vector_to_json(vector) if vector is not None else point_id(id)
        body: dict[str, object] = {"query": query, "limit": limit, "with_payload": True}
        if using:
            body["using"] = using
        if filter:
            body["filter"] = dict(filter)
        found, kinds = self._query(name, body)["points"], self._kinds(name)
        return [(point_from_json(raw, kinds), float(raw["score"])) for raw in found]

    @as_expected
    def nearest(
        self, name: str, vectors: Sequence[Vector], *, using: str = "", limit: int, exact: bool
    ) -> list[list[tuple[PointId, float]]]:
        """Ids and scores of the points nearest to each of some vectors, the best first; all in one request.

        With `exact` the server looks at every point, as it is stored, instead of following the index.
        """
        from qdrant_admin.database.rest_points import vector_to_json

        params: dict[str, object] = {"exact": True, "quantization": {"ignore": True}} if exact else {"exact": False}
        each: dict[str, object] = {"limit": limit, "with_payload": False, "params": params}
        each |= {"using": using} if using else {}
        body = {"searches": [{"query": vector_to_json(vector), **each} for vector in vectors]}
        answers = self._query(name, body, "/points/query/batch")
        return [[(point_id(one["id"]), _score(one["score"])) for one in answer["points"]] for answer in answers]

    def _query(self, name: str, body: Mapping[str, object], path: str = "/points/query") -> Any:
        if not self._can_query:  # once is enough: no server forgets what it can do while it runs
            Feature.QUERY.require(self.server().version)
            self._can_query = True
        return self._slowly("POST", name, path, body)

    @as_expected
    def _kinds(self, name: str) -> dict[str, VectorKind]:
        """Asked for again each time: a collection may have been made again with other vectors."""
        return {spec.name: spec.kind for spec in schema.vector_specs(self._config(name))}

    @as_expected
    def _config(self, name: str) -> Fields:
        config: Fields = self._rest.call("GET", self._path(name))["config"]
        return config

    def _slowly(self, method: str, name: str, path: str = "", body: object = None, *, wait: bool | None = None) -> Any:
        """A request about a collection that may take a while; `wait` is the flag that goes with writes."""
        params = None if wait is None else {"wait": str(wait).lower()}
        return self._rest.call(method, f"{self._path(name)}{path}", body, timeout=self._slow, params=params)

    def _path(self, name: str) -> str:
        check_collection_name(name)
        return f"/collections/{quoted(name)}"


def _own(name: str, aliases: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(alias for alias, target in aliases.items() if target == name)


def _score(said: float | None) -> float:
    return math.nan if said is None else float(said)


def _write_counters(telemetry: Fields) -> dict[str, int]:
    """Answered requests that may have changed something, by endpoint: `PUT /collections/{name}/points`.

    An endpoint that nobody knows counts as a write: a false alarm is harmless, a missed write is not. Where a part is
    missing that every server has, it raises: counters that are not told are not counters of nothing.
    """
    requests = telemetry["requests"]
    counters = {}
    for name, answers in requests["rest"]["responses"].items():
        if is_write(name):
            counters[name] = _total(answers)
    for name, answers in requests["grpc"]["responses"].items():
        if not _among_members(name) and not any(word in name.rpartition("/")[2].lower() for word in _GRPC_READS):
            counters[f"gRPC {name}"] = _total(answers)
    return counters


def _among_members(name: str) -> bool:
    """Whether the members of a cluster talk like that to each other, without any client: `/qdrant.Raft/Send`."""
    service = name.removeprefix("/").partition("/")[0]
    return service == "qdrant.Raft" or service.endswith("Internal")


def _total(answers: Fields) -> int:
    """Requests counted; over gRPC the server has one entry without a status."""
    if isinstance(answers.get("count"), int):
        return int(answers["count"])
    return sum(int(entry.get("count", 0)) for entry in answers.values() if isinstance(entry, dict))


def _ignored(name: str, fields: list[str]) -> Unsupported:
    return Unsupported(
        f"the server ignored settings of “{plain(name)}”",
        why="it does not bear: " + ", ".join(plain(field) for field in fields),
        fix=Command("status"),
    )

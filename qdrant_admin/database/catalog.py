"""What a server holds, collection by collection: their settings, aliases, indexes and counts. All of it over REST."""

from collections.abc import Mapping
from typing import Any, Self

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
from qdrant_admin.database import faults, schema
from qdrant_admin.database.models import CollectionInfo, CollectionSpec, Feature, Fields, ServerInfo, VectorKind
from qdrant_admin.database.names import check_collection_name, check_stored_name, quoted
from qdrant_admin.database.rest import Rest

Filter = Mapping[str, object]
_READS = ("scroll", "search", "query", "count", "recommend", "discover", "facet", "matrix", "exists", "groups")
_GRPC_READS = (*_READS, "get", "list", "info", "health", "collectioninfo")


class Catalog:
    """The server and its collections, without their points. Safe to use from threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.url = endpoint.url
        """Base of its REST interface."""
        self._rest = Rest(endpoint)
        self._slow = max(60.0, 6 * endpoint.timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        self._rest.close()

    # -- the server ---------------------------------------------------------------------------------------------

    def server(self) -> ServerInfo:
        """Who answers. Raises `NotQdrant` for something that does not call itself Qdrant."""
        answer = self._rest.root()
        title = str(answer.get("title", "")) if isinstance(answer, dict) else ""
        if "qdrant" not in title.lower():
            why = f"it calls itself “{title[:80]}”" if title else "it does not say its name"
            raise faults.make(NotQdrant, why, self._rest.where)
        return ServerInfo(title=title, version=str(answer.get("version", "")), commit=str(answer.get("commit") or ""))

    def write_counters(self) -> dict[str, int]:
        """How often each writing endpoint was asked since the server started; `barrier` and `nudge` count as well."""
        return _write_counters(self._rest.call("GET", "/telemetry"))

    def health_checks(self) -> int | None:
        """Health checks that the server has answered over gRPC since it started; None when it does not say."""
        try:
            requests = self._rest.call("GET", "/telemetry").get("requests") or {}
        except AdminError:
            return None
        answers = (requests.get("grpc") or {}).get("responses") or {}
        return _total(answers.get("/qdrant.Qdrant/HealthCheck") or {})

    # -- collections --------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        listed = self._rest.call("GET", "/collections")["collections"]
        return sorted(str(entry["name"]) for entry in listed)

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
            except NotFound:
                continue  # deleted between the list and the look
            except (ServerUnreachable, AccessDenied):
                raise
            except AdminError as error:
                own = tuple(alias for alias, target in aliases.items() if target == name)
                infos.append(CollectionInfo(name=name, status="red", aliases=own, trouble=str(error)))
        return infos

    def collection(self, name: str) -> CollectionInfo:
        """One collection, by its own name or an alias. Raises `NotFound` where there is none of that name."""
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
            raise NotFound(f"there is no collection “{plain(name)}”", fix=Command("collections", "list"))

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

    def count(self, name: str, *, filter: Filter | None = None, exact: bool = True) -> int:  # noqa: A002
        """Points in a collection, or those that fit a filter."""
        body = {"exact": exact, **({"filter": filter} if filter else {})}
        return int(self._slowly("POST", name, "/points/count", body)["count"])

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

    def _kinds(self, name: str) -> dict[str, VectorKind]:
        """Asked for again each time: a collection may have been made again with other vectors."""
        return {spec.name: spec.kind for spec in schema.vector_specs(self._config(name))}

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


def _write_counters(telemetry: Fields) -> dict[str, int]:
    """Answered requests that may have changed something, by endpoint: `PUT /collections/{name}/points`.

    An endpoint that nobody knows counts as a write: a false alarm is harmless, a missed write is not.
    """
    requests = telemetry.get("requests") or {}
    counters = {}
    for name, answers in ((requests.get("rest") or {}).get("responses") or {}).items():
        if _rest_writes(name):
            counters[name] = _total(answers)
    for name, answers in ((requests.get("grpc") or {}).get("responses") or {}).items():
        if not any(word in name.rpartition("/")[2].lower() for word in _GRPC_READS):
            counters[f"gRPC {name}"] = _total(answers)
    return counters


def _rest_writes(name: str) -> bool:
    method, _, path = name.partition(" ")
    if method == "POST":
        return not path.endswith("/points") and not any(f"/{word}" in path for word in _READS)
    return method in {"PUT", "PATCH", "DELETE"}


def _total(answers: Fields) -> int:
    """Requests counted; over gRPC the server has one entry without a status."""
    if isinstance(answers.get("count"), int):
        return int(answers["count"])
    return sum(entry.get("count") or 0 for entry in answers.values() if isinstance(entry, dict))


def _ignored(name: str, fields: list[str]) -> Unsupported:
    return Unsupported(
        f"the server ignored settings of “{plain(name)}”",
        why="it does not bear: " + ", ".join(plain(field) for field in fields),
        fix=Command("status"),
    )

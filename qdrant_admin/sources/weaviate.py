"""Weaviate, through its own client: every class is a collection, with the objects of all of its tenants."""

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, BadInput, SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import CollectionSpec, Distance, Vector, VectorKind, VectorSpec
from qdrant_admin.sources import HELP, layouts
from qdrant_admin.sources.base import Batch, Cursor, Record, SourceCollection, free_name
from qdrant_admin.sources.files.values import floats_of
from qdrant_admin.sources.layouts import ColumnLayout, Layout
from qdrant_admin.sources.reader import once
from qdrant_admin.sources.servers import ServerReader, port_option
from qdrant_admin.sources.uri import source_key

TENANT = "tenant"
"""Payload field that the name of an object's tenant goes into."""
_DEFAULT = "default"
"""What the client calls the vector of a class that has but one, without a name."""
_DISTANCES: dict[str, Distance] = {"cosine": "Cosine", "dot": "Dot", "l2-squared": "Euclid", "manhattan": "Manhattan"}


@dataclass(frozen=True)
class Shape:
    slots: tuple[VectorSpec, ...]
    layout: Layout
    tenants: bool
    """Whether objects of several tenants come together."""
    notes: list[str]

    def record(self, found: Any, tenant: str) -> Record:
        payload = ColumnLayout(self.layout, nested=False).payload(_plain(found.properties))
        identity = str(found.uuid)
        if self.tenants:
            payload, identity = {**payload, free_name(TENANT, payload): tenant}, f"{tenant}/{identity}"
        unnamed = any(slot.name == "" for slot in self.slots)
        vectors: dict[str, Vector] = {}
        for name, value in (found.vector or {}).items():
            vectors["" if unnamed and name == _DEFAULT else name] = floats_of(value)
        return Record(identity, payload, vectors)


def slots_of(config: Any, first: list[Any]) -> tuple[tuple[VectorSpec, ...], list[str]]:
    """The vectors of a class, and what is to be known of them. The schema tells no dimension: the first objects do."""
    slots, notes = [], []
    named = config.vector_config
    indexes = {name: slot.vector_index_config for name, slot in (named or {_DEFAULT: config}).items()}
    for name, index in indexes.items():
        value = next((found.vector[name] for found in first if (found.vector or {}).get(name)), None)
        metric = str(getattr(index.distance_metric, "value", index.distance_metric)) if index else "cosine"
        if value is None:
            notes += [f"none of the first objects has a vector {plain(name)}: it is left out"] if named else []
            continue
        if metric not in _DISTANCES:
            notes.append(f"vector {plain(name)} is compared by {plain(metric)}, which Qdrant has not: Cosine is taken")
        multi = isinstance(value[0], list)
        size, distance = len(value[0] if multi else value), _DISTANCES.get(metric, "Cosine")
        kind: VectorKind = "multi" if multi else "dense"
        slots.append(VectorSpec(name=name if named else "", kind=kind, size=size, distance=distance))
    return tuple(slots), notes


def _plain(value: Any) -> Any:
    """A property as JSON says it: dates as text, places as Qdrant has them."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dt.datetime | uuid.UUID):
        return value.isoformat() if isinstance(value, dt.datetime) else str(value)
    if hasattr(value, "latitude"):
        return {"lat": value.latitude, "lon": value.longitude}
    if hasattr(value, "international_formatted"):
        return {key: item for key, item in vars(value).items() if item is not None}
    return value


_CLOUD = (".weaviate.cloud", ".weaviate.network", ".weaviate.io")
_SAID = {
    "UNAVAILABLE": 503,
    "failed to connect": 503,
    "RESOURCE_EXHAUSTED": 429,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
}
"""What a failed call over gRPC says, and the status that it would have over HTTP."""
_SILENT = {"WeaviateConnectionError", "WeaviateTimeoutError", "WeaviateGRPCUnavailableError", "ConnectError"}
"""Exceptions of a client that has had no answer."""
_UNREAD = {"blob": "binary", "cref": "a reference to other objects"}


class WeaviateServer(ServerReader):
    title = "Weaviate"
    vectorless = True

    def open(self) -> Iterable[str]:
        self._client = self._connected()
        self.resources.callback(self._client.close)
        self.kind = f"{self.title} {plain(self.ask(self._client.get_meta)['version'])}"
        schema = self.ask(self._client.collections.list_all, simple=False)
        self._classes = {str(name): config for name, config in schema.items()}
        return sorted(self._classes)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:  # noqa: ARG002 # it has but one span
        """Objects in the order of their ids, tenant by tenant."""
        shape = self._shape(name)
        at, _, last = str(after or "").rpartition("/")  # no tenant has it in its name
        for tenant in self._tenants(name):
            if tenant < at:
                continue
            for objects in self._objects(name, tenant, size, last if tenant == at and last else None):
                records = [shape.record(found, tenant) for found in objects]
                yield Batch(records, f"{tenant}/{objects[-1].uuid}")

    def _connected(self) -> Any:
        import weaviate
        from weaviate.classes.init import Auth

        parts, key = urlsplit(self.url), source_key()
        host, secure = parts.hostname or "", parts.scheme == "https"
        cloud = host.endswith(_CLOUD)
        port = port_option(self.uri.options, "grpc_port") or (443 if cloud else 50051)
        return self.ask(
            weaviate.connect_to_custom,
            http_host=host,
            http_port=parts.port or (443 if secure else 8080),
            http_secure=secure,
            grpc_host=self.uri.options.get("grpc_host", f"grpc-{host}" if cloud else host),
            grpc_port=port,
            grpc_secure=secure,
            auth_credentials=Auth.api_key(key) if key else None,
            skip_init_checks=True,  # else it also asks the internet for newer versions of itself
        )

    @once
    def _tenants(self, name: str) -> list[str]:
        """Those to be read; the empty one where a class has none."""
        if not self._classes[name].multi_tenancy_config.enabled:
            return [""]
        found = self.ask(self._client.collections.get(name).tenants.get)
        wanted = self.uri.options.get("tenant")
        if wanted is not None and wanted not in found:
            raise BadInput(f"{plain(name)} has no tenant {plain(wanted)}", fix=HELP)
        named = sorted(tenant for tenant in found if wanted in (None, tenant))
        asleep = [tenant for tenant in named if found[tenant].activity_status.name not in {"ACTIVE", "HOT"}]
        if asleep:
            raise SourceUnreadable(
                f"not every tenant of {plain(name)} can be read",
                why=f"{len(asleep)} of {len(named)} are not active, {plain(asleep[0])} among them",
                fix=Command("migrate", self.uri.asking(tenant="NAME")),
            )
        return named

    def describe(self, name: str) -> SourceCollection:
        config, shape = self._classes[name], self._shape(name)
        kinds = [(one.name, one.data_type.value) for one in config.properties]
        kinds += [(one.name, "cref") for one in config.references]
        notes = [f"property {plain(name)} is {_UNREAD[kind]}: left out" for name, kind in kinds if kind in _UNREAD]
        spec = None
        if shape.slots:
            spec = layouts.fitted(CollectionSpec(vectors=shape.slots), shape.layout, self.distance_asked)
            if shape.tenants:
                indexes = {**spec.payload_indexes, TENANT: {"type": "keyword", "is_tenant": True}}
                spec = spec.model_copy(update={"payload_indexes": indexes})
        words = self.layout_words(shape.layout, "what its records hold", "properties as they are")
        words += f"; the tenant in payload field {TENANT}, and before the id" if shape.tenants else ""
        counts = [self._reader(name, tenant).aggregate.over_all for tenant in self._tenants(name)]
        count = sum(int(self.ask(one, total_count=True).total_count) for one in counts)
        return SourceCollection(name=name, count=count, spec=spec, payload=words, warnings=(*notes, *shape.notes))

    @once
    def _shape(self, name: str) -> Shape:
        tenants = self._tenants(name)
        first: list[Any] = []
        for tenant in tenants:
            first += next(self._objects(name, tenant, layouts.SAMPLE - len(first), None), [])
            if len(first) >= layouts.SAMPLE:
                break
        slots, notes = slots_of(self._classes[name], first)
        several = tenants != [""] and "tenant" not in self.uri.options
        layout = self.layout_asked or layouts.recognised([found.properties for found in first])
        return Shape(slots, layout, tenants=several, notes=notes)

    def _objects(self, name: str, tenant: str, size: int, after: str | None) -> Iterator[list[Any]]:
        while True:
            query = self._reader(name, tenant).query
            answer = self.ask(query.fetch_objects, limit=size, after=after, include_vector=True)
            if not answer.objects:
                return
            yield list(answer.objects)
            last = str(answer.objects[-1].uuid)
            if last == after:
                what = f"{plain(name)} returns nothing new after {last}"
                raise SourceUnreadable(what, why="it gives the same objects again")
            after = last

    def _reader(self, name: str, tenant: str) -> Any:
        collection = self._client.collections.get(name)
        return collection.with_tenant(tenant) if tenant else collection

    def translated(self, error: Exception) -> AdminError:
        return self.fault(error, status=_status(error))


def _status(error: BaseException) -> int | None:
    """The HTTP status that an exception of theirs, or its cause, speaks of; None when nobody answered."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    said = (status for one in chain for mark, status in _SAID.items() if mark in str(one))
    known = (getattr(one, "status_code", None) for one in chain)
    found = next((status for status in (*said, *known) if isinstance(status, int) and status >= 400), None)
    if found is None and not any(isinstance(one, OSError) or type(one).__name__ in _SILENT for one in chain):
        return 400  # something answers, and not as Weaviate does
    return found

"""Who else wrote to the server, told by its own counters of requests, and what that leaves of a verdict."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from qdrant_admin.core.errors import AdminError, ServerUnreachable
from qdrant_admin.core.formatting import counted
from qdrant_admin.database.gateway import Database

Counters = Mapping[str, int]
"""How often every writing endpoint was asked since the server started."""
BLIND = "whether another program wrote meanwhile could not be seen: the server does not tell this API key"
UNSEEN_PROCESS = (
    "whether another program wrote meanwhile could not be seen: a process of the server has ended since, and its "
    "counters with it"
)
_BESIDE = ("/locks", "/logger", "/issues", "snapshots")
"""Parts of endpoints that touch no content, but for a snapshot that is put back."""
_PUT_BACK = ("recover", "upload")
_REST_ADDS = frozenset(
    {
        "PUT /collections/{name}",
        "PATCH /collections/{name}",
        "PUT /collections/{name}/index",
        "DELETE /collections/{name}/index/{field_name}",
        "PUT /collections/{name}/points",
        "POST /collections/{name}/points/payload",
        "PUT /collections/{name}/points/payload",
        "POST /collections/{name}/points/payload/delete",
        "POST /collections/{name}/points/payload/clear",
        "PUT /collections/{name}/points/vectors",
        "POST /collections/{name}/points/vectors/delete",
    }
)
_GRPC_ADDS = frozenset(
    {
        *(f"gRPC /qdrant.Collections/{call}" for call in ("Create", "Update")),
        *(f"gRPC /qdrant.Points/{call}Payload" for call in ("Set", "Overwrite", "Delete", "Clear")),
        *(f"gRPC /qdrant.Points/{call}" for call in ("Upsert", "UpdateVectors", "DeleteVectors")),
        *(f"gRPC /qdrant.Points/{call}FieldIndex" for call in ("Create", "Delete")),
    }
)


def read_counters(database: Database) -> Counters | None:
    """None when the server does not tell: a key without that right, or one for some collections only."""
    try:
        return database.write_counters()
    except ServerUnreachable:
        raise
    except AdminError:
        return None


def written(before: Counters | None, after: Counters | None, own: Counters | None = None) -> dict[str, int]:
    """Requests between two readings of the counters, without our `own`; none where one reading could not be had.

    A server that counts less than before is another process, whose counters began at nothing.
    """
    if before is None or after is None:
        return {}
    if is_another_process(before, after):
        before = {}
    more = {name: count - before.get(name, 0) - (own or {}).get(name, 0) for name, count in after.items()}
    return {name: count for name, count in sorted(more.items()) if count > 0}


def is_another_process(before: Counters, after: Counters) -> bool:
    """Whether a server counts less than before."""
    return any(after.get(name, 0) < count for name, count in before.items())


def told(requests: Counters) -> str:
    """`PUT /collections/{name}/points: 3 requests`."""
    return ", ".join(f"{name}: {counted(count, 'request')}" for name, count in requests.items())


@dataclass
class Writes:
    """What others asked the server for from the end of the first scan on."""

    between: Counter[str] = field(default_factory=Counter)
    """Before the second scan."""
    during: Counter[str] = field(default_factory=Counter)
    """While the second scan was taken: a point that is written at that moment may be read twice, or not at all."""
    blind: bool = False
    """Whether a reading of the counters could not be had."""
    why_blind: str = BLIND

    def see(self, before: Counters | None, after: Counters | None, own: Counters | None = None) -> dict[str, int]:
        """Requests before the second scan; returns those of others."""
        self._see_whether_blind(before, after)
        found = written(before, after, own)
        self.between.update(found)
        return found

    def see_scan(self, before: Counters | None, after: Counters | None) -> None:
        """Requests while the second scan was taken."""
        self._see_whether_blind(before, after)
        self.during = Counter(written(before, after))

    def _see_whether_blind(self, before: Counters | None, after: Counters | None) -> None:
        """A process that ended by itself has taken along what it had counted since the last reading."""
        if before is None or after is None:
            self.blind = True
        elif is_another_process(before, after):
            self.blind, self.why_blind = True, UNSEEN_PROCESS

    @property
    def all(self) -> dict[str, int]:
        return dict(sorted((self.between + self.during).items()))

    def that_alter(self) -> dict[str, int]:
        """Requests that may have changed what is stored."""
        return {name: count for name, count in self.all.items() if _alters(name)}

    def that_take(self) -> dict[str, int]:
        """Requests that may be why a point or a collection is missing."""
        return {
            name: count
            for name, count in self.all.items()
            if _alters(name) and (name in self.during or name not in _REST_ADDS | _GRPC_ADDS)
        }


def _alters(name: str) -> bool:
    """An endpoint that nobody knows counts as one that does: a false alarm is harmless, a missed write is not."""
    endpoint = name.lower()
    return any(word in endpoint for word in _PUT_BACK) or not any(word in endpoint for word in _BESIDE)

"""Whether a collection can go over as a snapshot, the server's own files, or goes point by point; and why."""

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.formatting import plain
from qdrant_admin.database import versions
from qdrant_admin.database.models import CollectionInfo
from qdrant_admin.migration.reports import Method, MethodChoice
from qdrant_admin.sources.base import Source

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database


class Chosen(NamedTuple):
    """How one collection is copied."""

    method: Method
    why: str
    refused: bool = False
    """Whether a snapshot was asked for, and `why` is what stands in the way."""


class Methods:
    """Decides for every collection of one source. What is the same for all of them is looked at once."""

    def __init__(self, asked: MethodChoice, source: Source, database: "Database") -> None:
        self._asked, self._source, self._database = asked, source, database

    def choose(self, name: str, target: CollectionInfo | None) -> Chosen:
        """How this collection is copied.

        Args:
            name: at the source.
            target: what is there already under its name in the target.
        """
        if self._asked == "stream":
            return Chosen("stream", "as asked")
        reason = self._servers[0] or self._collection(name, target)
        if not reason:
            return Chosen("snapshot", self._servers[1])
        return Chosen("stream", reason, refused=self._asked == "snapshot")

    @functools.cached_property
    def _servers(self) -> tuple[str, str]:
        """What about the two servers stands in the way; and what speaks for it."""
        from qdrant_admin.sources.qdrant.server import QdrantServer

        if not isinstance(self._source, QdrantServer):
            return "only a Qdrant server writes snapshots", ""
        try:
            here, there = self._source.database.server().version, self._database.server().version
            peers = self._source.database.snapshots.peers(), self._database.snapshots.peers()
        except AdminError as error:
            return f"nobody can tell whether a snapshot would do: {error.what}", ""
        if not readable(here, there):
            return f"a snapshot of Qdrant {plain(here)} is none that Qdrant {plain(there)} is sure to read", ""
        if max(peers) > 1:
            return "a cluster would want a snapshot of each of its servers", ""
        same = here == there
        words = (
            f"both servers are Qdrant {plain(here)}"
            if same
            else f"Qdrant {plain(there)} reads what {plain(here)} writes"
        )
        return "", f"{words}: its files go over whole, with a checksum, and need not be indexed again"

    def _collection(self, name: str, target: CollectionInfo | None) -> str:
        from qdrant_admin.sources.qdrant.server import QdrantServer

        if target is not None:
            return "a snapshot would replace the collection that is there, with its settings and all"
        if not isinstance(self._source, QdrantServer):
            return ""
        params: dict[str, Any] = self._source.database.collection(name).config.get("params") or {}
        if params.get("sharding_method") == "custom":
            return "its shards have keys"
        shards = params.get("shard_number") or 1
        return f"it has {shards} shards" if shards != 1 else ""


def readable(source: str, target: str) -> bool:
    """Whether a server reads the snapshots of another: of the same minor version, or of the one before its own."""
    one, other = versions.parse(source), versions.parse(target)
    return one != (0, 0, 0) and one[0] == other[0] and 0 <= other[1] - one[1] <= 1

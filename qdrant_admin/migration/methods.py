"""How a collection is copied, as a snapshot or point by point, and why; and how long that will take."""

import functools
import statistics
from collections.abc import Iterator
from typing import NamedTuple

from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionInfo, parsed_version
from qdrant_admin.migration import checkpoint
from qdrant_admin.migration.reports import Method, MethodChoice, MigrationReport, PlanReport
from qdrant_admin.sources.base import Searches, Source
from qdrant_admin.state import records
from qdrant_admin.state.store import StateStore

_GUESSED: dict[Method, float] = {"stream": 20e6, "snapshot": 60e6}
"""Bytes per second, as a plan estimates bytes: measured on two shared cores, both ends on the same machine."""
_RUNS = 5
"""Only the latest runs count; a year ago it may have been another machine."""
_LISTED = 100
_FEWEST_POINTS = 1000
"""A smaller run mostly measures how long it takes to start and to end."""


class Chosen(NamedTuple):
    """How one collection is copied."""

    method: Method
    why: str
    refused: bool = False
    """Whether a snapshot was asked for, and `why` is what stands in the way."""


class Methods:
    """Chooses how each collection of one source is copied. The two servers are compared once."""

    def __init__(self, asked: MethodChoice, source: Source, database: Database) -> None:
        self._asked, self._source, self._database = asked, source, database

    def choose(self, name: str, target: CollectionInfo | None) -> Chosen:
        """`target`: the collection that has the name already."""
        if self._asked == "stream":
            return Chosen("stream", "as asked")
        reason = self._servers[0] or self._collection(name, target)
        if not reason:
            return Chosen("snapshot", self._servers[1])
        return Chosen("stream", reason, refused=self._asked == "snapshot")

    @functools.cached_property
    def _servers(self) -> tuple[str, str]:
        """Why these two servers cannot use a snapshot, empty when they can; and why they should."""
        if not isinstance(self._source, Searches):
            return "only a Qdrant server writes snapshots", ""
        try:
            here, there = self._source.database.server().version, self._database.server().version
            peers = self._source.database.snapshots.peers(), self._database.snapshots.peers()
        except AdminError as error:
            return f"it is not known whether a snapshot is possible: {error.what}", ""
        if not readable(here, there):
            return f"a snapshot of Qdrant {plain(here)} may not be readable by Qdrant {plain(there)}", ""
        if max(peers) > 1:
            return "a cluster needs a snapshot of each of its nodes", ""
        words = f"Qdrant {plain(there)} reads what {plain(here)} writes"
        words = f"both servers are Qdrant {plain(here)}" if here == there else words
        return "", f"{words}: its files are copied with a checksum, and are not indexed again"

    def _collection(self, name: str, target: CollectionInfo | None) -> str:
        if target is not None:
            return "a snapshot would replace the existing collection and its settings"
        if not isinstance(self._source, Searches):
            return ""
        params = self._source.database.collection(name).config.get("params")
        params = params if isinstance(params, dict) else {}
        if params.get("sharding_method") == "custom":
            return "it has custom shard keys"
        shards = params.get("shard_number") or 1
        return f"it has {shards} shards" if shards != 1 else ""


def readable(source: str, target: str) -> bool:
    """Whether the target reads the source's snapshots: those of its own minor version and of the one before."""
    one, other = parsed_version(source), parsed_version(target)
    return one != (0, 0, 0) and one[0] == other[0] and 0 <= other[1] - one[1] <= 1


class Estimates:
    """How long a collection takes, judging by earlier migrations from the same kind of source into the same server."""

    def __init__(self, store: StateStore, *, profile: str, target: str, scheme: str) -> None:
        self._scheme, self._rates = scheme, dict[Method, list[float]]()
        plans = {plan.run: plan for plan in checkpoint.plans(store, target)}
        for _, kept in store.reports("migrate", profile, _LISTED) if plans else ():
            report = records.load(MigrationReport, kept)
            if isinstance(report, records.Unreadable) or (plan := plans.get(report.run)) is None:
                continue
            for method, rate in self._rate(plan, report):
                self._rates.setdefault(method, []).append(rate)

    def of(self, octets: int, method: Method) -> tuple[float, int]:
        """Seconds from the first point to the verdict, and on how many earlier runs that rests; 0: it is a guess.

        `octets` are bytes as a plan estimates them.
        """
        rates = self._rates.get(method, [])[:_RUNS]
        rate = statistics.median(rates) if rates else _GUESSED[method]
        return octets / rate, len(rates)

    def _rate(self, plan: PlanReport, report: MigrationReport) -> Iterator[tuple[Method, float]]:
        """Bytes per second of a run that copied everything, uninterrupted and by one method."""
        results = [one for one in report.collections if one.verdict != "skipped"]
        methods = {one.method for one in results}
        whole = report.verdict in {"verified", "differs"} and not report.resumed and len(methods) == 1
        if not whole or plan.source.partition(":")[0] != self._scheme:
            return
        octets = sum(one.estimated_bytes for one in plan.taken)
        differing = any(one.only_differences for one in plan.collections)
        if sum(one.read for one in results) >= _FEWEST_POINTS and report.seconds > 0 and octets and not differing:
            yield methods.pop(), octets / report.seconds

"""How long a migration will take: as long as earlier ones of its kind, or a guess where there were none."""

import statistics
from collections.abc import Iterator
from typing import NamedTuple

from qdrant_admin.migration import checkpoint
from qdrant_admin.migration.reports import Method, MigrationReport, PlanReport
from qdrant_admin.state import records
from qdrant_admin.state.store import StateStore

_GUESSED: dict[Method, float] = {"stream": 20e6, "snapshot": 60e6}
"""Bytes per second, as a plan estimates bytes: measured on two shared cores, both ends on the same machine."""
_RUNS = 5
"""Only so many of the latest count; a year ago it may have been another machine."""
_LISTED = 100
_FEWEST_POINTS = 1000
"""A smaller run mostly measures how long it takes to start and to end."""


class Estimate(NamedTuple):
    """How long one collection takes, from its first point to its verdict."""

    seconds: float
    runs: int
    """How many earlier runs it rests on; 0: it is a guess."""


class Estimates:
    """Knows how fast earlier migrations were that copied from the same kind of source into the same server.

    Args:
        store: where they are remembered.
        profile: that they ran on.
        target: URL of the server.
        scheme: of the source.
    """

    def __init__(self, store: StateStore, *, profile: str, target: str, scheme: str) -> None:
        self._scheme, self._rates = scheme, dict[Method, list[float]]()
        plans = {plan.run: plan for plan in checkpoint.plans(store, target)}
        for _, kept in store.reports("migrate", profile, _LISTED) if plans else ():
            report = records.load(MigrationReport, kept)
            if isinstance(report, records.Unreadable) or (plan := plans.get(report.run)) is None:
                continue
            for method, rate in self._rate(plan, report):
                self._rates.setdefault(method, []).append(rate)

    def of(self, octets: int, method: Method) -> Estimate:
        """For so many bytes, as a plan estimates them, copied like this."""
        rates = self._rates.get(method, [])[:_RUNS]
        rate = statistics.median(rates) if rates else _GUESSED[method]
        return Estimate(octets / rate, len(rates))

    def _rate(self, plan: PlanReport, report: MigrationReport) -> Iterator[tuple[Method, float]]:
        """Bytes per second of a run that copied everything, uninterrupted and by one method."""
        results = [one for one in report.collections if one.verdict != "skipped"]
        methods = {one.method for one in results}
        whole = report.verdict in {"verified", "differs"} and not report.resumed and len(methods) == 1
        if not whole or plan.source.partition(":")[0] != self._scheme:
            return
        octets = sum(one.estimated_bytes for one in plan.collections if one.action != "skip")
        differing = any(one.only_differences for one in plan.collections)
        if sum(one.read for one in results) >= _FEWEST_POINTS and report.seconds > 0 and octets and not differing:
            yield methods.pop(), octets / report.seconds

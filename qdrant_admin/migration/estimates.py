"""How long a migration will take: as earlier ones of its kind went, and a guess where there were none."""

import contextlib
import statistics
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import ValidationError

from qdrant_admin.migration import checkpoint
from qdrant_admin.migration.reports import Method, MigrationReport, PlanReport
from qdrant_admin.sources.uri import parse
from qdrant_admin.state.store import StateStore

_GUESSED: dict[Method, float] = {"stream": 20e6, "snapshot": 60e6}
"""Bytes a second, as a plan estimates bytes: what two shared cores did, both ends on the same machine."""
_RUNS = 5
"""As many of the latest are believed; the machine of a year ago may have been another."""
_LISTED = 100
_FEWEST_POINTS = 1000
"""A smaller run tells how long it takes to begin and to end."""


class Estimate(NamedTuple):
    """How long one collection takes, from its first point to its verdict."""

    seconds: float
    runs: int
    """How many earlier runs say so; 0: nobody knows, it is a guess."""


class Estimates:
    """Knows how fast earlier migrations were that copied from the same kind of source into the same server.

    Args:
        store: where they are remembered.
        profile: that they were made on.
        target: URL of the server.
        scheme: of the source.
    """

    def __init__(self, store: StateStore, *, profile: str, target: str, scheme: str) -> None:
        self._scheme, self._rates = scheme, dict[Method, list[float]]()
        plans = {plan.run: plan for plan in checkpoint.plans(store, target)}
        for _, kept in store.reports("migrate", profile, _LISTED) if plans else ():
            with contextlib.suppress(ValidationError):  # written by another version
                report = MigrationReport.model_validate_json(kept)
                for method, rate in self._rate(plans.get(report.run), report):
                    self._rates.setdefault(method, []).append(rate)

    def of(self, octets: int, method: Method) -> Estimate:
        """For so many bytes, as a plan estimates them, copied like this."""
        rates = self._rates.get(method, [])[:_RUNS]
        rate = statistics.median(rates) if rates else _GUESSED[method]
        return Estimate(octets / rate, len(rates))

    def _rate(self, plan: PlanReport | None, report: MigrationReport) -> Iterator[tuple[Method, float]]:
        """Bytes a second of a run that was copied whole, at one go and in one way."""
        results = [one for one in report.collections if one.verdict != "skipped"]
        methods = {one.method for one in results}
        told = plan is not None and report.verdict in {"verified", "differs"} and not report.resumed
        if plan is None or not told or len(methods) != 1 or parse(plan.source).scheme != self._scheme:
            return
        octets = sum(one.estimated_bytes for one in plan.collections if one.action != "skip")
        differing = any(one.only_differences for one in plan.collections)
        if sum(one.read for one in results) >= _FEWEST_POINTS and report.seconds > 0 and octets and not differing:
            yield methods.pop(), octets / report.seconds

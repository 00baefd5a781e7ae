"""How the checks of one profile have gone over time: how fast its server came back, and how much it held."""

import statistics
from datetime import datetime

from qdrant_admin.core.blocks import Blocks
from qdrant_admin.core.formatting import counted, duration, size
from qdrant_admin.core.reports import Frozen, Report
from qdrant_admin.persistence import blocks
from qdrant_admin.persistence.reports import Verdict, VerifyMethod, VerifyReport
from qdrant_admin.state import records
from qdrant_admin.state.store import StateStore


class TrendPoint(Frozen):
    """One check."""

    entry: int
    """Its number in the history."""
    at: datetime
    how: VerifyMethod
    verdict: Verdict
    points: int
    """Of all collections that it read, as they were when it began."""
    ready_seconds: float | None = None
    """From the stop to truly ready; None when it restarted nothing, or when the server did not come back."""
    storage_bytes: int | None = None
    """What the storage occupied on the disk; None where that is unknown."""


class TrendReport(Report):
    """The checks that the history keeps of a profile, oldest first."""

    profile: str
    points: tuple[TrendPoint, ...] = ()

    @property
    def ready_median_seconds(self) -> float | None:
        """The middle of all times to ready; None when there is none."""
        known = [one.ready_seconds for one in self.points if one.ready_seconds is not None]
        return statistics.median(known) if known else None

    def summary(self) -> str:
        """How many checks, the median time to ready, and the latest size on disk."""
        told = [counted(len(self.points), "check")]
        if self.ready_median_seconds is not None:
            told.append(f"ready again after {duration(self.ready_median_seconds)} (median)")
        last = next((one.storage_bytes for one in reversed(self.points) if one.storage_bytes is not None), None)
        if last is not None:
            told.append(f"{size(last)} on disk")
        return ", ".join(told)

    def blocks(self) -> Blocks:
        """The figures over time, and every check on a line."""
        return blocks.trend(self)


def trends(store: StateStore, profile: str, limit: int = 100) -> TrendReport:
    """The latest `limit` checks of a profile. A report that this version cannot read is left out."""
    points = []
    for entry, report in reversed(store.reports("verify", profile, limit)):
        kept = records.load(VerifyReport, report)
        if isinstance(kept, records.Unreadable):
            continue
        points.append(
            TrendPoint(
                entry=entry.id,
                at=kept.at,
                how=kept.how,
                verdict=kept.verdict,
                points=sum(one.before.points for one in kept.collections if one.before),
                ready_seconds=kept.ready_seconds,
                storage_bytes=kept.storage_bytes,
            )
        )
    return TrendReport(profile=profile, points=tuple(points))

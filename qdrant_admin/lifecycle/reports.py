"""Reports of the life-cycle operations. Field names are a contract with scripts."""

from datetime import datetime
from typing import Literal

from qdrant_admin.core.blocks import Blocks
from qdrant_admin.core.formatting import counted
from qdrant_admin.core.reports import Finding, Report
from qdrant_admin.core.values import Frozen
from qdrant_admin.lifecycle import blocks
from qdrant_admin.server.runtime import (
    DELETED,
    Capabilities,
    Change,
    Diagnosis,
    RuntimeKind,
    Stats,
    Storage,
    StorageKind,
)

CheckStatus = Literal["ok", "warn", "fail", "unknown"]
"""`unknown`: it could not be looked at."""


class StatusReport(Report):
    """The state of the server and of what it holds, each field after having looked."""

    profile: str
    runtime: RuntimeKind
    state: str
    """A key of `core.formatting.STATES`: healthy, loading, degraded, unhealthy, recovery, stopped, absent, ..."""
    url: str
    dashboard: str = ""
    """Address of the web interface of the Qdrant that answers; empty when none does."""
    version: str | None = None
    healthy: bool = False
    ready: bool = False
    collections: int | None = None
    points: int | None = None
    """Exact; None when not every collection could be counted."""
    statuses: dict[str, int] = {}
    """How many collections are green, yellow, grey, red."""
    storage: Storage
    restart_policy: str = ""
    container: str | None = None
    name: str = ""
    engine: str = ""
    image: str = ""
    ours: bool | None = None
    grpc: str = ""
    """gRPC address, with ` closed` in words when it does not answer."""
    started_at: datetime | None = None
    restarts: int = 0
    api_key: bool = False
    """Whether the server asks for a key."""
    diagnosis: Diagnosis | None = None
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What wants attention, faults first. Its words: `lifecycle.finding_words.text`."""
    since: tuple[str, ...] = ()
    """What requests took away since the earlier look, and what is not as it was, in words: told once, and no fault."""
    capabilities: Capabilities = Capabilities()
    checked_at: datetime

    @property
    def exit_code(self) -> int:
        faulty = any(one.level == "fail" for one in self.findings)
        return 0 if self.healthy and not faulty else 1

    @property
    def verdict_word(self) -> str:
        return self.state

    def summary(self) -> str:
        if self.collections is None or self.points is None:
            return self.url
        return f"{counted(self.collections, 'collection')}, {counted(self.points, 'point')} at {self.url}"

    def blocks(self) -> Blocks:
        return blocks.status(self)


class UpReport(StatusReport):
    """As `StatusReport`, after `up` or `restart`."""

    started: bool
    """Whether this call started the server (False: it ran already)."""
    why: str = ""
    """Why this runtime was chosen."""
    seconds: float

    @property
    def exit_code(self) -> int:
        return 0 if self.healthy else 1


class DownReport(Report):
    """What `down` left behind."""

    profile: str
    runtime: RuntimeKind
    stopped: bool
    removed: bool
    storage: Storage
    """Where the data still is."""

    @property
    def verdict_word(self) -> str:
        return "stopped"

    @property
    def lost(self) -> Diagnosis | None:
        """That its storage was deleted or moved while it ran, so that its data ended with it."""
        return next((fault for fault in self.storage.faults if fault.code == DELETED), None)

    def summary(self) -> str:
        if (lost := self.lost) is not None:
            return lost.what
        return f"data kept in {self.storage.source}" if self.storage.source else ""

    def blocks(self) -> Blocks:
        return blocks.down(self)


class Check(Frozen):
    """One thing the doctor looked at."""

    name: str = ""
    code: str = ""
    """What was found, where something was: `grpc_closed`, as in a status, or a code of the doctor's own."""
    status: CheckStatus
    detail: str
    """The evidence."""
    fix: str = ""


class DoctorReport(Report):
    """Every check, in the order it was made."""

    checks: tuple[Check, ...]

    @property
    def exit_code(self) -> int:
        return 1 if self._having("fail") else 0

    @property
    def verdict_word(self) -> str:
        worst: tuple[CheckStatus, ...] = ("fail", "warn", "unknown")
        return next((status for status in worst if self._having(status)), "ok")

    def summary(self) -> str:
        faults, warnings, unknown = self._having("fail"), self._having("warn"), self._having("unknown")
        parts = [counted(faults, "fault")] if faults else []
        parts += [counted(warnings, "warning")] if warnings else []
        parts += [f"{unknown} unknown"] if unknown else []
        return f"{', '.join(parts) or 'no fault'} in {counted(len(self.checks), 'check')}"

    def _having(self, status: CheckStatus) -> int:
        return sum(check.status == status for check in self.checks)

    def blocks(self) -> Blocks:
        return blocks.doctor(self)


class SurveyReport(Report):
    """What the first run finds on a machine, before anything is made."""

    engine: str = ""
    """The container engine that answers, in words; empty when none does."""
    engine_trouble: str = ""
    engine_fix: str = ""
    image: str
    native: str = ""
    """The native binary that is here already; empty when it has to be fetched."""
    native_possible: bool
    recommended: RuntimeKind
    host: str
    port: int
    port_free: bool
    port_holder: str = ""
    """Who listens there, in words."""
    next_port: int
    """The port itself when it is free, else the next one that is."""
    grpc_port: int
    grpc_port_free: bool
    next_grpc_port: int
    storage_kind: StorageKind
    storage: str
    free_bytes: int | None = None
    server: str
    """State of this profile's server: a key of `core.formatting.STATES`."""

    def summary(self) -> str:
        return f"{self.engine or 'no container engine'}, {self.recommended} recommended"


class StatsReport(Stats, Report):
    """One sample of what the server costs."""

    at: datetime

    def blocks(self) -> Blocks:
        return blocks.stats(self)

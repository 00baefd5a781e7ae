"""How the server is. Health means looked at: process, identity, readiness, gRPC, and every collection."""

from collections import Counter
from datetime import UTC, datetime

from qdrant_admin.config.settings import Settings
from qdrant_admin.core.reports import Finding
from qdrant_admin.lifecycle.finding_words import in_words, told_gone
from qdrant_admin.lifecycle.findings import HARMLESS, findings
from qdrant_admin.lifecycle.observation import Observation, observe
from qdrant_admin.lifecycle.reports import StatusReport
from qdrant_admin.server.runtime import RuntimeState, Storage
from qdrant_admin.workspace import Workspace


def status(ws: Workspace) -> StatusReport:
    """Look at everything and report it. A server that is down is a state, not an error."""
    return report_of(ws.settings, observe(ws))


def report_of(settings: Settings, seen: Observation) -> StatusReport:
    found = findings(settings, seen)
    word = _state(seen, found)
    state = seen.state or RuntimeState(runtime=seen.kind, state="unknown", storage=Storage())
    probe, collections = seen.probe, seen.collections
    counts = [one.points for one in collections or ()]
    return StatusReport(
        profile=settings.name,
        runtime=seen.kind,
        state=word,
        url=seen.endpoint.url,
        dashboard=f"{seen.endpoint.url}/dashboard" if seen.answers_as_qdrant else "",
        version=probe.version or None if probe is not None and probe.is_qdrant else None,
        healthy=word in {"healthy", "degraded"},
        ready=word in {"healthy", "degraded", "unhealthy"} and collections is not None and bool(probe and probe.ready),
        collections=None if collections is None else len(collections),
        points=None if collections is None or None in counts else sum(count or 0 for count in counts),
        statuses=dict(Counter(one.status for one in collections or ())),
        storage=state.storage,
        restart_policy=state.restart_policy,
        container=state.container,
        name=state.name,
        engine=state.engine,
        image=state.image,
        ours=False if seen.foreign else state.ours,
        grpc=_grpc(seen),
        started_at=state.started_at,
        restarts=state.restarts,
        api_key=bool(probe and probe.key_wanted),
        diagnosis=state.diagnosis,
        changes=seen.changes,
        findings=found,
        since=(*(in_words(seen.memory) if seen.memory else ()), *map(told_gone, seen.gone_elsewhere)),
        capabilities=seen.capabilities,
        checked_at=datetime.now(UTC),
    )


def _grpc(seen: Observation) -> str:
    if seen.endpoint.grpc_port is None:
        return ""
    address = f"{seen.endpoint.grpc_host}:{seen.endpoint.grpc_port}"
    return address if seen.probe is not None and seen.probe.grpc_open else f"{address} closed"


def _state(seen: Observation, found: tuple[Finding, ...]) -> str:
    """A key of `core.formatting.STATES`."""
    if seen.foreign:
        return "foreign"
    state = seen.state
    if state is not None and state.state in {"absent", "stopped", "paused", "restarting"}:
        return state.state
    return _answering(seen) or _weighed(seen, found)


def _answering(seen: Observation) -> str | None:
    """What keeps the server from being judged by its data; None when nothing does."""
    probe = seen.probe
    if probe is None or not probe.is_qdrant:
        return "unreachable"
    if probe.recovery_mode:
        return "recovery"
    if not probe.ready or any(one.pending.queued for one in seen.collections or ()):
        return "loading"
    return None


def _weighed(seen: Observation, found: tuple[Finding, ...]) -> str:
    if seen.collections is None or seen.state is None:
        return "unknown"
    weighty = [one for one in found if one.code not in HARMLESS]
    if any(one.level == "fail" for one in weighty):
        return "unhealthy"
    return "degraded" if weighty else "healthy"

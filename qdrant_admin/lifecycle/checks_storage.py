"""The doctor's checks of where the data lies, and of the room that it has."""

from qdrant_admin.config import places
from qdrant_admin.config.profile import DEFAULT_PROFILE
from qdrant_admin.core.commands import on_profile
from qdrant_admin.core.formatting import size
from qdrant_admin.lifecycle.facts import Facts
from qdrant_admin.lifecycle.findings import NEARLY_FULL_BELOW, WRITES_REFUSED_BELOW
from qdrant_admin.lifecycle.first_run import free_bytes
from qdrant_admin.lifecycle.reports import Check, CheckStatus


def storage(facts: Facts) -> Check:
    """Where the data lies, and whether it can stay there."""
    state = facts.seen.state
    if state is None or state.state == "absent" or facts.seen.kind == "remote":
        return Check(name="storage", status="ok", detail="no server of ours to look at")
    place = state.storage
    where = f"{place.kind} {place.source}".strip()
    if not place.faults:
        if place.sound is False:
            fix = facts.fix("verify --how kill")
            return Check(name="storage", status="warn", detail=f"{where}: {place.detail}", fix=fix)
        return Check(name="storage", status="ok", detail=where + (f": {place.detail}" if place.detail else ""))
    name = facts.ws.settings.name
    worst = next((fault for fault in place.faults if fault.severe), place.faults[0])
    told = "; ".join(f"{fault.what} ({fault.why})" if fault.why else fault.what for fault in place.faults)
    return Check(
        name="storage",
        status="fail" if worst.severe else "warn",
        detail=told if place.kind == "container" else f"{where}: {told}",
        fix=on_profile(worst.fix, None if name == DEFAULT_PROFILE else name),
    )


def disk(facts: Facts) -> Check:
    """Qdrant refuses writes below 128 MiB, and dies without a word on a full disk."""
    free = facts.status.storage.free_bytes
    if free is None and facts.seen.kind == "docker" and facts.seen.capabilities.stats:
        free = facts.ws.runtime.stats().disk_free_bytes  # a virtual machine's own disk, which only it can measure
    free = free_bytes(places.data_dir()) if free is None else free
    if free is None:
        return Check(name="disk", status="warn", detail="free space is unknown")
    status: CheckStatus = "fail" if free < WRITES_REFUSED_BELOW else "warn" if free < NEARLY_FULL_BELOW else "ok"
    return Check(name="disk", status=status, detail=f"{size(free)} free", fix="" if status == "ok" else "df -h")

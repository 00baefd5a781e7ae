"""What the engine says of a container, as a `RuntimeState`."""

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from qdrant_admin.server.decode import decode_exit, decode_log
from qdrant_admin.server.docker.answers import Inspected, name_of
from qdrant_admin.server.docker.container.spec import restart_policy
from qdrant_admin.server.docker.storage import read_storage
from qdrant_admin.server.runtime import Diagnosis, ProcessState, RuntimeState

_STATES: dict[str, ProcessState] = {
    "running": "running",
    "paused": "paused",
    "restarting": "restarting",
    "created": "stopped",
    "exited": "stopped",
    "dead": "stopped",
    "removing": "stopped",
}
CLEAN = {0, 143}
"""The server itself ends with 0 on SIGTERM, and with 143 under the entrypoint of the published image."""


def process_state(attributes: Inspected) -> ProcessState:
    """The state of a container in the words of this product."""
    return _STATES.get(str(attributes["State"].get("Status")), "unknown")


def read_state(
    attributes: Inspected,
    *,
    engine: str,
    profile: str,
    ours: bool,
    first_lines: Sequence[str] | None,
    last_lines: Sequence[str],
) -> RuntimeState:
    """The state of an existing container; `first_lines` is None where they could not be read."""
    state = process_state(attributes)
    code = attributes["State"].get("ExitCode") if state in {"stopped", "restarting"} else None
    return RuntimeState(
        runtime="docker",
        state=state,
        name=name_of(attributes),
        container=name_of(attributes),
        ours=ours,
        engine=engine,
        image=str(attributes["Config"]["Image"]),
        pid=_own_pid(attributes),
        started_at=moment(attributes["State"].get("StartedAt")),
        restarts=int(attributes.get("RestartCount") or 0),
        restart_policy=restart_policy(attributes),
        starts_with_machine=restart_policy(attributes) not in {"no", "on-failure"},
        exit_code=code,
        diagnosis=_diagnosis(attributes, profile, code, first_lines, last_lines),
        storage=read_storage(attributes, first_lines, profile),
    )


def _diagnosis(
    attributes: Inspected, profile: str, code: int | None, first_lines: Sequence[str] | None, last_lines: Sequence[str]
) -> Diagnosis | None:
    if code is None:
        found = decode_log(first_lines or (), profile)
        return next((item for item in found if item.severe), found[0] if found else None)
    # OOMKilled stays true while a restarted container runs: believe it only of one that has ended.
    oom = bool(attributes["State"].get("OOMKilled")) and process_state(attributes) == "stopped"
    return decode_exit(code, profile, oom_killed=oom, stopped_by_us=code in CLEAN, log=last_lines)


def moment(text: object) -> datetime | None:
    """Docker's time, of nanoseconds and with year 1 for never."""
    match = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,6})?", str(text or ""))
    if match is None or match[1].startswith("0001"):
        return None
    return datetime.fromisoformat(match[1] + (match[2] or "").ljust(7, "0") * bool(match[2])).replace(tzinfo=UTC)


def _own_pid(attributes: Inspected) -> int | None:
    """The server's process on this machine; None when the number is that of a virtual machine or of another host."""
    pid = int(attributes["State"].get("Pid") or 0)
    if not pid or not sys.platform.startswith("linux"):
        return None
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    return pid if str(attributes.get("Path")).encode() in words else None

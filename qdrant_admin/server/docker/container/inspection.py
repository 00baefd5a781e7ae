"""What is seen of a container: its state as a `RuntimeState`, its log, and what it costs."""

import os
import posixpath
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import Cancelled
from qdrant_admin.core.files import free_bytes, occupied_bytes
from qdrant_admin.server.decode import decode_exit, decode_log
from qdrant_admin.server.docker.answers import Inspected, name_of
from qdrant_admin.server.docker.container.spec import restart_policy
from qdrant_admin.server.docker.engine.errors import existing, translated
from qdrant_admin.server.docker.engine.stream import batches, each
from qdrant_admin.server.docker.storage import data_mount, folder_of, in_words, read_storage
from qdrant_admin.server.runtime import DELETED, VANISHING, Diagnosis, ProcessState, RuntimeState, Stats
from qdrant_admin.server.storage_mark import RAFT_STATE, peer_in, peer_in_archive

if TYPE_CHECKING:
    from docker import APIClient

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
_RAFT_STATE = re.compile(r"raft state (?:at|from) (\S+)")
"""`Initializing new raft state at ./storage/raft_state.json`, `Loading raft state from ...` (Qdrant 1.16.3)."""
_EVIDENCE_LINES = 60
FIRST_SECONDS = 10


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
        pid=own_pid(attributes),
        started_at=moment(attributes["State"].get("StartedAt")),
        restarts=int(attributes.get("RestartCount") or 0),
        restart_policy=restart_policy(attributes),
        starts_with_machine=restart_policy(attributes) not in {"no", "on-failure"},
        exit_code=code,
        diagnosis=_diagnosis(attributes, profile, code, first_lines, last_lines),
        storage=read_storage(attributes, first_lines, profile),
    )


def removed_below(
    api: "APIClient", found: Inspected, first: Sequence[str] | None, *, local: bool, profile: str
) -> Diagnosis | None:
    """The fault that the data was removed below a running server, which holds it on until it ends.

    The server itself says at its start where its raft state lies; that is there for as long as the storage is. A folder
    of this machine may have been replaced by another one, which a container sees when it is started again.
    """
    said = next((match[1] for line in first or () if (match := _RAFT_STATE.search(line))), "")
    if process_state(found) != "running" or not said or not any("HTTP listening" in line for line in first or ()):
        return None
    path = posixpath.join(found["Config"].get("WorkingDir") or "/", said)
    archive = existing(lambda: b"".join(api.get_archive(found["Id"], path)[0]))
    mount, folder = data_mount(found), folder_of(found)
    if archive is None:
        what = f"the content of {in_words(found)} was deleted under the running server"
    elif local and mount and mount.get("Type") == "bind" and folder and _is_another(folder, peer_in_archive(archive)):
        what = f"{folder} was moved or replaced under the running server"
    else:
        return None
    why = "what the server holds is out of reach as soon as it stops: export every collection first"
    fix = str(Command("collections", "list").on(profile))
    return Diagnosis(code=DELETED, what=what, why=why, fix=fix, severe=True)


def _is_another(folder: Path, peer: str) -> bool:
    """Whether a folder is there, and not the storage of that peer."""
    state = folder / RAFT_STATE
    if not os.access(folder, os.R_OK | os.X_OK) or not peer:
        return False
    return not state.exists() or peer_in(folder) not in {"", peer}


def with_fault(state: RuntimeState, fault: Diagnosis) -> RuntimeState:
    """The same with one more fault of its storage, before all others."""
    place = state.storage
    faults = {"faults": (fault, *place.faults), "sound": False, "detail": fault.what}
    return state.model_copy(update={"storage": place.model_copy(update=faults)})


def meant_to_vanish(state: RuntimeState) -> RuntimeState:
    """The same where the data may die with its container."""
    place = state.storage
    if place.kind == "container":
        faults = tuple(one for one in place.faults if one.code not in VANISHING)
        detail = "; ".join(one.what for one in faults)
        place = place.model_copy(update={"faults": faults, "sound": not faults, "detail": detail})
    told = state.diagnosis is not None and state.diagnosis.code in VANISHING
    return state.model_copy(update={"storage": place, "diagnosis": None if told else state.diagnosis})


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


def own_pid(attributes: Inspected) -> int | None:
    """The server's process on this machine; None when the number is that of a virtual machine or of another host."""
    pid = int(attributes["State"].get("Pid") or 0)
    if not pid or not sys.platform.startswith("linux"):
        return None
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    return pid if str(attributes.get("Path")).encode() in words else None


def last_lines(api: "APIClient", container: str, tail: int = _EVIDENCE_LINES) -> list[str]:
    return _text(api.logs(container, tail=tail)).splitlines()


def first_lines(api: "APIClient", container: str, started: float) -> list[str]:
    """What the server said in its first seconds: the only place where it complains of its file system.

    `started` is when it was last started, in seconds since the epoch.
    """
    return _text(api.logs(container, since=int(started), until=int(started) + FIRST_SECONDS)).splitlines()


def lines_since(api: "APIClient", container: str, moment: datetime) -> list[str]:
    """Its log from that second on."""
    return _text(api.logs(container, since=int(moment.timestamp()))).splitlines()


def follow(api: "APIClient", container: str, *, tail: int, cancel: CancelToken) -> Iterator[list[str]]:
    """Batches of lines as they come, until the container ends or `cancel`."""
    stream = api.logs(container, stream=True, follow=True, tail=tail)
    part = b""
    try:
        with translated("read the log"):
            for chunks in batches(each(stream), cancel, close=stream.close):
                *lines, part = (part + b"".join(chunks)).split(b"\n")
                if lines:
                    yield [_text(line).rstrip("\r") for line in lines]
    except Cancelled:
        return
    if part:
        yield [_text(part)]


def read_stats(api: "APIClient", attributes: Inspected, path: str, source: str) -> Stats:
    """A sample of a running container; takes about a second, which is how the processor's share is measured.

    `path` is the storage path inside the container, `source` the same on the engine's machine, empty when it cannot
    be seen from here.
    """
    sample = api.stats(attributes["Id"], stream=False)
    memory = sample.get("memory_stats") or {}
    details = memory.get("stats") or {}
    # What the kernel can drop at any time is no need of the server's; `docker stats` leaves it out likewise.
    cache = details.get("inactive_file", details.get("total_inactive_file", 0))
    used = memory.get("usage")
    disk, free = disk_use(api, attributes["Id"], path, source)
    return Stats(
        cpu_percent=cpu_percent(sample),
        memory_bytes=None if used is None else max(0, int(used) - int(cache)),
        memory_limit_bytes=memory.get("limit"),
        disk_bytes=disk,
        disk_free_bytes=free,
    )


def cpu_percent(sample: Mapping[str, Any]) -> float | None:
    """Share of one core, from a sample and the one before it; None before there are two."""
    now, before = sample.get("cpu_stats") or {}, sample.get("precpu_stats") or {}
    if "system_cpu_usage" not in now or "system_cpu_usage" not in before:
        return None
    spent = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    passed = now["system_cpu_usage"] - before["system_cpu_usage"]
    cores = now.get("online_cpus") or len(now["cpu_usage"].get("percpu_usage") or ()) or 1
    return float(max(0.0, 100.0 * spent / passed * cores)) if passed > 0 else None


def disk_use(api: "APIClient", container: str, path: str, source: str) -> tuple[int | None, int | None]:
    """Bytes in blocks that the storage occupies, and bytes that are free; None where nobody can tell.

    The engine's own figure (`docker system df -v`) counts apparent sizes: 197 MB for an empty collection that really
    takes 1 MB, since Qdrant preallocates sparse files. So: count here where the engine's files can be seen, and
    ask `du` inside the container otherwise (Docker Desktop; the published image has one).
    """
    folder = Path(source) if source else None
    if folder is not None and os.access(folder, os.R_OK | os.X_OK):
        return occupied_bytes(folder), free_bytes(folder)
    used = number_from(api, container, ["du", "-s", "-B1", path])
    return used, number_from(api, container, ["df", "-B1", "--output=avail", path])


def number_from(api: "APIClient", container: str, command: list[str]) -> int | None:
    """The one number that a command inside the container tells; None when the image has no such command."""
    import docker.errors

    try:
        job = api.exec_create(container, shlex.join(command), stderr=False)["Id"]
        said = _text(api.exec_start(job))
        failed = api.exec_inspect(job).get("ExitCode") != 0
    except docker.errors.APIError:
        return None
    return None if failed else next((int(word) for word in said.split() if word.isdigit()), None)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")

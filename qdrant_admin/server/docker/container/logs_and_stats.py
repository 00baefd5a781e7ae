"""A container's log and what it costs."""

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Cancelled
from qdrant_admin.core.files import free_bytes, occupied_bytes
from qdrant_admin.server.docker.answers import Inspected
from qdrant_admin.server.docker.engine.errors import translated
from qdrant_admin.server.docker.engine.stream import batches, each
from qdrant_admin.server.runtime import Stats

if TYPE_CHECKING:
    from docker import APIClient

_EVIDENCE_LINES = 60
FIRST_SECONDS = 10


def last_lines(api: "APIClient", container: str, tail: int = _EVIDENCE_LINES) -> list[str]:
    """The end of the log."""
    return _text(api.logs(container, tail=tail)).splitlines()


def first_lines(api: "APIClient", container: str, started: float) -> list[str]:
    """What the server said in its first seconds: the only place where it complains of its file system.

    `started` is when it was last started, in seconds since the epoch.
    """
    return _text(api.logs(container, since=int(started), until=int(started) + FIRST_SECONDS)).splitlines()


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

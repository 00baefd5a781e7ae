"""What an exit code or a line of the server's log means, and the way out.

Every entry was seen with Qdrant 1.16.3, or stands in its sources; the texts searched for are those of its log.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from qdrant_admin.server.runtime import Diagnosis
from qdrant_admin.state import canaries

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_DOCTOR = "qdrant-admin doctor"
_LOGS = "qdrant-admin logs --tail 100"


_BANNER = "Version: "
"""Begins the first line with words in it that a start logs."""


def strip_colours(line: str) -> str:
    """The line without ANSI sequences."""
    return _ANSI.sub("", line)


class _Rule(NamedTuple):
    pattern: re.Pattern[str]
    diagnosis: Diagnosis


def _rule(pattern: str, what: str, why: str, fix: str, *, severe: bool = True) -> _Rule:
    return _Rule(re.compile(pattern, re.IGNORECASE), Diagnosis(what=what, why=why, fix=fix, severe=severe))


_FATAL = (
    _rule(
        r"WouldBlock|Resource temporarily unavailable",
        "another Qdrant runs on the same data",
        "the write-ahead log is locked by a second server on this volume or folder",
        "qdrant-admin doctor",
    ),
    _rule(
        r"Data version .{0,80}newer|newer than (?:the )?(?:current|supported)",
        "the data was written by a newer Qdrant",
        "a server never reads data of a later version than its own",
        "qdrant-admin up --image qdrant/qdrant:latest",
    ),
    _rule(
        r"No space left on device|code: 28\b|WAL buffer size exceeds available disk space",
        "the disk is full",
        "Qdrant refuses writes and deletes without room for its write-ahead log; acknowledged data is not harmed",
        "df -h",
    ),
    _rule(
        r"code: 30\b|Read-only file system",
        "the storage is read-only",
        "the volume or folder is mounted without the right to write",
        _DOCTOR,
    ),
    _rule(
        r"code: 13\b|Permission denied",
        "the storage may not be written",
        "the folder belongs to another user than the one the server runs as",
        _DOCTOR,
    ),
    _rule(
        r"RocksDB disabled|Failed to load '\w+' storage type",
        "the data is in the old RocksDB form, which this server cannot read",
        "1.17 is the last version that converts it, and only builds with RocksDB in them do",
        "qdrant-admin up --image qdrant/qdrant:v1.17.1",
    ),
    _rule(
        r"Failed to load local shard|Can't load collection|Failed to load collection",
        "a collection on the disk is damaged",
        "the server could not read one of its shards, and does not start without it",
        _LOGS,
    ),
)

_WARNINGS = (
    _rule(
        r"Container filesystem detected",
        "the data lies inside the container",
        "no volume is mounted where the server writes, so the data dies with the container",
        "qdrant-admin move-storage",
    ),
    _rule(
        r"FUSE|Filesystem check failed|potential issue with the filesystem|may cause data corruption",
        "the server distrusts the file system of its storage",
        "network, FUSE and shared-folder file systems are known to lose or damage its data",
        _DOCTOR,
    ),
    _rule(
        rf"Collection config is not found(?!.*{re.escape(canaries.PREFIX)}).*skipping",
        "a folder of a collection has no configuration and was left out",
        "a creation that was interrupted leaves one; so does a lost file, and then a collection is missing",
        "qdrant-admin collections list",
    ),
    _rule(
        r"recovery mode",
        "the server is in recovery mode",
        "it was started so, or ran out of memory before; collections can be deleted, and not read",
        "qdrant-admin restart --how recreate",
    ),
    _rule(
        r"(?:gRPC|tonic).{0,160}(?:Address already in use|transport error|error trying to bind|Failed to bind)",
        "gRPC does not answer",
        "its port is held by another program; REST runs all the same",
        _DOCTOR,
    ),
    _rule(
        r"Address already in use",
        "a port of the server is taken",
        "another program listens there",
        _DOCTOR,
    ),
    _rule(
        r"Not enough space available for optimization",
        "there is not enough disk space to optimize",
        "the server wants room for a second copy of what it works on; the collection turns red",
        "df -h",
    ),
    _rule(
        r"Panic occurred|panicked at",
        "the server panicked",
        "it came to a state that its authors had ruled out",
        _LOGS,
    ),
)

_CONTAINER_SIGNALS = {-signal: 128 + signal for signal in (4, 6, 7, 9, 11, 15)}
"""A native process that a signal ended has a negative code; a container has 128 and the signal's number."""


def latest_start(lines: Sequence[str]) -> Sequence[str] | None:
    """What a server's latest start has logged, from its banner on; None when that lies further back."""
    starts = [index for index, line in enumerate(lines) if line.startswith(_BANNER)]
    return lines[starts[-1] :] if starts else None


def decode_log(lines: Iterable[str]) -> list[Diagnosis]:
    """What the lines warn of, each finding once, in the order in which it was first seen."""
    found: dict[str, Diagnosis] = {}
    for line in lines:
        diagnosis = _read_line(strip_colours(line))
        if diagnosis is not None:
            found.setdefault(diagnosis.what, diagnosis)
    return list(found.values())


def decode_exit(
    code: int | None, *, oom_killed: bool = False, stopped_by_us: bool = False, log: Sequence[str] = ()
) -> Diagnosis | None:
    """Why the server ended.

    Args:
        code: of a container, or of a native process (negative: a signal); None when nobody knows it.
        oom_killed: what the engine says; believe it only of a container that has ended.
        stopped_by_us: whether the end was asked for.
        log: the server's last lines.

    Returns:
        None for a clean end.
    """
    if code is None:
        return None
    code = _CONTAINER_SIGNALS.get(code, code)
    if code == 0 or (stopped_by_us and code in {137, 143}):
        return None
    if oom_killed:
        return _OUT_OF_MEMORY
    if code in {1, 101}:
        return _from_log(log) or _CODES[code]
    return _CODES.get(code) or Diagnosis(
        what=f"the server ended with code {code}", why=_last_error(log), fix=_LOGS, severe=True
    )


_OUT_OF_MEMORY = Diagnosis(
    what="the server ran out of memory",
    why="the kernel ended it (code 137); acknowledged data survives that",
    fix="qdrant-admin restart",
    severe=True,
)
_CODES: dict[int, Diagnosis] = {
    1: Diagnosis(
        what="the server could not start (code 1)",
        why="it could not write its storage or could not use its port",
        fix=_LOGS,
        severe=True,
    ),
    101: Diagnosis(
        what="the server panicked (code 101)", why="it could not load what is on the disk", fix=_LOGS, severe=True
    ),
    128: Diagnosis(
        what="the container was never started (code 128)",
        why="the engine could not give it what it needs, most often a port that is taken",
        fix=_DOCTOR,
        severe=True,
    ),
    132: Diagnosis(
        what="this processor cannot run the server (SIGILL)",
        why="the build uses instructions that the processor does not have",
        fix="qdrant-admin up --runtime docker",
        severe=True,
    ),
    134: Diagnosis(
        what="the server aborted (SIGABRT)",
        why="it ended itself after a fault, often for want of memory",
        fix=_LOGS,
        severe=True,
    ),
    135: Diagnosis(
        what="the disk is full (SIGBUS)",
        why="the server died writing to a mapped file for which there was no room; acknowledged data is not harmed",
        fix="df -h",
        severe=True,
    ),
    137: Diagnosis(
        what="the server was killed (SIGKILL)",
        why="somebody killed it, or the kernel did for want of memory; acknowledged data survives that",
        fix="qdrant-admin restart",
        severe=True,
    ),
    139: Diagnosis(
        what="the server crashed (SIGSEGV)",
        why="most often a damaged file of a collection, such as one cut short by a full disk",
        fix=_LOGS,
        severe=True,
    ),
    143: Diagnosis(
        what="the server was stopped from outside (SIGTERM)",
        why="it ended in order, and not on our request",
        fix="qdrant-admin up",
    ),
}


def _read_line(line: str) -> Diagnosis | None:
    for rule in (*_FATAL, *_WARNINGS):
        if rule.pattern.search(line):
            return rule.diagnosis
    return None


def _from_log(log: Sequence[str]) -> Diagnosis | None:
    """The most telling finding: a known cause of a failed start before a mere `it panicked`."""
    found = decode_log(log)
    causes = {rule.diagnosis.what for rule in _FATAL}
    return next((item for item in found if item.what in causes), found[-1] if found else None)


def _last_error(log: Sequence[str]) -> str:
    lines = [strip_colours(line).strip() for line in log]
    telling = [line for line in lines if "error" in line.lower() or "panic" in line.lower()]
    return (telling or lines or [""])[-1]

"""What an exit code or a line of the server's log means, and the way out.

Every entry was seen with Qdrant 1.16.3, or stands in its sources; the texts searched for are those of its log.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from qdrant_admin.core.commands import Command, Fix, written
from qdrant_admin.server.runtime import Diagnosis
from qdrant_admin.state import canaries

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
BANNER = "Version: "
"""Begins the first line with words in it that a start logs."""
_DOCTOR, _LOGS, _RESTART = Command("doctor"), Command("logs", tail=100), Command("restart")


class Meaning(NamedTuple):
    """What was found, before it is known on which profile its way out is to be."""

    code: str
    what: str
    why: str
    fix: Fix
    severe: bool = True

    def on(self, profile: str) -> Diagnosis:
        """With a way out that can be pasted."""
        fix = written(self.fix, profile)
        return Diagnosis(code=self.code, what=self.what, why=self.why, fix=fix, severe=self.severe)


class _Rule(NamedTuple):
    """What is recognised in a line. A pattern that names a `version` has a way out with an image of that version."""

    pattern: re.Pattern[str]
    meaning: Meaning

    def read(self, line: str) -> Meaning | None:
        match = self.pattern.search(line)
        if match is None:
            return None
        version = match.groupdict().get("version")
        image = Command("up", image=f"qdrant/qdrant:v{version}") if version else self.meaning.fix
        return self.meaning._replace(fix=image)


def _rule(pattern: str, code: str, what: str, why: str, fix: Fix, *, severe: bool = True) -> _Rule:
    return _Rule(re.compile(pattern, re.IGNORECASE), Meaning(code, what, why, fix, severe))


_FATAL = (
    _rule(
        r"WouldBlock|Resource temporarily unavailable",
        "storage_in_use",
        "another Qdrant runs on the same data",
        "the write-ahead log is locked by a second server on this volume or folder",
        _DOCTOR,
    ),
    _rule(
        r"Data version (?:(?P<version>\d+\.\d+\.\d+)\b)?.{0,80}newer|newer than (?:the )?(?:current|supported)",
        "storage_newer",
        "the data was written by a newer Qdrant",
        "a server never reads data of a later version than its own",
        _LOGS,
    ),
    _rule(
        r"No space left on device|code: 28\b|WAL buffer size exceeds available disk space",
        "disk_full",
        "the disk is full",
        "Qdrant refuses writes and deletes without room for its write-ahead log; acknowledged data is not harmed",
        "df -h",
    ),
    _rule(
        r"code: 30\b|Read-only file system",
        "storage_read_only",
        "the storage is read-only",
        "the volume or folder is mounted without the right to write",
        _DOCTOR,
    ),
    _rule(
        r"code: 13\b|Permission denied",
        "storage_not_writable",
        "the storage may not be written",
        "the folder belongs to another user than the one the server runs as",
        _DOCTOR,
    ),
    _rule(
        r"RocksDB disabled|Failed to load '\w+' storage type",
        "storage_rocksdb",
        "the data is in the old RocksDB form, which this server cannot read",
        "1.17 is the last version that converts it, and only builds with RocksDB in them do",
        Command("up", image="qdrant/qdrant:v1.17.1"),
    ),
    _rule(
        r"Failed to (?:load local shard|check shard path)|Can't load collection|Failed to load collection",
        "collection_damaged",
        "a collection on the disk is damaged",
        "the server could not read one of its shards, and does not start without it",
        _LOGS,
    ),
)
_WARNINGS = (
    _rule(
        r"Container filesystem detected",
        "storage_in_container",
        "the data lies inside the container",
        "no volume is mounted where the server writes, so the data dies with the container",
        Command("move-storage"),
    ),
    _rule(
        r"FUSE|Filesystem check failed|potential issue with the filesystem|may cause data corruption",
        "file_system_unfit",
        "the server distrusts the file system of its storage",
        "network, FUSE and shared-folder file systems are known to lose or damage its data",
        _DOCTOR,
    ),
    _rule(
        rf"Collection config is not found(?!.*{re.escape(canaries.PREFIX)}).*skipping",
        "collection_left_out",
        "a folder of a collection has no configuration and was left out",
        "a creation that was interrupted leaves one; so does a lost file, and then a collection is missing",
        Command("collections", "list"),
    ),
    _rule(
        r"recovery mode",
        "recovery_mode",
        "the server is in recovery mode",
        "it was started so, or ran out of memory before; collections can be deleted, and not read",
        Command("restart", how="recreate"),
    ),
    _rule(
        r"(?:gRPC|tonic).{0,160}(?:Address already in use|transport error|error trying to bind|Failed to bind)",
        "grpc_port_taken",
        "gRPC does not answer",
        "its port is held by another program; REST runs all the same",
        _DOCTOR,
    ),
    _rule(
        r"Address already in use",
        "port_taken",
        "a port of the server is taken",
        "another program listens there",
        _DOCTOR,
    ),
    _rule(
        r"Not enough space available for optimization",
        "no_room_to_optimize",
        "there is not enough disk space to optimize",
        "the server wants room for a second copy of what it works on; the collection turns red",
        "df -h",
    ),
    _rule(
        r"Panic occurred|panicked at",
        "panicked",
        "the server panicked",
        "it came to a state that its authors had ruled out",
        _LOGS,
    ),
)
_AT_WORK = re.compile(r"(?:\d\S*)?\s*(?:INFO|DEBUG|TRACE)\b")
"""A line about ordinary work. It may hold a request, whose words are the caller's: a collection called FUSE, say."""
_CAUSES = {rule.meaning.code for rule in _FATAL}

_CONTAINER_SIGNALS = {-signal: 128 + signal for signal in (4, 6, 7, 9, 11, 15)}
"""A native process that a signal ended has a negative code; a container has 128 and the signal's number."""
_OUT_OF_MEMORY = Meaning(
    "out_of_memory",
    "the server ran out of memory",
    "the kernel ended it (code 137); acknowledged data survives that",
    _RESTART,
)
_CODES = {
    1: Meaning(
        "start_failed",
        "the server could not start (code 1)",
        "it could not write its storage or could not use its port",
        _LOGS,
    ),
    101: Meaning("panicked", "the server panicked (code 101)", "it could not load what is on the disk", _LOGS),
    128: Meaning(
        "never_started",
        "the container was never started (code 128)",
        "the engine could not give it what it needs, most often a port that is taken",
        _DOCTOR,
    ),
    132: Meaning(
        "processor_unfit",
        "this processor cannot run the server (SIGILL)",
        "the build uses instructions that the processor does not have",
        Command("up", runtime="docker"),
    ),
    134: Meaning(
        "aborted", "the server aborted (SIGABRT)", "it ended itself after a fault, often for want of memory", _LOGS
    ),
    135: Meaning(
        "disk_full",
        "the disk is full (SIGBUS)",
        "the server died writing to a mapped file for which there was no room; acknowledged data is not harmed",
        "df -h",
    ),
    137: Meaning(
        "killed",
        "the server was killed (SIGKILL)",
        "somebody killed it, or the kernel did for want of memory; acknowledged data survives that",
        _RESTART,
    ),
    139: Meaning(
        "crashed",
        "the server crashed (SIGSEGV)",
        "most often a damaged file of a collection, such as one cut short by a full disk",
        _LOGS,
    ),
    143: Meaning(
        "terminated",
        "the server was stopped from outside (SIGTERM)",
        "it exited cleanly, without a stop request",
        Command("up"),
        severe=False,
    ),
}


def strip_colours(line: str) -> str:
    return _ANSI.sub("", line)


def latest_start(lines: Sequence[str]) -> Sequence[str] | None:
    """What a server's latest start has logged, from its banner on; None when that lies further back."""
    starts = [index for index, line in enumerate(lines) if line.startswith(BANNER)]
    return lines[starts[-1] :] if starts else None


def decode_log(lines: Iterable[str], profile: str) -> list[Diagnosis]:
    """What the lines of the profile's server warn of, each finding once, in the order in which it was first seen."""
    return [meaning.on(profile) for meaning in explain_log(lines)]


def explain_log(lines: Iterable[str]) -> list[Meaning]:
    """The same, where no profile is at hand."""
    found: dict[str, Meaning] = {}
    for line in map(strip_colours, lines):
        if _AT_WORK.match(line):
            continue
        meaning = next((read for rule in (*_FATAL, *_WARNINGS) if (read := rule.read(line))), None)
        if meaning is not None:
            found.setdefault(meaning.code, meaning)
    return list(found.values())


def decode_exit(
    code: int | None, profile: str, *, oom_killed: bool = False, stopped_by_us: bool = False, log: Sequence[str] = ()
) -> Diagnosis | None:
    """Why the profile's server ended; see `explain_exit`."""
    meaning = explain_exit(code, oom_killed=oom_killed, stopped_by_us=stopped_by_us, log=log)
    return None if meaning is None else meaning.on(profile)


def explain_exit(
    code: int | None, *, oom_killed: bool = False, stopped_by_us: bool = False, log: Sequence[str] = ()
) -> Meaning | None:
    """Why a server ended; None for a clean end.

    The code is that of a container, or of a native process (negative: a signal); None when nobody knows it. What the
    engine says with `oom_killed` is to be believed only of a container that has ended.
    """
    if code is None:
        return None
    code = _CONTAINER_SIGNALS.get(code, code)
    if code == 0 or (stopped_by_us and code in {137, 143}):
        return None
    if oom_killed:
        return _OUT_OF_MEMORY
    cause = _cause(log) if code in {1, 101} else None
    other = Meaning("ended", f"the server ended with code {code}", _last_error(log), _LOGS)
    return cause or _CODES.get(code) or other


def _cause(log: Sequence[str]) -> Meaning | None:
    """The most telling finding: a known cause of a failed start before a mere `it panicked`."""
    found = explain_log(log)
    return next((item for item in found if item.code in _CAUSES), found[-1] if found else None)


def _last_error(log: Sequence[str]) -> str:
    lines = [strip_colours(line).strip() for line in log]
    telling = [line for line in lines if "error" in line.lower() or "panic" in line.lower()]
    return (telling or lines or [""])[-1]

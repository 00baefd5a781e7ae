"""What a file, folder or server holds, which programs have it open, and which commands copy it into a Qdrant server."""

import contextlib
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil

from qdrant_admin.core.blocks import Block, Blocks, Commands, Facts, Headline, Remark, Soft, Step, Table
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command, Fix, written
from qdrant_admin.core.errors import AdminError, SourceUnreadable
from qdrant_admin.core.events import Events, Finished, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted, number, plain, size
from qdrant_admin.core.reports import Report
from qdrant_admin.core.values import Frozen
from qdrant_admin.database.snapshots import restoring_command
from qdrant_admin.sources.base import FolderUri, ServerUri, SourceCollection, SourceUri, strays_of
from qdrant_admin.sources.detect import Found, look
from qdrant_admin.sources.read_only import SourceInUse
from qdrant_admin.sources.registry import kind_of, open_source
from qdrant_admin.sources.uri import parse

CHEAP_BYTES = 256 * 1024 * 1024
"""Up to this size the records are counted; a plan counts them whatever the size."""
_SNAPSHOT_NAME = re.compile(r"(?P<collection>.+)-\d+-\d{4}(-\d\d){5}\.snapshot")
_REST = "http://127.0.0.1:6333"
_PROBE_SECONDS = 2.0
_SHOWN = 20


class Held(Frozen):
    """A collection of the source."""

    name: str
    records: int | None = None
    """None when they were not counted."""
    payload: str = ""
    """How payload is laid out, in words."""


class Holder(Frozen):
    """A program that has files of the source open."""

    pid: int
    program: str
    file: str
    """The first of these files."""
    ports: tuple[int, ...] = ()


class Suggestion(Frozen):
    """A command, and what it is for."""

    says: str
    command: str


class InspectReport(Report):
    """What a file, folder or server holds."""

    place: str
    """The absolute path, or the URI of a server."""
    kind: str
    """`chroma`, `qdrant-storage`, `parquet`, `postgresql`, ...; `folder` or `file` for an unknown kind."""
    what: str
    bytes: int | None = None
    """None for a server, as are `files`."""
    files: int | None = None
    holds: tuple[Held, ...] = ()
    records: int | None = None
    """In all collections together; None when none was counted."""
    in_use: bool | None = None
    """Whether a program has it open; None: unknown."""
    held_by: tuple[Holder, ...] = ()
    unseen: int = 0
    """Processes of other users whose open files could not be listed."""
    notes: tuple[str, ...] = ()
    source: str | None = None
    """The URI that reads it; None when there is no reader for it."""
    commands: tuple[Suggestion, ...] = ()
    """Commands that copy it into a server, the usual one first; empty when there are none."""
    options: tuple[str, ...] = ()
    """Query parameters that the URI takes."""

    @property
    def verdict_word(self) -> str:
        return "ok" if self.commands else "unknown"

    def summary(self) -> str:
        octets = "" if self.bytes is None else f", {size(self.bytes)}"
        records = "" if self.records is None else f", {counted(self.records, 'record')}"
        return f"{self.what}{octets}{records}"

    def blocks(self) -> Blocks:
        octets = "" if self.bytes is None else size(self.bytes)
        files = "" if self.files is None else f" in {counted(self.files, 'file')}"
        facts = {
            "at": self.place,
            "size": f"{octets}{files}",
            "records": _known(self.records),
            "open in": self._users(),
            "URI options": ", ".join(self.options),
        }
        blocks: list[Block] = [Headline(self.verdict_word, word=plain(self.what)), Facts.of(facts)]
        if self.holds:
            rows = tuple(
                (one.name, _known(one.records), Soft(one.payload.partition(" (")[0]))  # the brackets give details
                for one in self.holds
            )
            blocks.append(Table(("collection", "records", "payload"), rows, right=frozenset({"records"}), shown=_SHOWN))
        notes = [*self.notes, *([] if self.commands else ["qdrant-admin cannot bring this into a server"])]
        return *blocks, *(Remark("warn", note) for note in notes), Commands(self._steps()[1:])

    def next_step(self) -> Step | None:
        return next(iter(self._steps()), None)

    def _steps(self) -> tuple[Step, ...]:
        return tuple(Step(one.says, one.command) for one in self.commands)

    def _users(self) -> str:
        if self.bytes is None:  # a server: its clients are its own business
            return ""
        users = []
        for holder in self.held_by:
            ports = f" on port {', '.join(map(str, holder.ports))}" if holder.ports else ""
            users.append(f"{holder.program} (pid {holder.pid}){ports}")
        if users or self.in_use:
            return ", ".join(users) or "a program that holds its lock"
        if not self.unseen:
            return "no program"
        unseen = counted(self.unseen, "process", "processes")
        return f"no program that could be seen ({unseen} of other users could not be looked into)"


def _known(count: int | None) -> str:
    return "" if count is None else number(count)


def inspect(place: str | Path, *, profile: str, cancel: CancelToken) -> Events:
    """Look at a path or at a source's URI (`chroma:PATH`, `postgresql://...`) without changing anything there.

    Ends with an `InspectReport`, whose commands are for that profile.

    Raises:
        BadInput: a URI of an unknown scheme, or a malformed one.
        SourceUnreadable: nothing exists there, or it may not be read.
    """
    uri = _uri(str(place))
    title = str(uri) if uri else str(Path(place).expanduser().absolute())
    yield StepStarted(step="look", title=f"looking at {plain(title)}")
    if isinstance(uri, ServerUri):
        report = _report_of_server(uri, profile)
        yield StepFinished(step="look", detail=report.what)
        yield Finished(report=report)
        return
    found, at, reading = _found(uri, Path(title))
    yield StepFinished(step="look", detail=found.words)
    yield StepStarted(step="holders", title="asking every process which files it has open")
    held_by, unseen = _holders(at)
    yield StepFinished(step="holders", detail=counted(len(held_by), "program"))
    cancel.check()
    contents = _contents(found, at, reading, cancel)
    yield Finished(
        report=InspectReport(
            place=title,
            kind=found.kind,
            what=found.words,
            bytes=contents.octets,
            files=contents.files,
            holds=contents.holds,
            records=_total(contents.holds),
            in_use=True if held_by or contents.locked else None if unseen else False,
            held_by=held_by,
            unseen=unseen,
            notes=tuple(contents.notes),
            source=str(reading) if reading else None,
            commands=_commands(found, at, reading, held_by, profile) if contents.readable else (),
            options=_options(reading),
        )
    )


@dataclass
class _Contents:
    """What files hold, as far as that is known."""

    octets: int
    files: int
    notes: list[str]
    holds: tuple[Held, ...] = ()
    locked: bool = False
    readable: bool = True


def _uri(place: str) -> SourceUri | None:
    scheme, colon, _ = place.partition(":")
    is_path = not colon or len(scheme) == 1 or "/" in scheme or Path(place).exists()  # a single letter is a drive
    return None if is_path else parse(place)


def _found(uri: FolderUri | None, path: Path) -> tuple[Found, Path, FolderUri | None]:
    """What lies there, where it begins, and the URI that reads it."""
    path = uri.path if uri else path
    found = look(path)
    if found.kind in {"missing", "unreadable"}:
        raise SourceUnreadable(f"{plain(path)} is {found.words}", fix=shlex.join(["ls", "-l", str(path.parent)]))
    kind = kind_of(uri.scheme) if uri and uri.scheme != found.scheme else None
    if kind is not None:  # the scheme that the user gave decides, whatever the files look like
        found = Found(kind.scheme, kind.title, kind.scheme)
    place = found.place or path
    return found, place, uri or (FolderUri(scheme=found.scheme, path=place) if found.scheme else None)


def _options(uri: SourceUri | None) -> tuple[str, ...]:
    kind = kind_of(uri.scheme) if uri else None
    return ("collection", *sorted(kind.options)) if kind else ()


def _report_of_server(uri: ServerUri, profile: str) -> InspectReport:
    with closing(open_source(uri)) as source:
        holds, what = _held(source.collections()), source.kind
    return InspectReport(
        place=str(uri),
        kind=uri.scheme.partition("+")[0],
        what=what,
        holds=holds,
        records=_total(holds),
        source=str(uri),
        commands=_migrating(uri, profile),
        options=_options(uri),
    )


def _held(found: list[SourceCollection]) -> tuple[Held, ...]:
    return tuple(Held(name=one.name, records=one.count, payload=one.payload) for one in found)


def _total(holds: tuple[Held, ...]) -> int | None:
    counts = [one.records for one in holds if one.records is not None]
    return sum(counts) if counts else None


def _contents(found: Found, place: Path, uri: SourceUri | None, cancel: CancelToken) -> _Contents:
    """The sizes of the files, and the collections where they can be counted quickly."""
    files = {}
    for file in _files(place):
        cancel.check()
        with contextlib.suppress(OSError):  # deleted meanwhile, or not ours to look at
            files[file] = file.stat().st_size
    logs = [file.name for file, octets in files.items() if file.name.endswith(("-wal", "-journal")) and octets]
    notes = [f"{plain(name)} is left there: a program is writing to it, or was killed while it did" for name in logs]
    contents = _Contents(sum(files.values()), len(files), notes)
    if found.kind == "qdrant-storage":
        names = sorted(one.name for one in _storage(place).iterdir() if one.is_dir())
        contents.holds = tuple(Held(name=name) for name in names)  # only a server can count what is in them
    elif uri is not None and contents.octets > CHEAP_BYTES:
        contents.notes.append(f"its records are not counted: it is larger than {size(CHEAP_BYTES)}; a plan counts them")
    elif uri is not None:
        try:
            with closing(open_source(uri)) as source:
                found_there = source.collections()
                contents.holds = _held(found_there)
                contents.notes += [f"{plain(one.name)}: {one.absent}" for one in found_there if one.absent]
                contents.notes += strays_of(source)
        except AdminError as error:
            contents.notes.append(str(error))
            contents.locked = isinstance(error, SourceInUse)
            # What is locked now, or lacks a package, can be read later; what is damaged cannot.
            contents.readable = contents.locked or not isinstance(error, SourceUnreadable)
    return contents


def _commands(
    found: Found, place: Path, uri: SourceUri | None, held_by: tuple[Holder, ...], profile: str
) -> tuple[Suggestion, ...]:
    if uri is not None:
        return _migrating(uri, profile)
    if found.kind == "qdrant-storage":
        port = next((port for holder in held_by for port in holder.ports if _is_qdrant(port)), None)
        if port is not None:  # a server uses these files: no other process may touch them
            return _migrating(f"qdrant+http://127.0.0.1:{port}", profile)
        return (_suggest("start a server on it", Command("up", storage=str(_storage(place).parent)), profile),)
    if found.kind == "qdrant-snapshot":
        name = _SNAPSHOT_NAME.fullmatch(place.name)
        restoring = restoring_command(_REST, name["collection"] if name else "NAME", place)
        return (_suggest("restore it, in place of a collection of that name", restoring, profile),)
    return ()


def _migrating(uri: SourceUri | str, profile: str) -> tuple[Suggestion, ...]:
    return (
        _suggest("copy it into the server", Command("migrate", uri), profile),
        _suggest("see first what that would do", Command("migrate", uri, dry_run=True), profile),
    )


def _suggest(says: str, command: Fix, profile: str) -> Suggestion:
    return Suggestion(says=says, command=written(command, profile))


def _storage(place: Path) -> Path:
    return place / "collections" if (place / "collections").is_dir() else place / "storage" / "collections"


def _is_qdrant(port: int) -> bool:
    """Whether a Qdrant answers REST requests on this port (the gRPC port does not)."""
    import httpx

    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/", timeout=_PROBE_SECONDS, trust_env=False)
        return "qdrant" in str(answer.json()["title"]).lower()
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return False


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
        return
    yield from (file for file in place.rglob("*") if file.is_file() and not file.is_symlink())


def _holders(place: Path) -> tuple[tuple[Holder, ...], int]:
    """Every other process with an open file at or below this path, and how many refused to list their files."""
    root = place.resolve()
    found, unseen = [], 0
    for process in psutil.process_iter(["name"]):
        if process.pid == os.getpid():
            continue
        try:
            opened = sorted(path for path in _open_files(process) if Path(path).is_relative_to(root))
            if opened:
                program = str(process.info["name"] or "unknown")
                found.append(Holder(pid=process.pid, program=program, file=opened[0], ports=_ports(process)))
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        except (psutil.Error, OSError):
            unseen += 1
    return tuple(found), unseen


def _open_files(process: psutil.Process) -> Iterator[str]:
    yield from (file.path for file in process.open_files())
    mapped = getattr(process, "memory_maps", None)  # macOS has none; a Qdrant server maps its segments and closes them
    yield from (one.path for one in mapped()) if mapped else ()


def _ports(process: psutil.Process) -> tuple[int, ...]:
    try:
        listening = {one.laddr.port for one in process.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
    except (psutil.Error, OSError):
        return ()
    return tuple(sorted(listening))

"""What lies at a path: what it is, how much is in it, who holds it open, and which command brings it into a server."""

import contextlib
import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, SourceUnreadable
from qdrant_admin.core.events import Events, Finished, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted, plain, size
from qdrant_admin.core.reports import Frozen, Report
from qdrant_admin.database.snapshots import restoring_command
from qdrant_admin.migration.holders import Holder, Holders, holders_of
from qdrant_admin.sources.base import FolderUri, SourceUri
from qdrant_admin.sources.detect import Found, look
from qdrant_admin.sources.read_only import SourceInUse
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.uri import command

if TYPE_CHECKING:
    from qdrant_admin.core.blocks import Blocks, Step

CHEAP_BYTES = 256 * 1024 * 1024
"""Up to this size its records are counted; a plan counts whatever the size."""
_SNAPSHOT_NAME = re.compile(r"(?P<collection>.+)-\d+-\d{4}(-\d\d){5}\.snapshot")
_REST = "http://127.0.0.1:6333"
_PROBE_SECONDS = 2.0


class Held(Frozen):
    """One collection that is in it."""

    name: str
    records: int | None = None
    """None when they were not counted."""
    payload: str = ""
    """How payload is laid out, in words: tells whose it is."""


class InspectReport(Report):
    """What lies at a path."""

    path: str
    kind: str
    """For programs: `chroma`, `qdrant-storage`, `parquet`, ...; `folder` or `file` when it is none that is known."""
    what: str
    """In words."""
    bytes: int
    files: int
    collections: tuple[Held, ...] = ()
    records: int | None = None
    in_use: bool | None
    """Whether a program has it open; None when not every process could be looked into."""
    holders: tuple[Holder, ...] = ()
    unseen: int = 0
    """Processes of others that could not be looked into."""
    notes: tuple[str, ...] = ()
    source: str | None = None
    """The URI that reads it; None when nothing of ours does."""
    command: str = ""
    """Brings it into a server; empty when there is no way."""

    @property
    def verdict_word(self) -> str:
        """Whether it can be brought into a server."""
        return "ok" if self.command else "unknown"

    def summary(self) -> str:
        """What it is and how much."""
        records = "" if self.records is None else f", {counted(self.records, 'record')}"
        return f"{self.what}, {size(self.bytes)}{records}"

    def blocks(self) -> "Blocks":
        """What it is, how much is in it, and who holds it."""
        from qdrant_admin.migration.blocks import inspected

        return inspected(self)

    def next_step(self) -> "Step | None":
        """The command that brings it into a server; a snapshot's stands in the remark that it replaces something."""
        from qdrant_admin.core.blocks import Step

        return Step("bring it into a server", self.command) if self.command and self.kind != "qdrant-snapshot" else None


def inspect(path: Path, *, cancel: CancelToken) -> Events:
    """Look at a path without changing anything in it.

    Yields:
        Events; the last carries a `InspectReport`.

    Raises:
        SourceUnreadable: there is nothing, or it may not be read.
    """
    path = path.expanduser().absolute()
    yield StepStarted(step="look", title=f"looking at {plain(path)}")
    found = look(path)
    if found.kind in {"missing", "unreadable"}:
        raise SourceUnreadable(f"{plain(path)} is {found.words}", fix=shlex.join(["ls", "-l", str(path.parent)]))
    place = found.place or path
    files: dict[Path, int] = {}
    for file in _files(place):
        cancel.check()
        with contextlib.suppress(OSError):  # gone meanwhile, or not ours to look at
            files[file] = file.stat().st_size
    yield StepFinished(step="look", detail=found.words)
    yield StepStarted(step="holders", title="asking every process what it has open")
    held = holders_of(place)
    yield StepFinished(step="holders", detail=counted(len(held.found), "program"))
    cancel.check()
    yield Finished(report=_report(path, place, found, files, held))


def _report(path: Path, place: Path, found: Found, files: dict[Path, int], held: Holders) -> InspectReport:
    uri = FolderUri(scheme=found.scheme, path=place) if found.scheme else None
    notes, octets = list(_left_over(files)), sum(files.values())
    collections: tuple[Held, ...] = ()
    bring, locked = _command(place, found, uri, held), False
    if uri is not None and octets <= CHEAP_BYTES:
        try:
            collections = _counted(uri)
        except AdminError as error:
            notes.append(str(error))
            locked = isinstance(error, SourceInUse)
            # What is locked now, or lacks a package, can be read later; what is damaged cannot.
            bring = bring if locked or not isinstance(error, SourceUnreadable) else ""
    elif uri is not None:
        notes.append(f"its records are not counted, since it is larger than {size(CHEAP_BYTES)}; a plan counts them")
    elif found.kind == "qdrant-storage":
        collections = tuple(Held(name=one.name) for one in sorted(_storage(place).iterdir()) if one.is_dir())
    counts = [one.records for one in collections if one.records is not None]
    return InspectReport(
        path=str(path),
        kind=found.kind,
        what=found.words,
        bytes=octets,
        files=len(files),
        collections=collections,
        records=sum(counts) if counts else None,
        in_use=True if held.found or locked else None if held.unseen else False,
        holders=held.found,
        unseen=held.unseen,
        notes=tuple(notes),
        source=str(uri) if uri else None,
        command=bring,
    )


def _counted(uri: SourceUri) -> tuple[Held, ...]:
    with closing(open_source(uri)) as source:
        return tuple(Held(name=one.name, records=one.count, payload=one.payload) for one in source.collections())


def _storage(place: Path) -> Path:
    """Where a server's storage keeps its collections; what is in them only a server can count."""
    return place / "collections" if (place / "collections").is_dir() else place / "storage" / "collections"


def _command(place: Path, found: Found, uri: SourceUri | None, held: Holders) -> str:
    if uri is not None:
        return command(uri)
    if found.kind == "qdrant-storage":
        port = next((port for holder in held.found for port in holder.ports if _is_qdrant(port)), None)
        if port is not None:  # a server runs on it: it is asked, and nobody else touches the files
            return command(f"qdrant+http://127.0.0.1:{port}")
        return shlex.join(["qdrant-admin", "up", "--storage", str(_storage(place).parent)])
    if found.kind == "qdrant-snapshot":
        name = _SNAPSHOT_NAME.fullmatch(place.name)
        return restoring_command(_REST, name["collection"] if name else "NAME", place)
    return ""


def _is_qdrant(port: int) -> bool:
    """Whether a Qdrant answers REST requests there; its gRPC port does not."""
    import httpx

    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/", timeout=_PROBE_SECONDS, trust_env=False)
        return "qdrant" in str(answer.json()["title"]).lower()
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return False


def _left_over(files: dict[Path, int]) -> Iterator[str]:
    for file, octets in files.items():
        if file.name.endswith(("-wal", "-journal")) and octets:
            yield f"{plain(file.name)} lies there: a program is writing to it, or was stopped in the middle"


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
        return
    yield from (file for file in place.rglob("*") if file.is_file() and not file.is_symlink())

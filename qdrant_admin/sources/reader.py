"""What the readers of ours have in common: opened once, narrowed to what the URI names, described, closed."""

import contextlib
import functools
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar, cast

from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.formatting import plain
from qdrant_admin.sources import HELP, layouts
from qdrant_admin.sources.base import WHOLE, Batch, Cursor, FolderUri, SourceCollection, SourceUri, Span
from qdrant_admin.sources.read_only import ReadOnlyDatabase, changed, signature, with_journals

_R = TypeVar("_R", bound="Reader")
_T = TypeVar("_T")


class Reader(ABC):
    """A `Source` that opens its store, says which collections are there, and describes each of them.

    `resources` is closed with the reader, also when opening it fails.
    """

    uri: SourceUri
    kind: str
    vectorless = False
    folds_uuids = False

    def __init__(self, uri: SourceUri) -> None:
        self.uri = uri
        self.resources = contextlib.ExitStack()
        self.layout_asked = layouts.layout_option(uri.options)
        self.distance_asked = layouts.distance_option(uri.options)
        self.remembered: dict[tuple[str, str], object] = {}
        self.looking = threading.RLock()
        try:
            self.names = self.narrowed(self.open())
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def open(self) -> Iterable[str]:
        """Open the store and name its collections, in the order in which they are shown."""

    @abstractmethod
    def describe(self, name: str) -> SourceCollection:
        """Look at one collection and count it."""

    @abstractmethod
    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        """Records behind a cursor; see `Source.batches`."""

    def collections(self) -> list[SourceCollection]:
        return [self.describe(name) for name in self.names]

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:  # noqa: ARG002 # for readers that can do more
        return WHOLE

    def close(self) -> None:
        self.resources.close()

    def layout_words(self, layout: layouts.Layout, by: str, plain: str = "kept as it is") -> str:
        """Where things are in the payload, for the plan. `by`: what the layout was recognised by, if nobody asked."""
        return plain if layout == "plain" else layouts.words(layout, by="" if self.layout_asked else by)

    def narrowed(self, known: Iterable[str]) -> list[str]:
        """The collections that the URI covers. `BadInput`: it names one that is not there."""
        names = list(known)
        if self.uri.collection is None:
            return names
        if self.uri.collection not in names:
            raise no_such_collection(self.uri.collection, names)
        return [self.uri.collection]


class FileReader(Reader):
    """A reader of files. They must not change while they are read: `watch` names them, `check_unchanged` looks."""

    uri: FolderUri

    def __init__(self, uri: FolderUri) -> None:
        self.path: Path = uri.path
        self.watch([])
        super().__init__(uri)

    def watch(self, files: list[Path]) -> None:
        self.files, self.signature = files, signature(files)

    def open_database(self, file: Path) -> ReadOnlyDatabase:
        """A SQLite file; it is watched with its journals, and closed with the reader."""
        self.watch(with_journals(file))
        database = ReadOnlyDatabase(file)
        self.resources.callback(database.close)
        return database

    def mark(self, name: str) -> str:  # noqa: ARG002 # all collections share the files
        return str(self.signature)

    def check_unchanged(self) -> None:
        if signature(self.files) != self.signature:
            raise changed(self.path)


def no_such_collection(name: str, known: Iterable[str]) -> BadInput:
    shown = ", ".join(plain(other) for other in sorted(known)[:10]) or "none at all"
    return BadInput(f"the source has no collection {plain(name)}", why=f"it has {shown}", fix=HELP)


def once(look: Callable[[_R, str], _T]) -> Callable[[_R, str], _T]:
    """For a method that looks at a collection: it does so once, as plan, copy and verification have to agree on it."""

    @functools.wraps(look)
    def remembered(reader: _R, name: str) -> _T:
        key = (look.__name__, name)
        with reader.looking:
            if key not in reader.remembered:
                reader.remembered[key] = look(reader, name)
            return cast("_T", reader.remembered[key])

    return remembered

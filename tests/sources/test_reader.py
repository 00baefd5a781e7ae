"""What all readers share: narrowing, closing, looking once, and surveys of files that nobody else waits for."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from qdrant_admin.core.errors import BadInput
from qdrant_admin.sources.base import Batch, Cursor, FolderUri, SourceCollection
from qdrant_admin.sources.files import file_source
from qdrant_admin.sources.files.file_source import Group, Survey, take_survey
from qdrant_admin.sources.reader import FileReader, Reader, once
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.servers import ListedReader, ServerReader
from qdrant_admin.sources.uri import parse
from tests.migration.rows import rows, write


class Shelf(Reader):
    """A reader of nothing."""

    kind = "shelf"
    closed: list[str] = []

    def open(self) -> list[str]:
        self.closed.clear()
        self.looked: list[str] = []
        self.resources.callback(self.closed.append, "closed")
        return ["b", "a"]

    def describe(self, name: str) -> SourceCollection:
        return SourceCollection(name=name, count=self.count(name), spec=None)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        yield from ()

    @once
    def count(self, name: str) -> int:
        self.looked.append(name)
        return 3


def shelf(collection: str | None = None) -> Shelf:
    return Shelf(FolderUri(scheme="shelf", path=Path("/nowhere"), collection=collection))


def test_a_reader_covers_what_its_uri_names_and_looks_once() -> None:
    opened = shelf()
    assert [one.name for one in opened.collections()] == ["b", "a"]
    assert [opened.count("a"), opened.count("b"), opened.looked] == [3, 3, ["b", "a"]]
    assert [one.name for one in shelf("a").collections()] == ["a"]


def test_a_collection_that_is_not_there_closes_what_was_opened() -> None:
    with pytest.raises(BadInput, match="no collection c") as caught:
        shelf("c")
    assert (caught.value.why, Shelf.closed) == ("it has a, b", ["closed"])


def test_nobody_waits_for_the_survey_of_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("slow", "quick"):
        write(tmp_path / f"{name}.jsonl", "jsonl", rows(4))
    began, may_end = threading.Event(), threading.Event()
    taken: list[str] = []

    def survey(group: Group, uri: FolderUri, notes: tuple[str, ...]) -> Survey:
        taken.append(uri.path.stem)
        if uri.path.stem == "slow":
            began.set()
            assert may_end.wait(30)
        return take_survey(group, uri, notes)

    def look(name: str) -> int:
        source = open_source(parse(f"jsonl:{tmp_path / name}.jsonl"))
        return source.collections()[0].count

    monkeypatch.setattr(file_source, "take_survey", survey)
    counts: list[int] = []
    slow = [threading.Thread(target=lambda: counts.append(look("slow"))) for _ in range(2)]
    slow[0].start()
    assert began.wait(30)
    slow[1].start()
    assert look("quick") == 4
    assert counts == []
    may_end.set()
    for thread in slow:
        thread.join(30)
    assert (counts, sorted(taken)) == ([4, 4], ["quick", "slow"])


def test_only_a_qdrant_server_is_taken_for_one() -> None:
    """A `Source` that has something called like a part of `Searches` would be asked as if it were a server."""
    for reader in (FileReader, ServerReader, ListedReader):
        assert not any(hasattr(reader, name) for name in ("database", "carries_wire", "wire_batches"))

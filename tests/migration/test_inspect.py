"""What lies at a path: told without changing it, with who has it open and the command that brings it in."""

import contextlib
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import BadInput, SourceUnreadable
from qdrant_admin.migration.inspect import InspectReport, inspect
from tests.cli.conftest import Ran
from tests.migration.support import hashes, last, local_store, numbered
from tests.support.real import Server


def looked(path: Path | str) -> InspectReport:
    report = last(inspect(path, profile="home", cancel=CancelToken()))
    assert isinstance(report, InspectReport)
    return report


@contextlib.contextmanager
def program(script: str, *arguments: object) -> Iterator[int]:
    """A process of its own that has done this, and stays until it is told to go."""
    words = [sys.executable, "-c", f"{script}\nprint('ready', flush=True)\ninput()", *map(str, arguments)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process.pid
        finally:
            process.communicate("\n", timeout=30)


def test_a_chroma_directory_and_who_has_it_open(chroma: Path) -> None:
    before = hashes(chroma)
    report = looked(chroma)
    assert (report.kind, report.records, report.held_by) == ("chroma", 155, ())
    assert report.in_use is not True
    assert report.what == "a Chroma directory, format of chromadb 1.x"
    assert {one.name: one.records for one in report.holds}["debian_memories"] == 149
    assert report.commands[0].command == f"qdrant-admin migrate chroma:{chroma} --profile home"
    assert report.bytes == sum(file.stat().st_size for file in chroma.rglob("*") if file.is_file())
    opens = (
        "import sqlite3, sys; held = sqlite3.connect(sys.argv[1]); held.execute('select 1 from collections').fetchone()"
    )
    with program(opens, chroma / "chroma.sqlite3") as pid:
        held = looked(chroma)
    assert held.in_use
    assert [one.pid for one in held.held_by] == [pid]
    assert held.held_by[0].file == str(chroma / "chroma.sqlite3")
    assert hashes(chroma) == before


def test_an_embedded_folder_whose_lock_is_held(tmp_path: Path) -> None:
    folder = local_store(tmp_path / "store", {"notes": numbered(3)})
    (folder / ".lock").write_text("tmp lock file")
    assert looked(folder).records == 3
    locks = "import portalocker, sys; held = open(sys.argv[1], 'r+'); portalocker.lock(held, portalocker.LOCK_EX)"
    with program(locks, folder / ".lock") as pid:
        report = looked(folder)
    assert report.in_use
    assert [one.pid for one in report.held_by] == [pid]
    assert report.records is None
    assert any("in use" in note for note in report.notes)
    assert report.commands[0].command == f"qdrant-admin migrate qdrant-local:{folder} --profile home"


@pytest.mark.server
def test_the_storage_of_a_server_that_runs_is_asked_for_over_its_port(server: Server, tmp_path: Path) -> None:
    import httpx

    httpx.put(f"{server.url}/collections/notes", json={"vectors": {"size": 2, "distance": "Dot"}}).raise_for_status()
    report = looked(server.folder / "storage")
    assert (report.kind, [one.name for one in report.holds]) == ("qdrant-storage", ["notes"])
    assert report.records is None
    if report.in_use:  # macOS does not tell what a process has mapped
        assert (
            report.commands[0].command == f"qdrant-admin migrate qdrant+http://127.0.0.1:{server.port} --profile home"
        )
    else:
        assert report.commands[0].command == f"qdrant-admin up --storage {server.folder / 'storage'} --profile home"


def test_a_storage_that_nobody_runs_is_started_on(tmp_path: Path) -> None:
    (tmp_path / "data" / "storage" / "collections" / "notes").mkdir(parents=True)
    report = looked(tmp_path / "data")
    assert [one.name for one in report.holds] == ["notes"]
    assert report.commands[0].command == f"qdrant-admin up --storage {tmp_path / 'data' / 'storage'} --profile home"


def test_a_snapshot_says_which_collection_it_was(tmp_path: Path) -> None:
    file = tmp_path / "my-notes-5873498573-2026-11-21-09-50-00.snapshot"
    with tarfile.open(file, "w") as archive:
        archive.add(tmp_path, arcname="0", recursive=False)
    report = looked(file)
    assert report.kind == "qdrant-snapshot"
    assert "/collections/my-notes/snapshots/upload" in report.commands[0].command
    assert f"snapshot=@{file}" in report.commands[0].command


def test_what_is_damaged_is_told_and_not_brought_in(chroma: Path) -> None:
    (chroma / "chroma.sqlite3").write_bytes((chroma / "chroma.sqlite3").read_bytes()[:50_000])
    report = looked(chroma)
    assert (report.kind, report.commands, report.records) == ("chroma", (), None)
    assert any("cannot be read" in note or "damaged" in note for note in report.notes)


def test_what_a_crash_left_behind_is_told(chroma: Path) -> None:
    (chroma / "chroma.sqlite3-journal").write_bytes(b"left")
    assert any("chroma.sqlite3-journal is left there" in note for note in looked(chroma).notes)


def test_one_level_too_high(chroma: Path) -> None:
    report = looked(chroma.parent)
    assert report.what == "a folder with a Chroma directory in it, chroma-1.5"
    assert report.commands[0].command == f"qdrant-admin migrate chroma:{chroma} --profile home"
    assert report.records == 155


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="not there"):
        looked(tmp_path / "absent")
    report = looked(tmp_path)
    assert (report.what, report.commands, report.source) == ("an empty folder", (), None)


def test_a_uri_says_how_a_folder_is_read(chroma: Path, tmp_path: Path) -> None:
    report = looked(f"chroma:{chroma}")
    assert (report.kind, report.records, report.source) == ("chroma", 155, f"chroma:{chroma}")
    assert {"collection", "tenant", "database"} <= set(report.options)
    file = tmp_path / "rows"
    file.write_text('{"id": 1, "vector": [1.0, 2.0]}\n')
    assert looked(file).commands == ()
    report = looked(f"jsonl:{file}")
    assert (report.kind, report.records) == ("jsonl", 1)
    assert report.commands[0].command == f"qdrant-admin migrate jsonl:{file} --profile home"
    with pytest.raises(BadInput, match="nosuch"):
        looked("nosuch:thing")


@pytest.mark.server
def test_a_server_is_asked_for_its_collections(server: Server) -> None:
    import httpx

    httpx.put(f"{server.url}/collections/notes", json={"vectors": {"size": 2, "distance": "Dot"}}).raise_for_status()
    uri = f"qdrant+{server.url}"
    report = looked(uri)
    assert (report.kind, report.place, [one.name for one in report.holds]) == ("qdrant", uri, ["notes"])
    assert (report.bytes, report.in_use, report.options) == (None, None, ("collection", "grpc_port"))
    assert [one.command for one in report.commands] == [
        f"qdrant-admin migrate {uri} --profile home",
        f"qdrant-admin migrate {uri} --dry-run --profile home",
    ]


def test_on_the_command_line(chroma: Path) -> None:
    def ran(*arguments: object) -> Ran:
        words = [sys.executable, "-m", "qdrant_admin", "inspect", *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)
        return Ran(done.returncode, done.stdout, done.stderr)

    shown = ran(chroma)
    assert shown.code == 0
    for words in ("a Chroma directory, format of chromadb 1.x", "debian_memories", "155", "migrate chroma:"):
        assert words in shown.out, words
    found = ran(chroma, "--json").json
    assert {"kind", "holds", "held_by", "commands", "options"} <= set(found)
    assert found["records"] == 155
    absent = ran(chroma / "absent")
    assert absent.code == 3
    assert "not there" in absent.err

"""Exit codes and log lines in words. The real server's own words are asserted where it can be brought to say them."""

import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from qdrant_admin.server.decode import decode_exit, decode_log, strip_colours
from qdrant_admin.state import canaries
from tests.support.real import Server, binary, free_port

PANIC = "ERROR qdrant::startup: Panic occurred in file lib/collection/src/shards/replica_set/mod.rs at line 317: "


@pytest.mark.parametrize("code", [0, 143, 137, -15, -9])
def test_an_end_that_we_asked_for_is_clean(code: int) -> None:
    assert decode_exit(code, stopped_by_us=True) is None


def test_nobody_knows_the_code() -> None:
    assert decode_exit(None) is None


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "could not start"),
        (101, "panicked"),
        (128, "never started"),
        (135, "disk is full"),
        (-7, "disk is full"),
        (137, "killed"),
        (-9, "killed"),
        (139, "crashed"),
        (-11, "crashed"),
        (143, "stopped from outside"),
        (77, "code 77"),
    ],
)
def test_every_code_has_words_and_a_way_out(code: int, words: str) -> None:
    found = decode_exit(code)
    assert found is not None
    assert words in found.what
    assert found.fix


def test_out_of_memory_is_told_from_a_kill() -> None:
    found = decode_exit(137, oom_killed=True)
    assert found is not None
    assert "memory" in found.what


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (PANIC + "Failed to load local shard: Can't init WAL: Os { code: 11, kind: WouldBlock }", "another Qdrant"),
        (
            PANIC + "Failed to load local shard: Can't init WAL: Os { code: 13, kind: PermissionDenied }",
            "not be written",
        ),
        (PANIC + "Failed to load local shard: Can't init WAL: Os { code: 30, kind: ReadOnlyFilesystem }", "read-only"),
        (PANIC + 'Failed to load local shard "./storage/collections/a/0": service internal error', "damaged"),
        (PANIC + "Data version 1.17.0 is newer than the current 1.16.3", "newer Qdrant"),
        (PANIC + "Failed to load 'Memory' storage type, RocksDB disabled", "RocksDB"),
        (PANIC + "something nobody has seen", "panicked"),
    ],
)
def test_a_panic_while_loading_has_its_cause_named(line: str, words: str) -> None:
    found = decode_exit(101, log=["INFO qdrant: starting", f"\x1b[31m{line}\x1b[0m"])
    assert found is not None
    assert words in found.what


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("WARN qdrant: Container filesystem detected - storage might be lost with container re-creation", "inside"),
        ("ERROR qdrant: Filesystem check failed for storage path ./storage. Details: FUSE filesystems", "file system"),
        ("WARN qdrant: There is a potential issue with the filesystem for storage path ./storage", "file system"),
        ("WARN storage: Collection config is not found in the collection directory: ./a, skipping", "left out"),
        ("WARN qdrant: Qdrant is loaded in recovery mode: out of memory", "recovery mode"),
        ("ERROR qdrant::tonic: gRPC server failed: transport error: Address already in use", "gRPC"),
        ("ERROR collection: Not enough space available for optimization, needed 1 GB", "optimize"),
        ("ERROR wal: No space left on device: WAL buffer size exceeds available disk space", "disk is full"),
    ],
)
def test_a_warning_in_the_log_is_put_into_words(line: str, words: str) -> None:
    (found,) = decode_log([line, line])
    assert words in found.what


def test_a_crash_tests_own_collection_cut_off_while_it_was_made_is_no_warning() -> None:
    folder = f"./storage/collections/{canaries.PREFIX}0a1b2c3d-2"
    line = f"WARN storage: Collection config is not found in the collection directory: {folder}, skipping"
    assert decode_log([line]) == []


def test_an_ordinary_log_warns_of_nothing(own_server: Server) -> None:
    lines = (own_server.folder / "log").read_text().splitlines()
    assert lines
    assert decode_log(lines) == []


def test_colours_are_taken_off() -> None:
    assert strip_colours("\x1b[2m2026\x1b[0m \x1b[32m INFO\x1b[0m \x1b]0;title\x07x") == "2026  INFO x"


def _run(folder: Path, storage: Path, **environment: str) -> tuple[int, list[str]]:
    """Run a real server that is expected to end by itself."""
    ended = subprocess.run(
        [str(binary())],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "QDRANT__SERVICE__HOST": "127.0.0.1",
            "QDRANT__SERVICE__HTTP_PORT": str(free_port()),
            "QDRANT__SERVICE__GRPC_PORT": str(free_port()),
            "QDRANT__STORAGE__STORAGE_PATH": str(storage),
            "QDRANT__TELEMETRY_DISABLED": "true",
        }
        | environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, (ended.stdout + ended.stderr).decode(errors="replace").splitlines()


@pytest.mark.server
def test_a_second_server_on_the_same_data_is_recognised(own_server: Server, tmp_path: Path) -> None:
    httpx.put(f"{own_server.url}/collections/a", json={"vectors": {"size": 4, "distance": "Dot"}}).raise_for_status()
    code, log = _run(tmp_path, own_server.folder / "storage")
    found = decode_exit(code, log=log)
    assert code == 101
    assert found is not None
    assert found.what == "another Qdrant runs on the same data"


@pytest.mark.server
def test_a_damaged_collection_is_recognised(tmp_path: Path) -> None:
    server = Server(tmp_path / "q").start()
    httpx.put(f"{server.url}/collections/a", json={"vectors": {"size": 4, "distance": "Dot"}}).raise_for_status()
    server.stop()
    (server.folder / "storage/collections/a/0/shard_config.json").write_text("{")
    code, log = _run(tmp_path, server.folder / "storage")
    found = decode_exit(code, log=log)
    assert code == 101
    assert found is not None
    assert found.severe
    assert "damaged" in found.what or "panicked" in found.what


@pytest.mark.server
def test_a_server_that_cannot_write_is_recognised(tmp_path: Path) -> None:
    storage = tmp_path / "file"
    storage.write_text("not a folder")
    code, log = _run(tmp_path, storage)
    found = decode_exit(code, log=log)
    assert code != 0
    assert found is not None
    assert found.severe


@pytest.mark.server
def test_a_killed_server_is_told_from_a_stopped_one(tmp_path: Path) -> None:
    server = Server(tmp_path / "q").start()
    assert server.process is not None
    server.process.send_signal(signal.SIGKILL)
    killed = decode_exit(server.process.wait())
    server.start()
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    assert killed is not None
    assert "killed" in killed.what
    assert decode_exit(server.process.wait(), stopped_by_us=True) is None


@pytest.mark.server
def test_a_taken_grpc_port_is_read_from_the_real_log(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as holder:
        server = Server(tmp_path / "q", grpc_port=holder.getsockname()[1]).start()
        server.stop()
    assert any("gRPC" in item.what for item in decode_log((server.folder / "log").read_text().splitlines()))

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
WAL = PANIC + "Failed to load local shard: Can't init WAL: Os "
SHARD = PANIC + 'Failed to load local shard "./storage/collections/a/0": service internal error'
CAUSES = [
    (WAL + "{ code: 11, kind: WouldBlock }", "storage_in_use", "qdrant-admin doctor --profile work"),
    (WAL + "{ code: 13, kind: PermissionDenied }", "storage_not_writable", "qdrant-admin doctor --profile work"),
    (WAL + "{ code: 30, kind: ReadOnlyFilesystem }", "storage_read_only", "qdrant-admin doctor --profile work"),
    (WAL + "{ code: 28, kind: StorageFull }", "disk_full", "df -h"),
    (
        PANIC + "Failed to check shard path: ServiceError",
        "collection_damaged",
        "qdrant-admin logs --tail 100 --profile work",
    ),
    (SHARD, "collection_damaged", "qdrant-admin logs --tail 100 --profile work"),
    (
        PANIC + "Data version 1.17.0 is newer than the current 1.16.3",
        "storage_newer",
        "qdrant-admin up --image qdrant/qdrant:v1.17.0 --profile work",
    ),
    (PANIC + "written by newer than supported", "storage_newer", "qdrant-admin logs --tail 100 --profile work"),
    (
        PANIC + "Failed to load 'Memory' storage type, RocksDB disabled",
        "storage_rocksdb",
        "qdrant-admin up --image qdrant/qdrant:v1.17.1 --profile work",
    ),
]
WARNINGS = [
    ("WARN qdrant: Container filesystem detected - storage might be lost", "storage_in_container"),
    ("ERROR qdrant: Filesystem check failed for storage path ./storage. Details: FUSE", "file_system_unfit"),
    ("WARN qdrant: There is a potential issue with the filesystem for ./storage", "file_system_unfit"),
    ("WARN storage: Collection config is not found in the collection directory: ./a, skipping", "collection_left_out"),
    ("WARN qdrant: Qdrant is loaded in recovery mode: out of memory", "recovery_mode"),
    ("ERROR qdrant::tonic: gRPC server failed: transport error: Address already in use", "grpc_port_taken"),
    ("ERROR qdrant::actix: Address already in use (os error 98)", "port_taken"),
    ("ERROR collection: Not enough space available for optimization, needed 1 GB", "no_room_to_optimize"),
    ("ERROR wal: No space left on device: WAL buffer size exceeds available disk space", "disk_full"),
    ("thread 'main' panicked at src/main.rs:1", "panicked"),
]


@pytest.mark.parametrize("code", [0, 143, 137, -15, -9])
def test_an_end_that_we_asked_for_is_clean(code: int) -> None:
    assert decode_exit(code, "work", stopped_by_us=True) is None


@pytest.mark.parametrize("code", [1, 101, 135, 139, -11])
def test_a_crash_is_no_clean_end_because_a_stop_was_asked_for(code: int) -> None:
    assert decode_exit(code, "work", stopped_by_us=True) is not None


def test_no_code_and_no_fault_is_no_finding() -> None:
    assert decode_exit(None, "work") is None
    assert decode_exit(0, "work", oom_killed=True) is None


@pytest.mark.parametrize(
    ("ended", "code", "severe"),
    [
        (1, "start_failed", True),
        (101, "panicked", True),
        (128, "never_started", True),
        (132, "processor_unfit", True),
        (-4, "processor_unfit", True),
        (134, "aborted", True),
        (-6, "aborted", True),
        (135, "disk_full", True),
        (-7, "disk_full", True),
        (137, "killed", True),
        (-9, "killed", True),
        (139, "crashed", True),
        (-11, "crashed", True),
        (143, "terminated", False),
        (-15, "terminated", False),
        (77, "ended", True),
    ],
)
def test_every_exit_code_has_a_meaning_and_a_way_out(ended: int, code: str, severe: bool) -> None:
    found = decode_exit(ended, "work")
    assert found is not None
    assert (found.code, found.severe) == (code, severe)
    assert found.fix.endswith("--profile work") or code == "disk_full"


def test_out_of_memory_is_told_from_a_kill() -> None:
    found = decode_exit(137, "work", oom_killed=True)
    assert found is not None
    assert (found.code, found.fix) == ("out_of_memory", "qdrant-admin restart --profile work")


def test_an_unknown_code_is_shown_with_the_last_error() -> None:
    found = decode_exit(77, "work", log=["INFO a", "\x1b[31mERROR b\x1b[0m", "INFO c"])
    assert found is not None
    assert (found.what, found.why) == ("the server ended with code 77", "ERROR b")


@pytest.mark.parametrize("ended", [1, 101])
@pytest.mark.parametrize(("line", "code", "fix"), CAUSES)
def test_a_failed_start_has_its_cause_named(ended: int, line: str, code: str, fix: str) -> None:
    log = [
        "INFO qdrant: starting",
        WARNINGS[1][0],
        f"\x1b[31m{line}\x1b[0m",
    ]
    found = decode_exit(ended, "work", log=[*log, "thread 'main' panicked at src/main.rs:1"])
    assert found is not None
    assert (found.code, found.fix, found.severe) == (code, fix, True)


def test_a_failed_start_without_a_known_cause_has_the_last_finding() -> None:
    log = ["WARN qdrant: There is a potential issue with the filesystem", PANIC + "something nobody has seen", "bye"]
    found = decode_exit(101, "work", log=log)
    assert found is not None
    assert (found.code, found.what) == ("panicked", "the server panicked")
    blank = decode_exit(101, "work", log=["bye"])
    assert blank is not None
    assert blank.what == "the server panicked (code 101)"


def test_a_signal_is_not_explained_by_the_log() -> None:
    found = decode_exit(139, "work", log=[SHARD])
    assert found is not None
    assert found.code == "crashed"


@pytest.mark.parametrize(("line", "code"), WARNINGS)
def test_a_warning_in_the_log_is_told_once(line: str, code: str) -> None:
    assert [found.code for found in decode_log([line, "INFO fine", line], "work")] == [code]


def test_the_words_of_a_caller_warn_of_nothing() -> None:
    request = '"GET /collections/FUSE%20recovery%20mode/points?panicked%20at HTTP/1.1" 200 59 "recovery mode" 0.1'
    at_work = f"2026-11-30T09:14:58.931214Z  INFO actix_web::middleware::logger: 127.0.0.1 {request}"
    assert decode_log([at_work, f"\x1b[2m{at_work}\x1b[0m"], "work") == []


def test_findings_stand_in_the_order_of_the_log() -> None:
    lines = [WARNINGS[4][0], WARNINGS[0][0], WARNINGS[4][0]]
    assert [found.code for found in decode_log(lines, "work")] == ["recovery_mode", "storage_in_container"]


def test_a_crash_tests_own_collection_cut_off_while_it_was_made_is_no_warning() -> None:
    folder = f"./storage/collections/{canaries.PREFIX}0a1b2c3d-2"
    line = f"WARN storage: Collection config is not found in the collection directory: {folder}, skipping"
    assert decode_log([line], "work") == []


def test_an_ordinary_log_warns_of_nothing(own_server: Server) -> None:
    lines = (own_server.folder / "log").read_text().splitlines()
    assert lines
    assert decode_log(lines, "work") == []


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
    found = decode_exit(code, "work", log=log)
    assert code == 101
    assert found is not None
    assert found.code == "storage_in_use"


@pytest.mark.server
def test_a_damaged_collection_is_recognised(tmp_path: Path) -> None:
    server = Server(tmp_path / "q").start()
    httpx.put(f"{server.url}/collections/a", json={"vectors": {"size": 4, "distance": "Dot"}}).raise_for_status()
    server.stop()
    (server.folder / "storage/collections/a/0/shard_config.json").write_text("{")
    code, log = _run(tmp_path, server.folder / "storage")
    found = decode_exit(code, "work", log=log)
    assert code == 101
    assert found is not None
    assert (found.code, found.severe) == ("collection_damaged", True)


@pytest.mark.server
def test_a_server_that_cannot_write_is_recognised(tmp_path: Path) -> None:
    storage = tmp_path / "file"
    storage.write_text("not a folder")
    code, log = _run(tmp_path, storage)
    found = decode_exit(code, "work", log=log)
    assert code == 1
    assert found is not None
    assert (found.code, found.severe) == ("start_failed", True)


@pytest.mark.server
def test_a_killed_server_is_told_from_a_stopped_one(tmp_path: Path) -> None:
    server = Server(tmp_path / "q").start()
    assert server.process is not None
    server.process.send_signal(signal.SIGKILL)
    killed = decode_exit(server.process.wait(), "work")
    server.start()
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    assert killed is not None
    assert killed.code == "killed"
    assert decode_exit(server.process.wait(), "work", stopped_by_us=True) is None


@pytest.mark.server
def test_a_taken_grpc_port_is_read_from_the_real_log(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as holder:
        server = Server(tmp_path / "q", grpc_port=holder.getsockname()[1]).start()
        server.stop()
    assert "grpc_port_taken" in [
        item.code for item in decode_log((server.folder / "log").read_text().splitlines(), "work")
    ]

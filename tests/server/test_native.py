"""The native runtime with the real binary: it outlives its starter, comes back after a kill, and ends when asked."""

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import portalocker
import psutil
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import NotFound, PortTaken, Refused, ServerNotReady, StorageUnusable, Unsupported
from qdrant_admin.core.events import LogLines, Notice
from qdrant_admin.core.serialization import to_json
from qdrant_admin.server.health import probe, wait_answering
from qdrant_admin.server.native import supervisor as supervision
from qdrant_admin.server.native.record import (
    BLOCK_BYTES,
    Launch,
    Process,
    Record,
    find_server,
    find_supervisor,
    last_lines,
    write,
)
from qdrant_admin.server.native.runtime import NativeRuntime
from tests.server.conftest import MakeNative
from tests.support.real import Server, binary, free_port

pytestmark = pytest.mark.server
KEY = "a-key-that-nobody-must-see-91b7"


def up(runtime: NativeRuntime, cancel: CancelToken) -> list[object]:
    return [*runtime.start(cancel), *wait_answering(runtime, cancel, 30)]


def eventually(question: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.02)


def record_of(runtime: NativeRuntime) -> Record:
    record = runtime.files.read_record()
    assert record is not None
    return record


def put_points(runtime: NativeRuntime) -> None:
    with httpx.Client(base_url=runtime.endpoint.url) as http:
        http.put("/collections/a", json={"vectors": {"size": 2, "distance": "Dot"}}).raise_for_status()
        points = [{"id": number, "vector": [1, number]} for number in range(1, 51)]
        http.put("/collections/a/points", params={"wait": "true"}, json={"points": points}).raise_for_status()


def count_points(runtime: NativeRuntime) -> int:
    answer = httpx.post(f"{runtime.endpoint.url}/collections/a/points/count", json={"exact": True})
    return int(answer.json()["result"]["count"])


def test_a_whole_life(make_native: MakeNative, cancel: CancelToken) -> None:
    runtime = make_native()
    assert runtime.inspect().state == "absent"
    up(runtime, cancel)
    state = runtime.inspect()
    assert (state.state, state.ours, state.restarts, state.diagnosis) == ("running", True, 0, None)
    assert state.storage.kind == "directory"
    launch, profile = record_of(runtime).launch, runtime.settings.profile
    assert (launch.host, launch.port, launch.grpc_port) == ("127.0.0.1", profile.port, profile.grpc_port)
    assert runtime.differences() == []
    again = list(runtime.start(cancel))
    assert [event.text for event in again if isinstance(event, Notice)] == [
        f"the native server runs already (pid {state.pid})"
    ]
    assert runtime.inspect().pid == state.pid

    list(runtime.stop(cancel))
    stopped = runtime.inspect()
    assert (stopped.state, stopped.exit_code, stopped.diagnosis) == ("stopped", 0, None)
    assert not probe(runtime.endpoint).answers
    list(runtime.remove(cancel))
    assert runtime.inspect().state == "absent"
    assert runtime.settings.native_storage.is_dir()
    assert runtime.files.log.exists()


@pytest.mark.parametrize("how", ["graceful", "kill", "recreate"])
def test_data_is_there_after_every_restart(make_native: MakeNative, cancel: CancelToken, how: str) -> None:
    runtime = make_native()
    up(runtime, cancel)
    put_points(runtime)
    before = runtime.inspect().pid
    list(runtime.restart(how, cancel))  # type: ignore[arg-type] # a parameter is a plain str
    list(wait_answering(runtime, cancel, 30))
    after = runtime.inspect()
    assert after.pid != before
    assert after.restarts == 0, "a restart that was asked for is none that nobody asked for"
    assert count_points(runtime) == 50


def test_a_storage_is_told_from_another_at_the_same_place(make_native: MakeNative, cancel: CancelToken) -> None:
    runtime = make_native()
    storage = runtime.settings.native_storage
    up(runtime, cancel)
    first = runtime.storage_identity()
    assert first is not None
    assert first.place == f"directory {storage}"
    assert first.peer.isdigit()
    list(runtime.restart("kill", cancel))
    assert runtime.storage_identity() == first
    list(runtime.stop(cancel))
    moved = storage.rename(storage.with_name("moved"))
    up(runtime, cancel)
    second = runtime.storage_identity()
    assert second is not None
    assert second.place == first.place
    assert not second.same(first)
    list(runtime.stop(cancel))
    shutil.rmtree(storage)
    shutil.copytree(moved, storage)
    copied = runtime.storage_identity()
    assert copied is not None
    assert copied.peer == first.peer
    assert not copied.same(first)  # an older copy put in its place


def test_it_lives_on_when_its_starter_has_ended(make_native: MakeNative, cancel: CancelToken) -> None:
    runtime = make_native("survivor")
    program = (
        "import sys; from qdrant_admin.config.settings import Settings;"
        "from qdrant_admin.core.cancel import CancelToken;"
        "from qdrant_admin.server.native.runtime import NativeRuntime;"
        "list(NativeRuntime(Settings.model_validate_json(sys.stdin.read())).start(CancelToken()))"
    )
    subprocess.run([sys.executable, "-c", program], input=to_json(runtime.settings), text=True, check=True, timeout=60)
    list(wait_answering(runtime, cancel, 30))
    state = runtime.inspect()
    assert state.state == "running"
    supervisor = find_supervisor(record_of(runtime), runtime.files.folder)
    assert supervisor is not None
    assert os.getsid(supervisor.pid) == supervisor.pid, "it is of no terminal's session"


def test_a_server_killed_from_outside_comes_back(make_native: MakeNative, cancel: CancelToken) -> None:
    runtime = make_native()
    up(runtime, cancel)
    put_points(runtime)
    killed = runtime.inspect().pid
    assert killed is not None
    psutil.Process(killed).kill()
    eventually(lambda: runtime.inspect().restarts == 1 and runtime.inspect().state == "running")
    list(wait_answering(runtime, cancel, 30))
    assert runtime.inspect().pid != killed
    assert count_points(runtime) == 50


def test_a_crash_loop_is_given_up_and_explained(make_native: MakeNative, cancel: CancelToken) -> None:
    runtime = make_native()
    up(runtime, cancel)
    put_points(runtime)
    list(runtime.stop(cancel))
    (runtime.settings.native_storage / "collections/a/0/shard_config.json").write_text("{")
    list(runtime.start(cancel))
    seen: list[object] = []
    error = None
    try:
        for event in wait_answering(runtime, cancel, 60):
            seen.append(event)  # noqa: PERF402 # kept although the end is an error
    except ServerNotReady as caught:
        error = caught
    assert error is not None
    assert error.fix_on(runtime.profile) == f"qdrant-admin logs --tail 100 --profile {runtime.profile}"
    assert any(isinstance(event, LogLines) for event in seen)
    eventually(lambda: runtime.inspect().state == "stopped", 30)
    state = runtime.inspect()
    assert state.exit_code == 101
    assert state.restarts == 4
    assert state.diagnosis is not None
    assert "given up after 5 starts" in state.diagnosis.why


def test_a_taken_port_is_named_with_a_way_out_that_works(make_native: MakeNative, cancel: CancelToken) -> None:
    with socket.create_server(("127.0.0.1", 0)) as rest, socket.create_server(("127.0.0.1", 0)) as grpc:
        runtime = make_native(port=rest.getsockname()[1], grpc_port=grpc.getsockname()[1])
        with pytest.raises(PortTaken) as caught:
            list(runtime.start(cancel))
    assert str(runtime.settings.profile.port) in caught.value.what
    assert f"(pid {os.getpid()})" in caught.value.why
    assert caught.value.fix.startswith("qdrant-admin up --port ")
    assert runtime.inspect().state == "absent"
    free = [int(word) for word in caught.value.fix.split() if word.isdigit()]
    up(make_native(port=free[0], grpc_port=free[1]), cancel)


def test_two_profiles_run_side_by_side(make_native: MakeNative, cancel: CancelToken) -> None:
    one, two = make_native(), make_native()
    up(one, cancel)
    up(two, cancel)
    put_points(one)
    assert httpx.get(f"{two.endpoint.url}/collections").json()["result"]["collections"] == []
    list(one.stop(cancel))
    assert two.inspect().state == "running"


def test_two_profiles_never_share_a_folder(make_native: MakeNative, cancel: CancelToken, tmp_path: Path) -> None:
    one, two = (make_native(storage=tmp_path / "shared") for _ in range(2))
    up(one, cancel)
    with pytest.raises(StorageUnusable, match="another Qdrant") as caught:
        list(two.start(cancel))
    assert str(one.inspect().pid) in caught.value.why


def test_a_folder_locked_by_a_server_out_of_sight_is_refused(
    make_native: MakeNative, cancel: CancelToken, own_server: Server
) -> None:
    httpx.put(f"{own_server.url}/collections/a", json={"vectors": {"size": 2, "distance": "Dot"}}).raise_for_status()
    from qdrant_admin.server import storage_probe

    wal = next((own_server.folder / "storage").glob("collections/*/*/wal"))
    assert storage_probe._locked(wal)
    with pytest.raises(StorageUnusable, match="another Qdrant"):
        list(make_native(storage=own_server.folder / "storage").start(cancel))
    own_server.stop()
    assert not storage_probe._locked(wal)


def test_a_recycled_pid_is_never_killed(make_native: MakeNative, cancel: CancelToken) -> None:
    runtime = make_native()
    up(runtime, cancel)
    list(runtime.stop(cancel))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        old = record_of(runtime)
        assert old.server is not None
        recycled = old.server.model_copy(update={"pid": innocent.pid})
        supervisor = old.supervisor.model_copy(update={"pid": innocent.pid})
        write(
            runtime.files.record,
            old.model_copy(update={"server": recycled, "supervisor": supervisor, "phase": "running"}),
        )
        state = runtime.inspect()
        assert state.state == "stopped"
        assert state.diagnosis is not None
        list(runtime.stop(cancel))
        list(runtime.restart("kill", cancel))
        list(wait_answering(runtime, cancel, 30))
        assert innocent.poll() is None
        innocent.communicate(b"\n")


@pytest.mark.parametrize(
    ("changed", "in_folder", "ours"),
    [
        ({}, False, True),
        ({"executable": "/usr/bin/qdrant.old"}, True, True),  # renamed, as an upgrade by hand does
        ({"created": 1.0}, True, True),  # the clock was set
        ({"created": 1.0}, False, False),  # another of the same program
        ({"executable": "/usr/bin/nginx"}, False, False),
        ({"executable": "/usr/bin/nginx", "created": 1.0}, True, False),
    ],
)
def test_a_process_is_ours_by_two_signs_of_three(
    tmp_path: Path, changed: dict[str, object], in_folder: bool, ours: bool
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=tmp_path if in_folder else None
    ) as process:
        seen = Process.of(process.pid)
        launch = Launch(binary=binary(), version="1", host="", port=1, grpc_port=2, storage=tmp_path, api_key=False)
        server = seen.model_copy(update=changed)
        record = Record(launch=launch, phase="running", supervisor=seen, server=server)
        assert (find_server(record, tmp_path) is not None) == ours
        assert find_supervisor(record, tmp_path) is None
        process.communicate(b"\n")


def test_the_key_works_and_is_written_nowhere(make_native: MakeNative, cancel: CancelToken) -> None:
    runtime = make_native(api_key=KEY)
    up(runtime, cancel)
    seen = probe(runtime.endpoint)
    assert (seen.key_wanted, seen.key_accepted) == (True, True)
    record = record_of(runtime)
    assert record.server is not None
    for pid in (record.supervisor.pid, record.server.pid):
        assert KEY not in " ".join(psutil.Process(pid).cmdline())
    list(runtime.restart("kill", cancel))
    list(wait_answering(runtime, cancel, 30))
    assert probe(runtime.endpoint).key_wanted is True, "a restart must not open the server"
    for path in runtime.files.folder.rglob("*"):
        if path.is_file() and path.stat().st_size < 1_000_000:
            assert KEY.encode() not in path.read_bytes(), path
    assert KEY not in repr(runtime.inspect())


def test_it_is_never_open_to_others_without_a_key(make_native: MakeNative, cancel: CancelToken) -> None:
    with pytest.raises(Refused):
        list(make_native(host="0.0.0.0").start(cancel))  # noqa: S104 # refused before anything is bound


def test_web_pages_get_no_leave_to_call_it(make_native: MakeNative, cancel: CancelToken) -> None:
    runtime = make_native()
    up(runtime, cancel)
    answer = httpx.get(f"{runtime.endpoint.url}/collections", headers={"Origin": "https://example.org"})
    assert "access-control-allow-origin" not in answer.headers
    record = record_of(runtime)
    assert record.server is not None
    listening = {c.laddr.ip for c in psutil.Process(record.server.pid).net_connections() if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


def test_a_changed_profile_is_told_and_applied(make_native: MakeNative, cancel: CancelToken) -> None:
    old = make_native("changing")
    up(old, cancel)
    put_points(old)
    new = make_native("changing", port=free_port(), grpc_port=old.settings.profile.grpc_port)
    assert [change.setting for change in new.differences()] == ["port"]
    list(new.apply(cancel))
    list(wait_answering(new, cancel, 30))
    assert new.differences() == []
    assert count_points(new) == 50


def test_a_supervisor_that_is_gone_is_told_and_replaced(make_native: MakeNative, cancel: CancelToken) -> None:
    runtime = make_native()
    up(runtime, cancel)
    put_points(runtime)
    supervisor = find_supervisor(record_of(runtime), runtime.files.folder)
    assert supervisor is not None
    supervisor.kill()
    eventually(lambda: find_supervisor(record_of(runtime), runtime.files.folder) is None)
    state = runtime.inspect()
    assert state.state == "running"
    assert state.diagnosis is not None
    assert "nobody restarts" in state.diagnosis.what
    list(runtime.restart("graceful", cancel))
    list(wait_answering(runtime, cancel, 30))
    assert runtime.inspect().diagnosis is None
    assert count_points(runtime) == 50


def test_both_gone_is_no_clean_end(make_native: MakeNative, cancel: CancelToken) -> None:
    runtime = make_native()
    up(runtime, cancel)
    record = record_of(runtime)
    for process in (find_supervisor(record, runtime.files.folder), find_server(record, runtime.files.folder)):
        assert process is not None
        process.kill()
    eventually(lambda: runtime.inspect().state == "stopped")
    diagnosis = runtime.inspect().diagnosis
    assert diagnosis is not None
    assert "together with its supervisor" in diagnosis.what
    up(runtime, cancel)


@pytest.mark.parametrize(
    ("names", "scheme"),
    [(("chroma.sqlite3",), "chroma:"), (("meta.json", "collection/a/storage.sqlite"), "qdrant-local:")],
)
def test_a_folder_of_another_program_is_refused(
    make_native: MakeNative, cancel: CancelToken, tmp_path: Path, names: tuple[str, ...], scheme: str
) -> None:
    storage = tmp_path / "theirs"
    for name in names:
        (storage / name).parent.mkdir(parents=True, exist_ok=True)
        (storage / name).touch()
    before = sorted(storage.rglob("*"))
    with pytest.raises(StorageUnusable) as caught:
        list(make_native(storage=storage).start(cancel))
    assert f"{scheme}{storage}" in caught.value.fix
    assert sorted(storage.rglob("*")) == before


def test_a_folder_that_cannot_be_written_is_refused(
    make_native: MakeNative, cancel: CancelToken, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for storage in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageUnusable):
            list(make_native(storage=storage).start(cancel))


def test_a_halted_server_is_seen_and_can_be_stopped(make_native: MakeNative, cancel: CancelToken) -> None:
    runtime = make_native()
    up(runtime, cancel)
    pid = runtime.inspect().pid
    assert pid is not None
    psutil.Process(pid).suspend()
    eventually(lambda: runtime.inspect().state == "paused")
    list(runtime.stop(cancel))
    assert runtime.inspect().state == "stopped"
    assert not psutil.pid_exists(pid)


def test_a_server_that_ends_by_itself_at_the_very_moment_of_a_stop_is_stopped(
    make_native: MakeNative, cancel: CancelToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = make_native()
    up(runtime, cancel)
    pid = runtime.inspect().pid
    assert pid is not None

    def gone_at_once(supervisor: psutil.Process) -> None:
        supervisor.kill()
        psutil.Process(pid).kill()
        eventually(lambda: not psutil.pid_exists(pid))

    monkeypatch.setattr(supervision, "send_term", gone_at_once)
    list(runtime.stop(cancel))
    assert runtime.inspect().state == "stopped"


def test_logs_are_read_and_followed_through_rotation(make_native: MakeNative, cancel: CancelToken) -> None:
    runtime = make_native()
    up(runtime, cancel)
    (tail,) = runtime.logs(tail=2, follow=False, cancel=cancel)
    assert len(tail) == 2
    lines: list[str] = []
    following = CancelToken()

    def follow() -> None:
        for batch in runtime.logs(tail=0, follow=True, cancel=following):
            lines.extend(batch)

    reader = threading.Thread(target=follow)
    reader.start()
    try:

        def seen(path: str) -> bool:
            httpx.get(f"{runtime.endpoint.url}{path}")
            return any(path in line for line in lines)

        eventually(lambda: seen("/collections/first"))
        os.truncate(runtime.files.log, 0)
        eventually(lambda: seen("/collections/second"))
    finally:
        following.cancel()
        reader.join(10)


def test_stats_are_of_the_server(make_native: MakeNative, cancel: CancelToken) -> None:
    runtime = make_native()
    up(runtime, cancel)
    put_points(runtime)
    stats = runtime.stats()
    assert stats.memory_bytes is not None
    assert stats.memory_bytes > 10_000_000
    apparent = sum(path.stat().st_size for path in runtime.settings.native_storage.rglob("*") if path.is_file())
    assert stats.disk_bytes is not None
    assert 0 < stats.disk_bytes < apparent, "files are sparse: blocks count, not lengths"
    assert stats.disk_free_bytes
    list(runtime.stop(cancel))
    assert runtime.stats().memory_bytes is None


def test_what_was_never_started_cannot_be_restarted_or_adopted(make_native: MakeNative, cancel: CancelToken) -> None:
    runtime = make_native()
    with pytest.raises(NotFound):
        list(runtime.restart("graceful", cancel))
    with pytest.raises(Unsupported):
        runtime.adopt(cancel)
    assert list(runtime.logs(tail=10, follow=False, cancel=cancel)) == []
    assert [type(event) for event in runtime.stop(cancel)] == [Notice]


def test_data_of_a_newer_server_is_not_touched(make_native: MakeNative, cancel: CancelToken) -> None:
    runtime = make_native()
    up(runtime, cancel)
    put_points(runtime)
    list(runtime.stop(cancel))
    record = json.loads(runtime.files.record.read_text())
    record["launch"]["version"] = "1.99.0"
    runtime.files.record.write_text(json.dumps(record))
    with pytest.raises(Refused, match=r"1\.99\.0"):
        list(runtime.start(cancel))


def test_a_second_supervisor_gives_way(make_native: MakeNative, cancel: CancelToken) -> None:
    from qdrant_admin.server.native.supervisor import EXIT_LOCKED, main

    runtime = make_native()
    up(runtime, cancel)
    assert main(["", str(runtime.files.folder)]) == EXIT_LOCKED
    with runtime.files.lock.open("ab") as lock, pytest.raises(portalocker.LockException):
        portalocker.lock(lock, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    assert runtime.inspect().state == "running"


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, read = tmp_path / "log", []
    lines = [f"line {number} " + "x" * 90 for number in range(50_000)]
    log.write_text("\n".join(lines) + "\n")

    class Counting(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            found = super().read(size) or b""
            read.append(len(found))
            return found

    monkeypatch.setattr(Path, "open", lambda self, _mode: Counting(self))
    assert last_lines(log, 3) == lines[-3:]
    assert sum(read) <= 2 * BLOCK_BYTES < log.stat().st_size / 10
    assert last_lines(log, 2000) == lines[-2000:]
    assert last_lines(log, 2, end=len(lines[0]) + len(lines[1]) + 2) == lines[:2]
    assert last_lines(log, 60_000) == lines

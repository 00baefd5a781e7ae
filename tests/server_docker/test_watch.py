"""Logs and figures of a real container."""

import threading

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import NotFound
from qdrant_admin.server.docker.container.inspection import cpu_percent
from qdrant_admin.server.runtime import Stats
from tests.server_docker.conftest import Bench, run


@pytest.mark.docker
def test_logs_end_where_they_end(bench: Bench) -> None:
    runtime = bench.started()
    lines = [line for batch in runtime.logs(tail=500, follow=False, cancel=CancelToken()) for line in batch]
    assert any("Qdrant HTTP listening" in line for line in lines)
    assert [len(batch) for batch in runtime.logs(tail=2, follow=False, cancel=CancelToken())] == [2]


@pytest.mark.docker
def test_following_a_silent_server_ends_at_once_when_cancelled(bench: Bench) -> None:
    runtime = bench.started()
    token = CancelToken()
    seen: list[str] = []
    first = threading.Event()

    def read() -> None:
        for batch in runtime.logs(tail=5, follow=True, cancel=token):
            seen.extend(batch)
            first.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert first.wait(10)
    bench.get("/collections")
    bench.until(lambda: any("GET /collections" in line for line in seen))
    token.cancel()
    reader.join(10)
    assert not reader.is_alive()


@pytest.mark.docker
def test_following_ends_with_the_server(bench: Bench) -> None:
    runtime = bench.started()
    stopper = threading.Timer(0.3, lambda: run(runtime.stop(CancelToken())))
    stopper.start()
    assert any("Qdrant" in line for batch in runtime.logs(tail=50, follow=True, cancel=CancelToken()) for line in batch)
    stopper.join()


@pytest.mark.docker
def test_stats(bench: Bench) -> None:
    runtime = bench.runtime()
    assert runtime.stats() == Stats()
    with pytest.raises(NotFound):
        list(runtime.logs(tail=1, follow=False, cancel=CancelToken()))
    bench.started()
    bench.remember()
    stats = runtime.stats()
    assert stats.cpu_percent is not None
    assert stats.memory_bytes is not None
    assert stats.memory_bytes > 10_000_000
    # In blocks: an empty collection is 200 MB long and takes 1 MB. None where the volume cannot be seen from here.
    assert stats.disk_bytes is None or stats.disk_bytes < 100_000_000


def test_share_of_the_processor() -> None:
    before = {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000, "online_cpus": 4}
    now = {"cpu_usage": {"total_usage": 200}, "system_cpu_usage": 1400, "online_cpus": 4}
    assert cpu_percent({"cpu_stats": now, "precpu_stats": before}) == 100
    assert cpu_percent({"cpu_stats": now, "precpu_stats": {"cpu_usage": {"total_usage": 0}}}) is None
    assert cpu_percent({"cpu_stats": now, "precpu_stats": now}) is None

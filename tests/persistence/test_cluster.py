"""A member of a real cluster: its messages are no writes, and one replica of each shard is not all of the data."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.database.gateway import Database
from qdrant_admin.persistence import verify as verify_module
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import prove
from tests.support.real import Server, free_port

pytestmark = pytest.mark.server


def member(folder: Path, *bootstrap: str) -> tuple[Server, str]:
    """One, and the address at which the others talk to it."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    environment = {"QDRANT__CLUSTER__ENABLED": "true", "QDRANT__CLUSTER__P2P__PORT": str(port)}
    return Server(folder, environment=environment, arguments=("--uri", address, *bootstrap)).start(), address


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """Two members; `spread` has a shard on each, `twice` every shard on both."""
    folder = tmp_path_factory.mktemp("cluster")
    one, address = member(folder / "one")
    other, _ = member(folder / "other", "--bootstrap", address)
    with httpx.Client(base_url=one.url, timeout=60) as http:
        for name, replicas in (("spread", 1), ("twice", 2)):
            body = {"vectors": {"size": 2, "distance": "Dot"}, "shard_number": 2, "replication_factor": replicas}
            http.put(f"/collections/{name}", json=body).raise_for_status()
            points = [{"id": number, "vector": [number, 1]} for number in range(40)]
            http.put(f"/collections/{name}/points?wait=true", json={"points": points}).raise_for_status()
    yield one, other
    one.kill()
    other.kill()


def test_a_member_is_no_verdict_and_a_shard_on_a_node_that_is_down_is_unreadable(
    cluster: tuple[Server, Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_module, "WATCH_SECONDS", 0.3)  # time enough for messages among the members
    one, other = cluster
    profile = Profile(runtime="remote", url=one.url, grpc_port=one.grpc_port)
    ws = Workspace(Settings(name="member", profile=profile), StateStore(tmp_path / "state.sqlite3"))
    with Database(one.endpoint) as database:
        counters = database.write_counters()
        assert not any("Raft" in name or "Internal" in name for name in counters), counters
    report = prove(ws)
    assert (report.verdict, report.code, report.exit_code) == ("inconclusive", "cluster", 1)
    assert "one of 2 members" in report.reason
    assert report.writers == {}
    assert [(check.name, check.verdict) for check in report.collections] == [("spread", "same"), ("twice", "same")]
    other.kill()
    report = prove(ws)
    assert (report.verdict, report.code) == ("inconclusive", "cluster")
    assert [(check.name, check.verdict) for check in report.collections] == [
        ("spread", "inconclusive"),
        ("twice", "same"),
    ]
    assert "a node that holds a shard of it is down" in report.collections[0].told[0]
    assert "spread" in report.reason

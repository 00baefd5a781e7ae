"""Another program at the address of a local profile: it gets no key, no write, no stop and no verdict, and is named."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest

from qdrant_admin.config.file import read_profiles, write_profile
from qdrant_admin.config.places import state_file
from qdrant_admin.config.secrets import store_key
from qdrant_admin.config.settings import load_settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import ServerUnreachable
from qdrant_admin.core.values import SecretStr
from qdrant_admin.database.bulk import Bulk
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.lifecycle.up import UpOptions, bring_up
from qdrant_admin.server.native.record import Files
from qdrant_admin.server.native.supervisor import wait_for
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.cli.conftest import Run
from tests.migration.support import local_store, numbered
from tests.support.answering import Answered, Asked, answering
from tests.support.real import Server, binary, free_port

KEY = "the-very-key"
Requests = list[Asked]
WORKING = [
    ("collections", "list"),
    ("collections", "show", "one"),
    ("collections", "delete", "one", "--yes"),
    ("points", "list", "one"),
    ("points", "show", "one", "1"),
    ("points", "search", "one", "--like", "1"),
    ("export", "one", "--to", "one.jsonl"),
    ("migrate", "SOURCE", "--plan-only"),
    ("migrate", "SOURCE"),
    ("verify", "--how", "none"),
    ("restart",),
]


def as_qdrant(asked: Asked) -> Answered:
    """As a server answers that nobody has told of its visitor; it takes every key."""
    answers: dict[str, object] = {
        "/": {"title": "qdrant - vector search engine", "version": "1.16.3"},
        "/collections": {"result": {"collections": [{"name": "one"}]}},
        "/aliases": {"result": {"aliases": []}},
    }
    return Answered(answers.get(asked.path, {"result": {}}))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Requests]:
    """What the stranger at the address of the default profile was asked."""
    requests: Requests = []

    def answer(one: Asked) -> Answered:
        requests.append(one)
        return as_qdrant(one)

    with answering(answer) as where:
        port = int(where.rpartition(":")[2])
        values = {"runtime": "native", "port": port, "grpc_port": free_port(), "binary": str(binary())}
        write_profile("local", values)
        monkeypatch.setenv("QDRANT_API_KEY", KEY)
        yield requests


def harmless(requests: Requests) -> bool:
    return all(one.method == "GET" and "api-key" not in one.headers for one in requests)


@pytest.mark.parametrize("command", WORKING, ids=" ".join)
def test_a_stranger_is_asked_for_nothing_and_named(
    command: tuple[str, ...], asked: Requests, run: Run, tmp_path: Path
) -> None:
    source = f"qdrant-local:{local_store(tmp_path / 'a', {'one': numbered(3)})}" if "SOURCE" in command else ""
    ran = run(*(source if word == "SOURCE" else word for word in command), "--json")
    assert ran.code == 4
    assert asked == []
    error = ran.json["error"]
    assert "is not the one of profile local" in error["what"]
    assert f"(pid {os.getpid()})" in error["why"]
    assert error["fix"] == "qdrant-admin up --use-existing --profile local"


@pytest.mark.parametrize("command", ["status", "doctor", "up", "adopt", "restart", "verify", "crash-test"])
def test_a_stranger_is_looked_at_without_the_key(command: str, asked: Requests, run: Run) -> None:
    assert run(*command.split()).code != 0
    assert harmless(asked)


def test_what_a_stranger_has_is_not_accepted(asked: Requests, run: Run) -> None:
    ran = run("verify", "--accept", "--json")
    assert (ran.code, ran.json["error"]["fix"]) == (4, "qdrant-admin up --use-existing --profile local")
    assert harmless(asked)


def test_a_kept_key_is_not_for_the_stranger_that_the_environment_names(
    asked: Requests, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the env command printed it, for the server that was there then."""
    monkeypatch.delenv("QDRANT_API_KEY")
    store_key("local", SecretStr(KEY))
    monkeypatch.setenv("QDRANT_URL", f"http://127.0.0.1:{read_profiles()['local'].port}")
    for command in ("status", "collections list", "verify --how none"):
        run(*command.split())
    assert asked
    assert all("api-key" not in one.headers for one in asked)


def test_status_and_doctor_say_whose_it_is(asked: Requests, run: Run) -> None:
    said = run("status", "--json").json
    assert (said["state"], said["healthy"], said["ours"]) == ("foreign", False, False)
    (finding,) = (one for one in said["findings"] if one["code"] == "foreign_server")
    assert f"(pid {os.getpid()})" in finding["facts"]["holder"]
    assert finding["command"] == "qdrant-admin up --use-existing --profile local"
    checks = {one["name"]: one for one in run("doctor", "--json").json["checks"]}
    assert (checks["server"]["code"], checks["ports"]["status"]) == ("foreign_server", "fail")
    assert harmless(asked)


def test_up_tells_the_ways_on_and_the_first_of_them_works(asked: Requests, run: Run) -> None:
    refused = run("up", "--json")
    assert refused.code == 3
    error = refused.json["error"]
    assert error["fix"] == "qdrant-admin up --use-existing --profile local"
    assert "a server of your own beside it: qdrant-admin up --port " in error["why"]
    assert "adopt" not in error["why"], "a process cannot be adopted"


@pytest.mark.server
def test_an_existing_server_is_used_as_it_is_in_one_step(server: Server, run: Run) -> None:
    ports = {"port": server.port, "grpc_port": server.grpc_port}
    write_profile("local", {"runtime": "native", "binary": str(binary()), **ports})
    httpx.put(f"{server.url}/collections/theirs", json={"vectors": {"size": 2, "distance": "Dot"}}).raise_for_status()
    assert run("collections", "list").code == 4
    used = run("up", "--use-existing", "--json")
    assert (used.code, used.json["profile"], used.json["url"], used.json["healthy"]) == (
        0,
        "existing",
        server.url,
        True,
    )
    assert "profile existing names the server" in used.err
    assert "qdrant-admin profiles use local" in used.err
    assert read_profiles()["existing"].grpc_port == server.grpc_port, "shown to be the same server"
    assert [one["name"] for one in run("collections", "list", "--json").json["collections"]] == ["theirs"]
    assert run("status", "--json").json["state"] == "healthy"
    again = run("up", "--use-existing", "--profile", "local", "--json").json
    assert again["profile"] == "existing", "there is one for that address"


@pytest.mark.server
def test_an_existing_server_with_a_key_is_named_and_asks_for_it(own_server: Server, run: Run) -> None:
    own_server.stop()
    own_server.environment = {"QDRANT__SERVICE__API_KEY": KEY}
    own_server.start()
    ports = {"port": own_server.port, "grpc_port": own_server.grpc_port}
    write_profile("local", {"runtime": "native", "binary": str(binary()), **ports})
    assert run("up", "--use-existing").code == 3
    assert read_profiles()["existing"].url == own_server.url
    assert [one["code"] for one in run("status", "--json").json["findings"]] == ["api_key_missing"]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of a native server of ours with a key, which runs."""
    home = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QDRANT_ADMIN_HOME", str(home))
        patch.delenv("QDRANT_API_KEY", raising=False)
        values = {"runtime": "native", "port": free_port(), "grpc_port": free_port(), "binary": str(binary())}
        write_profile("local", values)
        ws = Workspace(load_settings(), StateStore(state_file()))
        options = UpOptions(api_key="auto")
        list(bring_up(ws, options, cancel=CancelToken()))
        yield home
        list(ws.runtime.stop(CancelToken()))


@pytest.mark.server
def test_a_stranger_at_the_grpc_port_alone_is_left_out_and_told(
    own: Path, server: Server, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same version, with a collection of the same name, and a point of the same id."""
    monkeypatch.setenv("QDRANT_ADMIN_HOME", str(own))
    source = f"qdrant-local:{local_store(tmp_path / 'a', {'one': numbered(3)})}"
    body = {"vectors": {"size": 4, "distance": "Dot"}}
    httpx.put(f"{server.url}/collections/one", json=body).raise_for_status()
    monkeypatch.setenv("QDRANT_GRPC_PORT", str(server.grpc_port))
    moved = run("migrate", source, "--json")
    assert moved.json["verdict"] == "verified"
    assert f"listens at gRPC port {server.grpc_port})" in moved.err
    assert httpx.post(f"{server.url}/collections/one/points/count", json={}).json()["result"]["count"] == 0
    (finding,) = (one for one in run("status", "--json").json["findings"] if one["code"] == "grpc_foreign")
    assert finding["facts"]["port"] == server.grpc_port
    checks = {one["name"]: one for one in run("doctor", "--json").json["checks"]}
    assert checks["grpc"]["code"] == "grpc_foreign"


@pytest.mark.server
def test_who_took_the_port_of_our_stopped_server_is_sent_no_key(
    own: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it has appeared after our own server died; on its return it is ours again."""
    monkeypatch.setenv("QDRANT_ADMIN_HOME", str(own))
    port = read_profiles()["local"].port
    assert run("down").code == 0
    requests: Requests = []

    def answer(one: Asked) -> Answered:
        requests.append(one)
        return as_qdrant(one)

    with answering(answer, port=port):
        for command in ("status", "doctor", "collections list", "points list one", "up", "restart"):
            assert run(*command.split()).code in {1, 3, 4}, command
        said = run("status", "--json").json
        assert (said["state"], said["collections"]) == ("foreign", None)
        assert "the server of this profile is stopped" in run("status").out
    assert requests
    assert harmless(requests)
    assert run("up").code == 0
    assert run("collections", "list").code == 0


@pytest.mark.server
def test_an_address_that_was_named_is_the_users_choice(
    server: Server, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although it is that of the profile's own server, of which there is none."""
    ports = {"port": server.port, "grpc_port": server.grpc_port}
    write_profile("local", {"runtime": "native", "binary": str(binary()), **ports})
    monkeypatch.setenv("QDRANT_URL", server.url)
    assert run("collections", "list").code == 0
    assert run("status", "--json").json["state"] == "healthy"


def end_at_once(ws: Workspace) -> None:
    """As an out-of-memory killer does that takes the supervisor along."""
    files = Files(ws.settings.native_folder)
    record = files.read_record()
    assert record is not None
    assert record.server is not None
    for process in (record.supervisor, record.server):
        os.kill(process.pid, signal.SIGKILL)
    assert wait_for(lambda: ws.runtime.inspect().state == "stopped" or None, 10, CancelToken())


@pytest.mark.server
@pytest.mark.parametrize("way", ["gRPC", "REST"])
def test_who_takes_the_ports_of_a_server_that_ends_at_work_gets_nothing(
    own: Path, own_server: Server, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that is at work connects again by itself: to a Qdrant with a collection of the same name."""
    monkeypatch.setenv("QDRANT_ADMIN_HOME", str(own))
    ws = Workspace(load_settings(), StateStore(state_file()))
    list(bring_up(ws, UpOptions(), cancel=CancelToken()))
    profile = ws.settings.profile
    spec = CollectionSpec(vectors=(VectorSpec(size=2, distance="Dot"),))
    with Database(own_server.endpoint) as database:
        database.create_collection(way, spec)
    own_server.kill()
    own_server.port, own_server.grpc_port = profile.port, profile.grpc_port
    if way == "REST":
        monkeypatch.setattr(Bulk, "_decide", lambda _: "REST (for this test)")
    with ws.database() as database:
        database.create_collection(way, spec)
        write = partial(database.upsert, way, [Point(1, {}, {"": np.ones(2, np.float32)})])
        write()
        assert database.bulk.transport.startswith(way)
        end_at_once(ws)
        with pytest.raises(ServerUnreachable):
            write()
        own_server.start()
        with pytest.raises(ServerUnreachable, match="not the one of profile local"):
            write()
        with Database(own_server.endpoint) as other:
            assert other.count(way) == 0
        own_server.kill()
        list(bring_up(ws, UpOptions(), cancel=CancelToken()))
        write()
        assert database.count(way) == 1, "what is ours again is worked with again"

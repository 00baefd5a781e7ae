"""Bulk data goes over gRPC when that is surely the same server, else over REST, and says so."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from qdrant_admin.config.profile import Endpoint
from qdrant_admin.core.errors import Unsupported
from qdrant_admin.core.events import Notice
from qdrant_admin.core.values import SecretStr
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.grpc_points import GrpcPoints
from qdrant_admin.database.models import CollectionSpec, Feature, Point, VectorSpec, parsed_version
from tests.support.real import Server, free_port

SPEC = CollectionSpec(vectors=(VectorSpec(size=2, distance="Dot"),))


class RecordingGrpc:
    """Answers health checks as the server does, whatever port it stands on, and keeps what came along with each."""

    def __init__(self, like: Server) -> None:
        way = GrpcPoints(like.endpoint, 5)
        answer = way._once("/qdrant.Qdrant/HealthCheck", b"", 5)
        way.close()
        self.asked: list[Any] = []

        def handle(details: grpc.HandlerCallDetails) -> Any:
            self.asked.append(details.invocation_metadata)
            return grpc.unary_unary_rpc_method_handler(lambda _request, _context: answer)

        handler = type("Handler", (grpc.GenericRpcHandler,), {"service": lambda _self, details: handle(details)})
        self._server = grpc.server(ThreadPoolExecutor(1))
        self._server.add_generic_rpc_handlers((handler(),))
        self.port = free_port()
        self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None)


def round_trip(endpoint: Endpoint) -> str:
    with Database(endpoint) as database:
        database.create_collection("c", SPEC)
        database.upsert("c", [Point(1, {"a": 2**64 - 1}, {"": np.ones(2, np.float32)})])
        assert next(database.scan("c"))[0].payload == {"a": 2**64 - 1}
        return database.bulk.transport


@pytest.mark.server
def test_an_open_grpc_port_is_used(server: Server) -> None:
    assert round_trip(server.endpoint) == f"gRPC (port {server.grpc_port})"


@pytest.mark.server
def test_a_grpc_port_known_to_be_closed_is_not_asked(server: Server) -> None:
    assert round_trip(server.endpoint.model_copy(update={"grpc_port": None})) == "REST (gRPC is closed)"


@pytest.mark.server
def test_a_dead_grpc_port_falls_back_and_says_so(server: Server) -> None:
    port = free_port()
    words = round_trip(server.endpoint.model_copy(update={"grpc_port": port}))
    assert words.startswith(f"REST (gRPC port {port} does not answer: ")


@pytest.mark.server
def test_a_rest_port_given_as_grpc_port_falls_back(server: Server) -> None:
    words = round_trip(server.endpoint.model_copy(update={"grpc_port": server.port}))
    assert words.startswith("REST (")


@pytest.mark.server
def test_another_server_at_the_grpc_port_is_never_written_to(server: Server, own_server: Server) -> None:
    with Database(own_server.endpoint) as other:
        other.create_collection("c", SPEC)
        other.create_collection("theirs", SPEC)
    words = round_trip(server.endpoint.model_copy(update={"grpc_port": own_server.grpc_port}))
    assert words == f"REST (another server answers at gRPC port {own_server.grpc_port})"
    with Database(own_server.endpoint) as other:
        assert other.count("c") == 0


@pytest.mark.server
def test_a_server_that_is_just_alike_is_never_written_to_nor_read(server: Server, own_server: Server) -> None:
    """Same version, same names of collections, a point of the same id: only one of them counts what it was asked."""
    theirs = Point(1, {"whose": "theirs"}, {"": np.ones(2, np.float32)})
    with Database(own_server.endpoint) as other, Database(server.endpoint) as own:
        for database in (other, own):
            database.create_collection("c", SPEC)
        other.upsert("c", [theirs])
    mixed = server.endpoint.model_copy(update={"grpc_port": own_server.grpc_port})
    with Database(mixed) as database:
        database.upsert("c", [Point(1, {"whose": "own"}, {"": np.ones(2, np.float32)})])
        assert next(database.scan("c"))[0].payload == {"whose": "own"}
        assert database.bulk.transport == f"REST (another server answers at gRPC port {own_server.grpc_port})"
    with Database(own_server.endpoint) as other:
        assert other.point("c", 1).payload == {"whose": "theirs"}


@pytest.mark.server
def test_no_key_is_sent_to_whoever_else_answers_at_the_grpc_port(tmp_path: Path) -> None:
    """One that says that it is of the same version and commit, as a server that is just alike would."""
    own = Server(tmp_path / "own", environment={"QDRANT__SERVICE__API_KEY": "secret"}).start()
    stranger = RecordingGrpc(own)
    try:
        with Database(
            own.endpoint.model_copy(update={"grpc_port": stranger.port, "api_key": SecretStr("secret")})
        ) as d:
            assert d.bulk.transport == f"REST (another server answers at gRPC port {stranger.port})"
            assert [event.text for event in d.bulk.told() if isinstance(event, Notice)] == [
                f"everything goes over {d.bulk.transport}"
            ]
    finally:
        stranger.stop()
        own.stop()
    assert stranger.asked, "it was looked at"
    assert not any("api-key" in dict(metadata) for metadata in stranger.asked)


@pytest.mark.server
@pytest.mark.parametrize("extra", [1, 4, 9], ids=str)
def test_health_checks_of_a_monitor_do_not_make_two_servers_one(
    server: Server, own_server: Server, extra: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server at the REST port is asked for its health by somebody else while another is at the gRPC port."""
    asked = iter(range(0, 1000, extra))
    monkeypatch.setattr(Database, "health_checks", lambda _: next(asked))
    words = round_trip(server.endpoint.model_copy(update={"grpc_port": own_server.grpc_port}))
    assert words == f"REST (another server answers at gRPC port {own_server.grpc_port})"


@pytest.mark.server
def test_a_server_that_tells_no_counters_is_read_over_rest(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Database, "health_checks", lambda _: None)
    words = round_trip(server.endpoint)
    assert words == f"REST (the server does not tell whether gRPC port {server.grpc_port} is its own)"


@pytest.mark.server
def test_nothing_is_said_on_standard_error_and_nothing_heavy_is_loaded_early(server: Server, tmp_path: Path) -> None:
    script = f"""
import sys
from qdrant_admin.config.profile import Endpoint
from qdrant_admin.database.gateway import Database
heavy = {{"qdrant_client", "grpc", "docker", "textual"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
with Database(Endpoint(url={server.url!r}, grpc_port={server.grpc_port})) as database:
    database.collections()
    assert not heavy & set(sys.modules), heavy & set(sys.modules)
    print(database.bulk.transport)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("gRPC")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.16.3", (1, 16, 3)), ("v1.9", (1, 9, 0)), ("1.17.0-dev", (1, 17, 0)), ("", (0, 0, 0)), ("dev", (0, 0, 0))],
)
def test_versions_are_compared_as_numbers(text: str, expected: tuple[int, int, int]) -> None:
    assert parsed_version(text) == expected


def test_a_feature_that_a_server_lacks_is_named_with_its_version() -> None:
    Feature.METADATA.require("1.16.0")
    with pytest.raises(Unsupported, match=r"1\.9\.2.*1\.16"):
        Feature.METADATA.require("1.9.2")

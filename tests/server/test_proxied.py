"""A proxy in the environment does not stand between us and this machine."""

from collections.abc import Iterator

import pytest

from qdrant_admin.config.profile import Endpoint
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import NotQdrant
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, VectorSpec
from qdrant_admin.migration.inspect import inspect
from qdrant_admin.server.docker.answers import Inspected
from qdrant_admin.server.docker.container.ownership import check_adoptable
from qdrant_admin.server.health import probe
from tests.migration.support import last
from tests.support.real import Server

pytestmark = pytest.mark.server


@pytest.fixture
def proxied(server: Server) -> Iterator[Server]:
    """A server of this machine, and a proxy at which nobody answers."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_PROXY", "no_proxy", "http_proxy"):
            patch.delenv(name, raising=False)
        patch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        yield server


def test_a_local_server_is_looked_at(proxied: Server) -> None:
    assert probe(Endpoint(url=proxied.url, grpc_port=proxied.grpc_port)).ready


def test_a_container_is_known_by_what_it_answers(proxied: Server) -> None:
    attributes: Inspected = {
        "Name": "/memories",
        "Path": "./entrypoint.sh",
        "Config": {"Image": "registry.example/vectors:1"},
        "HostConfig": {"AutoRemove": False},
        "NetworkSettings": {"Ports": {"6333/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(proxied.port)}]}},
    }
    check_adoptable(attributes)
    attributes["NetworkSettings"] = {"Ports": {}}
    with pytest.raises(NotQdrant):
        check_adoptable(attributes)


def test_a_folder_that_a_server_holds_is_asked_for_over_its_port(proxied: Server) -> None:
    with Database(proxied.endpoint) as database:
        database.create_collection("notes", CollectionSpec(vectors=(VectorSpec(size=2, distance="Dot"),)))
    report = last(inspect(proxied.folder / "storage", profile="local", cancel=CancelToken()))
    assert not report.in_use or f"qdrant+http://127.0.0.1:{proxied.port}" in report.commands[0].command

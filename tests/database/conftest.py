"""A gateway over each transport."""

from collections.abc import Iterator

import pytest

from qdrant_admin.config.profile import Endpoint
from qdrant_admin.database.gateway import Database
from tests.support.real import Server


def rest_only(endpoint: Endpoint) -> Endpoint:
    """The same server with its gRPC port said to be closed."""
    return endpoint.model_copy(update={"grpc_port": None})


@pytest.fixture(params=["gRPC", "REST"])
def database(request: pytest.FixtureRequest, server: Server) -> Iterator[Database]:
    """An empty real server, bulk data over gRPC and then over REST."""
    endpoint = server.endpoint if request.param == "gRPC" else rest_only(server.endpoint)
    with Database(endpoint) as opened:
        assert opened.bulk.transport.startswith(request.param)
        yield opened

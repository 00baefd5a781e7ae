"""Whether a port is free, and who holds it."""

import os
import socket
from collections.abc import Iterator

import psutil
import pytest

from qdrant_admin.server import ports
from tests.support.real import free_port

EVERYWHERE = "0.0.0.0"  # noqa: S104 # for a moment, to see that it is seen


@pytest.fixture(params=["127.0.0.1", EVERYWHERE, "::1"])
def held(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """A port that this very process listens on."""
    host: str = request.param
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        try:
            listener.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        listener.listen()
        yield host, listener.getsockname()[1]


def test_a_held_port_is_not_free_and_its_owner_is_named(held: tuple[str, int]) -> None:
    host, port = held
    assert not ports.is_free(host, port)
    assert ports.listener(host, port) == f"{psutil.Process().name()} (pid {os.getpid()})"


def test_who_listens_everywhere_holds_loopback_too() -> None:
    with socket.create_server((EVERYWHERE, 0)) as everywhere:
        port = everywhere.getsockname()[1]
        assert not ports.is_free("127.0.0.1", port)
        assert str(os.getpid()) in ports.listener("127.0.0.1", port)


def test_who_listens_on_loopback_holds_everywhere_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as loopback:
        port = loopback.getsockname()[1]
        assert not ports.is_free(EVERYWHERE, port)
        assert str(os.getpid()) in ports.listener(EVERYWHERE, port)


def test_a_free_port_has_no_listener() -> None:
    port = free_port()
    assert ports.is_free("127.0.0.1", port)
    assert ports.is_free("localhost", port)
    assert ports.listener("127.0.0.1", port) == ""


def test_a_port_whose_last_connection_lingers_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # the side that closes first keeps TIME_WAIT
            assert client.recv(1) == b""
    assert ports.is_free("127.0.0.1", port)


def test_next_free_passes_over_held_ports() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = ports.next_free("127.0.0.1", port - 1)
    assert found > port - 1
    assert found != port


def test_an_owner_that_may_not_be_seen_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_kind: str) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", denied)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert ports.listener("127.0.0.1", server.getsockname()[1]) == ports.HIDDEN

"""The tests themselves keep away from the servers of whoever runs them."""

import socket
import subprocess
import sys
from collections.abc import Callable

import grpc
import pytest

from tests.conftest import REFUSED

REST = "import socket; socket.create_connection(('127.0.0.1', 6333), timeout=1)"
GRPC = "import grpc; grpc.insecure_channel('127.0.0.1:6334')"


def rest() -> None:
    socket.create_connection(("127.0.0.1", 6333), timeout=1)


def bulk() -> None:
    grpc.insecure_channel("localhost:6334")


@pytest.mark.parametrize("call", [rest, bulk])
def test_a_test_cannot_speak_to_a_developers_server(call: Callable[[], None]) -> None:
    with pytest.raises(ConnectionRefusedError):
        call()
    assert REFUSED.exists(), "and fails for having tried"
    REFUSED.unlink()


@pytest.mark.parametrize("script", [REST, GRPC])
def test_nor_can_a_process_that_it_starts(script: str) -> None:
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "ConnectionRefusedError: no test speaks to" in ran.stderr
    assert REFUSED.exists()
    REFUSED.unlink()

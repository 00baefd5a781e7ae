"""Which listener a caller of an address reaches, and whose it is: by real sockets, and by tables."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from qdrant_admin.server import sockets
from qdrant_admin.server.sockets import Socket, leads_to, reached
from tests.support.real import free_port

HOLD = """
import socket, sys
held = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
if ":" in sys.argv[1]:
    held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(sys.argv[3]))
held.bind((sys.argv[1], int(sys.argv[2])))
held.listen()
print("listening", flush=True)
sys.stdin.read()
"""
Holds = Callable[..., int]


@pytest.fixture
def holds() -> Iterator[Holds]:
    """Let a process of its own listen on an address and a port; its process id."""
    with contextlib.ExitStack() as stack:

        def hold(address: str, port: int, *, only_ipv6: bool = True) -> int:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", HOLD, address, str(port), str(int(only_ipv6))],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            assert process.stdout is not None
            assert process.stdout.readline()
            stack.callback(process.kill)
            return process.pid

        yield hold


@pytest.mark.parametrize(("address", "called"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "::1")])  # noqa: S104
def test_a_listener_is_known_by_its_process(holds: Holds, address: str, called: str) -> None:
    port = free_port()
    pid = holds(address, port)
    assert leads_to(pid, called, port) == (True,)
    assert leads_to(os.getpid(), called, port) == (False,)
    assert leads_to(pid, called, free_port()) == (False,)


@pytest.mark.parametrize(("own", "other"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1"), ("127.0.0.1", "127.0.0.2")])
def test_a_stranger_on_another_address_of_the_same_port_is_not_reached(holds: Holds, own: str, other: str) -> None:
    port = free_port()
    pid, stranger = holds(own, port), holds(other, port)
    assert leads_to(pid, own, port) == (True,)
    assert leads_to(pid, other, port) == (False,)
    assert leads_to(stranger, other, port) == (True,)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets nobody share a port")
def test_one_who_shares_the_very_address_makes_it_nobodys(holds: Holds) -> None:
    """SO_REUSEPORT: the kernel gives each of them a part of the calls."""
    port = free_port()
    pids = holds("127.0.0.1", port), holds("127.0.0.1", port)
    assert all(leads_to(pid, "127.0.0.1", port) == (False,) for pid in pids)


def test_one_on_every_address_of_ipv6_takes_calls_of_ipv4(holds: Holds) -> None:
    port = free_port()
    pid = holds("::", port, only_ipv6=False)
    assert leads_to(pid, "127.0.0.1", port) == (True,)


@pytest.mark.parametrize(
    ("listening", "called", "best"),
    [
        (["0.0.0.0", "127.0.0.1"], "127.0.0.1", ["127.0.0.1"]),  # noqa: S104 # as BSD and Windows allow it
        (["::", "0.0.0.0"], "127.0.0.1", ["0.0.0.0"]),  # noqa: S104
        (["::", "::1"], "::1", ["::1"]),
        (["::ffff:127.0.0.1", "0.0.0.0"], "127.0.0.1", ["::ffff:127.0.0.1"]),  # noqa: S104
        (["0.0.0.0"], "::1", []),  # noqa: S104
        (["192.168.1.5"], "127.0.0.1", []),
        ([], "127.0.0.1", []),
    ],
)
def test_the_address_that_fits_best_is_reached(
    listening: list[str], called: str, best: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Socket(address, number) for number, address in enumerate(listening)]
    monkeypatch.setattr(sockets, "_listening", lambda _ports, _pid: [found])
    assert [one.address for one in reached(called, 1)] == best


def test_one_who_may_not_be_looked_into_is_believed_to_hold_what_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: int) -> set[str]:
        raise PermissionError

    with socket.create_server(("127.0.0.1", 0)) as held:
        monkeypatch.setattr(sockets, "_descriptors", denied)
        assert leads_to(1, "127.0.0.1", held.getsockname()[1]) == (True,)

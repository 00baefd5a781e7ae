"""Whether a TCP port on this machine is free, and who holds it when it is not."""

import contextlib
import errno
import socket

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import Unfit

HIDDEN = "another program (its name is not ours to see)"
_ANY = {"0.0.0.0", "::"}  # noqa: S104 # compared, not bound
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
_LAST_PORT = 65535


def is_free(host: str, port: int) -> bool:
    """Whether a server could bind there now.

    Asks twice: binding tells of listeners on the very address, connecting tells of those that stand on all
    addresses, which some platforms let one bind beside.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return _can_bind(family, numeric(host), port) and not _answers(_LOOPBACK.get(host, numeric(host)), port)


def listener(host: str, port: int) -> str:
    """Who listens there, in words: `nginx (pid 812)`. Empty when nobody does."""
    import psutil

    with contextlib.suppress(psutil.Error):
        if (pid := listening_pid(host, port)) is not None:
            return f"{psutil.Process(pid).name()} (pid {pid})"
    return "" if is_free(host, port) else HIDDEN


def listening_pid(host: str, port: int) -> int | None:
    """The process that listens there, None when it cannot be seen; 0.0.0.0 and :: stand for every address."""
    import psutil

    try:
        connections = psutil.net_connections("tcp")
    except (psutil.AccessDenied, PermissionError):
        return None
    host = numeric(host)
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or not connection.laddr or connection.laddr.port != port:
            continue
        if host in _ANY or connection.laddr.ip in _ANY or connection.laddr.ip == host:
            return connection.pid
    return None


def next_free(host: str, port: int) -> int:
    """The first free port after `port`."""
    for candidate in range(port + 1, _LAST_PORT + 1):
        if is_free(host, candidate):
            return candidate
    raise Unfit(f"there is no free port after {port}", fix=Command("up", port=16333, grpc_port=16334))


def numeric(host: str) -> str:
    """The address behind a name: the gRPC side of a server takes no name, nor does a container engine."""
    return "127.0.0.1" if host == "localhost" else host


def _can_bind(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                # As servers do: a connection in TIME_WAIT does not make a port taken.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((host, port))
            probe.listen(1)
    except OSError as error:
        # An address this machine does not have is no statement about the port's owner.
        return error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
    return True


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False

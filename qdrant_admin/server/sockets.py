"""The sockets that listen at a port of this machine, and which of them a caller of an address reaches.

On Linux the kernel's own tables are read: a list of the connections of all processes costs twenty times as much, and
leaves out the sockets of other users' processes.
"""

import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any, NamedTuple

from qdrant_admin.server.ports import listener

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENING = "0A"
"""The state of a listening socket in these tables (Linux, include/net/tcp_states.h)."""
_LINUX = sys.platform.startswith("linux")


class Socket(NamedTuple):
    """One that listens."""

    address: str
    """Numeric; `0.0.0.0` and `::` stand for every address of their kind."""
    owner: int | None
    """Its inode on Linux, elsewhere its process; None where that cannot be seen."""


def leads_to(pid: int, host: str, *ports: int) -> tuple[bool, ...]:
    """For each port, whether a caller of that numeric address of this machine reaches the process, and nobody else.

    A process that may not be looked into is believed to hold what cannot be seen to be another's.
    """
    found = [_nearest(host, there) for there in _listening(ports, pid)]
    if not _LINUX:
        return tuple(bool(there) and all(one.owner in {pid, None} for one in there) for there in found)
    try:
        held = _descriptors(pid)
    except PermissionError:
        return tuple(map(bool, found))
    except FileNotFoundError:  # it has ended
        return (False,) * len(ports)
    return tuple(bool(there) and all(f"socket:[{one.owner}]" in held for one in there) for there in found)


def reached(host: str, port: int) -> list[Socket]:
    """The sockets that a caller of a numeric address may get: one on the exact address goes before one on all of them.

    Several are left where processes share an address (SO_REUSEPORT). None where nobody listens, or nobody may look.
    """
    (there,) = _listening((port,), None)
    return _nearest(host, there)


def holder(host: str, port: int) -> str:
    """Who listens there, in words. The port is left alone where it can be seen that nobody does."""
    return "" if _LINUX and not reached(host, port) else listener(host, port)


def rank(host: str, address: str) -> int | None:
    """How well a listener's address fits the one that is called, 0 best; None: it is not reached by it."""
    called, heard = ip_address(host), ip_address(address)
    if isinstance(heard, IPv6Address) and heard.ipv4_mapped is not None:
        heard = heard.ipv4_mapped
    if called == heard:
        return 0
    if not heard.is_unspecified:
        return None
    if called.version == heard.version:
        return 1
    return 2 if heard.version == 6 else None  # one on :: takes calls of IPv4 as well, unless it was told not to


def _nearest(host: str, listening: Iterable[Socket]) -> list[Socket]:
    ranked = [(rank(host, one.address), one) for one in listening]
    best = min((fit for fit, _ in ranked if fit is not None), default=None)
    return [one for fit, one in ranked if fit == best] if best is not None else []


def _listening(ports: Sequence[int], pid: int | None) -> list[list[Socket]]:
    """The sockets at each port, in one look. A process' own can be seen everywhere."""
    found: dict[int, list[Socket]] = {port: [] for port in ports}
    for port, one in _linux_sockets(found) if _LINUX else _sockets(pid):
        if port in found:
            found[port].append(one)
    return [found[port] for port in ports]


def _sockets(pid: int | None) -> Iterable[tuple[int, Socket]]:
    import psutil

    found: list[tuple[Any, int | None]] = []
    try:
        found = [(one, one.pid) for one in psutil.net_connections("tcp")]
    except (psutil.AccessDenied, PermissionError):  # macOS shows a user nothing but their own processes, one by one
        with contextlib.suppress(psutil.Error):
            found = [] if pid is None else [(one, pid) for one in psutil.Process(pid).net_connections("tcp")]
    for one, owner in found:
        if one.status == psutil.CONN_LISTEN and one.laddr:
            yield one.laddr.port, Socket(one.laddr.ip, owner)


def _linux_sockets(ports: Iterable[int]) -> Iterable[tuple[int, Socket]]:
    """Lines of `sl local_address rem_address st … uid timeout inode` (Linux, Documentation/networking/proc_net_tcp).

    The listening ones come first (`tcp_get_idx`, net/ipv4/tcp_ipv4.c); the others, thousands on a busy machine,
    are not waited for.
    """
    wanted = {f"{port:04X}": port for port in ports}
    for table in _TABLES:
        with contextlib.suppress(OSError), table.open(encoding="ascii") as lines:
            next(lines, None)
            for line in lines:
                fields = line.split()
                if fields[3] != _LISTENING:
                    break
                address, _, port = fields[1].partition(":")
                if port in wanted:
                    yield wanted[port], Socket(_numeric(address), int(fields[9]))


def _numeric(words: str) -> str:
    """An address from groups of eight hexadecimal digits, each a 32-bit word in the machine's own order."""
    groups = (words[at : at + 8] for at in range(0, len(words), 8))
    return str(ip_address(b"".join(int(one, 16).to_bytes(4, sys.byteorder) for one in groups)))


def _descriptors(pid: int) -> set[str]:
    folder, found = f"/proc/{pid}/fd", set()
    for name in os.listdir(folder):  # noqa: PTH208 # a server of many collections has thousands
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f"{folder}/{name}"))  # noqa: PTH115
    return found

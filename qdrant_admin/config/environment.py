"""What the variables of the environment say about the profile at hand.

`QDRANT_URL`, or a `QDRANT_HOST` that is not this machine, means a remote server. A `QDRANT_URL` that is just the
address of the profile's own local server does not: `qdrant-admin env` prints such lines for applications, and whoever
loads them must still be able to restart their server.
"""

import os
from collections.abc import Callable
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.formatting import plain

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


class FromEnvironment(NamedTuple):
    """Profile keys that variables set, the variable of each, and what a person should know of it."""

    values: dict[str, object]
    variables: dict[str, str]
    notices: tuple[str, ...]
    named: bool = False
    """Whether `QDRANT_URL` is the very address of the profile's own local server."""


class Address(NamedTuple):
    """A server's URL, taken apart."""

    url: str
    host: str
    port: int
    tls: bool


def is_loopback(host: str) -> bool:
    """Whether a host can only be this machine; `0.0.0.0` and `::` as an address to call are this machine too."""
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def called(host: str) -> str:
    """The address that is called for a host of this machine: names, and every address, stand for loopback."""
    bare = host.strip("[]").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return "127.0.0.1"
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bare, bare)  # noqa: S104 # not bound: called


def parse_url(url: str, where: str, default_port: int = 6333) -> Address:
    """Take the URL of a server apart. A missing port means `default_port`, as for Qdrant's own clients.

    Raises:
        BadInput: it is not an http(s) URL, or carries a user name or password.
    """
    fix = "write it as http://127.0.0.1:6333"
    try:
        parts = urlsplit(url)
        port = parts.port or default_port
    except ValueError as error:
        raise BadInput(f"{where} is not a URL", why=f"{plain(error)}", fix=fix) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadInput(f"{where} is not an http or https URL", why=f"it says “{plain(url)}”", fix=fix)
    if parts.username or parts.password:
        raise BadInput(
            f"{where} carries a user name or a password", why="Qdrant knows only API keys", fix="set QDRANT_API_KEY"
        )
    if parts.query or parts.fragment:
        raise BadInput(f"{where} carries more than an address", why=f"it says “{plain(url)}”", fix=fix)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    clean = f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"
    return Address(clean, parts.hostname, port, parts.scheme == "https")


def read_environment(*, local_port: int, local_host: str = "127.0.0.1", remote: bool = False) -> FromEnvironment:
    """Read the variables of the contract.

    Args:
        local_port: the REST port the profile has without them.
        local_host: the address its server is published on.
        remote: whether the profile is of a remote server without them: then any address replaces its own.

    Raises:
        BadInput: a value is malformed; the variable is named.
    """
    values: dict[str, object] = {}
    variables: dict[str, str] = {}
    notices: list[str] = []

    def take(variable: str, key: str, read: Callable[[str, str], object]) -> None:
        text = os.environ.get(variable, "").strip()
        if text:
            values[key], variables[key] = read(variable, text), variable

    port = os.environ.get("QDRANT_PORT", "").strip()
    if port:
        local_port = _port("QDRANT_PORT", port)
        values["port"], variables["port"] = local_port, "QDRANT_PORT"
    take("QDRANT_GRPC_PORT", "grpc_port", _port)
    take("QDRANT_TIMEOUT", "timeout", _seconds)
    take("QDRANT_COLLECTION_PREFIX", "collection_prefix", _text)
    take("QDRANT_DEFAULT_VECTOR_SIZE", "default_vector_size", _vector_size)
    take("QDRANT_ADMIN_IMAGE", "image", _text)
    take("QDRANT_ADMIN_BINARY", "binary", _text)
    named = _where(values, variables, (local_host, local_port), remote)
    take("QDRANT_SERVER_MODE", "server_mode", _boolean)
    if "server_mode" in values:
        variable = variables.pop("server_mode")
        if not values.pop("server_mode"):
            named = False
            values.pop("url", None)
            values["runtime"], variables["runtime"] = "native", variable
        elif "runtime" not in values:
            values["runtime_not_native"], variables["runtime_not_native"] = True, variable
    if "QDRANT_API_KEY" in os.environ and not os.environ["QDRANT_API_KEY"].strip():
        notices.append("QDRANT_API_KEY is set and empty; it counts as no key")
    return FromEnvironment(values, variables, tuple(notices), named)


def _where(values: dict[str, object], variables: dict[str, str], local: tuple[str, int], remote: bool) -> bool:
    """Decide whether `QDRANT_URL` and `QDRANT_HOST` mean a server elsewhere; True where the URL is the local one's."""
    local_host, local_port = local
    url, host = os.environ.get("QDRANT_URL", "").strip(), os.environ.get("QDRANT_HOST", "").strip()
    if url:
        variable = "QDRANT_URL"
        address = parse_url(url, variable, local_port)
        if _reaches(address.host, local_host) and address.port == local_port and not address.tls and not remote:
            return True
    elif host and (remote or not _reaches(host, local_host)):
        variable = "QDRANT_HOST"
        if "/" in host or " " in host:
            raise BadInput(f"QDRANT_HOST is not a host name: “{plain(host)}”", fix="set QDRANT_URL to the whole URL")
        bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
        address = parse_url(f"http://{bracketed}:{local_port}", variable)
    else:
        return False
    values["url"], values["runtime"] = address.url, "remote"
    variables["url"] = variables["runtime"] = variable
    return False


def _reaches(host: str, local_host: str) -> bool:
    """Whether that host is the one the local server is published on: another address of loopback may be another's."""
    everywhere = local_host in {"0.0.0.0", "::"}  # noqa: S104 # compared
    return called(host) == called(local_host) or (everywhere and is_loopback(host))


def _text(_variable: str, text: str) -> str:
    return text


def _malformed(variable: str, text: str, wanted: str, example: str) -> BadInput:
    return BadInput(f"{variable} is not {wanted}", why=f"it says “{plain(text)}”", fix=f"export {variable}={example}")


def _port(variable: str, text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    raise _malformed(variable, text, "a port from 1 to 65535", "6334" if "GRPC" in variable else "6333")


def _vector_size(variable: str, text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65536:
        return int(text)
    raise _malformed(variable, text, "a vector size from 1 to 65536", "384")


def _seconds(variable: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if 0 < value < 86400:
        return value
    raise _malformed(variable, text, "a number of seconds above 0", "10")


def _boolean(variable: str, text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise _malformed(variable, text, "true or false", "true")

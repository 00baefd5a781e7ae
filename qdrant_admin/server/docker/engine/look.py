"""What a look at a container asks of an engine on this machine, without docker-py: loading that is half of a `status`.

Only questions, only over the engine's socket, and only where it answers as hoped: everything else is docker-py's, which
is then asked the same again, so that a fault has one set of words.
"""

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlencode

from qdrant_admin.server.docker.answers import Inspected

if TYPE_CHECKING:
    from docker import APIClient

SCHEME = "unix://"
_HEADER = 8
"""Bytes before each piece of a log: which stream it is of, three zeros, and its length in four (Docker's API)."""


class NoAnswer(Exception):
    """The engine did not answer as hoped; whoever hears of it asks again through docker-py."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(address: str, target: str, seconds: float) -> bytes:
    """The body of a GET; `NoAnswer` where there is no engine's socket, or one that answers with anything but 200.

    A `TimeoutError` is passed on: nobody wants to wait for that twice.
    """
    if not address.startswith(SCHEME) or not hasattr(socket, "AF_UNIX"):
        raise NoAnswer(address)
    connection = _Connection(address.removeprefix(SCHEME), seconds)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        body = answer.read()
    except TimeoutError:
        raise
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(str(error)) from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise NoAnswer(f"status {answer.status}")
    return body


class Look:
    """Answers as docker-py's `APIClient` does, for as long as that is not needed; `client` opens docker-py's."""

    def __init__(
        self, address: str, version: str, seconds: float, client: "Callable[[], AbstractContextManager[APIClient]]"
    ) -> None:
        self._address, self._version, self._seconds, self._client = address, version, seconds, client
        self._open = ExitStack()
        self._api: APIClient | None = None
        self._terminal: dict[str, bool] = {}

    def __getattr__(self, name: str) -> Any:
        if self._api is None:
            self._api = self._open.enter_context(self._client())
        return getattr(self._api, name)

    @contextmanager
    def opened(self) -> "Iterator[APIClient]":
        with self._open:
            yield cast("APIClient", self)

    def inspect_container(self, container: str) -> Inspected:
        found: Inspected = self._json(f"/containers/{quote(container, safe='')}/json", "inspect_container", container)
        self._terminal[found["Id"]] = bool(found["Config"].get("Tty"))
        return found

    def inspect_image(self, image: str) -> Any:
        return self._json(f"/images/{quote(image, safe='/:@')}/json", "inspect_image", image)

    def inspect_volume(self, volume: str) -> Any:
        return self._json(f"/volumes/{quote(volume, safe='')}", "inspect_volume", volume)

    def get_archive(self, container: str, path: str) -> Any:
        """A tar of a small file in a container, running or not, in one piece; and nothing about it beside that."""
        try:
            return (self._ask(f"/containers/{quote(container, safe='')}/archive?{urlencode({'path': path})}"),), {}
        except NoAnswer:
            return self.__getattr__("get_archive")(container, path)

    def logs(self, container: str, **chosen: Any) -> Any:
        if container in self._terminal and not chosen.get("stream"):
            query = urlencode({"stdout": 1, "stderr": 1, **chosen})
            try:
                body = self._ask(f"/containers/{container}/logs?{query}")
            except NoAnswer:
                pass
            else:
                return body if self._terminal[container] else b"".join(_pieces(body))
        return self.__getattr__("logs")(container, **chosen)

    def _json(self, target: str, method: str, name: str) -> Any:
        try:
            return json.loads(self._ask(target))
        except (NoAnswer, ValueError):
            return self.__getattr__(method)(name)

    def _ask(self, target: str) -> bytes:
        return ask(self._address, f"/v{self._version}{target}", self._seconds)


def _pieces(body: bytes) -> Iterator[bytes]:
    at = 0
    while at + _HEADER <= len(body):
        end = at + _HEADER + int.from_bytes(body[at + 4 : at + _HEADER], "big")
        yield body[at + _HEADER : end]
        at = end

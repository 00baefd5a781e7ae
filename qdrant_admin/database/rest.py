"""Plain REST: JSON out, JSON in, nothing renamed and nothing lost on the way."""

import functools
import itertools
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar, cast

import msgspec

from qdrant_admin.config.http import Answer, Http, HttpFault
from qdrant_admin.config.profile import Endpoint
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput, NotQdrant, OutcomeUnknown, ServerTrouble
from qdrant_admin.core.formatting import plain
from qdrant_admin.database import faults

MAX_BATCH_BYTES = 16 * 1024 * 1024
"""Half of what a server takes in one REST request by default (32 MB)."""


READS = ("scroll", "search", "query", "count", "recommend", "discover", "facet", "matrix", "exists", "groups")
"""Words in the paths of requests that only read, though they are sent with POST."""
_COLLECTION = re.compile(r"^/collections/(?!aliases$)[^/]+")
_Read = TypeVar("_Read", bound=Callable[..., Any])


def as_expected(read: _Read) -> _Read:
    """A method of what has a `_rest`: raises `ServerTrouble` where an answer, though a success, has another form than
    the method looks for.
    """

    @functools.wraps(read)
    def reading(asking: Any, /, *args: Any, **options: Any) -> Any:
        try:
            return read(asking, *args, **options)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            why = f"its answer has another form than expected ({type(error).__name__}: {error})"
            raise faults.make(ServerTrouble, why, asking._rest.where) from error  # noqa: SLF001 # of the same floor

    return cast("_Read", reading)


def is_write(endpoint: str) -> bool:
    """Whether a request of that name (`PUT /collections/{name}/points`) may change something."""
    method, _, path = endpoint.partition(" ")
    if method == "POST":
        return not path.endswith("/points") and not any(f"/{word}" in path for word in READS)
    return method in {"PUT", "PATCH", "DELETE"}


class Rest:
    """Connections to one server. Safe to use from several threads. `look`: see `Database`."""

    def __init__(self, endpoint: Endpoint, look: Callable[[], object] | None = None) -> None:
        self.where = endpoint.url
        key = endpoint.api_key.get_secret_value() if endpoint.api_key is not None else ""
        if not (key.isascii() and (key.isprintable() or not key)):
            why = "the API key has characters that no header can carry"
            raise BadInput(f"cannot talk to {endpoint.url}", why=why, fix=Command("config", "show"))
        try:
            headers = {"api-key": key} if key else {}
            self._http = Http(endpoint.url, headers=headers, timeout=endpoint.timeout, look=look)
        except HttpFault as error:
            raise faults.from_http(error, endpoint.url) from error
        self.writes: Counter[str] = Counter()
        """Answered requests that may have changed something, by endpoint as the server's telemetry names it."""
        self._counting = threading.Lock()

    def close(self) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        timeout: float | None = None,
        params: Mapping[str, str | int] | None = None,
    ) -> Any:
        """The `result` of one request; raises what `faults` makes of an error.

        The path is quoted already. Bytes are sent as they are, any other body as JSON. Without `timeout`, in seconds,
        the endpoint's own holds.
        """
        content = body if isinstance(body, bytes) else None if body is None else encode(body)
        headers = {} if content is None else {"Content-Type": "application/json"}
        said = self._ask(method, path, content, headers=headers, params=params, timeout=timeout)
        if is_write(endpoint := f"{method} {_COLLECTION.sub('/collections/{name}', path)}"):
            with self._counting:
                self.writes[endpoint] += 1
        changes = method in {"PUT", "PATCH", "DELETE"} or "wait" in (params or {})
        answer = self._understood(said, changes=changes)
        if isinstance(answer, dict) and "result" in answer:
            result = answer["result"]
            if changes and isinstance(result, dict) and result.get("status") == "wait_timeout":
                raise faults.make(OutcomeUnknown, "wait_timeout", self.where)
            return result
        raise faults.make(NotQdrant, "its answer has no result", self.where)

    def root(self) -> Any:
        """What the server says of itself at `/`, the one answer without a `result`."""
        return self._understood(self._ask("GET", "/"))

    def _ask(self, method: str, path: str, body: bytes | Iterable[bytes] | None = None, **options: Any) -> Answer:
        try:
            return self._http.request(method, path, body, **options)
        except HttpFault as error:
            raise faults.from_http(error, self.where) from error

    def clock(self) -> datetime:
        """The server's own time to the second, which is in the names of its snapshots.

        It may be half a second behind: the server's HTTP library renews the header twice a second (actix-http,
        `date.rs`).
        """
        said = self._ask("GET", "/").headers.get("date", "")
        try:
            return parsedate_to_datetime(said).astimezone(UTC)
        except ValueError:
            return datetime.now(UTC)

    def download(self, path: str, *, timeout: float) -> Iterator[bytes]:
        """A body piece by piece, never whole in memory. Closing the iterator closes the connection."""
        try:
            with self._http.stream(path, timeout=timeout) as (answer, pieces):
                if not answer.ok:
                    self._understood(answer)
                yield from pieces
        except HttpFault as error:
            raise faults.from_http(error, self.where) from error

    def upload(
        self, path: str, file: str, pieces: Iterable[bytes], size: int, *, params: dict[str, str], timeout: float
    ) -> Any:
        """Send a file piece by piece, as the field `snapshot` of a form; the `result` of the answer.

        The name of the file has only letters, digits, `-` and `.`; `size` is that of all pieces together. An error that
        the pieces raise ends the request and is passed on. The server may be silent for `timeout` seconds.
        """
        import secrets

        boundary = secrets.token_hex(16)
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="snapshot"; filename="{file}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(head) + size + len(tail)),
        }
        body = itertools.chain([head], pieces, [tail])
        answer = self._understood(self._ask("POST", path, body, headers=headers, params=params, timeout=timeout))
        return answer["result"]

    def _understood(self, answer: Answer, *, changes: bool = False) -> Any:
        """The JSON of an answer to a request that `changes` something or not; raises the fault that it reports."""
        parsed = _parsed(answer)
        if not answer.ok:
            retry_after = answer.headers.get("retry-after")
            said = _said(parsed)
            raise faults.from_answer(
                answer.status, answer.text, said, where=self.where, retry_after=retry_after, changes=changes
            )
        if parsed is None:
            raise faults.make(NotQdrant, answer.text[:200], self.where)
        return parsed


def encode(body: object) -> bytes:
    """JSON as the server takes it; `BadInput` for what JSON cannot carry: NaN, infinity, a lone surrogate, bytes."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise BadInput("a value cannot be sent to the server", why=plain(error), fix="") from error


def _parsed(answer: Answer) -> Any:
    try:
        return msgspec.json.decode(answer.body)  # six times as fast as json on vectors
    except (msgspec.DecodeError, RecursionError):
        return None


def _said(parsed: object) -> str | None:
    """`status.error` of Qdrant's own error body."""
    status = parsed.get("status") if isinstance(parsed, dict) else None
    said = status.get("error") if isinstance(status, dict) else None
    return said if isinstance(said, str) else None

"""What the readers of servers have in common: faults of foreign clients in our words, and records fetched by id."""

import bisect
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from qdrant_admin.core import errors
from qdrant_admin.core.errors import AdminError, BadInput, SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.sources import HELP
from qdrant_admin.sources.base import Batch, Cursor, Record, ServerUri, Span, cut
from qdrant_admin.sources.reader import Reader
from qdrant_admin.sources.uri import KEY_VARIABLE, source_key

_T = TypeVar("_T")


class ServerReader(Reader):
    uri: ServerUri
    title: str

    def __init__(self, uri: ServerUri) -> None:
        self.url = uri.url
        super().__init__(uri)

    def ask(self, call: Callable[..., _T], **arguments: object) -> _T:
        """What a foreign client answers; whatever it raises becomes an error of ours."""
        try:
            return call(**arguments)
        except Exception as error:  # their classes have moved between major versions, and some pass on others' errors
            raise self.translated(error) from error

    def translated(self, error: Exception) -> AdminError:
        """An exception of the client in the user's terms, by the status and the headers that such have somewhere."""
        status = getattr(error, "status_code", None) or getattr(error, "status", None)
        headers = getattr(error, "headers", None) or getattr(getattr(error, "meta", None), "headers", None) or {}
        wait = headers.get("Retry-After", headers.get("retry-after"))
        return self.fault(error, status=status if isinstance(status, int) else None, wait=wait)

    def fault(self, error: Exception | str, *, status: int | None, wait: str | None = None) -> AdminError:
        """A fault, by the status of the HTTP answer (None: there was none) and its `Retry-After`."""
        why, at = plain(str(error))[:300] or type(error).__name__, f"{self.title} at {self.url}"
        curl = f"curl -sS {self.url}"
        if status is None:
            return errors.ServerUnreachable(f"no {self.title} answers at {self.url}", why=why, fix=curl)
        if status in {401, 403}:
            wants = "does not take the key" if source_key() else "asks for a key"
            return errors.AccessDenied(f"the {at} {wants}", why=why, fix=f"export {KEY_VARIABLE}=...")
        if status == 429:
            seconds = float(wait) if wait is not None and wait.isdecimal() else None
            return errors.RateLimited(f"the {at} asks for fewer requests", why=why, seconds=seconds)
        if status >= 500:
            return errors.ServerTrouble(f"the {at} is in trouble", why=why, fix=curl)
        return SourceUnreadable(f"the {at} cannot be read", why=f"HTTP {status}: {why}", fix=HELP)


class ListedReader(ServerReader):
    """A reader of a server that gives records by id. Paging by offset would miss some when others are deleted."""

    @abstractmethod
    def ids(self, name: str) -> list[str]:
        """Every id, ascending."""

    @abstractmethod
    def fetched(self, name: str, ids: list[str]) -> Mapping[str, Record]:
        """The records of these ids that are still there."""

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        return cut(self.ids(name), parts)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        ids = self.ids(name)
        start = 0 if after is None else bisect.bisect_right(ids, str(after))
        end = len(ids) if until is None else bisect.bisect_right(ids, str(until))
        for at in range(start, end, size):
            wanted = ids[at : min(at + size, end)]
            found = self.fetched(name, wanted)
            missing = [record for record in wanted if record not in found]
            if missing:
                raise SourceUnreadable(
                    f"{plain(name)} changed while it was read",
                    why=f"{len(missing)} records are gone, {plain(missing[0])} among them",
                    fix="stop the program that writes to it, then start again",
                )
            yield Batch([found[record] for record in wanted], wanted[-1])


def port_option(options: Mapping[str, str], name: str) -> int | None:
    """A port that a URI names in an option; None when it does not."""
    given = options.get(name)
    if given is not None and not given.isdecimal():
        raise BadInput(f"{name}={plain(given)} is no port", fix=HELP)
    return None if given is None else int(given)

"""Which collections a server has loaded since it was started, and how long each took: told by its own log.

While it loads, its ports are closed, so nobody can ask. The lines are those of Qdrant 1.16.3:

    2026-11-21T13:40:17.863332Z  INFO storage::content_manager::toc: Loading collection: beta
    2026-11-21T13:40:17.974150Z  INFO collection::shards::local_shard: Recovering shard /…/collections/beta/0: 0/11 (0%)
    2026-11-21T13:40:18.171403Z  INFO collection::shards::local_shard: Recovered collection beta: 11/11 (100%)

One collection is loaded after the other, in another order at each start; what is logged behind the last is
told by another part of the server. A collection that cannot be loaded ends the server:

    2026-11-21T14:23:34.744710Z ERROR qdrant::startup: Panic occurred in file …: Failed to load local shard
    "/…/collections/beta/0": Service internal error: …
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from qdrant_admin.core.values import Frozen
from qdrant_admin.server.decode import latest_start, strip_colours

_LINE = re.compile(r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z) +[A-Z]+ (?P<part>[\w:]+): (?P<text>.*)")
_LOADING = re.compile(r"Loading collection: (?P<name>.+)")
_RECOVERS = re.compile(r"Recover(?:ing shard|ed collection) .+: (?P<done>\d+)/(?P<total>\d+) \(")
_FAILED = re.compile(r"Failed to load local shard \"[^\"]*[/\\]collections[/\\](?P<name>[^\"]+)[/\\]\d+\"")
_SERVING = ("qdrant", "qdrant::actix", "qdrant::tonic")
"""What speaks once everything is loaded."""


class Load(Frozen):
    """One collection, in one start of the server."""

    collection: str
    began: datetime
    ended: datetime | None = None
    """None while it is being loaded."""
    done: int = 0
    """Entries of its write-ahead log that were applied again, in the shard that was told of last."""
    total: int | None = None

    @property
    def seconds(self) -> float | None:
        return None if self.ended is None else (self.ended - self.began).total_seconds()


def loads(lines: Sequence[str], since: datetime | None) -> tuple[Load, ...]:
    """What the log tells of the collections that the latest start has loaded, at `since` or later, in their order."""
    found: list[Load] = []
    for at, part, text in _said(latest_start(lines) or lines, since):
        begins, recovers = _LOADING.fullmatch(text.rstrip()), _RECOVERS.match(text)
        if found and found[-1].ended is None and (begins or part in _SERVING):
            found[-1] = found[-1].model_copy(update={"ended": at})
        if begins:
            found.append(Load(collection=begins["name"], began=at))
        elif found and recovers:
            found[-1] = found[-1].model_copy(update={"done": int(recovers["done"]), "total": int(recovers["total"])})
    return tuple(found)


def failed(lines: Iterable[str], since: datetime | None) -> str:
    """The collection at which the server ended, at `since` or later, because it could not load it; empty for none."""
    names = [match["name"] for _, _, text in _said(lines, since) if (match := _FAILED.search(text))]
    return names[-1] if names else ""


def _said(lines: Iterable[str], since: datetime | None) -> Iterator[tuple[datetime, str, str]]:
    """When each line was logged, by which part of the server, and its text."""
    for match in filter(None, (_LINE.match(strip_colours(line)) for line in lines)):
        at = datetime.fromisoformat(match["at"])
        if since is None or at >= since:
            yield at, match["part"], match["text"]

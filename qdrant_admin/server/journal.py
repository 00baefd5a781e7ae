"""What a server's log tells of collections that came, went and were emptied. Pure.

Qdrant names each collection that it makes or deletes, over REST as over gRPC; requests that delete points stand in the
log of its REST interface alone (seen with 1.16.3, at the level INFO, which is its default).
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from urllib.parse import unquote

from qdrant_admin.server.decode import BANNER, strip_colours

Deed = Literal["made", "deleted", "emptied"]
"""`emptied`: a request that may have taken every point away."""
_TIME = r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?)\d*Z\s+"
_STAMP = re.compile(_TIME)
_INFO = re.compile(_TIME + r"INFO ")
_META = re.compile(_TIME + r"INFO [\w:]*collection_meta_ops: (?P<what>Creating|Deleting) collection (?P<name>.*)")
_ACCESS = re.compile(
    _TIME + r'INFO [\w:]*middleware::logger: \S+ "(?:POST|PUT) /collections/(?P<name>[^/ ?]+)/(?:points/delete'
    r'|points/batch|snapshots/upload|snapshots/recover|shards/delete)[ ?][^"]*" (?!400|401|403|404)\d+ '
)


class Event(NamedTuple):
    """Something that a request did to a collection."""

    name: str
    """As the request had it: it may be an alias."""
    deed: Deed
    at: datetime


class Journal(NamedTuple):
    """A log, read."""

    begins: datetime | None
    """When its first line was written; None when it says nothing, or not at the level at which requests are told."""
    events: tuple[Event, ...]

    def last(self, name: str) -> Event | None:
        """The latest of its coming and going."""
        return next((one for one in reversed(self.events) if one.name == name and one.deed != "emptied"), None)


def read_journal(lines: Iterable[str]) -> Journal:
    """Read a log, oldest line first. Lines of another form are passed over."""
    begins, talks, starts_silent = None, False, False
    events = []
    for raw in lines:
        line = strip_colours(raw) if "\x1b" in raw else raw
        if line.startswith(BANNER):
            starts_silent |= not talks and begins is not None
            talks = False
        if begins is None and (stamp := _STAMP.match(line)):
            begins = _moment(stamp)
        talks = talks or _INFO.match(line) is not None
        if (event := _event(line)) is not None:
            events.append(event)
    return Journal(begins if talks and not starts_silent else None, tuple(events))


def starts_since(lines: Iterable[str], moment: datetime) -> int:
    """How often a server has been started since, as far as its log reaches. The banner itself has no time."""
    starting, found = False, 0
    for raw in lines:
        line = strip_colours(raw) if "\x1b" in raw else raw
        if line.startswith(BANNER):
            starting = True
        elif starting and (stamp := _STAMP.match(line)):
            starting = False
            found += _moment(stamp) > moment
    return found


def _event(line: str) -> Event | None:
    if found := _META.match(line):
        return Event(found["name"].rstrip(), "made" if found["what"] == "Creating" else "deleted", _moment(found))
    if "/collections/" in line and (found := _ACCESS.match(line)):
        return Event(unquote(found["name"]), "emptied", _moment(found))
    return None


def _moment(match: re.Match[str]) -> datetime:
    return datetime.fromisoformat(match["at"]).replace(tzinfo=UTC)

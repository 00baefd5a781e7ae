"""What a server's log tells of collections that came, went and were emptied. Pure.

Qdrant names each collection that it loads, makes or deletes, over REST as over gRPC, and does so before it knows
whether that can be done; requests that delete points stand in the log of its REST interface alone (seen with 1.16.3,
at the level INFO, which is its default).
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple
from urllib.parse import unquote

from qdrant_admin.server.decode import BANNER, strip_colours

Deed = Literal["loaded", "made", "deleted", "emptied"]
"""`loaded`: it was there when the server started, such as put back; `emptied`: a request that may have taken every
point away."""
_TIME = r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?)\d*Z\s+"
_STAMP = re.compile(_TIME)
_INFO = re.compile(_TIME + r"INFO ")
_META = re.compile(
    _TIME + r"INFO [\w:]*(?:collection_meta_ops: (?P<what>Creating|Deleting) collection|toc: Loading collection:)"
    r" (?P<name>.*)"
)
_REQUEST = re.compile(_TIME + r"INFO [\w:]*middleware::logger: ")
_TAKES_POINTS = re.compile(
    _REQUEST.pattern + r'\S+ "(?:POST|PUT) /collections/(?P<name>[^/ ?]+)/(?:points/delete|points/batch'
    r'|(?:shards/\d+/)?snapshots/(?:upload|recover)|shards/delete)[ ?][^"]*" (?:[235]\d\d|408) '
)


class Event(NamedTuple):
    """Something that a request did to a collection."""

    name: str
    """As the request had it: it may be an alias. Of a name that holds a line break, the first line."""
    deed: Deed
    at: datetime
    """Never earlier than that of the event before: a clock that is set back changes no order."""


class Journal(NamedTuple):
    """A log, read."""

    begins: datetime | None
    """When its first line was written; None when it says nothing, or not at the level at which requests are told."""
    events: tuple[Event, ...]
    ends: datetime = datetime.max.replace(tzinfo=UTC)
    """The latest time in it."""
    requests: bool = True
    """Whether it tells requests over REST."""
    unseen_delete: datetime | None = None
    """When a server deleted a collection here of which this log says nothing: that server had another one."""

    def last(self, name: str) -> Event | None:
        """The latest of its coming and going."""
        said = first_line(name)
        return next((one for one in reversed(self.events) if one.name == said and one.deed != "emptied"), None)

    def whole_since(self, moment: datetime) -> bool:
        """Whether it tells everything from that moment on."""
        return self.begins is not None and self.begins <= moment <= self.ends


def first_line(name: str) -> str:
    """What a log has of a name in the line that names it."""
    return name.partition("\n")[0]


def read_journal(lines: Iterable[str], *, cut: timedelta = timedelta()) -> Journal:
    """Read a log, oldest line first. Lines of another form are passed over.

    Args:
        lines: of the log.
        cut: how long before its first line it may have been asked for: a log that is cut tells everything since then.
    """
    reader = _Reader()
    for raw in lines:
        reader.read(strip_colours(raw) if "\x1b" in raw else raw)
    return reader.journal(cut)


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


class _Reader:
    """Follows which collections there are: what is asked for and cannot be done is no event."""

    def __init__(self) -> None:
        self._begins: datetime | None = None
        self._ends = datetime.min.replace(tzinfo=UTC)
        self._talks = self._starts_silent = self._requests = False
        self._there: dict[str, bool] = {}
        self._loads, self._from_start = False, False
        self._events: list[Event] = []

    def read(self, line: str) -> None:
        if line.startswith(BANNER):
            self._starts_silent |= not self._talks and self._begins is not None
            self._talks, self._from_start = False, True
            self._there.clear()
        if (stamp := _STAMP.match(line)) is None:
            return
        moment = _moment(stamp)
        self._begins = self._begins or moment
        self._ends = max(self._ends, moment)
        self._talks = self._talks or _INFO.match(line) is not None
        if found := _META.match(line):
            self._comes_or_goes(found["name"], found["what"])
        elif found := _REQUEST.match(line):
            self._requests = True
            if "/collections/" in line and (found := _TAKES_POINTS.match(line)):
                self._events.append(Event(first_line(unquote(found["name"])), "emptied", self._ends))

    def _comes_or_goes(self, name: str, what: str | None) -> None:
        """`what` is None for a collection that is loaded at a start. See `_known_absent`."""
        if what is None:
            self._loads = True
            self._events.append(Event(name, "loaded", self._ends))
        elif what == "Creating" and self._known_absent(name):
            self._events.append(Event(name, "made", self._ends))
        elif what == "Deleting" and not (self._loads and self._known_absent(name)):
            self._events.append(Event(name, "deleted", self._ends))
        self._there[name] = what != "Deleting"

    def _known_absent(self, name: str) -> bool:
        """As it was not loaded at the start, or was deleted since; of a log that begins later nobody can tell."""
        return not self._there.get(name, not self._from_start)

    def journal(self, cut: timedelta) -> Journal:
        begins = self._begins if self._talks and not self._starts_silent else None
        return Journal(begins and begins - cut, tuple(self._events), self._ends, self._requests)


def _moment(match: re.Match[str]) -> datetime:
    return datetime.fromisoformat(match["at"]).replace(tzinfo=UTC)

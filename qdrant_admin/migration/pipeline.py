"""Reading and writing at the same time: readers fetch batches of spans, writers send them, acknowledgements come back.

Batches are sent in the order in which they were read, and every batch that was sent is waited for: when a span is
stopped, what was written is always a prefix of it, without gaps.
"""

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from qdrant_admin.sources.base import Cursor

_LOOK_SECONDS = 0.1
"""How long `news` waits before it yields None, and threads before they check whether to stop."""
_AHEAD = 2
"""Batches per writer that may be read and not yet acknowledged."""


class HasCursor(Protocol):
    """A batch: some records, and the cursor after them."""

    @property
    def cursor(self) -> Cursor: ...


Batch_ = TypeVar("Batch_", bound=HasCursor)
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Settled(Generic[Outcome]):
    """A batch that was acknowledged, as were all before it in its span."""

    span: int
    number: int
    """Index in the span."""
    cursor: Cursor
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Ended:
    """A span that was read to its end; told once its batches were all acknowledged."""

    span: int
    batches: int


class Pipeline(Generic[Batch_, Outcome]):
    """One pass over some spans. A context manager: leaving it stops and joins every thread.

    Args:
        spans: numbers of the spans to read.
        read: the batches of a span; called in a reader's thread.
        write: sends one batch and waits until it is acknowledged; called in a writer's thread.
        writers: threads that write, and at most as many that read.
        allowed: how many writers may write now, at least one; asked before each batch.
    """

    def __init__(
        self,
        spans: Sequence[int],
        *,
        read: Callable[[int], Iterator[Batch_]],
        write: Callable[[Batch_], Outcome],
        writers: int,
        allowed: Callable[[], int] | None = None,
    ) -> None:
        self._read, self._write = read, write
        self._allowed = allowed or (lambda: writers)
        self._todo: queue.SimpleQueue[int] = queue.SimpleQueue()
        for span in spans:
            self._todo.put(span)
        self._open = len(spans)
        self._room = threading.Semaphore(writers * _AHEAD)
        self._work: queue.SimpleQueue[tuple[int, int, Batch_] | None] = queue.SimpleQueue()
        self._news: queue.SimpleQueue[Settled[Outcome] | Ended | BaseException] = queue.SimpleQueue()
        self._taking = threading.Lock()
        self._stop = threading.Event()
        self._ahead: dict[tuple[int, int], Settled[Outcome]] = {}
        self._next: Counter[int] = Counter()
        self._whole: dict[int, Ended] = {}
        self._writers = writers
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)
            for work, name in (
                *((self._reader, "migration-read") for _ in range(min(writers, len(spans)))),
                *((partial(self._writer, place), "migration-write") for place in range(writers)),
            )
        ]

    def __enter__(self) -> "Pipeline[Batch_, Outcome]":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def news(self) -> Iterator[Settled[Outcome] | Ended | None]:
        """Acknowledged batches, in order within each span; None from time to time while there are none.

        Raises what reading or writing has raised.
        """
        while self._open:
            try:
                came = self._news.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                yield None
                continue
            if isinstance(came, BaseException):
                raise came
            self._note(came)
            yield from self._settled(came.span)

    def stop(self) -> None:
        """Stop reading and sending, and wait for requests in flight."""
        self._stop.set()
        for _ in range(self._writers):
            self._work.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def rest(self) -> Iterator[Settled[Outcome] | Ended]:
        """After `stop`: batches that were acknowledged and not yet fetched from `news`."""
        while True:
            try:
                came = self._news.get_nowait()
            except queue.Empty:
                break
            if not isinstance(came, BaseException):
                self._note(came)
        for span in {span for span, _ in self._ahead} | set(self._whole):
            yield from self._settled(span)

    def _note(self, came: Settled[Outcome] | Ended) -> None:
        if isinstance(came, Ended):
            self._whole[came.span] = came
        else:
            self._ahead[came.span, came.number] = came

    def _settled(self, span: int) -> Iterator[Settled[Outcome] | Ended]:
        while (found := self._ahead.pop((span, self._next[span]), None)) is not None:
            self._next[span] += 1
            self._room.release()
            yield found
        ended = self._whole.get(span)
        if ended is not None and ended.batches == self._next[span]:
            del self._whole[span]
            self._open -= 1
            yield ended

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 # it is raised where the news are read
            self._stop.set()
            self._news.put(error)

    def _reader(self) -> None:
        while True:
            try:
                span = self._todo.get_nowait()
            except queue.Empty:
                return
            number = 0
            for number, batch in enumerate(self._admitted(self._read(span)), start=1):
                self._work.put((span, number - 1, batch))
            if self._stop.is_set():
                return
            self._news.put(Ended(span, number))

    def _admitted(self, batches: Iterator[Batch_]) -> Iterator[Batch_]:
        """Read each batch only when there is room for it."""
        while True:
            while not self._room.acquire(timeout=_LOOK_SECONDS):
                if self._stop.is_set():
                    return
            batch = None if self._stop.is_set() else next(batches, None)
            if batch is None:
                self._room.release()
                return
            yield batch

    def _writer(self, place: int) -> None:
        while self._may_write(place) and (item := self._taken()) is not None:
            span, number, batch = item
            self._news.put(Settled(span, number, batch.cursor, self._write(batch)))

    def _may_write(self, place: int) -> bool:
        while place >= self._allowed():
            if self._stop.wait(_LOOK_SECONDS):
                return False
        return True

    def _taken(self) -> tuple[int, int, Batch_] | None:
        """The next batch to send. One writer decides at a time: none may overtake another that then stops."""
        with self._taking:
            item = self._work.get()
            return None if self._stop.is_set() else item

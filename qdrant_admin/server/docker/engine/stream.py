"""Reading an engine's stream so that cancelling works at once, even while the stream is silent."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from qdrant_admin.core.cancel import CancelToken

T = TypeVar("T")
_LOOK_SECONDS = 0.1
_HELD = 1000
"""Items read ahead; a slow reader holds up the engine instead of filling the memory."""


class _Reader(threading.Thread, Generic[T]):
    """Moves items from a blocking iterator into a queue."""

    def __init__(self, stream: Iterator[T]) -> None:
        super().__init__(name="engine stream", daemon=True)
        self.items: queue.Queue[T] = queue.Queue(_HELD)
        self.error: Exception | None = None
        self.unwanted = threading.Event()
        self._stream = stream

    def run(self) -> None:
        """Read until the stream ends, or nobody wants it any more."""
        try:
            for item in self._stream:
                while not self.unwanted.is_set():
                    try:
                        self.items.put(item, timeout=_LOOK_SECONDS)
                        break
                    except queue.Full:
                        continue
                if self.unwanted.is_set():
                    return
        except Exception as error:  # noqa: BLE001 # the boundary of a thread: raised again by whoever reads
            self.error = error


def batches(stream: Iterator[T], cancel: CancelToken, close: Callable[[], None] | None = None) -> Iterator[list[T]]:
    """Whatever has come since the last look, never empty.

    Args:
        stream: read in a thread of its own, which ends with the stream, or at its next item after a cancel.
        cancel: looked at ten times a second.
        close: breaks the stream from outside, where it can be broken.

    Raises:
        Cancelled: when asked to stop, within a tenth of a second.
    """
    reader = _Reader(stream)
    reader.start()
    try:
        while True:
            cancel.check()
            alive = reader.is_alive()  # asked before the queue: what was put before the end is still seen
            found = _waiting(reader.items)
            if found:
                yield found
            elif not alive:
                break
    finally:
        reader.unwanted.set()
        if close is not None:
            close()
    if reader.error is not None:
        raise reader.error


def interruptible(stream: Iterator[T], cancel: CancelToken) -> Iterator[T]:
    """The items of a blocking stream, one by one.

    Raises:
        Cancelled: when asked to stop.
    """
    for batch in batches(stream, cancel):
        yield from batch


def _waiting(items: "queue.Queue[T]") -> list[T]:
    try:
        found = [items.get(timeout=_LOOK_SECONDS)]
    except queue.Empty:
        return []
    while True:
        try:
            found.append(items.get_nowait())
        except queue.Empty:
            return found

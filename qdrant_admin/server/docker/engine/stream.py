"""Blocking work with the engine in a thread of its own, so that cancelling is heard at once even while it is silent."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from qdrant_admin.core.cancel import CancelToken

T = TypeVar("T")
_LOOK_SECONDS = 0.1
_HELD = 1000
"""Items read ahead; a slow reader holds up the engine instead of filling the memory."""


class _Unwanted(Exception):
    """Nobody reads any more."""


class _Worker(threading.Thread, Generic[T]):
    def __init__(self, work: Callable[[Callable[[T], None]], None]) -> None:
        super().__init__(name="engine", daemon=True)
        self.items: queue.Queue[T] = queue.Queue(_HELD)
        self.error: Exception | None = None
        self.unwanted = threading.Event()
        self._work = work

    def run(self) -> None:
        try:
            self._work(self._emit)
        except _Unwanted:  # kept, it would hold on to the stream
            return
        except Exception as error:  # noqa: BLE001 # the boundary of a thread: raised again by whoever reads
            self.error = error

    def _emit(self, item: T) -> None:
        while not self.unwanted.is_set():
            with contextlib.suppress(queue.Full):
                return self.items.put(item, timeout=_LOOK_SECONDS)
        raise _Unwanted


def batches(
    work: Callable[[Callable[[T], None]], None],
    cancel: CancelToken,
    *,
    close: Callable[[], None] | None = None,
    wait: bool = False,
) -> Iterator[list[T]]:
    """Whatever blocking work has given since the last look, never empty.

    Args:
        work: done in a thread of its own; is given the function that takes each item, which raises once nobody wants
            more. So the thread ends with the work, or at its next item after a cancel.
        cancel: looked at ten times a second.
        close: breaks the work from outside, where it can be broken.
        wait: for the end of the thread, also after a cancel.

    Raises:
        Cancelled: when asked to stop, within a tenth of a second.
        Exception: what the work has raised.
    """
    worker = _Worker(work)
    worker.start()
    try:
        while True:
            cancel.check()
            alive = worker.is_alive()  # asked before the queue: what was put before the end is still seen
            found = _waiting(worker.items)
            if found:
                yield found
            elif not alive:
                break
    finally:
        worker.unwanted.set()
        if close is not None:
            close()
        if wait:
            worker.join()
    if worker.error is not None:
        raise worker.error


def each(stream: Iterator[T]) -> Callable[[Callable[[T], None]], None]:
    """Reading a blocking stream, as work for `batches`."""

    def work(emit: Callable[[T], None]) -> None:
        for item in stream:
            emit(item)

    return work


def _waiting(items: "queue.Queue[T]") -> list[T]:
    found: list[T] = []
    with contextlib.suppress(queue.Empty):
        found.append(items.get(timeout=_LOOK_SECONDS))
        while True:
            found.append(items.get_nowait())
    return found

"""A blocking call awaited without holding up the screen, in a daemon thread of its own.

Not asyncio's default pool: a few slow calls fill its handful of threads, and quitting would wait for them.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def off_thread(call: Callable[[], T]) -> T:
    """Run `call` in a thread; its result or its error arrives here. Cancelling the awaiting task drops the result."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # T may itself be None

    def run() -> None:
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - handed over whole to whoever awaits
            failure = error
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:  # the app has gone meanwhile; nobody waits any more
            return

    threading.Thread(target=run, name="look", daemon=True).start()
    return await future

"""Points as the bytes that they are: what must hold wherever they are read and sent."""

import threading

from qdrant_admin.database import protobuf


def test_threads_that_want_the_messages_first_at_the_same_time_get_the_same_ones() -> None:
    protobuf._made_messages.cache_clear()
    gate, found = threading.Barrier(8), []

    def want() -> None:
        gate.wait()
        found.append(protobuf.messages()["Vectors"])

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1

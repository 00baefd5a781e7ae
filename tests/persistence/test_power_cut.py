"""A power cut takes nothing that was written with wait=true, and must take something that was not.

The storage lies on an ext4 of its own in a file, whose shutdown ioctl throws away whatever was not synced. It does not
model a disk that reorders or lies. Without the second test the first would prove nothing: the rig might keep it all.
"""

import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from qdrant_admin.database.gateway import Database
from qdrant_admin.persistence.reports import CrashLoss
from qdrant_admin.persistence.workload import SPEC, PointWriter, Writers
from tests.support.disk import Disk
from tests.support.real import Server, binary

pytestmark = [
    pytest.mark.server,
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root on Linux can cut a disk off"),
]

COLLECTION = "canary"
CHANGES = 150
"""Acknowledged before each cut."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    yield made
    made.detach()


def losses_of_a_cut(disk: Disk, server: Server, writers: list[PointWriter]) -> list[CrashLoss]:
    """Write a while, cut the power, start again, and compare."""
    before = sum(writer.counts.acknowledged for writer in writers)
    threads = Writers(writers, lambda: Database(server.endpoint))
    deadline = time.monotonic() + 60
    while sum(writer.counts.acknowledged for writer in writers) - before < CHANGES:
        assert time.monotonic() < deadline, "the writers got nowhere"
        time.sleep(0.005)
    threads.expect_crash()
    disk.cut()
    server.kill()
    threads.stop()
    disk.detach()
    disk.attach()
    server.start()
    with Database(server.endpoint) as database:
        assert COLLECTION in database.names(), "a collection is durable as soon as it is acknowledged"
        return [loss for writer in writers for loss in writer.losses(database)]


def trials(disk: Disk, tmp_path: Path, *, wait: bool, most: int) -> int:
    """How much was lost over some cuts; the first loss ends them."""
    binary()
    environment = {
        "QDRANT__STORAGE__STORAGE_PATH": str(disk.mount / "storage"),
        "QDRANT__STORAGE__SNAPSHOTS_PATH": str(disk.mount / "snapshots"),
    }
    server = Server(tmp_path / "server", environment=environment).start()
    try:
        with closing(Database(server.endpoint)) as database:
            database.create_collection(COLLECTION, SPEC)
        rng = random.Random(11)  # noqa: S311 # choices, no secret
        writers = [PointWriter(number, COLLECTION, rng, wait=wait) for number in range(3)]
        for _ in range(most):
            lost = losses_of_a_cut(disk, server, writers)
            if lost:
                return len(lost)
        return 0
    finally:
        server.kill()


def test_nothing_written_with_wait_is_lost(disk: Disk, tmp_path: Path) -> None:
    assert trials(disk, tmp_path, wait=True, most=4) == 0


def test_something_written_without_wait_is_lost_or_the_rig_is_broken(disk: Disk, tmp_path: Path) -> None:
    assert trials(disk, tmp_path, wait=False, most=6) > 0

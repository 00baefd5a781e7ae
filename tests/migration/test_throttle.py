"""How much a target is given at a time."""

import pytest

from qdrant_admin.migration.copy.stream import MAX_OCTETS, QUICK_ANSWERS, QUICK_SECONDS, SLOW_SECONDS, Throttle

QUICK = QUICK_SECONDS / 2


@pytest.mark.parametrize(
    ("points", "octets", "seconds", "size"),
    [
        (64, MAX_OCTETS, QUICK, 64),
        (64, MAX_OCTETS + 1, QUICK, 32),
        (64, 1, SLOW_SECONDS, 64),
        (64, 1, SLOW_SECONDS + 0.1, 32),
        (16, 1, SLOW_SECONDS + 0.1, 8),
        (256, 1, SLOW_SECONDS + 0.1, 64),  # sent before the size was reduced
        (1, MAX_OCTETS + 1, QUICK, 1),
        (64, MAX_OCTETS // 2 - 1, QUICK, 128),
        (64, MAX_OCTETS // 2, QUICK, 64),  # twice as many would be too much
        (64, 1, QUICK_SECONDS, 64),
        (63, 1, QUICK, 64),  # the last one of a span says nothing
    ],
)
def test_one_answer_teaches_the_size_of_the_next_request(points: int, octets: int, seconds: float, size: int) -> None:
    throttle = Throttle(256, 4)
    throttle.back_off()
    throttle.back_off()
    assert throttle.size == 64
    throttle.succeeded(points, octets, seconds)
    assert throttle.size == size


def test_a_row_of_quick_answers_gives_one_more_request_in_parallel() -> None:
    throttle = Throttle(256, 4)
    throttle.back_off()
    assert throttle.workers == 2
    for expected in (3, 4, 4):
        before = throttle.workers
        for _ in range(QUICK_ANSWERS - 1):
            throttle.succeeded(10, 1, QUICK)
        assert throttle.workers == before
        throttle.succeeded(10, 1, QUICK)
        assert throttle.workers == expected


def test_large_points_and_slow_answers_make_batches_smaller_and_quick_ones_larger_again() -> None:
    throttle = Throttle(256, 8)
    throttle.succeeded(256, 20 * MAX_OCTETS, 0.1)
    assert throttle.size == 128
    throttle.succeeded(256, 20 * MAX_OCTETS, 0.1)  # one that was under way already
    assert throttle.size == 128
    throttle.succeeded(128, 1000, SLOW_SECONDS + 1)
    assert throttle.size == 64
    throttle.back_off()
    assert (throttle.size, throttle.workers) == (32, 4)
    for _ in range(9):
        throttle.succeeded(throttle.size, 1000, 0.01)
    assert (throttle.size, throttle.workers) == (256, 4)
    for _ in range(20):
        throttle.back_off()
    assert (throttle.size, throttle.workers) == (1, 1)


def test_a_target_that_is_quick_again_gets_its_workers_back() -> None:
    throttle = Throttle(256, 4)
    throttle.back_off()
    throttle.back_off()
    for answer in range(200):
        throttle.succeeded(256, 1000, 1.0 if answer % 20 == 0 else 0.01)
    assert throttle.workers == 1, "never quick for long"
    for _ in range(200):
        throttle.succeeded(256, 1000, 0.01)
    assert throttle.workers == 4

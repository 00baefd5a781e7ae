"""Long matrices: the usual run takes a seeded part of each, `setup_scripts/test.sh --all` the whole.

What came of injected faults is counted over all tests, and printed as a table at the end of the run.
"""

import os
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, TypeVar

import pytest

_T = TypeVar("_T")
WHOLE = os.environ.get("QDRANT_ADMIN_TEST_ALL") == "1"
SEED = os.environ.get("QDRANT_ADMIN_TEST_SEED", "1")
"""Of what the usual run takes: the same part every time, so that a change is judged by what it changes."""
Outcome = Literal["named", "told", "no effect", "well", "escape", "false alarm"]
"""`named`: told with the very part that was harmed; `told`: no verdict of success; `well`: quiet where all was well."""
_PROPERTY = "fault"
_COLUMNS: tuple[Outcome, ...] = ("named", "told", "no effect", "well", "escape", "false alarm")


def part(cases: Iterable[_T], size: int) -> list[_T]:
    """So many of the cases, or all of them where the whole was asked for; in their order."""
    every = list(cases)
    if WHOLE or len(every) <= size:
        return every
    chosen = random.Random(f"{SEED} of {len(every)}").sample(range(len(every)), size)  # noqa: S311 # no secret
    return [every[index] for index in sorted(chosen)]


def came_of(request: pytest.FixtureRequest, kind: str, outcome: Outcome, told: str = "") -> None:
    """Count what came of one case, for the table; raise where it must not be."""
    request.node.user_properties.append((_PROPERTY, f"{kind}/{outcome}"))
    assert outcome not in {"escape", "false alarm"}, told


def table(reports: Sequence[pytest.TestReport]) -> list[str]:
    """The lines of the table; none where no fault was injected."""
    counted: dict[str, Counter[str]] = {}
    for report in reports:
        for name, value in report.user_properties:
            if name == _PROPERTY and report.when == "call":
                kind, _, outcome = str(value).partition("/")
                counted.setdefault(kind, Counter())[outcome] += 1
    if not counted:
        return []
    head = f"{'':28}" + "".join(f"{name:>13}" for name in ("injected", *_COLUMNS))
    rows = [
        f"{kind:28}{counts.total():13}" + "".join(f"{counts[column]:13}" for column in _COLUMNS)
        for kind, counts in sorted(counted.items())
    ]
    return [head, *rows]

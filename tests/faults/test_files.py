"""Whatever is harmed in a file of the storage while the server is down: told where an application could see it."""

import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from qdrant_admin.persistence.reports import EQUAL
from qdrant_admin.workspace import Workspace
from tests.faults.conftest import checked, start
from tests.faults.rich import Rest
from tests.support.matrix import Outcome, came_of, part
from tests.support.real import Server

pytestmark = [pytest.mark.server, pytest.mark.slow]


def _flip(data: bytearray, at: int) -> None:
    data[at] ^= 0x10


def _byte(data: bytearray, at: int) -> None:
    data[at] = (data[at] + 101) % 256


def _sixteen_zeros(data: bytearray, at: int) -> None:
    data[at : at + 16] = bytes(len(data[at : at + 16]))


def _cut(data: bytearray, at: int) -> None:
    del data[at:]


def _zeroed(data: bytearray, at: int) -> None:  # all of it
    data[:] = bytes(len(data))


DAMAGES: dict[str, Callable[[bytearray, int], None] | None] = {
    "bit": _flip,
    "byte": _byte,
    "zeros": _sixteen_zeros,
    "cut": _cut,
    "zeroed": _zeroed,
    "deleted": None,
}
CASES = 79
_SEGMENT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Segments are named at random."""


class Case(NamedTuple):
    """One file, and what happens to it."""

    number: int
    damage: str


def cases() -> list[Case]:
    """The files are chosen when the storage is there; here only how many, and what happens to each."""
    return [Case(number, list(DAMAGES)[number % len(DAMAGES)]) for number in range(CASES)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The storage of a server that was stopped in order, with graphs and indexes of every kind."""
    folder = tmp_path_factory.mktemp("template")
    server = Server(folder).start()
    try:
        with Rest(server.url) as rest:
            rest.fill(indexed=True)
    finally:
        server.stop()
    yield folder / "storage"
    shutil.rmtree(folder)


def chosen(storage: Path, number: int) -> Path:
    """The file of a case: every kind of file has its turn before one of them has its second."""
    files = [path for path in storage.rglob("*") if path.is_file() and path.stat().st_size]
    files.sort(key=lambda path: (_SEGMENT.sub("segment", str(path)), path.stat().st_size))
    random.Random(4).shuffle(files)  # noqa: S311 # which file, no secret
    turns: dict[str, int] = {}
    kinds = []
    for path in files:
        kind = "/".join(path.relative_to(storage).parts[-2:])
        kinds.append((turns.setdefault(kind, 0), path))
        turns[kind] += 1
    ordered = [path for _, path in sorted(kinds, key=lambda one: one[0])]
    return ordered[number % len(ordered)]


def harmed(path: Path, case: Case) -> None:
    damage = DAMAGES[case.damage]
    if damage is None:
        path.unlink()
        return
    data = bytearray(path.read_bytes())
    used = [index for index, byte in enumerate(data[:65536]) if byte] or [0]
    damage(data, random.Random(case.number).choice(used))  # noqa: S311 # which byte, no secret
    path.write_bytes(data)


@pytest.mark.parametrize("case", part(cases(), 6), ids=lambda case: f"{case.number} {case.damage}")
def test_a_damaged_file_is_told_where_anybody_could_see_it(
    own: Workspace, template: Path, case: Case, request: pytest.FixtureRequest
) -> None:
    place = own.settings.profile.storage
    assert place is not None
    shutil.copytree(template, place, dirs_exist_ok=True)
    start(own)
    with Rest(own.runtime.endpoint.url) as rest:
        before = rest.everything()
    path = chosen(template, case.number).relative_to(template)
    report = checked(own, lambda: harmed(place / path, case))
    with Rest(own.runtime.endpoint.url) as rest:
        after = rest.everything()
    assert before is not None
    told = f"{path}: {report.verdict}: {report.reason}; {differences(before, after)}"
    if after == before:
        outcome: Outcome = "false alarm" if report.verdict in {"lost", "changed"} else "no effect"
    else:
        outcome = "escape" if report.verdict in EQUAL else "told"
    came_of(request, "damaged files", outcome, told)


def differences(before: Any, after: Any, at: str = "") -> list[str]:
    """Where two looks differ, the first few."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted({*before, *after})
        return [one for key in keys for one in differences(before.get(key), after.get(key), f"{at}/{key}")][:5]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [one for index, pair in pairs for one in differences(*pair, f"{at}/{index}")][:5]
    return [] if before == after else [f"{at}: {str(before)[:200]} -> {str(after)[:200]}"]

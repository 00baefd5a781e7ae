"""Every command that a canned report offers can be run as it stands: it parses, and it names its profile."""

import dataclasses
import shlex
from collections.abc import Iterable, Iterator, Mapping

import pytest

from qdrant_admin.core.commands import PROGRAM, Command, written
from qdrant_admin.core.reports import Report
from qdrant_admin.core.values import Frozen
from tests.support.parsing import parsed
from tests.tui import canned, canned_data, test_move_storage

GENERAL = {"profiles", "config", "history", "completion", "spec", "demo"}
"""Commands that are about no profile."""


def reports(value: object) -> Iterator[Report]:
    """Every report within a canned value."""
    if isinstance(value, Report):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from reports(part)
    elif isinstance(value, Frozen):
        for name in type(value).__struct_fields__:
            yield from reports(getattr(value, name))
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from reports(getattr(value, field.name))


def offered(value: object) -> Iterator[str]:
    """Every command within a report or a block, as text that can be pasted."""
    if isinstance(value, Command):
        yield written(value, "local")  # a face puts it on the profile that it shows
    elif isinstance(value, str):
        yield from (part.strip() for part in value.split("&&") if part.strip().startswith(f"{PROGRAM} "))
    elif isinstance(value, Frozen):
        yield from offered([getattr(value, name) for name in type(value).__struct_fields__])
    elif isinstance(value, Mapping):
        yield from offered([*value.values()])
    elif dataclasses.is_dataclass(value):
        yield from offered([getattr(value, field.name) for field in dataclasses.fields(value)])
    elif isinstance(value, Iterable) and not isinstance(value, bytes):
        for part in value:
            yield from offered(part)


CANNED = [
    pytest.param(report, id=f"{name} {number}")
    for module in (canned, canned_data, test_move_storage)
    for name, value in vars(module).items()
    if name.isupper()
    for number, report in enumerate(reports(value))
]


@pytest.mark.parametrize("report", CANNED)
def test_what_a_report_offers_parses_and_names_its_profile(report: Report) -> None:
    step = report.next_step()
    for text in {*offered(report), *offered(report.blocks()), *offered(step)}:
        parsed(text)
        assert shlex.split(text)[1] in GENERAL or "--profile" in text, text


def test_there_are_commands_to_look_at() -> None:
    found = {text for case in CANNED for text in offered(case.values[0])}
    assert len(found) >= 4

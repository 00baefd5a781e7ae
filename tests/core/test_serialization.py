"""Whatever was found, the JSON of it can be read."""

import json
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from qdrant_admin.core.events import Finished
from qdrant_admin.core.reports import Report
from qdrant_admin.core.serialization import to_json
from qdrant_admin.core.values import SecretStr


class Strange(Report):
    text: str = "a\ud800"
    number: float = float("nan")
    deep: dict[str, Any] = msgspec.field(default_factory=lambda: {"x\udcff": [float("inf"), 1.5]})
    at: datetime = datetime(2026, 1, 2, tzinfo=UTC)
    path: Path = Path("folder")
    names: frozenset[str] = frozenset({"b", "a"})
    key: SecretStr = SecretStr("secret")


def test_what_no_parser_takes_becomes_what_every_parser_takes() -> None:
    shown = to_json(Finished(report=Strange()))
    assert "secret" not in shown
    assert json.loads(shown)["report"] == {
        "text": "a\ufffd",
        "number": None,
        "deep": {"x\ufffd": [None, 1.5]},
        "at": "2026-01-02T00:00:00Z",
        "path": "folder",
        "names": ["a", "b"],
        "key": "**********",
    }


def test_an_enumeration_is_its_value() -> None:
    class Code(IntEnum):
        BAD = 3

    assert to_json({"code": Code.BAD, "none": None, "yes": True}) == '{"code": 3, "none": null, "yes": true}'


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_any_value_can_be_read_back(value: object) -> None:
    for ascii_only in (True, False):
        text = to_json({"value": value}, ascii_only=ascii_only)
        text.encode("utf-8")
        json.loads(text, parse_constant=lambda _: 1 / 0)

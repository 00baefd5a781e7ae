"""What a report says, drawn: hostile text stays text, commands name the profile, nothing is wider than it may be."""

import pytest

from qdrant_admin.core.blocks import (
    Blocks,
    Code,
    Commands,
    Digest,
    Facts,
    Heading,
    Headline,
    Items,
    Paragraph,
    Remark,
    Soft,
    Sparkline,
    StateWord,
    Step,
    Table,
)
from qdrant_admin.core.commands import Command
from qdrant_admin.core.formatting import short_digest
from qdrant_admin.tui.widgets.blocks import Drawing
from tests.tui.canned import HOSTILE

EVERYTHING: Blocks = (
    Headline("lost", "3 points are gone", loud=True),
    Paragraph("a sentence that is longer than the forty cells it is drawn into", "soft"),
    Facts.of({"storage": Code("/data"), "content": Digest("2f08" * 16), "unknown": ""}),
    Heading("Collections"),
    Table(
        ("name", "points", "verdict"),
        (("a", "12 040", StateWord("lost")), ("b", "7", StateWord("same"))),
        right=frozenset({"points"}),
    ),
    Items(tuple(str(number) for number in range(5)), shown=2),
    Remark("warn", "no API key", Command("up", api_key="auto"), title="api key"),
    Commands((Step("prove it", Command("verify", how="kill")), Step("read the log"))),
    Paragraph((Sparkline((1.0, 2.0)), Soft(" back in"))),
)


def drawn(blocks: Blocks, width: int = 100) -> list[str]:
    return Drawing(width, "stage").content(blocks).plain.split("\n")


def test_everything_is_drawn_once_and_commands_name_the_profile() -> None:
    rows = drawn(EVERYTHING)
    assert rows[0] == "✕ LOST   3 points are gone"
    assert f"content    {short_digest('2f08' * 16)}" in rows
    assert not any(row.startswith("unknown") for row in rows)
    assert "a      12 040   ✕ lost" in [row.rstrip() for row in rows]
    assert "and 3 more" in rows
    assert any("qdrant-admin up --api-key auto --profile stage" in row for row in rows)
    assert any("qdrant-admin verify --how kill --profile stage" in row for row in rows)
    assert "· read the log" in rows


def test_a_part_stands_apart_and_what_follows_its_title_does_not() -> None:
    rows = drawn((Headline("ok"), Heading("Title"), Items(("one",)), Remark("ok", "a"), Remark("ok", "b")))
    assert [bool(row) for row in rows] == [True, False, True, True, False, True, True]


def test_nothing_is_wider_than_it_may_be_but_a_command_which_is_to_be_copied() -> None:
    wide = [row for row in drawn(EVERYTHING, 40) if len(row) > 40]
    assert all("qdrant-admin" in row for row in wide)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_shown_as_it_is(name: str) -> None:
    blocks = (Headline("ok", name), Facts.of({name: name}), Remark("warn", name, name, title=name), Items((name,)))
    shown = Drawing(100, None).content((*blocks, Table((name,), ((name,),)), Commands((Step(name, name),)))).plain
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    if name.isprintable():
        assert shown.count(name) >= 8

"""What a script reads is what a person reads, without colours: the lines of a pipe against a picture of a terminal."""

import io

import pytest
from rich.console import Console

from qdrant_admin.cli.render import piped
from qdrant_admin.cli.render.blocks import Drawing
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

EVERYTHING: Blocks = (
    Headline("persisted", "3 of 3 — “all”", loud=True),
    Facts((("a", "one\x1b[31m"), ("longer", (StateWord("lost"), " and ", Sparkline((1.0, 2.0, 3.0)))))),
    Heading("What differs"),
    Paragraph("a path → " * 40, "warn"),
    Facts((("digest", Digest("0123456789abcdef" * 4)), ("code", Code("/x [y]")))),
    Items(tuple(str(number) for number in range(12)), shown=3),
    Remark("warn", "look here", Command("up", apply=True)),
    Remark("fail", ("see ", Command("doctor")), title="storage"),
    Remark("ok", "", title="port"),
    Headline("healthy", Soft("local · docker"), word="fine"),
    Commands((Step("do now", Command("verify", how="kill")), Step("read the manual"))),
)


@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_pipe_has_the_words_of_a_terminal(ascii_only: bool) -> None:
    wide = io.StringIO()
    console = Console(file=wide, markup=False, emoji=False, highlight=False, soft_wrap=True, width=160)
    console.print(Drawing("work", ascii_only=ascii_only).picture(EVERYTHING))
    lines = piped.lines(EVERYTHING, "work", ascii_only=ascii_only)
    assert lines is not None
    assert [line.rstrip() for line in lines] == [line.rstrip() for line in wide.getvalue().splitlines()]


def test_a_table_is_left_to_the_terminal_library() -> None:
    assert piped.lines((Table(("name",), (("a",),)),), "work", ascii_only=False) is None

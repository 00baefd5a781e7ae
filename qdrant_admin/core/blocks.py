"""What a report says, as neutral blocks: made once, beside the report; every face only draws them.

Text in a block is foreign until it is drawn: whoever draws it makes it safe (`core.formatting.plain`). A command stays
a value until then, and is put on the profile at hand.
"""

import json
from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from qdrant_admin.core.commands import Command, Fix, written

Emphasis = Literal["plain", "soft", "strong", "warn", "bad"]


class Code(str):
    """A name, a path or an id, to be copied as it is."""

    __slots__ = ()


class Digest(str):
    """A digest: a terminal shows the first and last digits, a certificate all of it."""

    __slots__ = ()


class Soft(str):
    """Something beside the point, drawn paler than the rest."""

    __slots__ = ()


class StateWord(msgspec.Struct, frozen=True):
    """A key of `core.formatting.STATES`, drawn with its symbol and in its colour."""

    key: str


class Sparkline(msgspec.Struct, frozen=True):
    """Small bars, a value each."""

    values: tuple[float, ...]


Part = str | StateWord | Sparkline | Command
Words = Part | tuple[Part, ...]
"""Text, or pieces of it."""


class Step(NamedTuple):
    """Something to do next."""

    says: str
    command: Fix = ""
    """Runs as it stands; empty where a person has to do it elsewhere."""


class Headline(msgspec.Struct, frozen=True):
    """The answer: a state, and what it means in a sentence."""

    state: str
    """A key of `core.formatting.STATES`; its symbol and its colour."""
    text: Words = ""
    loud: bool = False
    """A verdict, in capitals."""
    word: str = ""
    """Another word than the state's own."""


class Heading(msgspec.Struct, frozen=True):
    """The title of a part."""

    text: Words


class Paragraph(msgspec.Struct, frozen=True):
    """A few sentences."""

    text: Words
    emphasis: Emphasis = "plain"


class Facts(msgspec.Struct, frozen=True):
    """Labels and values, a line each."""

    rows: tuple[tuple[str, Words], ...]

    @classmethod
    def of(cls, rows: Mapping[str, Words]) -> "Facts":
        return cls(tuple((label, value) for label, value in rows.items() if value))


class Items(msgspec.Struct, frozen=True):
    """A list."""

    rows: tuple[Words, ...]
    shown: int | None = None
    """Of many, a screen shows this many, and says how many more there are."""


class Table(msgspec.Struct, frozen=True):
    """Rows under a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[Words, ...], ...]
    right: frozenset[str] = frozenset()
    """Columns of numbers."""
    cut: frozenset[str] = frozenset()
    """Columns whose text a screen may cut; the others go on below."""
    shown: int | None = None
    """As of `Items`."""


class Remark(msgspec.Struct, frozen=True):
    """Something that wants a person's eye, and what to do about it."""

    level: str
    """A key of `core.formatting.STATES`: `warn`, `fail`, `ok`, ..."""
    text: Words
    command: Fix = ""
    title: str = ""
    """What it is about, before the text."""


class Commands(msgspec.Struct, frozen=True):
    """What can be done now, the most important first."""

    steps: tuple[Step, ...]


Block = Headline | Heading | Paragraph | Facts | Items | Table | Remark | Commands
Blocks = tuple[Block, ...]


def parts(words: Words) -> tuple[Part, ...]:
    """The pieces of words, also where there is only one."""
    return words if isinstance(words, tuple) else (words,)


def do_now(fix: Fix) -> Blocks:
    """The one thing to do now; nothing where there is none."""
    return (Commands((Step("do now", fix),)),) if written(fix, None) else ()


def fields(values: Mapping[str, object]) -> Blocks:
    """Any mapping as labels and values: how a report is shown that has no blocks of its own."""
    return (Facts(tuple((key.replace("_", " "), brief(value)) for key, value in values.items())),)


def brief(value: object) -> str:
    """A value of JSON on one line; text as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)

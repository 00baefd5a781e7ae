"""The one vocabulary in which every operation tells what it is doing.

An operation is a generator of these events; its last one is `Finished`. The command line draws them as lines,
bars or JSON, the TUI as a live screen: neither asks an operation anything else.
"""

from collections.abc import Iterator
from typing import Literal

from qdrant_admin.core.reports import Report
from qdrant_admin.core.values import Frozen

Outcome = Literal["ok", "warning", "failed", "skipped"]
Level = Literal["info", "warning", "error"]
Unit = Literal["points", "bytes", "collections", "seconds", "steps"]


class StepStarted(Frozen):
    """A named part of the operation has begun."""

    kind: Literal["step_started"] = "step_started"
    step: str
    """Stable id, unique within the operation, such as `pull` or `fingerprint_before`."""
    title: str
    """The step in words for a person, in the present: `pulling qdrant/qdrant:v1.16.3`."""


class StepFinished(Frozen):
    """A step has ended, well or not."""

    kind: Literal["step_finished"] = "step_finished"
    step: str
    outcome: Outcome = "ok"
    detail: str = ""
    """What was found or done, with figures: `6 layers, 81 MiB`."""


class Progress(Frozen):
    """How far one step (or one item within it) has come. Emitted by the operation at a bearable pace."""

    kind: Literal["progress"] = "progress"
    step: str
    item: str = ""
    """What within the step this is about: a collection's name, a layer's id; empty for the step as a whole."""
    done: int
    total: int | None = None
    """None while the total is not known."""
    unit: Unit = "points"
    rate: float | None = None
    """Units per second over the last few seconds, None before it can be told."""
    octet_rate: float | None = None
    """Bytes per second over the last few seconds, where they are counted besides the units."""
    seconds_left: float | None = None
    """None while nobody can tell."""
    note: str = ""
    """What is being waited for, where that is the news: `collection debian_memories is loading`."""


class Notice(Frozen):
    """Something that a person should read."""

    kind: Literal["notice"] = "notice"
    level: Level = "info"
    text: str
    fix: str = ""
    """What to do about it, as a command that can be run; empty when there is nothing to do."""
    topic: Literal["", "reject", "retry"] = ""
    """What kind of thing it tells of, for a face that gathers them: a record that was not stored, a fault that is
    waited for."""


class LogLines(Frozen):
    """Lines of the server's own log, shown as evidence."""

    kind: Literal["log_lines"] = "log_lines"
    lines: tuple[str, ...]


class PartDone(Frozen):
    """A part of the coming report that is known already, one restart of several: a face can draw it at once."""

    kind: Literal["part_done"] = "part_done"
    part: Frozen


class Finished(Frozen):
    """The operation is over; nothing follows."""

    kind: Literal["finished"] = "finished"
    report: Report


Event = StepStarted | StepFinished | Progress | Notice | LogLines | PartDone | Finished
Events = Iterator[Event]

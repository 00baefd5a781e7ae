"""Events drawn: living on a terminal, plain lines elsewhere, hostile text harmless everywhere."""

import io
import re
from collections.abc import Iterable

import pytest
from rich.console import Console

from qdrant_admin.cli.render.events import Renderer
from qdrant_admin.core.events import Event, LogLines, Notice, Progress, StepFinished, StepStarted

STORY: tuple[Event, ...] = (
    StepStarted(step="pull", title="pulling qdrant/qdrant:v1.16.3"),
    Progress(step="pull", item="layer a", done=512, total=1024, unit="bytes", rate=256.0, seconds_left=2),
    Progress(step="pull", item="layer b", done=1024, total=1024, unit="bytes"),
    StepFinished(step="pull", detail="6 layers, 81 MiB"),
    Notice(level="warning", text="no API key", fix="qdrant-admin up --api-key auto"),
    StepStarted(step="wait", title="waiting"),
    LogLines(lines=("[red]panicked\x1b[31m", "second")),
    StepFinished(step="wait", outcome="failed", detail="not ready"),
)


class Clock:
    """Time that moves by itself, a step a look."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def draw(events: Iterable[Event], *, terminal: bool = False, encoding: str = "utf-8", step: float = 0.1) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, write_through=True, newline="")
    console = Console(
        file=stream, force_terminal=terminal, width=80, markup=False, highlight=False, legacy_windows=False
    )
    with Renderer(console, clock=Clock(step)) as renderer:
        for event in events:
            renderer.handle(event)
    return raw.getvalue().decode(encoding)


def test_the_story_as_plain_lines() -> None:
    assert draw(STORY) == (
        "◐ pulling qdrant/qdrant:v1.16.3\n"
        "● pulling qdrant/qdrant:v1.16.3  6 layers, 81 MiB\n"
        "▲ no API key\n"
        "  do now: qdrant-admin up --api-key auto\n"
        "◐ waiting\n"
        "    [red]panicked␛[31m\n"
        "    second\n"
        "✕ waiting  not ready\n"
    )


def test_a_terminal_without_unicode_gets_ascii() -> None:
    shown = draw(STORY, encoding="ascii")
    assert "OK pulling" in shown
    assert "X waiting" in shown
    assert "! no API key" in shown


def test_plain_progress_comes_every_few_seconds() -> None:
    events = [Progress(step="copy", item="a", done=n, total=100) for n in range(101)]
    shown = draw([StepStarted(step="copy", title="copying"), *events], step=0.1).splitlines()
    assert 3 <= len(shown) - 1 <= 4
    assert shown[1] == "    a  30 %  30 of 100"


def test_plain_output_has_no_control_codes() -> None:
    assert "\x1b" not in draw(STORY)
    assert "\r" not in draw(STORY)


def test_the_terminal_keeps_the_finished_lines_and_no_bar() -> None:
    shown = draw((*STORY[:2], STORY[4], *STORY[2:]), terminal=True)
    assert "━" in shown
    after_last_bar = shown[shown.rindex("━") :]
    assert "6 layers, 81 MiB" in after_last_bar
    assert "\x1b[?25h" in after_last_bar, "the cursor is visible again"


def test_a_finished_step_is_not_drawn_as_running_again() -> None:
    shown = draw([StepStarted(step="a", title="first"), StepFinished(step="a")], terminal=True)
    assert "◐ first" not in shown[shown.index("● ") :]


def test_bars_of_long_names_stay_on_their_line() -> None:
    events: list[Event] = [
        StepStarted(step="copy", title="copying"),
        Progress(
            step="copy", item="a" * 60, done=12345678, total=123456789, rate=123456.0, seconds_left=86399, note="n" * 90
        ),
    ]
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", draw(events, terminal=True))
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_hostile_names_send_nothing_to_the_terminal() -> None:
    evil = "\x1b]0;owned\x07[/oops]\x1b[2J\u202e"
    events = (
        StepStarted(step="s", title=evil),
        Progress(step="s", item=evil, done=1, total=2, note=evil),
        Notice(text=evil, fix=evil),
        StepFinished(step="s", detail=evil),
    )
    for terminal in (True, False):
        shown = draw(events, terminal=terminal)
        assert "\x1b]0;" not in shown
        assert "\x1b[2J" not in shown
        assert "\u202e" not in shown
        assert "[/oops]" in shown


@pytest.mark.parametrize("total", [None, 0, 5])
def test_any_total_can_be_drawn(total: int | None) -> None:
    events = (StepStarted(step="s", title="t"), Progress(step="s", done=5, total=total))
    assert "5" in draw(events, terminal=True)


def test_no_colour_still_tells_full_from_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = draw((StepStarted(step="s", title="t"), Progress(step="s", done=1, total=2)), terminal=True)
    assert "━━━━━━━━" in shown
    assert "────────" in shown
    assert "\x1b[32m" not in shown


def test_waiting_is_told_in_seconds() -> None:
    events = [
        Progress(step="w", done=n, total=120, unit="seconds", rate=1.0, note="REST does not answer yet")
        for n in range(40)
    ]
    assert draw(events).splitlines()[0] == "    30.0 s of 2 min 00 s  REST does not answer yet"


def test_of_many_rejects_only_the_first_are_printed() -> None:
    events = [Notice(level="warning", text=f"point {number} was not stored", topic="reject") for number in range(50)]
    shown = draw([*events, Notice(text="and on it goes")]).splitlines()
    assert shown[0] == "▲ point 0 was not stored"
    assert shown[-2:] == ["▲ more were not stored; the report has them", "· and on it goes"]
    assert len(shown) == 7

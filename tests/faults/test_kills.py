"""Whatever signal ends a check at whatever step: the server is left well, or what was left has a way out."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.e2e.conftest import HELD, Makes, Tool, makes
from tests.faults.rich import Rest
from tests.support.matrix import Outcome, came_of, part

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")]
__all__ = ["makes"]
STEPS = {
    "kill": ("check", "barrier", "fingerprint_before", "fresh", "restart", "answer", "fingerprint_after", "compare"),
    "graceful": ("fingerprint_before", "fresh", "stop", "start", "answer", "fingerprint_after"),
    "recreate": ("barrier", "stop", "start", "fingerprint_after"),
    "pause": ("fingerprint_before", "restart", "fingerprint_after"),
}
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
CASES = 45


class Case(NamedTuple):
    """One signal, some milliseconds after a step has begun."""

    how: str
    step: str
    signal: signal.Signals
    after: float


def cases() -> list[Case]:
    chance = random.Random(7)  # noqa: S311 # the same moments on every run
    every = [(how, step, one) for how, steps in STEPS.items() for step in steps for one in SIGNALS]
    chance.shuffle(every)
    return [Case(*one, chance.choice((0.0, 0.02, 0.2, 0.6))) for one in every[:CASES]]


def struck(tool: Tool, case: Case) -> int:
    """Run a check and send the signal; its exit code, negative where the signal ended it."""
    command = [sys.executable, "-m", "qdrant_admin", "verify", "--how", case.how, "--events", "--profile", tool.profile]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(HELD)}
    own = {"QDRANT_ADMIN_HOME": str(tool.home), "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    with subprocess.Popen(
        command, env=inherited | own | tool.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event: dict[str, Any] = json.loads(line)
            if event.get("kind") == "step_started" and event.get("step") == case.step:
                break
        try:
            process.wait(case.after)
        except subprocess.TimeoutExpired:
            process.send_signal(case.signal)
        process.stdout.read()
        return process.wait(120)


def left(tool: Tool) -> tuple[str, set[str]]:
    """The word of the status, and the codes of its findings that have a way out."""
    seen = tool.json("status", code=None)
    return seen["state"], {one["code"] for one in seen["findings"] if one["command"]}


@pytest.mark.parametrize("case", part(cases(), 4), ids=lambda case: f"{case.how} {case.step} {case.signal.name}")
def test_a_check_that_is_struck_leaves_the_server_well(
    makes: Makes, case: Case, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tool = makes()
    tool.on("up")
    with Rest(tool.url) as rest:
        rest.fill()
        before = rest.everything()
    code = struck(tool, case)
    state, ways_out = left(tool)
    running = state in {"healthy", "degraded"}
    told: Outcome = "told" if ways_out else "escape"
    outcome: Outcome = "well" if running else told
    if case.signal != signal.SIGKILL and not running:
        outcome = "escape"  # it heard the signal, and had the time to bring the server back
    came_of(request, f"{case.signal.name} at a check", outcome, f"{case}: exit {code}, {state}, {ways_out}")
    if not running:
        tool.on("up")
    finished = tool.on("verify", "--finish", "--json", code=None)
    if finished.report.get("kind_of_error") != "BadInput":
        assert finished.report["verdict"] in {"persisted", "unchanged"}, finished.out
    assert tool.json("verify", "--how", "kill")["verdict"] == "persisted"
    with Rest(tool.url) as rest:
        assert rest.everything() == before, "and nothing of the check's own is left behind"

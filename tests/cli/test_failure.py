"""Errors: what, why, do now; one JSON document; the exit codes of the contract; no traceback unless asked for."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qdrant_admin.config.file import write_profile
from qdrant_admin.config.places import config_file, state_dir
from tests.cli.conftest import Run
from tests.support.real import free_port


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["staus"], "did you mean status?"),
        (["collections", "lst"], "did you mean list?"),
        (["up", "--prot", "1"], "--port"),
        (["up", "--port", "99999"], "--port"),
        (["migrate"], "SOURCE"),
        (["points", "list"], "name"),
        (["restart", "--how", "gently"], "graceful"),
    ],
)
def test_a_wrong_command_line_is_2_with_a_hint(run: Run, arguments: list[str], hint: str) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert hint.lower() in ran.err.lower()
    assert "do now: qdrant-admin" in ran.err
    assert ran.out == ""


def test_an_error_has_three_parts_in_words_and_in_json(run: Run) -> None:
    ran = run("status", "--profile", "wrk", "--json")
    assert ran.code == 2
    assert set(ran.json["error"]) == {"what", "why", "fix"}
    assert ran.json["error"]["fix"] == "qdrant-admin profiles add wrk"
    assert ran.json["exit_code"] == 2
    lines = ran.err.splitlines()
    assert lines[0].startswith("✕ there is no profile “wrk”")
    assert lines[-1] == "  do now: qdrant-admin profiles add wrk"


def test_common_options_may_stand_before_the_command(run: Run) -> None:
    write_profile("work", {"port": 7000})
    assert run("--json", "--profile", "work", "config", "show").json["profile"] == "work"
    assert run("--profile", "local", "config", "show", "--profile", "work", "--json").json["profile"] == "work"


def test_a_broken_file_is_shown_with_its_lines(run: Run) -> None:
    config_file().parent.mkdir(parents=True)
    config_file().write_text("[profiles.local]\nprot = 1\nport = 'x'\n", encoding="utf-8")
    ran = run("status")
    assert ran.code == 2
    assert "line 2" in ran.err
    assert "line 3" in ran.err


def test_what_nobody_foresaw_goes_to_the_log_in_few_words(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("[red]boom\x1b[31m")

    monkeypatch.setattr("qdrant_admin.config.settings.load_settings", broken)
    ran = run("status")
    assert ran.code == 1
    assert "Traceback" not in ran.err
    assert "\x1b[31m" not in ran.err
    log = state_dir() / "qdrant-admin.log"
    assert str(log) in ran.err.replace("\n", "")
    assert "ZeroDivisionError" in log.read_text(encoding="utf-8")
    assert "Traceback" in run("status", "--debug").err


def test_nothing_answering_is_a_state_for_status_and_an_error_for_the_rest(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QDRANT_URL", "http://127.0.0.1:1")
    ran = run("status", "--json")
    assert (ran.code, ran.json["state"], ran.json["healthy"]) == (1, "unreachable", False)
    ran = run("collections", "list", "--json")
    assert ran.code == 3
    assert "error" in ran.json


@pytest.mark.parametrize("arguments", [["adopt"], ["profiles", "remove", "work"]])
def test_without_a_yes_nothing_is_taken_or_removed(run: Run, arguments: list[str]) -> None:
    write_profile("work", {"port": 7000})
    ran = run(*arguments)
    assert ran.code == 4
    assert "--yes" in ran.err
    assert "work" in config_file().read_text(encoding="utf-8")


def test_a_malformed_variable_is_2(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_PORT", "http")
    ran = run("status")
    assert ran.code == 2
    assert "QDRANT_PORT" in ran.err


_WAITING = """
import sys
from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.main import explain
from qdrant_admin.core.events import StepStarted

def operation(cancel):
    yield StepStarted(step="w", title="waiting")
    {body}

try:
    Invocation(profile=None, as_json=True, events=False, debug=False).run(operation)
except BaseException as error:
    sys.exit(explain(error, ["--json"]))
"""
_STUBBORN = """import threading
    while True:
        threading.Event().wait(0.05)"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("body", "times"), [("cancel.wait(60)", 1), (_STUBBORN, 2)])
def test_the_first_interrupt_cancels_and_the_second_ends_at_once(body: str, times: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _WAITING.format(body=body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    with child:
        assert child.stderr is not None
        assert child.stdout is not None
        assert "waiting" in child.stderr.readline()
        child.send_signal(signal.SIGINT)
        assert "stopping" in child.stderr.readline()
        if times == 2:
            child.send_signal(signal.SIGINT)
        out = child.stdout.read()
        assert child.wait(20) == 130
    assert json.loads(out)["exit_code"] == 130


def test_a_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    script = f"{sys.executable} -m qdrant_admin spec | head -c 10 > {tmp_path / 'out'}; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")  # noqa: PTH110 # it is no file
@pytest.mark.parametrize(
    "arguments", ["config path", "config show", "config show --json", "--help", "up --help", "status"]
)
@pytest.mark.parametrize("closed", [False, True])
def test_a_result_that_cannot_be_written_is_3(arguments: str, closed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_PORT", str(free_port()))
    command = f"{shlex.quote(sys.executable)} -m qdrant_admin {arguments}"
    ran = subprocess.run(
        ["sh", "-c", f"{command} {'>&-' if closed else '>/dev/full'}"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 3
    assert "standard output cannot be written" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("arguments", [["spec"], ["--help"], ["points", "--help"], ["config", "show"]])
def test_a_reader_that_has_gone_is_0_and_silent(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        [sys.executable, "-m", "qdrant_admin", *arguments],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (0, "")

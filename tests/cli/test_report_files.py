"""`--report FILE` is tried before anything is done, never writes over a proof, and never costs the verdict."""

import sys
from pathlib import Path

import click
import pytest

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.report_files import check_report_files
from qdrant_admin.core.errors import ConfirmationMissing
from qdrant_admin.persistence.reports import VerifyReport
from tests.cli.conftest import Run
from tests.tui.canned_data import PERSISTED

LOST = PERSISTED.model_copy(update={"verdict": "lost"})


@pytest.fixture(autouse=True)
def nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that got as far as the server would end with 3."""
    monkeypatch.setenv("QDRANT_URL", "http://127.0.0.1:9")


@pytest.mark.parametrize("command", ["verify", "crash-test"])
@pytest.mark.parametrize(
    ("file", "code", "words"),
    [
        ("absent/x.html", 2, "No such file or directory"),
        ("x.pdf", 2, "ends in none of"),
        ("there.html", 4, "already exists"),
        ("link.html", 4, "symbolic link"),
        ("dangling.html", 4, "symbolic link"),
        ("new.html", 3, ""),
    ],
)
def test_a_file_that_cannot_take_it_is_told_before_anything_is_done(
    run: Run, tmp_path: Path, command: str, file: str, code: int, words: str
) -> None:
    (tmp_path / "there.html").write_text("monday")
    (tmp_path / "link.html").symlink_to(tmp_path / "there.html")
    (tmp_path / "dangling.html").symlink_to(tmp_path / "nothing.html")
    ran = run(command, "--report", str(tmp_path / file))
    assert ran.code == code
    assert words in " ".join(ran.err.split())
    assert (tmp_path / "there.html").read_text() == "monday"
    assert {one.name for one in tmp_path.glob("*.html")} == {"there.html", "link.html", "dangling.html"}


def test_the_command_that_replaces_a_file_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    ran = run("verify", "--how", "kill", "--report", str(tmp_path / "a.json"))
    assert "--yes" in ran.err
    assert "--how kill" in ran.err
    assert run("verify", "--yes", "--report", str(tmp_path / "a.json")).code == 3, "and it gets as far as the server"


def test_two_reports_do_not_go_into_one_file(run: Run, tmp_path: Path) -> None:
    twice = ("--report", str(tmp_path / "a.json"), "--report", str(tmp_path / "." / "a.json"))
    assert run("verify", *twice).code == 2


@pytest.mark.parametrize("answer", [True, False])
def test_somebody_at_a_terminal_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "confirm", lambda _text, **_how: answer)
    if answer:
        check_report_files((path,), "local", yes=False)
        return
    with click.Context(click.Command("verify")), pytest.raises(ConfirmationMissing):
        check_report_files((path,), "local", yes=False)


@pytest.mark.parametrize(("report", "code"), [(PERSISTED, 3), (LOST, 1)])
@pytest.mark.parametrize("what", ["folder gone", "link by now", "a folder by now"])
def test_the_verdict_is_told_whatever_comes_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], report: VerifyReport, code: int, what: str
) -> None:
    path = tmp_path / "later" / "x.html"
    if what != "folder gone":
        path.parent.mkdir()
    if what == "link by now":
        path.symlink_to(tmp_path / "precious")
        (tmp_path / "precious").write_text("precious")
    if what == "a folder by now":
        path.mkdir()
    with pytest.raises(SystemExit) as ended:
        Invocation(profile=None, as_json=True, events=False, debug=False).conclude(report, (path, tmp_path / "b.json"))
    shown = capsys.readouterr()
    assert ended.value.code == code
    assert f'"verdict": "{report.verdict}"' in shown.out
    assert "the report was not kept" in shown.err
    assert (tmp_path / "b.json").exists(), "one that fails does not keep the next from being written"
    if what == "link by now":
        assert (tmp_path / "precious").read_text() == "precious"


def test_a_report_that_is_kept_has_the_exit_code_of_its_verdict(tmp_path: Path) -> None:
    for report, code in ((PERSISTED, 0), (LOST, 1)):
        with pytest.raises(SystemExit) as ended:
            Invocation(profile=None, as_json=True, events=False, debug=False).conclude(report, (tmp_path / "b.json",))
        assert ended.value.code == code

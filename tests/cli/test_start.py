"""Light to start: a person who asks for help does not wait for a database client."""

import json
import pkgutil
import subprocess
import sys

import click
import pytest
from click.shell_completion import get_completion_class

from qdrant_admin import __version__
from qdrant_admin.cli import commands, quick
from qdrant_admin.cli.options import HelpfulGroup
from qdrant_admin.cli.root import cli
from tests.cli.conftest import Run

HEAVY = ("qdrant_client", "docker", "textual", "grpc", "numpy", "httpx", "pydantic", "pydantic_core")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["completion", "bash"], ["migrate", "--help"], ["spec"]]
)
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    script = (
        "import sys, json\n"
        "from qdrant_admin.cli.main import main\n"
        "try:\n    main(json.loads(sys.argv[1]))\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(arguments)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_the_version(process: Run) -> None:
    assert process("--version").out == f"qdrant-admin {__version__}\n"


def test_without_a_terminal_the_interface_says_what_to_do_instead(process: Run) -> None:
    ran = process()
    assert ran.code == 3
    assert "needs a terminal" in ran.err
    assert "qdrant-admin status" in ran.err
    assert ran.out == ""


def test_help_fits_a_terminal_without_unicode(process: Run) -> None:
    ran = process("--help", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert ran.code == 0
    assert ran.out.isascii()
    assert max(len(line) for line in ran.out.splitlines()) <= 80


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_stored_script_is_the_one_that_click_makes(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = get_completion_class(shell)
    assert made is not None
    monkeypatch.setattr(made, "_check_version", lambda _: None, raising=False)
    assert quick.completion_script(shell) == f"{made(cli, {}, 'qdrant-admin', quick.COMPLETE).source()}\n"


def test_completion_for_every_shell(run: Run) -> None:
    assert "Register-ArgumentCompleter" in run("completion", "powershell").out
    for shell in quick.SCRIPTS:
        ran = run("completion", shell)
        assert (ran.code, ran.out) == (0, quick.completion_script(shell))
        assert quick.COMPLETE in ran.out
        assert run("completion", shell, "--json").json["script"] == ran.out
    assert run("completion", "tcsh").code == 2


def test_the_overview_says_what_the_commands_say_of_themselves() -> None:
    context = click.Context(cli, info_name="qdrant-admin", help_option_names=["-h", "--help"])
    modules = {module.name.replace("_", "-") for module in pkgutil.iter_modules(commands.__path__)}
    assert set(quick.COMMANDS) == modules
    found = {name: cli.get_command(context, name) for name in modules}
    assert {name: one.get_short_help_str() for name, one in found.items() if one} == quick.COMMANDS
    records = (parameter.get_help_record(context) for parameter in cli.get_params(context))
    assert dict(record for record in records if record) == quick.OPTIONS


def test_the_overview_is_laid_out_as_click_would(run: Run) -> None:
    context = cli.make_context("qdrant-admin", ["status"])
    shown = run("--help").out
    assert shown == run("--json", "--help").out
    assert shown == f"{click.unstyle(HelpfulGroup.get_help(cli, context))}\n"
    styled = quick.overview(styled=True)
    assert "\x1b[36mverify\x1b[0m" in styled
    assert click.unstyle(styled) == shown


def test_the_shell_gets_completions(process: Run) -> None:
    ran = process(_QDRANT_ADMIN_COMPLETE="bash_complete", COMP_WORDS="qdrant-admin coll", COMP_CWORD="1")
    assert ran.out.strip() == "plain,collections"
    ran = process(
        _QDRANT_ADMIN_COMPLETE="powershell_complete", COMP_WORDS="qdrant-admin collections li", COMP_CWORD="li"
    )
    assert ran.out.startswith("list\t")

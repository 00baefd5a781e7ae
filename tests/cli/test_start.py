"""Light to start: a person who asks for help does not wait for a database client."""

import json
import subprocess
import sys

import pytest

from qdrant_admin import __version__
from tests.cli.conftest import Run

HEAVY = ("qdrant_client", "docker", "textual", "grpc", "numpy", "httpx", "pydantic")


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


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete "), ("zsh", "compdef"), ("fish", "complete "), ("powershell", "Register-")]
)
def test_completion_for_every_shell(run: Run, shell: str, word: str) -> None:
    ran = run("completion", shell)
    assert ran.code == 0
    assert word in ran.out
    assert "_QDRANT_ADMIN_COMPLETE" in ran.out


def test_the_shell_gets_completions(process: Run) -> None:
    ran = process(_QDRANT_ADMIN_COMPLETE="bash_complete", COMP_WORDS="qdrant-admin coll", COMP_CWORD="1")
    assert ran.out.strip() == "plain,collections"
    ran = process(
        _QDRANT_ADMIN_COMPLETE="powershell_complete", COMP_WORDS="qdrant-admin collections li", COMP_CWORD="li"
    )
    assert ran.out.startswith("list\t")

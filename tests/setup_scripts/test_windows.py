"""The Windows script, run for real by wine's command interpreter with stand-ins for uv and Docker.

`setup_scripts/test.sh` brings wine on Debian. Where there is none these are skipped, and the script is only linted.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "setup_scripts" / "setup_windows.bat"
WINE = shutil.which("wine")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(WINE is None, reason="there is no wine on this platform: the script is only linted here"),
]

# "Installs" by writing the command into the environment that the script asked for. `%~4` and `%~6` are its paths.
UV = r"""@echo off
echo uv %* >>"%QA_CALLS%"
if "%1"=="venv" mkdir "%~6\Scripts"
if "%1"=="venv" echo home = here>"%~6\pyvenv.cfg"
if "%1"=="pip" copy /y "%QA_STUB%" "%LOCALAPPDATA%\qdrant-admin\app\Scripts\qdrant-admin.cmd" >nul
exit /b %QA_UV_CODE%
"""
DOCKER = """@echo off
echo docker %* >>"%QA_CALLS%"
exit /b %QA_DOCKER_CODE%
"""
ADMIN = """@echo off
echo qdrant-admin %* >>"%QA_CALLS%"
if "%1"=="up" exit /b %QA_UP_CODE%
exit /b 0
"""


@pytest.fixture(scope="session")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A wine of the tests' own. Its server stays until the end: to start it anew is most of what a run costs."""
    folder = tmp_path_factory.mktemp("wine")
    overrides = {"WINEDLLOVERRIDES": "mscoree,mshtml="}  # neither .NET nor a browser is needed, and both are slow
    environment = os.environ | {"WINEPREFIX": str(folder), "WINEDEBUG": "-all"} | overrides
    quiet = subprocess.DEVNULL  # a pipe would be held by what stays
    subprocess.run(["wineserver", "--persistent"], env=environment, check=True, stdout=quiet, stderr=quiet, timeout=60)
    try:
        command = ["wineboot", "--init"]
        subprocess.run(command, env=environment, check=True, stdout=quiet, stderr=quiet, timeout=300)
        yield folder
    finally:
        command = ["wineserver", "--kill"]
        subprocess.run(command, env=environment, check=False, stdout=quiet, stderr=quiet, timeout=60)


class Windows:
    """One run of the script in a folder whose name is as bad as folder names get."""

    def __init__(self, folder: Path, prefix: Path) -> None:
        self.prefix = prefix
        self.scripts = folder / "My Dir (x86) & co!" / "setup_scripts"
        self.scripts.mkdir(parents=True)
        shutil.copy(SCRIPT, self.scripts)
        self.tools = folder / "tools"
        self.tools.mkdir()
        self.calls = folder / "calls.txt"
        self.local = folder / "local"
        self.write("uv.cmd", UV)
        self.write("docker.cmd", DOCKER)
        (folder / "stub.txt").write_text(ADMIN.replace("\n", "\r\n"), encoding="ascii")
        self.stub = folder / "stub.txt"

    def write(self, name: str, text: str) -> None:
        """A stand-in program."""
        (self.tools / name).write_text(text.replace("\n", "\r\n"), encoding="ascii")

    def run(self, *options: str, uv: int = 0, docker: int = 0, up: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the script; the numbers are the exit codes of the stand-ins."""
        assert WINE is not None
        environment = os.environ | {
            "WINEPREFIX": str(self.prefix),
            "WINEDEBUG": "-all",
            "WINEPATH": f"Z:{self.tools}".replace("/", "\\"),
            "LOCALAPPDATA": f"Z:{self.local}".replace("/", "\\"),
            "QA_CALLS": f"Z:{self.calls}".replace("/", "\\"),
            "QA_STUB": f"Z:{self.stub}".replace("/", "\\"),
            "QA_NO_PAUSE": "1",
            "QA_UV_CODE": str(uv),
            "QA_DOCKER_CODE": str(docker),
            "QA_UP_CODE": str(up),
        }
        return subprocess.run(
            [WINE, "cmd", "/c", "setup_windows.bat", *options],
            cwd=self.scripts,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=240,
            check=False,
        )

    def called(self) -> list[str]:
        """What the script started, one line a call."""
        return self.calls.read_text().split("\n") if self.calls.exists() else []


@pytest.fixture
def windows(tmp_path: Path, prefix: Path) -> Windows:
    """A fresh Windows."""
    return Windows(tmp_path, prefix)


def test_it_installs_brings_the_server_up_and_tells_the_whole_story(windows: Windows) -> None:
    result = windows.run("--no-open")
    assert result.returncode == 0, result.stdout
    verbs = [line.split()[1] for line in windows.called() if line.startswith("qdrant-admin")]
    assert verbs == ["up", "demo", "status"]
    assert any("--api-key" in line and "auto" in line for line in windows.called())


def test_a_dry_run_touches_nothing(windows: Windows) -> None:
    result = windows.run("--dry-run")
    assert result.returncode == 0, result.stdout
    assert windows.called() == []
    assert not windows.local.exists()
    assert "would install" in result.stdout


def test_a_failed_installation_is_said_and_nothing_is_started(windows: Windows) -> None:
    result = windows.run("--no-open", uv=1)
    assert result.returncode != 0
    assert "setup.log" in result.stdout
    assert not any(line.startswith("qdrant-admin") for line in windows.called())


def test_the_native_runtime_never_asks_docker(windows: Windows) -> None:
    result = windows.run("--runtime", "native", "--no-open", docker=1)
    assert result.returncode == 0, result.stdout
    assert not any(line.startswith("docker") for line in windows.called())


def test_uninstall_keeps_the_data(windows: Windows) -> None:
    windows.run("--no-open")
    data = windows.local / "qdrant-admin" / "native"
    data.mkdir(parents=True)
    result = windows.run("--uninstall")
    assert result.returncode == 0, result.stdout
    assert data.exists()
    assert not (windows.local / "qdrant-admin" / "app").exists()


def test_an_unknown_option_is_a_usage_error(windows: Windows) -> None:
    result = windows.run("--wat")
    assert result.returncode == 2
    assert "Usage" in result.stdout

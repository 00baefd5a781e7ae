"""The Linux script in a home of its own, in a folder whose name has a space and an accent."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "setup_scripts" / "setup_linux.sh"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "my homé"
    folder.mkdir()
    return folder


def run(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """No container engine is reachable, and there is no terminal."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "QDRANT_", "UV_"))}
    environment = kept | {"HOME": str(home), "DOCKER_HOST": "unix:///nonexistent"}
    return subprocess.run(
        ["sh", str(SCRIPT), *options],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_dry_run_says_what_it_would_do_and_touches_nothing(home: Path) -> None:
    result = run(home, "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "would run" in result.stdout
    assert list(home.iterdir()) == []


def test_the_path_line_is_printed(home: Path) -> None:
    assert f'export PATH="{home}/.local/bin:$PATH"' in run(home, "--dry-run").stdout


@pytest.mark.parametrize("options", [["--wat"], ["--runtime", "podman"]])
def test_a_wrong_option_is_a_usage_error_and_touches_nothing(home: Path, options: list[str]) -> None:
    assert run(home, *options).returncode == 2
    assert list(home.iterdir()) == []


def test_uninstall_keeps_the_data_and_says_where_it_is(home: Path) -> None:
    app = home / ".local/share/qdrant-admin/app"
    data = home / ".local/share/qdrant-admin/native/local/storage/point"
    app.mkdir(parents=True)
    (app / "pyvenv.cfg").touch()
    data.parent.mkdir(parents=True)
    data.write_text("kept")
    result = run(home, "--uninstall")
    assert result.returncode == 0, result.stderr
    assert data.read_text() == "kept"
    assert not app.exists()
    assert str(home / ".local/share/qdrant-admin") in result.stdout

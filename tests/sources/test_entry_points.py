"""A source of somebody else's package, installed beside ours: the worked example of CONTRIBUTING.md, for real."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.support.real import Server

GUIDE = Path(__file__).parents[2] / "CONTRIBUTING.md"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The example, laid out as an installer lays out a distribution."""
    site = tmp_path / "site"
    for name, text in re.findall(
        r"^`(vectors_of_mine/\S+?)`:\n\n((?:    .*\n|\n)+)", GUIDE.read_text("utf-8"), re.MULTILINE
    ):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(textwrap.dedent(text), "utf-8")
    (site / "vectors_of_mine" / "__init__.py").touch()
    assert {path.name for path in (site / "vectors_of_mine").iterdir()} == {"__init__.py", "kind.py", "reader.py"}
    declared(site, "mine", "vectors_of_mine.kind:KIND")
    return site


def declared(site: Path, name: str, value: str) -> None:
    information = site / f"{name}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[qdrant_admin.sources]\n{name} = {value}\n")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """What the example reads: a line a record, id and components."""
    file = tmp_path / "notes.mine"
    file.write_text("".join(f"{n},{n}.5,1,2\n" for n in range(7)))
    return file


def ran(site: Path, *arguments: Any, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "qdrant_admin", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(site), "COLUMNS": "100", **environment},
        timeout=120,
        check=False,
    )


@pytest.mark.server
def test_the_worked_example_plans_and_migrates(server: Server, package: Path, notes: Path) -> None:
    target = {"QDRANT_URL": server.url, "QDRANT_GRPC_PORT": str(server.grpc_port)}
    before = notes.read_bytes()
    planned = ran(package, "migrate", f"mine:{notes}", "--plan-only", **target)
    assert planned.returncode == 0, planned.stderr
    assert "7 points in 1 collection" in planned.stdout
    moved = ran(package, "migrate", f"mine:{notes}", **target)
    assert moved.returncode == 0, moved.stderr
    assert "7 of 7 points verified" in moved.stdout
    assert notes.read_bytes() == before


def test_help_and_errors_name_it(package: Path) -> None:
    shown = ran(package, "migrate", "--help").stdout
    assert "mine:PATH" in shown
    assert "Notes of mine" in shown
    assert "Weaviate server *" in shown
    assert "* not tested against a live server" in shown
    unknown = ran(package, "migrate", "theirs:/x")
    assert unknown.returncode == 2
    assert "mine:PATH" in unknown.stderr


def test_a_package_that_cannot_be_loaded_spoils_nothing_and_is_told(tmp_path: Path) -> None:
    site = tmp_path / "site"
    declared(site, "broken", "no_such_module_of_anybody:KIND")
    declared(site, "odd", "pathlib:Path")
    assert ran(site, "migrate", "--help").returncode == 0
    for scheme, why in (("broken", "No module named 'no_such_module_of_anybody'"), ("odd", "and no SourceKind")):
        refused = ran(site, "migrate", f"{scheme}:/x")
        assert refused.returncode == 2
        assert why in " ".join(refused.stderr.split())


def test_one_of_ours_is_never_replaced(package: Path) -> None:
    kind = package / "vectors_of_mine" / "kind.py"
    kind.write_text(kind.read_text().replace('"mine"', '"chroma"', 1))
    shown = ran(package, "migrate", "--help").stdout
    assert "Notes of mine" not in shown
    assert "Chroma directory" in shown

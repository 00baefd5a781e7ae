"""What a person is told to install lands in the Python that runs."""

import shlex
import sys

import pytest

from qdrant_admin.core import install


def test_it_names_this_python() -> None:
    assert shlex.split(install.command("qdrant-admin[files]")) == [
        *(sys.executable, "-m", "pip", "install"),
        "qdrant-admin[files]",
    ]


def test_without_pip_it_is_uv_that_installs_into_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "find_spec", lambda _: None)
    assert shlex.split(install.command("a", "b>=2")) == [
        *("uv", "pip", "install", "--python"),
        *(sys.executable, "a", "b>=2"),
    ]

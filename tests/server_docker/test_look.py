"""Looks go past docker-py, and answer as it does: what is asked over the socket against what the library says."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from qdrant_admin.core.errors import AdminError
from tests.server_docker.conftest import Bench
from tests.support.real import IMAGE

pytestmark = pytest.mark.docker


def answers(bench: Bench, question: Callable[[docker.APIClient], Any]) -> list[Any]:
    """Of a look and of docker-py; the error where there is one."""
    found: list[Any] = []
    for opened in (bench.engine.look, bench.engine.client):
        with opened("ask") as api:
            try:
                found.append(question(api))
            except docker.errors.APIError as error:
                found.append((type(error), error.explanation))
    return found


@pytest.mark.parametrize("terminal", [False, True])
def test_a_container_and_its_log_are_the_same_either_way(bench: Bench, terminal: bool) -> None:
    bench.foreign(start=True, Tty=terminal)
    bench.until_it_listens()
    bench.api.stop(bench.mark)
    look, library = answers(bench, lambda api: api.inspect_container(bench.mark))
    assert look == library

    def log(api: docker.APIClient) -> bytes:
        found: bytes = api.logs(api.inspect_container(bench.mark)["Id"], tail=20)
        return found

    look, library = answers(bench, log)
    assert look == library
    assert b"Qdrant HTTP listening" in look


def test_an_image_is_the_same_either_way(bench: Bench) -> None:
    look, library = answers(bench, lambda api: api.inspect_image(IMAGE))
    assert look == library


@pytest.mark.parametrize(
    "question",
    [lambda api: api.inspect_container("qa-test-nobody"), lambda api: api.inspect_image("qa-test/nothing:at-all")],
)
def test_what_is_not_there_is_the_own_error_of_docker_py(
    bench: Bench, question: Callable[[docker.APIClient], Any]
) -> None:
    look, library = answers(bench, question)
    assert look == library
    assert issubclass(look[0], docker.errors.NotFound)


def test_an_engine_that_is_silent_is_waited_for_once(bench: Bench, tmp_path: Path) -> None:
    import dataclasses
    import socket

    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        silent = dataclasses.replace(bench.engine, address=f"unix://{path}")
        with pytest.raises(AdminError, match="did not answer in time"), silent.look("ask", seconds=0.2) as api:
            api.inspect_container("anything")


def test_a_status_of_a_container_loads_no_library_for_it(bench: Bench, isolated_home: Path) -> None:
    bench.started()
    profile = bench.settings().profile
    config = isolated_home / "config" / "config.toml"
    config.parent.mkdir(exist_ok=True)
    values = "\n".join(f"{key} = {json.dumps(value)}" for key, value in profile.shown().items() if key in profile.given)
    config.write_text(f'default_profile = "{bench.mark}"\n[profiles.{bench.mark}]\n{values}\n')
    script = (
        "import sys\n"
        "from qdrant_admin.cli.main import main\n"
        "try:\n    main(['status'])\n"
        "except SystemExit as end:\n    print('LOADED', end.code, {'docker', 'requests'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == "LOADED 0 set()"
    assert bench.mark in done.stdout

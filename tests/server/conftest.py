"""Native servers of a test alone, ended whatever happens."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.server.native.record import find_server, find_supervisor
from qdrant_admin.server.native.runtime import NativeRuntime
from tests.support.real import binary, free_port

MakeNative = Callable[..., NativeRuntime]


@pytest.fixture
def make_native(isolated_home: Path) -> Iterator[MakeNative]:
    """Makes native runtimes with free ports and the real binary; keywords change the profile or the `api_key`."""
    made: list[NativeRuntime] = []
    numbers = itertools.count()

    def make(name: str = "", api_key: str | None = None, **changes: object) -> NativeRuntime:
        values: dict[str, object] = {
            "runtime": "native",
            "port": free_port(),
            "grpc_port": free_port(),
            "binary": binary(),
        } | changes
        settings = Settings.model_validate(
            {"name": name or f"native{next(numbers)}", "profile": Profile.model_validate(values), "api_key": api_key}
        )
        made.append(NativeRuntime(settings))
        return made[-1]

    yield make
    for runtime in made:
        _end(runtime)


def _end(runtime: NativeRuntime) -> None:
    record = runtime.files.read_record()
    if record is None:
        return
    # The supervisor first: it would start the server again.
    for process in (find_supervisor(record, runtime.files.folder), find_server(record, runtime.files.folder)):
        with contextlib.suppress(psutil.NoSuchProcess):  # it may end between two looks
            while process is not None and process.status() != psutil.STATUS_ZOMBIE:
                process.kill()
                CancelToken().wait(0.01)


@pytest.fixture
def cancel() -> CancelToken:
    """A token that nobody uses."""
    return CancelToken()

"""Keeps a process of the tests away from the ports on which a developer's own Qdrant may listen.

Loaded by every Python process whose `PYTHONPATH` has this folder, as the processes that tests start have, and by
`conftest`. A connection is refused as if nobody listened, and written down, so that the test can fail.
"""

import importlib.abc
import importlib.machinery
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

VARIABLE = "REFUSED_PORTS"
"""The file in which it is written down."""
PORTS = (6333, 6334)


def refuse(where: object) -> None:
    """Write down who asked for that address, and refuse it."""
    asked = "".join(traceback.format_stack(limit=12)[:-2])
    with Path(os.environ[VARIABLE]).open("a", encoding="utf-8") as log:
        log.write(f"{where}, asked for by {sys.argv}:\n{asked}\n")
    raise ConnectionRefusedError(f"no test speaks to {where}")


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """The audit hook: sockets of Python itself."""
    if event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][1] in PORTS:
        refuse(arguments[1])


class _GrpcFinder(importlib.abc.MetaPathFinder):
    """gRPC opens its sockets out of Python's sight, so its channels are guarded where they are made."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "grpc":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            setattr(spec.loader, "exec_module", _guarded(spec.loader.exec_module))  # noqa: B010 # mypy: a method
        return spec


def _guarded(load: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
    def loaded(module: ModuleType) -> None:
        load(module)
        for name in ("insecure_channel", "secure_channel"):
            setattr(module, name, _looked_at(getattr(module, name)))

    return loaded


def _looked_at(make: Callable[..., object]) -> Callable[..., object]:
    def channel(target: str, *arguments: object, **options: object) -> object:
        if target.rpartition(":")[2] in map(str, PORTS):
            refuse(target)
        return make(target, *arguments, **options)

    return channel


def install() -> None:
    """From here on, in this process."""
    sys.addaudithook(watch)
    sys.meta_path.insert(0, _GrpcFinder())


if __name__ == "sitecustomize" and VARIABLE in os.environ:
    install()

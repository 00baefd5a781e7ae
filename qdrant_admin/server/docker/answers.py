"""What a container engine answers, as far as it is read here, and what it is asked with."""

from typing import Any, TypeAlias, TypedDict

Request: TypeAlias = dict[str, Any]
"""The body of a request: taken as it was answered, changed, and sent back."""
Bindings: TypeAlias = dict[str, list[dict[str, str]] | None]
"""Each port of a container with the addresses of the host that it is published on: `HostIp` and `HostPort`."""


class Mount(TypedDict, total=False):
    """Something mounted into a container; `Name` is that of a volume."""

    Type: str
    Name: str
    Source: str
    Destination: str
    RW: bool


class State(TypedDict, total=False):
    """Whether a container runs, since when, and how it ended."""

    Status: str
    Running: bool
    Paused: bool
    Restarting: bool
    OOMKilled: bool
    ExitCode: int
    Pid: int
    StartedAt: str
    FinishedAt: str


class Config(TypedDict, total=False):
    """What a container was made from."""

    Image: str
    User: str
    WorkingDir: str
    Env: list[str] | None
    Labels: dict[str, str] | None
    StopTimeout: int | None


class HostConfig(TypedDict, total=False):
    """What a container has of its host."""

    AutoRemove: bool
    NetworkMode: str
    RestartPolicy: dict[str, str] | None
    PortBindings: Bindings | None
    Ulimits: list[dict[str, str | int]] | None
    Tmpfs: dict[str, str] | None


class NetworkSettings(TypedDict, total=False):
    """Where a container is reachable right now."""

    Ports: Bindings | None
    Networks: dict[str, Request] | None


class Inspected(TypedDict, total=False):
    """Everything about one container."""

    Id: str
    Name: str
    Image: str
    Path: str
    Args: list[str] | None
    RestartCount: int | None
    State: State
    Config: Config
    HostConfig: HostConfig
    NetworkSettings: NetworkSettings
    Mounts: list[Mount] | None


class Listed(TypedDict, total=False):
    """One container of the engine's list."""

    Id: str
    Names: list[str] | None
    State: str
    Mounts: list[Mount] | None


def labels_of(found: Inspected) -> dict[str, str]:
    """A container's labels; the engine says nothing for none."""
    return found["Config"].get("Labels") or {}


def name_of(found: Inspected) -> str:
    """A container's name; the engine writes a slash before it."""
    return found["Name"].lstrip("/")

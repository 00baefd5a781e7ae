"""One profile: everything the product has to know of one Qdrant, except its secret."""

import shlex
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from qdrant_admin.core.reports import Frozen

DEFAULT_IMAGE = "qdrant/qdrant:v1.16.3"
"""The version that the test suite proves. Raising it is a run of the suite, not a hope."""
TESTED_VERSION = DEFAULT_IMAGE.rpartition(":v")[2]
DEFAULT_PROFILE = "local"

RuntimeChoice = Literal["auto", "docker", "native", "remote"]
RestartPolicy = Literal["no", "on-failure", "always", "unless-stopped"]


class Profile(BaseModel):
    """The keys that may stand under `[profiles.NAME]` in the configuration file. Unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    runtime: RuntimeChoice = "auto"
    url: str | None = None
    """Only for `remote`: the server's REST address."""
    host: str = "127.0.0.1"
    """The address the server is published on. Anything but loopback asks for an API key."""
    port: int = Field(default=6333, ge=1, le=65535)
    grpc_port: int = Field(default=6334, ge=1, le=65535)
    image: str = DEFAULT_IMAGE
    container: str | None = None
    """Container name; `qdrant-admin-PROFILE` by default."""
    volume: str | None = None
    """Named volume; `qdrant_admin_PROFILE` by default."""
    storage: Path | None = None
    """A folder instead of a volume (Docker), or instead of the default folder (native)."""
    restart_policy: RestartPolicy = "unless-stopped"
    binary: Path | None = None
    """The native Qdrant binary, when it should not be looked for."""
    docker_host: str | None = None
    """The engine's address, when it should not be looked for."""
    engine_restart: tuple[str, ...] | None = None
    """The command that restarts the container engine, as a list of words, when it should not be guessed."""
    timeout: float = Field(default=10.0, gt=0)
    ready_timeout: float = Field(default=120.0, gt=0)
    collection_prefix: str = ""
    default_vector_size: int | None = Field(default=None, ge=1, le=65536)
    ephemeral: bool = False
    """Made to be thrown away, data and all, by the operation that made it (`demo`). Nothing else sets it."""

    @field_validator("engine_restart", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        """One text is taken apart as a shell would; no shell ever runs it."""
        return shlex.split(value) if isinstance(value, str) else value


class Endpoint(Frozen):
    """The addresses of one server. The key never leaves this object except in a request's header."""

    url: str
    """REST base without a trailing slash: `http://127.0.0.1:6333`."""
    grpc_host: str = "127.0.0.1"
    grpc_port: int | None = None
    """None when nobody has said which one it is, or gRPC is known to be closed: everything then goes over REST. It is
    never guessed: whatever listens on 6334 may be another server with collections of the same names."""
    tls: bool = False
    api_key: SecretStr | None = None
    timeout: float = 10.0
    """Seconds for one ordinary request."""

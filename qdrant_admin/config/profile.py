"""One profile: everything the product has to know of one Qdrant, except its secret."""

import functools
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, get_type_hints
from urllib.parse import urlsplit

import msgspec

from qdrant_admin.config.environment import is_loopback
from qdrant_admin.core.serialization import jsonable
from qdrant_admin.core.values import Frozen, KeywordOnly, SecretStr, validated

DEFAULT_IMAGE = "qdrant/qdrant:v1.16.3"
"""The version that the test suite proves. Raising it is a run of the suite, not a hope."""
TESTED_VERSION = DEFAULT_IMAGE.rpartition(":v")[2]
DEFAULT_PROFILE = "local"

RuntimeChoice = Literal["auto", "docker", "native", "remote"]
RestartPolicy = Literal["no", "on-failure", "always", "unless-stopped"]
_Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
_Seconds = Annotated[float, msgspec.Meta(gt=0)]
_VectorSize = Annotated[int, msgspec.Meta(ge=1, le=65536)]


class Problem(NamedTuple):
    """A value that a profile cannot take."""

    key: str
    why: str
    """What the key takes: `a number from 1 to 65535`; empty when there is no such key."""


class ProfileInvalid(ValueError):
    """Values that are no profile, each with what is wrong with it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{key}: {why or 'unknown key'}" for key, why in problems))
        self.problems = problems


class _RemembersGiven(KeywordOnly):
    """Keeps which keys a profile was made with: a port that was given differs from one that is the default."""

    def __call__(self, **values: Any) -> Any:
        return super().__call__(**({"given": frozenset(values)} | values))


class Profile(Frozen, metaclass=_RemembersGiven):
    """The keys that may stand under `[profiles.NAME]` in the configuration file. Unknown ones are refused."""

    KEYS: ClassVar[tuple[str, ...]]

    runtime: RuntimeChoice = "auto"
    url: str | None = None
    """Only for `remote`: the server's REST address."""
    host: str = "127.0.0.1"
    """The address the server is published on. Anything but loopback asks for an API key."""
    port: _Port = 6333
    grpc_port: _Port = 6334
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
    timeout: _Seconds = 10.0
    ready_timeout: _Seconds = 120.0
    collection_prefix: str = ""
    default_vector_size: _VectorSize | None = None
    expect: Literal["kept", "ephemeral"] = "kept"
    """Whether its data is to be there at the next look. `ephemeral`: what is missing then is told, and no fault."""
    ephemeral: bool = False
    """Made to be thrown away, data and all, by the operation that made it (`demo`). Nothing else sets it."""
    given: frozenset[str] = frozenset()
    """The keys that were set, whatever their values; no key itself."""

    @classmethod
    def model_validate(cls, values: Mapping[str, Any]) -> Self:
        """A profile from values of a file, of the environment or of a person. Texts become what their key holds.

        Raises:
            ProfileInvalid: with everything that is wrong.
        """
        kinds = _kinds()
        taken, problems = {}, []
        for key, value in values.items():
            if key not in cls.KEYS:
                problems.append(Problem(key, ""))
                continue
            try:
                if key == "engine_restart" and isinstance(value, str):
                    value = shlex.split(value)  # as a shell would; no shell ever runs it  # noqa: PLW2901
                taken[key] = validated(value, kinds[key])
            except ValueError:  # `Invalid`, or a quotation that has no end
                problems.append(Problem(key, f"it takes {_words(kinds[key])}"))
        if problems:
            raise ProfileInvalid(tuple(problems))
        return cls(**taken)

    def model_copy(self, *, update: Mapping[str, Any]) -> Self:
        return msgspec.structs.replace(self, **update, given=self.given | set(update))

    @property
    def version(self) -> str:
        """The version of the image, so that both runtimes run the same; the tested one for an image of another name."""
        tag = self.image.rpartition("/")[2].partition(":")[2].partition("@")[0]
        match = re.fullmatch(r"v?(\d+\.\d+\.\d+)", tag)
        return match[1] if match else TESTED_VERSION

    def values_given(self) -> dict[str, object]:
        return {key: getattr(self, key) for key in self.KEYS if key in self.given}

    def shown(self) -> dict[str, Any]:
        """Every key with its value as JSON has it."""
        return {key: jsonable(getattr(self, key)) for key in self.KEYS}


Profile.KEYS = tuple(key for key in Profile.__struct_fields__ if key != "given")


@functools.cache
def _kinds() -> dict[str, Any]:
    return get_type_hints(Profile, include_extras=True)


def _words(kind: Any) -> str:
    found = msgspec.inspect.type_info(kind)
    options = found.types if isinstance(found, msgspec.inspect.UnionType) else (found,)
    match options[0]:
        case msgspec.inspect.LiteralType(values):
            words = f"one of {', '.join(map(str, values))}"
        case msgspec.inspect.IntType(ge=least, le=most):
            words = f"a whole number from {least} to {most}"
        case msgspec.inspect.FloatType(gt=least):
            words = f"a number above {least:g}"
        case msgspec.inspect.CustomType():
            words = "a path"
        case msgspec.inspect.VarTupleType():
            words = "a list of words"
        case other:
            words = {"BoolType": "true or false"}.get(type(other).__name__, "text")
    return words


class Endpoint(Frozen):
    """The addresses of one server. The key never leaves this object except in a request's header."""

    url: str
    """REST base without a trailing slash: `http://127.0.0.1:6333`."""
    grpc_host: str = "127.0.0.1"
    grpc_port: int | None = None
    """None when nobody has said which one it is, or gRPC is known to be closed: everything then goes over REST. It is
    never guessed: whatever listens on 6334 may be another server with collections of the same names."""
    grpc_stranger: str = ""
    """Who listens at that port in the server's place, in words; nothing is sent there then."""
    tls: bool = False
    api_key: SecretStr | None = None
    timeout: float = 10.0
    """Seconds for one ordinary request."""

    @property
    def key_in_clear(self) -> bool:
        """Whether the API key goes to another machine without encryption."""
        return self.api_key is not None and not self.tls and not is_loopback(urlsplit(self.url).hostname or "")

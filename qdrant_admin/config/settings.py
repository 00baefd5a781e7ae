"""One profile as it holds now: flags over environment over file over defaults, with the origin of every value."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from qdrant_admin.config import file
from qdrant_admin.config.environment import called, is_loopback, parse_url, read_environment
from qdrant_admin.config.places import config_file, data_dir
from qdrant_admin.config.profile import DEFAULT_PROFILE, Endpoint, Profile, ProfileInvalid
from qdrant_admin.config.secrets import given_key, keeps_key, read_key
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.values import Frozen, SecretStr


class Settings(Frozen):
    """A profile's values after everything that may change them, and where each came from."""

    name: str
    profile: Profile
    origins: dict[str, str] = {}
    """Every key of the profile to words: `default`, `file …`, `environment QDRANT_PORT`, `flag --port`."""
    api_key: SecretStr | None = None
    api_key_origin: str = "none"
    key_declined: bool = False
    """Whether somebody has said that the server is to have no key. Else one that is not known here is left in force."""
    notices: tuple[str, ...] = ()
    """What a person should know of how these values came about."""
    named: bool = False
    """Whether the environment names the address of the local server: whoever answers there is chosen, where the profile
    has no server of its own."""

    @property
    def container_name(self) -> str:
        return self.profile.container or f"qdrant-admin-{self.name}"

    @property
    def volume_name(self) -> str:
        return self.profile.volume or f"qdrant_admin_{self.name}"

    @property
    def native_folder(self) -> Path:
        """Where a native server's process id, lock and log lie."""
        return data_dir() / "native" / self.name

    @property
    def native_storage(self) -> Path:
        return self.profile.storage or self.native_folder / "storage"

    @property
    def endpoint(self) -> Endpoint:
        """The server's addresses as seen from this machine."""
        profile = self.profile
        if profile.runtime == "remote" and profile.url:
            address = parse_url(profile.url, "the profile's url", profile.port)
            return Endpoint(
                url=address.url,
                grpc_host=address.host,
                grpc_port=profile.grpc_port if self.grpc_port_given else None,
                tls=address.tls,
                api_key=self.api_key,
                timeout=profile.timeout,
            )
        host = called(profile.host)
        bracketed = f"[{host}]" if ":" in host else host
        return Endpoint(
            url=f"http://{bracketed}:{profile.port}",
            grpc_host=host,
            grpc_port=profile.grpc_port,
            api_key=self.api_key,
            timeout=profile.timeout,
        )

    @property
    def grpc_port_given(self) -> bool:
        """Whether somebody has said on which port a remote server speaks gRPC."""
        return "grpc_port" in self.profile.given

    @property
    def published_openly(self) -> bool:
        """Whether the server is to be reachable from other machines."""
        return self.profile.runtime != "remote" and (
            self.profile.host in {"0.0.0.0", "::"} or not is_loopback(self.profile.host)  # noqa: S104 # not bound: compared
        )


NO_GRPC_PORT = "everything goes over REST: no gRPC port was given for this server (QDRANT_GRPC_PORT or grpc_port)"

KEY_IN_CLEAR = "the API key goes to another machine unencrypted: anyone on the way can read it"


def load_settings(profile: str | None = None, flags: Mapping[str, object] | None = None) -> Settings:
    """The settings of a profile, the default one when none is named.

    Args:
        profile: its name.
        flags: profile keys given on the command line; None means not given.

    Raises:
        BadInput: the file, a variable or a flag is wrong, or there is no such profile.
    """
    chosen, profiles = file.read()
    name = profile or chosen
    if name not in profiles and name != DEFAULT_PROFILE:
        raise file.unknown_profile(name, profiles)
    base = profiles.get(name, Profile())
    values: dict[str, object] = base.values_given()
    origins = dict.fromkeys(Profile.KEYS, "default") | dict.fromkeys(values, f"file {config_file()}")

    given = {key: value for key, value in (flags or {}).items() if value is not None}
    remote = given.get("runtime", base.runtime) == "remote"
    environment = read_environment(local_port=_port(given.get("port"), base.port), local_host=base.host, remote=remote)
    overlay = dict(environment.values)
    if overlay.pop("runtime_not_native", False) and base.runtime == "native":
        overlay["runtime"] = "auto"
        environment.variables["runtime"] = "QDRANT_SERVER_MODE"
    _lay(values, origins, overlay, {key: f"environment {environment.variables[key]}" for key in overlay})
    _lay(values, origins, given, {key: f"flag --{key.replace('_', '-')}" for key in given})
    found = _validated(values, origins)
    notices = environment.notices
    elsewhere = "url" in overlay and not _same_server(found, base)
    key = given_key() if elsewhere else read_key(name)
    if elsewhere and key is None and keeps_key(name):
        notices += (f"the API key kept for profile {name} is for its own server, and not sent to {found.url}",)
    if found.runtime == "remote" and "grpc_port" not in values:
        origins["grpc_port"] = "not given, so not used"
        notices += (NO_GRPC_PORT,)
    settings = Settings(
        name=name,
        profile=found,
        origins=origins,
        api_key=key.value if key else None,
        api_key_origin=key.where if key else "none",
        notices=notices,
        named=environment.named,
    )
    if settings.endpoint.key_in_clear:
        settings = settings.model_copy(update={"notices": (*notices, KEY_IN_CLEAR)})
    return settings


def _same_server(found: Profile, base: Profile) -> bool:
    """Whether an address from the environment is the one that the profile has in the file."""
    with contextlib.suppress(BadInput):
        return parse_url(base.url or "", "", base.port)[:3] == parse_url(found.url or "", "", found.port)[:3]
    return False


def _port(given: object, otherwise: int) -> int:
    """A port from a flag, when it looks like one; whether it may be one is found out with all other values."""
    return int(str(given)) if str(given).isdecimal() else otherwise


def _lay(
    values: dict[str, object], origins: dict[str, str], over: Mapping[str, object], words: Mapping[str, str]
) -> None:
    """Put a layer over the values below it.

    Volume and storage exclude each other, so the upper one wins; the address of another server takes away the gRPC port
    of the one below, which may be a stranger's there.
    """
    for key, other in (("volume", "storage"), ("storage", "volume")):
        if key in over and other not in over and values.pop(other, None) is not None:
            origins[other] = "default"
    if "url" in over and values.pop("grpc_port", None) is not None:
        origins["grpc_port"] = "default"  # it belongs to the server below
    values.update(over)
    origins.update(words)


def _validated(values: Mapping[str, object], origins: Mapping[str, str]) -> Profile:
    try:
        profile = Profile.model_validate(values)
    except ProfileInvalid as error:
        raise BadInput(
            "the settings conflict",
            why="\n".join(
                f"{key} (from {origins.get(key, 'flag')}): {why or 'unknown'}" for key, why in error.problems
            ),
            fix=str(Command("config", "show")),
        ) from error
    if profile.volume and profile.storage:
        raise BadInput(
            "a volume and a storage folder are both asked for",
            why=f"volume from {origins['volume']}, storage from {origins['storage']}; data can only lie in one",
            fix=str(Command("up", help=True)),
        )
    if profile.runtime == "remote":
        if not profile.url:
            raise BadInput(
                "a remote profile needs the server's address",
                why=f"runtime is remote (from {origins['runtime']}) and there is no url",
                fix="export QDRANT_URL=http://127.0.0.1:6333",
            )
        parse_url(profile.url, f"url (from {origins['url']})", profile.port)
    return profile

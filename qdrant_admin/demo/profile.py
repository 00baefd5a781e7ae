"""The profile that a demo runs in: its own name, ports, key and data, whatever else is on the machine."""

import os
import re
import secrets

from qdrant_admin.config.file import delete_profile, read_profiles, write_profile
from qdrant_admin.config.profile import RuntimeChoice
from qdrant_admin.config.secrets import forget_key, generate_key, store_key
from qdrant_admin.config.settings import Settings, load_settings
from qdrant_admin.core.values import SecretStr
from qdrant_admin.server.ports import next_free
from qdrant_admin.server.runtime_choice import forget_docker

NAME = "demo"
_PATTERN = re.compile(r"demo-[0-9a-f]{6}")
HOST = "127.0.0.1"
_FIRST_PORT = 16333


def leftovers() -> list[str]:
    """Profiles of demos that were killed before they could clean up. Only meaningful while `alone`."""
    return sorted(name for name, profile in read_profiles().items() if profile.ephemeral and _PATTERN.fullmatch(name))


def make(runtime: RuntimeChoice) -> Settings:
    """Write a profile with a new name and free ports; its settings carry a key of its own.

    The name is a random one: containers and volumes of an engine are seen from every home and every user, and what
    bears this demo's name must be this demo's.
    """
    name = f"{NAME}-{secrets.token_hex(3)}"
    port = next_free(HOST, _FIRST_PORT + os.getpid() % 4000)
    write_profile(name, {"runtime": runtime, "port": port, "grpc_port": next_free(HOST, port), "ephemeral": True})
    return settings_of(name, generate_key())


def settings_of(name: str, key: SecretStr | None = None) -> Settings:
    """A demo's settings as its file has them: no variable of the environment leads it to another server."""
    profile = read_profiles()[name]
    own = ("runtime", "host", "port", "grpc_port", "collection_prefix", "ephemeral")
    settings = load_settings(name, {field: getattr(profile, field) for field in own})
    fixed = settings.profile.model_copy(update={"url": None, "volume": None, "storage": None})
    return settings.model_copy(update={"profile": fixed, "api_key": key, "api_key_origin": "made for the demo"})


def keep(settings: Settings) -> str:
    """From now on it is a profile like any other: nothing throws its data away. Returns where its key is kept."""
    write_profile(settings.name, {"ephemeral": None})
    return store_key(settings.name, settings.api_key) if settings.api_key else ""


def forget(name: str) -> None:
    """Remove the profile, and what is remembered of it."""
    forget_docker(name)
    forget_key(name)
    delete_profile(name)

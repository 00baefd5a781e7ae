"""What a profile's container is to look like, and in what an existing one differs from it."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from qdrant_admin import __version__
from qdrant_admin.config.secrets import is_key_of, key_digest
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import Refused
from qdrant_admin.core.events import Notice
from qdrant_admin.core.values import SecretStr
from qdrant_admin.server.docker.answers import Inspected, Mount, Request, labels_of, name_of
from qdrant_admin.server.ports import numeric
from qdrant_admin.server.runtime import ANOTHER_KEY, THE_PROFILES_KEY, Change, changed
from qdrant_admin.state.installation import installation, known_installation

if TYPE_CHECKING:
    from docker import APIClient

LABEL_MANAGED = "dev.qdrant-admin.managed"
LABEL_PROFILE = "dev.qdrant-admin.profile"
LABEL_INSTALLATION = "dev.qdrant-admin.installation"
"""Which installation made it. Versions before this label made none: see `ownership.is_own`."""
LABEL_VERSION = "dev.qdrant-admin.version"
LABEL_VOLUME = "dev.qdrant-admin.volume"
"""Random digits that tell a volume from a later one of its name. The engine's `CreatedAt` does not: before Docker 23 it
moves whenever something is put into the volume's folder, by the first collection that is dropped for one (20.10.24)."""
LABEL_KEY = "dev.qdrant-admin.key"
"""Digest of the key that it was made with, for where the engine does not show a container's environment."""
LABEL_OPEN_FILES = "dev.qdrant-admin.open-files"
"""Set to `engine` where the engine may not raise the limit: the container then has the engine's own."""
STORAGE = "/qdrant/storage"
SNAPSHOTS = "/qdrant/snapshots"
REST, GRPC = "6333/tcp", "6334/tcp"
KEY_VARIABLE = "QDRANT__SERVICE__API_KEY"
STOP_SECONDS = 60
"""Qdrant flushes when it is stopped; Docker's default of 10 s can cut a large one short."""
OPEN_FILES = 65535
"""Every segment holds files open; engines with a soft limit of 1024 make a middling collection fail."""
_ENGINES_OWN = "the engine's default"
_PLAIN = {
    # CORS is on by default and reflects any origin: any web page could read and delete what lies on 127.0.0.1.
    "QDRANT__SERVICE__ENABLE_CORS": "false",
    "QDRANT__TELEMETRY_DISABLED": "true",
}


class Spec:
    """The container that a profile asks for. Holds the API key only inside its `SecretStr`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.image = settings.profile.image
        self.name = settings.container_name

    @property
    def labels(self) -> dict[str, str]:
        return {
            LABEL_MANAGED: "true",
            LABEL_PROFILE: self._settings.name,
            LABEL_INSTALLATION: installation(),
            LABEL_VERSION: __version__,
        }

    @property
    def host(self) -> str:
        return numeric(self._settings.profile.host)

    @property
    def ports(self) -> dict[str, int]:
        return {REST: self._settings.profile.port, GRPC: self._settings.profile.grpc_port}

    @property
    def mounts(self) -> list[Request]:
        """Storage, and the snapshots beside it.

        Only the Mount API: the older `volumes=` makes a missing source in silence, as an empty folder of root's.

        Snapshots lie outside the storage path, so with one mount alone they would die with the container. They get a
        volume of their own instead of a subfolder of the storage: a backup that lies within what it backs up goes
        when that goes, and the storage folder stays as Qdrant wrote it.
        """
        folder = self._settings.profile.storage
        storage = (
            {"Type": "bind", "Source": str(folder.expanduser().absolute()), "Target": STORAGE}
            if folder
            else self.volume(self._settings.volume_name, STORAGE)
        )
        return [storage, self.volume(f"{self._settings.volume_name}_snapshots", SNAPSHOTS)]

    def make_volume(self, api: "APIClient", name: str) -> None:
        """Make a volume of ours, which no later one of its name is taken for."""
        import secrets

        api.create_volume(name, labels={**self.labels, LABEL_VOLUME: secrets.token_hex(8)})

    def volume(self, name: str, target: str) -> Request:
        return {"Type": "volume", "Source": name, "Target": target, "VolumeOptions": {"Labels": self.labels}}

    @property
    def _key(self) -> str:
        """Empty for none: Qdrant takes `API_KEY=""` for authentication with an empty key."""
        return self._settings.api_key.get_secret_value() if self._settings.api_key else ""

    def body(self, *, raise_limit: bool = True, instead_of: Inspected | None = None) -> Request:
        """The request that creates it. Holds the key in the clear: never log, keep or show it.

        `raise_limit` is of open files; a rootless or confined engine may not, and then fails to start the container.
        A container that stands in place of another keeps its key where the profile has none.

        Raises:
            Refused: it would lose that key, which the engine does not show.
        """
        variables, labels, key = dict(_PLAIN), self.labels, self._key
        if instead_of is not None and not key and not self._settings.key_declined:
            refuse_unseen(instead_of)
            key = environment(instead_of).get(KEY_VARIABLE, "")
        if key:
            variables[KEY_VARIABLE] = key
            labels[LABEL_KEY] = key_digest(SecretStr(key))
        limits = [{"Name": "nofile", "Soft": OPEN_FILES, "Hard": OPEN_FILES}] if raise_limit else []
        return {
            "Image": self.image,
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "Labels": labels | ({} if raise_limit else {LABEL_OPEN_FILES: "engine"}),
            "StopTimeout": STOP_SECONDS,
            "ExposedPorts": {port: {} for port in self.ports},
            "HostConfig": {
                "Mounts": self.mounts,
                "PortBindings": {
                    port: [{"HostIp": self.host, "HostPort": str(number)}] for port, number in self.ports.items()
                },
                "RestartPolicy": {"Name": self._settings.profile.restart_policy},
                "Ulimits": limits,
            },
        }

    def check_published(self) -> None:
        """Refuse to open a server without a key to other machines."""
        if self._settings.published_openly and not self._key:
            raise Refused(
                f"publishing on {self.host} without an API key",
                why="Qdrant lets everybody in who reaches the port, and this address is reachable from other machines",
                fix=Command("up", api_key="auto"),
            )

    def changes(self, attributes: Inspected, image_id: str | None) -> list[Change]:
        variables, timeout = environment(attributes), attributes["Config"].get("StopTimeout")
        mounted = {mount.get("Destination"): mount for mount in attributes.get("Mounts") or ()}
        storage, snapshots = ((mount_words(mounted.get(one["Target"])), mount_words(one)) for one in self.mounts)
        rows = [
            ("image", self._current_image(attributes, image_id), self.image),
            ("restart policy", restart_policy(attributes), self._settings.profile.restart_policy),
            ("REST address", published_on(attributes, REST), f"{self.host}:{self.ports[REST]}"),
            ("gRPC address", published_on(attributes, GRPC), f"{self.host}:{self.ports[GRPC]}"),
            ("storage", *storage),
            ("snapshots", *snapshots),
            ("API key", self._current_key(attributes), THE_PROFILES_KEY if self._key else "none"),
            *((name, variables.get(name, "not set"), value) for name, value in _PLAIN.items() if variables),
            ("stop timeout", _ENGINES_OWN if timeout is None else f"{timeout} s", f"{STOP_SECONDS} s"),
        ]
        if may_raise_limit(attributes):
            limits = attributes["HostConfig"].get("Ulimits") or ()
            limit = next((str(one["Soft"]) for one in limits if one.get("Name") == "nofile"), _ENGINES_OWN)
            rows.append(("open files", limit, str(OPEN_FILES)))
        return changed(rows, {"REST address", "gRPC address"})

    def _current_image(self, attributes: Inspected, image_id: str | None) -> str:
        """A tag may have moved: same name, other image."""
        name = str(attributes["Config"]["Image"])
        moved = name == self.image and image_id is not None and image_id != attributes.get("Image")
        return f"{name} as it was before its tag moved" if moved else name

    def _current_key(self, attributes: Inspected) -> str:
        """Of a key, only whether it is the profile's; one that is not known here is no difference, and is kept."""
        variables = environment(attributes)
        current, digest = variables.get(KEY_VARIABLE), labels_of(attributes).get(LABEL_KEY, "")
        if current is None and (variables or not digest):
            return "none" if variables or not self._key else THE_PROFILES_KEY
        if not self._key:
            return "set" if self._settings.key_declined else "none"
        same = is_key_of(digest, SecretStr(self._key)) if current is None else current == self._key
        return THE_PROFILES_KEY if same else ANOTHER_KEY


def is_marked(labels: Mapping[str, str], profile: str) -> bool:
    """Whether a container or volume has the ownership label of that profile, and not that of another installation."""
    named = labels.get(LABEL_MANAGED) == "true" and labels.get(LABEL_PROFILE) == profile
    return named and not is_of_another_installation(labels)


def is_without_number(labels: Mapping[str, str], profile: str) -> bool:
    """Whether a version of before such numbers has made it for a profile of that name, in this home or another."""
    return is_marked(labels, profile) and LABEL_INSTALLATION not in labels


def is_of_another_installation(labels: Mapping[str, str]) -> bool:
    """Whether qdrant-admin has made it, but from another home or for another user."""
    return LABEL_INSTALLATION in labels and labels[LABEL_INSTALLATION] != known_installation()


def may_raise_limit(attributes: Inspected) -> bool:
    """Whether the engine had nothing against raising the limit of open files when it made this container."""
    return LABEL_OPEN_FILES not in (attributes["Config"].get("Labels") or {})


def limit_notice(profile: str) -> Notice:
    return Notice(
        level="warning",
        text=f"the engine may not raise the limit of open files to {OPEN_FILES}; its own limit holds",
        fix=str(Command("doctor").on(profile)),
    )


def refuse_unseen(attributes: Inspected) -> None:
    """Refuse to make another container of one whose environment the engine does not show, and with it the key."""
    if not environment(attributes):
        raise Refused(
            f"{name_of(attributes)} was not recreated",
            why="the engine does not show the environment that it was made with, and in it whether it has an API key",
            fix=Command("up", api_key="auto", apply=True),
        )


def environment(attributes: Inspected) -> dict[str, str]:
    """The container's environment, empty where the engine does not show it: an image always has something in it.

    Holds the API key: for comparing only.
    """
    pairs = (str(entry).partition("=") for entry in attributes["Config"].get("Env") or ())
    return {name: value for name, _, value in pairs}


def restart_policy(attributes: Inspected) -> str:
    """`unless-stopped`; Docker says an empty name for `no`."""
    return str((attributes["HostConfig"].get("RestartPolicy") or {}).get("Name") or "no")


def bindings(found: Inspected) -> Iterator[tuple[str, str, str]]:
    """Each port of a container that is to be published, with the host's address and port."""
    for inside, entries in (found["HostConfig"].get("PortBindings") or {}).items():
        for entry in entries or ():
            yield inside, entry.get("HostIp") or "0.0.0.0", str(entry.get("HostPort"))  # noqa: S104 # what docker means


def published_on(attributes: Inspected, port: str) -> str:
    """`127.0.0.1:6333`, several with commas, or `not published`."""
    addresses = [f"{host}:{number}" for inside, host, number in bindings(attributes) if inside == port]
    return ", ".join(addresses) or "not published"


def mount_words(mount: Mount | Request | None) -> str:
    """`volume qdrant_admin_local`, `folder /srv/qdrant`, or `inside the container`; of a request or of an answer."""
    if mount is None:
        return "inside the container"
    if mount.get("Type") == "volume":
        return f"volume {mount.get('Name') or mount.get('Source')}"
    if mount.get("Type") == "bind":
        return f"folder {mount.get('Source')}"
    return str(mount.get("Type"))

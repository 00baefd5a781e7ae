"""What is here, and what a first run would best do with it. Looks only, and quickly."""

import platform
import shutil
from pathlib import Path

from qdrant_admin.config.places import cache_dir, data_dir
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.errors import AdminError
from qdrant_admin.lifecycle.reports import SurveyReport
from qdrant_admin.server.runtime import RuntimeKind, StorageKind


def survey(settings: Settings) -> SurveyReport:
    """Engine, native binary, ports, place for the data, free disk, and a server of this profile's own."""
    from qdrant_admin.server.ports import is_free, listener, next_free

    profile = settings.profile
    engine, trouble, fix = _engine(settings)
    native = _binary(settings)
    possible = bool(native) or platform.system() == "Linux"
    recommended = _recommended(settings, bool(engine), possible)
    port_free, grpc_free = is_free(profile.host, profile.port), is_free(profile.host, profile.grpc_port)
    port = profile.port if port_free else next_free(profile.host, profile.port + 10)
    grpc = profile.grpc_port if grpc_free else next_free(profile.host, max(profile.grpc_port + 10, port + 1))
    kind, place = _storage(settings, recommended)
    return SurveyReport(
        engine=engine,
        engine_trouble=trouble,
        engine_fix=fix,
        image=profile.image,
        native=native,
        native_possible=possible,
        recommended=recommended,
        host=profile.host,
        port=profile.port,
        port_free=port_free,
        port_holder="" if port_free else listener(profile.host, profile.port),
        next_port=port,
        grpc_port=profile.grpc_port,
        grpc_port_free=grpc_free,
        next_grpc_port=grpc,
        storage_kind=kind,
        storage=place,
        free_bytes=free_bytes(data_dir()) if kind == "directory" else None,
        server=_server(settings),
    )


def _recommended(settings: Settings, engine: bool, native: bool) -> RuntimeKind:
    asked = settings.profile.runtime
    if asked != "auto":
        return asked
    return "docker" if engine or not native else "native"


def _engine(settings: Settings) -> tuple[str, str, str]:
    """Words, trouble, fix."""
    from qdrant_admin.server.docker.engine.discovery import find_engine

    try:
        return find_engine(settings.profile.docker_host).words, "", ""
    except AdminError as error:
        return "", str(error), error.fix


def _binary(settings: Settings) -> str:
    """A binary that is here; nothing is fetched for a survey."""
    import os

    named = os.environ.get("QDRANT_ADMIN_BINARY") or settings.profile.binary or shutil.which("qdrant")
    if named:
        return str(named) if Path(named).exists() else ""
    return next((str(path) for path in sorted(cache_dir().rglob("qdrant")) if path.is_file()), "")


def _storage(settings: Settings, runtime: RuntimeKind) -> tuple[StorageKind, str]:
    if runtime == "native":
        return "directory", str(settings.native_storage)
    if runtime == "remote":
        return "unknown", ""
    if settings.profile.storage:
        return "bind", str(settings.profile.storage)
    return "volume", settings.volume_name


def _server(settings: Settings) -> str:
    from qdrant_admin.server.runtime_choice import choose_runtime

    try:
        found = choose_runtime(settings).runtime.inspect()
    except AdminError:
        return "absent"
    return "foreign" if found.ours is False else found.state


def free_bytes(folder: Path) -> int | None:
    """Free space where a folder is, or would be made; None when nobody can tell."""
    for place in (folder, *folder.parents):
        if place.exists():
            try:
                return shutil.disk_usage(place).free
            except OSError:
                return None
    return None

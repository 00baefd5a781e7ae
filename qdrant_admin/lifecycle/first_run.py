"""What is here, and what a first run would best do with it. Looks only, and quickly."""

import platform

from qdrant_admin.config.places import data_dir
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.files import free_bytes
from qdrant_admin.lifecycle.reports import SurveyReport
from qdrant_admin.server.runtime import RuntimeKind, StorageKind


def survey(settings: Settings) -> SurveyReport:
    """Engine, native binary, ports, place for the data, free disk, and a server of this profile's own."""
    from qdrant_admin.server.native.binary import local_binary
    from qdrant_admin.server.ports import is_free, listener, next_free
    from qdrant_admin.server.surroundings import look_for_engine

    profile = settings.profile
    look, native = look_for_engine(settings), local_binary(settings)
    possible = native is not None or platform.system() == "Linux"
    recommended = _recommended(settings, bool(look.words), possible)
    port_free, grpc_free = is_free(profile.host, profile.port), is_free(profile.host, profile.grpc_port)
    port = profile.port if port_free else next_free(profile.host, profile.port + 10)
    grpc = profile.grpc_port if grpc_free else next_free(profile.host, max(profile.grpc_port + 10, port + 1))
    kind, place = _storage(settings, recommended)
    return SurveyReport(
        engine=look.words,
        engine_trouble=str(look.error or ""),
        engine_fix=look.error.fix_on(settings.name) if look.error else "",
        image=profile.image,
        native=str(native or ""),
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

"""What wants a person's eye, worst first, each with the command that mends it."""

from collections.abc import Iterator

from qdrant_admin.config.settings import Settings
from qdrant_admin.core.errors import AccessDenied, AdminError
from qdrant_admin.core.formatting import counted, size
from qdrant_admin.lifecycle.commands import command
from qdrant_admin.lifecycle.observation import Observation
from qdrant_admin.lifecycle.reports import Attention
from qdrant_admin.state.resumable_runs import InterruptedMigration

WRITES_REFUSED_BELOW = 128 * 1024**2
"""Qdrant refuses writes and deletes when less than twice its WAL capacity (64 MiB by default) is free."""
NEARLY_FULL_BELOW = 1024**3


def attention(settings: Settings, seen: Observation) -> tuple[Attention, ...]:
    """Every item, faults before warnings, otherwise in the order of how much depends on it."""
    items = [*_access(settings, seen), *_process(settings, seen), *_answers(settings, seen), *_data(settings, seen)]
    items += [*_storage(settings, seen), *_safety(settings, seen), *_unfinished(settings, seen)]
    return tuple(sorted(items, key=lambda item: item.level != "fail"))


def _said(error: AdminError, action: str = "doctor") -> Attention:
    return Attention(level="fail", text=str(error), fix=error.fix, action=action)


def _access(settings: Settings, seen: Observation) -> Iterator[Attention]:
    """What kept us from looking at all."""
    for part in ("runtime", "probe", "collections"):
        error = seen.troubles.get(part)
        if isinstance(error, AccessDenied):
            origin = settings.api_key_origin
            text = "the server asks for an API key and none is known" if settings.api_key is None else ""
            text = text or f"the server does not take the API key from {origin}: it is wrong, or may not read"
            yield Attention(level="fail", text=text, fix=error.fix or "export QDRANT_API_KEY=THE_KEY_OF_THIS_SERVER")
        elif error is not None:
            yield _said(error)


def _process(settings: Settings, seen: Observation) -> Iterator[Attention]:
    state = seen.state
    if state is None:
        return
    if seen.foreign:
        whose = state.name if state.ours is False else f"a Qdrant at {settings.endpoint.url}"
        elsewhere = command(
            settings, f"up --port {settings.profile.port + 10} --grpc-port {settings.profile.grpc_port + 10}"
        )
        yield Attention(
            level="warn", text=f"{whose} was not set up by us and is left alone", fix=command(settings, "adopt")
        )
        yield Attention(level="warn", text="a server of your own needs other ports", fix=elsewhere)
    elif state.state == "absent":
        yield Attention(level="fail", text="no server is set up", fix=command(settings, "up"), action="up")
    elif state.state == "stopped":
        yield Attention(level="fail", text="the server is stopped", fix=command(settings, "up"), action="up")
    elif state.state == "paused":
        yield Attention(level="fail", text="the server is paused", fix=command(settings, "restart"), action="restart")
    elif state.state == "restarting":
        text = f"the server ends and is restarted again and again, {counted(state.restarts, 'time')} so far"
        yield Attention(level="fail", text=text, fix=command(settings, "logs --tail 50"), action="logs")
    if state.diagnosis is not None:
        found = state.diagnosis
        text = f"{found.what}: {found.why}" if found.why else found.what
        yield Attention(level="fail" if found.severe else "warn", text=text, fix=found.fix, action="logs")
    if state.restarts and state.state == "running":
        text = f"it was restarted {counted(state.restarts, 'time')} without anyone asking for it"
        yield Attention(level="warn", text=text, fix=command(settings, "logs --tail 200"), action="logs")


def _answers(settings: Settings, seen: Observation) -> Iterator[Attention]:
    """What the server says of itself, beyond a 200 from /readyz."""
    probe, running = seen.probe, seen.state is None or seen.state.state in {"running", "unknown"}
    if probe is None or not (running or probe.answers):
        return
    if not probe.answers:
        text = f"nothing answers at {seen.endpoint.url}" + (f": {probe.error}" if probe.error else "")
        yield Attention(level="fail", text=text, fix=command(settings, "logs --tail 50"), action="logs")
        return
    if not probe.is_qdrant:
        yield Attention(level="fail", text=_impostor(settings, seen), fix=command(settings, "doctor"), action="doctor")
        return
    if not probe.ready:
        yield Attention(level="fail", text="/readyz does not say ready", fix=command(settings, "logs"), action="logs")
    if probe.recovery_mode:
        text = "recovery mode: collections are listed, and cannot be read until it is started without it"
        yield Attention(level="fail", text=text, fix=command(settings, "logs --tail 200"), action="logs")
    if seen.endpoint.grpc_port is not None and probe.grpc_open is False:
        text = f"gRPC does not answer at {seen.endpoint.grpc_host}:{seen.endpoint.grpc_port}"
        yield Attention(level="warn", text=text, fix=command(settings, "restart"), action="restart")


def _impostor(settings: Settings, seen: Observation) -> str:
    from qdrant_admin.server.ports import listener

    if seen.kind == "remote":
        return f"what answers at {seen.endpoint.url} is no Qdrant"
    who = listener(settings.profile.host, settings.profile.port)
    return f"port {settings.profile.port} is held by something that is no Qdrant" + (f": {who}" if who else "")


def _data(settings: Settings, seen: Observation) -> Iterator[Attention]:
    for found in seen.collections or ():
        show = command(settings, f"collections show {found.name}")
        if found.trouble:
            text = f"collection {found.name} cannot be read: {found.trouble}"
            yield Attention(level="fail", text=text, fix=show, action="logs")
        elif found.status == "red" or found.optimizer_error:
            text = f"collection {found.name} is {found.status}: {found.optimizer_error or 'an operation failed'}"
            yield Attention(level="fail" if found.status == "red" else "warn", text=text, fix=show, action="logs")


def _storage(settings: Settings, seen: Observation) -> Iterator[Attention]:
    if seen.state is None or seen.state.state == "absent" or seen.foreign:
        return
    storage = seen.state.storage
    if storage.kind == "container":
        text = "no volume: the data dies with the container"
        yield Attention(level="warn", text=text, fix=command(settings, "doctor"), action="doctor")
    elif storage.sound is False:
        text = f"storage {storage.source} is not sound: {storage.detail}"
        yield Attention(level="warn", text=text, fix=command(settings, "doctor"), action="doctor")
    free = storage.free_bytes
    if free is not None and free < NEARLY_FULL_BELOW:
        refused = free < WRITES_REFUSED_BELOW
        text = f"only {size(free)} free where the data lies" + (": Qdrant refuses writes" if refused else "")
        yield Attention(level="fail" if refused else "warn", text=text, fix=f'df -h "{storage.source or "."}"')


def _safety(settings: Settings, seen: Observation) -> Iterator[Attention]:
    if seen.foreign or seen.kind == "remote" or seen.state is None or seen.state.state == "absent":
        return
    if seen.changes:
        differing = ", ".join(f"{change.setting} {change.current} → {change.wanted}" for change in seen.changes)
        text = f"it runs with other settings than the profile asks for: {differing}"
        yield Attention(level="warn", text=text, fix=command(settings, "up --apply"), action="apply")
    if seen.probe is not None and seen.probe.key_wanted is False:
        yield no_key(settings)
    if seen.kind == "docker" and seen.state.restart_policy in {"no", "on-failure"}:
        text = f"restart policy {seen.state.restart_policy}: it does not come back with the machine"
        fix = command(settings, "up --restart-policy unless-stopped --apply")
        yield Attention(level="warn", text=text, fix=fix, action="apply")


def _unfinished(settings: Settings, seen: Observation) -> Iterator[Attention]:
    if seen.interrupted_check is not None:
        began = f"{seen.interrupted_check.astimezone():%Y-%m-%d %H:%M}"
        text = f"the check of {began} was cut off before its second look, so it has proven nothing yet"
        yield Attention(level="warn", text=text, fix=command(settings, "verify --finish"), action="finish_check")
    stopped, names = seen.interrupted_migrations, {found.name for found in seen.collections or ()}
    for one in stopped:
        held = [name for name in one.held if name in names]
        if held:
            text = f"a migration was killed and holds back the indexing of {', '.join(held)}: searches there are slow"
            yield Attention(level="warn", text=text, fix=_resume(settings, one), action="migrate")
    if stopped and not any(one.held for one in stopped):
        more = f", the latest of {counted(len(stopped), 'migration')} that were" if len(stopped) > 1 else " was"
        text = f"the migration of {stopped[0].source}{more} stopped half-way"
        yield Attention(level="warn", text=text, fix=_resume(settings, stopped[0]), action="migrate")


def _resume(settings: Settings, one: InterruptedMigration) -> str:
    return command(settings, f"migrate --resume {one.run}")


def no_key(settings: Settings) -> Attention:
    """No API key: any web page can send requests to a port on loopback, and they need no permission to be written."""
    fix = command(settings, "up --api-key auto --apply")
    if settings.published_openly:
        text = f"published on {settings.profile.host} without an API key: whoever reaches this machine owns the data"
        return Attention(level="fail", text=text, fix=fix, action="add_key")
    text = "no API key: any web page opened on this machine can reach the server, and can empty it"
    return Attention(level="warn", text=text, fix=fix, action="add_key")

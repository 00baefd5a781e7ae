"""Bring the server up: as often as you like, with the same result."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qdrant_admin.config.file import default_profile, read_profiles, write_profile
from qdrant_admin.config.profile import Profile, RestartPolicy, RuntimeChoice
from qdrant_admin.config.profiles import add_key
from qdrant_admin.config.secrets import read_key
from qdrant_admin.config.settings import load_settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command, Option
from qdrant_admin.core.errors import AccessDenied, AdminError, Cancelled, PortTaken, Refused, ServerNotReady
from qdrant_admin.core.events import Events, Finished, Notice, StepFinished, StepStarted
from qdrant_admin.lifecycle.before_start import checked
from qdrant_admin.lifecycle.down import refuse_foreign
from qdrant_admin.lifecycle.existing import name_existing
from qdrant_admin.lifecycle.finding_words import text
from qdrant_admin.lifecycle.findings import WITHOUT_KEY
from qdrant_admin.lifecycle.observation import last_look
from qdrant_admin.lifecycle.ready import wait_ready
from qdrant_admin.lifecycle.reports import StatusReport, UpReport
from qdrant_admin.lifecycle.status import status
from qdrant_admin.server.runtime import Change, RuntimeState
from qdrant_admin.state import run_locks
from qdrant_admin.workspace import Workspace, operation

_KEPT = ("runtime", "port", "grpc_port", "image", "volume", "storage", "restart_policy")


@dataclass(frozen=True)
class UpOptions:
    """What a server is asked to be. None: as the profile has it."""

    runtime: RuntimeChoice | None = None
    port: int | None = None
    grpc_port: int | None = None
    image: str | None = None
    volume: str | None = None
    storage: Path | None = None
    restart_policy: RestartPolicy | None = None
    ready_timeout: float | None = None
    """For this start alone; the others are kept in the profile."""
    api_key: Literal["auto", "none"] | None = None
    """`auto`: make and keep one where there is none; `none`: without one, this time."""
    apply: bool = False
    accept: bool = False
    """What is there once it runs is known from then on, whatever is missing."""
    use_existing: bool = False
    """Use the Qdrant of somebody else that answers at the profile's address, in a profile of its own."""

    def kept(self) -> dict[str, object]:
        """What the profile keeps of it, by the profile's keys."""
        given = {key: value for key in _KEPT if (value := getattr(self, key)) is not None}
        if self.storage is not None:
            given["storage"] = self.storage.expanduser().absolute()
        return given

    def over(self) -> dict[str, object]:
        """What goes over the profile for this start: `load_settings(name, options.over())`."""
        return {**self.kept(), "ready_timeout": self.ready_timeout}


def bring_up(ws: Workspace, options: UpOptions, *, cancel: CancelToken) -> Events:
    """Bring the server up as it was asked for, and keep that in the profile, where the next `status` looks for it.

    The workspace is opened with `options.over()` over its profile. Raises what `up` and `add_key` raise.
    """
    settings = ws.settings
    if options.use_existing:
        yield from _use_existing(ws, cancel)
        return
    if options.api_key == "auto" and settings.api_key is None:
        with contextlib.ExitStack() as alone:
            yield from run_locks.server_of(settings.name).taken(alone, cancel)
            ws = _with_kept_key(ws)
            if ws.settings.api_key is None:
                ws = dataclasses.replace(ws, settings=add_key(settings))
                yield Notice(text=f"a new API key is kept in {ws.settings.api_key_origin}")
    elif options.api_key == "none":
        without = {"api_key": None, "api_key_origin": "flag --api-key", "key_declined": True}
        ws = dataclasses.replace(ws, settings=settings.model_copy(update=without))
    try:
        for event in up(ws, apply=options.apply, accept=options.accept, cancel=cancel):
            if isinstance(event, Finished):
                yield from _keep(settings.name, options)
            yield event
    except (ServerNotReady, Cancelled):  # it may run by now, and must be found again
        yield from _keep(settings.name, options)
        raise


def _with_kept_key(ws: Workspace) -> Workspace:
    """The same with the key that somebody else has made since the settings were read, if there is one."""
    settings = ws.settings
    if settings.api_key is not None or settings.key_declined or (key := read_key(settings.name)) is None:
        return ws
    found = {"api_key": key.value, "api_key_origin": key.where}
    return dataclasses.replace(ws, settings=settings.model_copy(update=found))


def _use_existing(ws: Workspace, cancel: CancelToken) -> Events:
    before, name = default_profile(), name_existing(ws)
    existing = dataclasses.replace(ws, settings=load_settings(name))
    url = existing.settings.endpoint.url
    yield Notice(text=f"profile {name} names the server at {url}: it is used as it is, and left to whoever runs it")
    if default_profile() != before:
        back = Command("profiles", "use", before)
        yield Notice(text=f"profile {name} is the default from now on; to go back: {back}")
    yield from up(existing, cancel=cancel)


def _keep(name: str, options: UpOptions) -> Events:
    now = read_profiles().get(name, Profile())
    new = {key: value for key, value in options.kept().items() if getattr(now, key) != value}
    if not new:
        return
    words = ", ".join(f"{key} = {value}" for key, value in new.items())
    for key, other in (("volume", "storage"), ("storage", "volume")):
        if key in new:
            new.setdefault(other, None)
    write_profile(name, new)
    yield Notice(text=f"kept in profile {name}: {words}")


@operation("up")
def up(ws: Workspace, *, apply: bool = False, accept: bool = False, cancel: CancelToken) -> Events:
    """Choose a runtime, start the server if it is down, wait until it is ready. Ends with an `UpReport`.

    Args:
        ws: the profile.
        apply: make a running server as the profile asks, by recreating it on the same data. Without it, differences
            are only shown.
        accept: take what is there for known, and show what is missing.
        cancel: stops between two steps; what was started stays.

    Raises:
        Refused: it runs at another address than the profile says, and `apply` was not given; or it would begin without
            the known data, or with a version that may not open it.
        NotOurs, PortTaken, ImageUnavailable, BinaryUnavailable, EngineUnavailable, StorageUnusable, ServerNotReady.
    """
    begun = time.monotonic()
    yield StepStarted(step="choose", title="choosing how to run it")
    runtime = ws.runtime
    yield StepFinished(step="choose", detail=ws.choice.why)
    for note in (*ws.settings.notices, *ws.choice.notes):
        yield Notice(text=note)
    cancel.check()
    started = False
    if runtime.capabilities.start:
        with contextlib.ExitStack() as alone:
            yield from run_locks.server_of(ws.settings.name).taken(alone, cancel)
            ws = _with_kept_key(ws)
            before = ws.runtime.inspect()
            started = before.beside or before.state not in {"running", "restarting"}
            yield from _make_it_run(ws, before, apply, accept, cancel)
    try:
        yield from wait_ready(ws, cancel=cancel)
    except AccessDenied as denied:
        _refuse_key(ws, denied)
        raise
    if accept:
        yield from _accept(ws, cancel)
    report = report_up(ws, started=started, begun=begun)
    for finding in report.findings:
        if finding.code in WITHOUT_KEY:
            yield Notice(level="warning", text=text(finding), fix=finding.command)
    yield Finished(report=report)


def _accept(ws: Workspace, cancel: CancelToken) -> Events:
    """Its own entry in the history; here it is a step of the start."""
    from qdrant_admin.lifecycle.accept import AcceptReport
    from qdrant_admin.lifecycle.accept import accept as take_for_known

    for event in take_for_known(ws, cancel=cancel):
        if not isinstance(event, Finished):
            yield event
        elif isinstance(event.report, AcceptReport):
            for sentence in event.report.accepted:
                yield Notice(level="warning", text=f"accepted: {sentence}")


def _make_it_run(ws: Workspace, before: RuntimeState, apply: bool, accept: bool, cancel: CancelToken) -> Events:
    if not before.beside:
        refuse_foreign(ws, before, "touched")
    new = before.beside or before.state == "absent"
    if new or before.state == "stopped":
        _refuse_taken_ports(ws)
    if apply or new or before.state not in {"running", "restarting"}:
        ws = checked(ws, accept=accept, apply=apply)
    runtime = ws.runtime
    changes = [] if new else runtime.differences()
    if changes and apply:
        yield from last_look(ws)
        yield from runtime.apply(cancel)
        return
    for change in changes:
        text = f"{change.setting} is {change.current}, and the profile asks for {change.wanted}"
        yield Notice(level="warning", text=text, fix=_command(ws, apply=True))
    if any(change.moves for change in changes):
        _refuse_elsewhere(ws, changes)
    if any(change.locks_out for change in changes):
        raise _another_key(ws, "it was started with another one")
    if before.beside or before.state != "running":
        yield from runtime.start(cancel)


def _refuse_key(ws: Workspace, denied: AccessDenied) -> None:
    """Name what heals it where the server has its key from elsewhere than from us, such as a file of its own."""
    if ws.runtime.capabilities.start and any(one.setting == "API key" for one in ws.runtime.differences()):
        raise _another_key(ws, denied.what) from denied


def _another_key(ws: Workspace, why: str) -> AccessDenied:
    return AccessDenied(
        f"the server has another API key than the one from {ws.settings.api_key_origin}",
        why=f"{why}, so nothing of it can be looked at; applying this one restarts it",
        fix=_command(ws, apply=True),
    )


def _refuse_elsewhere(ws: Workspace, changes: list[Change]) -> None:
    """Nobody can wait for a server at an address on which it does not run."""
    moved = [change for change in changes if change.moves]
    profile = ws.settings.profile
    raise Refused(
        "the server answers at another address than the one asked for",
        why=", ".join(f"{change.setting} is {change.current}, not {change.wanted}" for change in moved)
        + "; moving it means recreating it on the same data, which interrupts it",
        fix=_command(ws, port=profile.port, grpc_port=profile.grpc_port, apply=True),
    )


def _refuse_taken_ports(ws: Workspace) -> None:
    """Say who is in the way before anything is fetched or made."""
    from qdrant_admin.server.health import probe
    from qdrant_admin.server.listener import cautious
    from qdrant_admin.server.ports import is_free, listener, next_free

    profile = ws.settings.profile
    for port in (profile.port, profile.grpc_port):
        if is_free(profile.host, port):
            continue
        free = next_free(profile.host, max(profile.port, profile.grpc_port) + 1)
        elsewhere = _command(ws, port=free, grpc_port=next_free(profile.host, free + 1))
        who = listener(profile.host, port) or "a program that this account may not see"
        if port == profile.port and probe(cautious(ws.runtime)).is_qdrant:
            _refuse_own_elsewhere(ws)
            why = f"a Qdrant that qdrant-admin does not manage answers there ({ws.runtime.stranger() or who})"
            raise PortTaken(
                f"port {port} is taken",
                why="\n".join((why, f"a server of your own beside it: {elsewhere}", *_adoption(ws))),
                fix=_command(ws, use_existing=True),
            )
        raise PortTaken(f"port {port} is taken", why=f"{who} listens there", fix=elsewhere)


def _refuse_own_elsewhere(ws: Workspace) -> None:
    """Raise `PortTaken` where it is this profile's own server on its other runtime that answers."""
    from qdrant_admin.lifecycle.elsewhere import elsewhere

    known, _ = elsewhere(ws, ws.runtime.kind)
    if known is None:
        return
    profile = ws.settings.profile.model_copy(update={"runtime": known.runtime})
    other = dataclasses.replace(ws, settings=ws.settings.model_copy(update={"profile": profile}))
    try:
        own = other.runtime.owned().rest
    except AdminError:  # nobody can tell: it is taken for a stranger
        return
    if own:
        raise PortTaken(
            f"port {profile.port} is taken",
            why=f"this profile's own server answers there, with its data in {known.place}",
            fix=_command(ws, runtime=known.runtime),
        )


def _adoption(ws: Workspace) -> Iterator[str]:
    if name := ws.runtime.adoptable():
        naming = Command("profiles", "set", ws.settings.name, f"container={name}")
        yield f"to let qdrant-admin manage it: {naming}, then {Command('adopt').on(ws.settings.name)}"


def _command(ws: Workspace, **options: Option) -> str:
    return str(Command("up", **options).on(ws.settings.name))


def report_up(ws: Workspace, *, started: bool, begun: float) -> UpReport:
    """The status now, as the report of an operation that began at `begun` (monotonic seconds)."""
    now = status(ws)
    seen = {name: getattr(now, name) for name in StatusReport.__struct_fields__}
    return UpReport(**seen, started=started, why=ws.choice.why, seconds=time.monotonic() - begun)

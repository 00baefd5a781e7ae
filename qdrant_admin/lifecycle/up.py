"""Bring the server up: as often as you like, with the same result."""

import time

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import PortTaken, Refused
from qdrant_admin.core.events import Events, Finished, Notice, StepFinished, StepStarted
from qdrant_admin.lifecycle.commands import command
from qdrant_admin.lifecycle.down import refuse_foreign
from qdrant_admin.lifecycle.finding_words import text
from qdrant_admin.lifecycle.findings import WITHOUT_KEY
from qdrant_admin.lifecycle.ready import wait_ready
from qdrant_admin.lifecycle.reports import StatusReport, UpReport
from qdrant_admin.lifecycle.status import status
from qdrant_admin.server.runtime import Change, RuntimeState
from qdrant_admin.state.history import recorded
from qdrant_admin.workspace import Workspace


def up(ws: Workspace, *, apply: bool = False, cancel: CancelToken) -> Events:
    """Choose a runtime, start the server if it is down, wait until it is ready. Ends with an `UpReport`.

    Args:
        ws: the profile.
        apply: make a running server as the profile asks, by making it anew on the same data. Without it, differences
            are only shown.
        cancel: stops between two steps; what was started stays.

    Raises:
        Refused: it runs at another address than the profile says, and `apply` was not given.
        NotOurs, PortTaken, ImageUnavailable, BinaryUnavailable, EngineUnavailable, StorageUnusable, ServerNotReady.
    """
    return recorded(ws.store, "up", ws.settings.name, _up(ws, apply=apply, cancel=cancel))


def _up(ws: Workspace, *, apply: bool, cancel: CancelToken) -> Events:
    begun = time.monotonic()
    yield StepStarted(step="choose", title="choosing how to run it")
    runtime = ws.runtime
    yield StepFinished(step="choose", detail=ws.choice.why)
    for note in (*ws.settings.notices, *ws.choice.notes):
        yield Notice(text=note)
    cancel.check()
    started = False
    if runtime.capabilities.start:
        before = runtime.inspect()
        refuse_foreign(ws, before, "touched")
        if before.state == "absent":
            _refuse_taken_ports(ws)
        started = before.state not in {"running", "restarting"}
        yield from _make_it_run(ws, before, apply, cancel)
    yield from wait_ready(ws, cancel=cancel)
    report = report_up(ws, started=started, begun=begun)
    for finding in report.findings:
        if finding.code in WITHOUT_KEY:
            yield Notice(level="warning", text=text(finding), fix=finding.command)
    yield Finished(report=report)


def _make_it_run(ws: Workspace, before: RuntimeState, apply: bool, cancel: CancelToken) -> Events:
    runtime = ws.runtime
    changes = [] if before.state == "absent" else runtime.differences()
    if changes and apply:
        yield from runtime.apply(cancel)
        return
    for change in changes:
        text = f"{change.setting} is {change.current}, and the profile asks for {change.wanted}"
        yield Notice(level="warning", text=text, fix=command(ws.settings, "up --apply"))
    if any(change.moves for change in changes):
        _refuse_elsewhere(ws, changes)
    if before.state != "running":
        yield from runtime.start(cancel)


def _refuse_elsewhere(ws: Workspace, changes: list[Change]) -> None:
    """Nobody can wait for a server at an address on which it does not run."""
    moved = [change for change in changes if change.moves]
    profile = ws.settings.profile
    raise Refused(
        "the server answers at another address than the one asked for",
        why=", ".join(f"{change.setting} is {change.current}, not {change.wanted}" for change in moved)
        + "; moving it means making it anew on the same data, which interrupts it",
        fix=command(ws.settings, f"up --port {profile.port} --grpc-port {profile.grpc_port} --apply"),
    )


def _refuse_taken_ports(ws: Workspace) -> None:
    """Say who is in the way before anything is fetched or made."""
    from qdrant_admin.server.health import probe
    from qdrant_admin.server.ports import is_free, listener, next_free

    profile = ws.settings.profile
    for port in (profile.port, profile.grpc_port):
        if is_free(profile.host, port):
            continue
        free = next_free(profile.host, max(profile.port, profile.grpc_port) + 1)
        elsewhere = command(ws.settings, f"up --port {free} --grpc-port {next_free(profile.host, free + 1)}")
        who = listener(profile.host, port) or "a program that this account may not see"
        if port == profile.port and probe(ws.runtime.endpoint).is_qdrant:
            why = f"a Qdrant that was not set up by us answers there ({who}); to take it over: "
            raise PortTaken(f"port {port} is taken", why=why + command(ws.settings, "adopt"), fix=elsewhere)
        raise PortTaken(f"port {port} is taken", why=f"{who} listens there", fix=elsewhere)


def report_up(ws: Workspace, *, started: bool, begun: float) -> UpReport:
    """The status now, as the report of an operation that began at `begun` (monotonic seconds)."""
    now = status(ws)
    seen = {name: getattr(now, name) for name in StatusReport.model_fields}
    return UpReport(**seen, started=started, why=ws.choice.why, seconds=time.monotonic() - begun)

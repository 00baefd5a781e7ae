"""Look at everything a Qdrant depends on, one check after the other, each with its evidence and a way out."""

from collections.abc import Callable

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Events, Finished, Outcome, StepFinished, StepStarted
from qdrant_admin.lifecycle import checks
from qdrant_admin.lifecycle.observation import observe
from qdrant_admin.lifecycle.reports import Check, CheckStatus, DoctorReport
from qdrant_admin.lifecycle.status import report_of
from qdrant_admin.state.history import recorded
from qdrant_admin.workspace import Workspace

CHECKS: dict[str, Callable[[checks.Context], Check]] = {
    "python": checks.python,
    "packages": checks.packages,
    "folders": checks.folders,
    "terminal": checks.terminal,
    "context": checks.docker_context,
    "engine": checks.engine,
    "server": checks.server,
    "ports": checks.ports,
    "image": checks.image,
    "open files": checks.open_files,
    "storage": checks.storage,
    "sharing": checks.sharing,
    "leftovers": checks.leftovers,
    "disk": checks.disk,
    "log": checks.log,
    "reachable": checks.reachable,
    "grpc": checks.grpc,
    "api key": checks.api_key,
    "collections": checks.collections,
    "migrations": checks.migrations,
    "settings": checks.settings,
}
_OUTCOMES: dict[CheckStatus, Outcome] = {"ok": "ok", "warn": "warning", "fail": "failed", "unknown": "skipped"}


def doctor(ws: Workspace, *, cancel: CancelToken) -> Events:
    """Run every check. Never raises for what it finds; ends with a `DoctorReport`."""
    return recorded(ws.store, "doctor", ws.settings.name, _doctor(ws, cancel))


def _doctor(ws: Workspace, cancel: CancelToken) -> Events:
    seen = observe(ws)
    context = checks.Context(ws, seen, report_of(ws.settings, seen))
    made: list[Check] = []
    for name, check in CHECKS.items():
        cancel.check()
        yield StepStarted(step=name, title=f"checking {name}")
        made.append(_made(name, check, context))
        yield StepFinished(step=name, outcome=_OUTCOMES[made[-1].status], detail=made[-1].detail)
    yield Finished(report=DoctorReport(checks=tuple(made)))


def _made(name: str, check: Callable[[checks.Context], Check], context: checks.Context) -> Check:
    """One check's result; one that cannot be made says so and costs no other."""
    try:
        made = check(context)
    except AdminError as error:
        fix = error.fix_on(context.ws.settings.name)
        made = Check(status="unknown", detail=f"could not be looked at: {error}", fix=fix)
    except Exception as error:  # noqa: BLE001 # a doctor is called when things are broken in ways nobody foresaw
        detail = f"could not be looked at: {type(error).__name__}: {error}"
        made = Check(status="unknown", detail=detail)
    itself = made.fix == context.command("doctor")  # it is running, and another check tells what to do
    return made.model_copy(update={"name": name, "fix": context.command("logs", tail=50) if itself else made.fix})

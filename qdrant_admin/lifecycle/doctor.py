"""Look at everything a Qdrant depends on, one check after the other, each with its evidence and a way out."""

from collections.abc import Callable

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Events, Finished, Outcome, StepFinished, StepStarted
from qdrant_admin.lifecycle.checks import CHECKS
from qdrant_admin.lifecycle.facts import Facts
from qdrant_admin.lifecycle.observation import observe
from qdrant_admin.lifecycle.reports import Check, CheckStatus, DoctorReport
from qdrant_admin.lifecycle.status import report_of
from qdrant_admin.state.history import recorded
from qdrant_admin.workspace import Workspace

_OUTCOMES: dict[CheckStatus, Outcome] = {"ok": "ok", "warn": "warning", "fail": "failed"}


def doctor(ws: Workspace, *, cancel: CancelToken) -> Events:
    """Run every check. Never raises for what it finds; ends with a `DoctorReport`."""
    return recorded(ws.store, "doctor", ws.settings.name, _doctor(ws, cancel))


def _doctor(ws: Workspace, cancel: CancelToken) -> Events:
    seen = observe(ws)
    facts = Facts(ws, seen, report_of(ws.settings, seen))
    made: list[Check] = []
    for name, check in CHECKS.items():
        cancel.check()
        yield StepStarted(step=name, title=f"looking at {name}")
        made.append(_isolated(name, check, facts))
        yield StepFinished(step=name, outcome=_OUTCOMES[made[-1].status], detail=made[-1].detail)
    yield Finished(report=DoctorReport(checks=tuple(made)))


def _isolated(name: str, check: Callable[[Facts], Check], facts: Facts) -> Check:
    """One check's result; a check that cannot be made says so and costs no other."""
    try:
        return check(facts)
    except AdminError as error:
        return Check(name=name, status="warn", detail=f"could not be looked at: {error}", fix=error.fix)
    except Exception as error:  # noqa: BLE001 # a doctor is called when things are broken in ways nobody foresaw
        return Check(name=name, status="warn", detail=f"could not be looked at: {type(error).__name__}: {error}")

"""What screens may ask of the operations. Tests give the app canned, frozen reports instead.

Everything here may block and is called in a thread (`BaseScreen.ask`, or a job): heavy imports happen here, inside.
No use case lives here: what takes more than one call is an operation of its own, which the command line uses too.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, NotFound

if TYPE_CHECKING:
    from qdrant_admin.collections.reports import CollectionsReport, PointReport, PointsReport
    from qdrant_admin.config.profile import Profile
    from qdrant_admin.config.settings import Settings
    from qdrant_admin.core.blocks import Blocks
    from qdrant_admin.core.events import Events
    from qdrant_admin.core.reports import Report
    from qdrant_admin.database.models import PointId
    from qdrant_admin.lifecycle.reports import StatsReport, StatusReport, SurveyReport
    from qdrant_admin.lifecycle.up import UpOptions
    from qdrant_admin.migration.checkpoint import StoredRun
    from qdrant_admin.migration.plan import PlanOptions
    from qdrant_admin.migration.reports import MigrationReport, PlanReport
    from qdrant_admin.persistence.past_checks import PastProof, TrendReport
    from qdrant_admin.persistence.reports import CrashOptions, CrashReport, MovePlanReport, VerifyOptions, VerifyReport
    from qdrant_admin.server.runtime import RestartMethod
    from qdrant_admin.state.store import HistoryEntry
    from qdrant_admin.workspace import Workspace

REPORTS = {
    "up": "lifecycle.reports:UpReport",
    "restart": "lifecycle.reports:UpReport",
    "adopt": "lifecycle.reports:StatusReport",
    "down": "lifecycle.reports:DownReport",
    "doctor": "lifecycle.reports:DoctorReport",
    "accept": "lifecycle.accept:AcceptReport",
    "move-storage": "persistence.reports:MoveReport",
    "delete": "collections.reports:DeleteReport",
    "discard": "migration.runs:DiscardReport",
    "export": "migration.export:ExportReport",
    "demo": "demo.reports:DemoReport",
}
"""What is kept of an operation; those of migrations and checks are shown in areas of their own."""
ReportT = TypeVar("ReportT", bound="Report")


def operation(place: str, takes: "Callable[[Workspace], object]" = lambda ws: ws) -> "Callable[..., Any]":
    """An operation as a method of `Services`. It is imported by its first caller; first it is given what it `takes`."""

    def call(services: "Services", *given: object, **named: object) -> object:
        return resolve_name(f"qdrant_admin.{place}")(takes(services.workspace), *given, **named)

    return call


def job(place: str) -> "Callable[..., Events]":
    """An operation as a job: the last thing that its method is given is the token that stops it."""
    start: Callable[..., Events] = operation(place)

    def call(services: "Services", *given: object, **named: object) -> "Events":
        *chosen, cancel = given
        return start(services, *chosen, cancel=cancel, **named)

    return call


class PastCheck(NamedTuple):
    """A check or a crash test that came to an end, and its report."""

    entry: "HistoryEntry"
    report: "VerifyReport | CrashReport"


class Services:
    """The operations of one profile. Opened cheaply; `use` opens another one."""

    def __init__(self, profile: str | None = None) -> None:
        self.named = profile or ""
        """The profile that was named; empty for the default one."""
        self._workspace: Workspace | None = None

    @property
    def profile(self) -> str:
        """Name of the profile in use. Reads at most the configuration file."""
        if self._workspace is not None:
            return self._workspace.settings.name
        return self.named or self.default()

    @property
    def workspace(self) -> "Workspace":
        """The opened profile.

        Raises:
            AdminError: the configuration cannot be read.
        """
        if self._workspace is None:
            from qdrant_admin.config.places import state_file
            from qdrant_admin.config.settings import load_settings
            from qdrant_admin.state.store import StateStore
            from qdrant_admin.workspace import Workspace

            self._workspace = Workspace(load_settings(self.named or None), StateStore(state_file()))
        return self._workspace

    def use(self, name: str) -> None:
        from qdrant_admin.config.settings import load_settings

        opened = replace(self.workspace, settings=load_settings(name))
        self.named, self._workspace = name, opened

    def remove_profile(self, name: str) -> None:
        """Forget a profile, its key, and what was known of its storages."""
        from qdrant_admin.config.profiles import remove_profile
        from qdrant_admin.state.inventory import forget

        remove_profile(name)
        forget(self.workspace.store, name)

    def use_existing(self) -> str:
        """Open a profile for the server of others at this one's address; returns its name."""
        from qdrant_admin.lifecycle.existing import name_existing

        name = name_existing(self.workspace)
        self.use(name)
        return name

    def reload(self) -> None:
        """Read the settings and choose the runtime again, at the next question."""
        self._workspace = None

    def now(self) -> datetime:
        return datetime.now(UTC)

    def fix(self, error: AdminError) -> str:
        """What to do about an error now, as it can be pasted: on the profile in use."""
        try:
            return error.fix_on(self.profile)
        except AdminError:  # the configuration is what is broken
            return error.fix_on(None)

    def stored(self, entry: "HistoryEntry", kind: "type[ReportT]") -> "ReportT":
        """The report of one finished operation.

        Raises:
            NotFound: there is none, or this version cannot read it.
        """
        from qdrant_admin.state.records import Unreadable, load

        report = load(kind, self.report_json(entry.id))
        if isinstance(report, Unreadable):
            raise NotFound("this report cannot be read", why=report.why)
        return report

    def history(self, limit: int = 50) -> "list[HistoryEntry]":
        return self.workspace.store.history(limit=limit)

    def report_blocks(self, entry: "HistoryEntry") -> "Blocks":
        """What the report of a finished operation says; every value of it where this build cannot read it."""
        from qdrant_admin.core.blocks import fields
        from qdrant_admin.core.reports import Report
        from qdrant_admin.state.records import Unreadable, load

        text = self.report_json(entry.id)
        kind: type[Report] = resolve_name(f"qdrant_admin.{REPORTS.get(entry.operation, 'core.reports:Report')}")
        report = load(kind, text)
        return fields(json.loads(text)) if isinstance(report, Unreadable) else report.blocks()

    def report_json(self, entry: int) -> str:
        return self.workspace.store.report_json(entry)

    def past(self, operation: str, kind: "type[ReportT]", limit: int) -> "list[tuple[HistoryEntry, ReportT]]":
        """Operations of this profile that came to an end, newest first, each with its report where it can be read."""
        from qdrant_admin.state.records import Unreadable, load

        rows = self.workspace.store.reports(operation, self.profile, limit)
        found = [(entry, load(kind, text)) for entry, text in rows]
        return [(entry, report) for entry, report in found if not isinstance(report, Unreadable)]

    # which Qdrants there are, and their settings

    def settings(self) -> "Settings":
        return self.workspace.settings

    def known(self) -> "dict[str, Profile]":
        """Every profile of the file, and the one in use even if the file does not name it."""
        from qdrant_admin.config.file import read_profiles

        return {self.profile: self.settings().profile} | read_profiles()

    def default(self) -> str:
        from qdrant_admin.config.file import default_profile

        return default_profile()

    def save(self, name: str, changes: Mapping[str, object]) -> None:
        from qdrant_admin.config.file import write_profile

        write_profile(name, changes)
        if name == self.profile:
            self.reload()

    def store_key(self, key: str) -> str:
        """Keep an API key for the profile in use; returns where it lies, in words."""
        from qdrant_admin.config.secrets import store_key
        from qdrant_admin.core.values import SecretStr

        where = store_key(self.profile, SecretStr(key))
        self.reload()
        return where

    def add_key(self) -> str:
        """Generate and store an API key for the profile in use; returns where it lies, in words."""
        from qdrant_admin.config.profiles import add_key
        from qdrant_admin.state.run_locks import server_of

        with server_of(self.profile).held():
            changed = add_key(self.workspace.settings)
        self.reload()
        return changed.api_key_origin

    environment: "Callable[..., list[str]]" = operation("lifecycle.env:lines")

    # how Qdrant runs

    status: "Callable[[], StatusReport]" = operation("lifecycle.status:status")
    stats: "Callable[[], StatsReport]" = operation("lifecycle.logs:stats")
    logs: "Callable[..., Iterator[list[str]]]" = operation("lifecycle.logs:logs")
    up: "Callable[..., Events]" = job("lifecycle.up:up")
    down: "Callable[[CancelToken], Events]" = job("lifecycle.down:down")
    restart: "Callable[[RestartMethod, CancelToken], Events]" = job("lifecycle.restart:restart")
    adopt: "Callable[[CancelToken], Events]" = job("lifecycle.adopt:adopt")
    doctor: "Callable[[CancelToken], Events]" = job("lifecycle.doctor:doctor")
    accept: "Callable[[CancelToken], Events]" = job("lifecycle.accept:accept")
    plan_move: "Callable[[], MovePlanReport]" = operation("persistence.move_storage:plan_move")
    survey: "Callable[[], SurveyReport]" = operation("lifecycle.first_run:survey", lambda ws: ws.settings)

    def set_up(self, options: "UpOptions", cancel: CancelToken) -> "Events":
        from qdrant_admin.config.settings import load_settings
        from qdrant_admin.lifecycle.up import bring_up

        chosen = replace(self.workspace, settings=load_settings(self.profile, options.over()))
        try:
            yield from bring_up(chosen, options, cancel=cancel)
        finally:
            self.reload()

    def interrupted_by_engine(self) -> tuple[str, ...]:
        """Names of what else a restart of the container engine interrupts."""
        return self.workspace.runtime.interrupts("engine")

    def move_storage(self, cancel: CancelToken) -> "Events":
        from qdrant_admin.persistence.move_storage import move_storage

        yield from move_storage(self.workspace, cancel=cancel)
        self.reload()  # the profile may name another volume now

    # what the server holds

    collections: "Callable[[], CollectionsReport]" = operation("collections.browse:list_collections")
    points: "Callable[..., PointsReport]" = operation("collections.browse:list_points")
    point: "Callable[[str, PointId], PointReport]" = operation("collections.browse:show_point")

    def delete_collection(self, name: str, cancel: CancelToken, *, with_aliases: bool) -> "Events":
        from qdrant_admin.collections.delete import DeleteOptions, delete

        return delete(self.workspace, name, DeleteOptions(with_aliases=with_aliases), cancel=cancel)

    # vectors brought in from elsewhere

    plan: "Callable[[str, PlanOptions, CancelToken], Events]" = job("migration.plan:plan")
    migrate: "Callable[[PlanReport, CancelToken], Events]" = job("migration.run:migrate")
    resume: "Callable[[StoredRun, CancelToken], Events]" = job("migration.runs:resume")
    discard: "Callable[[StoredRun, CancelToken], Events]" = job("migration.runs:discard")
    unfinished: "Callable[[], list[StoredRun]]" = operation("migration.checkpoint:unfinished", lambda ws: ws.store)

    def recognise(self, path: Path) -> tuple[str, str]:
        """The URI that reads a file or folder, empty when nothing does; and what it is, in words."""
        from qdrant_admin.sources.base import FolderUri
        from qdrant_admin.sources.detect import look

        found = look(path)
        uri = str(FolderUri(scheme=found.scheme, path=found.place or path)) if found.scheme else ""
        return uri, found.words

    def migrations(self, limit: int) -> "list[tuple[HistoryEntry, MigrationReport]]":
        from qdrant_admin.migration.reports import MigrationReport

        return self.past("migrate", MigrationReport, limit)

    def write_report(self, report: "MigrationReport") -> list[Path]:
        """Write the report of a migration as Markdown, and as JSON; returns the files."""
        return _saved(report, f"migration-{report.run}", ".md")

    # whether all of it survives

    verify: "Callable[[VerifyOptions, CancelToken], Events]" = job("persistence.verify:verify")
    finish_check: "Callable[[CancelToken], Events]" = job("persistence.verify:finish")
    crash_test: "Callable[[CrashOptions, CancelToken], Events]" = job("persistence.crash:crash_test")

    def checks(self, limit: int) -> list[PastCheck]:
        """Checks and crash tests of this profile that came to an end, newest first."""
        from qdrant_admin.persistence.reports import CrashReport, VerifyReport

        found = [PastCheck(*one) for one in self.past("verify", VerifyReport, limit)]
        found += [PastCheck(*one) for one in self.past("crash-test", CrashReport, limit)]
        return sorted(found, key=lambda one: one.entry.id, reverse=True)[:limit]

    def proofs(self) -> "tuple[PastProof, ...]":
        """The newest check that could prove something, and the strongest where that is another one."""
        from qdrant_admin.persistence.past_checks import proofs

        return proofs(self.workspace.store, self.profile)

    def trends(self, limit: int) -> "TrendReport":
        from qdrant_admin.persistence.past_checks import trends

        return trends(self.workspace.store, self.profile, limit)

    def write_certificate(self, report: "VerifyReport | CrashReport") -> list[Path]:
        """Write the certificate of a check or a crash test as a page, and as JSON; returns the files."""
        from qdrant_admin.persistence.reports import VerifyReport

        kind = "verify" if isinstance(report, VerifyReport) else "crash-test"
        return _saved(report, f"{kind}-{report.at:%Y%m%d-%H%M%S}", ".html")


def _saved(report: "Report", name: str, form: str) -> list[Path]:
    """Into the folder that the app was started in."""
    from qdrant_admin.core.serialization import save_report

    paths = [Path.cwd() / f"qdrant-admin-{name}{suffix}" for suffix in (form, ".json")]
    for path in paths:
        save_report(report, path)
    return paths

"""What screens may ask of the operations, area by area. Tests give the app areas with canned, frozen reports.

Every method may block and is called in a thread (`BaseScreen.ask`, or a job): heavy imports happen here, inside.
No use case lives here: what takes more than one call is an operation of its own, which the command line uses too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, NotFound

if TYPE_CHECKING:
    from pydantic import JsonValue

    from qdrant_admin.collections.reports import CollectionsReport, PointReport, PointsReport
    from qdrant_admin.config.profile import Profile
    from qdrant_admin.config.settings import Settings
    from qdrant_admin.core.events import Events
    from qdrant_admin.core.reports import Report
    from qdrant_admin.database.models import PointId
    from qdrant_admin.lifecycle.reports import StatsReport, StatusReport, SurveyReport
    from qdrant_admin.lifecycle.up import UpOptions
    from qdrant_admin.migration.checkpoint import UnfinishedRun
    from qdrant_admin.migration.plan import PlanOptions
    from qdrant_admin.migration.reports import MigrationReport, PlanReport
    from qdrant_admin.persistence.reports import CrashOptions, CrashReport, MovePlanReport, VerifyOptions, VerifyReport
    from qdrant_admin.persistence.trends import TrendReport
    from qdrant_admin.server.runtime import RestartMethod
    from qdrant_admin.state.store import HistoryEntry
    from qdrant_admin.workspace import Workspace

ReportT = TypeVar("ReportT", bound="Report")


class Services:
    """The operations of one profile. Opened cheaply; `use` opens another one.

    Args:
        profile: name of the profile; the default one when None.
    """

    def __init__(self, profile: str | None = None) -> None:
        self.named = profile or ""
        """The profile that was named; empty for the default one."""
        self._workspace: Workspace | None = None
        self.profiles, self.server, self.data = Profiles(self), Server(self), Data(self)
        self.migration, self.proof = Migration(self), Proof(self)

    @property
    def profile(self) -> str:
        """Name of the profile in use. Reads at most the configuration file."""
        if self._workspace is not None:
            return self._workspace.settings.name
        return self.named or self.profiles.default()

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
        """Open another profile."""
        from qdrant_admin.config.settings import load_settings

        opened = replace(self.workspace, settings=load_settings(name))
        self.named, self._workspace = name, opened

    def reload(self) -> None:
        """Read the settings and choose the runtime again, at the next question."""
        self._workspace = None

    def now(self) -> datetime:
        """The clock of every age that is shown."""
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
        """Finished operations, newest first."""
        return self.workspace.store.history(limit=limit)

    def report_json(self, entry: int) -> str:
        """The report of one finished operation as it was stored."""
        return self.workspace.store.report_json(entry)


class Area:
    """Operations that belong together, on whichever profile is in use."""

    def __init__(self, opened: Services) -> None:
        self.opened = opened

    @property
    def at(self) -> "Workspace":
        """The profile that the operations work on."""
        return self.opened.workspace


class Profiles(Area):
    """Which Qdrants there are, and their settings."""

    def settings(self) -> "Settings":
        """The values of the profile in use, and where each came from."""
        return self.at.settings

    def known(self) -> "dict[str, Profile]":
        """Every profile of the file, and the one in use even if the file does not name it."""
        from qdrant_admin.config.file import read_profiles

        return {self.opened.profile: self.settings().profile} | read_profiles()

    def default(self) -> str:
        """The profile that is meant when none is named."""
        from qdrant_admin.config.file import default_profile

        return default_profile()

    def save(self, name: str, changes: Mapping[str, object]) -> None:
        """Create or change a profile in the file."""
        from qdrant_admin.config.file import write_profile

        write_profile(name, changes)
        if name == self.opened.profile:
            self.opened.reload()

    def remove(self, name: str) -> None:
        """Remove a profile and its API key. Its server and data are not touched."""
        from qdrant_admin.config.profiles import remove_profile

        remove_profile(name)

    def make_default(self, name: str) -> None:
        """Mean this profile when none is named."""
        from qdrant_admin.config.file import set_default_profile

        set_default_profile(name)

    def store_key(self, key: str) -> str:
        """Keep an API key for the profile in use; returns where it lies, in words."""
        from pydantic import SecretStr

        from qdrant_admin.config.secrets import store_key

        where = store_key(self.opened.profile, SecretStr(key))
        self.opened.reload()
        return where

    def add_key(self) -> str:
        """Generate and store an API key for the profile in use; returns where it lies, in words."""
        from qdrant_admin.config.profiles import add_key

        changed = add_key(self.at.settings)
        self.opened.reload()
        return changed.api_key_origin

    def environment(self) -> list[str]:
        """Lines for an application's environment, with the key."""
        from qdrant_admin.lifecycle.env import lines

        return lines(self.at, reveal=True)


class Server(Area):
    """How Qdrant runs."""

    def survey(self) -> "SurveyReport":
        """What a first run would find and recommend."""
        from qdrant_admin.lifecycle.first_run import survey

        return survey(self.at.settings)

    def status(self) -> "StatusReport":
        """The server and what it holds, after having looked."""
        from qdrant_admin.lifecycle.status import status

        return status(self.at)

    def stats(self) -> "StatsReport":
        """One sample of what the server costs."""
        from qdrant_admin.lifecycle.logs import stats

        return stats(self.at)

    def logs(self, *, tail: int, follow: bool, cancel: CancelToken) -> Iterator[list[str]]:
        """Batches of the server's log lines; with `follow` until cancelled."""
        from qdrant_admin.lifecycle.logs import logs

        return logs(self.at, tail=tail, follow=follow, cancel=cancel)

    def set_up(self, options: "UpOptions", cancel: CancelToken) -> "Events":
        """Set up and start what was chosen, and keep that in the profile."""
        from qdrant_admin.config.settings import load_settings
        from qdrant_admin.lifecycle.up import bring_up

        chosen = replace(self.at, settings=load_settings(self.opened.profile, options.over()))
        try:
            yield from bring_up(chosen, options, cancel=cancel)
        finally:
            self.opened.reload()

    def up(self, cancel: CancelToken, *, apply: bool = False) -> "Events":
        """Set up and start; with `apply` also make a running server as the profile asks."""
        from qdrant_admin.lifecycle.up import up

        return up(self.at, apply=apply, cancel=cancel)

    def down(self, cancel: CancelToken) -> "Events":
        """Stop. Nothing is removed."""
        from qdrant_admin.lifecycle.down import down

        return down(self.at, cancel=cancel)

    def restart(self, how: "RestartMethod", cancel: CancelToken) -> "Events":
        """Restart in the given way and wait until ready."""
        from qdrant_admin.lifecycle.restart import restart

        return restart(self.at, how, cancel=cancel)

    def adopt(self, cancel: CancelToken) -> "Events":
        """Manage a server that was made by others."""
        from qdrant_admin.lifecycle.adopt import adopt

        return adopt(self.at, cancel=cancel)

    def doctor(self, cancel: CancelToken) -> "Events":
        """Every check, with evidence and fix."""
        from qdrant_admin.lifecycle.doctor import doctor

        return doctor(self.at, cancel=cancel)

    def interrupted_by_engine(self) -> tuple[str, ...]:
        """Names of what else a restart of the container engine interrupts."""
        return self.at.runtime.interrupts("engine")

    def plan_move(self) -> "MovePlanReport":
        """What moving the data to a volume would do."""
        from qdrant_admin.persistence.move_storage import plan_move

        return plan_move(self.at)

    def move_storage(self, cancel: CancelToken) -> "Events":
        """Move the data to a volume, and prove that all of it is there."""
        from qdrant_admin.persistence.move_storage import move_storage

        yield from move_storage(self.at, cancel=cancel)
        self.opened.reload()  # the profile may name another volume now


class Data(Area):
    """What the server holds."""

    def collections(self) -> "CollectionsReport":
        """Every collection."""
        from qdrant_admin.collections.browse import list_collections

        return list_collections(self.at)

    def points(
        self,
        name: str,
        *,
        filter: "dict[str, JsonValue] | None" = None,  # noqa: A002 - Qdrant's own word
        limit: int = 50,
        offset: "PointId | None" = None,
    ) -> "PointsReport":
        """One page of points."""
        from qdrant_admin.collections.browse import list_points

        return list_points(self.at, name, filter=filter, limit=limit, offset=offset)

    def point(self, name: str, point: "PointId") -> "PointReport":
        """One point whole."""
        from qdrant_admin.collections.browse import show_point

        return show_point(self.at, name, point)

    def delete_collection(self, name: str, cancel: CancelToken, *, with_aliases: bool) -> "Events":
        """Delete a collection, once a snapshot of it is kept here."""
        from qdrant_admin.collections.delete import DeleteOptions, delete

        return delete(self.at, name, DeleteOptions(with_aliases=with_aliases), cancel=cancel)


class Migration(Area):
    """Vectors brought in from elsewhere."""

    def recognise(self, path: Path) -> tuple[str, str]:
        """The URI that reads a file or folder, empty when nothing does; and what it is, in words."""
        from qdrant_admin.sources.base import FolderUri
        from qdrant_admin.sources.detect import look

        found = look(path)
        uri = str(FolderUri(scheme=found.scheme, path=found.place or path)) if found.scheme else ""
        return uri, found.words

    def plan(self, source: str, options: "PlanOptions", cancel: CancelToken) -> "Events":
        """What a migration would do."""
        from qdrant_admin.migration.plan import plan

        return plan(self.at, source, options, cancel=cancel)

    def migrate(self, plan: "PlanReport", cancel: CancelToken) -> "Events":
        """Do what was planned."""
        from qdrant_admin.migration.run import migrate

        return migrate(self.at, plan, cancel=cancel)

    def unfinished(self) -> "list[UnfinishedRun]":
        """Runs that were interrupted and can be resumed."""
        from qdrant_admin.migration.checkpoint import unfinished

        return unfinished(self.at.store)

    def resume(self, run: "UnfinishedRun", cancel: CancelToken) -> "Events":
        """Resume an interrupted run."""
        from qdrant_admin.migration.runs import resume

        return resume(self.at, run, cancel=cancel)

    def discard(self, run: "UnfinishedRun", cancel: CancelToken) -> "Events":
        """Discard an interrupted run; what it has copied stays."""
        from qdrant_admin.migration.runs import discard

        return discard(self.at, run, cancel=cancel)

    def migrations(self, limit: int) -> "list[tuple[HistoryEntry, MigrationReport]]":
        """Migrations of this profile that came to an end, newest first, each with its report."""
        from qdrant_admin.migration.reports import MigrationReport
        from qdrant_admin.state.records import Unreadable, load

        rows = self.at.store.reports("migrate", self.opened.profile, limit)
        found = [(entry, load(MigrationReport, report)) for entry, report in rows]
        return [(entry, report) for entry, report in found if not isinstance(report, Unreadable)]

    def write_report(self, report: "MigrationReport") -> list[Path]:
        """Write the report of a migration as Markdown, and as JSON; returns the files."""
        return _saved(report, f"migration-{report.run}", ".md")


@dataclass(frozen=True)
class PastCheck:
    """A check or a crash test that came to an end, and its report."""

    entry: "HistoryEntry"
    report: "VerifyReport | CrashReport"


class Proof(Area):
    """Whether all of it survives."""

    def verify(self, options: "VerifyOptions", cancel: CancelToken) -> "Events":
        """Restart and prove that everything is still there."""
        from qdrant_admin.persistence.verify import verify

        return verify(self.at, options, cancel=cancel)

    def finish_check(self, cancel: CancelToken) -> "Events":
        """Take the second look of a check that was interrupted."""
        from qdrant_admin.persistence.verify import finish

        return finish(self.at, cancel=cancel)

    def crash_test(self, options: "CrashOptions", cancel: CancelToken) -> "Events":
        """Kill the server under load, and look for everything that it had acknowledged."""
        from qdrant_admin.persistence.crash import crash_test

        return crash_test(self.at, options, cancel=cancel)

    def checks(self, limit: int) -> list[PastCheck]:
        """Checks and crash tests of this profile that came to an end, newest first."""
        from qdrant_admin.persistence.reports import CrashReport, VerifyReport
        from qdrant_admin.state.records import Unreadable, load

        kinds: dict[str, type[VerifyReport | CrashReport]] = {"verify": VerifyReport, "crash-test": CrashReport}
        found = []
        for operation, kind in kinds.items():
            for entry, text in self.at.store.reports(operation, self.opened.profile, limit):
                report = load(kind, text)
                if not isinstance(report, Unreadable):
                    found.append(PastCheck(entry, report))
        return sorted(found, key=lambda one: one.entry.id, reverse=True)[:limit]

    def trends(self, limit: int) -> "TrendReport":
        """How the checks of this profile have gone over time."""
        from qdrant_admin.persistence.trends import trends

        return trends(self.at.store, self.opened.profile, limit)

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

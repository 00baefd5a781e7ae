"""What screens may ask of the operations. Tests give the app another one with canned, frozen reports.

Every method may block and is called in a thread (`BaseScreen.ask`, or a job): heavy imports happen here, inside.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qdrant_admin.config.file import default_profile
from qdrant_admin.config.settings import Settings, load_settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Events
from qdrant_admin.core.reports import Report
from qdrant_admin.state.store import HistoryEntry, StateStore
from qdrant_admin.workspace import Workspace

if TYPE_CHECKING:
    from qdrant_admin.collections.reports import CollectionReport, CollectionsReport, PointReport, PointsReport
    from qdrant_admin.config.profile import Profile
    from qdrant_admin.database.models import PointId
    from qdrant_admin.lifecycle.reports import StatsReport, StatusReport, SurveyReport
    from qdrant_admin.migration.checkpoint import UnfinishedRun
    from qdrant_admin.migration.plan import PlanOptions
    from qdrant_admin.migration.reports import MigrationReport, PlanReport
    from qdrant_admin.persistence.reports import CrashOptions, CrashReport, MovePlanReport, VerifyReport
    from qdrant_admin.persistence.trends import TrendReport
    from qdrant_admin.persistence.verify import VerifyOptions
    from qdrant_admin.server.runtime import RestartMethod


@dataclass(frozen=True)
class PastCheck:
    """A check or a crash test that came to an end, and its report."""

    entry: HistoryEntry
    report: "VerifyReport | CrashReport"


class Services:
    """The operations of one profile. Opened cheaply; `use_profile` opens another one.

    Args:
        profile: name of the profile; the default one when None.
    """

    def __init__(self, profile: str | None = None) -> None:
        self._asked = profile
        self._workspace: Workspace | None = None

    @property
    def profile(self) -> str:
        """Name of the profile in use. Reads at most the configuration file."""
        if self._workspace is not None:
            return self._workspace.settings.name
        return self._asked or default_profile()

    @property
    def workspace(self) -> Workspace:
        """The opened profile.

        Raises:
            AdminError: the configuration cannot be read.
        """
        if self._workspace is None:
            from qdrant_admin.config.places import state_file

            self._workspace = Workspace(load_settings(self._asked), StateStore(state_file()))
        return self._workspace

    def now(self) -> datetime:
        """The clock of every age that is shown."""
        return datetime.now(UTC)

    # profiles

    def settings(self) -> Settings:
        """The profile's values and where each came from."""
        return self.workspace.settings

    def profiles(self) -> "dict[str, Profile]":
        """Every profile of the file, and the one in use even if the file does not name it."""
        from qdrant_admin.config.file import read_profiles

        return {self.profile: self.settings().profile} | read_profiles()

    def use_profile(self, name: str) -> None:
        """Open another profile."""
        opened = load_settings(name)
        self._asked, self._workspace = name, Workspace(opened, self.workspace.store)

    def reload(self) -> None:
        """Forget what was found of the profile: settings are read and the runtime is chosen again."""
        self._workspace = None

    def save_profile(self, name: str, changes: Mapping[str, object]) -> None:
        """Create or change a profile in the file."""
        from qdrant_admin.config.file import write_profile

        write_profile(name, changes)
        if name == self.profile:
            self.reload()

    def remove_profile(self, name: str) -> None:
        """Remove a profile from the file. Its server and data are not touched."""
        from qdrant_admin.config.file import delete_profile

        delete_profile(name)

    def default_name(self) -> str:
        """The profile that is meant when none is named."""
        return default_profile()

    def store_key(self, key: str) -> str:
        """Keep an API key for the profile; returns where it lies, in words."""
        from pydantic import SecretStr

        from qdrant_admin.config.secrets import store_key

        where = store_key(self.profile, SecretStr(key))
        self.reload()
        return where

    def make_default(self, name: str) -> None:
        """Mean this profile when none is named."""
        from qdrant_admin.config.file import set_default_profile

        set_default_profile(name)

    # the server

    def survey(self) -> "SurveyReport":
        """What a first run would find and recommend."""
        from qdrant_admin.lifecycle.first_run import survey

        return survey(self.settings())

    def status(self) -> "StatusReport":
        """The server and what it holds, after having looked."""
        from qdrant_admin.lifecycle.status import status

        return status(self.workspace)

    def stats(self) -> "StatsReport":
        """One sample of what the server costs."""
        from qdrant_admin.lifecycle.logs import stats

        return stats(self.workspace)

    def history(self, limit: int = 50) -> list[HistoryEntry]:
        """Finished operations, newest first."""
        return self.workspace.store.history(limit=limit)

    def report_json(self, entry: int) -> str:
        """The report of one finished operation."""
        return self.workspace.store.report_json(entry)

    def logs(self, *, tail: int, follow: bool, cancel: CancelToken) -> Iterator[list[str]]:
        """Batches of the server's log lines; with `follow` until cancelled."""
        from qdrant_admin.lifecycle.logs import logs

        return logs(self.workspace, tail=tail, follow=follow, cancel=cancel)

    def up(self, cancel: CancelToken, *, apply: bool = False) -> Events:
        """Set up and start; with `apply` also make a running server as the profile asks."""
        from qdrant_admin.lifecycle.up import up

        return up(self.workspace, apply=apply, cancel=cancel)

    def down(self, cancel: CancelToken) -> Events:
        """Stop. Nothing is removed."""
        from qdrant_admin.lifecycle.down import down

        return down(self.workspace, cancel=cancel)

    def restart(self, how: "RestartMethod", cancel: CancelToken) -> Events:
        """Restart in the given way and wait until ready."""
        from qdrant_admin.lifecycle.restart import restart

        return restart(self.workspace, how, cancel=cancel)

    def doctor(self, cancel: CancelToken) -> Events:
        """Every check, with evidence and fix."""
        from qdrant_admin.lifecycle.doctor import doctor

        return doctor(self.workspace, cancel=cancel)

    def plan_move(self) -> "MovePlanReport":
        """What moving the data to a volume would do."""
        from qdrant_admin.persistence.move_storage import plan_move

        return plan_move(self.workspace)

    def move_storage(self, cancel: CancelToken) -> Events:
        """Move the data to a volume, and prove that all of it is there."""
        from qdrant_admin.persistence.move_storage import move_storage

        yield from move_storage(self.workspace, cancel=cancel)
        self.reload()  # the profile may name another volume now

    def adopt(self, cancel: CancelToken) -> Events:
        """Put our mark on a server that was made by others."""
        from qdrant_admin.lifecycle.adopt import adopt

        return adopt(self.workspace, cancel=cancel)

    def add_key(self) -> str:
        """Generate and store an API key for the profile; returns where it lies, in words."""
        from qdrant_admin.config.profiles import add_key

        self._workspace = Workspace(add_key(self.settings()), self.workspace.store)
        return self._workspace.settings.api_key_origin

    def environment(self) -> list[str]:
        """Lines for an application's environment, with the key."""
        from qdrant_admin.lifecycle.env import lines

        return lines(self.workspace, reveal=True)

    # what it holds

    def collections(self) -> "CollectionsReport":
        """Every collection."""
        from qdrant_admin.collections.browse import list_collections

        return list_collections(self.workspace)

    def collection(self, name: str) -> "CollectionReport":
        """One collection whole."""
        from qdrant_admin.collections.browse import show_collection

        return show_collection(self.workspace, name)

    def delete_collection(self, name: str, cancel: CancelToken, *, with_aliases: bool) -> Events:
        """Delete a collection, once a snapshot of it is kept here."""
        from qdrant_admin.collections.delete import DeleteOptions, delete

        return delete(self.workspace, name, DeleteOptions(with_aliases=with_aliases), cancel=cancel)

    def points(
        self,
        name: str,
        *,
        filter: "dict[str, Any] | None" = None,  # noqa: A002 - Qdrant's own word
        limit: int = 50,
        offset: "PointId | None" = None,
    ) -> "PointsReport":
        """One page of points."""
        from qdrant_admin.collections.browse import list_points

        return list_points(self.workspace, name, filter=filter, limit=limit, offset=offset)

    def point(self, name: str, point: "PointId") -> "PointReport":
        """One point whole."""
        from qdrant_admin.collections.browse import show_point

        return show_point(self.workspace, name, point)

    # moving and proving

    def plan(self, source: str, options: "PlanOptions", cancel: CancelToken) -> Events:
        """What a migration would do."""
        from qdrant_admin.migration.plan import plan

        return plan(self.workspace, source, options, cancel=cancel)

    def migrate(self, plan: "PlanReport", cancel: CancelToken) -> Events:
        """Do what was planned."""
        from qdrant_admin.migration.run import migrate

        return migrate(self.workspace, plan, cancel=cancel)

    def unfinished(self) -> "list[UnfinishedRun]":
        """Migrations that were interrupted and can go on."""
        from qdrant_admin.migration.checkpoint import unfinished

        return unfinished(self.workspace.store)

    def resume(self, run: "UnfinishedRun", cancel: CancelToken) -> Events:
        """Go on with an interrupted migration."""
        from qdrant_admin.migration.run import resume

        return resume(self.workspace, run, cancel=cancel)

    def discard(self, run: "UnfinishedRun", cancel: CancelToken) -> Events:
        """Give up an interrupted migration; what it has copied stays."""
        from qdrant_admin.migration.runs import discard

        return discard(self.workspace, run, cancel=cancel)

    def verify(self, options: "VerifyOptions", cancel: CancelToken) -> Events:
        """Restart and prove that everything is still there."""
        from qdrant_admin.persistence.verify import verify

        return verify(self.workspace, options, cancel=cancel)

    def interrupted_by_engine(self) -> tuple[str, ...]:
        """Names of what else a restart of the container engine interrupts."""
        return self.workspace.runtime.interrupts("engine")

    def crash_test(self, options: "CrashOptions", cancel: CancelToken) -> Events:
        """Kill the server under load, and look for everything that it had acknowledged."""
        from qdrant_admin.persistence.crash import crash_test

        return crash_test(self.workspace, options, cancel=cancel)

    def checks(self, limit: int) -> list[PastCheck]:
        """Checks and crash tests of this profile that came to an end, newest first."""
        from pydantic import ValidationError

        from qdrant_admin.persistence.reports import CrashReport, VerifyReport

        kinds: dict[str, type[VerifyReport | CrashReport]] = {"verify": VerifyReport, "crash-test": CrashReport}
        found = []
        for operation, kind in kinds.items():
            for entry, report in self.workspace.store.reports(operation, self.profile, limit):
                with contextlib.suppress(ValidationError):  # written by another version
                    found.append(PastCheck(entry, kind.model_validate_json(report)))
        return sorted(found, key=lambda one: one.entry.id, reverse=True)[:limit]

    def trends(self, limit: int) -> "TrendReport":
        """How the checks of this profile have gone over time."""
        from qdrant_admin.persistence.trends import trends

        return trends(self.workspace.store, self.profile, limit)

    def finish_check(self, cancel: CancelToken) -> Events:
        """Take the second look of a check that was cut off."""
        from qdrant_admin.persistence.verify import finish

        return finish(self.workspace, cancel=cancel)

    def look_at(self, path: Path) -> tuple[str, str]:
        """The URI that reads a file or folder, empty when nothing does; and what it is, in words."""
        from qdrant_admin.sources.base import FolderUri
        from qdrant_admin.sources.detect import look

        found = look(path)
        uri = str(FolderUri(scheme=found.scheme, path=found.place or path)) if found.scheme else ""
        return uri, found.words

    def migrations(self, limit: int) -> "list[tuple[HistoryEntry, MigrationReport]]":
        """Migrations of this profile that came to an end, newest first, each with its report."""
        from qdrant_admin.migration.reports import MigrationReport

        found = self.workspace.store.reports("migrate", self.profile, limit)
        return [(entry, MigrationReport.model_validate_json(report)) for entry, report in found]

    def save_migration(self, report: "MigrationReport") -> list[Path]:
        """Write the report of a migration as Markdown and as JSON beside it; returns both files.

        Raises:
            BadInput: the folder cannot be written to.
        """
        from qdrant_admin.core.document import to_markdown
        from qdrant_admin.migration.document import document

        name = f"migration-{report.run}"
        return [_write(f"qdrant-admin-{name}.md", to_markdown(document(report))), self.export(report, name)]

    def export_check(self, report: "VerifyReport | CrashReport") -> list[Path]:
        """Write the certificate of a check or a crash test as a page, and as JSON; returns the files.

        Raises:
            BadInput: the folder cannot be written to.
        """
        from qdrant_admin.core.document import to_html
        from qdrant_admin.persistence.certificate import certificate
        from qdrant_admin.persistence.reports import VerifyReport

        kind = "verify" if isinstance(report, VerifyReport) else "crash-test"
        name = f"{kind}-{report.at:%Y%m%d-%H%M%S}"
        return [_write(f"qdrant-admin-{name}.html", to_html(certificate(report))), self.export(report, name)]

    def export(self, report: Report, name: str) -> Path:
        """Write a report as JSON into the folder the app was started in; returns the file.

        Raises:
            BadInput: the folder cannot be written to.
        """
        from qdrant_admin.core.serialization import to_json

        return _write(f"qdrant-admin-{name}.json", to_json(report, indent=2) + "\n")


def _write(name: str, text: str) -> Path:
    from qdrant_admin.core.errors import BadInput

    path = Path.cwd() / name
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fix = "start qdrant-admin in a folder of your own"
        raise BadInput(f"{path} cannot be written", why=str(error), fix=fix) from error
    return path

"""A `Services` with frozen answers, so that each designed state can be reached without a server."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from qdrant_admin.collections.reports import CollectionsReport
from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, ServerUnreachable
from qdrant_admin.core.events import Event, Events
from qdrant_admin.core.reports import Finding
from qdrant_admin.lifecycle.reports import StatsReport, StatusReport, SurveyReport
from qdrant_admin.lifecycle.up import UpOptions
from qdrant_admin.persistence.past_checks import PastProof, TrendReport
from qdrant_admin.persistence.reports import VerifyMethod
from qdrant_admin.server.runtime import Capabilities, Storage
from qdrant_admin.state.store import HistoryEntry
from qdrant_admin.tui.services import PastCheck, Services

NOW = datetime(2026, 11, 20, 9, 20, tzinfo=UTC)
HOSTILE = ("[/oops]", "[red]x[/red]", "a\x1b[31mb\n\u202egnp")

STATUS = StatusReport(
    profile="local",
    runtime="docker",
    state="healthy",
    url="http://127.0.0.1:6333",
    version="1.16.3",
    healthy=True,
    ready=True,
    collections=12,
    points=48_211,
    statuses={"green": 12},
    storage=Storage(kind="volume", source="qdrant_admin_local", destination="/qdrant/storage", sound=True),
    restart_policy="unless-stopped",
    container="qdrant-admin-local",
    name="qdrant-admin-local",
    engine="Docker Desktop 4.43",
    image="qdrant/qdrant:v1.16.3",
    ours=True,
    grpc="127.0.0.1:6334",
    started_at=NOW - timedelta(hours=3, minutes=4),
    api_key=True,
    checked_at=NOW - timedelta(seconds=2),
)
LOSS = STATUS.model_copy(
    update={
        "state": "unhealthy",
        "healthy": False,
        "findings": (
            Finding(
                code="known_collection_missing",
                level="fail",
                subject="project_memories",
                facts={"points": 3763, "at": (NOW - timedelta(days=2)).isoformat(), "evidence": "no_delete"},
                command="qdrant-admin verify --accept --profile local",
            ),
        ),
    }
)
"""The founding story."""
ATTENTION = STATUS.model_copy(
    update={
        "state": "degraded",
        "api_key": False,
        "statuses": {"green": 10, "yellow": 1, "red": 1},
        "findings": (
            Finding(
                code="collection_red",
                level="fail",
                subject="[/oops]",
                facts={"error": "an optimisation failed and was not recovered: No space left on device"},
                command="qdrant-admin logs --tail 200 --profile local",
            ),
            Finding(
                code="no_api_key",
                level="warn",
                command="qdrant-admin up --api-key auto --apply --profile local",
            ),
        ),
    }
)
STOPPED = STATUS.model_copy(
    update={
        "state": "stopped",
        "healthy": False,
        "ready": False,
        "collections": None,
        "points": None,
        "statuses": {},
        "started_at": None,
        "version": None,
        "findings": (Finding(code="server_stopped", level="fail", command="qdrant-admin up --profile local"),),
    }
)
UNREACHABLE = STOPPED.model_copy(
    update={
        "runtime": "remote",
        "container": None,
        "restart_policy": "",
        "storage": Storage(),
        "capabilities": Capabilities(start=False, stop=False, restart=frozenset(), logs=False, stats=False),
        "state": "unreachable",
        "url": "http://127.0.0.1:7333",
        "findings": (
            Finding(
                code="collections_not_listed",
                level="fail",
                facts={"what": "nothing answers at http://127.0.0.1:7333", "why": "connection refused"},
                command="qdrant-admin doctor --profile local",
            ),
        ),
    }
)
WRONG_KEY = STATUS.model_copy(
    update={
        "state": "degraded",
        "healthy": False,
        "collections": None,
        "points": None,
        "statuses": {},
        "findings": (
            Finding(
                code="api_key_refused",
                level="fail",
                facts={"origin": "the keyring"},
                command="export QDRANT_API_KEY=THE_KEY_OF_THIS_SERVER",
            ),
        ),
    }
)
FOREIGN = STOPPED.model_copy(
    update={
        "state": "foreign",
        "ours": False,
        "version": "1.16.3",
        "findings": (
            Finding(
                code="foreign_server",
                level="warn",
                facts={"url": "http://127.0.0.1:6333", "holder": "container compose-qdrant-1", "adoptable": False},
                command="qdrant-admin up --use-existing --profile local",
            ),
            Finding(
                code="other_ports_needed",
                level="warn",
                facts={"port": 6333, "grpc_port": 6334},
                command="qdrant-admin up --port 6343 --grpc-port 6344 --profile local",
            ),
        ),
    }
)
ABSENT = STOPPED.model_copy(
    update={"state": "absent", "container": None, "ours": None, "restart_policy": "", "storage": Storage()}
)


def history() -> list[HistoryEntry]:
    """Two good days and a bad moment."""
    rows = [
        ("verify", "persisted", "12 collections, 48 211 points, killed and back in 1.9 s", 6, 4.2, 0),
        ("migrate", "verified", "3 763 of 3 763 points verified in 0.9 s", 18, 0.9, 0),
        ("up", "healthy", "11 collections, 44 448 points at http://127.0.0.1:6333", 184, 2.1, 0),
        ("verify", "lost", "12 collections, 48 208 points, recreated and back in 2.4 s", 26 * 60, 6.0, 1),
    ]
    return [
        HistoryEntry(
            id=len(rows) - index,
            operation=operation,
            profile="local",
            verdict=verdict,
            summary=summary,
            started_at=NOW - timedelta(minutes=minutes),
            seconds=seconds,
            exit_code=code,
        )
        for index, (operation, verdict, summary, minutes, seconds, code) in enumerate(rows)
    ]


def samples(count: int = 60) -> list[StatsReport]:
    """A quiet server with a short burst."""
    reports = []
    for index in range(count):
        burst = 34.0 if 38 <= index <= 42 else 0.0
        reports.append(
            StatsReport(
                cpu_percent=1.5 + (index * 7 % 5) * 0.4 + burst * (1 - abs(index - 40) / 4),
                memory_bytes=(120 + min(index, 45)) * 2**20,
                memory_limit_bytes=8 * 2**30,
                disk_bytes=412 * 2**20,
                disk_free_bytes=80 * 2**30,
                at=NOW - timedelta(seconds=2 * (count - index)),
            )
        )
    return reports


SURVEY = SurveyReport(
    engine="Docker Desktop 4.43 (context desktop-linux)",
    image="qdrant/qdrant:v1.16.3",
    native_possible=True,
    recommended="docker",
    host="127.0.0.1",
    port=6333,
    port_free=True,
    next_port=6333,
    grpc_port=6334,
    grpc_port_free=True,
    next_grpc_port=6334,
    storage_kind="volume",
    storage="qdrant_admin_local",
    server="absent",
)

LOG = [
    "2026-11-20T06:16:02.104Z  INFO qdrant: Version: 1.16.3, build: bd49f45a",
    "2026-11-20T06:16:02.110Z  INFO storage::content_manager::toc: Loading collection: debian_memories",
    "2026-11-20T06:16:02.311Z  WARN qdrant::settings: Config file not found: config/production",
    "2026-11-20T06:16:02.402Z  INFO qdrant::actix: Qdrant HTTP listening on 6333",
    "2026-11-20T06:16:02.404Z  INFO qdrant::tonic: Qdrant gRPC listening on 6334",
    "2026-11-20T06:17:44.020Z ERROR segment::index: cannot open [/oops]: No space left on device (os error 28)",
    '2026-11-20T06:17:45.000Z  INFO actix_web::middleware::logger: 127.0.0.1 "GET /collections HTTP/1.1" 200 71',
]


class Canned(Services):
    """Each answer is given from here; one that is an `AdminError` is raised instead."""

    def __init__(
        self,
        status: StatusReport | AdminError = STATUS,
        *,
        entries: list[HistoryEntry] | None = None,
        survey: SurveyReport = SURVEY,
        log: list[str] | None = None,
        profile: str = "local",
    ) -> None:
        super().__init__(profile)
        self._status, self._survey = status, survey
        self._entries = history() if entries is None else entries
        self._log = LOG if log is None else log
        self.chosen: UpOptions | None = None
        self.saved: list[tuple[str, dict[str, object]]] = []
        self.scripts: dict[str, Callable[[CancelToken], Events]] = {}

    @property
    def profile(self) -> str:
        return self.named or "local"

    def now(self) -> datetime:
        return NOW

    def settings(self) -> Settings:
        origins = dict.fromkeys(Profile.KEYS, "default") | {
            "port": "environment QDRANT_PORT",
            "image": "file config.toml",
        }
        return Settings(name=self.profile, profile=Profile(), origins=origins, api_key_origin="the system's keyring")

    def known(self) -> dict[str, Profile]:
        return {"local": Profile(), "staging": Profile(runtime="remote", url="http://127.0.0.1:7333")}

    def default(self) -> str:
        return "local"

    def use(self, name: str) -> None:
        self.named = name

    def save(self, name: str, changes: "object") -> None:
        self.saved.append((name, dict(changes)))  # type: ignore[call-overload]  # a mapping, as the screens give it

    def survey(self) -> SurveyReport:
        return self._survey

    def status(self) -> StatusReport:
        if isinstance(self._status, AdminError):
            raise self._status
        return self._status

    def stats(self) -> StatsReport:
        return samples()[-1]

    def history(self, limit: int = 50) -> list[HistoryEntry]:
        return self._entries[:limit]

    def checks(self, limit: int) -> list[PastCheck]:
        return []

    def collections(self) -> CollectionsReport:
        raise ServerUnreachable("the server at http://127.0.0.1:6333 does not answer")

    def proofs(self) -> tuple[PastProof, ...]:
        checks = [entry for entry in self._entries if entry.operation == "verify"]
        before = [entry.model_copy(update={"verdict": "persisted"}) for entry in checks[1:]]
        ways: tuple[VerifyMethod, ...] = ("kill", "recreate")
        return tuple(PastProof(entry, how) for entry, how in zip([*checks[:1], *before], ways, strict=False))

    def trends(self, limit: int) -> TrendReport:
        return TrendReport(profile=self.profile)

    def logs(self, *, tail: int, follow: bool, cancel: CancelToken) -> Iterator[list[str]]:
        yield self._log

    def environment(self, *, reveal: bool) -> list[str]:
        return ["export QDRANT_URL=http://127.0.0.1:6333", "export QDRANT_API_KEY=0123456789abcdef"]

    def use_existing(self) -> str:
        self.use("existing")
        return "existing"

    def add_key(self) -> str:
        return "the system's keyring"

    def up(self, cancel: CancelToken, *, apply: bool = False) -> Events:
        return self.scripts["up"](cancel)

    def set_up(self, options: UpOptions, cancel: CancelToken) -> Events:
        self.chosen = options
        return self.scripts["up"](cancel)

    def doctor(self, cancel: CancelToken) -> Events:
        return self.scripts["doctor"](cancel)

    def accept(self, cancel: CancelToken) -> Events:
        return self.scripts["accept"](cancel)


def told(*events: Event, then: AdminError | None = None) -> Callable[[CancelToken], Events]:
    """An operation that says this, and then perhaps fails."""

    def run(cancel: CancelToken) -> Events:
        yield from events
        if then is not None:
            raise then

    return run


def held(*events: Event) -> Callable[[CancelToken], Events]:
    """An operation that says this and then goes on until it is stopped."""

    def run(cancel: CancelToken) -> Events:
        yield from events
        while True:
            cancel.check()
            cancel.wait(3600)

    return run

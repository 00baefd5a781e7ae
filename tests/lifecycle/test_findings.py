"""From what was seen to codes, words, the state and the exit code. Pure: no server is asked."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from qdrant_admin.config.profile import Endpoint, Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.commands import PROGRAM
from qdrant_admin.core.errors import AccessDenied, EngineUnavailable, ServerTrouble, StorageUnusable
from qdrant_admin.core.reports import Finding
from qdrant_admin.core.values import SecretStr
from qdrant_admin.database.models import CollectionInfo, Pending
from qdrant_admin.lifecycle.finding_words import SENTENCES, text
from qdrant_admin.lifecycle.findings import HARMLESS, Code, findings
from qdrant_admin.lifecycle.memory import Kind, Memory, Missing
from qdrant_admin.lifecycle.observation import Observation
from qdrant_admin.lifecycle.reports import StatusReport, UpReport
from qdrant_admin.lifecycle.status import report_of
from qdrant_admin.server.health import Probe
from qdrant_admin.server.runtime import Capabilities, Change, Diagnosis, ProcessState, RuntimeState, Storage
from qdrant_admin.state.inventory import Because, KnownStorage, Word
from qdrant_admin.state.resumable_runs import InterruptedMigration
from tests.support.parsing import parsed

URL = "http://127.0.0.1:6333"
WELL = Probe(url=URL, answers=True, is_qdrant=True, version="1.16.3", ready=True, grpc_open=True, key_wanted=True)
SILENT = Probe(url=URL, error="connection refused")
SOUND = Storage(kind="volume", source="data", sound=True)
MIB = 1024**2


def settings(name: str = "work", **profile: Any) -> Settings:
    return Settings(name=name, profile=Profile(**{"runtime": "docker", **profile}))


def running(state: ProcessState = "running", **more: Any) -> RuntimeState:
    values = {"ours": None if state == "absent" else True, "storage": SOUND, "container": "qdrant", **more}
    return RuntimeState(runtime="docker", state=state, name="qdrant", **values)


def saw(state: RuntimeState | None = None, probe: Probe | None = WELL, **more: Any) -> Observation:
    """A container of ours that answers and holds one collection, unless said otherwise."""
    seen = Observation("docker", settings().endpoint, state=state or running(), probe=probe)
    if seen.answers_as_qdrant:
        seen.collections = (CollectionInfo(name="memories", status="green", points=3),)
    for name, value in more.items():
        setattr(seen, name, value)
    return seen


def collection(**more: Any) -> tuple[CollectionInfo, ...]:
    return (CollectionInfo(**{"name": "m", "status": "green", "points": 1, **more}),)


def remote(probe: Probe = WELL) -> Observation:
    state = RuntimeState(runtime="remote", state="unknown", name=URL)
    cannot = Capabilities(start=False, stop=False, restart=frozenset(), logs=False, stats=False, local=False)
    return saw(state, probe, kind="remote", capabilities=cannot)


def run(held: tuple[str, ...] = (), name: str = "r1") -> InterruptedMigration:
    return InterruptedMigration(name, "chroma:/old", held)


def missing(kind: Kind, word: Word, because: Because, earlier: str = "") -> Memory:
    at, moment = datetime(2026, 3, 2, 9, 14, tzinfo=UTC), datetime(2026, 3, 3, 9, tzinfo=UTC)
    one = Missing(name="m", kind=kind, word=word, because=because, points=5, at=at, moment=moment)
    return Memory(missing=(one,), earlier=earlier, today="volume new")


KEYLESS = WELL.model_copy(update={"key_wanted": False})
TROUBLE = ServerTrouble("it is broken", why="disk", fix="df -h")
SEVERE, MILD = Diagnosis(what="killed", why="no memory", fix="free -m", severe=True), Diagnosis(what="slow")
GONE = Diagnosis(code="storage_deleted", what="/d was deleted", why="export first", severe=True)
ELSEWHERE = KnownStorage(
    id=1,
    profile="work",
    runtime="native",
    place="directory /d",
    identity=None,
    version="",
    collections=(),
    at=datetime(2026, 11, 30, tzinfo=UTC),
)
CASES: list[tuple[str, str, Observation]] = [
    ("runtime_unavailable", "fail", saw(troubles={"runtime": EngineUnavailable("no engine", why="asleep")})),
    ("probe_failed", "fail", saw(troubles={"probe": TROUBLE})),
    ("collections_not_listed", "fail", saw(collections=None, troubles={"collections": TROUBLE})),
    ("memory_unreadable", "warn", saw(troubles={"memory": StorageUnusable("the state is locked", why="by another")})),
    ("api_key_missing", "fail", saw(collections=None, troubles={"collections": AccessDenied("refused")})),
    ("foreign_server", "warn", saw(running(ours=False))),
    ("foreign_server", "warn", saw(running("absent"))),
    ("foreign_server", "warn", saw(running("stopped"))),
    ("other_ports_needed", "warn", saw(running(ours=False))),
    ("server_absent", "fail", saw(running("absent"), SILENT)),
    ("server_stopped", "fail", saw(running("stopped"), SILENT)),
    ("server_paused", "fail", saw(running("paused"), None)),
    ("crash_loop", "fail", saw(running("restarting", restarts=7), None)),
    ("server_diagnosis", "fail", saw(running(diagnosis=SEVERE))),
    ("server_diagnosis", "warn", saw(running(diagnosis=MILD))),
    ("unrequested_restarts", "warn", saw(running(restarts=1))),
    ("no_answer", "fail", saw(probe=SILENT)),
    ("no_answer", "fail", remote(SILENT)),
    ("not_qdrant", "fail", remote(Probe(url=URL, answers=True))),
    ("not_ready", "fail", saw(probe=WELL.model_copy(update={"ready": False}))),
    ("recovery_mode", "fail", saw(probe=WELL.model_copy(update={"recovery_mode": True}))),
    ("grpc_closed", "warn", saw(probe=WELL.model_copy(update={"grpc_open": False}))),
    ("grpc_foreign", "warn", saw(endpoint=Endpoint(url=URL, grpc_port=6334, grpc_stranger="q (pid 3)"))),
    ("key_in_clear", "warn", saw(endpoint=Endpoint(url="http://far.example:6333", api_key=SecretStr("k")))),
    ("collection_unreadable", "fail", saw(collections=collection(trouble="timed out"))),
    ("collection_red", "fail", saw(collections=collection(status="red"))),
    ("optimizer_failed", "warn", saw(collections=collection(status="yellow", optimizer_error="no space"))),
    ("writes_pending", "warn", saw(collections=collection(pending=Pending(queued=43)))),
    ("points_hidden", "warn", saw(collections=collection(pending=Pending(deferred=869)))),
    ("storage_deleted", "fail", saw(running(storage=Storage(kind="directory", source="/d", faults=(GONE,))))),
    ("data_elsewhere", "warn", saw(elsewhere=ELSEWHERE)),
    ("other_storage", "fail", saw(memory=missing("gone", "lost", "other_storage", "volume old"))),
    ("known_collection_missing", "fail", saw(memory=missing("gone", "lost", "no_delete"))),
    ("known_collection_missing", "warn", saw(memory=missing("gone", "inconclusive", "log_begins"))),
    ("known_collection_missing", "warn", saw(memory=missing("gone", "inconclusive", "log_silent"))),
    ("known_collection_emptied", "warn", saw(memory=missing("emptied", "inconclusive", "process_ended"))),
    ("known_collection_remade", "fail", saw(memory=missing("remade", "lost", "no_delete"))),
    ("storage_in_container", "warn", saw(running(storage=Storage(kind="container")))),
    ("storage_unsound", "warn", saw(running(storage=Storage(kind="bind", source="/c", sound=False)))),
    ("disk_full", "fail", saw(running(storage=Storage(kind="volume", free_bytes=128 * MIB - 1)))),
    ("disk_low", "warn", saw(running(storage=Storage(kind="volume", free_bytes=128 * MIB)))),
    ("disk_low", "warn", saw(running(storage=Storage(kind="volume", free_bytes=1024 * MIB - 1)))),
    ("settings_differ", "warn", saw(changes=(Change(setting="port", current="1", wanted="2"),))),
    ("no_api_key", "warn", saw(probe=KEYLESS)),
    ("no_automatic_start", "warn", saw(running(starts_with_machine=False))),
    ("check_interrupted", "warn", saw(interrupted_check=datetime(2026, 11, 20, 9, tzinfo=UTC))),
    ("indexing_held_back", "warn", saw(interrupted_migrations=(run(("memories",)),))),
    ("migration_interrupted", "warn", saw(interrupted_migrations=(run(), run(name="r0")))),
]


def found(seen: Observation, code: str, **profile: Any) -> list[Finding]:
    return [one for one in findings(settings(**profile), seen) if one.code == code]


@pytest.mark.parametrize(("code", "level", "seen"), CASES)
def test_what_was_seen_is_told_by_its_code_once(code: str, level: str, seen: Observation) -> None:
    (one,) = found(seen, code)
    assert one.level == level
    assert "{" not in text(one)
    assert not text(one).endswith(": ")
    if one.command.startswith("qdrant-admin"):
        assert one.command.endswith(" --profile work")


def test_what_a_request_took_away_is_told_and_no_finding() -> None:
    told = saw(memory=missing("gone", "told", "request"))
    report = report_of(settings(), told)
    assert (report.state, report.exit_code, report.findings) == ("healthy", 0, ())
    assert report.since == ("m was deleted by a request on 2026-03-03 09:00; on 2026-03-02 09:14 it held 5 points",)


def test_a_loss_is_a_fault_until_it_is_accepted_and_a_doubt_is_not() -> None:
    lost = report_of(settings(), saw(memory=missing("gone", "lost", "no_delete")))
    assert (lost.state, lost.exit_code) == ("unhealthy", 1)
    doubt = report_of(settings(), saw(memory=missing("gone", "inconclusive", "log_silent")))
    assert (doubt.state, doubt.exit_code) == ("degraded", 0)


def test_every_code_has_its_words_and_is_reached() -> None:
    assert set(SENTENCES) == set(get_args(Code))
    assert {code for code, _, _ in CASES} | {"api_key_refused", "published_without_api_key"} == set(SENTENCES)


@pytest.mark.parametrize(
    ("seen", "absent"),
    [
        (saw(), None),
        (saw(running(starts_with_machine=True)), None),
        (saw(running(storage=Storage(kind="volume", free_bytes=1024 * MIB))), None),
        (saw(running(storage=Storage(kind="volume", sound=None))), None),
        (saw(running("stopped", restarts=3), SILENT), "unrequested_restarts"),
        (saw(running("stopped"), SILENT), "no_answer"),
        (saw(running("absent", storage=Storage(kind="container")), SILENT), "storage_in_container"),
        (saw(running(ours=False, storage=Storage(kind="container"))), "storage_in_container"),
        (saw(running(ours=False), KEYLESS), "no_api_key"),
        (saw(running("absent"), KEYLESS), "no_api_key"),
        (remote(KEYLESS), None),
        (saw(probe=WELL.model_copy(update={"key_wanted": None})), None),
        (saw(probe=WELL.model_copy(update={"grpc_open": None})), None),
        (saw(interrupted_migrations=(run(("gone",)),)), None),
    ],
)
def test_what_does_not_hold_is_not_told(seen: Observation, absent: str | None) -> None:
    codes = [one.code for one in findings(settings(), seen)]
    assert absent not in codes
    assert absent is not None or codes == []


def test_faults_come_before_warnings() -> None:
    seen = saw(running(restarts=1), KEYLESS, collections=collection(trouble="timed out"))
    assert [one.level for one in findings(settings(), seen)] == ["fail", "warn", "warn"]


def test_a_key_that_is_refused_is_named_with_where_it_came_from() -> None:
    seen = saw(collections=None, troubles={"collections": AccessDenied("refused")})
    keyed = settings().model_copy(update={"api_key": SecretStr("k"), "api_key_origin": "environment QDRANT_API_KEY"})
    (one,) = findings(keyed, seen)
    assert (one.code, one.facts, one.command) == (
        "api_key_refused",
        {"origin": "environment QDRANT_API_KEY"},
        "export QDRANT_API_KEY=THE_KEY_OF_THIS_SERVER",
    )
    assert "does not accept the API key from environment QDRANT_API_KEY" in text(one)


def test_a_server_open_to_the_network_without_a_key_is_a_fault_and_an_exit_code() -> None:
    (one,) = findings(settings(host="0.0.0.0"), saw(probe=KEYLESS))  # noqa: S104 # not bound
    assert (one.code, one.level) == ("published_without_api_key", "fail")
    report = report_of(settings(host="0.0.0.0"), saw(probe=KEYLESS))  # noqa: S104 # not bound
    assert (report.state, report.healthy, report.exit_code) == ("healthy", True, 1)
    seen = {name: getattr(report, name) for name in StatusReport.__struct_fields__}
    assert UpReport(**seen, started=True, seconds=1.0).exit_code == 0


@pytest.mark.parametrize(
    ("code", "command"),
    [
        ("server_absent", "qdrant-admin up --profile work"),
        ("server_paused", "qdrant-admin up --profile work"),
        ("grpc_foreign", "qdrant-admin up --grpc-port 6344 --apply --profile work"),
        ("foreign_server", "qdrant-admin adopt --profile work"),
        ("other_ports_needed", "qdrant-admin up --port 6343 --grpc-port 6344 --profile work"),
        ("no_api_key", "qdrant-admin up --api-key auto --apply --profile work"),
        ("no_automatic_start", "qdrant-admin up --restart-policy unless-stopped --apply --profile work"),
        ("collection_unreadable", "qdrant-admin collections show m --profile work"),
        ("migration_interrupted", "qdrant-admin migrate --resume r1 --profile work"),
        ("server_diagnosis", "free -m"),
    ],
)
def test_a_finding_names_the_command_that_mends_it(code: str, command: str) -> None:
    seen = next(seen for name, _, seen in CASES if name == code)
    assert found(seen, code)[0].command == command


@pytest.mark.parametrize(("code", "level", "seen"), CASES)
def test_what_mends_it_is_a_command_that_the_program_takes(code: str, level: str, seen: Observation) -> None:
    for one in found(seen, code):
        if one.command.startswith(PROGRAM):
            parsed(one.command)
            assert one.command.endswith("--profile work")


def test_the_words_are_made_of_the_facts() -> None:
    by_code = {code: text(found(seen, code)[0]) for code, _, seen in CASES}
    assert by_code["crash_loop"] == "the server keeps ending and being restarted, 7 times so far"
    assert by_code["no_answer"] == f"nothing answers at {URL}: connection refused"
    assert by_code["disk_low"] == "only 1024 MiB free where the data lies"
    assert by_code["settings_differ"] == "its settings differ from the profile: port 1 → 2"
    assert by_code["collection_red"] == "collection m is red"
    assert by_code["indexing_held_back"].endswith("holds back the indexing of memories: searches there are slow")
    assert by_code["migration_interrupted"] == "the migration of chroma:/old was interrupted, and 1 earlier one"


def test_a_code_of_a_later_version_is_shown_as_it_is() -> None:
    assert text(Finding(code="moon_is_full", level="warn", subject="m")) == "moon is full: m"


@pytest.mark.parametrize(
    ("seen", "state", "ready"),
    [
        (saw(), "healthy", True),
        (saw(probe=KEYLESS), "healthy", True),
        (saw(changes=(Change(setting="port", current="1", wanted="2"),)), "healthy", True),
        (saw(probe=WELL.model_copy(update={"grpc_open": False})), "degraded", True),
        (saw(collections=collection(status="red")), "unhealthy", True),
        (saw(running(storage=Storage(kind="volume", free_bytes=64 * MIB))), "unhealthy", True),
        (saw(probe=WELL.model_copy(update={"ready": False})), "loading", False),
        (saw(probe=WELL.model_copy(update={"recovery_mode": True})), "recovery", False),
        (saw(collections=None, troubles={"collections": AccessDenied("refused")}), "unknown", False),
        (saw(probe=SILENT), "unreachable", False),
        (saw(running("absent"), SILENT), "absent", False),
        (saw(running("stopped"), SILENT), "stopped", False),
        (saw(running("paused"), None), "paused", False),
        (saw(running("restarting"), None), "restarting", False),
        (saw(running("absent")), "foreign", False),
        (saw(running("stopped")), "foreign", False),
        (saw(running(ours=False)), "foreign", False),
        (remote(), "healthy", True),
    ],
)
def test_the_state_is_what_was_looked_at(seen: Observation, state: str, ready: bool) -> None:
    report = report_of(settings(), seen)
    healthy = state in {"healthy", "degraded"}
    assert (report.state, report.ready, report.healthy, report.exit_code) == (state, ready, healthy, int(not healthy))


def test_a_report_counts_what_could_be_counted() -> None:
    two = (*collection(), CollectionInfo(name="n", status="grey", points=None, trouble="timed out"))
    report = report_of(settings(), saw(collections=two))
    assert (report.collections, report.points, report.statuses) == (2, None, {"green": 1, "grey": 1})
    whole = report_of(settings(), saw())
    assert (whole.version, whole.points, whole.grpc) == ("1.16.3", 3, "127.0.0.1:6334")
    assert (whole.container, whole.dashboard, whole.api_key) == ("qdrant", f"{URL}/dashboard", True)
    assert report_of(settings(), saw(probe=SILENT)).dashboard == ""


def test_what_is_harmless_never_touches_the_state() -> None:
    assert {code for code, _, seen in CASES if report_of(settings(), seen).state == "healthy"} == set(HARMLESS) - {
        "published_without_api_key"
    }


def test_a_server_that_cannot_be_adopted_is_not_offered_for_it() -> None:
    (one,) = found(saw(running(ours=False), capabilities=Capabilities(adopt=False)), "foreign_server")
    assert one.command == "qdrant-admin up --use-existing --profile work"


def test_who_listens_in_the_place_of_a_stopped_server_is_named_with_the_way_on() -> None:
    """Also where a container could be adopted: it is another one than the profile's."""
    (one,) = found(saw(running("stopped"), stranger="nginx (pid 3)"), "foreign_server")
    assert text(one) == (
        f"a Qdrant at {URL} (nginx (pid 3)) was not set up by qdrant-admin and is left alone; "
        "the server of this profile is stopped"
    )
    assert one.command == "qdrant-admin up --use-existing --profile work"

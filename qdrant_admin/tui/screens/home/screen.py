"""Home. It answers: is my Qdrant all right. Below the screen: what it shows, as rows of text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from qdrant_admin.core import formatting
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.widgets import running
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.panels import empty, failure, loading

if TYPE_CHECKING:
    from qdrant_admin.core.reports import Finding
    from qdrant_admin.lifecycle.reports import StatsReport, StatusReport
    from qdrant_admin.persistence.past_checks import PastProof
    from qdrant_admin.state.store import HistoryEntry


HISTORY_READ = 200
SERVER_JOBS = ("up", "down", "restart", "apply", "adopt", "move-storage")
RUNNING_STATES = {"healthy", "loading", "starting", "degraded", "unhealthy", "recovery", "paused", "restarting"}
WIDE, NORMAL = 140, 92
OPERATION_WIDTH = 12
FINISH = "run the second scan of an interrupted check"
ACTION_KEYS: dict[str, tuple[str, str]] = {
    "up": ("s", "start"),
    "restart": ("a", "restart"),
    "apply": ("p", "apply"),
    "add_key": ("u", "add a key"),
    "logs": ("l", "logs"),
    "doctor": ("d", "doctor"),
    "adopt": ("o", "adopt"),
    "use_existing": ("x", "use it as it is"),
    "finish_check": ("f", "finish it"),
    "accept": ("y", "accept it"),
    "migrate": ("3", "resume"),
}
"""The key on Home for an action. `HomeScreen` binds the same keys."""
ACTIONS: dict[str, str] = {
    "runtime_unavailable": "doctor",
    "probe_failed": "doctor",
    "collections_not_listed": "doctor",
    "memory_unreadable": "doctor",
    "foreign_server": "use_existing",
    "other_ports_needed": "up",
    "server_absent": "up",
    "server_stopped": "up",
    "server_paused": "up",
    "crash_loop": "logs",
    "server_diagnosis": "logs",
    "unrequested_restarts": "logs",
    "no_answer": "logs",
    "not_qdrant": "doctor",
    "not_ready": "logs",
    "recovery_mode": "logs",
    "grpc_closed": "restart",
    "collection_unreadable": "logs",
    "collection_red": "logs",
    "optimizer_failed": "logs",
    "other_storage": "accept",
    "known_collection_missing": "accept",
    "known_collection_emptied": "accept",
    "known_collection_remade": "accept",
    "storage_in_container": "doctor",
    "storage_unsound": "doctor",
    "settings_differ": "apply",
    "no_api_key": "add_key",
    "published_without_api_key": "add_key",
    "no_automatic_start": "apply",
    "check_interrupted": "finish_check",
    "indexing_held_back": "migrate",
    "migration_interrupted": "migrate",
}
"""What Home offers to do about a finding that can be mended, by its code; nothing where it is not named."""


def action_of(finding: "Finding") -> str:
    """What can be done about a finding; a container of the profile's name can be adopted, all else only used."""
    if finding.code == "foreign_server" and finding.facts.get("adoptable"):
        return "adopt"
    return ACTIONS.get(finding.code, "") if finding.command else ""


class HomeScreen(BaseScreen):
    """Server, data, what needs attention and the key that mends it, and what was done lately."""

    SECTION = "home"
    HELP_TEXT = "Is my Qdrant all right? What runs, what it holds, what needs attention, and the key that fixes it."
    DRAWS_JOBS = frozenset({"doctor", "move-storage"})
    BINDINGS = [
        bind("s", "attend('up')", "start", "home.start", "set the server up and start it"),
        bind("p", "attend('apply')", "apply", "home.apply", "recreate the server as the profile says; its data stays"),
        bind("a", "attend('restart')", "restart", "home.restart", "restart the server and wait until it is ready"),
        bind("t", "attend('stop')", "stop", "home.stop", "stop the server; nothing is removed"),
        bind("o", "attend('adopt')", "adopt", "home.adopt", "let qdrant-admin manage a server created by others"),
        bind("x", "attend('use_existing')", "use it", "home.existing", "use somebody else's server as it is"),
        bind("f", "attend('finish_check')", "finish the check", "home.finish", FINISH),
        bind("y", "attend('accept')", "accept", "home.accept", "accept that known data is missing"),
        bind("u", "attend('add_key')", "add a key", "home.key", "generate an API key and keep it safe"),
        bind("d", "attend('doctor')", "doctor", "home.doctor", "examine everything, with a fix for each fault"),
        bind("e", "environment", "environment", "home.environment", "lines for your application's environment"),
        bind("h", "history", "history", "home.history", "open the report of what was done"),
        bind("l", "attend('logs')", "logs", "home.logs", "the server's log", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._history: tuple[HistoryEntry, ...] = ()
        self._proofs: tuple[PastProof, ...] = ()
        self._welcomed = False

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="home-scroll"):
            yield Plain(loading("looking at the server…"), id="home")

    def on_resize(self) -> None:
        super().on_resize()
        self.call_after_refresh(self._draw_page)

    def look_again(self) -> None:
        self._draw_page()
        self.call_after_refresh(self._read_history)

    def _read_history(self) -> None:
        self.ask(self._past, self._got_past, lambda _: None, group="history")

    def _past(self) -> "tuple[list[HistoryEntry], tuple[PastProof, ...]]":
        return self.services.history(HISTORY_READ), self.services.proofs()

    def action_refresh_now(self) -> None:
        self.admin.server.look()
        self.look_again()

    def _got_past(self, past: "tuple[list[HistoryEntry], tuple[PastProof, ...]]") -> None:
        history, self._proofs = past
        self._history = tuple(entry for entry in history if entry.profile == self.services.profile)
        self._draw_page()

    def server_changed(self) -> None:
        self._draw_page()
        self.refresh_bindings()
        status = self.admin.server.status
        installable = status is not None and status.state == "absent" and status.capabilities.start
        if installable and not self._welcomed and self.app.screen is self:
            self._welcomed = True
            self.action_set_up()

    def job_changed(self, view: JobView) -> None:
        self._draw_page()
        self.refresh_bindings()
        if view.running:
            return
        self.look_again()
        if view.kind == "doctor" and view.report is not None:
            from qdrant_admin.tui.screens.home.dialogs import show_doctor

            show_doctor(self, view.report)
        if view.kind == "move-storage":
            from qdrant_admin.tui.screens.home.dialogs import show_move

            show_move(self, view)

    def _draw_page(self) -> None:
        if not self.is_mounted:
            return
        server, page = self.admin.server, self.query_one("#home", Plain)
        width = (page.size.width or self.size.width - 4) - 1
        running = self.running_job(*SERVER_JOBS)
        if server.failure is not None:
            hints = ("r", "look again", "screen.refresh_now"), ("6", "settings", "app.go('settings')")
            page.update(failure(server.failure, *hints))
        elif server.status is None:
            page.update(loading("looking at the server…"))
        elif server.status.state == "absent" and running is None:
            why = "Setting one up takes a minute: on this computer only, on storage that survives, with a key."
            hints = ("s", "set it up", "screen.attend('up')"), ("6", "use another profile", "app.go('settings')")
            page.update(empty("There is no Qdrant here yet.", why, *hints))
        else:
            samples = tuple(server.samples)
            model = HomeModel(server.status, self.services.now(), samples, self._history, self._proofs, running)
            page.update(home(model, width, tall=self.size.height >= 45))

    # what the keys do

    def _ways(self) -> "Mapping[str, tuple[Callable[[], bool], Callable[[], object]]]":
        """By what can be done about the server: whether it makes sense now, and what does it."""
        status, services = self.admin.server.status, self.services
        can = status.capabilities if status is not None else None
        runs = status is not None and status.state in RUNNING_STATES
        frozen = status is not None and status.state == "paused"
        findings = status.findings if status is not None else ()
        wanted = {action_of(found) for found in findings}
        restart = partial(services.restart, "graceful")
        finish, doctor = services.finish_check, services.doctor
        return {
            "up": (lambda: (not runs or frozen) and can is not None and can.start, self._start),
            "restart": (
                lambda: runs and can is not None and "graceful" in can.restart,
                lambda: self.run_job("restart", "restart the server", restart),
            ),
            "stop": (lambda: runs and can is not None and can.stop, self._stop),
            "apply": (lambda: bool(status and status.changes) or "apply" in wanted, self._apply),
            "adopt": (lambda: "adopt" in wanted, self._adopt),
            "use_existing": (
                lambda: status is not None and status.state == "foreign",
                lambda: self.ask(services.use_existing, self._existing_used, group="profile"),
            ),
            "add_key": (
                lambda: status is not None and not status.api_key and "add_key" in wanted,
                lambda: self.ask(services.add_key, self._key_added, group="key"),
            ),
            "finish_check": (
                lambda: "finish_check" in wanted,
                lambda: self.run_job("verify", "verify: the second scan", finish, touches=""),
            ),
            "accept": (lambda: "accept" in wanted, self._accept),
            "doctor": (lambda: True, lambda: self.run_job("doctor", "examine everything", doctor, touches="")),
            "logs": (lambda: True, lambda: self.admin.action_go("logs")),
            "migrate": (lambda: True, lambda: self.admin.action_go("migrate")),
        }

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action != "attend":
            return super().check_action(action, parameters)
        makes_sense, _ = self._ways()[str(parameters[0])]
        return makes_sense()

    def action_attend(self, what: str) -> None:
        makes_sense, do = self._ways()[what]
        if makes_sense():
            do()

    def _start(self) -> None:
        status = self.admin.server.status
        if status is not None and status.state in {"absent", "foreign"}:  # it offers ports that are free
            self.action_set_up()
        else:
            self.run_job("up", "start the server", self.services.up)

    def action_set_up(self) -> None:
        from qdrant_admin.tui.screens.first_run import FirstRunScreen

        self.app.push_screen(FirstRunScreen())

    def _apply(self) -> None:
        status = self.admin.server.status
        rows = [
            look.line(f"{change.setting}: ", look.muted(change.current), f" → {change.wanted}")
            for change in (status.changes if status is not None else ())
        ]
        body = look.lines(*rows, look.muted("The server is stopped and recreated on the same data."))
        apply = partial(self.run_job, "apply", "apply the profile", partial(self.services.up, apply=True))
        self.confirm("Apply the profile to the server?", body, "Apply", apply)

    def _adopt(self) -> None:
        body = "Others created it. From now on qdrant-admin may stop and recreate it. Its data stays."
        adopt = partial(self.run_job, "adopt", "adopt the server", self.services.adopt)
        self.confirm("Adopt this server?", body, "Adopt", adopt)

    def _accept(self) -> None:
        from qdrant_admin.lifecycle import finding_words

        status = self.admin.server.status
        found = [one for one in (status.findings if status else ()) if ACTIONS.get(one.code) == "accept"]
        missing = [finding_words.text(one) for one in found]
        body = "\n".join([*missing, "", "From then on this is no fault. Nothing on the server is changed."])
        accept = partial(self.run_job, "accept", "take what is there for known", self.services.accept)
        self.confirm("Accept what is missing?", body, "Accept", accept)

    def _stop(self) -> None:
        body = "Applications that use it fail until it is started again. Nothing is removed: container and data stay."
        stop = partial(self.run_job, "down", "stop the server", self.services.down)
        self.confirm("Stop the server?", body, "Stop", stop)

    def _existing_used(self, name: str) -> None:
        self.notify(f"profile {name} names that server: it is used as it is, and left to whoever runs it", markup=False)
        self.admin.profile_changed()

    def _key_added(self, where: str) -> None:
        self.notify(f"a key was generated and is kept in {where}; press p to apply it", markup=False)
        self.admin.server.look()

    def action_environment(self) -> None:
        from qdrant_admin.tui.screens.home.dialogs import EnvironmentDialog

        lines = partial(self.services.environment, reveal=True)
        self.ask(lines, lambda found: self.app.push_screen(EnvironmentDialog(found)), group="env")

    def action_history(self) -> None:
        from qdrant_admin.tui.screens.home.dialogs import PastDialog

        self.app.push_screen(PastDialog(self._history, self.services.now()), self._open)

    def action_open(self, number: int) -> None:
        self._open(next((entry for entry in self._history if entry.id == number), None))

    def _open(self, entry: "HistoryEntry | None") -> None:
        if entry is None or self.admin.open_entry(entry):
            return
        from qdrant_admin.tui.screens.home.dialogs import ReportDialog

        blocks = partial(self.services.report_blocks, entry)
        self.ask(blocks, lambda report: self.app.push_screen(ReportDialog(entry, report)), group="report")


@dataclass(frozen=True)
class HomeModel:
    """Everything that Home shows."""

    status: "StatusReport"
    now: datetime
    samples: "tuple[StatsReport, ...]" = ()
    history: "tuple[HistoryEntry, ...]" = ()
    proofs: "tuple[PastProof, ...]" = ()
    """The newest one, and the strongest where that is another one."""
    job: JobView | None = None


def home(model: HomeModel, width: int, *, tall: bool = False) -> Content:
    if width >= WIDE:
        third = (width - 8) // 3
        top = look.beside([server(model, third), data(model), cost(model, third, tall=tall)], [third] * 3)
        half = (width - 6) // 2
        below = look.beside([news(model, half), recent(model, half, most=20)], [half, half], gap=6)
    elif width >= NORMAL:
        left = (width - 4) * 11 // 20
        top = look.beside([[*server(model, left), *costs(model, left)], data(model)], [left, width - 4 - left])
        below = [*news(model, width), Content(""), *recent(model, width)]
    else:
        top = [*server(model, width, brief=True), *costs(model, width), Content(""), *data_briefly(model)]
        below = [*news(model, width), Content(""), *recent(model, width)]
    return look.lines(*top, Content(""), *below)


def server(model: HomeModel, width: int, *, brief: bool = False) -> list[Content]:
    status = model.status
    runtime = {"docker": "Docker", "native": "native process", "remote": "remote"}[status.runtime]
    where = f"container {status.container}" if status.container else status.name if status.runtime == "native" else ""
    pairs = [("runtime", _facts(runtime, where))]
    if status.started_at is not None and status.state not in {"stopped", "absent"}:
        policy = f"policy {status.restart_policy}" if brief and status.restart_policy else ""
        restarts = formatting.counted(status.restarts, "restart")
        pairs.append(("started", _facts(formatting.ago(status.started_at, model.now), restarts, policy)))
    if status.restart_policy and not brief:
        pairs.append(("policy", look.text(status.restart_policy)))
    pairs.append(("storage", _storage(status)))
    if not brief:
        pairs.append(("access", look.text("with an API key" if status.api_key else "without an API key")))
    return [look.title("Server"), *[look.cut(row, width) for row in look.fields(pairs, 11)]]


def _storage(status: "StatusReport") -> Content:
    storage = status.storage
    if not storage.source:
        return look.muted("unknown") if storage.kind == "unknown" else look.text("inside the container")
    kind = {"volume": "volume", "bind": "folder", "directory": "folder"}.get(storage.kind, "")
    sound = {True: look.muted(" · sound"), False: look.line(" ", look.state("warn", "not sound")), None: Content("")}[
        storage.sound
    ]
    return look.line(f"{kind} {storage.source}".strip(), sound)


def _facts(*facts: str) -> Content:
    known = [fact for fact in facts if fact]
    return look.line(known[0], *[look.muted(f" · {fact}") for fact in known[1:]]) if known else look.muted("unknown")


def data(model: HomeModel) -> list[Content]:
    status = model.status
    pairs = [
        ("collections", _collections(status)),
        ("points", _points(model)),
        ("on disk", _disk(model)),
        *_proofs(model),
    ]
    return [look.title("Data"), *look.fields(pairs, 13)]


def data_briefly(model: HomeModel) -> list[Content]:
    status = model.status
    counts: list[Content] = []
    if status.collections is not None:
        counts.append(look.line((formatting.counted(status.collections, "collection"), "bold"), _colours(status)))
    if status.points is not None:
        counts.append(look.line((formatting.counted(status.points, "point"), "bold")))
    shown = look.muted("   ·   ").join(counts) if counts else look.muted("what it holds is unknown")
    pairs = [("on disk", _disk(model)), *_proofs(model)]
    return [look.title("Data"), shown, *look.fields(pairs, 11)]


def _collections(status: "StatusReport") -> Content:
    if status.collections is None:
        return look.muted("unknown")
    return look.line((formatting.number(status.collections), "bold"), _colours(status))


def _colours(status: "StatusReport") -> Content:
    if not status.collections:
        return look.line("  ", look.key("3", "bring your data in", "app.go('migrate')"))
    troubled = [(key, count) for key, count in status.statuses.items() if count and key != "green"]
    said = [look.state(key, f"{formatting.number(count)} {key}") for key, count in troubled]
    return look.line("  ", Content("  ").join(said or [look.state("green", "all green")]))


def _points(model: HomeModel) -> Content:
    if model.status.points is None:
        return look.muted("unknown")
    age = formatting.ago(model.status.checked_at, model.now)
    return look.line((formatting.number(model.status.points), "bold"), look.muted(f"  exact, {age}"))


def _disk(model: HomeModel) -> Content:
    newest = model.samples[-1] if model.samples else None
    if newest is None or newest.disk_bytes is None:
        return look.muted("size unknown")
    free = "" if newest.disk_free_bytes is None else f"  {formatting.size(newest.disk_free_bytes)} free"
    return look.line(formatting.size(newest.disk_bytes), look.muted(free))


def _proofs(model: HomeModel) -> list[tuple[str, Content]]:
    """The newest check that could prove something, and beside it the one that asked more of the storage."""
    if not model.proofs:
        never = look.line(look.state("unknown", "never"), "  ", look.key("4", "prove it", "app.go('verify')"))
        return [("last proof", never)]
    labels = ("last proof", "strongest")
    return [(label, _proof(one, model.now)) for label, one in zip(labels, model.proofs, strict=False)]


def _proof(proof: "PastProof", now: datetime) -> Content:
    how = "" if proof.how == "none" else f" by {proof.how}"
    return look.line(
        look.state(proof.entry.verdict), look.muted(f"{how}, {formatting.ago(proof.entry.started_at, now)}")
    )


def measured(model: HomeModel) -> bool:
    newest = model.samples[-1] if model.samples else None
    return newest is not None and newest.memory_bytes is not None


def costs(model: HomeModel, width: int) -> list[Content]:
    if not measured(model):
        return []
    room = max(8, min(24, (width - 36) // 2))
    cpu, memory = _series(model.samples)
    newest = model.samples[-1]
    used = look.spark(memory, room, top=_calm(memory), style="$secondary")
    shown = look.line(look.spark(cpu, room, top=10.0), " ", _percent(newest), look.muted("   memory  "), used)
    return [look.line(look.fit(look.muted("cpu"), 11), shown, " ", formatting.size(newest.memory_bytes))]


def cost(model: HomeModel, width: int, *, tall: bool = False) -> list[Content]:
    if not measured(model):
        return [look.title("Cost"), look.muted("not known while it does not run here")]
    cpu, memory = _series(model.samples)
    newest, room, rows = model.samples[-1], max(10, width - 9), 4 if tall else 1
    limit = f" of {formatting.size(newest.memory_limit_bytes)}" if newest.memory_limit_bytes else ""
    used, most = formatting.size(newest.memory_bytes), formatting.size(round(max(memory, default=0.0)))
    lines = [look.title("Cost")]
    for label, values, top, style, now, peak in (
        ("cpu", cpu, 10.0, "$accent", _percent(newest), f"{max(cpu, default=0.0):.0f} %"),
        ("memory", memory, _calm(memory), "$secondary", used, f"{most}{limit}"),
    ):
        lines.append(look.line(look.fit(look.muted(label), 9), (now, "bold"), look.muted(f"   peak {peak}")))
        lines += [look.line(" " * 9, row) for row in look.chart(values, room, rows, top=top, style=style)]
    return lines


def _calm(memory: Sequence[float]) -> float:
    """The top of the memory's scale: above what is used, so that growth has room to be seen."""
    return 1.5 * max(memory, default=0.0)


def _series(samples: "Sequence[StatsReport]") -> tuple[list[float], list[float]]:
    cpu = [sample.cpu_percent for sample in samples if sample.cpu_percent is not None]
    return cpu, [float(sample.memory_bytes) for sample in samples if sample.memory_bytes is not None]


def _percent(sample: "StatsReport") -> str:
    return "unknown" if sample.cpu_percent is None else f"{sample.cpu_percent:.0f} %"


def news(model: HomeModel, width: int) -> list[Content]:
    """Running work on the server with its steps, else what needs attention, else that nothing does."""
    from qdrant_admin.lifecycle import finding_words

    if model.job is not None:
        steps = [look.cut(step, width) for step in running.steps(model.job)]
        return [look.title(f"Now: {model.job.title}"), *steps, *running.bar_below(model.job.latest, width)]
    rows = [look.title("Needs attention")]
    for item in model.status.findings:
        action = action_of(item)
        key, says = ACTION_KEYS.get(action, ("", ""))
        hint = look.key(key, says, f"screen.attend('{action}')") if key else Content("")
        room = width - hint.cell_length - 6
        folded = look.text(finding_words.text(item)).wrap(max(20, room)) if room > 0 else []
        for index, part in enumerate(folded):
            mark = look.symbol(item.level) if index == 0 else Content(" ")
            rows.append(look.line(mark, " ", look.fit(part, room), "    ", hint if index == 0 else Content("")))
    return rows if model.status.findings else [*rows, look.state("ok", "nothing")]


def recent(model: HomeModel, width: int, *, most: int = 8) -> list[Content]:
    rows = [look.title("Recent")]
    for entry in model.history[:most]:
        when = look.fit(look.muted(formatting.clock(entry.started_at, model.now)), 14)
        verdict = look.fit(look.state(entry.verdict), 16)
        row = look.line(when, look.fit(look.text(entry.operation), OPERATION_WIDTH), verdict, look.muted(entry.summary))
        rows.append(look.linked(look.cut(row, width), f"screen.open({entry.id})"))
    return rows if model.history else [*rows, look.muted("nothing yet: what you do here is kept, with its report")]

"""Home as rows of text: pure functions of what is known and how much room there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from textual.content import Content

from qdrant_admin.core import formatting
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.widgets import running

if TYPE_CHECKING:
    from qdrant_admin.lifecycle.reports import StatsReport, StatusReport
    from qdrant_admin.state.store import HistoryEntry


WIDE, NORMAL = 140, 92
OPERATION_WIDTH = 12
ACTION_KEYS: dict[str, tuple[str, str]] = {
    "up": ("s", "start"),
    "restart": ("a", "restart"),
    "apply": ("p", "apply"),
    "add_key": ("u", "add a key"),
    "logs": ("l", "logs"),
    "doctor": ("d", "doctor"),
    "adopt": ("o", "adopt"),
    "finish_check": ("f", "finish it"),
    "migrate": ("3", "resume"),
}
"""The key on Home for an action. `HomeScreen` binds the same keys."""
ACTIONS: dict[str, str] = {
    "runtime_unavailable": "doctor",
    "probe_failed": "doctor",
    "collections_not_listed": "doctor",
    "foreign_server": "adopt",
    "server_absent": "up",
    "server_stopped": "up",
    "server_paused": "restart",
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


@dataclass(frozen=True)
class HomeModel:
    """Everything that Home shows."""

    status: "StatusReport"
    now: datetime
    samples: "tuple[StatsReport, ...]" = ()
    history: "tuple[HistoryEntry, ...]" = ()
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
        ("last proof", last_proof(model) or _never_proved()),
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
    pairs = [("on disk", _disk(model)), ("last proof", last_proof(model) or _never_proved())]
    return [look.title("Data"), shown, *look.fields(pairs, 11)]


def _never_proved() -> Content:
    return look.line(look.state("unknown", "never"), "  ", look.key("4", "prove it", "app.go('verify')"))


def _collections(status: "StatusReport") -> Content:
    if status.collections is None:
        return look.muted("unknown")
    return look.line((formatting.number(status.collections), "bold"), _colours(status))


def _colours(status: "StatusReport") -> Content:
    troubled = [(key, count) for key, count in status.statuses.items() if count and key != "green"]
    if not status.collections:
        return look.line("  ", look.key("3", "bring your data in", "app.go('migrate')"))
    if not troubled:
        return look.line("  ", look.state("green", "all green"))
    return look.line(
        "  ", Content("  ").join([look.state(key, f"{formatting.number(count)} {key}") for key, count in troubled])
    )


def _points(model: HomeModel) -> Content:
    if model.status.points is None:
        return look.muted("unknown")
    age = formatting.ago(model.status.checked_at, model.now)
    return look.line((formatting.number(model.status.points), "bold"), look.muted(f"  exact, {age}"))


def _disk(model: HomeModel) -> Content:
    newest = model.samples[-1] if model.samples else None
    if newest is None or newest.disk_bytes is None:
        return look.muted("size unknown")
    free = (
        look.muted(f"  {formatting.size(newest.disk_free_bytes)} free")
        if newest.disk_free_bytes is not None
        else Content("")
    )
    return look.line(formatting.size(newest.disk_bytes), free)


def last_proof(model: HomeModel) -> Content | None:
    entry = next((entry for entry in model.history if entry.operation == "verify"), None)
    if entry is None:
        return None
    return look.line(look.state(entry.verdict), look.muted(f"  {formatting.ago(entry.started_at, model.now)}"))


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
    lines = [look.title("Cost")]
    for label, values, top, style, now, peak in (
        ("cpu", cpu, 10.0, "$accent", _percent(newest), f"peak {max(cpu, default=0.0):.0f} %"),
        (
            "memory",
            memory,
            _calm(memory),
            "$secondary",
            formatting.size(newest.memory_bytes),
            f"peak {formatting.size(round(max(memory, default=0.0)))}{limit}",
        ),
    ):
        lines.append(look.line(look.fit(look.muted(label), 9), (now, "bold"), look.muted(f"   {peak}")))
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
        steps = running.steps(model.job)
        bar = running.bar_below(model.job.latest, width)
        return [look.title(f"Now: {model.job.title}"), *[look.cut(step, width) for step in steps], *bar]
    found = model.status.findings
    if not found:
        return [look.title("Needs attention"), look.state("ok", "nothing")]
    rows = [look.title("Needs attention")]
    for item in found:
        action = ACTIONS.get(item.code, "") if item.command else ""
        key, says = ACTION_KEYS.get(action, ("", ""))
        hint = look.key(key, says, f"screen.attend('{action}')") if key else Content("")
        room = width - hint.cell_length - 6
        folded = look.text(finding_words.text(item)).wrap(max(20, room)) if room > 0 else []
        for index, part in enumerate(folded):
            mark = look.symbol(item.level) if index == 0 else Content(" ")
            rows.append(look.line(mark, " ", look.fit(part, room), "    ", hint if index == 0 else Content("")))
    return rows


def recent(model: HomeModel, width: int, *, most: int = 8) -> list[Content]:
    rows = [look.title("Recent")]
    for entry in model.history[:most]:
        when = look.fit(look.muted(formatting.clock(entry.started_at, model.now)), 14)
        verdict = look.fit(look.state(entry.verdict), 16)
        row = look.line(when, look.fit(look.text(entry.operation), OPERATION_WIDTH), verdict, look.muted(entry.summary))
        rows.append(look.linked(look.cut(row, width), f"screen.open({entry.id})"))
    return rows if model.history else [*rows, look.muted("nothing yet: what you do here is kept, with its report")]

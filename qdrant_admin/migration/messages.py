"""What both faces, and the written report, say of a migration's plan and of its result."""

from datetime import datetime

import msgspec

from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import (
    Block,
    Blocks,
    Code,
    Commands,
    Facts,
    Heading,
    Headline,
    Items,
    Paragraph,
    Remark,
    StateWord,
    Step,
    Table,
    Words,
)
from qdrant_admin.core.commands import Command
from qdrant_admin.core.document import Document
from qdrant_admin.core.formatting import plain
from qdrant_admin.migration.reports import EXACT_LEAST, CollectionPlan, CollectionResult, MigrationReport, PlanReport

POLICIES = {
    "fail": "a target that holds points stops the migration before it begins",
    "skip": "a collection whose target holds points is left out",
    "overwrite": "points with the same id are overwritten, others stay",
    "rename": "a target that exists stays as it is; a new name is chosen",
}
ACTIONS = {"create": "will be created", "append": "exists", "skip": "left out"}
STAGING = {
    "no": "each collection is filled under its own name",
    "yes": "a staging collection is filled and verified, then an alias is switched to it; the old collection stays",
}
METHODS = {
    "auto": "from one Qdrant server to another as a snapshot where possible, else point by point",
    "stream": "point by point",
    "snapshot": "as a snapshot of the server's own files, or not at all",
}
VERIFY = {
    "full": "every point is compared with its source",
    "sample": "every id is compared, and the content of some points: quicker, and the verdict says so",
}
CATCH_UP = {
    "no": "the source is read once",
    "yes": "for a source that keeps changing: what differs is copied again, until nothing does",
    "yes, deleting": "as yes; points that came from this source, which no longer has them, are deleted from the target",
}
REJECT_POLICIES = {
    "continue": "a record that cannot be stored goes to the reject file, the others are copied",
    "fail": "the first record that cannot be stored stops the migration",
}
SAMPLE = "With verify sample: points per collection whose content is compared."
WORKERS = "Requests in parallel; 0: choose for me."
_SENTENCES = {
    "unverified": "It was copied and could not be compared with its source, so nothing is claimed.",
    "cancelled": "Stopped. What was acknowledged stays; the run can be resumed.",
    "failed": "The migration could not be finished. What was acknowledged stays.",
}
_SHOWN, _REJECTS_SHOWN = 20, 10
_FIGURES = ("read", "written", "skipped", "rejected", "verified")
_SOMETIMES = ("seen", "folded", "left_out")
"""Figures that are shown where one of them says more than those above."""


def sentence(report: MigrationReport) -> str:
    if report.verdict == "verified":
        return _verified(report)
    if report.verdict == "differs":
        rest = _rest(report)
        seen, written = formatting.counted(total(report, "seen"), "row"), formatting.number(total(report, "written"))
        figures = f" Of {seen}, {written} were written.{rest}" if rest else ""
        return f"The target differs from the source: {_differences(report) or 'see below'}.{figures}"
    if report.verdict == "skipped":
        return _skipped(report)
    return _SENTENCES[report.verdict]


def _verified(report: MigrationReport) -> str:
    copied = [one for one in report.collections if one.verdict != "skipped"]
    points = formatting.counted(sum(one.read - one.folded for one in copied), "point")
    rest = _rest(report)
    arrived = f"Of {formatting.counted(total(report, 'seen'), 'row')}, {points}" if rest else f"All {points}"
    sampled = [one.sampled for one in report.collections if one.sampled is not None]
    if not sampled:
        return f"{arrived} arrived, and every one is what it was at the source.{rest}"
    looked = formatting.counted(sum(sampled), "point")
    return f"{arrived} arrived. The content of {looked} was compared, and is what it was at the source.{rest}"


def _rest(report: MigrationReport) -> str:
    """What became of rows that are no point of the target by now; empty when there are none."""
    named = (("folded", "folded (the id comes again, the last one holds)"), ("left_out", "left out, as asked"))
    said = [f"{formatting.number(count)} {words}" for figure, words in named if (count := total(report, figure))]
    kept = sum(one.skipped for one in report.collections if one.verdict == "skipped")
    said += [f"{formatting.number(kept)} skipped: their target is left as it is"] if kept else []
    return f" The others: {', '.join(said)}." if said else ""


def _skipped(report: MigrationReport) -> str:
    if any(one.verdict != "skipped" for one in report.collections) or not report.collections:
        return "Nothing was copied: the source holds nothing."
    rows = formatting.counted(total(report, "seen"), "row")
    return f"Nothing was copied: every collection was left out ({rows})."


def total(report: MigrationReport, figure: str) -> int:
    return sum(getattr(one, figure) for one in report.collections)


def _differences(report: MigrationReport) -> str:
    counts = (
        (sum(max(one.missing_count, len(one.missing)) for one in report.collections), "missing"),
        (sum(max(one.different_count, len(one.different)) for one in report.collections), "different"),
        (total(report, "rejected"), "rejected"),
        (sum(abs(one.seen - one.accounted) for one in report.collections if one.seen), "not accounted for"),
    )
    return ", ".join(f"{formatting.number(count)} {word}" for count, word in counts if count)


def next_steps(report: MigrationReport) -> list[Step]:
    if report.verdict in {"cancelled", "failed", "unverified"}:
        return [Step("resume it where it stopped", Command("migrate", resume=report.run))]
    steps = []
    if again := replay(report):
        steps.append(Step("repair what was rejected and send it again", again))
    if any(one.missing or one.different for one in report.collections):
        steps.append(Step("copy again over what differs", _again(report)))
    if report.verdict == "verified":
        steps.append(Step("prove that it survives a crash", Command("verify", how="kill")))
        steps.append(Step("point your application at it", Command("env")))
        if not (report.strays or total(report, "left_out") or total(report, "skipped")):
            steps.append(Step(f"the source was not changed; remove it yourself once nobody needs it: {report.source}"))
    return steps


def _again(report: MigrationReport) -> Command:
    copied = [one for one in report.collections if one.verdict != "skipped"]
    return Command(
        "migrate",
        report.source,
        on_conflict="overwrite",
        exclude=[one.source for one in report.collections if one.verdict == "skipped"],
        rename=[f"{one.source}={one.target}" for one in copied if one.target != one.source],
    )


def replay(report: MigrationReport) -> Command | None:
    """The command that sends the repaired rejects again; None when there are none."""
    return Command("migrations", "replay", report.reject_file) if report.reject_file else None


def command(plan: PlanReport, *, yes: bool = False) -> Command:
    """The command that does what a plan says; `yes` is the confirmation that it asks for."""
    choices = ("on_conflict", "on_reject", "method", "verify", "batch_size", "workers")
    chosen = {choice: getattr(plan, choice) for choice in choices}
    usual = {one.name: one.default for one in msgspec.structs.fields(PlanReport)}
    renamed = [
        one for one in plan.collections if not one.left_out and name(one) != one.source and one.on_conflict != "rename"
    ]
    own = [one for one in plan.collections if one.on_conflict != plan.on_conflict and not one.only_differences]
    return Command(
        "migrate",
        plan.source,
        **{choice: value for choice, value in chosen.items() if value != usual[choice]},
        into_staging=any(one.alias for one in plan.collections),
        catch_up=plan.catch_up,
        delete_gone=plan.delete_gone,
        exclude=[one.source for one in plan.collections if one.left_out],
        rename=[f"{one.source}={name(one)}" for one in renamed],
        on_conflict_of=[f"{one.source}={one.on_conflict}" for one in own],
        yes=yes,
    )


def name(one: CollectionPlan) -> str:
    """The name that applications will use: the alias, where one is switched to the target."""
    return one.alias or one.target


def destroys(plan: PlanReport) -> str:
    """What the user has to confirm; empty when nothing that exists changes."""
    would = [f"overwrite points in {', '.join(map(plain, plan.overwrites))}"] if plan.overwrites else []
    if plan.delete_gone:
        names = ", ".join(plain(one.target) for one in plan.taken)
        would.append(f"delete points in {names} that came from this source and no longer exist there")
    return f"this would {' and '.join(would)}" if would else ""


def action(one: CollectionPlan) -> str:
    """What happens in the target: `will be created`, `exists, holds 12`."""
    if one.alias and one.action != "skip":
        return "filled beside it, then switched" if one.replaces else "filled, then given its name"
    if one.target_points:
        return f"{ACTIONS[one.action]}, holds {formatting.number(one.target_points)}"
    return f"{ACTIONS[one.action]}, empty" if one.target_exists else ACTIONS[one.action]


def how(plan: PlanReport) -> list[tuple[str, str]]:
    taken = plan.taken
    needed = sum(one.estimated_bytes for one in taken)
    rows = [
        ("conflicts", f"{plan.on_conflict}: {POLICIES[plan.on_conflict]}"),
        *[("copy", text) for text in dict.fromkeys(_copy(plan, one) for one in taken)],
        ("rejects", f"{plan.on_reject}: {REJECT_POLICIES[plan.on_reject]}"),
        ("verify", _verify(plan)),
        ("catch-up", CATCH_UP["yes, deleting" if plan.delete_gone else "yes"] if plan.catch_up else ""),
        *[("ids", text) for text in dict.fromkeys(one.ids for one in taken if one.ids)],
        *[("payload", text) for text in dict.fromkeys(one.payload for one in taken if one.payload)],
        ("time", takes(plan)),
        ("space", f"about {formatting.size(needed)}" if needed else ""),
    ]
    return [(label, text) for label, text in rows if text]


def takes(plan: PlanReport) -> str:
    known = [one.estimated_seconds for one in plan.taken if one.estimated_seconds is not None]
    if not known or len(known) != len(plan.taken):
        return ""
    runs = min(one.estimated_from for one in plan.taken)
    by = f"as {formatting.counted(runs, 'earlier run')} went" if runs else "a first guess"
    return f"about {formatting.duration(sum(known))}, {by}"


def _verify(plan: PlanReport) -> str:
    sample = plan.verify.removeprefix("sample:")
    if sample == plan.verify:
        return VERIFY["full"]
    return f"every id is compared, and the content of {formatting.counted(int(sample), 'point')} per collection"


def _copy(plan: PlanReport, one: CollectionPlan) -> str:
    explain = one.method_why and plan.source.startswith("qdrant+")  # from any other source nobody expects a snapshot
    why = f" ({one.method_why})" if explain else ""
    if one.method == "snapshot":
        return f"as a snapshot{why}"
    parallel = "one at a time" if one.in_order else f"{plan.workers} in parallel"
    return f"up to {formatting.counted(plan.batch_size, 'point')} per request, {parallel}{why}"


def asides(one: CollectionResult) -> list[str]:
    facts = []
    if one.method == "snapshot":
        facts.append("copied as a snapshot")
    if one.bytes:
        facts.append(f"{formatting.size(one.bytes)} sent")
    if one.retries:
        facts.append(f"resumed {formatting.counted(one.retries, 'time')} after a server did not answer")
    if one.passes:
        written = formatting.counted(one.caught_up, "point")
        deleted = f", {formatting.number(one.deleted)} deleted" if one.deleted else ""
        facts.append(f"caught up in {formatting.counted(one.passes, 'pass', 'passes')}: {written} written{deleted}")
    if one.search_quality is not None and one.search_quality >= EXACT_LEAST:  # below that the note says so
        facts.append(f"a search finds {one.search_quality * 100:.0f} % of what it found at the source")
    return [text for text in (one.note, ", ".join(facts)) if text]


def plan_blocks(report: PlanReport) -> Blocks:
    rows = tuple(
        (
            one.source,
            name(one),
            formatting.number(one.count),
            ", ".join(spec.words for spec in one.vectors),
            action(one),
        )
        for one in report.collections
    )
    head = ("source", "target", "points", "vectors", "what")
    problems = sorted(report.problems, key=lambda one: one.level)
    return (
        Headline(report.verdict_word, report.summary()),
        Paragraph(f"{report.source_kind} → {report.target}", "soft"),
        Table(head, rows, right=frozenset({"points"})),
        *(Paragraph(f"{label}: {value}", "soft") for label, value in how(report)),
        *(Remark("warn" if one.level == "warning" else "fail", one.words, one.fix) for one in problems),
    )


def result_blocks(report: MigrationReport) -> Blocks:
    blocks: list[Block] = [
        Headline(report.verdict, report.summary()),
        Paragraph(sentence(report)),
        _results(report, _FIGURES),
    ]
    for one in report.collections:
        blocks += _details(one)
    blocks += [*_rejects(report), *_guesses(report)]
    blocks += [Paragraph(report.checks, "soft")] if report.checks else []
    return *blocks, Commands(tuple(next_steps(report)[1:]))


def document(report: MigrationReport, when: datetime | None = None) -> Document:
    """The result as a written report, for an issue or a wiki; `when`: the beginning of the migration, where known."""
    facts: dict[str, Words] = {
        "from": (Code(report.source), f" ({report.source_kind})"),
        "to": Code(report.target),
        "when": when.astimezone().strftime("%Y-%m-%d %H:%M %Z") if when else "",
        "took": formatting.duration(report.seconds) + (", in more than one run" if report.resumed else ""),
        "checked": report.checks,
        "run": Code(report.run),
    }
    blocks: list[Block] = [Paragraph(sentence(report)), Facts.of(facts)]
    blocks += [_results(report, (*_FIGURES, "extra"))] if report.collections else []
    for one in report.collections:
        blocks += _details(one)
    blocks += [*_rejects(report), *_guesses(report)]
    steps = tuple(next_steps(report))
    blocks += [Heading("What to do next"), Commands(steps)] if steps else []
    return Document(f"migration into {report.target}", report.verdict, tuple(blocks))


def shown_figures(report: MigrationReport, figures: tuple[str, ...]) -> tuple[str, ...]:
    """These, with those that are not always of use; `seen` beside them, which all are held against."""
    more = tuple(one for one in _SOMETIMES if one != "seen" and total(report, one))
    odd = any(one.seen not in {0, one.read} for one in report.collections)
    return (*(("seen",) if more or odd else ()), *figures, *more)


def _results(report: MigrationReport, figures: tuple[str, ...]) -> Table:
    figures = shown_figures(report, figures)
    rows: list[tuple[Words, ...]] = []
    for one in report.collections:
        name = one.target if one.source == one.target else f"{one.source} → {one.target}"
        numbers = [formatting.number(getattr(one, figure)) for figure in figures]
        rows.append((name, *numbers, StateWord(one.verdict)))
    head = [figure.replace("_", " ") for figure in figures]
    return Table(("collection", *head, "verdict"), tuple(rows), right=frozenset(head))


def _details(one: CollectionResult) -> list[Block]:
    rows: list[Words] = list(asides(one))
    for label, ids in (("missing", one.missing), ("different", one.different), ("extra", one.extra_ids)):
        rows += [(f"{label}: ", Code(record)) for record in ids]
    return [Heading(one.target), Items(tuple(rows), shown=_SHOWN)] if rows else []


def _guesses(report: MigrationReport) -> list[Block]:
    """What was taken for granted, as the plan has said it, and how ids and payload were mapped."""
    copied = [one for one in report.collections if one.verdict != "skipped"]
    mapped = (f"{figure}: {text}" for figure in ("ids", "payload") for one in copied if (text := getattr(one, figure)))
    rows: list[Words] = [*report.warnings, *dict.fromkeys(mapped)]
    return [Heading("How it was read"), Items(tuple(rows), shown=_SHOWN)] if rows else []


def _rejects(report: MigrationReport) -> list[Block]:
    if not report.rejects:
        return []
    rows = tuple((one.collection, Code(one.id), one.reason) for one in report.rejects)
    blocks: list[Block] = [Heading("Rejected"), Table(("collection", "id", "why"), rows, shown=_REJECTS_SHOWN)]
    file = report.reject_file
    return [*blocks, Paragraph(("All of them are in ", Code(file), "."))] if file else blocks

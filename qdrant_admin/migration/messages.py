"""A migration in words: what both faces, and its written report, say of a plan and of a result."""

import shlex
from typing import NamedTuple

from qdrant_admin.core import formatting
from qdrant_admin.core.text import plain
from qdrant_admin.migration.reports import EXACT_LEAST, CollectionPlan, CollectionResult, MigrationReport, PlanReport

POLICIES = {
    "fail": "a target that holds points stops the migration before it begins",
    "skip": "a collection whose target holds points is left out",
    "overwrite": "points of the same id are written over, others stay",
    "rename": "a target that exists stays as it is; a new name is taken",
}
ACTIONS = {"create": "is made", "append": "is added to", "replace": "is made anew", "skip": "is left out"}
STAGING = {
    "no": "each collection is filled under its own name",
    "yes": "filled under another name; its own becomes an alias, switched once it is verified; what was there stays",
}
METHODS = {
    "auto": "from one Qdrant server to another as a snapshot where one will do, else point by point",
    "stream": "point by point",
    "snapshot": "as a snapshot, the server's own files, or not at all",
}
VERIFY = {
    "full": "every point is compared with its source",
    "sample": "every id is compared, and the content of some points: quicker, and the verdict says so",
}
CATCH_UP = {
    "no": "the source is read once",
    "yes": "for a source that goes on changing: what differs is copied again, until nothing does",
    "yes, deleting": "as yes; and what came from this source and is there no more is deleted in the target",
}
REJECT_POLICIES = {
    "continue": "a record that cannot be stored goes to the reject file, the others go on",
    "fail": "the first record that cannot be stored stops the migration",
}
SAMPLE = "With verify sample: the points of each collection whose content is compared."
WORKERS = "Requests under way at the same time; 0: as many as do some good here."
USUAL_BATCH = PlanReport.model_fields["batch_size"].default
_STAYS = "What was acknowledged stays"


class Step(NamedTuple):
    """Something to do next."""

    says: str
    command: str = ""
    """Runs as it stands; empty where a person has to do it elsewhere."""


def sentence(report: MigrationReport) -> str:
    """What the verdict means, in one plain sentence."""
    match report.verdict:
        case "verified":
            return _verified(report)
        case "differs":
            return f"The target is not what the source is: {_differences(report) or 'see below'}."
        case "unverified":
            return "It was copied and could not be compared with its source, so nothing is claimed."
        case "skipped":
            return "Nothing was copied: every collection was left out."
        case "cancelled":
            return f"Stopped. {_STAYS}; it can be taken up again where it was."
        case _:
            return f"The migration could not be finished. {_STAYS}."


def _verified(report: MigrationReport) -> str:
    read = formatting.counted(sum(one.read for one in report.collections), "point")
    sampled = [one.sampled for one in report.collections if one.sampled is not None]
    if not sampled:
        return f"All {read} arrived, and every one is what it was at the source."
    looked = formatting.counted(sum(sampled), "point")
    return f"All {read} arrived. The content of {looked} was compared, and is what it was at the source."


def _differences(report: MigrationReport) -> str:
    counts = (
        (sum(len(one.missing) for one in report.collections), "missing"),
        (sum(len(one.different) for one in report.collections), "different"),
        (sum(one.rejected for one in report.collections), "rejected"),
    )
    return ", ".join(f"{formatting.number(count)} {word}" for count, word in counts if count)


def next_steps(report: MigrationReport) -> list[Step]:
    """What to do about it now, the most important first."""
    resume = f"qdrant-admin migrate --resume {report.run}"
    if report.verdict in {"cancelled", "failed", "unverified"}:
        return [Step("take it up again where it was", resume)]
    steps = []
    if report.reject_file:
        steps.append(Step("mend what was rejected and send it again", replay(report)))
    if any(one.missing or one.different for one in report.collections):
        steps.append(Step("copy again over what differs", _again(report)))
    if report.verdict == "verified":
        steps.append(Step("prove that it survives a crash", "qdrant-admin verify --how kill"))
        steps.append(Step("point your application at it", "qdrant-admin env"))
        steps.append(Step(f"the source was not touched; remove it yourself once nobody needs it: {report.source}"))
    return steps


def _again(report: MigrationReport) -> str:
    """The command that copies once more into the same collections."""
    given = ["qdrant-admin", "migrate", report.source, "--on-conflict", "overwrite"]
    for one in report.collections:
        if one.verdict == "skipped":
            given += ["--exclude", one.source]
        elif one.target != one.source:
            given += ["--rename", f"{one.source}={one.target}"]
    return shlex.join(given)


def replay(report: MigrationReport) -> str:
    """The command that sends the mended rejects again; empty when there are none."""
    file = report.reject_file
    return shlex.join(["qdrant-admin", "migrations", "replay", file]) if file else ""


def command(plan: PlanReport) -> list[str]:
    """The words of the command that does what a plan says."""
    given = ["qdrant-admin", "migrate", plan.source]
    for option in ("on_conflict", "on_reject", "method", "verify"):
        value = getattr(plan, option)
        given += [f"--{option.replace('_', '-')}", value] if value != PlanReport.model_fields[option].default else []
    given += ["--batch-size", str(plan.batch_size)] if plan.batch_size != USUAL_BATCH else []
    given += ["--into-staging"] if any(one.alias for one in plan.collections) else []
    given += ["--catch-up"] if plan.catch_up else []
    given += ["--delete-gone"] if plan.delete_gone else []
    for one in plan.collections:
        if one.left_out:
            given += ["--exclude", one.source]
        elif name(one) != one.source and one.on_conflict != "rename":
            given += ["--rename", f"{one.source}={name(one)}"]
        if one.on_conflict != plan.on_conflict:
            given += ["--on-conflict-of", f"{one.source}={one.on_conflict}"]
    return given


def name(one: CollectionPlan) -> str:
    """What applications will call it in the target: the alias, where one is switched to it."""
    return one.alias or one.target


def destroys(plan: PlanReport) -> str:
    """What a person has to say yes to; empty when nothing that is there changes."""
    taken = [one for one in plan.collections if one.action != "skip"]
    told = [f"write over points in {', '.join(plain(name) for name in plan.overwrites)}"] if plan.overwrites else []
    if plan.delete_gone:
        names = ", ".join(plain(one.target) for one in taken)
        told.append(f"delete points in {names} that came from this source and are there no more")
    return f"this would {' and '.join(told)}" if told else ""


def action(one: CollectionPlan) -> str:
    """What happens in the target: `is made`, `is added to, 12 there`."""
    if one.alias and one.action != "skip":
        return "is filled beside, then switched" if one.replaces else "is filled, then given its name"
    there = (
        f", {formatting.number(one.target_points)} there"
        if one.target_points
        else ", empty"
        if one.target_exists
        else ""
    )
    return f"{ACTIONS[one.action]}{there}"


def how(plan: PlanReport) -> list[tuple[str, str]]:
    """How it would be done, as label and words."""
    taken = [one for one in plan.collections if one.action != "skip"]
    needed = sum(one.estimated_bytes for one in taken)
    rows = [
        ("conflicts", f"{plan.on_conflict}: {POLICIES[plan.on_conflict]}"),
        *[("copy", text) for text in dict.fromkeys(_copy(plan, one) for one in taken)],
        ("rejects", f"{plan.on_reject}: {REJECT_POLICIES[plan.on_reject]}"),
        ("verify", _verify(plan)),
        ("catch-up", CATCH_UP[catch_up(plan)] if plan.catch_up else ""),
        *[("ids", text) for text in dict.fromkeys(one.ids for one in taken if one.ids)],
        *[("payload", text) for text in dict.fromkeys(one.payload for one in taken if one.payload)],
        ("time", takes(plan)),
        ("space", f"about {formatting.size(needed)}" if needed else ""),
    ]
    return [(label, text) for label, text in rows if text]


def takes(plan: PlanReport) -> str:
    """How long it takes, and who says so; empty when nobody can tell."""
    taken = [one for one in plan.collections if one.action != "skip"]
    known = [one.estimated_seconds for one in taken if one.estimated_seconds is not None]
    if not known or len(known) != len(taken):
        return ""
    runs = min(one.estimated_from for one in taken)
    told = f"as {formatting.counted(runs, 'earlier run')} went" if runs else "a first guess"
    return f"about {formatting.duration(sum(known))}, {told}"


def catch_up(plan: PlanReport) -> str:
    """A key of `CATCH_UP`."""
    return ("yes, deleting" if plan.delete_gone else "yes") if plan.catch_up else "no"


def _verify(plan: PlanReport) -> str:
    sample = plan.verify.removeprefix("sample:")
    if sample == plan.verify:
        return VERIFY["full"]
    return f"every id is compared, and the content of {formatting.counted(int(sample), 'point')} a collection"


def _copy(plan: PlanReport, one: CollectionPlan) -> str:
    told = one.method_why and plan.source.startswith("qdrant+")  # of any other source nobody expects a snapshot
    why = f" ({one.method_why})" if told else ""
    if one.method == "snapshot":
        return f"as a snapshot{why}"
    requests = formatting.counted(1 if one.in_order else plan.workers, "request")
    return f"at most {formatting.counted(plan.batch_size, 'point')} a request, {requests} at a time{why}"


def asides(one: CollectionResult) -> list[str]:
    """What is to be said of one collection besides its figures."""
    facts = []
    if one.method == "snapshot":
        facts.append("copied as a snapshot")
    if one.bytes:
        facts.append(f"{formatting.size(one.bytes)} sent")
    if one.retries:
        facts.append(f"taken up again {formatting.counted(one.retries, 'time')} while somebody did not answer")
    if one.passes:
        facts.append(f"caught up in {formatting.counted(one.passes, 'pass', 'passes')}: {_caught_up(one)}")
    if one.search_quality is not None and one.search_quality >= EXACT_LEAST:  # below that the note says so
        facts.append(f"a search finds {one.search_quality * 100:.0f} % of what it found at the source")
    return [text for text in (one.note, ", ".join(facts)) if text]


def _caught_up(one: CollectionResult) -> str:
    deleted = f", {formatting.number(one.deleted)} deleted" if one.deleted else ""
    return f"{formatting.counted(one.caught_up, 'point')} written{deleted}"

"""What the reports of the checks say to people: on a screen, and in a certificate to keep or to hand on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import (
    Block,
    Blocks,
    Code,
    Commands,
    Digest,
    Facts,
    Heading,
    Headline,
    Items,
    Paragraph,
    StateWord,
    Step,
    Table,
    Words,
    do_now,
)
from qdrant_admin.core.document import Document

if TYPE_CHECKING:
    from qdrant_admin.persistence import reports

_SHOWN = 20
"""Of points that differ, and of changes that were lost."""
_ANSWERS = {
    "persisted": "Everything is there. Nothing is missing, nothing has changed.",
    "unchanged": "Two looks are equal. The server was not restarted, so this is no proof.",
    "empty": "Nothing is stored, so there was nothing to prove.",
    "lost": "Data was lost.",
    "changed": "Data is not what it was.",
    "inconclusive": "This could not be decided.",
}
_CYCLE_FIGURES = frozenset({"acknowledged", "unanswered", "lost", "ready after"})


def verification(report: "reports.VerifyReport") -> Blocks:
    """Verdict, collections before and after, differences, and what to do."""
    blocks = _answer(report, report.reason or _ANSWERS[report.verdict])
    blocks += _both_scans(report)
    blocks += [rounds(report)] if report.how == "all" else []
    blocks += _all_differences(report)
    blocks += [Paragraph(f"likely cause: {report.cause}")] if report.cause else []
    blocks += map(Paragraph, report.since)
    blocks += [Paragraph(f"checked: {', '.join(report.checks)}", "soft")] if report.checks else []
    return *blocks, *do_now(report.fix)


def certificate(report: "reports.VerifyReport") -> Document:
    """Everything that a check says, to keep or to hand on."""
    facts: dict[str, Words] = {
        **_origin(report),
        "on disk": "" if report.storage_bytes is None else formatting.size(report.storage_bytes),
        "server was": report.done,
        "ready again after": _duration(report.ready_seconds),
        "checked": ", ".join(report.checks),
        "likely cause": report.cause,
        "do now": Code(report.fix),
        "took": formatting.duration(report.seconds),
    }
    blocks: list[Block] = [Paragraph(report.sentence()), Facts.of(facts)]
    blocks += [Heading("Restarts"), rounds(report)] if report.how == "all" else []
    blocks += [Heading("Collections"), *table] if (table := _both_scans(report)) else []
    blocks += _all_differences(report)
    if report.phases:
        phases = tuple(
            (one.name.replace("_", " "), one.at.astimezone().strftime("%H:%M:%S"), formatting.duration(one.seconds))
            for one in report.phases
        )
        blocks += [Heading("How it went"), Table(("step", "began", "took"), phases, right=frozenset({"took"}))]
    return Document(f"restart and verify, profile {report.profile}", report.verdict, tuple(blocks), report.profile)


def crash(report: "reports.CrashReport") -> Blocks:
    """The verdict of a crash test, what was lost, and how long the server took to come back."""
    kept = "Everything acknowledged was there after every crash." if report.verdict == "persisted" else report.reason
    blocks = _answer(report, kept or "Something acknowledged is gone.")
    blocks += [Facts.of({**_crash_facts(report), "storage": report.storage}), *_losses(report)]
    blocks += [Paragraph(f"writer failed: {one}", "bad") for one in report.failed_writers]
    blocks += [Paragraph(f"still there: {name}", "warn") for name in report.left]
    return *blocks, *do_now(report.fix)


def crash_certificate(report: "reports.CrashReport") -> Document:
    """Everything that a crash test says, to keep or to hand on."""
    facts: dict[str, Words] = {
        **_origin(report),
        "acknowledged": formatting.counted(report.acknowledged, "change"),
        "lost": formatting.counted(report.lost, "acknowledged change"),
        **_crash_facts(report),
        "reason": report.reason,
        "do now": Code(report.fix),
        "took": formatting.duration(report.seconds),
        "seed": str(report.seed),
    }
    blocks: list[Block] = [Paragraph(report.sentence()), Facts.of(facts), *_losses(report)]
    blocks += [Heading("Writers that failed"), Items(report.failed_writers)] if report.failed_writers else []
    blocks += [Heading("Crash by crash"), cycles(report.cycles)] if report.cycles else []
    blocks += [Heading("Canary collections that are left"), Items(report.left)] if report.left else []
    return Document(f"crash test, profile {report.profile}", report.verdict, tuple(blocks), report.profile)


def move_plan(report: "reports.MovePlanReport") -> Blocks:
    """From where to where, what it takes, and what is done in which order."""
    rows: dict[str, Words] = {
        "from": report.storage,
        "to": f"volume {report.volume}",
        "a second copy": "of unknown size" if report.needed_bytes is None else formatting.size(report.needed_bytes),
        "free": "unknown" if report.free_bytes is None else formatting.size(report.free_bytes),
        "old data": f"stays: {report.left}",
    }
    steps = (Paragraph(f"{number}. {step}") for number, step in enumerate(report.steps, 1))
    return Headline("planned"), Facts.of(rows), *steps


def moved(report: "reports.MoveReport") -> Blocks:
    """The verdict, each collection before and after, and where the old data is."""
    blocks = _answer(report, report.reason, word="" if report.moved else "not moved")
    blocks += [_collections(report.collections, "old storage", "volume")] if report.collections else []
    for check in report.collections:
        blocks += _differences(check)
    blocks += [Paragraph(f"the old data is still there: {report.left}")] if report.left else []
    remove = Step("to remove the old data, once you no longer need it", report.remove)
    blocks += [Commands((remove,))] if report.remove else []
    return *blocks, *do_now(report.fix)


def _answer(report: "reports.Proof", text: str, word: str = "") -> list[Block]:
    return [Headline(report.verdict, text, loud=True, word=word), Paragraph(report.summary(), "soft")]


def _origin(report: "reports.Proof") -> dict[str, Words]:
    return {
        "when": report.at.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z"),
        "server": f"Qdrant {report.server_version}" if report.server_version else "",
        "profile": report.profile,
        "storage": report.storage,
    }


def _both_scans(report: "reports.VerifyReport") -> list[Block]:
    """The collections before and after; nothing where both looks are equal and a table of then and now says more."""
    return [_collections(report.collections)] if report.collections and not report.tells_since_alone else []


def _collections(checks: "tuple[reports.CollectionCheck, ...]", before: str = "before", after: str = "after") -> Table:
    rows = tuple(
        (check.name, _points(check.before), _points(check.after), _content(check), StateWord(check.verdict))
        for check in checks
    )
    return Table(("collection", before, after, "content", "verdict"), rows, right=frozenset({before, after}))


def _content(check: "reports.CollectionCheck") -> Words:
    digests = list(dict.fromkeys(side.digest for side in (check.before, check.after) if side))
    return (Digest(digests[0]), " → ", Digest(digests[1])) if len(digests) == 2 else tuple(map(Digest, digests))


def rounds(report: "reports.VerifyReport") -> Table:
    rows = tuple((one.done, _duration(one.ready_seconds), StateWord(one.verdict)) for one in report.rounds)
    return Table(("the server was", "ready after", "verdict"), rows, right=frozenset({"ready after"}))


def _all_differences(report: "reports.VerifyReport") -> list[Block]:
    """Of the collections, against the baseline, and of the aliases."""
    blocks: list[Block] = []
    for check in report.collections:
        blocks += _differences(check)
    blocks += since(report.baseline) if report.baseline is not None else ()
    if report.aliases:
        blocks += [Heading("Aliases"), Items(tuple(alias.words for alias in report.aliases))]
    return blocks


def since(then: "reports.BaselineCheck", *, table: bool = True) -> Blocks:
    """What has changed since an earlier check; without its table where that stands elsewhere."""
    told = tuple(f"{check.name}: {', '.join(check.told)}" for check in then.collections if check.told)
    return (
        Heading(f"Since {then.when}"),
        Paragraph((StateWord(then.verdict), f": {then.reason or 'everything is as it was then'}")),
        *([_collections(then.collections, "then", "now")] if table else []),
        *([Items(told)] if told else []),
    )


def _differences(check: "reports.CollectionCheck") -> list[Block]:
    counts = ((check.missing, "missing"), (check.changed, "changed"), (check.extra, "extra"))
    told = ", ".join(f"{formatting.number(count)} {word}" for count, word in counts if count)
    if not (told or check.settings or check.points):
        return []
    blocks: list[Block] = [Heading(f"{check.name}: {told}" if told else check.name)]
    blocks += [Items(check.told)] if check.settings else []
    rows = tuple((one.id, StateWord(one.what), one.detail) for one in check.points)
    blocks += [Table(("point", "state", "details"), rows, shown=_SHOWN)] if rows else []
    left = check.missing + check.changed + check.extra - len(rows)
    return [*blocks, Paragraph(f"{formatting.counted(left, 'point')} more differ.")] if rows and left > 0 else blocks


def _crash_facts(report: "reports.CrashReport") -> dict[str, Words]:
    median, longest = report.recovery_median_seconds, report.recovery_max_seconds
    unanswered = formatting.counted(report.unanswered, "change")
    return {
        "unanswered": f"{unanswered} under way at a crash, which may be there or not",
        "ready again after": f"median {_duration(median)}, max {_duration(longest)}" if median and longest else "",
        "acknowledged when": "applied and logged" if report.wait else "received (wait=false)",
    }


def _losses(report: "reports.CrashReport") -> list[Block]:
    if not report.losses:
        return []
    rows = tuple((one.what, one.acknowledged, one.found) for one in report.losses)
    left = report.lost - len(rows)
    more = [Paragraph(f"{formatting.counted(left, 'change')} more were lost.")] if left > 0 else []
    return [Heading("Lost"), Table(("what", "acknowledged", "found"), rows, shown=_SHOWN), *more]


def cycles(made: "Sequence[reports.Cycle]") -> Table:
    rows = tuple(
        (
            formatting.number(number),
            one.done,
            formatting.number(one.acknowledged),
            formatting.number(one.unanswered),
            formatting.number(one.lost),
            formatting.duration(one.recovery_seconds),
        )
        for number, one in enumerate(made, 1)
    )
    head = ("", "the server was", "acknowledged", "unanswered", "lost", "ready after")
    return Table(head, rows, right=_CYCLE_FIGURES)


def _points(side: "reports.Side | None") -> str:
    return "absent" if side is None else formatting.number(side.points)


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else formatting.duration(seconds)

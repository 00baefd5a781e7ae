"""The plan as one can read and change it: what becomes of each collection, what stands in the way, how it is done."""

from collections.abc import Mapping

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import DataTable

from qdrant_admin.core import formatting
from qdrant_admin.migration import tell
from qdrant_admin.migration.reports import CollectionPlan, PlanReport, Problem
from qdrant_admin.tui import look
from qdrant_admin.tui.screens.collections import vector_words
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.states import loading
from qdrant_admin.tui.widgets.table import fill

NAME_WIDTH = {False: 32, True: 18}
"""Of names, on a wide screen and on a narrow one."""
NARROW = 100
LABEL_WIDTH = 11


class PlanPane(Vertical):
    """One plan; while another is being made, the old one stays in sight."""

    def __init__(self) -> None:
        super().__init__(id="migrate-plan")
        self.plan: PlanReport | None = None

    def compose(self) -> ComposeResult:
        """The answer, the collections, and below them everything else."""
        yield Plain(id="plan-head", classes="heading")
        yield DataTable[object](id="plan-table", cursor_type="row")
        with VerticalScroll(id="plan-more"):
            yield Plain(id="plan-details")

    def show(self, plan: PlanReport) -> None:
        """What would be made of what, and every reason not to begin."""
        self.plan = plan
        self.query_one("#plan-head", Plain).update(head(plan))
        self._fill(self.query_one("#plan-table", DataTable), plan, self.app.size.width)
        self.query_one("#plan-details", Plain).update(details(plan, self.app.size.width - 6))

    def planning(self) -> None:
        """Another plan is on its way."""
        if self.plan is not None:
            self.query_one("#plan-head", Plain).update(look.lines(loading("planning anew…"), *_ways(self.plan)))

    @property
    def here(self) -> CollectionPlan | None:
        """The collection under the cursor."""
        table = self.query_one("#plan-table", DataTable)
        if self.plan is None or not self.plan.collections:
            return None
        return self.plan.collections[min(table.cursor_row, len(self.plan.collections) - 1)]

    def _fill(self, table: DataTable[object], plan: PlanReport, width: int) -> None:
        variables, longest = self.app.theme_variables, NAME_WIDTH[width < NARROW]
        table.display = bool(plan.collections)
        titles = [("", False), ("from", False), ("points", True), ("vectors", False), ("to", False), ("what", False)]
        rows = [(one.source, _cells(one, variables, longest)) for one in plan.collections]
        fill(table, titles, rows, width=width - 5)


def _cells(one: CollectionPlan, variables: Mapping[str, str], longest: int) -> list[Text]:
    left = one.action == "skip"
    name, lesser = ("$text-muted", "$text-muted") if left else ("bold", "$text-muted")
    vectors = ", ".join(vector_words(spec) for spec in one.vectors) or "none"
    count = formatting.number(one.count) if one.count_exact else f"about {formatting.number(one.count)}"
    return [
        look.symbol_cell("waiting" if left else "ok", variables),
        look.cell(formatting.shorten(one.source, longest), name, variables),
        look.cell(count, lesser if left else "", variables, right=True),
        look.cell(vectors, lesser, variables),
        look.cell("" if left else formatting.shorten(tell.name(one), longest), name, variables),
        look.cell(tell.action(one), lesser, variables),
    ]


def head(plan: PlanReport) -> Content:
    """Whether it can go, how much it is, how long it takes; then from where to where."""
    refused = sum(problem.level == "refused" for problem in plan.problems)
    guesses = [one.estimated_seconds for one in plan.collections if one.action != "skip"]
    known = [guess for guess in guesses if guess is not None]
    took = f"about {formatting.duration(sum(known))}" if known and len(known) == len(guesses) else ""
    verdict = look.state("refused", "not yet") if refused else look.state("ok", "ready to start")
    why = f"{formatting.counted(refused, 'problem')} in the way" if refused else ""
    facts = [look.text(part, "bold" if part == why else "") for part in (why, plan.summary(), took) if part]
    return look.lines(look.line(verdict.stylize("bold"), "   ", look.muted(" · ").join(facts)), *_ways(plan))


def _ways(plan: PlanReport) -> list[Content]:
    ways = look.line((formatting.shorten(plan.source, 70), "bold"), look.muted("  →  "), (plan.target, "bold"))
    return [ways, look.muted(plan.source_kind)]


def details(plan: PlanReport, width: int) -> Content:
    """Problems first, then how it is done, then the keys."""
    ordered = sorted(plan.problems, key=lambda one: one.level)
    problems = [row for problem in ordered for row in _problem(problem, width)]
    how = [
        row
        for label, text in tell.how(plan)
        for row in look.hanging(look.fit(look.muted(label), LABEL_WIDTH), look.text(text), width)
    ]
    change = ("c", "change how", "screen.change")
    if plan.exit_code:
        end = look.keys(change, ("enter", "change a collection", ""), ("esc", "another source", "screen.leave"))
    else:
        end = look.keys(("s", f"start: {plan.summary()}", "screen.start"), change)
    return Content("\n\n").join([look.lines(*group) for group in (problems, how, [end]) if group])


def _problem(problem: Problem, width: int) -> list[Content]:
    key = "refused" if problem.level == "refused" else "warning"
    where = look.muted(f"{problem.collection}  ") if problem.collection else Content("")
    rows = look.hanging(look.line(look.symbol(key), " "), look.line(where, problem.text), width)
    if problem.fix:
        rows.append(look.line(("  try  ", look.MUTED), (problem.fix, "$text-accent")))
    return rows

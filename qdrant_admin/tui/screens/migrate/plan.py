"""The plan as one can read and change it: what becomes of each collection, what prevents it, how it is done."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on
from textual.content import Content
from textual.widgets import DataTable

from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import Facts, Remark
from qdrant_admin.migration import messages
from qdrant_admin.migration.reports import CollectionPlan, PlanReport
from qdrant_admin.tui import look
from qdrant_admin.tui.screens.panes import PanesScreen, TablePane
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.blocks import Drawing
from qdrant_admin.tui.widgets.dialogs import FormDialog
from qdrant_admin.tui.widgets.panels import loading
from qdrant_admin.tui.widgets.tables import at_cursor, fill

if TYPE_CHECKING:
    from qdrant_admin.migration.plan import PlanOptions


NAME_WIDTH = {False: 32, True: 18}
NARROW = 100


class PlanPane(TablePane):
    """One plan; while another is being made, the old one stays in sight."""

    def __init__(self) -> None:
        super().__init__("plan", Plain(id="plan-head", classes="heading"), id="migrate-plan")
        self.plan: PlanReport | None = None

    def show(self, plan: PlanReport, profile: str) -> None:
        self.plan, width = plan, self.app.size.width
        self.head.update(head(plan))
        self.table.display = bool(plan.collections)
        titles = ["", "from", "points", "vectors", "to", "what"]
        variables, longest = self.app.theme_variables, NAME_WIDTH[width < NARROW]
        rows = [_cells(one, variables, longest) for one in plan.collections]
        fill(self.table, titles, rows, room=width - 5)
        self.details.update(details(plan, width - 6, profile))

    def planning(self) -> None:
        if self.plan is not None:
            self.head.update(look.lines(loading("planning again…"), *_ways(self.plan)))

    @property
    def here(self) -> CollectionPlan | None:
        return at_cursor(self.table, self.plan.collections if self.plan is not None else ())


def _cells(one: CollectionPlan, variables: Mapping[str, str], longest: int) -> list[Text]:
    left = one.action == "skip"
    name, lesser = ("$text-muted", "$text-muted") if left else ("bold", "$text-muted")
    vectors = ", ".join(spec.words for spec in one.vectors) or "none"
    count = formatting.number(one.count)
    return [
        look.symbol_cell("waiting" if left else "ok", variables),
        look.cell(formatting.shorten(one.source, longest), name, variables),
        look.cell(count, lesser if left else "", variables, right=True),
        look.cell(vectors, lesser, variables),
        look.cell("" if left else formatting.shorten(messages.name(one), longest), name, variables),
        look.cell(messages.action(one), lesser, variables),
    ]


def head(plan: PlanReport) -> Content:
    refused = sum(problem.level == "refused" for problem in plan.problems)
    guesses = [one.estimated_seconds for one in plan.taken]
    known = [guess for guess in guesses if guess is not None]
    took = f"about {formatting.duration(sum(known))}" if known and len(known) == len(guesses) else ""
    verdict = look.state("ok", "ready to start") if plan.ready else look.state("skipped", "nothing to do")
    verdict = look.state("refused", "not yet") if refused else verdict
    why = f"{formatting.counted(refused, 'problem')} in the way" if refused else ""
    facts = [look.text(part, "bold" if part == why else "") for part in (why, plan.summary(), took) if part]
    return look.lines(look.line(verdict.stylize("bold"), "   ", look.muted(" · ").join(facts)), *_ways(plan))


def _ways(plan: PlanReport) -> list[Content]:
    ways = look.line((formatting.shorten(plan.source, 70), "bold"), look.muted("  →  "), (plan.target, "bold"))
    return [ways, look.muted(plan.source_kind)]


def details(plan: PlanReport, width: int, profile: str) -> Content:
    problems = tuple(block for block in plan.blocks() if isinstance(block, Remark))
    said = Drawing(width, profile).content((*problems, Facts(tuple(messages.how(plan)))))
    change = ("c", "change how", "screen.change")
    if not plan.ready:
        end = look.keys(change, ("enter", "change a collection", ""), ("esc", "another source", "screen.leave"))
    else:
        end = look.keys(("s", f"start: {plan.summary()}", "screen.start"), change)
    return look.lines(said, Content(""), end)


class PlanEdits(PanesScreen):
    """A screen with a `PlanPane` on it."""

    def __init__(self) -> None:
        super().__init__()
        self._options: PlanOptions | None = None
        self._plan: PlanReport | None = None
        """The plan that can be started, or that is running; none while another one is being made."""

    @abstractmethod
    def ask_for_plan(self, options: "PlanOptions") -> None:
        """Make a plan with these options."""

    @property
    def _editable(self) -> "PlanOptions | None":
        """The options of the plan that can be started."""
        return self._options if self._plan is not None else None

    def _fill_in(self, form: FormDialog, changed: Callable[[dict[str, str]], "PlanOptions"]) -> None:
        def answered(values: dict[str, str] | None) -> None:
            if values is not None:
                self.ask_for_plan(changed(values))

        self.app.push_screen(form, answered)

    def action_change(self) -> None:
        from qdrant_admin.tui.screens.migrate import forms

        options = self._editable
        if options is not None:
            self._fill_in(forms.settings_form(options), partial(forms.changed, options))

    @on(DataTable.RowSelected, "#plan-table")
    def action_change_one(self) -> None:
        from qdrant_admin.tui.screens.migrate import forms

        options, here = self._editable, self.query_one(PlanPane).here
        if options is not None and here is not None:
            self._fill_in(forms.collection_form(here, options), partial(forms.changed_collection, options, here))

    @property
    def excluded(self) -> bool:
        here = self.query_one(PlanPane).here
        return here is not None and self._options is not None and here.source in self._options.skip_collections

    @on(DataTable.RowHighlighted, "#plan-table")
    def _other_row(self) -> None:
        self.refresh_bindings()

    def action_include(self) -> None:
        self._include(True)

    def action_exclude(self) -> None:
        self._include(False)

    def _include(self, include: bool) -> None:
        from qdrant_admin.tui.screens.migrate import forms

        options, here = self._editable, self.query_one(PlanPane).here
        if options is not None and here is not None:
            self.ask_for_plan(forms.included(options, here.source, include=include))

    def action_policy(self) -> None:
        from qdrant_admin.tui.screens.migrate import forms

        options = self._editable
        if options is not None:
            self.ask_for_plan(forms.next_policy(options))

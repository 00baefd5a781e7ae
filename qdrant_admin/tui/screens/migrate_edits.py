"""The keys that change a plan. Each makes new options, and a plan is made anew with them."""

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import on
from textual.widgets import DataTable

from qdrant_admin.migration.reports import PlanReport
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.screens.migrate_plan import PlanPane

if TYPE_CHECKING:
    from qdrant_admin.migration.plan import PlanOptions


class PlanEdits(BaseScreen):
    """A screen with a `PlanPane` on it."""

    def __init__(self) -> None:
        super().__init__()
        self._options: PlanOptions | None = None
        self._plan: PlanReport | None = None
        """The plan that can be started, or that is running; none while another one is being made."""

    @abstractmethod
    def ask_for_plan(self, options: "PlanOptions") -> None:
        """Make a plan with these options."""

    def _change(self, form: Callable[["PlanOptions"], None]) -> None:
        if self._plan is not None and self._options is not None:
            form(self._options)

    def action_change(self) -> None:
        """Change how everything is moved."""
        from qdrant_admin.tui.screens import migrate_forms as forms

        def ask(options: "PlanOptions") -> None:
            def answered(values: dict[str, str] | None) -> None:
                if values is not None:
                    self.ask_for_plan(forms.changed(options, values))

            self.app.push_screen(forms.settings_form(options), answered)

        self._change(ask)

    def action_change_one(self) -> None:
        """Change what becomes of the collection under the cursor."""
        from qdrant_admin.tui.screens import migrate_forms as forms

        here = self.query_one(PlanPane).here

        def ask(options: "PlanOptions") -> None:
            def answered(values: dict[str, str] | None) -> None:
                if values is not None and here is not None:
                    self.ask_for_plan(forms.changed_collection(options, here, values))

            if here is not None:
                self.app.push_screen(forms.collection_form(here, options), answered)

        self._change(ask)

    @on(DataTable.RowSelected, "#plan-table")
    def _row(self) -> None:
        self.action_change_one()

    def action_take(self) -> None:
        """Take the collection under the cursor along, or leave it."""
        from qdrant_admin.tui.screens import migrate_forms as forms

        here = self.query_one(PlanPane).here
        if here is not None:
            left = here.source in (self._options.skip_collections if self._options else ())
            self._change(lambda options: self.ask_for_plan(forms.taken(options, here.source, take=left)))

    def action_policy(self) -> None:
        """The next conflict policy; the plan is made anew with it."""
        from qdrant_admin.tui.screens import migrate_forms as forms

        self._change(lambda options: self.ask_for_plan(forms.next_policy(options)))

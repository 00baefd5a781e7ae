"""What a person may change in a plan: the whole of it, and one collection of it."""

from typing import get_args

from qdrant_admin.core.errors import BadInput
from qdrant_admin.database.names import check_stored_name
from qdrant_admin.migration import messages
from qdrant_admin.migration.plan import MAX_BATCH, MAX_WORKERS, PlanOptions
from qdrant_admin.migration.reports import CollectionPlan, ConflictPolicy
from qdrant_admin.tui.widgets.dialogs import Choice, Field, FormDialog, Text, whole_number

YES, NO = "yes", "no"
FULL = "full"
MOST = 1_000_000_000
AS_ALL = "same as the plan"
"""The conflict policy of a collection that has none of its own."""


def settings_form(options: PlanOptions) -> FormDialog:
    batch, says = str(options.batch_size), "Points per request, at most."
    fields: list[Field] = [
        Choice("on_conflict", "conflicts", options.on_conflict, tuple(messages.POLICIES.items())),
        Choice("method", "method", options.method, tuple(messages.METHODS.items())),
        Text("batch_size", "batch", batch, says, whole_number(1, MAX_BATCH)),
        Text("workers", "workers", str(options.workers), messages.WORKERS, whole_number(0, MAX_WORKERS)),
        Choice("verify", "verify", "full" if options.verify == FULL else "sample", tuple(messages.VERIFY.items())),
        Text("sample", "sample", _sample(options), messages.SAMPLE, whole_number(1, MOST)),
        Choice("catch_up", "catch-up", _catch_up(options), tuple(messages.CATCH_UP.items())),
        Choice("into_staging", "staging", YES if options.into_staging else NO, tuple(messages.STAGING.items())),
        Choice("on_reject", "rejects", options.on_reject, tuple(messages.REJECT_POLICIES.items())),
    ]
    return FormDialog("How to migrate", "", fields)


def changed(options: PlanOptions, values: dict[str, str]) -> PlanOptions:
    chosen = values | {key: int(values[key]) for key in ("batch_size", "workers")}
    chosen["verify"] = FULL if values["verify"] == "full" else f"sample:{chosen.pop('sample')}"
    chosen.pop("sample", None)
    chosen["into_staging"] = values["into_staging"] == YES
    chosen["catch_up"] = values["catch_up"] != NO
    chosen["delete_gone"] = values["catch_up"] not in {YES, NO}
    return PlanOptions.model_validate(options.model_dump() | chosen)


def _sample(options: PlanOptions) -> str:
    return "1000" if options.verify == FULL else options.verify.removeprefix("sample:")


def _catch_up(options: PlanOptions) -> str:
    return ("yes, deleting" if options.delete_gone else YES) if options.catch_up else NO


def collection_form(one: CollectionPlan, options: PlanOptions) -> FormDialog:
    chosen = options.conflicts.get(one.source, AS_ALL)
    as_all = f"{options.on_conflict}: {messages.POLICIES[options.on_conflict]}"
    policies = ((AS_ALL, as_all), *messages.POLICIES.items())
    include = ((YES, "It is copied."), (NO, "It is left out; nothing of it is read."))
    name = options.names.get(one.source, messages.name(one))
    fields: list[Field] = [
        Text("target", "target name", name, "What it is called in the target.", _name_trouble),
        Choice("policy", "conflicts", chosen, policies),
        Choice("include", "include", NO if one.source in options.skip_collections else YES, include),
    ]
    return FormDialog(one.source, "", fields)


def changed_collection(options: PlanOptions, one: CollectionPlan, values: dict[str, str]) -> PlanOptions:
    names, conflicts = dict(options.names), dict(options.conflicts)
    if values["target"] != messages.name(one):
        names[one.source] = values["target"]
    conflicts.pop(one.source, None)
    if values["policy"] != AS_ALL:
        conflicts[one.source] = values["policy"]  # type: ignore[assignment]  # one of the policies, see the form
    update = {"names": names, "conflicts": conflicts}
    return included(options.model_copy(update=update), one.source, include=values["include"] == YES)


def next_policy(options: PlanOptions) -> PlanOptions:
    policies = get_args(ConflictPolicy)
    following = policies[(policies.index(options.on_conflict) + 1) % len(policies)]
    return options.model_copy(update={"on_conflict": following})


def included(options: PlanOptions, source: str, *, include: bool) -> PlanOptions:
    others = tuple(name for name in options.skip_collections if name != source)
    return options.model_copy(update={"skip_collections": others if include else (*others, source)})


def _name_trouble(value: str) -> str:
    try:
        check_stored_name(value)
    except BadInput as error:
        return error.why or error.what
    return ""

"""What a finding says to people. Its words are made here and nowhere else; programs read its code."""

from collections import defaultdict
from datetime import datetime

from qdrant_admin.core.formatting import counted, size
from qdrant_admin.core.reports import Finding

SENTENCES: dict[str, str] = {
    "api_key_missing": "the server asks for an API key and none is known",
    "api_key_refused": "the server does not accept the API key from {origin}: {key_trouble}",
    "runtime_unavailable": "{what}{because}",
    "probe_failed": "{what}{because}",
    "collections_not_listed": "{what}{because}",
    "foreign_server": "{who} was not set up by {maker} and is left alone{own_state}",
    "other_ports_needed": "a server of your own needs other ports than {port} and {grpc_port}",
    "server_absent": "no server is set up",
    "server_stopped": "the server is stopped",
    "server_paused": "the server is paused",
    "crash_loop": "the server keeps ending and being restarted, {times} so far",
    "server_diagnosis": "{what}{because}",
    "unrequested_restarts": "it was restarted {times} without a request",
    "no_answer": "nothing answers at {subject}{because}",
    "not_qdrant": "what answers at {subject} is not Qdrant{because}",
    "not_ready": "/readyz does not say ready",
    "recovery_mode": "recovery mode: collections are listed, and cannot be read until it is started without it",
    "grpc_closed": "gRPC does not answer at {subject}",
    "grpc_foreign": "gRPC port {port} leads to another program{because}; everything goes over REST",
    "collection_unreadable": "collection {subject} cannot be read{because}",
    "collection_red": "collection {subject} is red{because}",
    "optimizer_failed": "the optimizer of collection {subject} has failed{because}",
    "writes_pending": "collection {subject} does not show yet what it has acknowledged: {pending}",
    "points_hidden": "collection {subject} hides what it stores until it is optimized: {pending}",
    "storage_deleted": "{what}{because}",
    "data_elsewhere": "this profile has data in {subject} as well, which is not shown: {known} on {when}",
    "storage_in_container": "no volume: the data dies with the container",
    "storage_unsound": "storage {subject} is not sound{because}",
    "disk_full": "only {free} free where the data lies: Qdrant refuses writes",
    "disk_low": "only {free} free where the data lies",
    "settings_differ": "its settings differ from the profile: {changes}",
    "no_api_key": "no API key: any web page opened on this machine can reach the server, and can empty it",
    "published_without_api_key": "published on {subject} without an API key: whoever reaches it owns the data",
    "key_in_clear": "the API key goes to {subject} unencrypted: whoever is on the way can read it",
    "no_automatic_start": "restart policy {policy}: it does not come back when the machine restarts",
    "check_interrupted": "the check of {when} was interrupted before its second scan, so it has proven nothing yet",
    "indexing_held_back": "an interrupted migration holds back the indexing of {collections}: searches there are slow",
    "migration_interrupted": "the migration of {subject} was interrupted{others}",
}


def text(finding: Finding) -> str:
    """One finding in one sentence. A code that this version does not know is shown as it is."""
    sentence = SENTENCES.get(finding.code)
    if sentence is None:
        return f"{finding.code.replace('_', ' ')}: {finding.subject}".removesuffix(": ")
    return sentence.format_map(_words(finding))


def _words(finding: Finding) -> defaultdict[str, str]:
    """The facts as words, and what is made of several of them."""
    facts = finding.facts
    words: defaultdict[str, str] = defaultdict(str, subject=finding.subject)
    for name, value in facts.items():
        words[name] = ", ".join(value) if isinstance(value, tuple) else str(value)
    because = next((words[name] for name in ("why", "error", "detail", "holder") if words.get(name)), "")
    words["because"] = f": {because}" if because else ""
    started_with_another = facts.get("started_with_another")
    words["key_trouble"] = (
        "it was started with another" if started_with_another else "it is wrong, or lacks the permission"
    )
    words["maker"] = "this installation of qdrant-admin" if facts.get("other_installation") else "qdrant-admin"
    holder = f" ({words['holder']})" if words.get("holder") else ""
    words["who"] = finding.subject or f"a Qdrant at {words['url']}{holder}"
    words["own_state"] = f"; the server of this profile is {words['own']}" if words.get("own") else ""
    if isinstance(restarts := facts.get("restarts"), int):
        words["times"] = counted(restarts, "time")
    for fact, unit in (("requests", "request"), ("points", "point")):
        if isinstance(pending := facts.get(fact), int):
            words["pending"] = counted(pending, unit)
    if isinstance(free := facts.get("free_bytes"), int):
        words["free"] = size(free)
    if isinstance(points := facts.get("points_known"), int):
        words["known"] = counted(points, "point")
    if isinstance(at := facts.get("at"), str):
        words["when"] = f"{datetime.fromisoformat(at).astimezone():%Y-%m-%d %H:%M}"
    if isinstance(runs := facts.get("interrupted"), int) and runs > 1:
        words["others"] = f", and {counted(runs - 1, 'earlier one')}"
    return words

"""What a finding says to people. Its words are made here and nowhere else; programs read its code."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from qdrant_admin.core.formatting import counted, day, number, size
from qdrant_admin.core.reports import Fact, Finding

if TYPE_CHECKING:
    from qdrant_admin.lifecycle.memory import Memory, Missing, Other
    from qdrant_admin.state.inventory import KnownStorage

MemoryCode = Literal["other_storage", "known_collection_missing", "known_collection_emptied", "known_collection_remade"]
MISSING_CODES: dict[str, MemoryCode] = {
    "gone": "known_collection_missing",
    "emptied": "known_collection_emptied",
    "remade": "known_collection_remade",
}
"""The finding that is made of what is missing, by its kind."""
SENTENCES: dict[str, str] = {
    "api_key_missing": "the server asks for an API key and none is known",
    "api_key_refused": "the server does not accept the API key from {origin}: {key_trouble}",
    "runtime_unavailable": "{what}{because}",
    "probe_failed": "{what}{because}",
    "collections_not_listed": "{what}{because}",
    "memory_unreadable": "what was known to be here could not be read or kept: {what}{because}",
    "foreign_server": "{who} was not set up by {maker} and is left alone{own_state}",
    "other_ports_needed": "a server of your own needs other ports than {port} and {grpc_port}",
    "server_absent": "no server is set up",
    "server_stopped": "the server is stopped",
    "server_paused": "the server is frozen: it keeps its ports and answers nobody until it is thawed",
    "crash_loop": "the server keeps ending and being restarted, {times} so far",
    "server_diagnosis": "{what}{because}",
    "unrequested_restarts": "it was restarted {times} without being asked to",
    "no_answer": "nothing answers at {subject}{because}",
    "not_qdrant": "what answers at {subject} is not Qdrant{because}",
    "not_ready": "the server answers, but is not ready (/readyz)",
    "recovery_mode": "recovery mode: collections are listed, but cannot be read until the server is started without it",
    "grpc_closed": "gRPC does not answer at {subject}",
    "grpc_foreign": "gRPC port {port} does not lead to this server{because}; everything goes over REST",
    "collection_unreadable": "collection {subject} cannot be read{because}",
    "collection_red": "collection {subject} is red{because}",
    "other_storage": "on {day} there were {held} in {collections} here; today's storage is another one{instead}, and "
    "holds {now} of them",
    "known_collection_missing": "{known}; today there is no such collection{proof}",
    "known_collection_emptied": "{known}; today it {holds}{proof}",
    "known_collection_remade": "{known}; it was created anew on {then} though nothing deleted it, and now holds {now}",
    "optimizer_failed": "the optimizer of collection {subject} has failed{because}",
    "writes_pending": "collection {subject} has acknowledged {pending} that it does not show yet",
    "points_hidden": "collection {subject} hides {pending} until it is optimized",
    "storage_deleted": "{what}{because}",
    "data_elsewhere": "this profile has data in {subject} as well, which is not shown: {known} on {when}",
    "storage_in_container": "no volume: the data dies with the container",
    "storage_unsound": "storage {subject} is not sound{because}",
    "disk_full": "only {free} free where the data lies: Qdrant refuses writes",
    "disk_low": "only {free} free where the data lies",
    "settings_differ": "its settings differ from the profile: {changes}",
    "no_api_key": "no API key: any web page opened on this machine can reach the server, and can empty it",
    "published_without_api_key": "published on {subject} without an API key: whoever reaches it owns the data",
    "key_in_clear": "the API key goes to {subject} unencrypted: anyone on the way can read it",
    "no_automatic_start": "restart policy {policy}: it does not come back when the machine restarts",
    "check_interrupted": "the check of {when} was interrupted before its second scan, so it has proven nothing yet",
    "indexing_held_back": "an interrupted migration holds back the indexing of {collections}: searches there are slow",
    "migration_interrupted": "the migration of {subject} was interrupted{others}",
}


PROOFS: dict[str, str] = {
    "no_delete": ", and no request accounts for it",
    "log_begins": "; the cause is unknown, as the log only begins on {then}",
    "log_silent": "; the cause is unknown, as the log does not show requests",
    "unseen_delete": "; the cause is unknown, as a server deleted one on {then} that the log does not show",
    "process_ended": "; the cause is unknown, as the process that may have been asked to do it has ended",
}
"""What a finding about something missing rests on, by its `evidence`."""


def text(finding: Finding) -> str:
    """One finding in one sentence. A code that this version does not know is shown as it is."""
    sentence = SENTENCES.get(finding.code)
    if sentence is None:
        return f"{finding.code.replace('_', ' ')}: {finding.subject}".removesuffix(": ")
    return sentence.format_map(_words(finding))


def missing_facts(one: "Missing") -> dict[str, Fact]:
    """What is said of a known collection of which there was more."""
    moment = one.moment.isoformat() if one.moment else ""
    at = one.at.isoformat()
    return {"points": one.points, "now": one.now, "at": at, "moment": moment, "evidence": one.because}


def storage_facts(memory: "Memory") -> dict[str, Fact]:
    """What is said of a storage that is another one than was known, and holds less."""
    lost = memory.having("lost")
    return {
        "collections": tuple(one.name for one in lost),
        "points": sum(one.points for one in lost),
        "now": sum(one.now for one in lost),
        "at": max(one.at for one in lost).isoformat(),
        "earlier": memory.earlier,
    }


def of_missing(one: "Missing") -> str:
    """The sentence of the finding that is made of it, without the finding."""
    return text(Finding(code=MISSING_CODES[one.kind], level="fail", subject=one.name, facts=missing_facts(one)))


def of_storage(memory: "Memory") -> str:
    """The same of another storage."""
    return text(Finding(code="other_storage", level="fail", subject=memory.today, facts=storage_facts(memory)))


def told(one: "Missing") -> str:
    """What was taken away since the earlier look, in one sentence."""
    if one.because == "request":
        done = {"gone": "was deleted", "emptied": "was emptied"}.get(one.kind, "was made smaller")
        done += f" by a request on {day(one.moment)}" if one.moment else " by a request"
    else:
        done = {"gone": "is gone", "emptied": "is empty"}.get(one.kind, "holds less") + ", as this profile expects"
    return f"{one.name} {done}; on {day(one.at)} it held {counted(one.points, 'point')}"


def in_words(memory: "Memory") -> Iterator[str]:
    """What is told since the earlier look and is no fault: what requests took away, and what is not as it was."""
    yield from map(told, memory.having("told"))
    yield from map(_other, memory.others)


def _other(one: "Other") -> str:
    settings = ["other settings"] if one.settings else []
    if one.content:
        parts = " and ".join(["other content", *settings])
        return f"{one.name} has as many points as on {day(one.at)}, but {parts}"
    difference = one.now - one.points
    more = [f"{counted(abs(difference), 'point')} {'more' if difference > 0 else 'fewer'}"] if difference else []
    return f"{one.name} has {' and '.join([*more, *settings])} than on {day(one.at)}"


def told_gone(storage: "KnownStorage") -> str:
    """That a storage on the other runtime is gone, in one sentence."""
    return f"{held(storage)}; it is gone, and this profile has nothing there any more"


def held(known: "KnownStorage") -> str:
    """`on 2026-11-30 09:14 there were 3 763 points in 2 collections in volume qdrant_admin_local`."""
    there = f"{counted(known.points, 'point')} in {counted(len(known.present), 'collection')}"
    verb = "was" if known.points == 1 else "were"
    return f"on {known.at.astimezone():%Y-%m-%d %H:%M} there {verb} {there} in {known.place}"


def _words(finding: Finding) -> defaultdict[str, str]:
    """The facts as words, and what is made of several of them."""
    facts = finding.facts
    words: defaultdict[str, str] = defaultdict(str, subject=finding.subject)
    for name, value in facts.items():
        words[name] = ", ".join(value) if isinstance(value, tuple) else str(value)
    because = next((words[name] for name in ("why", "error", "detail", "holder") if words.get(name)), "")
    words["instead"] = _instead(finding.subject, words.get("earlier", ""))
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
    if isinstance(at := facts.get("at"), str) and "points" in facts:
        words["day"], words["held"] = day(datetime.fromisoformat(at)), counted(_whole(facts["points"]), "point")
        words["known"] = f"on {words['day']} there were {words['held']} in {finding.subject} here"
        words["then"] = day(datetime.fromisoformat(moment)) if (moment := words["moment"]) else ""
        words["now"] = number(_whole(facts.get("now")))
        words["holds"] = f"holds {words['now']}" if facts.get("now") else "is empty"
        words["proof"] = PROOFS.get(words["evidence"], "").format_map(words)
    if isinstance(runs := facts.get("interrupted"), int) and runs > 1:
        words["others"] = f", and {counted(runs - 1, 'earlier one')}"
    return words


def _instead(today: str, earlier: str) -> str:
    """Two storages may lie at one place, one after the other."""
    return f" ({today})" if today == earlier else f": {today}, not {earlier}"


def _whole(value: Fact) -> int:
    return value if isinstance(value, int) else 0

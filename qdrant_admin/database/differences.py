"""What can differ between two readings, as codes and facts; and the words for each, made here and nowhere else."""

import json
from collections.abc import Iterator, Mapping
from typing import Literal, cast

from qdrant_admin.core.formatting import counted
from qdrant_admin.core.values import Frozen, JsonValue

Change = Literal["changed", "gone", "new"]
PartKind = Literal["vector", "field", "payload", "content", "shard_key"]
What = Literal["missing", "extra", "changed"]
SearchCode = Literal["search_unanswered", "search_count", "search_points", "search_scores"]
ContentCode = (
    Literal["setting_changed", "setting_new", "setting_gone", "index_changed", "index_new", "index_gone"]
    | Literal["shard_key_changed", "shard_key_new", "shard_key_gone"]
    | Literal["filter_count", "total_count", "content_unnamed", "settings_unnamed"]
    | SearchCode
)
CollectionCode = Literal["unreadable_before", "unreadable_now", "collection_new", "collection_gone"]
AliasCode = Literal["alias_changed", "alias_new", "alias_gone"]
"""`before` and `after` are the collections that it pointed to."""
SinceCode = (
    Literal["since_unreadable", "since_new", "since_gone", "since_fewer", "since_more", "since_content"]
    | Literal["since_settings", "since_counts", "since_scheme", "since_sample", "since_unread_then", "since_not_chosen"]
    | Literal["since_missing", "since_other", "since_settings_unknown"]
)
"""Against an earlier report, which holds digests only."""
KnownCode = Literal["known_gone", "known_emptied", "known_fewer", "known_remade"]
"""Against what was known to be here at an earlier look, with `before` points."""
_WORDS: dict[str, str] = {
    "setting_changed": "setting {name} is {after}, was {before}",
    "setting_new": "setting {name} is new: {after}",
    "setting_gone": "setting {name} is gone, was {before}",
    "index_changed": "payload index {name} is {after}, was {before}",
    "index_new": "payload index {name} is new",
    "index_gone": "payload index {name} is gone",
    "filter_count": "payload index {name} counts {after} points for “{filter}”, was {before}",
    "total_count": "the server counts {counted} points and returns {read}",
    "search_unanswered": 'exact search {number} on vector "{name}" is no longer answered: {why}',
    "search_count": 'exact search {number} on vector "{name}" finds {after} points, was {before}',
    "search_points": 'exact search {number} on vector "{name}" finds other points',
    "search_scores": 'exact search {number} on vector "{name}" gives other scores',
    "shard_key_changed": "shard key {name} has {after} shards, had {before}",
    "shard_key_new": "shard key {name} is new",
    "shard_key_gone": "shard key {name} is gone",
    "settings_unnamed": "configuration, payload indexes or aliases are not what they were",
    "content_unnamed": "the content of a point differs, and it cannot be told which",
    "unreadable_before": "could not be read before: {why}",
    "unreadable_now": "can no longer be read: {why}",
    "collection_new": "the collection was not there before",
    "collection_gone": "the collection is gone",
    "alias_changed": "alias {name} points to {after}, was {before}",
    "alias_new": "alias {name} is new",
    "alias_gone": "alias {name} is gone",
    "since_unreadable": "it cannot be read now",
    "since_unread_then": "it could not be read then",
    "since_not_chosen": "that check did not look at it",
    "since_new": "it was not there then",
    "since_gone": "it is no longer there",
    "since_fewer": "{points} fewer than then",
    "since_more": "{points} more than then",
    "since_content": "as many points as then, with other content",
    "since_missing": "at least {missing_points} of then are missing",
    "since_other": "points of then have other content",
    "since_settings_unknown": "its configuration, payload indexes and aliases are not compared: "
    "that report does not have them in this form",
    "since_settings": "other configuration, payload indexes or aliases than then",
    "since_counts": "it had {before_points}, it has {after}",
    "since_scheme": "its fingerprint was taken in another way then ({before}, now {after}), "
    "so the content cannot be compared",
    "since_sample": "not comparable: one of the two looked at a sample, the other did not, or at another one",
    "known_gone": "it held {before_points} when it was last seen, and is gone",
    "known_emptied": "it held {before_points} when it was last seen, and is empty",
    "known_fewer": "it held {before_points} when it was last seen, on another storage",
    "known_remade": "it held {before_points} when it was last seen, and was created anew though nothing had deleted it",
    "told": "{name}",
}


class Difference(Frozen):
    """Something of a collection, other than its points, that is not what it was."""

    code: ContentCode | CollectionCode | AliasCode | SinceCode | KnownCode | Literal["told"]
    """`told`: from a report of an earlier version, which has only words."""
    name: str = ""
    """Path of the setting, field of the payload index, name of the vector that was searched, or alias."""
    facts: dict[str, JsonValue] = {}
    """What the words are made of: `before`, `after`, `why`, ..."""

    @property
    def words(self) -> str:
        """For people: `alias memories is gone`."""
        counts = {
            "points": self.facts.get("points"),
            "before_points": self.facts.get("before"),
            "missing_points": self.facts.get("missing"),
        }
        told = {key: counted(value, "point") for key, value in counts.items() if isinstance(value, int)}
        return _WORDS[self.code].format(name=self.name, **(self.facts | told))


class PartDifference(Frozen):
    """One part of a point that is not what it was."""

    kind: PartKind
    """`payload`: some field, whose name was not kept; `content`: some part, and it is unknown which."""
    name: str = ""
    """Of the vector or the payload field; empty for the unnamed vector. Of `shard_key` the key that it has now."""
    was: str = ""
    """Of `shard_key` the key that it had before."""
    change: Change | Literal["zeroed"] = "changed"
    """`zeroed`: a vector that is nothing but zeros now."""

    @property
    def words(self) -> str:
        """For people: `vector "image"`, `payload field title is gone`."""
        if self.kind == "shard_key":
            return f"shard key {self.name}, was {self.was}"
        named = {"vector": f'vector "{self.name}"', "field": f"payload field {self.name}"}
        what = named.get(self.kind, self.kind)
        return what + {"changed": "", "gone": " is gone", "new": " is new", "zeroed": ", all zeros now"}[self.change]


class PointDifference(Frozen):
    """One point that is not what it was."""

    id: str
    what: What
    parts: tuple[PartDifference, ...] = ()
    """What of a changed point differs."""
    vectors: tuple[str, ...] = ()
    """Names of the vectors that it had before."""
    fields: tuple[str, ...] | None = None
    """Its payload fields before; None where they are not known: of their values only digests were kept."""

    @property
    def detail(self) -> str:
        return "; ".join(part.words for part in self.parts)


def changed_keys(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[tuple[str, Change]]:
    """The keys whose values differ, sorted, and how; 1 and 1.0 differ as well."""
    for key in sorted(before.keys() | after.keys()):
        if key not in after:
            yield key, "gone"
        elif key not in before:
            yield key, "new"
        elif not _alike(before[key], after[key]):
            yield key, "changed"


def _alike(one: object, other: object) -> bool:
    """Whether two values are the same JSON: at every depth 1, 1.0 and true are three, which Python takes for one."""
    if isinstance(one, dict | list) or isinstance(other, dict | list):
        return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    return type(one) is type(other) and one == other and str(one) == str(other)  # 0.0 and -0.0


def changes(
    kind: Literal["setting", "index", "alias", "shard_key"],
    before: Mapping[str, JsonValue],
    after: Mapping[str, JsonValue],
) -> Iterator[Difference]:
    """Settings, payload indexes or aliases that differ, with the values that they had and have."""
    for name, change in changed_keys(before, after):
        with_values = kind != "index" or change == "changed"
        sides = (("before", before), ("after", after)) if with_values else ()
        facts = {side: values[name] for side, values in sides if name in values}
        yield Difference(code=cast("ContentCode | AliasCode", f"{kind}_{change}"), name=name, facts=facts)

"""What can differ between two readings, as codes and facts; and the words for each, made here and nowhere else."""

import re
from typing import Literal

from pydantic import JsonValue

from qdrant_admin.core.formatting import counted
from qdrant_admin.core.reports import Frozen
from qdrant_admin.database.models import ChangedPart, ContentChange, ContentCode, PartKind

CollectionCode = Literal["unreadable_before", "unreadable_now", "collection_new", "collection_gone"]
AliasCode = Literal["alias_changed", "alias_new", "alias_gone"]
"""`before` and `after` are the collections that it pointed to."""
SinceCode = (
    Literal["since_unreadable", "since_new", "since_gone", "since_fewer", "since_more", "since_content"]
    | Literal["since_settings", "since_counts", "since_scheme", "since_sample"]
)
"""Against an earlier report, which holds digests only."""
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
    "content_unnamed": "the content of a point differs, and it cannot be told which",
    "unreadable_before": "could not be read before: {why}",
    "unreadable_now": "can no longer be read: {why}",
    "collection_new": "the collection was not there before",
    "collection_gone": "the collection is gone",
    "alias_changed": "alias {name} points to {after}, was {before}",
    "alias_new": "alias {name} is new",
    "alias_gone": "alias {name} is gone",
    "since_unreadable": "it cannot be read now",
    "since_new": "it was not there then",
    "since_gone": "it is no longer there",
    "since_fewer": "{points} fewer than then",
    "since_more": "{points} more than then",
    "since_content": "as many points as then, with other content",
    "since_settings": "other configuration, payload indexes or aliases than then",
    "since_counts": "it had {before_points}, it has {after}",
    "since_scheme": "its fingerprint was taken in another way then ({before}, now {after}), "
    "so the content cannot be compared",
    "since_sample": "not comparable: one of the two looked at a sample, the other did not, or at another one",
    "told": "{name}",
}


class Difference(Frozen):
    """Something of a collection, other than its points, that is not what it was."""

    code: ContentCode | CollectionCode | AliasCode | SinceCode | Literal["told"]
    """`told`: from a report of an earlier version, which has only words."""
    name: str = ""
    """Of the setting, payload index, vector or alias."""
    facts: dict[str, JsonValue] = {}
    """What the words are made of: `before`, `after`, `why`, ..."""

    @classmethod
    def of(cls, change: ContentChange) -> "Difference":
        """What a comparison of two fingerprints found."""
        return cls(code=change.code, name=change.name, facts=change.facts)

    @property
    def words(self) -> str:
        """For people: `alias memories is gone`."""
        counts = {"points": self.facts.get("points"), "before_points": self.facts.get("before")}
        told = {key: counted(value, "point") for key, value in counts.items() if isinstance(value, int)}
        return _WORDS[self.code].format(name=self.name, **(self.facts | told))


class PartDifference(Frozen):
    """One part of a point that is not what it was."""

    kind: PartKind
    """`payload`: some field, whose name was not kept; `content`: some part, and it is unknown which."""
    name: str = ""
    """Of the vector or the payload field; empty for the unnamed vector."""
    change: Literal["changed", "gone", "new", "zeroed"] = "changed"
    """`zeroed`: a vector that is nothing but zeros now."""

    @classmethod
    def of(cls, part: ChangedPart, *, zeroed: bool) -> "PartDifference":
        """What a comparison of two fingerprints found."""
        return cls(kind=part.kind, name=part.name, change="zeroed" if zeroed else part.change)

    @property
    def words(self) -> str:
        """For people: `vector "image"`, `payload field title is gone`."""
        named = {"vector": f'vector "{self.name}"', "field": f"payload field {self.name}"}
        what = named.get(self.kind, self.kind)
        return what + {"changed": "", "gone": " is gone", "new": " is new", "zeroed": ", all zeros now"}[self.change]


_OLD_PART = re.compile(
    r'(?:vector "(?P<vector>.*?)"|payload field (?P<field>.*?))(?P<change> is gone| is new|, all zeros now|)', re.DOTALL
)
_OLD_CHANGES = {" is gone": "gone", " is new": "new", ", all zeros now": "zeroed", "": "changed"}


def difference_of_schema_1(told: JsonValue) -> JsonValue:
    """A difference as schema 1 wrote it, which was words alone."""
    return {"code": "told", "name": told} if isinstance(told, str) else told


def part_of_schema_1(told: JsonValue) -> JsonValue:
    """A part of a point as schema 1 wrote it: `vector "" is gone`, `payload field title`."""
    if not isinstance(told, str):
        return told
    found = _OLD_PART.fullmatch(told)
    if found is None:
        return {"kind": "payload" if told == "payload" else "content"}
    kind = "field" if found["vector"] is None else "vector"
    return {"kind": kind, "name": found[kind], "change": _OLD_CHANGES[found["change"]]}

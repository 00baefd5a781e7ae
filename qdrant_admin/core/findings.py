"""Something that was found and wants attention. Programs read its code, people read the words made of it."""

from typing import Literal

from qdrant_admin.core.reports import Frozen

FindingLevel = Literal["info", "warn", "fail"]
Fact = str | int | float | bool | None | tuple[str, ...]


class Finding(Frozen):
    """One finding. Its code and the names of its facts are a contract; the words are not, and are made elsewhere."""

    code: str
    """What kind of finding: `api_key_missing`, `collection_unreadable`. In snake case, and never changed."""
    level: FindingLevel
    subject: str = ""
    """What it is about: a collection, a volume, an address; empty for the server as a whole."""
    facts: dict[str, Fact] = {}
    """What the words are made of, by name: `{"free_bytes": 1024}`."""
    command: str = ""
    """The one thing to do about it, as it can be pasted; empty when there is nothing to do."""

"""What a server can do, by its version. Old servers ignore fields that they do not know, and say nothing."""

import re
from enum import Enum

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import Unsupported

Version = tuple[int, int, int]


class Feature(Enum):
    """Something that came with a version: in words, and the first version that has it."""

    QUERY = ("search by the Query API", (1, 10, 0))
    GRPC_VECTORS = ("typed vectors over gRPC", (1, 13, 0))
    METADATA = ("metadata of a collection", (1, 16, 0))

    @property
    def words(self) -> str:
        """For a message."""
        return self.value[0]

    @property
    def since(self) -> Version:
        """The first version that has it."""
        return self.value[1]


def parse(text: str) -> Version:
    """`1.16.3` or `1.17.0-dev` as three numbers; (0, 0, 0) when it is no version."""
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (0, 0, 0)


def has(version: str, feature: Feature) -> bool:
    """Whether a server of that version has the feature."""
    return parse(version) >= feature.since


def require(version: str, feature: Feature) -> None:
    """Stop before a request that the server would misunderstand.

    Raises:
        Unsupported: the server is too old.
    """
    if not has(version, feature):
        since = ".".join(map(str, feature.since[:2]))
        raise Unsupported(
            f"this server is too old for {feature.words}",
            why=f"it is {version or 'of an unknown version'}; {feature.words} came with {since}",
            fix=Command("status"),
        )

"""URIs for tests that open a reader themselves."""

from pathlib import Path

from qdrant_admin.sources.base import FolderUri, ServerUri
from qdrant_admin.sources.detect import look
from qdrant_admin.sources.uri import parse


def folder_uri(text: str) -> FolderUri:
    """The URI of a file or folder."""
    uri = parse(text)
    assert isinstance(uri, FolderUri)
    return uri


def server_uri(text: str) -> ServerUri:
    """The URI of a server or database."""
    uri = parse(text)
    assert isinstance(uri, ServerUri)
    return uri


def detect_scheme(path: Path) -> str | None:
    """The scheme that reads exactly this path; None when nothing of ours does."""
    found = look(path)
    return found.scheme if found.place is None else None

"""The stores and servers that the readers are tried on: the same that migrations are."""

from tests.migration.conftest import chroma, chroma_url, local, other, shared_other

__all__ = ["chroma", "chroma_url", "local", "other", "shared_other"]

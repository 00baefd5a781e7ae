"""Which module reads which scheme. Each is imported only when its scheme is asked for."""

from qdrant_admin.core.errors import BadInput
from qdrant_admin.migration.sources.base import Source
from qdrant_admin.migration.uri import SourceUri


def open_source(uri: SourceUri) -> Source:
    """Open the source that a URI names.

    Raises:
        SourceUnreadable, ServerUnreachable, AccessDenied: it cannot be read.
        BadInput: its scheme belongs to nobody.
    """
    match uri.scheme:
        case "chroma":
            from qdrant_admin.migration.sources.chroma_directory import ChromaDirectory

            return ChromaDirectory(uri)
        case "chroma+http" | "chroma+https":
            from qdrant_admin.migration.sources.chroma_server import ChromaServer

            return ChromaServer(uri)
        case "qdrant-local":
            from qdrant_admin.migration.sources.qdrant_local import QdrantLocal

            return QdrantLocal(uri)
        case "qdrant+http" | "qdrant+https":
            from qdrant_admin.migration.sources.qdrant_server import QdrantServer

            return QdrantServer(uri)
    raise BadInput(f"no source is called {uri.scheme}:", fix="qdrant-admin migrate --help")

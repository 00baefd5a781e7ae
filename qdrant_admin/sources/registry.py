"""From a source's URI to the reader that opens it. A reader is imported only when its kind is asked for."""

import importlib
from typing import cast

from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.text import plain
from qdrant_admin.sources.base import Source
from qdrant_admin.sources.kinds import check_installed, kind_of
from qdrant_admin.sources.uri import SourceUri


def open_source(uri: SourceUri) -> Source:
    """Open the source that a URI names.

    Raises:
        SourceUnreadable, ServerUnreachable, AccessDenied: it cannot be read.
        BadInput: its scheme belongs to nobody, or a package that it needs is not installed.
    """
    kind = kind_of(uri.scheme)
    if kind is None:
        raise BadInput(f"no source is called {plain(uri.scheme)}:", fix="qdrant-admin migrate --help")
    check_installed(kind)
    module, _, name = kind.reader.partition(":")
    return cast("Source", getattr(importlib.import_module(module), name)(uri))

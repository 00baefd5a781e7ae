"""What an export of ours says of itself, in the file or beside it: so that an equal collection can be made again."""

import json
from pathlib import Path

from pydantic import ValidationError

from qdrant_admin.core.commands import install_command
from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.core.reports import Frozen
from qdrant_admin.database.models import CollectionSpec
from qdrant_admin.sources.files.columns import ID, PAYLOAD, VECTORS, Column, Layout, Slot

KEY = "qdrant_admin_export"
"""The key of it in the metadata of a Parquet file."""
SIDECAR = ".collection.json"
"""Appended to the name of a file that has no room for it."""


class OwnLayout(Frozen):
    format: int = 1
    collection: str
    points: int
    digest: str
    """The content fingerprint of the points, as `verify` takes it."""
    spec: CollectionSpec
    aliases: tuple[str, ...] = ()
    server: str = ""
    exported_at: str = ""

    def layout(self, *, flat: bool) -> Layout:
        """Where things are: one column per vector (`flat`, as in Parquet), or one object of vectors, as in JSON."""
        slots = []
        for slot in self.spec.vectors:
            form = dict if slot.kind == "sparse" else list
            name = column_of(slot.name) if flat else VECTORS
            column = Column(name, "" if flat else slot.name, slot.kind, slot.size, form, certain=True, keyed=not flat)
            slots.append(Slot(slot.name, column))
        return Layout(ID, tuple(slots), payload=PAYLOAD, own=True, vectorless=True)


def column_of(slot: str) -> str:
    return f"vector.{slot}" if slot else "vector"


def sidecar(path: Path) -> Path:
    """Where it lies beside a file of lines."""
    return path.with_name(path.name + SIDECAR)


def read_own(text: str | bytes, path: Path) -> OwnLayout:
    """Read the description of an export. `SourceUnreadable`: damaged, or written by a newer version."""
    try:
        found = json.loads(text)
        newer = isinstance(found, dict) and found.get("format", 1) > 1
        if not newer:
            return OwnLayout.model_validate(found)
    except (ValueError, TypeError, ValidationError) as error:
        raise SourceUnreadable(
            f"the configuration in {plain(path)} cannot be read",
            why=f"it is damaged ({plain(error)[:200]})",
            fix=f'ls -l "{path.parent}"',
        ) from error
    fix = install_command("--upgrade", "qdrant-admin")
    raise SourceUnreadable(f"{plain(path)} was written by a newer qdrant-admin", fix=fix)

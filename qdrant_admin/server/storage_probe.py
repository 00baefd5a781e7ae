"""What a folder may hold that is no storage of a Qdrant server."""

from pathlib import Path

from qdrant_admin.core.errors import StorageUnusable


def of_others(folder: Path) -> StorageUnusable | None:
    """Whose folder it is, and how what lies in it gets into a server; None when nothing in it is of another kind."""
    if (folder / "chroma.sqlite3").exists():
        return StorageUnusable(
            f"{folder} belongs to Chroma",
            why="it holds chroma.sqlite3; a Qdrant would write its own files in between",
            fix=f'qdrant-admin migrate "chroma:{folder}"',
        )
    if (folder / "meta.json").exists() and (folder / "collection").is_dir():
        return StorageUnusable(
            f"{folder} belongs to the embedded mode of qdrant-client",
            why="it holds meta.json and collection/; a server cannot read that form",
            fix=f'qdrant-admin migrate "qdrant-local:{folder}"',
        )
    return None

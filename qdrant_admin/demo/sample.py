"""The bundled sample: a real Chroma directory, packed. See SAMPLE.md for what it is and where it comes from."""

import tarfile
from importlib.resources import as_file, files
from pathlib import Path

COLLECTION = "debian_memories"
POINTS = 256


def unpack(folder: Path) -> Path:
    """Unpack the sample into a new folder there; returns it."""
    target = folder / "chroma"
    with as_file(files("qdrant_admin.demo") / "sample.tar.xz") as packed, tarfile.open(packed) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(target, filter="data")
        else:  # Python 3.11.0 to 3.11.3, Debian 12's among them, know no filters; the archive is our own
            archive.extractall(target)  # noqa: S202
    return target

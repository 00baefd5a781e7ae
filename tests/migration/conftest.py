"""The stores, unpacked for one test each."""

from pathlib import Path

import pytest

from tests.migration.support import unpacked


@pytest.fixture
def chroma(tmp_path: Path) -> Path:
    """A Chroma directory in the current format."""
    return unpacked("chroma-1.5", tmp_path)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A folder of qdrant-client's embedded mode."""
    return unpacked("qdrant-local", tmp_path)

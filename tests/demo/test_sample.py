"""The bundled sample comes out on every Python that is supported."""

import tarfile
from pathlib import Path
from typing import Any

import pytest

from qdrant_admin.demo.story import unpack_sample


def test_it_is_unpacked(tmp_path: Path) -> None:
    assert (unpack_sample(tmp_path) / "chroma.sqlite3").is_file()


@pytest.mark.filterwarnings("ignore:Python 3.14 will:DeprecationWarning")
def test_it_is_unpacked_by_a_python_that_knows_no_filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian 12 ships 3.11.2, which refuses the argument."""
    real = tarfile.TarFile.extractall

    def old(self: tarfile.TarFile, *args: Any, **options: Any) -> None:
        if "filter" in options:
            raise TypeError("extractall() got an unexpected keyword argument 'filter'")
        real(self, *args, **options)

    monkeypatch.delattr(tarfile, "data_filter")
    monkeypatch.setattr(tarfile.TarFile, "extractall", old)
    assert (unpack_sample(tmp_path) / "chroma.sqlite3").is_file()

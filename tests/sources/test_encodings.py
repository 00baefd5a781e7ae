"""Text that is not in UTF-8, or packed in another way than by gzip, is named, and none of it is read by mistake."""

from pathlib import Path

import numpy as np
import pytest

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.sources.base import SourceCollection
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.uri import parse

LINE = '{"id": 1, "vector": [0.5, 1.5], "text": "Müller"}\n'
HEAD, ROW = "id,vector,text\n", '1,"[0.5, 1.5]",{}\n'


def looked(uri: str) -> SourceCollection:
    (found,) = open_source(parse(uri)).collections()
    return found


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_wide_text_is_named_with_its_mark_and_without(tmp_path: Path, kind: str, encoding: str) -> None:
    file = tmp_path / f"a.{kind}"
    file.write_bytes((LINE * 2 if kind == "jsonl" else HEAD + ROW.format("Müller")).encode(encoding))
    with pytest.raises(SourceUnreadable, match="is not UTF-8") as caught:
        looked(f"{kind}:{file}")
    assert f"iconv -f {encoding} " in caught.value.fix


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x28\xb5\x2f\xfd", "packed with Zstandard"),
        (b"\xfd7zXZ\x00", "packed with XZ"),
        (b"BZh91AY&SY", "packed with bzip2"),
    ],
)
def test_what_is_not_unpacked_is_named_and_not_read(tmp_path: Path, head: bytes, words: str) -> None:
    """The lines behind the head are those of a member that is stored as it is."""
    file = tmp_path / "a.jsonl"
    file.write_bytes(head + b"\n" + LINE.encode() * 3)
    with pytest.raises(SourceUnreadable, match=words):
        looked(f"jsonl:{file}")


@pytest.mark.parametrize(
    ("text", "written", "asked", "better"),
    [
        ("Müller", "latin-1", "latin-1", ""),
        ("10 €", "cp1252", "cp1252", ""),
        ("10 €", "cp1252", "latin-1", "cp1252"),
        ("10 €", "cp1252", "iso-8859-15", "cp1252"),
        ("Müller", "utf-8", "latin-1", "utf-8"),
        ("Müller", "utf-8", "cp1252", "utf-8"),
        ("表", "shift_jis", "shift_jis", ""),
        ("plain", "utf-8", "latin-1", ""),
    ],
)
def test_an_encoding_that_was_asked_for_is_said_or_refused(
    tmp_path: Path, text: str, written: str, asked: str, better: str
) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes((HEAD + ROW.format(text)).encode(written))
    if not better:
        assert f"its text is read as {asked}, as asked" in looked(f"csv:{file}?encoding={asked}").warnings
        return
    with pytest.raises(SourceUnreadable, match=f"does not look like {asked}") as caught:
        looked(f"csv:{file}?encoding={asked}")
    assert f"encoding={better}" in caught.value.fix


@pytest.mark.parametrize(("text", "encoding"), [("Müller", "latin-1"), ("10 €", "cp1252")])
def test_the_likeliest_encoding_is_proposed(tmp_path: Path, text: str, encoding: str) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes((HEAD + ROW.format(text)).encode(encoding))
    with pytest.raises(SourceUnreadable, match="is not utf-8") as caught:
        looked(f"csv:{file}")
    assert f"?encoding={encoding}," in caught.value.fix


def test_decimal_commas_are_said(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("id;v0;v1\n1;0,5;1,5\n")
    assert any("decimal sign" in told for told in looked(f"csv:{file}").warnings)


def test_several_arrays_in_one_file(tmp_path: Path) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        for _ in range(2):
            np.save(file, np.ones((3, 2), dtype=np.float32))
    with pytest.raises(SourceUnreadable) as caught:
        looked(f"npy:{tmp_path / 'a.npy'}")
    assert "152 bytes lie behind the end of its array" in caught.value.why


def test_vectors_without_components_are_none(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((3, 0), dtype=np.float32))
    found = looked(f"npy:{tmp_path / 'a.npy'}")
    assert (found.count, found.spec) == (3, None)

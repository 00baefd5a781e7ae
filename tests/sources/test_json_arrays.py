"""JSON arrays read item by item, wherever the chunks of the file end."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.sources.files import text as text_files
from qdrant_admin.sources.files.text import _Array, array_items

NUMBERS = st.integers() | st.floats(allow_nan=False) | st.integers(min_value=1 << 63, max_value=1 << 80)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(VALUES, max_size=6), st.integers(1, 9), st.sampled_from([None, 1]), st.booleans())
def test_chunks_of_any_length_give_what_the_parser_gives(
    items: list[object], size: int, indent: int | None, escaped: bool
) -> None:
    octets = json.dumps(items, indent=indent, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    chunks = (octets[at : at + size] for at in range(0, len(octets), size))
    try:
        wanted = json.loads(octets.decode())
    except UnicodeDecodeError:  # half of a surrogate pair that is not escaped
        with pytest.raises(UnicodeDecodeError):
            list(_Array(chunks).items())
        return
    assert list(_Array(chunks).items()) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[]", []),
        (" [ ] \n", []),
        ("\ufeff[1]", [1]),
        ("[1, 2e3 ,-0.5]", [1, 2000.0, -0.5]),
        (r'["\ud800"]', ["\ud800"]),
        ("[18446744073709551616]", [1 << 64]),
        ("[Infinity]", [float("inf")]),
    ],
)
@pytest.mark.parametrize("chunk", [1, 2, 3, 1 << 20])
def test_what_an_array_may_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, wanted: list[object], chunk: int
) -> None:
    monkeypatch.setattr(text_files, "_CHUNK", chunk)
    path = tmp_path / "a.json"
    path.write_text(text, "utf-8")
    assert list(array_items(path)) == wanted


@pytest.mark.parametrize("chunk", [1, 2, 3, 1 << 20])
@pytest.mark.parametrize(
    "text", ["[", "[1", "[1,", "[1,]", "[1 2]", "[1]]", "[1] 2", "{}", "", "[,]", '["a', "[1 " + "2" * 99]
)
def test_what_is_no_array_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, chunk: int) -> None:
    monkeypatch.setattr(text_files, "_CHUNK", chunk)
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(SourceUnreadable, match="cannot be read"):
        list(array_items(path))

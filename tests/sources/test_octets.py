"""Vectors that are bytes: what is sure is read and said; what may be something else is refused, with its option."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.sources import octets
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.uri import parse

RANDOM = np.random.default_rng(11)


def unit(rows: int, size: int) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = RANDOM.normal(size=(rows, size))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def cells(rows: npt.NDArray[Any], kind: str) -> list[bytes]:
    return [row.astype(kind).tobytes() for row in rows]


def brain(rows: npt.NDArray[Any]) -> list[bytes]:
    return [(row.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes() for row in rows]


def quantized(rows: npt.NDArray[Any], kind: str) -> list[bytes]:
    scaled = np.rint(rows * 127 / np.abs(rows).max())
    return cells(scaled + (128 if kind == "u1" else 0), kind)


WIDE = unit(50, 384)
SURE = {
    "unit vectors": cells(WIDE, "<f4"),
    "one vector": cells(WIDE[:1], "<f4"),
    "few components": cells(np.array([[1.0, 2.0, 3.0], [-0.5, 0.0, 4.0]]), "<f4"),
    "whole numbers": cells(RANDOM.integers(-9, 9, size=(50, 64)), "<f4"),
    "once of 16 bits": cells(WIDE.astype("<f2"), "<f4"),
    "once bfloat16": [(np.frombuffer(one, "<u2").astype("<u4") << 16).tobytes() for one in brain(WIDE)],
    "long": cells(RANDOM.normal(size=(50, 100)) * 1e4, "<f4"),
    "mostly zeros": cells(np.where(RANDOM.random((50, 384)) < 0.9, 0, WIDE), "<f4"),
    "with a tiny component": cells(np.concatenate([WIDE, np.full((50, 1), 1e-12)], axis=1), "<f4"),
}
DOUBTFUL = {
    "float64": (cells(WIDE, "<f8"), "float64"),
    "float64 of short numbers": (cells(RANDOM.integers(1, 9, size=(50, 64)) / 4, "<f8"), "float64"),
    "float32 of the other byte order": (cells(WIDE, ">f4"), "float32be"),
    "float16": (cells(WIDE, "<f2"), "float16"),
    "float16 of long vectors": (cells(RANDOM.uniform(0.5, 2, size=(50, 384)), "<f2"), "float16"),
    "bfloat16": (brain(WIDE), ""),
    "int8": (quantized(WIDE, "i1"), "int8"),
    "uint8": (quantized(WIDE, "u1"), "int8"),
    "small int8": (cells(RANDOM.integers(-4, 4, size=(50, 384)), "i1"), "int8"),
    "packed bits": ([np.packbits(row > 0).tobytes() for row in unit(5, 64)], "int8"),
    "many packed bits": ([np.packbits(row > 0).tobytes() for row in unit(50, 1024)], "int8"),
    "an odd length": (quantized(unit(50, 50), "i1"), "int8"),
    "nothing but zeros": ([bytes(64)] * 5, "int8"),
    "text": ([b"[0.25, 0.5, 0.125]  "] * 5, ""),
}


@pytest.mark.parametrize("name", SURE)
def test_floats_of_32_bits_are_known(name: str) -> None:
    assert octets.doubt(SURE[name]) == ""


@pytest.mark.parametrize("name", DOUBTFUL)
def test_anything_else_is_doubted_and_what_it_may_be_is_named(name: str) -> None:
    values, likeliest = DOUBTFUL[name]
    assert octets.doubt(values) != ""
    assert not likeliest or octets.fitting(values)[0] == likeliest


def written(path: Path, values: list[bytes], kind: str) -> str:
    table = pa.table({"id": range(len(values)), "embedding": pa.array(values, pa.binary())})
    if kind == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    return f"{kind}:{path}"


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_file_says_how_its_bytes_are_read_or_is_refused(tmp_path: Path, kind: str) -> None:
    sure = written(tmp_path / f"a.{kind}", SURE["unit vectors"], kind)
    (found,) = open_source(parse(sure)).collections()
    assert any("are bytes, and are read as floats of 32 bits" in told for told in found.warnings)
    for name, (values, likeliest) in DOUBTFUL.items():
        uri = written(tmp_path / f"{name.replace(' ', '-')}.{kind}", values, kind)
        with pytest.raises(SourceUnreadable, match="it is not known what the bytes in embedding") as caught:
            open_source(parse(uri)).collections()
        assert caught.value.exit_code == 3
        assert f"bytes={likeliest}" in caught.value.fix
    asked = written(tmp_path / f"c.{kind}", DOUBTFUL["int8"][0], kind)
    (found,) = open_source(parse(f"{asked}?bytes=int8")).collections()
    assert found.spec is not None
    assert found.spec.vectors[0].size == 384
    assert any("read as int8, as asked" in told for told in found.warnings)


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_bytes_of_another_kind_further_down_are_doubted_as_well(tmp_path: Path, kind: str) -> None:
    head = cells(unit(1, 16), "<f4") * 20_000
    assert open_source(parse(written(tmp_path / f"a.{kind}", [*head, b"odd", *head], kind))).collections()
    uri = written(tmp_path / f"b.{kind}", [*head, *cells(unit(1, 8), "<f8") * 20_000], kind)
    with pytest.raises(SourceUnreadable, match="it is not known what the bytes in embedding") as caught:
        open_source(parse(uri)).collections()
    assert "further down" in caught.value.why


def test_the_other_byte_order_can_be_asked_for(tmp_path: Path) -> None:
    uri = written(tmp_path / "a.parquet", cells(WIDE, ">f4"), "parquet")
    (batch,) = open_source(parse(f"{uri}?bytes=float32be")).batches("a", size=100)
    assert np.array_equal(np.asarray(batch.records[7].vectors[""]), WIDE[7].astype("<f4"))

"""Values of files as they arrive: every type of Arrow and NumPy, CSV without types, and what no file can hold."""

import contextlib
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdrant_admin.core.errors import AdminError, BadInput, SourceUnreadable
from qdrant_admin.database.models import Sparse
from qdrant_admin.sources.files.tables import choose, key_of, numbered, sniff, take_apart
from qdrant_admin.sources.files.values import NO_ID, Unfit, identity, narrow, read_json, said, vector_of
from qdrant_admin.sources.ids import map_id
from tests.migration.rows import look, read, rows, write

VECTORS = [[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.list_(pa.float32(), 3), VECTORS),
        (pa.list_(pa.float64(), 3), VECTORS),
        (pa.list_(pa.float16(), 3), VECTORS),
        (pa.list_(pa.float32()), VECTORS),
        (pa.large_list(pa.float64()), VECTORS),
        (pa.list_(pa.float16()), VECTORS),
        (pa.list_(pa.int8()), [[1, 2, 3], [-1, 0, 127]]),
        (pa.list_(pa.int64(), 3), [[1, 2, 3], [-1, 0, 127]]),
        (pa.string(), ["[1, 2, 3]", "[0.5, -1e0, 0]"]),
        (pa.large_string(), ["[1, 2, 3]", "[0.5, -1e0, 0]"]),
        (pa.binary(), [np.array(one, dtype="<f4").tobytes() for one in VECTORS]),
        (pa.binary(12), [np.array(one, dtype="<f4").tobytes() for one in VECTORS]),
    ],
)
def test_a_vector_column_of_every_type(tmp_path: Path, kind: pa.DataType, values: list[Any]) -> None:
    nothing = [None, *values, None]
    whole = pa.table({"id": [0, 1, 2, 3], "embedding": pa.array(nothing, type=kind)})
    pq.write_table(whole, tmp_path / "a.parquet")
    first, *found, _ = read(f"parquet:{tmp_path / 'a.parquet'}")
    assert first.trouble == "it has no vector"
    for record, value in zip(found, values, strict=True):
        wanted = (
            np.frombuffer(value, "<f4")
            if isinstance(value, bytes)
            else read_json(value)
            if isinstance(value, str)
            else value
        )
        assert (record.trouble, np.asarray(record.vectors[""]).tolist()) == ("", list(wanted))
    assert look(f"parquet:{tmp_path / 'a.parquet'}").spec.vectors[0].size == 3  # type: ignore[union-attr]


def test_numbers_that_32_bits_cannot_hold_are_kept_as_they_were(tmp_path: Path) -> None:
    values = [[1.0, 2.0], [1e300, 0.0], [1e-300, 0.0], [0.0, 0.0], [1.0, None]]
    pq.write_table(pa.table({"id": range(5), "v": pa.array(values, pa.list_(pa.float64(), 2))}), tmp_path / "a.parquet")
    good, large, small, zero, gap = read(f"parquet:{tmp_path / 'a.parquet'}")
    assert (good.trouble, zero.trouble) == ("", "")
    assert (large.unread, small.unread, gap.unread) == (
        {"vector": [1e300, 0.0]},
        {"vector": [1e-300, 0.0]},
        {"vector": [1.0, None]},
    )
    assert ("infinite" in large.trouble, "all zero" in small.trouble, "null" in gap.trouble) == (True, True, True)


def test_every_type_of_a_payload(tmp_path: Path) -> None:
    nano = pa.timestamp("ns")
    columns: dict[str, tuple[pa.DataType, Any, Any]] = {
        "when": (pa.timestamp("us", tz="Europe/Paris"), dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC),
                 "2024-05-01T12:00:00Z"),
        "naive": (pa.timestamp("ms"), pa.scalar(250, pa.timestamp("ms")), "1970-01-01T00:00:00.25Z"),
        "nano": (nano, pa.scalar(1, nano), "1970-01-01T00:00:00.000000001Z"),
        "far": (pa.timestamp("s"), pa.scalar(10**12, pa.timestamp("s")), "33658-09-27T01:46:40Z"),
        "day": (pa.date32(), dt.date(2024, 5, 1), "2024-05-01"),
        "day64": (pa.date64(), dt.date(2024, 5, 1), "2024-05-01"),
        "time": (pa.time64("us"), dt.time(1, 2, 3), "01:02:03"),
        "lasts": (pa.duration("s"), dt.timedelta(seconds=5), "0:00:05"),
        "exact": (pa.decimal128(38, 2), Decimal("1234567890123456789012345.10"), "1234567890123456789012345.10"),
        "octets": (pa.binary(), b"\x00\xff", "AP8="),
        "map": (pa.map_(pa.string(), pa.int64()), [("a", 1), ("b", 2)], {"a": 1, "b": 2}),
        "twice": (pa.map_(pa.string(), pa.int64()), [("a", 1), ("a", 2)], [["a", 1], ["a", 2]]),
        "deep": (pa.struct([("d", pa.list_(pa.date32()))]), {"d": [dt.date(2024, 1, 2)]}, {"d": ["2024-01-02"]}),
        "large": (pa.uint64(), 2**64 - 1, 2**64 - 1),
        "half": (pa.float16(), np.float16(0.5), 0.5),
        "tags": (pa.list_(pa.string()), ["a", None], ["a", None]),
        "kind": (pa.dictionary(pa.int32(), pa.string()), "x", "x"),
        "none": (pa.null(), None, None),
        "yes": (pa.bool_(), True, True),
    }  # fmt: skip
    arrays = {name: pa.array([value, None], type=kind) for name, (kind, value, _) in columns.items()}
    vectors = pa.array([[1.0]] * 2, pa.list_(pa.float32(), 1))
    write_arrow(tmp_path / "a.arrow", pa.table({"id": ["a", "b"], "vector": vectors, **arrays}))
    full, empty = read(f"arrow:{tmp_path / 'a.arrow'}")
    assert full.payload == {name: wanted for name, (_, _, wanted) in columns.items()}
    assert empty.payload == dict.fromkeys(columns)
    assert json.loads(json.dumps(full.payload)) == full.payload


def write_arrow(path: Path, whole: pa.Table) -> None:
    with path.open("wb") as file, pa.ipc.new_file(file, whole.schema) as writer:
        writer.write_table(whole)


@pytest.mark.parametrize(
    ("values", "kind", "wanted"),
    [
        ([7, 2**64 - 1], pa.uint64(), [7, 2**64 - 1]),
        ([-1, 5], pa.int64(), [-1, 5]),
        ([1.0, 2.5], pa.float64(), [1, "2.5"]),
        ([b"\x01" * 16, b"a" * 16], pa.binary(16),
         ["01010101-0101-0101-0101-010101010101", "61616161-6161-6161-6161-616161616161"]),
        ([dt.date(2024, 1, 1), dt.date(2024, 1, 2)], pa.date32(), ["2024-01-01", "2024-01-02"]),
        ([True, False], pa.bool_(), None),
    ],
)  # fmt: skip
def test_ids_of_every_type(tmp_path: Path, values: list[Any], kind: pa.DataType, wanted: list[Any] | None) -> None:
    vectors = pa.array([[1.0]] * 2, pa.list_(pa.float32(), 1))
    pq.write_table(pa.table({"id": pa.array(values, kind), "vector": vectors}), tmp_path / "a.parquet")
    found = read(f"parquet:{tmp_path / 'a.parquet'}")
    told = [record.trouble for record in found]
    assert [record.id for record in found] == wanted if wanted else all("not an id" in one for one in told)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i8", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_number(tmp_path: Path, dtype: str, order: Any) -> None:
    np.save(tmp_path / "a.npy", np.array([[1, 2, 3], [4, 5, 6]], dtype=dtype, order=order))
    assert [np.asarray(one.vectors[""]).tolist() for one in read(f"npy:{tmp_path / 'a.npy'}")] == [[1, 2, 3], [4, 5, 6]]


def test_an_array_with_ids_and_payload_beside_it(tmp_path: Path) -> None:
    content = rows(30)
    np.save(tmp_path / "v.npy", np.array([row["vector"] for row in content], dtype=np.float32))
    side = [{"id": row["id"], "text": row["text"], "vector": "kept"} for row in content]
    for kind in ("jsonl", "jsonl.gz", "csv", "parquet"):
        beside = tmp_path / f"side.{kind}"
        if kind == "parquet":
            pq.write_table(pa.Table.from_pylist(side), beside)
        else:
            write(beside, kind, side)
        found = read(f"npy:{tmp_path / 'v.npy'}?payload={beside}")
        assert [record.id for record in found] == [row["id"] for row in content]
        assert found[29].payload == {"text": "row 29", "vector": "kept"}
        assert np.asarray(found[29].vectors[""])[0] == 29
    write(tmp_path / "short.jsonl", "jsonl", side[:-1])
    with pytest.raises(SourceUnreadable, match="does not belong"):
        look(f"npy:{tmp_path / 'v.npy'}?payload={tmp_path / 'short.jsonl'}")
    with pytest.raises(SourceUnreadable, match="no file"):
        look(f"npy:{tmp_path / 'v.npy'}?payload={tmp_path / 'none.jsonl'}")
    with pytest.raises(BadInput, match="belongs to one array"):
        look(f"npy:{tmp_path}?payload={tmp_path / 'short.jsonl'}")


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "it-ran",)

    objects = np.array([Hostile()], dtype=object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "b.npz", vectors=np.ones((1, 2)), ids=objects)
    for name in ("a.npy", "b.npz"):
        with pytest.raises(SourceUnreadable):
            look(f"npy:{tmp_path / name}")
    assert not (tmp_path / "it-ran").exists()


def test_an_archive_may_hold_several_vectors_and_columns(tmp_path: Path) -> None:
    np.savez_compressed(
        tmp_path / "a.npz",
        title=np.ones((2, 3)),
        body=np.zeros((2, 2), dtype=np.float32),
        ids=np.array([5, 6]),
        when=np.array(["2024-01-01T00:00:00", "NaT"], dtype="datetime64[s]"),
        raw=np.array([b"a", b"b"]),
        n=np.array([1.5, 2.5]),
    )
    one, two = read(f"npy:{tmp_path / 'a.npz'}")
    assert (one.id, two.id, set(one.vectors)) == (5, 6, {"title", "body"})
    assert one.payload == {"when": "2024-01-01T00:00:00Z", "raw": "a", "n": 1.5}
    assert two.payload["when"] is None
    np.savez(tmp_path / "b.npz", vectors=np.ones((2, 3)), n=np.ones(3))
    with pytest.raises(SourceUnreadable, match="different numbers of rows"):
        look(f"npy:{tmp_path / 'b.npz'}")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('id,t,vector\n1,"a ""b"",\nc","[1,2]"\n', [(1, {"t": 'a "b",\nc'}, [1, 2])]),
        ("\ufeffid;t;vector\r\n1;x;[1,2]\r\n", [(1, {"t": "x"}, [1, 2])]),
        ("id\tt\tvector\n007\t\t[1,2]\n", [("007", {"t": ""}, [1, 2])]),
        ("id,e_0,e_1,x\na,1,2,y\nb,1e0,-.5,z\n", [("a", {"x": "y"}, [1, 2]), ("b", {"x": "z"}, [1, -0.5])]),
        ("id;v1;v2\na;0,5;1,25\n", [("a", {}, [0.5, 1.25])]),
        ("id,vector\n\n1,\"[1,2]\"\n\n", [(1, {}, [1, 2])]),
        ("id,vector\n18446744073709551616,\"[1]\"\n", [("18446744073709551616", {}, [1])]),
    ],
)  # fmt: skip
def test_csv_of_every_shape(tmp_path: Path, text: str, wanted: list[Any]) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode())
    found = read(f"csv:{tmp_path / 'a.csv'}")
    assert [(one.id, one.payload, np.asarray(one.vectors[""]).tolist()) for one in found] == wanted


def test_csv_whose_types_are_guessed(tmp_path: Path) -> None:
    cells = {"7": 7, "-0": "-0", "007": "007", "1.5": 1.5, "1e5": "1e5", "true": True, "True": "True", "": None,
             "99999999999999999999": "99999999999999999999", "2024-01-01": "2024-01-01", "1.0e-3": 0.001}  # fmt: skip
    names = ",".join(f"c{chr(97 + n)}" for n in range(len(cells)))
    (tmp_path / "a.csv").write_text(f'id,vector,{names}\n1,"[1]",{",".join(cells)}\n')
    (guessed,) = read(f"csv:{tmp_path / 'a.csv'}?types=guess")
    assert list(guessed.payload.values()) == list(cells.values())
    (as_text,) = read(f"csv:{tmp_path / 'a.csv'}")
    assert list(as_text.payload.values()) == list(cells)
    with pytest.raises(BadInput):
        look(f"csv:{tmp_path / 'a.csv'}?types=sure")


def test_csv_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,v0,v1\na,1\nb,1,2,3\nc,x,2\nd,,2\ne,,\nf,"1"2,3\ng,1,2\n')
    found = {str(record.id): record.trouble for record in read(f"csv:{path}")}
    assert [trouble.partition(" (")[0] for trouble in found.values()] == [
        "it has 2 cells, and the heading 3",
        "it has 4 cells, and the heading 3",
        "its vector holds a str where a number should be",
        "its vector holds null where a number should be",
        "it has no vector",
        "it is no CSV",
        "",
    ]
    for text, words in (
        ('id,vector\n1,"[1,2]"\n2,"[1,', "never close"),
        ("id,id,vector\n", "two columns called"),
        ("id,vector\n1,\xe9\n", "not utf-8"),
    ):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(SourceUnreadable, match=words):
            look(f"csv:{path}")
    for option in ("delimiter=ab", "encoding=nope"):
        with pytest.raises(BadInput):
            look(f"csv:{path}?{option}")


@pytest.mark.parametrize(
    "text",
    ["[", "[1", '[{"id": 1, "vector": [1]}', '[{"a": 1},]', "[{}] x", "[}", '{"id": [', "\xff\xfe{", "null", "[nul]"],
)
def test_json_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(AdminError) as refused:
        look(f"jsonl:{tmp_path / 'a.json'}")
    assert refused.value.fix


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
payloads = st.dictionaries(st.text().filter(lambda name: name not in {"id", "vector"}), json_values, max_size=4)


@given(payload=payloads)
def test_a_payload_is_what_the_line_says(payload: dict[str, Any]) -> None:
    line = read_json(json.dumps({**payload, "id": 1, "vector": [1.0]}))
    layout = choose(sniff([line], ["vector"]), list(line), {"vector": "vector", "id": "id"})
    assert layout is not None
    row = take_apart(line, layout)
    whole = payload.get("payload") if payload.keys() == {"payload"} else payload
    if isinstance(whole, dict):
        assert json.dumps(row.payload) == json.dumps(whole)
    else:
        assert row.trouble or row.payload == {}
    assert (row.id, list(row.vectors)) == (1, [""])


@given(value=scalars | st.binary() | st.lists(st.integers()) | st.uuids() | st.dates() | st.decimals())
def test_an_id_is_mapped_to_one_that_a_server_takes_or_is_none(value: Any) -> None:
    try:
        found = identity(value)
    except Unfit:
        assert isinstance(value, bool | list)
        return
    if found == NO_ID:
        assert value is None or value in {"", b""} or value != value  # noqa: PLR0124 # NaN
        return
    try:
        target = map_id(found, folds_uuids=False)
    except UnicodeEncodeError:
        return
    assert target == map_id(key_of(found), folds_uuids=False)
    assert 0 <= target < 1 << 64 if isinstance(target, int) else len(target) == 36


@given(numbers=st.lists(st.floats(width=32), min_size=1))
def test_float32_survives_text_and_json_bit_for_bit(numbers: list[float]) -> None:
    wanted = np.array(numbers, dtype=np.float32)
    for value in (wanted.tolist(), json.dumps(wanted.tolist()), wanted.astype("<f4").tobytes(), wanted):
        found = vector_of(value, "dense")
        assert np.array_equal(np.asarray(found), wanted, equal_nan=True)


@given(numbers=st.lists(st.floats(), min_size=1))
def test_what_is_narrowed_is_neither_lost_nor_made_infinite(numbers: list[float]) -> None:
    wide = np.array(numbers)
    try:
        found = narrow(wide)
    except Unfit:
        return
    assert bool(found.any()) == bool(wide.any())
    assert bool(np.isfinite(found).all()) == bool(np.isfinite(wide).all())


@given(
    value=json_values
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(dt.UTC))
    | st.sets(st.integers())
)
def test_whatever_is_said_is_json(value: Any) -> None:
    json.dumps(said(value))  # a number that is not finite stays one, and is refused with the record that has it


@given(value=json_values, kind=st.sampled_from(["dense", "sparse", "multi"]))
def test_a_value_is_a_vector_or_says_why_not(value: Any, kind: Any) -> None:
    with contextlib.suppress(Unfit):
        found = vector_of(value, kind)
        assert isinstance(found, Sparse) == (kind == "sparse")
        assert kind == "sparse" or np.asarray(found).dtype == np.float32


def test_columns_of_single_numbers_are_one_vector_when_nothing_is_missing() -> None:
    assert [slot.parts for slot in numbered(["a", "v0", "v2", "v1"])] == [("v0", "v1", "v2")]
    assert numbered(["v0", "v2"]) == numbered(["v5", "v6"]) == numbered(["v1"]) == []
    with pytest.raises(BadInput, match="several columns"):
        choose([], ["a0", "a1", "b0", "b1"], {})

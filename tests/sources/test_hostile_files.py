"""Files that are wrong, odd or malicious: each ends in verified success, clear rejects, or a refusal. Never between."""

from pathlib import Path

import pytest

from qdrant_admin.core.errors import AdminError
from qdrant_admin.database.gateway import Database
from tests.migration.support import hashes, moved, planned, unpacked, workspace
from tests.support.real import Server

pytestmark = pytest.mark.server

WHOLE: dict[str, int] = {
    "array.json": 5,
    "crlf_bom.jsonl": 50,
    "duplicate_keys.jsonl": 1,
    "empty.npy": 0,
    "empty.parquet": 0,
    "empty_documents.jsonl": 5,
    "missing_id.jsonl": 3,
    "multi_vectors.parquet": 3,
    "no_final_newline.jsonl": 50,
    "npy_f16.npy": 20,
    "npy_f64.npy": 20,
    "npy_fortran.npy": 20,
    "npy_int8.npy": 20,
    "npy_three_dim.npy": 5,
    "payload_1mb.jsonl.gz": 2,
    "payload_keys.jsonl": 1,
    "payload_many_keys.jsonl": 1,
    "semicolons.csv?encoding=latin-1": 1,
    "small.feather": 2,
    "stream.arrow": 2,
    "vectors.npz": 20,
    "zero_vectors.jsonl": 3,
}
"""Verified, with so many points."""
IN_PART: dict[str, tuple[int, dict[str, str]]] = {
    "commas.csv": (1, {"b": "its vector has 3 components, the collection takes 4"}),
    "mixed_dims.jsonl": (
        4,
        {
            "ok-2": "its vector has 3 components, the collection takes 4",
            "ok-4": "its vector has 5 components, the collection takes 4",
            "ok-5": "",
        },
    ),
    "nan_inf.jsonl": (
        1,
        {
            "nan": "its vector holds NaN or infinity",
            "inf": "its vector holds NaN or infinity",
            "-inf": "its vector holds NaN or infinity",
            "over32": "its vector holds a number that is infinite in 32 bits",
            "over64": "its vector holds NaN or infinity",
            "norm-overflow": "its vector is too long to be normalised: its length is infinite in 32 bits",
            "denormal": "its vector is too short to be normalised: the server would make it zero",
            "underflow": "its vector is so small that it would be all zero in 32 bits",
        },
    ),
    "nan_inf.npy": (2, {}),
    "nested.jsonl": (2, {}),
    "null_vectors.jsonl": (
        1,
        {
            "ok-1": "it has no vector",
            "ok-2": "it has no vector",
            "ok-3": "its vector holds null where a number should be",
            "ok-4": "its vector is text, and others are a list",
            "ok-5": "its vector is an object, and others are a list",
            "ok-6": "its vector is an object, and others are a list",
            "ok-7": "its vector holds a list where a number should be",
        },
    ),
}
"""So many points, and rejects with their reasons (where they are named here)."""
NOTHING = ("empty.jsonl", "empty.jsonl.gz")
"""Nothing to copy, and it says so."""
REFUSED: dict[str, str] = {
    "collection_names.json": "holds no JSON lines",
    "not_parquet.parquet": "damaged or cut off",
    "npy_complex.npy": "complex64",
    "npy_one_dim.npy": "two dimensions",
    "semicolons.csv": "not utf-8",
    "truncated.jsonl.gz": "damaged or cut off",
}
"""Not begun, or not finished."""
_SCHEMES = {
    "parquet": "parquet",
    "feather": "arrow",
    "arrow": "arrow",
    "csv": "csv",
    "npy": "npy",
    "npz": "npy",
}


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """The files."""
    return unpacked("hostile-files", tmp_path)


def uri(folder: Path, name: str) -> str:
    suffix = name.partition("?")[0].removesuffix(".gz").rpartition(".")[2]
    return f"{_SCHEMES.get(suffix, 'jsonl')}:{folder / name}"


def test_every_file_is_tried(hostile: Path) -> None:
    tried = {name.partition("?")[0] for name in (*WHOLE, *IN_PART, *NOTHING, *REFUSED)}
    assert {path.name for path in hostile.iterdir()} - {"cases.json"} == tried


def test_whatever_they_hold_is_moved_rejected_or_refused(server: Server, hostile: Path) -> None:
    ws, before = workspace(server), hashes(hostile)
    for name, count in WHOLE.items():
        report = moved(ws, uri(hostile, name), to="c", on_conflict="rename")
        (result,) = report.collections
        word = "verified" if count else "skipped"  # of nothing, nothing is claimed
        assert (report.verdict, result.verified, result.rejected, report.exit_code) == (word, count, 0, 0), name
    for name, (good, reasons) in IN_PART.items():
        report = moved(ws, uri(hostile, name), to="c", on_conflict="rename")
        (result,) = report.collections
        assert (report.verdict, report.exit_code, result.verified) == ("differs", 1, good), name
        assert result.rejected == result.read - good > 0
        said = {reject.id: reject.reason for reject in report.rejects}
        assert len(said) == result.rejected
        assert all(reason in said[record] for record, reason in reasons.items()), (name, said)
        with Database(server.endpoint) as database:
            assert database.count(result.target) == good
    for name in NOTHING:
        report = moved(ws, uri(hostile, name), to="nothing")
        assert (report.verdict, report.collections[0].note) == ("skipped", "left out: it holds no vector")
    for name, words in REFUSED.items():
        with pytest.raises(AdminError, match=words) as refusal:
            planned(ws, uri(hostile, name))
        assert refusal.value.fix, name
    assert hashes(hostile) == before


def test_every_scheme_over_every_file_ends_in_words(hostile: Path, server: Server) -> None:
    ws = workspace(server)
    told = []
    for path in sorted(hostile.iterdir()):
        for scheme in ("parquet", "arrow", "jsonl", "csv", "npy", "rejects"):
            try:
                planned(ws, f"{scheme}:{path}")
            except AdminError as error:
                told.append((path.name, scheme, str(error), error.fix))
    assert [one for one in told if not all(one)] == []
    assert len(told) > 100
